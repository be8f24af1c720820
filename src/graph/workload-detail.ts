/**
 * What readers are shown of a workload beyond its node: what its newest pod declares. It keeps
 * nothing and judges nothing.
 */
import type { Entity } from "../model/entities.ts";
import type { ContainerSpec } from "../model/observations.ts";
import type { PodRecord } from "./identity.ts";

/** Facts of the newest object among its pods; empty while no object has come. */
export function declaredOf(pods: readonly PodRecord[]): Record<string, unknown> {
  const living = pods.filter(({ facts }) => facts.endUs === 0);
  let newest: PodRecord | undefined;
  for (const pod of living.length > 0 ? living : pods) {
    if (pod.object && (!newest || pod.objectUs > newest.objectUs)) newest = pod;
  }
  const object = newest?.object;
  if (!newest || !object) return { pods: living.length };
  const { facts } = newest;
  return {
    pods: living.length,
    containers: object.containers.map(containerOf),
    proxy: {
      container: facts.proxy.container,
      image: facts.proxy.image,
      uid: facts.proxy.uid,
      gid: facts.proxy.gid,
    },
    excluded_outbound_ports: facts.excludedOutboundPorts ?? [],
    excluded_outbound_ranges: facts.excludedOutboundRanges ?? [],
    run_as_user: object.runAsUser,
    run_as_group: object.runAsGroup,
    fs_group: object.fsGroup,
    supplemental_groups: object.supplementalGroups,
    share_process_namespace: object.shareProcessNamespace,
    host_network: object.hostNetwork,
    host_pid: object.hostPid,
    host_ipc: object.hostIpc,
    host_users: object.hostUsers,
    // Where the pod does not say, its account decides.
    ...(object.automountSet ? { automount_service_account_token: object.automountToken } : {}),
  };
}

/** By the field names that rules know: what it says itself, without what it is in its pod. */
export function containerOf(spec: ContainerSpec): Omit<Entity<"container">, "role" | "mode"> {
  return {
    name: spec.name,
    image: spec.image,
    init: spec.init,
    ephemeral: spec.ephemeral,
    restartable: spec.restartable,
    run_as_user: spec.runAsUser,
    run_as_group: spec.runAsGroup,
    run_as_non_root: spec.runAsNonRoot,
    privileged: spec.privileged,
    capabilities_add: spec.capabilitiesAdd,
    capabilities_drop: spec.capabilitiesDrop,
    allow_privilege_escalation: spec.allowPrivilegeEscalation,
    ports: spec.ports,
  };
}
