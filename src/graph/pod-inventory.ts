/**
 * A pod as an inventory tells of it, in parts that come in any order: which parts are known, and what
 * follows from them. An inventory says less than an object and nothing of what it leaves out, so no pod is
 * without a proxy by its word, and no exclusion is absent. Pure; the pods' table is in `identity.ts`.
 */
import type { NodeEntity } from "../model/entities.ts";
import type { ContainerSpec, PodFact, PodInventory, PodObject } from "../model/observations.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import { captureAnnotations } from "./capture-holes.ts";
import { learnStarts } from "./container-starts.ts";
import type { PodFacts } from "./contracts.ts";
import { objectBorderUs, type IdentityOptions } from "./options.ts";
import { exclusionsOf, inclusionsOf, modeOfPod, proxyContainerOf, proxyFactsOf } from "./pods.ts";

/** Parts of one pod; a real one has a dozen. */
const partsMax = 160;
/** Instances that have told of one pod: one, and two for a while when it is replaced. */
const tellersMax = 4;
/** How exact it is kept until when a pod was told of, so that not every scrape touches every pod. */
const toldStepUs = 5 * usPerMinute;

interface Part {
  readonly fact: PodFact;
  /** Of the newest list that said so. */
  atUs: Us;
}

/** Kept with the pod, and changed in place: a scrape mostly says what the one before said. */
export interface Inventory {
  readonly parts: Record<string, Part>;
  /** By instance, the newest list of its own that had the pod. */
  readonly listedUs: Record<string, Us>;
  /** Until when it has been told of, by whomever, in steps. */
  toldUs: Us;
  /** The first complete list without it, 0 = none; a later one may have it again. */
  goneUs: Us;
}

export function makeInventory(): Inventory {
  return { parts: {}, listedUs: {}, toldUs: 0, goneUs: 0 };
}

/** Takes one more word in; true = something follows from it that did not before. */
export function learnInventory(
  inventory: Inventory,
  { facts, teller }: PodInventory,
  atUs: Us,
): boolean {
  const { parts, listedUs } = inventory;
  let isNew = false;
  for (const fact of facts) {
    const key = keyOf(fact);
    const before = parts[key];
    if (before && isSameFact(before.fact, fact)) {
      if (atUs > before.atUs) before.atUs = atUs;
    } else if (before ? isNewer({ fact, atUs }, before) : Object.keys(parts).length < partsMax) {
      parts[key] = { fact, atUs };
      isNew = true;
    }
  }
  listedUs[teller] = Math.max(listedUs[teller] ?? 0, atUs);
  boundTellers(listedUs);
  const toldUs = Math.floor(atUs / toldStepUs) * toldStepUs;
  const isBack = inventory.goneUs > 0 && atUs >= inventory.goneUs;
  if (isBack) inventory.goneUs = 0;
  const isLater = toldUs > inventory.toldUs;
  if (isLater) inventory.toldUs = toldUs;
  if (isNew) assembled.delete(inventory);
  return isNew || isBack || isLater;
}

/** Whom nobody has heard for longest goes when there are too many. */
function boundTellers(listedUs: Record<string, Us>): void {
  const all = Object.entries(listedUs);
  if (all.length <= tellersMax) return;
  const [oldest] = all.sort(([a, aUs], [b, bUs]) => aUs - bUs || (a < b ? -1 : 1));
  if (oldest) delete listedUs[oldest[0]];
}

function newestListUs({ listedUs }: Inventory): Us {
  return Math.max(0, ...Object.values(listedUs));
}

function isSameFact(one: PodFact, other: PodFact): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Of two facts of one time the greater stands: no order decides. */
function isNewer(one: Part, other: Part): boolean {
  if (one.atUs !== other.atUs) return one.atUs > other.atUs;
  return JSON.stringify(one.fact) > JSON.stringify(other.fact);
}

function keyOf(fact: PodFact): string {
  switch (fact.of) {
    case "address":
      return `address ${fact.ip}`;
    case "owner":
      return `owner ${fact.kind} ${fact.name}`;
    case "container":
    case "restarts":
      return `${fact.of} ${fact.name}`;
    case "pod":
    case "account":
    case "labels":
    case "annotations":
    case "start":
    case "end":
      return fact.of;
  }
}

/**
 * The parts as an object, so far as they go: where one is missing, it says what the object would if it
 * declared nothing, and `factsOfInventory` takes none of that for told.
 */
export function objectOfInventory(inventory: Inventory, pod: NamedPod): PodObject {
  let object = assembled.get(inventory);
  // A pod that was known by its name alone may have got its uid since.
  if (object?.uid !== pod.uid) {
    object = assemble(inventory, pod);
    assembled.set(inventory, object);
  }
  return object;
}

type NamedPod = Pick<PodObject, "uid" | "namespace" | "name">;

/** What follows from the parts, until one is new: most scrapes say nothing new. */
const assembled = new WeakMap<Inventory, PodObject>();

