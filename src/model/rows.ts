/**
 * What one commit writes, table by table (`store/migrations` has the columns' meaning). Stages fill a
 * write-set from what has changed since the last one; the store thread applies it in one transaction.
 * Rows are plain data that survive a structured clone. Restoring is the same rows, read back.
 *
 * `detail` columns are JSON text of the owning stage: what it needs to go on after a restart and what
 * the API shows beyond the indexed columns.
 */
import type { Us } from "./time.ts";

export interface ReceiptRow {
  /** 32 hex digits. */
  readonly hash: string;
  readonly signal: number;
  readonly receivedUs: Us;
}

export interface NodeRow {
  readonly id: number;
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly mesh: string;
  readonly mode: string;
  readonly external: boolean;
  readonly address: string;
  readonly resolved: string;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  /** The node this one was found to be, 0 = none. */
  readonly mergedInto: number;
  /** service, service_account, principal, labels, host_network, declared facts. */
  readonly detail: string;
}

export interface NodeAliasRow {
  readonly alias: string;
  readonly nodeId: number;
}

export interface PodRow {
  readonly uid: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly nodeId: number;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  /** Containers, proxy, exclusions: what `graph/` keeps of the object. */
  readonly detail: string;
}

export interface IpOwnerRow {
  readonly id: number;
  readonly cluster: string;
  /** 16 bytes as 32 hex digits. */
  readonly ip: string;
  readonly podUid: string;
  readonly nodeId: number;
  readonly fromUs: Us;
  /** 0 = still. */
  readonly toUs: Us;
  readonly detail: string;
}

/** A declared object beside pods. */
export interface ObjectRow {
  /** `cluster/type/namespace/name`. */
  readonly key: string;
  readonly cluster: string;
  readonly type: string;
  readonly namespace: string;
  readonly name: string;
  /** Event time of the last that was said of it. */
  readonly atUs: Us;
  /** Event time of the last complete list that had it, 0 = none. */
  readonly listedUs: Us;
  /** The object, and whether it is gone; "" in a write-set: as it was written before. */
  readonly detail: string;
}

/** Which telemetry about a workload arrives; without living pods it has no row. */
export interface CoverageRow {
  readonly nodeId: number;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** Place in `memberships` of `model/coverage.ts`. */
  readonly mesh: number;
  readonly pods: number;
  /** Capabilities that are live, and that were ever told of: bits of `model/coverage.ts`. */
  readonly live: number;
  readonly heard: number;
  /** JSON: ids of the sources that report for it without a known pod. */
  readonly reporters: string;
}

export interface SourceRow {
  readonly kind: string;
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly state: string;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  /** Learned intervals, skew, per-capability last seen. */
  readonly detail: string;
}

/** A series' definition, once. Its moving values are in `SeriesPageRow`. */
export interface SeriesRow {
  readonly id: number;
  /** 32 hex digits. */
  readonly hash: string;
  readonly facetId: number;
  readonly detail: string;
}

/** The last points of `seriesPerPage` consecutive series ids: one row instead of hundreds. */
export interface SeriesPageRow {
  readonly page: number;
  /** As `graph/series-pages.ts` writes them: the newest of each, and of some those before it. */
  readonly values: Uint8Array;
}
export const seriesPerPage = 256;

/**
 * Of so many series the part that one proxy may have: its labels must not fill the table for all. The
 * normalizer hands on one more than that, by which the graph knows who has too many.
 */
export function seriesPerSourceMax(seriesMax: number, sourceKey: string): number {
  // A source that names no pod may stand for many.
  return sourceKey.endsWith("/") ? seriesMax : Math.max(1, Math.floor(seriesMax / 10));
}

export interface EdgeRow {
  readonly id: number;
  readonly srcId: number;
  readonly dstId: number;
  readonly transport: string;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
}

