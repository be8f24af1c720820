/** The API's questions against a committed store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ApiInsight, GraphFilter, InsightFilter } from "../src/model/api.ts";
import { maskOf } from "../src/model/coverage.ts";
import { makeWriteSet } from "../src/model/rows.ts";
import type { CoverageRow, WriteSet } from "../src/model/rows.ts";
import { usPerSecond, usToRfc3339 } from "../src/model/time.ts";
import { StoreError } from "../src/store/errors.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import {
  baseUs,
  makeColumnRow,
  makeEdgeRow,
  makeFacetRow,
  makeInsightRow,
  makeNodeRow,
} from "./support/write-sets.ts";

let folder: string;
let writer: StoreWriter;
let reader: StoreReader;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-insights-reader-"));
  const path = join(folder, "insights.db");
  writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
  reader = new StoreReader(path);
});

afterEach(() => {
  reader.close();
  writer.close();
  rmSync(folder, { recursive: true });
});

/**
 * web → cart → db, cart → pay (namespace bank), cart → an external address. A service node `cart-svc`
 * became `cart`, and one of its old facets, web → cart-svc, is still there beside the moved one.
 */
function makeMesh(): WriteSet {
  const set = makeWriteSet(1, baseUs);
  set.nodes.push(
    makeNodeRow(1, { name: "web" }),
    makeNodeRow(2, { name: "cart", detail: '{"service":"cart"}' }),
    makeNodeRow(3, { name: "db" }),
    makeNodeRow(4, { name: "pay", namespace: "bank", key: "c1/bank/pay" }),
    makeNodeRow(5, {
      key: "external/203.0.113.9",
      cluster: "",
      namespace: "",
      name: "",
      address: "203.0.113.9",
      external: true,
    }),
    makeNodeRow(6, { name: "cart-svc", mergedInto: 7 }),
    makeNodeRow(7, { name: "cart-old", mergedInto: 2 }),
    makeNodeRow(8, { name: "idle" }),
  );
  set.nodeAliases.push({ alias: "c1/shop/cart-alias", nodeId: 6 });
  const pairs = [
    [1, 2],
    [2, 3],
    [2, 4],
    [2, 5],
    [1, 6],
    [1, 3],
  ] as const;
  for (const [index, [src, dst]] of pairs.entries())
    set.edges.push(makeEdgeRow(index + 1, src, dst));
  set.facets.push(
    makeFacetRow(1, { requests: 10, plaintextShare: 0 }),
    makeFacetRow(2, { port: 5432, protocol: "", plaintextShare: 1, security: "none" }),
    makeFacetRow(3, { port: 443 }),
    makeFacetRow(4, { port: 443, aroundProxy: 2 }),
    makeFacetRow(5, { requests: 7, lastSeenUs: baseUs + 3 }), // the remnant, seen last
    makeFacetRow(6, { shadowed: true }),
  );
  set.facetColumns.push(
    makeColumnRow(1, "source"),
    makeColumnRow(1, "destination"),
    makeColumnRow(1, "source", { channel: "logs" }),
  );
  set.processes.push({
    key: "c1/shop/cart|app|/bin/sh",
    nodeId: 6,
    container: "app",
    exe: "/bin/sh",
    uid: 1337,
    gid: 1337,
    inProxyContainer: false,
    firstSeenUs: baseUs,
    lastSeenUs: baseUs,
    occurrences: 1,
    detail: "{}",
  });
  set.coverage.push(makeCoverageRow(2, { name: "cart", live: maskOf(["flows"]) }));
  set.insights.push(
    makeInsightRow("plain", { workload: "db", peerWorkload: "cart", peerPort: 5432 }),
    makeInsightRow("egress", {
      workload: "cart",
      peerNamespace: "",
      peerWorkload: "",
      peerAddress: "203.0.113.9",
      peerPort: 443,
      state: "unknown",
    }),
    makeInsightRow("gone", { workload: "cart", peerWorkload: "web", state: "resolved" }),
  );
  return set;
}

function makeCoverageRow(nodeId: number, parts: Partial<CoverageRow> = {}): CoverageRow {
  const { live = 0 } = parts;
  return {
    nodeId,
    cluster: "c1",
    namespace: "shop",
    name: `w${nodeId}`,
    mesh: 1,
    pods: 1,
    live,
    heard: live,
    reporters: "[]",
    ...parts,
  };
}

