/**
 * A Kubernetes pod object in the engine's own words. Containers inherit what the pod's security context
 * sets and they do not. What the object leaves out is "", -1, 0 or Kubernetes' default.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { ContainerSpec, PodObject } from "../../model/observations.ts";
import type { Us } from "../../model/time.ts";
import { boolField, field, intField, intOf, isObject, listField } from "../json.ts";
import { textField, textList, textMap, type Json } from "../json.ts";
import { parseRfc3339 } from "../times.ts";
import { bareContainerId } from "./container-id.ts";
import { controllerOf } from "./controller-object.ts";
import { annotationsOf } from "./object-metadata.ts";
import { automountField, isTrueUnlessFalse } from "./service-account.ts";

const maxContainers = 64;
const maxLabels = 128;
const maxLabelLength = 512;
/** Annotations hold lists of ports and ranges. */
const maxAnnotationLength = 4_096;

const endedPhases: ReadonlySet<string> = new Set(["Succeeded", "Failed"]);

export function readPodObject(object: Json): PodObject {
  const metadata = field(object, "metadata");
  const spec = field(object, "spec");
  const status = field(object, "status");
  const security = field(spec, "securityContext");
  const phase = textField(status, "phase");
  const owner = controllerOf(metadata);
  const hostIp = canonicalIp(textField(status, "hostIP"));
  return {
    type: "pod",
    uid: textField(metadata, "uid"),
    namespace: textField(metadata, "namespace"),
    name: textField(metadata, "name"),
    ips: ipsOf(status),
    hostNetwork: boolField(spec, "hostNetwork"),
    hostPid: boolField(spec, "hostPID"),
    hostIpc: boolField(spec, "hostIPC"),
    hostUsers: isTrueUnlessFalse(field(spec, "hostUsers")),
    shareProcessNamespace: boolField(spec, "shareProcessNamespace"),
    node: textField(spec, "nodeName"),
    ...(hostIp === "" ? {} : { hostIp }),
    serviceAccount: textField(spec, "serviceAccountName"),
    ...automountOf(spec),
    ownerKind: textField(owner, "kind"),
    ownerName: textField(owner, "name"),
    labels: textMap(metadata, "labels", maxLabels, maxLabelLength),
    annotations: annotationsOf(metadata, maxAnnotationLength),
    runAsUser: intField(security, "runAsUser"),
    runAsGroup: intField(security, "runAsGroup"),
    fsGroup: intField(security, "fsGroup"),
    supplementalGroups: listField(security, "supplementalGroups", 64)
      .map(intOf)
      .filter((group) => group >= 0),
    containers: containersOf(spec, status, security),
    startUs: timeField(status, "startTime"),
    deletionUs: timeField(metadata, "deletionTimestamp"),
    finishedUs: endedPhases.has(phase) ? lastFinish(status) : 0,
    phase,
  };
}

function automountOf(spec: Json): Pick<PodObject, "automountToken" | "automountSet"> {
  const value = field(spec, automountField);
  const automountToken = isTrueUnlessFalse(value);
  return value === undefined || value === null
    ? { automountToken }
    : { automountToken, automountSet: true };
}

/** Both families; older objects have only the single field. */
function ipsOf(status: Json): readonly string[] {
  const listed = listField(status, "podIPs", 16).map((item) => textField(item, "ip"));
  const all = [textField(status, "podIP"), ...listed].map(canonicalIp).filter((ip) => ip !== "");
  return [...new Set(all)];
}

function timeField(value: Json, name: string): Us {
  return parseRfc3339(textField(value, name)).us;
}

/** When the last container of an ended pod finished: then its address is free. */
function lastFinish(status: Json): Us {
  const states = [
    ...listField(status, "containerStatuses", maxContainers),
    ...listField(status, "initContainerStatuses", maxContainers),
  ];
  return Math.max(
    0,
    ...states.map((item) => timeField(field(field(item, "state"), "terminated"), "finishedAt")),
  );
}

type ContainerKind = "containers" | "initContainers" | "ephemeralContainers";

const statusNames: Readonly<Record<ContainerKind, string>> = {
  containers: "containerStatuses",
  initContainers: "initContainerStatuses",
  ephemeralContainers: "ephemeralContainerStatuses",
};

function containersOf(spec: Json, status: Json, podSecurity: Json): readonly ContainerSpec[] {
  const kinds: readonly ContainerKind[] = ["initContainers", "containers", "ephemeralContainers"];
  const containers = kinds.flatMap((kind) => {
    const statuses = new Map(
      listField(status, statusNames[kind], maxContainers).map((item) => [
        textField(item, "name"),
        item,
      ]),
    );
    return listField(spec, kind, maxContainers).map((container) =>
      containerOf(container, kind, podSecurity, statuses),
    );
  });
  // The list is kept with the pod; put together, it has room for a dozen more.
  return containers.slice();
}

/** Each start of a container has an id of its own; the status has this one's and the last one's. */
function startsOf(
  status: Json = null,
): Pick<ContainerSpec, "containerId" | "formerId" | "restarts"> {
  const last = field(field(status, "lastState"), "terminated");
  const formerId = bareContainerId(textField(last, "containerID"));
  const restarts = intField(status, "restartCount");
  return {
    containerId: bareContainerId(textField(status, "containerID")),
    ...(formerId === "" ? {} : { formerId }),
    ...(restarts > 0 ? { restarts } : {}),
  };
}

function containerOf(
  container: Json,
  kind: ContainerKind,
  podSecurity: Json,
  statuses: ReadonlyMap<string, Json>,
): ContainerSpec {
  const own = field(container, "securityContext");
  const capabilities = field(own, "capabilities");
  const isPrivileged = boolField(own, "privileged");
  const name = textField(container, "name");
  return {
    name,
    image: textField(container, "image", 512),
    ...startsOf(statuses.get(name)),
    init: kind === "initContainers",
    restartable: kind === "initContainers" && textField(container, "restartPolicy") === "Always",
    ephemeral: kind === "ephemeralContainers",
    runAsUser: inheritedInt(own, podSecurity, "runAsUser"),
    runAsGroup: inheritedInt(own, podSecurity, "runAsGroup"),
    runAsNonRoot: boolField(hasField(own, "runAsNonRoot") ? own : podSecurity, "runAsNonRoot"),
    privileged: isPrivileged,
    // Unset means allowed: the kernel's no_new_privs is off then.
    allowPrivilegeEscalation:
      isPrivileged || isTrueUnlessFalse(field(own, "allowPrivilegeEscalation")),
    capabilitiesAdd: textList(capabilities, "add", 64),
    capabilitiesDrop: textList(capabilities, "drop", 64),
    ports: listField(container, "ports", 128)
      .map((port) => intField(port, "containerPort"))
      .filter((port) => port > 0 && port <= 65_535)
      .slice(),
  };
}

/** What a container does not set itself it takes from its pod. */
function inheritedInt(own: Json, podSecurity: Json, name: string): number {
  const value = intField(own, name);
  return value >= 0 ? value : intField(podSecurity, name);
}

function hasField(value: Json, name: string): boolean {
  return isObject(value) && Object.hasOwn(value, name);
}