/** A facet with its merged view, so that a reader needs no arithmetic. */
export interface FacetRow {
  readonly id: number;
  readonly edgeId: number;
  readonly protocol: string;
  readonly port: number;
  readonly security: string;
  readonly plaintextShare: number;
  readonly route: string;
  readonly requests: number;
  readonly errors: number;
  readonly denied: number;
  readonly connections: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Connections found to go around a proxy (B2 to B5s). */
  readonly aroundProxy: number;
  /** A row that names only a service whose workloads have rows of their own. */
  readonly shadowed: boolean;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  /** "" in a write-set: as it was written before, only the numbers have moved. */
  readonly detail: string;
}

export interface FacetColumnRow {
  readonly facetId: number;
  readonly reporter: string;
  readonly channel: string;
  readonly requests: number;
  readonly errors: number;
  readonly denied: number;
  readonly connections: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly latencySumMs: number;
  readonly latencyCount: number;
  readonly security: string;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  readonly detail: string;
}

export interface ProcessRow {
  /** Node, container and executable: what an insight about it is keyed by. */
  readonly key: string;
  readonly nodeId: number;
  readonly container: string;
  readonly exe: string;
  readonly uid: number;
  readonly gid: number;
  readonly inProxyContainer: boolean;
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  readonly occurrences: number;
  readonly detail: string;
}

export interface InsightRow {
  readonly id: string;
  readonly fingerprint: string;
  readonly episode: number;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly title: string;
  readonly severity: string;
  readonly confidence: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly workload: string;
  readonly kind: string;
  readonly peerNamespace: string;
  readonly peerWorkload: string;
  readonly peerAddress: string;
  readonly peerPort: number;
  /** Event times. */
  readonly firstSeenUs: Us;
  readonly lastSeenUs: Us;
  /** Engine times; 0 = not (yet). */
  readonly activeUs: Us;
  readonly firedUs: Us;
  readonly resolvedUs: Us;
  readonly keepSinceUs: Us;
  readonly occurrences: number;
  readonly reopenCount: number;
  readonly transitions: number;
  readonly flapping: boolean;
  /** JSON: `Evidence[]`. */
  readonly evidence: string;
  /** JSON: key values, live occurrences, observers, tags. */
  readonly detail: string;
}

export interface InsightEventRow {
  readonly insightId: string;
  readonly number: number;
  readonly atUs: Us;
  readonly eventUs: Us;
  readonly fromState: string;
  readonly toState: string;
  readonly reason: string;
  readonly message: string;
}

/** A waiver of the loaded rules, and what became of it. */
export interface WaiverRow {
  readonly id: string;
  /** JSON: ids of rules. */
  readonly rules: string;
  readonly where: string;
  readonly reason: string;
  readonly owner: string;
  readonly ticket: string;
  readonly endsUs: Us;
  /** Engine times: since when it is loaded, and when it accepted something last, 0 = never. */
  readonly sinceUs: Us;
  readonly matchedUs: Us;
}

/** A time in which we saw nothing: between the last commit of one process and the start of the next. */
export interface BlindRow {
  readonly fromUs: Us;
  readonly toUs: Us;
  readonly reason: string;
}

/** A record that waits to be delivered. The store numbers the rows in the order of the commit. */
export interface OutboxRow {
  /** The `log.record.uid`: the same however often it is sent, and unique. */
  readonly uid: string;
  readonly insightId: string;
  readonly state: string;
  /** Engine time of the transition or reminder. */
  readonly atUs: Us;
  /** An `InsightRecord` as JSON. */
  readonly record: string;
}

/** History for time travel: something new or different about an edge. */
export interface EdgeEventRow {
  readonly atUs: Us;
  readonly facetId: number;
  readonly kind: "appeared" | "security" | "around_proxy" | "gone";
  readonly value: string;
}

/**
 * Traffic of one facet in one bucket, `widthUs` being 5 minutes or one hour: what came since the last
 * write-set. The store adds up the rows of a bucket, so that nobody reads one back after a restart.
 */
