/**
 * What the running pods of a workload declare together: the union, so that the one pod that differs from
 * its siblings is not hidden by them. Where only one value fits, the youngest pod's stands; a promise
 * (a sidecar, the node's redirection) holds only if all pods keep it. Pure.
 */
import { makeEntity, type Entity, type NodeEntity } from "../../model/entities.ts";
import type { NamespaceObject } from "../../model/objects.ts";
import type { PodObject } from "../../model/observations.ts";
import type { PodRecord } from "../identity.ts";
import { roleOf, type RoleWords } from "../container-role.ts";
import { containerOf } from "../workload-detail.ts";
import {
  dataplaneModeOf,
  excludedInboundPortsOf,
  interceptionModeOf,
  isInjectionDeclared,
  isInjectionDeclined,
  isInMesh,
  redirectionOf,
} from "./injection.ts";

/** Different containers, annotations and listed words of one workload; more are left out. */
const containersMax = 64;
const annotationsMax = 256;
const wordsMax = 256;

/** What is concluded about the workload elsewhere. */
export interface WorkloadContext {
  readonly self: NodeEntity;
  /** Its cluster and namespace. */
  readonly place: NodeEntity;
  readonly words: RoleWords;
  readonly namespace: NamespaceObject | undefined;
  readonly accountsWithoutToken: ReadonlySet<string>;
  readonly declaredMode: Entity<"workload">["declared_mode"];
  /** Names (`namespace/name`) of policies that select it, sorted. */
  readonly authorizationPolicies: readonly string[];
  readonly networkPolicies: readonly string[];
  readonly coverage: Readonly<Record<string, string>>;
  readonly overCapacity: readonly string[];
}

interface Declared {
  readonly pod: PodRecord;
  readonly object: PodObject;
}

/** `pods`: those that run, in any order. */
export function workloadEntity(
  pods: readonly PodRecord[],
  context: WorkloadContext,
): Entity<"workload"> {
  const entity = makeEntity("workload");
  entity.self = context.self;
  entity.place = context.place;
  entity.namespace_in_mesh = isInMesh(context.namespace);
  entity.pods = pods.length;
  entity.declared_mode = context.declaredMode;
  entity.authorization_policies = context.authorizationPolicies;
  entity.network_policies = context.networkPolicies;
  entity.coverage = context.coverage;
  entity.over_capacity = context.overCapacity;
  const declared = believed(oldestFirst(pods));
  const youngest = declared.at(-1);
  if (!youngest) return entity;
  const objects = declared.map(({ object }) => object);
  entity.containers = containersOf(declared, context.words);
  fillSecurity(entity, objects, youngest.object);
  entity.automount_service_account_token = objects.some((one) =>
    isGivenToken(one, context.accountsWithoutToken),
  );
  fillProxy(entity, declared, youngest);
  fillDataplane(entity, objects, youngest.object, context.namespace);
  return entity;
}

/** The pods of which an object has told, in an order that does not hang on the order of arrival. */
export function oldestFirst(pods: readonly PodRecord[]): Declared[] {
  return pods
    .flatMap((pod) => (pod.object ? [{ pod, object: pod.object }] : []))
    .sort((a, b) => a.pod.facts.fromUs - b.pod.facts.fromUs || (a.pod.key < b.pod.key ? -1 : 1));
}

/** What is only claimed counts where nobody else tells: it must not hide what is declared. */
function believed(declared: readonly Declared[]): readonly Declared[] {
  const attested = declared.filter(({ pod }) => pod.isAttested);
  return attested.length > 0 ? attested : declared;
}