function names(filter: GraphFilter): { nodes: string[]; edges: string[]; truncated: boolean } {
  const graph = reader.graph(filter);
  const short = (id: string) => id.replace("c1/shop/", "");
  return {
    nodes: graph.nodes.map((node) => short(node.id)).sort(),
    edges: graph.edges.map((edge) => `${short(edge.source)}>${short(edge.target)}`).sort(),
    truncated: graph.truncated,
  };
}

test("the graph: merged nodes are their survivors, remnants and shadowed facets are left out", () => {
  writer.commit(makeMesh());
  const graph = reader.graph({});
  expect(graph.at).toBe(usToRfc3339(baseUs));
  expect(names({})).toEqual({
    nodes: ["c1/bank/pay", "cart", "db", "external/203.0.113.9", "idle", "web"],
    edges: ["cart>c1/bank/pay", "cart>db", "cart>external/203.0.113.9", "web>cart"],
    truncated: false,
  });
  const webToCart = graph.edges.find((edge) => edge.source === "c1/shop/web");
  expect(webToCart).toEqual({
    id: "1",
    source: "c1/shop/web",
    target: "c1/shop/cart",
    protocol: "http",
    port: 9080,
    security: "mutual_tls",
    plaintext_share: 0,
    around_proxy: 0,
    route: "declared",
    requests: 10,
    errors: 1,
    bytes_sent: 2 ** 53,
    bytes_received: 0.5,
    reporters: ["destination", "source"],
    first_seen: usToRfc3339(baseUs),
    last_seen: usToRfc3339(baseUs + 2),
    insights: 0,
  });
});

test("insights are counted at their workload and at the edge to their peer, while open", () => {
  writer.commit(makeMesh());
  const { nodes, edges } = reader.graph({});
  expect(Object.fromEntries(nodes.map((node) => [node.name, node.insights]))).toEqual({
    web: 0,
    cart: 1,
    db: 1,
    pay: 0,
    idle: 0,
    "203.0.113.9": 0,
  });
  const counted = edges.filter((edge) => edge.insights > 0).map((edge) => [edge.id, edge.insights]);
  expect(counted).toEqual([
    ["2", 1],
    ["4", 1],
  ]);
});

const neighbourhoods: readonly (readonly [GraphFilter, readonly string[], readonly string[]])[] = [
  [{ focus: "c1/shop/web" }, ["cart", "web"], ["web>cart"]],
  [{ focus: "c1/shop/web", hops: 0 }, ["web"], []],
  [
    { focus: "c1/shop/web", hops: 2, namespace: "shop" },
    ["c1/bank/pay", "cart", "db", "external/203.0.113.9", "web"],
    ["cart>c1/bank/pay", "cart>db", "cart>external/203.0.113.9", "web>cart"],
  ],
  [
    { focus: "c1/shop/cart-svc", hops: 1, namespace: "bank" },
    ["c1/bank/pay", "cart"],
    ["cart>c1/bank/pay"],
  ],
  [{ focus: "c1/shop/cart-alias", hops: 0 }, ["cart"], []],
  [{ focus: "c1/shop/nobody" }, [], []],
  [{ namespace: "bank" }, ["c1/bank/pay", "cart"], ["cart>c1/bank/pay"]],
  [{ namespace: "' OR 1=1 --" }, [], []],
];

for (const [filter, nodes, edges] of neighbourhoods) {
  test(`the graph of ${JSON.stringify(filter)}`, () => {
    writer.commit(makeMesh());
    expect(names(filter)).toEqual({ nodes, edges, truncated: false });
  });
}

test("a cut graph says so", () => {
  writer.commit(makeMesh());
  expect(names({ limit: 3 })).toMatchObject({ truncated: true });
  expect(reader.graph({ limit: 3 }).edges).toHaveLength(2); // and the remnant, which is not shown
  expect(names({ focus: "c1/shop/cart", hops: 3, limit: 1 }).truncated).toBe(true);
  expect(names({ focus: "c1/shop/web", limit: 5 }).truncated).toBe(false);
});

test("nodes that became each other in a circle end the question, not the reader", () => {
  const set = makeWriteSet(1, baseUs);
  set.nodes.push(makeNodeRow(1, { mergedInto: 2 }), makeNodeRow(2, { mergedInto: 1 }));
  set.edges.push(makeEdgeRow(1, 1, 2));
  set.facets.push(makeFacetRow(1));
  writer.commit(set);
  expect(reader.graph({}).edges).toHaveLength(1);
});

