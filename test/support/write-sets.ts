/** Rows for tests of the store: one of every type, and write-sets of any size. */
import type { InsightRecord } from "../../src/model/insights.ts";
import { makeWriteSet, seriesPerPage } from "../../src/model/rows.ts";
import type {
  EdgeRow,
  FacetColumnRow,
  FacetRow,
  InsightRow,
  NodeRow,
  OutboxRow,
  WriteSet,
} from "../../src/model/rows.ts";

/** An ordinary time with all its microseconds. */
export const baseUs = 1_790_000_000_123_457;

const acknowledgement = { by: "jo", atUs: baseUs, untilUs: 0, note: "known" };

export function makeNodeRow(id: number, over: Partial<NodeRow> = {}): NodeRow {
  const name = over.name ?? `w${id}`;
  return {
    id,
    key: `c1/shop/${name}`,
    cluster: "c1",
    namespace: "shop",
    name,
    kind: "Deployment",
    mesh: "yes",
    mode: "sidecar",
    external: false,
    address: "",
    resolved: "object",
    firstSeenUs: baseUs,
    lastSeenUs: baseUs + 1,
    mergedInto: 0,
    detail: "{}",
    ...over,
  };
}

export function makeEdgeRow(id: number, srcId: number, dstId: number): EdgeRow {
  return { id, srcId, dstId, transport: "tcp", firstSeenUs: baseUs, lastSeenUs: baseUs + 2 };
}

export function makeFacetRow(id: number, over: Partial<FacetRow> = {}): FacetRow {
  return {
    id,
    edgeId: id,
    protocol: "http",
    port: 9080,
    security: "mutual_tls",
    plaintextShare: 0.25,
    route: "declared",
    requests: 12,
    errors: 1,
    denied: 0,
    connections: 3,
    bytesSent: 2 ** 53,
    bytesReceived: 0.5,
    aroundProxy: 0,
    shadowed: false,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs + 2,
    detail: "{}",
    ...over,
  };
}

export function makeColumnRow(
  facetId: number,
  reporter: string,
  over: Partial<FacetColumnRow> = {},
): FacetColumnRow {
  return {
    facetId,
    reporter,
    channel: "metrics",
    requests: 12,
    errors: 1,
    denied: 0,
    connections: 3,
    bytesSent: 100,
    bytesReceived: 200,
    latencySumMs: 1.5,
    latencyCount: 12,
    security: "mutual_tls",
    firstSeenUs: baseUs,
    lastSeenUs: baseUs + 2,
    detail: "{}",
    ...over,
  };
}

export function makeInsightRow(id: string, over: Partial<InsightRow> = {}): InsightRow {
  return {
    id,
    fingerprint: `f-${id}`,
    episode: 1,
    rule: "plaintext-traffic",
    ruleVersion: "v1",
    title: "Plaintext traffic",
    severity: "high",
    confidence: "high",
    state: "firing",
    reason: "",
    message: "plaintext from shop/w1 to shop/w2",
    cluster: "c1",
    namespace: "shop",
    workload: "w2",
    kind: "Deployment",
    peerNamespace: "shop",
    peerWorkload: "w1",
    peerAddress: "",
    peerPort: 9080,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs + 5,
    activeUs: baseUs,
    firedUs: baseUs + 1,
    resolvedUs: 0,
    keepSinceUs: 0,
    occurrences: 4,
    reopenCount: 0,
    transitions: 1,
    flapping: true,
    evidence: JSON.stringify([
      {
        atUs: baseUs,
        nanos: 89,
        vantage: "proxy",
        source: "c1/shop/w2-0",
        text: "a request without TLS",
        fields: { port: 9080 },
        hash: "h1",
      },
    ]),
    detail: JSON.stringify({ tags: ["mtls"], acknowledgement, waiver: "" }),
    ...over,
  };
}

export function makeRecord(uid: string, over: Partial<InsightRecord> = {}): InsightRecord {
  const place = { cluster: "c1", namespace: "shop", kind: "Deployment", address: "" };
  return {
    uid,
    insightId: "i1",
    kind: "transition",
    state: "firing",
    previousState: "pending",
    reason: "",
    eventUs: baseUs - 1,
    atUs: baseUs,
    message: 'plaintext from "shop/w1" to shop/w2',
    rule: {
      id: "plaintext-traffic",
      ruleset: "mesh-insights",
      title: "Plaintext traffic",
      severity: "high",
      status: "stable",
      version: "v1",
      description: "",
      tags: ["mtls"],
      category: "posture",
      reference: "",
    },
    confidence: "high",
    subject: { ...place, workload: "w2" },
    peer: { ...place, workload: "w1" },
    peerPort: 9080,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs + 5,
    occurrences: 4,
    reopenCount: 0,
    flapping: false,
    waiver: "",
    acknowledgedBy: "",
    evidence: [],
    ...over,
  };
}