function fillSecurity(
  entity: Entity<"workload">,
  objects: readonly PodObject[],
  youngest: PodObject,
): void {
  entity.run_as_user = youngest.runAsUser;
  entity.run_as_group = youngest.runAsGroup;
  entity.fs_group = youngest.fsGroup;
  const groups = new Set(objects.flatMap(({ supplementalGroups }) => supplementalGroups));
  entity.supplemental_groups = [...groups].sort((a, b) => a - b).slice(0, wordsMax);
  entity.share_process_namespace = objects.some((one) => one.shareProcessNamespace);
  entity.host_network = objects.some(({ hostNetwork }) => hostNetwork);
  entity.host_pid = objects.some(({ hostPid }) => hostPid);
  entity.host_ipc = objects.some(({ hostIpc }) => hostIpc);
  entity.host_users = objects.some(({ hostUsers }) => hostUsers);
  entity.labels = youngest.labels;
  entity.annotations = annotationsOf(objects);
}

/** What the pod says stands before what its account says. */
function isGivenToken(
  { automountToken, automountSet, serviceAccount }: PodObject,
  accountsWithoutToken: ReadonlySet<string>,
): boolean {
  if (automountSet) return automountToken;
  return automountToken && !accountsWithoutToken.has(serviceAccount || "default");
}

function fillProxy(
  entity: Entity<"workload">,
  declared: readonly Declared[],
  youngest: Declared,
): void {
  entity.injected = declared.every(({ pod }) => pod.facts.proxy.container !== "");
  const proxied = declared.findLast(({ pod }) => pod.facts.proxy.container !== "");
  const { proxy } = (proxied ?? youngest).pod.facts;
  entity.proxy_image = proxy.image;
  entity.proxy_uid = proxy.uid;
  entity.proxy_gid = proxy.gid;
  const facts = declared.map(({ pod }) => pod.facts);
  entity.excluded_outbound_ports = united(facts.flatMap((one) => one.excludedOutboundPorts ?? []));
  entity.excluded_outbound_ranges = united(
    facts.flatMap((one) => one.excludedOutboundRanges ?? []),
  );
}

function fillDataplane(
  entity: Entity<"workload">,
  objects: readonly PodObject[],
  youngest: PodObject,
  namespace: NamespaceObject | undefined,
): void {
  entity.injection_declared = objects.some((one) => isInjectionDeclared(one, namespace));
  entity.injection_declined = objects.some((one) => isInjectionDeclined(one, namespace));
  const interceptions = objects.map(interceptionModeOf);
  entity.interception_mode = interceptions.includes("NONE") ? "NONE" : interceptionModeOf(youngest);
  entity.excluded_inbound_ports = united(objects.flatMap(excludedInboundPortsOf));
  entity.redirection = redirectionsOf(objects);
  entity.dataplane_mode = dataplaneModeOf(youngest, namespace);
}

/** A pod that waits for a machine or its images has no network to redirect yet. */
function redirectionsOf(objects: readonly PodObject[]): string {
  const running = objects.filter(({ phase }) => phase !== "Pending");
  const [one = "pending", ...others] = new Set(running.map(redirectionOf));
  return others.length === 0 ? one : "";
}

/** Containers that differ in what rules can read of them, by name. */
function containersOf(
  declared: readonly Declared[],
  words: RoleWords,
): readonly Entity<"container">[] {
  const containers = new Map<string, Entity<"container">>();
  for (const { pod, object } of declared) {
    const { mode } = pod.facts;
    for (const spec of object.containers) {
      const container = { ...containerOf(spec), role: roleOf(spec, words), mode };
      if (declared.length === 1) containers.set(spec.name, container);
      else if (containers.size < containersMax)
        containers.set(JSON.stringify(container), container);
    }
  }
  if (declared.length === 1) return [...containers.values()];
  return [...containers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, container]) => container);
}

/** Of one that several pods have with different values the youngest's counts. */
function annotationsOf(objects: readonly PodObject[]): Readonly<Record<string, string>> {
  const [first] = objects;
  if (objects.length === 1 && first) return first.annotations;
  const all = new Map<string, string>();
  for (const { annotations } of objects) {
    for (const [name, value] of Object.entries(annotations)) {
      if (all.size < annotationsMax || all.has(name)) all.set(name, value);
    }
  }
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function united(words: readonly string[]): readonly string[] {
  return words.length < 2 ? words : [...new Set(words)].sort().slice(0, wordsMax);
}