test("a workload with everything known of it, also under a name it had", () => {
  writer.commit(makeMesh());
  const workload = reader.workload("c1", "shop", "cart");
  expect(workload).toMatchObject({
    node: { id: "c1/shop/cart", insights: 1 },
    declared: { service: "cart" },
    coverage: { flows: "live" },
    observed: {
      mesh: "yes",
      inbound: { edges: 1, requests: 10 },
      outbound: { edges: 3, plaintext_edges: 3, around_proxy: 2 },
    },
    processes: [{ container: "app", exe: "/bin/sh", uid: 1337, in_proxy_container: false }],
  });
  expect(workload?.insights.map((insight) => insight.id).sort()).toEqual(["egress", "gone"]);
  expect(reader.workload("c1", "shop", "cart-svc")).toEqual(workload);
  expect(reader.workload("c2", "shop", "cart")).toBeNull();
});

test("an insight in the API's shape, with its history", () => {
  const set = makeMesh();
  for (const number of [1, 2]) {
    set.insightEvents.push({
      insightId: "plain",
      number,
      atUs: baseUs + number,
      eventUs: baseUs,
      fromState: number === 1 ? "inactive" : "pending",
      toState: number === 1 ? "pending" : "firing",
      reason: "",
      message: `m${number}`,
    });
  }
  writer.commit(set);
  const insight = reader.insight("plain");
  expect(insight).toMatchObject({
    id: "plain",
    peer: { namespace: "shop", workload: "cart", address: "", port: 5432 },
    fired_at: usToRfc3339(baseUs + 1),
    resolved_at: null,
    acknowledged: true,
    acknowledgement: { by: "jo", at: expect.any(String), until: null, note: "known" },
    waiver: "",
    flapping: true,
    tags: ["mtls"],
    episode: 1,
    reopen_count: 0,
  });
  expect(insight?.evidence).toEqual([
    {
      at: usToRfc3339(baseUs, 89),
      vantage: "proxy",
      source: "c1/shop/w2-0",
      text: "a request without TLS",
      fields: { port: 9080 },
    },
  ]);
  expect(insight?.history.map((item) => `${item.from}>${item.to} ${item.message}`)).toEqual([
    "inactive>pending m1",
    "pending>firing m2",
  ]);
  expect(reader.insight("none")).toBeNull();
});

test("a broken detail reads as empty", () => {
  const set = makeWriteSet(1, baseUs);
  set.insights.push(makeInsightRow("odd", { detail: "{", evidence: '{"a":1}' }));
  writer.commit(set);
  expect(reader.insight("odd")).toMatchObject({ evidence: [], tags: [], acknowledged: false });
});

const filters: readonly (readonly [InsightFilter, readonly string[]])[] = [
  [{}, ["c", "b", "a"]],
  [{ state: "firing" }, ["c", "a"]],
  [{ severity: "low" }, ["b"]],
  [{ rule: "r1" }, ["c"]],
  [{ namespace: "shop", workload: "w2" }, ["c", "b", "a"]],
  [{ namespace: "nowhere" }, []],
  [{ q: "SHOP/W1" }, ["c", "a"]],
  [{ q: "100%" }, ["b"]],
  [{ q: "%" }, ["b"]],
  [{ since: usToRfc3339(baseUs + 9 * usPerSecond) }, ["c"]],
  [{ q: "' OR 1=1 --" }, []],
];

for (const [filter, expected] of filters) {
  test(`insights of ${JSON.stringify(filter)}`, () => {
    const set = makeWriteSet(1, baseUs);
    set.insights.push(
      makeInsightRow("a", { firstSeenUs: baseUs + 1 }),
      makeInsightRow("b", {
        firstSeenUs: baseUs + 2,
        state: "resolved",
        severity: "low",
        message: "at 100% of it",
      }),
      makeInsightRow("c", {
        firstSeenUs: baseUs + 3,
        lastSeenUs: baseUs + 10 * usPerSecond,
        rule: "r1",
      }),
      makeInsightRow("never", { state: "inactive" }),
    );
    writer.commit(set);
    const page = reader.insights(filter);
    expect(page.items.map((item) => item.id)).toEqual(expected);
    expect([page.total, page.next]).toEqual([expected.length, null]);
  });
}

