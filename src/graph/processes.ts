/**
 * Processes of meshed pods, one entry per pod, container, executable and ids: rung B1. An entry whose ids
 * are the proxy's, or which is a stranger in the proxy's container, becomes an entity; whether that is a
 * finding, the rules say from its fields. Connect
 * events are evidence of a process as well as exec events. What was said, and what nobody can judge yet,
 * lives a day, so that an object that comes hours late still corrects it.
 */
import type { Evidence, GraphChange, Observer } from "../model/changes.ts";
import { makeEntity, type NodeEntity, type ProcessEntity } from "../model/entities.ts";
import type { PodName, ProcessRef, ProcessSeen, SocketOpened } from "../model/observations.ts";
import { forget, type ProcessRow, type Restored, type WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerDay, usPerHour, usPerMinute, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";
import { JoinTable } from "./join-table.ts";
import { workloadOwner } from "./overflows.ts";
import {
  contradictsContainers,
  holdsProxyIds,
  mayBeNewProxy,
  placeOf,
  type ProcessPlace,
} from "./proxy-container.ts";
import { socketEvidence, socketId } from "./sockets.ts";
import { Waiting } from "./waiting.ts";

export type ProcessEvent = ProcessSeen | SocketOpened;

/** The same process seen again is news at most this often: it keeps an insight firing. */
const againUs = usPerMinute;
const keptUs = usPerDay;
/** A described pod's ordinary process, or its proxy: the description may still change, a container's start come late. */
const ordinaryKeptUs = usPerHour;
const eventsMax = 20;
/** Whose pods have a container of the proxy. */
const withProxy: ReadonlySet<NodeEntity["mode"]> = new Set(["sidecar", "gateway", "waypoint"]);

interface Seen {
  readonly event: ProcessEvent;
  readonly evidence: Evidence;
}

interface Entry {
  /** The entity's. */
  readonly id: string;
  /** Its key in the tables. */
  readonly key: string;
  readonly pod: PodName;
  /** The first events by (time, hash). Never empty; one is enough while the ids are ordinary. */
  seen: readonly Seen[];
  lastUs: Us;
  readonly dueUs: Us;
  occurrences: number;
  /** What was last said of it; "" = nothing yet. */
  said: string;
  saidUs: Us;
  /** It was last told of as the pod's own proxy. */
  isProxy: boolean;
  /** What it was said from: while these are the same, so is what there is to say. */
  saidOf: readonly [readonly Seen[], PodFacts, NodeEntity] | null;
}

export class ProcessTable {
  readonly #identity: Identity;
  readonly #options: BypassOptions;
  /** Of which something was said that may be a finding, or whose pod no object or inventory describes. */
  readonly #kept: JoinTable<Entry>;
  /** Nearly all: apart, so that they can neither crowd out what was said nor stay as long. */
  readonly #ordinary: JoinTable<Entry>;
  /** By namespace and name of the pod, or its UID or address where it has no name. */
  readonly #byPod = new Map<string, Set<Entry>>();
  readonly #waiting = new Waiting<Entry>();
  readonly #changed = new Map<string, ProcessRow>();
  /** Keys of rows that are of no use any more. */
  #forgotten: string[] = [];
  #judged = 0;

  constructor(identity: Identity, options: BypassOptions, overflowed: Overflowed) {
    this.#identity = identity;
    this.#options = options;
    const makeTable = (): JoinTable<Entry> =>
      new JoinTable(
        options.processesMax,
        options.workloadShare,
        (entry) => this.#forget(entry.value),
        (owner) => overflowed(owner, "processes"),
      );
    this.#kept = makeTable();
    this.#ordinary = makeTable();
  }

  /** True if it is evidence that was not known, so it must outlive a restart. */
  see(event: ProcessEvent, nowUs: Us, out: GraphChange[]): boolean {
    const pod = eventPod(event);
    const key = processKey(event, pod);
    const known = this.#get(key);
    const before = known?.seen;
    const entry = known ?? this.#add(key, event, pod, nowUs);
    entry.occurrences++;
    entry.lastUs = Math.max(entry.lastUs, event.timeUs);
    const facts = this.#identity.podOf(pod, entry.lastUs);
    // Whether the pod has a proxy may be told later: all that may be evidence then is kept.
    const mayTell =
      facts === null ||
      holdsProxyIds(event.process, facts) ||
      isStranger(this.#placeIn(facts, event));
    if (mayTell) entry.seen = addSeen(entry, event);
    this.#judge(entry, facts, nowUs, out);
    return entry.seen !== before;
  }

  podChanged(pod: PodFacts, nowUs: Us, out: GraphChange[]): void {
    for (const key of podKeys(pod)) {
      for (const entry of this.#byPod.get(key) ?? []) this.#judgeAgain(entry, nowUs, out);
    }
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    this.#kept.expire(nowUs);
    this.#ordinary.expire(nowUs);
    for (const entry of this.#waiting.take(nowUs)) this.#judgeAgain(entry, nowUs, out);
  }

  collect(into: WriteSet): void {
    for (const key of this.#forgotten.splice(0)) forget(into, "processes", key);
    for (const row of this.#changed.values()) into.processes.push(row);
    this.#changed.clear();
  }

  /** Says again what it said, under the same ids. Rows that cannot be read are left out. */
  restore(rows: Restored, nowUs: Us, out: GraphChange[]): void {
    for (const row of rows.processes) {
      const events = readEvents(row.detail);
      for (const event of events) this.see(event, nowUs, out);
      const [first] = events;
      const entry = first && this.#get(processKey(first, eventPod(first)));
      if (!entry) continue;
      entry.occurrences = row.occurrences;
      entry.lastUs = Math.max(entry.lastUs, row.lastSeenUs);
    }
    this.#changed.clear();
  }

  counters(into: CounterSample[]): void {
    const labels = { table: "processes" };
    into.push({ name: "processes_judged_total", labels: {}, value: this.#judged });
    into.push({ name: "join_entries", labels, value: this.#kept.size + this.#ordinary.size });
    const evicted = this.#kept.evicted + this.#ordinary.evicted;
    into.push({ name: "join_overflow_total", labels, value: evicted });
  }

  #get(key: string): Entry | undefined {
    return (this.#kept.get(key) ?? this.#ordinary.get(key))?.value;
  }

  #add(key: string, event: ProcessEvent, pod: PodName, nowUs: Us): Entry {
    const dueUs = Math.min(event.timeUs, nowUs) + this.#options.latenessUs;
    const seen = [{ event, evidence: eventEvidence(event) }];
    const entry: Entry = {
      id: contentHash(["process", key]),
      key,
      pod,
      seen,
      lastUs: event.timeUs,
      dueUs,
      occurrences: 0,
      said: "",
      saidUs: 0,
      isProxy: false,
      saidOf: null,
    };
    const facts = this.#identity.podOf(pod, event.timeUs);
    const owner = ownerOf(pod, facts);
    const expiresUs = nowUs + keptUs;
    this.#kept.add({ id: key, owner, value: entry, atUs: event.timeUs, expiresUs });
    const ofPod = this.#byPod.get(podKey(pod));
    if (ofPod) ofPod.add(entry);
    else this.#byPod.set(podKey(pod), new Set([entry]));
    return entry;
  }

  #forget(entry: Entry): void {
    const key = podKey(entry.pod);
    const ofPod = this.#byPod.get(key);
    ofPod?.delete(entry);
    if (ofPod?.size === 0) this.#byPod.delete(key);
    this.#waiting.delete(entry);
    this.#changed.delete(entry.id);
    if (entry.said !== "") this.#forgotten.push(entry.id);
  }

  #judgeAgain(entry: Entry, nowUs: Us, out: GraphChange[]): void {
    this.#judge(entry, this.#identity.podOf(entry.pod, entry.lastUs), nowUs, out);
  }

  #judge(entry: Entry, pod: PodFacts | null, nowUs: Us, out: GraphChange[]): void {
    this.#sayIfConcerned(entry, pod, nowUs, out);
    const isDescribed = pod !== null && pod.containerNames.length > 0;
    const isOrdinary = isDescribed && (entry.said === "" || entry.isProxy);
    const [from, to] = isOrdinary ? [this.#kept, this.#ordinary] : [this.#ordinary, this.#kept];
    const moved = from.take(entry.key);
    if (!moved) return;
    const expiresUs = nowUs + (isOrdinary ? ordinaryKeptUs : keptUs);
    to.add({ ...moved, owner: ownerOf(entry.pod, pod), expiresUs });
  }

  /** What was said once is said again with the new facts: that is how a finding is taken back. */
  #sayIfConcerned(entry: Entry, pod: PodFacts | null, nowUs: Us, out: GraphChange[]): void {
    const first = entry.seen[0]?.event;
    if (!first || !pod) return;
    const node = this.#identity.node(pod.nodeId);
    const [seen, ofPod, ofNode] = entry.saidOf ?? [];
    const isSame = seen === entry.seen && ofPod === pod && ofNode === node;
    if (isSame && entry.lastUs < entry.saidUs + againUs) return;
    const place = this.#placeIn(pod, first);
    if (entry.said === "" && !concerns(first.process, pod, place)) return;
    if (place.container === "unknown") {
      if (entry.said === "" && nowUs < entry.dueUs) {
        this.#waiting.add(entry, entry.dueUs);
        return;
      }
      // What was said stands: it rested on something.
      if (mayBeNewProxy(first.process, pod, first.timeUs, this.#options)) return;
      if (contradictsContainers(first.process, pod)) return;
    }
    const entity = processEntity(first, pod, nodeAs(node, pod.mode));
    entity.is_proxy = place.isProxy === "yes";
    // What ended before there was a proxy is as innocent as the proxy itself. It is said, since a finding
    // about an event is taken back by other facts only: rules do not hear of a "gone" event.
    entity.in_proxy_container = place.container === "proxy" || place.beforeProxy;
    entity.before_proxy = place.beforeProxy;
    entity.confidence = place.container === "unknown" ? "medium" : "high";
    entry.isProxy = entity.is_proxy && place.container === "proxy";
    entry.saidOf = [entry.seen, pod, node];
    this.#say(entry, entity, pod, out);
  }

  #placeIn(pod: PodFacts, { process }: ProcessEvent): ProcessPlace {
    return placeOf(process, pod, this.#options);
  }

  #say(entry: Entry, entity: ProcessEntity, pod: PodFacts, out: GraphChange[]): void {
    const evidence = entry.seen.map((seen) => seen.evidence);
    const saying = contentHash([
      JSON.stringify({ ...entity, pod: pod.nodeId, mode: entity.pod.mode, mesh: entity.pod.mesh }),
      ...evidence.map((item) => item.hash),
    ]);
    if (entry.said === saying && entry.lastUs < entry.saidUs + againUs) return;
    entry.said = saying;
    entry.saidUs = entry.lastUs;
    this.#judged++;
    this.#changed.set(entry.id, entryToRow(entry, entity, pod));
    out.push({
      kind: "entity",
      type: "process",
      id: entry.id,
      entity,
      judged: true,
      atUs: entry.lastUs,
      evidence,
      observers: observersOf(entry.seen.map((seen) => seen.event)),
    });
  }
}

/** Whose share of the tables it takes. */
function ownerOf(pod: PodName, facts: PodFacts | null): string {
  if (facts) return workloadOwner(facts.nodeId);
  return `${pod.namespace}/${pod.workload || podKey(pod)}`;
}

/** Whether there is something to say by what is known now: it holds the ids, or is a stranger. */
function concerns(process: ProcessRef, pod: PodFacts, place: ProcessPlace): boolean {
  if (place.beforeProxy || pod.hostNetwork) return false;
  if (pod.mode === "sidecar" && holdsProxyIds(process, pod)) return true;
  return isStranger(place) && withProxy.has(pod.mode);
}

function isStranger({ container, isProxy }: ProcessPlace): boolean {
  return container === "proxy" && isProxy === "no";
}

/** Who the event's pod is: as it says itself, else whoever held the socket's address. */
export function eventPod(event: ProcessEvent): PodName {
  const { pod } = event.process;
  const isNamed = pod.pod !== "" || pod.podUid !== "" || pod.address !== "";
  if (isNamed || event.kind !== "socket_opened") return pod;
  return { ...pod, cluster: pod.cluster || event.source.cluster, address: event.srcIp };
}

/** The agents whose silence would make a conclusion unknown. */
export function observersOf(events: readonly { readonly source: Observer }[]): readonly Observer[] {
  const byKey = new Map<string, Observer>();
  for (const { source } of events) {
    byKey.set(`${source.kind} ${source.key}`, { kind: source.kind, key: source.key });
  }
  return [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
}

/** The workload's node with the mode of this very pod: a rollout may have both. */
export function nodeAs(node: NodeEntity, mode: NodeEntity["mode"]): NodeEntity {
  return node.mode === mode ? node : { ...node, mode };
}

function processKey(event: ProcessEvent, pod: PodName): string {
  const { process } = event;
  return contentText(
    pod.cluster || event.source.cluster,
    podKey(pod),
    process.container || process.containerId,
    process.exe || process.name,
    process.uid,
    process.gid,
    process.euid,
    process.egid,
    event.trust,
  );
}

function podKey(pod: PodName): string {
  if (pod.pod !== "") return `${pod.namespace}/${pod.pod}`;
  return pod.podUid !== "" ? pod.podUid : pod.address;
}

function podKeys(pod: PodFacts): readonly string[] {
  return [`${pod.namespace}/${pod.name}`, pod.uid, ...pod.ips];
}

function addSeen(entry: Entry, event: ProcessEvent): readonly Seen[] {
  const last = entry.seen.at(-1);
  if (entry.seen.length >= eventsMax && last && event.timeUs > last.event.timeUs) return entry.seen;
  const evidence = eventEvidence(event);
  if (entry.seen.some((seen) => seen.evidence.hash === evidence.hash)) return entry.seen;
  return [...entry.seen, { event, evidence }]
    .sort(
      (a, b) =>
        a.evidence.atUs - b.evidence.atUs ||
        a.evidence.nanos - b.evidence.nanos ||
        (a.evidence.hash < b.evidence.hash ? -1 : 1),
    )
    .slice(0, eventsMax);
}

function eventEvidence(event: ProcessEvent): Evidence {
  if (event.kind === "socket_opened") return socketEvidence(event, socketId(event));
  const { process } = event;
  const who = process.exe || process.name || `process ${process.pid}`;
  const verb = event.event === "exec" ? "was started" : event.event === "exit" ? "ended" : "ran";
  const where = `container ${process.container || process.containerId || "(not named)"}`;
  return {
    atUs: event.timeUs,
    nanos: event.nanos,
    vantage: "node",
    source: event.source.key,
    text: `${who} (uid ${process.uid}, gid ${process.gid}) ${verb} in ${where}`,
    fields: {
      exe: process.exe,
      pid: process.pid,
      uid: process.uid,
      gid: process.gid,
      euid: process.euid,
      egid: process.egid,
      parent: process.parentExe,
      pod: process.pod.pod,
      container: process.container,
      agent: event.agent,
      trust: event.trust,
    },
    hash: contentHash([
      "exec",
      event.source.key,
      event.event,
      event.timeUs,
      event.nanos,
      process.execId,
      process.pid,
      process.exe,
      event.trust,
    ]),
  };
}

/** Who it was, by what his agent says; where he runs is the caller's to add. */
export function processEntity(
  event: Pick<ProcessEvent, "process" | "agent" | "trust">,
  pod: PodFacts,
  node: NodeEntity,
): ProcessEntity {
  const { process } = event;
  const entity = makeEntity("process");
  entity.pod = node;
  entity.pod_name = pod.name;
  entity.container = process.container;
  entity.exe = process.exe;
  entity.name = process.name;
  entity.command = process.command;
  entity.pid = process.pid;
  if (pod.hasOwnUserIds !== true) {
    entity.uid = process.uid;
    entity.gid = process.gid;
    entity.euid = process.euid;
    entity.egid = process.egid;
  }
  entity.user = process.user;
  entity.parent_exe = process.parentExe;
  entity.agent = event.agent;
  entity.proxy_uid = pod.proxy.uid;
  entity.proxy_gid = pod.proxy.gid;
  entity.trust = event.trust;
  return entity;
}

function entryToRow(entry: Entry, entity: ProcessEntity, pod: PodFacts): ProcessRow {
  return {
    key: entry.id,
    nodeId: pod.nodeId,
    container: entity.container,
    exe: entity.exe,
    uid: entity.uid,
    gid: entity.gid,
    inProxyContainer: entity.in_proxy_container,
    firstSeenUs: entry.seen[0]?.event.timeUs ?? entry.lastUs,
    lastSeenUs: entry.lastUs,
    occurrences: entry.occurrences,
    detail: JSON.stringify({ events: entry.seen.map((seen) => seen.event) }),
  };
}

/** Our own JSON, but a damaged row must not keep the engine from starting. */
function readEvents(detail: string): readonly ProcessEvent[] {
  try {
    const { events } = JSON.parse(detail) as { events?: unknown }; // checked below
    return Array.isArray(events) ? events.filter(isProcessEvent) : [];
  } catch {
    return [];
  }
}

function isProcessEvent(event: unknown): event is ProcessEvent {
  const maybe = event as Partial<ProcessEvent> | null; // only looked at, field by field
  const isKnown = maybe?.kind === "process_seen" || maybe?.kind === "socket_opened";
  return isKnown && typeof maybe.timeUs === "number" && typeof maybe.process?.pod === "object";
}
