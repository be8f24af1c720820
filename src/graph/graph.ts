/**
 * The durable service graph: observations in, changes of entities out. It holds the parts together:
 * identity first, then placing what was observed on edges, then the bypass join, then telling. It does
 * no I/O, reads no clock and knows no rule; time comes with batches and with `advance`.
 */
import type { GraphChange } from "../model/changes.ts";
import type { CoverageGroup } from "../model/coverage.ts";
import type {
  Capability,
  Flow,
  Observation,
  ObservationBatch,
  ProxyLeg,
  SocketOpened,
  SourceRef,
} from "../model/observations.ts";
import type { Durable, Restored, WriteSet } from "../model/rows.ts";
import type { Counted, CounterSample, Signal, Sink } from "../model/stages.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import { aroundMarks } from "./around-marks.ts";
import { Bypass, isWatched } from "./bypass.ts";
import { Doings } from "./doings.ts";
import { EdgeChanges } from "./edge-changes.ts";
import { Facets } from "./facets.ts";
import { FlowEdges } from "./flow-edges.ts";
import { EdgeCounters } from "./edge-counters.ts";
import { graphCounters } from "./graph-counters.ts";
import { collectGraph, restoreGraph } from "./graph-rows.ts";
import { Inventories } from "./inventories.ts";
import { IdentityTables, podName, type PodRecord } from "./identity.ts";
import { capabilityOf, isSelective } from "./capability-of.ts";
import { ClusterCoverage } from "./cluster-coverage.ts";
import { CoverageHosts } from "./coverage-hosts.ts";
import { Components } from "./components.ts";
import { Coverage } from "./coverage.ts";
import { Declared, type ToldNamespace } from "./declared/declared.ts";
import { EdgeFacts } from "./declared/edge-facts.ts";
import { addressKey, OwnerStrength } from "./ip-owners.ts";
import { encodeJournal, readJournal } from "./journal.ts";
import { Lines } from "./lines.ts";
import { Sign } from "./nodes.ts";
import type { GraphOptions } from "./options.ts";
import { Overflows } from "./overflows.ts";
import { ProxyScrapes } from "./proxy-scrapes.ts";
import { Placements } from "./placements.ts";
import { ObjectTable } from "./objects.ts";
import { PodWitnesses } from "./pod-witnesses.ts";
import { SeriesTable } from "./series.ts";
import { SourcePods } from "./source-pods.ts";
import { Sources } from "./sources.ts";
import { SpanSightings } from "./span-sightings.ts";
import { Spans } from "./spans.ts";

export type { GraphOptions } from "./options.ts";

/** Span halves are remembered one by one, but many share a placement. */
const halvesPerPlacement = 4;

// For a restart: other halves come within `lateness`. Spans are many, of 80 bytes each; one that still
// names nobody after a restart stays so.
const spanJournalUs = 3 * usPerMinute;

export class Graph implements Sink<ObservationBatch>, Durable, Counted {
  readonly #options: GraphOptions;
  readonly #next: Sink<readonly GraphChange[]>;
  readonly #identity: IdentityTables;
  readonly #facets: Facets;
  readonly #placements: Placements;
  readonly #series: SeriesTable;
  readonly #scrapes: ProxyScrapes;
  readonly #spans: Spans;
  readonly #lines: Lines;
  readonly #flows: FlowEdges;
  readonly #sources: Sources;
  readonly #objects: ObjectTable;
  readonly #inventories: Inventories;
  readonly #witnesses: PodWitnesses;
  readonly #coverage: Coverage;
  readonly #hosts: CoverageHosts;
  readonly #clusters: ClusterCoverage;
  readonly #components: Components;
  readonly #declared: Declared;
  readonly #bypass: Bypass;
  readonly #doings: Doings;
  readonly #edgeChanges: EdgeChanges;
  readonly #edgeCounters: EdgeCounters;
  /** Placed events that must outlive a restart and that nobody else keeps, since the last commit. */
  #fresh: Observation[] = [];
  #out: GraphChange[] = [];
  readonly #sightings = new SpanSightings();
  readonly #overflows = new Overflows();
  #nowUs: Us = 0;
  #toldUs: Us = 0;
  #journalDamaged = 0;