function assemble({ parts }: Inventory, { uid, namespace, name }: NamedPod): PodObject {
  const facts = Object.values(parts).map(({ fact }) => fact);
  const of = <Of extends PodFact["of"]>(kind: Of): Extract<PodFact, { of: Of }>[] =>
    facts.filter((fact): fact is Extract<PodFact, { of: Of }> => fact.of === kind);
  const [pod] = of("pod");
  const [owner = { kind: pod?.ownerKind ?? "", name: pod?.ownerName ?? "" }] = of("owner").sort(
    (a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1),
  );
  const restarts = new Map(of("restarts").map((one) => [one.name, one.count]));
  const ips = [pod?.ip ?? "", ...of("address").map(({ ip }) => ip)].filter((ip) => ip !== "");
  return {
    ...undeclared,
    uid,
    namespace,
    name,
    ips: [...new Set(ips)].sort(),
    hostNetwork: pod?.hostNetwork ?? false,
    node: pod?.node ?? "",
    ...(pod && pod.hostIp !== "" ? { hostIp: pod.hostIp } : {}),
    serviceAccount: of("account")[0]?.name ?? "",
    ownerKind: owner.kind,
    ownerName: owner.name,
    labels: of("labels")[0]?.names ?? {},
    annotations: of("annotations")[0]?.names ?? {},
    containers: of("container")
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((one) => containerOf(one, restarts.get(one.name) ?? 0)),
    startUs: of("start")[0]?.atUs ?? 0,
    finishedUs: of("end")[0]?.atUs ?? 0,
  };
}

const undeclared = {
  type: "pod",
  hostPid: false,
  hostIpc: false,
  hostUsers: true,
  shareProcessNamespace: false,
  automountToken: true,
  runAsUser: -1,
  runAsGroup: -1,
  fsGroup: -1,
  supplementalGroups: [],
  deletionUs: 0,
  phase: "",
} as const;

function containerOf(
  { name, image, containerId, init, restartPolicy }: Extract<PodFact, { of: "container" }>,
  restarts: number,
): ContainerSpec {
  return {
    name,
    image,
    containerId,
    ...(restarts > 0 ? { restarts } : {}),
    init,
    // Releases that do not tell: an init container of the proxy's name is a native sidecar.
    restartable: init && (restartPolicy === "Always" || restartPolicy === ""),
    ephemeral: false,
    runAsUser: -1,
    runAsGroup: -1,
    runAsNonRoot: false,
    privileged: false,
    allowPrivilegeEscalation: true,
    capabilitiesAdd: [],
    capabilitiesDrop: [],
    ports: [],
  };
}

/** A pod's record, so far as it matters here. */
interface Described {
  readonly object: PodObject | null;
  readonly isAttested: boolean;
  readonly inventory?: Inventory;
  readonly facts: PodFacts;
}

/** What describes the pod best: its object, or what of one the inventory knows; null = neither. */
export function describedBy({ object, isAttested, inventory, facts }: Described): PodObject | null {
  if (isAttested || !inventory) return object;
  return objectOfInventory(inventory, facts);
}

/** The border in which it ended, zeros while it lives. */
export function endOfInventory(
  inventory: Inventory,
  { finishedUs }: PodObject,
): { readonly loUs: Us; readonly hiUs: Us } {
  const { goneUs } = inventory;
  const listedUs = newestListUs(inventory);
  if (finishedUs > 0) {
    return {
      loUs: finishedUs - objectBorderUs,
      hiUs: goneUs > 0 ? goneUs : Number.MAX_SAFE_INTEGER,
    };
  }
  return goneUs > 0 ? { loUs: listedUs, hiUs: goneUs } : { loUs: 0, hiUs: 0 };
}

/** What may be concluded from the parts; `known` is what was before. */
export function factsOfInventory(
  object: PodObject,
  { toldUs }: Inventory,
  known: PodFacts,
  options: IdentityOptions,
): Partial<PodFacts> {
  const proxy = proxyContainerOf(object, options);
  const exclusions = exclusionsOf(object);
  const has = (name: string): boolean => Object.hasOwn(object.annotations, name);
  const hasContainers = object.containers.length > 0;
  return {
    ips: object.ips.length > 0 ? object.ips : known.ips,
    ...(object.node === "" ? {} : { node: object.node }),
    hostNetwork: object.hostNetwork,
    mode: modeOf(object, proxy) === "unknown" ? known.mode : modeOf(object, proxy),
    ...(proxy ? { proxy: { ...proxyFactsOf(object, proxy), known: "event" as const } } : {}),
    containerNames: object.containers.map(({ name }) => name),
    ...(hasContainers ? { starts: learnStarts(known.starts, object, toldUs) } : {}),
    excludedOutboundPorts: has(captureAnnotations.excludePorts) ? exclusions.ports : null,
    excludedOutboundRanges: has(captureAnnotations.excludeRanges) ? exclusions.ranges : null,
    includedOutbound: inclusionsOf(object),
    ...(object.startUs > 0 ? { fromUs: object.startUs } : {}),
  };
}

/** That no proxy is shown proves nothing: it may be the node's, or its container's series not allowed. */
function modeOf(object: PodObject, proxy: ContainerSpec | undefined): NodeEntity["mode"] {
  const mode = modeOfPod(object, proxy);
  return mode === "none" ? "unknown" : mode;
}