export interface RollupRow {
  readonly bucketUs: Us;
  readonly widthUs: Us;
  readonly facetId: number;
  readonly requests: number;
  readonly errors: number;
  readonly connections: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Observations that still await a verdict, as the graph wrote them; pruned after `untilUs`. */
export interface JournalRow {
  readonly untilUs: Us;
  readonly blob: Uint8Array;
}

/**
 * A request whose effect is not in the tables yet: it is applied again at start-up, through the same
 * code. Much smaller than the rows it changes, since requests come compressed.
 */
export interface RedoRow {
  readonly signal: number;
  readonly receivedUs: Us;
  readonly listener: string;
  readonly client: string;
  readonly encoding: string;
  readonly body: Uint8Array;
}

/** What a counting rule has counted of one group; the rows of one rule begin with its id. */
export interface CountRow {
  readonly id: string;
  readonly rule: string;
  /** Of the rule's `count`. */
  readonly version: string;
  /** JSON. */
  readonly detail: string;
}

export interface WriteSet {
  /** Rises by one per commit of this process. */
  readonly seq: number;
  readonly atUs: Us;
  /**
   * A whole write-set holds everything that has changed, so that no request of an earlier commit has to
   * be applied again. The others hold receipts and requests only.
   */
  readonly isWhole: boolean;
  readonly redo: RedoRow[];
  readonly receipts: ReceiptRow[];
  readonly nodes: NodeRow[];
  readonly nodeAliases: NodeAliasRow[];
  readonly pods: PodRow[];
  readonly ipOwners: IpOwnerRow[];
  readonly objects: ObjectRow[];
  readonly coverage: CoverageRow[];
  readonly sources: SourceRow[];
  readonly series: SeriesRow[];
  readonly seriesPages: SeriesPageRow[];
  readonly edges: EdgeRow[];
  readonly facets: FacetRow[];
  readonly facetColumns: FacetColumnRow[];
  readonly processes: ProcessRow[];
  readonly counts: CountRow[];
  readonly insights: InsightRow[];
  readonly insightEvents: InsightEventRow[];
  readonly waivers: WaiverRow[];
  /** What is to be told to the sinks; empty when there are none. */
  readonly outbox: OutboxRow[];
  readonly edgeEvents: EdgeEventRow[];
  readonly rollups: RollupRow[];
  readonly journal: JournalRow[];
  readonly blind: BlindRow[];
  /** What the stages have given up; removed before anything is written. */
  forgotten?: ForgottenRow[];
}

/** A row to remove: by its id or key, a source by `kind|key`. */
export interface ForgottenRow {
  readonly table:
    | "sources"
    | "pods"
    | "objects"
    | "coverage"
    | "series"
    | "processes"
    | "counts"
    | "waivers";
  readonly key: string | number;
}

export function forget(into: WriteSet, table: ForgottenRow["table"], key: string | number): void {
  into.forgotten ??= [];
  into.forgotten.push({ table, key });
}

/** Everything a stage gets back at start-up; the same tables, whole. */
export type Restored = Omit<
  WriteSet,
  "seq" | "atUs" | "isWhole" | "insightEvents" | "outbox" | "edgeEvents" | "rollups" | "forgotten"
> & {
  /** When the last commit of the previous process was made; 0 = a new database. */
  readonly lastCommitUs: Us;
};

export function makeWriteSet(seq: number, atUs: Us, isWhole = true): WriteSet {
  return {
    seq,
    atUs,
    isWhole,
    redo: [],
    receipts: [],
    nodes: [],
    nodeAliases: [],
    pods: [],
    ipOwners: [],
    objects: [],
    coverage: [],
    sources: [],
    series: [],
    seriesPages: [],
    edges: [],
    facets: [],
    facetColumns: [],
    processes: [],
    counts: [],
    insights: [],
    insightEvents: [],
    waivers: [],
    outbox: [],
    edgeEvents: [],
    rollups: [],
    journal: [],
    blind: [],
  };
}

/** A stage whose state outlives the process. */
export interface Durable {
  /** Adds what changed since the last call, and forgets that it changed. */
  collect(into: WriteSet): void;
  /** Takes back what earlier write-sets held; called once, before anything else. */
  restore(rows: Restored): void;
}