  constructor(options: GraphOptions, next: Sink<readonly GraphChange[]>) {
    const { limits, latenessUs, unresolvedTtlUs: ttlUs } = options;
    this.#options = options;
    this.#next = next;
    this.#identity = new IdentityTables(options);
    const overflowed = (table: string) => (nodeId: number) =>
      this.#overflows.ofNode(nodeId, table, this.#nowUs);
    this.#facets = new Facets(limits, this.#identity.nodes, overflowed("edges"));
    this.#placements = new Placements({ ...limits, ttlUs }, this.#identity, this.#facets);
    const { retentionUs } = options.bypass;
    this.#scrapes = new ProxyScrapes({ latenessUs, retentionUs, proxiesMax: limits.sourcesMax });
    this.#series = new SeriesTable(
      limits.seriesMax,
      latenessUs,
      this.#identity,
      this.#facets,
      this.#scrapes,
      overflowed("series"),
    );
    this.#spans = new Spans(limits.placementsMax * halvesPerPlacement, ttlUs, this.#placements);
    this.#lines = new Lines(limits.placementsMax, ttlUs, this.#placements, this.#spans);
    this.#flows = new FlowEdges(limits.placementsMax, ttlUs, this.#placements);
    this.#objects = new ObjectTable({ ...limits, latenessUs });
    this.#inventories = new Inventories(this.#identity, options.identity, latenessUs);
    const pods = new SourcePods(this.#identity);
    const sourceOptions = {
      sourcesMax: limits.sourcesMax,
      expected: options.expectedSources,
      cluster: options.identity.cluster,
      runs: (ref: SourceRef, nowUs: Us) => pods.runs(ref, nowUs),
      workloadOf: (ref: SourceRef, atUs: Us) => pods.workloadOf(ref, atUs),
    };
    this.#sources = new Sources(sourceOptions, this.#scrapes);
    this.#witnesses = new PodWitnesses(this.#identity);
    const bitsOf = (sourceId: string): number => this.#sources.coverageBits(sourceId);
    const { nodes } = this.#identity;
    this.#coverage = new Coverage({ bitsOf, nodes, reportersMax: limits.sourcesMax });
    this.#hosts = new CoverageHosts(bitsOf, (sourceId) => this.#sources.isHeard(sourceId));
    const coverage = this.#coverage;
    this.#clusters = new ClusterCoverage({ nodes, coverage, bitsOf });
    const { meshNamespaces, trustDomains } = options.identity;
    const hasRows = (key: string): boolean => this.#facets.hasMetricsOf(key);
    this.#components = new Components(limits, hasRows, meshNamespaces);
    this.#declared = new Declared({
      nodes,
      bitsOf,
      coverage,
      meshNamespaces,
      words: options.bypass,
      overflowsOf: (nodeId) => this.#overflows.tablesOf(nodeId),
    });
    const full = (owner: string, table: string): void =>
      this.#overflows.ofOwner(owner, table, this.#nowUs);
    this.#bypass = new Bypass(
      this.#identity,
      aroundMarks(this.#facets, this.#identity.nodes),
      options.bypass,
      full,
      this.#scrapes,
    );
    this.#doings = new Doings(this.#identity, options.bypass, full);
    const facts = new EdgeFacts(this.#declared, this.#facets, trustDomains);
    this.#edgeChanges = new EdgeChanges(this.#facets, nodes, this.#sources, facts);
    this.#edgeCounters = new EdgeCounters(nodes, this.#facets);
  }

  /** Applies what one request yielded. Findings about connections go on at once, edges with `advance`. */
  push(batch: ObservationBatch): void {
    this.#nowUs = Math.max(this.#nowUs, batch.receivedUs);
    this.#applySeries(batch);
    const heard = new Map<SourceRef, Set<Capability>>();
    let before: Observation | null = null;
    for (const observation of batch.observations) {
      const { kind, source, trust } = observation;
      // Observations of one source come in runs: the first of each tells that it lives.
      const isSame = source === before?.source && kind === before.kind && trust === before.trust;
      const isRun = isSame && kind !== "heartbeat";
      if (!isRun) this.#hear(observation, heard, batch.receivedUs);
      before = observation;
      this.#identify(observation);
    }
    for (const one of this.#scrapes.takeContradictions()) this.#sources.contradicted(one);
    this.#sightings.tell(this.#identity);
    this.#settleIdentity();
    for (const observation of batch.observations) this.#apply(observation);
    this.#settleIdentity();
    this.#tell();
  }

  /** Lets time pass; tells the rules of changed edges when the last time is long enough ago. */
  advance(nowUs: Us): void {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    this.#placements.advance(this.#nowUs);
    this.#spans.advance(this.#nowUs);
    this.#lines.advance(this.#nowUs);
    this.#flows.advance(this.#nowUs);
    this.#identity.advance(this.#nowUs);
    this.#inventories.advance(this.#nowUs);
    this.#objects.advance(this.#nowUs);
    this.#scrapes.advance(this.#nowUs);
    this.#settleIdentity();
    this.#bypass.advance(this.#nowUs, this.#out);
    this.#doings.advance(this.#nowUs, this.#out);
    if (this.#nowUs - this.#toldUs >= this.#options.coalesceUs) this.flushChanges();
    else this.#tell();
  }

  /** Requests of that signal were refused in that time. */
  turnedAway(signal: Signal, fromUs: Us, toUs: Us): void {
    this.#bypass.turnedAway(signal, fromUs, toUs);
  }

  /** Tells everything that changed now. */
  flushChanges(): void {
    this.#toldUs = this.#nowUs;
    this.#countGroups();
    const changed = this.#identity.nodes.takeChanged();
    for (const node of changed) this.#coverage.nodeChanged(node);
    this.#declared.nodesChanged(changed);
    this.#edgeChanges.collect(this.#nowUs, changed, this.#out);
    this.#countLegless();
    this.#settleCoverage();
    this.#hosts.tell(this.#nowUs, this.#out);
    this.#clusters.tell(this.#nowUs, this.#out);
    this.#components.tell(this.#nowUs, this.#out);
    this.#declared.coverageChanged(this.#coverage.takeChanged());
    this.#declared.overflowed(this.#overflows.takeChanged(this.#nowUs));
    this.#declared.tell(this.#nowUs, this.#out);
    this.#tell();
  }

  /** Tells proxies of the connections that they ought to have logged. */
  #countLegless(): void {
    const { legless } = this.#bypass;
    const names = new Set(legless.takeChanged());
    // Of one that falls silent only now, all may have been known before.
    for (const key of this.#sources.takeFallen())
      for (const name of this.#podsOfProxy(key)) names.add(name);
    for (const name of names) {
      const countSince = (fromUs: Us): number => legless.since(name, fromUs);
      this.#sources.legless(`proxy|${name}`, countSince);
      const pod = this.#identity.podNamed(name, this.#nowUs);
      for (const ip of pod?.facts.ips ?? []) {
        this.#sources.legless(`proxy|${pod?.facts.cluster}//${ip}`, countSince);
      }
    }
  }

  /** The pods that a proxy's key may stand for: it names its pod, or its address alone (`cluster//ip`). */
  #podsOfProxy(key: string): readonly string[] {
    const [cluster = "", ip = ""] = key.split("//");
    if (ip === "") return [key];
    const pods = this.#identity.podsOfAddress(addressKey(cluster, ip));
    return [...pods].map(({ facts }) => podName(facts.cluster, facts.namespace, facts.name));
  }

  /** How many workloads of each namespace are seen by what. */
  coverageGroups(): readonly CoverageGroup[] {
    this.#settleCoverage();
    return this.#coverage.groups();
  }

  /** Namespaces as rules know them. */
  get namespaces(): Iterable<ToldNamespace> {
    return this.#declared.namespaces;
  }

  /** Edges that `collect` would write, at most: spans that are not counted yet may share some. */
  get dirtyEdges(): number {
    return this.#facets.touches.facetCount + this.#spans.freshCount + this.#placements.dirtyCount;
  }

  collect(into: WriteSet): void {
    this.#countGroups();
    this.#settleCoverage();
    collectGraph(into, this.#identity, this.#facets, this.#coverage);
    this.#coverage.collect(into);
    this.#objects.collect(into);
    this.#sources.collect(into);
    this.#series.collect(into);
    this.#bypass.collect(into);
    const untilUs = this.#nowUs + this.#options.unresolvedTtlUs + 5 * usPerMinute;
    const spans = this.#spans.takeJournal();
    if (spans) into.journal.push({ untilUs: this.#nowUs + spanJournalUs, blob: spans });
    if (this.#fresh.length > 0) into.journal.push({ untilUs, blob: encodeJournal(this.#fresh) });
    this.#fresh = [];
  }

  /**
   * Takes the tables back, then the journal through the same code; the numbers of journalled events are
   * in the restored columns already. The next `advance` tells the rules every edge as it is.
   */
  restore(rows: Restored): void {
    this.#nowUs = rows.lastCommitUs;
    restoreGraph(rows, this.#identity, this.#facets);
    this.#objects.restore(rows);
    this.#settleObjects();
    this.#sources.restore(rows);
    for (const pod of this.#identity.pods) {
      this.#inventories.podRestored(pod);
      this.#podCovered(pod);
      this.#declared.podRestored(pod);
    }
    this.#coverage.restore(rows.coverage);
    this.#series.restore(rows);
    this.#placements.restoring();
    this.#journalDamaged += readJournal(rows.journal, "all", (one) => this.#remember(one));
    this.#spans.restored(this.#nowUs);
    this.#placements.restored();
    this.#bypass.restore(rows, this.#out);
    this.#edgeChanges.restored();
    this.#edgeCounters.restored();
  }

  counters(into: CounterSample[]): void {
    this.#countGroups();
    this.#edgeCounters.counters(into);
    graphCounters(into, this.#identity, this.#facets, this.#sources, {
      series: this.#series.dropped,
      late: this.#series.late,
      spans: this.#spans.dropped,
      lines: this.#lines.dropped,
      scrapes: this.#scrapes.dropped,
      flows: this.#flows.dropped,
      objects: this.#objects.dropped,
      coverage: this.#coverage.dropped,
      components: this.#components.dropped,
      unoriented: this.#flows.unoriented,
      settledEarly: this.#placements.settledEarly,
    });
    into.push({ name: "journal_damaged_total", labels: {}, value: this.#journalDamaged });
    this.#bypass.counters(into);
    this.#doings.counters(into);
  }

  #applySeries(batch: ObservationBatch): void {
    for (const series of batch.series) this.#series.define(series);
    this.#series.apply(batch.samples);
  }

  #hear(observation: Observation, heard: Map<SourceRef, Set<Capability>>, receivedUs: Us): void {
    // Whoever speaks in another's name must not keep him alive.
    if (observation.trust === "claimed" || isSelective(observation)) return;
    const capability = capabilityOf(observation);
    if (!capability) return;
    const { source, timeUs } = observation;
    const known = heard.get(source);
    if (known?.has(capability)) return;
    if (known) known.add(capability);
    else heard.set(source, new Set([capability]));
    // The receive time stands for a time that was not given: it says nothing about a clock.
    const eventUs = timeUs === receivedUs ? this.#nowUs : timeUs;
    this.#sources.heard(source, capability, eventUs, this.#nowUs);
  }

  /** What an observation tells of who is who, before anything of its batch is placed. */
  #identify(observation: Observation): void {
    switch (observation.kind) {
      case "object_seen":
        if (observation.object.type === "pod_inventory") {
          this.#inventories.seen(observation, observation.object);
          return;
        }
        this.#identity.objectSeen(observation);
        this.#objects.seen(observation, this.#identity.clusterOf(observation.cluster));
        return;
      case "span_half":
        this.#sightings.add(observation);
        return;
      case "proxy_leg":
        this.#identifyLeg(observation);
        return;
      case "socket_opened":
      case "file_access":
      case "process_seen": {
        const { pod } = observation.process;
        const address = observation.kind === "socket_opened" ? observation.srcIp : pod.address;
        const record = this.#identity.podSeen({
          name: { ...pod, address: pod.address || address },
          atUs: observation.timeUs,
          trust: observation.trust,
          strength: OwnerStrength.self,
          mode: "unknown",
        });
        if (record && observation.trust !== "claimed") {
          this.#witnesses.toldBy(record, observation.source);
        }
        return;
      }
      case "flow":
        this.#identifyEnds(observation);
        return;
      case "pod_volume":
      case "component_sample":
      case "heartbeat":
    }
  }

  /** Agents that look objects up name the pods behind the addresses that they saw. */
  #identifyEnds({ srcPod, dstPod, timeUs: atUs, trust, source }: Flow): void {
    const told = { atUs, trust, strength: OwnerStrength.self, mode: "unknown" } as const;
    for (const name of [srcPod, dstPod]) {
      const pod = name && this.#identity.podSeen({ ...told, name });
      if (pod && this.#isWitness(source, trust)) this.#witnesses.toldBy(pod, source);
    }
  }

  /** A flow agent on a machine that is known tells of the pods there, and of those alone. */
  #isWitness(source: SourceRef, trust: Flow["trust"]): boolean {
    return trust !== "claimed" && !this.#hosts.isKnown(this.#witnesses.idOf(source));
  }

  #identifyLeg(leg: ProxyLeg): void {
    const { pod, timeUs, trust } = leg;
    const strength = OwnerStrength.proxy;
    // Nobody can leave the judgement of sidecars by a forged line.
    const mode = trust === "claimed" ? "unknown" : modeByWriter(leg);
    const record = this.#identity.podSeen({ name: pod, atUs: timeUs, trust, strength, mode });
    if (record && trust !== "claimed") {
      this.#identity.signSeen(this.#identity.nodes.get(record.facts.nodeId), Sign.proxy);
    }
    // Another proxy's word counts for the pod that it wrote for.
    if (record && leg.writer === "ztunnel" && trust !== "claimed") {
      this.#witnesses.toldBy(record, leg.source);
    }
    // A client's ztunnel knows the pod it connected to; a server's may only know the caller's service.
    if (leg.peerPod && leg.side === "outbound") {
      const peer = { atUs: timeUs, trust, strength: OwnerStrength.self, mode: "unknown" } as const;
      this.#identity.podSeen({ ...peer, name: leg.peerPod });
    }
    this.#identity.virtual.learn(this.#identity.clusterOf(leg.cluster), leg);
  }

  #apply(observation: Observation): void {
    if (observation.kind === "socket_opened") this.#applySocket(observation);
    else if (observation.kind === "file_access") {
      if (this.#doings.see(observation, this.#nowUs, this.#out)) this.#fresh.push(observation);
    } else if (observation.kind === "process_seen") this.#bypass.process(observation, this.#out);
    else if (observation.kind === "component_sample") {
      if (this.#components.seen(observation)) this.#fresh.push(observation);
    } else this.#applyPlaced(observation);
  }

  #applySocket(socket: SocketOpened): void {
    this.#bypass.socket(socket, this.#out);
    const isNews = this.#doings.see(socket, this.#nowUs, this.#out);
    // The bypass join writes down what may lead beyond the pod.
    if (isNews && !isWatched(socket)) this.#fresh.push(socket);
  }

  /** Events on edges: counted and, where new, handed to the bypass join. */
  #applyPlaced(observation: Observation): void {
    const placed = this.#place(observation);
    if (!placed && observation.kind === "flow" && observation.polled) {
      // Each export counts, also one that says nothing new of an edge.
      this.#bypass.flow(observation, this.#out);
    }
    if (!placed || placed.kind === "span_half") return;
    let isKept = false;
    if (placed.kind === "flow") {
      isKept = this.#bypass.flow(placed, this.#out);
      this.#flowTold(placed);
    }
    if (placed.kind === "proxy_leg") {
      isKept = this.#bypass.leg(placed, this.#out);
      this.#doings.see(placed, this.#nowUs, this.#out);
    }
    if (!isKept) this.#fresh.push(observation);
  }

  /** A flow agent on a machine that nobody knows tells of the pods that it shows. */
  #flowTold({ cluster, source, srcIp, dstIp, timeUs, trust }: Flow): void {
    if (!this.#isWitness(source, trust)) return;
    this.#witnesses.addressToldBy(cluster, srcIp, timeUs, source);
    this.#witnesses.addressToldBy(cluster, dstIp, timeUs, source);
  }

  /** Span halves wait to be counted together; from here on the tables hold all of them. */
  #countGroups(): void {
    this.#spans.flush(this.#nowUs);
    this.#placements.flush();
  }

  #remember(observation: Observation): void {
    if (observation.kind === "component_sample") this.#components.seen(observation);
    const placed = this.#place(observation);
    if (placed || observation.kind !== "proxy_leg") {
      this.#doings.replay(placed ?? observation, this.#nowUs);
    }
    if (observation.kind !== "proxy_leg") return;
    this.#identity.virtual.learn(this.#identity.clusterOf(observation.cluster), observation);
  }

  /** Counts an event on its edge; null when it was there before. */
  #place(observation: Observation): Observation | null {
    let placed: Observation | null = null;
    if (observation.kind === "span_half") {
      placed = this.#spans.add(observation, this.#nowUs) ? observation : null;
    } else if (observation.kind === "proxy_leg") {
      placed = this.#lines.add(observation, this.#nowUs);
    } else if (observation.kind === "flow") {
      placed = this.#flows.add(observation, this.#nowUs) ? observation : null;
    }
    return placed;
  }

  /** Follows what identity has learned: nodes merge, events move, connections are judged again. */
  #settleIdentity(): void {
    this.#settleObjects();
    const { pods, addresses, merges, reports, contradictions } = this.#identity.takeChanges();
    for (const one of contradictions) this.#sources.contradicted(one);
    for (const [oneId, otherId] of merges) this.#merge(oneId, otherId);
    for (const pod of pods) this.#podCovered(pod);
    for (const { nodeId, sourceId } of reports) {
      this.#coverage.reported(this.#identity.nodes.get(nodeId), sourceId);
    }
    if (pods.length === 0 && addresses.length === 0) return;
    const names = new Set(addresses);
    for (const { facts } of pods) {
      if (facts.endUs > 0 && facts.endUs <= this.#nowUs) {
        const proxy = podName(facts.cluster, facts.namespace, facts.name);
        this.#sources.ended("proxy", proxy, this.#nowUs);
      }
      names.add(podName(facts.cluster, facts.namespace, facts.name));
      for (const ip of facts.ips) names.add(addressKey(facts.cluster, ip));
    }
    const { services } = this.#identity.virtual;
    const virtuals = [...names].flatMap((name) => [...services.virtualAddressesOf(name)]);
    for (const virtual of virtuals) names.add(virtual);
    this.#placements.resolveAgain(names);
    const touched = [...this.#podsOf(pods, addresses)].map(({ facts }) => facts);
    this.#bypass.podsChanged(touched, this.#out);
    this.#doings.podsChanged(touched);
  }

  #podCovered(pod: PodRecord): void {
    this.#coverage.podChanged(pod);
    this.#hosts.podChanged(pod);
    this.#declared.podChanged(pod);
  }

  #settleCoverage(): void {
    const ids = this.#sources.takeChangedCoverage();
    if (ids.size === 0) return;
    this.#coverage.sourcesChanged(ids);
    this.#hosts.sourcesChanged(ids);
  }

  /** Follows what objects declare: which addresses are virtual, and what is behind them. */
  #settleObjects(): void {
    const { services } = this.#identity.virtual;
    for (const record of this.#objects.takeChanges()) {
      services.changed(record);
      this.#identity.mesh.changed(record);
      this.#identity.controllers.changed(record);
      this.#identity.hosts.changed(record);
      this.#declared.objectChanged(record);
    }
    this.#identity.settleCapture();
    this.#identity.settleControllers();
    const ends = services.takeChangedEnds();
    if (ends.length === 0) return;
    this.#bypass.virtualChanged(ends);
    this.#doings.virtualChanged(ends);
  }

  /** The pods that changed, and those whose hold of an address did. */
  #podsOf(pods: readonly PodRecord[], addresses: readonly string[]): Set<PodRecord> {
    const all = new Set(pods);
    for (const address of addresses) {
      for (const pod of this.#identity.podsOfAddress(address)) all.add(pod);
    }
    return all;
  }

  #merge(oneId: number, otherId: number): void {
    const { nodes } = this.#identity;
    const [one, other] = [nodes.get(oneId), nodes.get(otherId)];
    if (one === other) return;
    const [winner, loser] = one.id < other.id ? [one, other] : [other, one];
    const before = [winner.key, loser.key];
    this.#facets.mergeNodes(winner.id, loser.id);
    nodes.merge(winner, loser);
    this.#coverage.merged(winner, loser.id);
    this.#overflows.merged(winner.id, loser.id);
    this.#declared.merged(loser.id);
    for (const from of before) {
      if (from !== winner.key) this.#out.push({ kind: "renamed", from, to: winner.key });
    }
  }

  #tell(): void {
    if (this.#out.length === 0) return;
    const out = this.#out;
    this.#out = [];
    this.#next.push(out);
  }
}

/** ztunnel serves ambient pods only; Envoy's lines leave open whether it is a sidecar or a gateway. */
function modeByWriter({ writer }: ProxyLeg): "ambient" | "waypoint" | "unknown" {
  if (writer === "ztunnel") return "ambient";
  return writer ?? "unknown";
}