test("pages give each insight once, also while they change", () => {
  const set = makeWriteSet(1, baseUs);
  // Many share a time, so that the id must decide.
  for (let i = 0; i < 25; i++) {
    set.insights.push(makeInsightRow(`i${i}`, { firstSeenUs: baseUs + Math.floor(i / 10) }));
  }
  writer.commit(set);
  const seen: ApiInsight[] = [];
  let cursor: string | null = null;
  do {
    const page = reader.insights({ limit: 7, ...(cursor !== null && { cursor }) });
    expect(page.total).toBe(25);
    seen.push(...page.items);
    cursor = page.next;
    const touched = makeWriteSet(2, baseUs);
    for (const row of set.insights) touched.insights.push({ ...row, lastSeenUs: baseUs + 100 });
    writer.commit(touched);
  } while (cursor !== null);
  expect(seen).toHaveLength(25);
  expect(new Set(seen.map((item) => item.id)).size).toBe(25);
});

for (const filter of [{ cursor: "bm9uc2Vuc2U" }, { cursor: "" }, { since: "yesterday" }]) {
  test(`a question that cannot be answered: ${JSON.stringify(filter)}`, () => {
    let code = "";
    try {
      reader.insights(filter);
    } catch (error) {
      if (error instanceof StoreError) code = error.code;
    }
    expect(code).toBe("bad_query");
  });
}

test("an answer comes from committed data only", () => {
  expect(reader.graph({})).toEqual({ at: usToRfc3339(0), truncated: false, nodes: [], edges: [] });
  writer.commit(makeMesh());
  expect(reader.graph({}).edges).toHaveLength(4);
});

test("the overview sums up what is heard, and who is seen by what", () => {
  const set = makeWriteSet(1, baseUs);
  const agent = {
    kind: "node_agent",
    cluster: "c1",
    namespace: "",
    state: "live",
    firstSeenUs: baseUs,
    lastSeenUs: baseUs,
  };
  const heard = (atUs: number): string =>
    JSON.stringify({ heard: { sockets: { receivedUs: atUs }, processes: { receivedUs: baseUs } } });
  set.sources.push(
    { ...agent, key: "c1/a", detail: heard(baseUs + 7) },
    { ...agent, key: "c1/b", detail: heard(baseUs + 3) },
    { ...agent, key: "c1/c", detail: "{}" },
  );
  const seenBy = (nodeId: number, live: string[], silent: string[] = [], namespace = "shop") => {
    const masks = { live: maskOf(live), heard: maskOf([...live, ...silent]) };
    set.coverage.push(makeCoverageRow(nodeId, { namespace, ...masks }));
  };
  seenBy(1, ["proxy_logs", "sockets"]);
  seenBy(2, ["spans"], ["proxy_logs", "sockets"]);
  seenBy(5, [], [], "bank");
  writer.commit(set);
  expect(reader.overview()).toEqual({
    heard: [
      {
        source_kind: "node_agent",
        capability: "processes",
        sources: 2,
        last: usToRfc3339(baseUs),
      },
      {
        source_kind: "node_agent",
        capability: "sockets",
        sources: 2,
        last: usToRfc3339(baseUs + 7),
      },
    ],
    namespaces: [
      { namespace: "shop", workloads: 2, proxies: 2, node_agents: 1 },
      { namespace: "bank", workloads: 1, proxies: 0, node_agents: 0 },
    ],
  });
});

test("waivers: what has ended or will soon comes first, with what each accepts now", () => {
  const set = makeWriteSet(1, baseUs);
  const day = 86_400 * usPerSecond;
  const about = { rules: '["r"]', where: "true", reason: "known", owner: "jo", ticket: "" };
  const [sinceUs, matchedUs] = [baseUs - 40 * day, 0];
  set.waivers.push(
    { ...about, id: "fine", endsUs: baseUs + 90 * day, sinceUs, matchedUs: baseUs - day },
    { ...about, id: "soon", endsUs: baseUs + 14 * day, sinceUs, matchedUs },
    { ...about, id: "over", endsUs: baseUs, sinceUs, matchedUs },
    { ...about, id: "idle", endsUs: baseUs + 80 * day, sinceUs, matchedUs },
  );
  const waived = (id: string, state: string) =>
    makeInsightRow(id, { state, detail: JSON.stringify({ waiver: "fine" }) });
  set.insights.push(waived("i1", "firing"), waived("i2", "unknown"), waived("i3", "resolved"));
  writer.commit(set);
  const { items, total } = reader.waivers(baseUs);
  expect(items.map(({ id, state, insights }) => [id, state, insights])).toEqual([
    ["over", "expired", 0],
    ["soon", "expiring", 0],
    ["idle", "unused", 0],
    ["fine", "active", 2],
  ]);
  expect(total).toBe(4);
  expect(items.at(-1)).toMatchObject({ rules: ["r"], expires: usToRfc3339(baseUs + 90 * day) });
  expect(items[0]).toMatchObject({ last_matched: null });
});