export function makeOutboxRow(uid: string, over: Partial<InsightRecord> = {}): OutboxRow {
  const record = makeRecord(uid, over);
  const { insightId, state, atUs } = record;
  return { uid, insightId, state, atUs, record: JSON.stringify(record) };
}

/** One row of every type, with awkward values: sizes, signs, quotes, bytes, last microseconds. */
export function makeFullWriteSet(seq: number): WriteSet {
  const set = makeWriteSet(seq, baseUs + seq);
  set.receipts.push({ hash: "00ff".repeat(8), signal: 2, receivedUs: baseUs });
  set.nodes.push(
    makeNodeRow(1, { detail: '{"service":"a\'b\\"c"}' }),
    makeNodeRow(2, { external: true, mergedInto: 1 }),
  );
  set.nodeAliases.push({ alias: "svc:c1/shop/w1", nodeId: 1 });
  set.pods.push({
    uid: "pod-1",
    cluster: "c1",
    namespace: "shop",
    name: "w1-0",
    nodeId: 1,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs,
    detail: "{}",
  });
  set.ipOwners.push({
    id: 1,
    cluster: "c1",
    ip: "00000000000000000000ffff0a000001",
    podUid: "pod-1",
    nodeId: 1,
    fromUs: baseUs,
    toUs: 0,
    detail: "{}",
  });
  set.objects.push({
    key: "c1/service/shop/w1",
    cluster: "c1",
    type: "service",
    namespace: "shop",
    name: "w1",
    atUs: baseUs,
    listedUs: 0,
    detail: "{}",
  });
  set.coverage.push({
    nodeId: 1,
    cluster: "c1",
    namespace: "shop",
    name: "w1",
    mesh: 1,
    pods: 1,
    live: 65,
    heard: 67,
    reporters: "[]",
  });
  set.sources.push({
    kind: "proxy",
    key: "c1/shop/w1-0",
    cluster: "c1",
    namespace: "shop",
    state: "live",
    firstSeenUs: baseUs,
    lastSeenUs: baseUs,
    detail: "{}",
  });
  set.series.push({ id: 0, hash: "0123456789abcdef".repeat(2), facetId: 1, detail: "{}" });
  set.seriesPages.push({ page: 0, values: makePage(0) });
  set.edges.push(makeEdgeRow(1, 1, 2));
  set.facets.push(makeFacetRow(1, { shadowed: true }));
  set.facetColumns.push(makeColumnRow(1, "source"));
  set.processes.push({
    key: "c1/shop/w1|app|/bin/sh",
    nodeId: 1,
    container: "app",
    exe: "/bin/sh",
    uid: 1337,
    gid: -1,
    inProxyContainer: true,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs,
    occurrences: 2,
    detail: "{}",
  });
  set.counts.push({ id: 'scan ["shop/web"]', rule: "scan", version: "0123", detail: "{}" });
  set.insights.push(makeInsightRow("i1"));
  set.waivers.push({
    id: "legacy",
    rules: '["plaintext-traffic"]',
    where: "edge.port == 'x'",
    reason: 'it\'s "old"',
    owner: "jo",
    ticket: "",
    endsUs: baseUs + 9,
    sinceUs: baseUs,
    matchedUs: 0,
  });
  set.insightEvents.push({
    insightId: "i1",
    number: 1,
    atUs: baseUs,
    eventUs: baseUs - 1,
    fromState: "pending",
    toState: "firing",
    reason: "",
    message: "plaintext",
  });
  set.outbox.push(makeOutboxRow("0123456789abcdef".repeat(2)));
  set.edgeEvents.push({ atUs: baseUs, facetId: 1, kind: "security", value: "none" });
  set.rollups.push({
    bucketUs: 1_790_000_100_000_000,
    widthUs: 300_000_000,
    facetId: 1,
    requests: 5,
    errors: 1,
    connections: 2,
    bytesSent: 10,
    bytesReceived: 20,
  });
  set.journal.push({ untilUs: baseUs + 600_000_000, blob: new Uint8Array([0, 1, 254, 255]) });
  set.blind.push({ fromUs: baseUs - 60_000_000, toUs: baseUs, reason: "restart" });
  return set;
}

/** A page of series values as the graph writes them. */
export function makePage(first: number): Uint8Array {
  const triples = new Float64Array(seriesPerPage * 3);
  for (let index = 0; index < triples.length; index += 3) {
    triples.set([baseUs, baseUs + 1, first + index], index);
  }
  return new Uint8Array(triples.buffer);
}
