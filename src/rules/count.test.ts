/** Rules that count: windows of events, growth of numbers, in any order and over restarts. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { evidenceMax, type EntityChange, type GraphChange } from "../model/changes.ts";
import { makeEntity, type EdgeEntity } from "../model/entities.ts";
import type { RuleEvent } from "../model/insights.ts";
import { makeWriteSet, type CountRow, type Restored } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerMinute, usPerSecond } from "../model/time.ts";
import { Evaluator, evaluatorDefaults } from "./evaluator.ts";
import { loadRules } from "./load.ts";

const text = `
version: 1
rules:
  - id: scan
    title: Scan
    severity: high
    confidence: high
    on: flow
    when: flow.outcome != 'cleared'
    count: { by: [flow.src], within: 1m, gte: 3, distinct: [flow.dst_ip, flow.dst_port] }
    message: "{{ flow.src.name }} reaches {{ count }}"
  - id: often
    title: Often
    severity: high
    confidence: high
    on: flow
    params: { most: { type: int, default: 4 } }
    when: flow.outcome != 'cleared'
    count: { by: [flow.src], within: 1m, gte: params.most }
    message: m
  - id: denials
    title: Denials
    severity: low
    confidence: high
    on: edge
    when: edge.port != 99
    count: { of: edge.denied, within: 10m, gte: 5 }
    message: "{{ count }} denied"
`;

/** Far from 0, and the start of a sub-bucket. */
const startUs = 1_800_000_000 * usPerSecond;
const sub = 5 * usPerSecond;

interface Told {
  readonly id: string;
  readonly atUs: number;
  readonly src: string;
  readonly port: number;
}

function flow({ id, atUs, src, port }: Told, isCleared = false): EntityChange<"flow"> {
  const entity = makeEntity("flow");
  entity.src.name = src;
  entity.dst_port = port;
  entity.outcome = isCleared ? "cleared" : "found";
  const evidence = {
    atUs,
    nanos: 0,
    vantage: "node",
    source: "",
    text: id,
    fields: {},
    hash: id,
  } as const;
  const observers = [{ kind: "node_agent", key: "n" }] as const;
  return {
    kind: "entity",
    type: "flow",
    id,
    entity,
    judged: true,
    atUs,
    evidence: [evidence],
    observers,
  };
}

function edge(id: string, denied: number, atUs: number, more: Partial<EdgeEntity> = {}) {
  const entity = { ...makeEntity("edge"), denied, ...more };
  const about = { id, entity, judged: true, atUs, evidence: [], observers: [] };
  return { kind: "entity", type: "edge", ...about } as const;
}

/** An evaluator that can be killed after any commit; `standing` is what insights would stand on. */
class World {
  readonly rows = new Map<string, CountRow>();
  readonly standing = new Map<string, Set<string>>();
  readonly said: string[] = [];
  evaluator = this.#make();

  #make(): Evaluator {
    const { rules, diagnostics } = loadRules([{ path: "rules.yaml", text }]);
    if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics));
    return new Evaluator(rules, { push: (events) => this.#take(events) }, evaluatorDefaults);
  }

  push(...changes: GraphChange[]): this {
    this.evaluator.push(changes);
    return this;
  }

  commit(): this {
    const set = makeWriteSet(1, 1);
    this.evaluator.collect(set);
    for (const { key } of set.forgotten ?? []) this.rows.delete(String(key));
    for (const row of set.counts) this.rows.set(row.id, row);
    return this;
  }

  restart(): this {
    this.commit();
    this.evaluator = this.#make();
    const counts = [...this.rows.values()];
    const restored: Restored = { ...makeWriteSet(1, 1), counts, lastCommitUs: 1 };
    this.evaluator.restore(restored);
    return this;
  }

  counted(reason: string): number {
    const samples: CounterSample[] = [];
    this.evaluator.counters(samples);
    return samples
      .filter(({ name, labels }) => name === "rule_uncounted_total" && labels["reason"] === reason)
      .reduce((sum, { value }) => sum + value, 0);
  }

  of(rule: string): string[] {
    return [...(this.standing.get(rule) ?? [])].toSorted();
  }

  #take(events: readonly RuleEvent[]): void {
    for (const event of events) {
      if (event.kind !== "match" && event.kind !== "miss") continue;
      const { id } = event.rule;
      const ids = this.standing.get(id) ?? new Set<string>();
      this.standing.set(id, ids);
      if (event.kind === "match") {
        ids.add(event.entityId);
        this.said.push(`${id}: ${event.message}`);
      } else if (event.withdrawn || event.rule.lifecycle === "state") ids.delete(event.entityId);
    }
  }
}

/** Which of them lie in a full window: by looking at each window there is. */
function inFullWindows(told: readonly Told[], gte: number, isDistinct: boolean): string[] {
  const ids = new Set<string>();
  for (const src of new Set(told.map((one) => one.src))) {
    const own = told.filter((one) => one.src === src);
    const buckets = own.map(({ atUs }) => Math.floor(atUs / sub));
    for (let end = Math.min(...buckets); end <= Math.max(...buckets); end++) {
      const inside = own.filter((_, at) => {
        const bucket = buckets[at] ?? 0;
        return bucket <= end && bucket > end - 12;
      });
      const values = new Set(inside.map(({ id, port }) => (isDistinct ? `${port}` : id)));
      if (values.size >= gte) for (const { id } of inside) ids.add(id);
    }
  }
  return [...ids].toSorted();
}

const someFlows = fc.uniqueArray(
  fc.record({
    id: fc.nat(40).map((n) => `f${n}`),
    atUs: fc.nat(165_000).map((ms) => startUs + ms * 1_000),
    src: fc.constantFrom("a", "b"),
    port: fc.integer({ min: 1, max: 6 }),
  }),
  { selector: ({ id }) => id, maxLength: 30 },
);

test("in any order, in pieces, told twice, taken back and over restarts, the same events count", () => {
  fc.assert(
    fc.property(
      someFlows,
      fc.array(fc.nat(1_000), { minLength: 90, maxLength: 90 }),
      fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
      (flows, ranks, isTakenBack) => {
        const world = new World();
        const steps = flows.flatMap((one, at) => {
          const rank = ranks[at] ?? 0;
          const again = { rank: rank + (ranks[at + 30] ?? 0), push: flow(one) };
          const last = { rank: 5_000 + (ranks[at + 60] ?? 0), push: flow(one, true) };
          return [{ rank, push: flow(one) }, again, ...(isTakenBack[at] ? [last] : [])];
        });
        for (const { rank, push } of steps.toSorted((a, b) => a.rank - b.rank)) {
          world.push(push);
          if (rank % 7 === 0) world.restart();
        }
        const left = flows.filter((_, at) => !isTakenBack[at]);
        expect(world.of("scan")).toEqual(inFullWindows(left, 3, true));
        expect(world.of("often")).toEqual(inFullWindows(left, 4, false));
      },
    ),
    { numRuns: 300 },
  );
});

const at = (seconds: number, port: number, src = "a"): EntityChange<"flow"> =>
  flow({ id: `${src}${seconds}:${port}`, atUs: startUs + seconds * usPerSecond, src, port });

test("as many distinct ones as asked for, within the window and of one group", () => {
  const world = new World();
  world.push(at(0, 1), at(10, 2), at(20, 2), at(30, 1), at(40, 3, "b"));
  expect(world.of("scan")).toEqual([]);
  expect(world.of("often")).toHaveLength(4);
  world.push(at(59, 3));
  expect(world.of("scan")).toHaveLength(5);
  expect(world.said).toContain("scan: a reaches 3");
  // Too far from the first two, and not another one than the rest.
  const later = new World().push(at(0, 1), at(10, 2), at(70, 3), at(75, 3));
  expect(later.of("scan")).toEqual([]);
});

test("what comes too late is left out and counted", () => {
  const world = new World().push(at(0, 1), at(1, 2), at(600, 9), at(2, 3));
  expect(world.of("scan")).toEqual([]);
  expect(world.counted("late")).toBe(2);
});

test("a flood is exact to a thousand, and says so beyond", () => {
  const world = new World();
  for (let port = 1; port <= 1_500; port++) world.push(at(port / 50, port));
  expect(world.said).toContain("scan: a reaches 999");
  expect(world.said).toContain("scan: a reaches at least 1000");
  expect(world.counted("full")).toBe(1_000);
  const scan = world.of("scan");
  expect(scan).toHaveLength(1_000);
});

test("who fills the table loses his own groups", () => {
  const { rules } = loadRules([
    {
      path: "rules.yaml",
      text: text.replaceAll("by: [flow.src]", "by: [flow.src, flow.dst_port]"),
    },
  ]);
  const evaluator = new Evaluator(rules, { push: () => {} }, evaluatorDefaults);
  evaluator.push([at(0, 7, "quiet")]);
  for (let port = 1; port <= 5_000; port++) evaluator.push([at(port / 500, port, "loud")]);
  const samples: CounterSample[] = [];
  evaluator.counters(samples);
  const groups = samples.find(({ name }) => name === "rule_groups")?.value ?? 0;
  expect(groups).toBeLessThanOrEqual(2_002);
  const set = makeWriteSet(1, 1);
  evaluator.collect(set);
  expect(set.counts.filter(({ id }) => id.includes("quiet"))).toHaveLength(2);
});

test("groups of which nothing is left leave the table", () => {
  const world = new World().push(at(0, 1)).commit();
  expect([...world.rows.values()].filter(({ rule }) => rule === "scan")).toHaveLength(1);
  world.evaluator.advance(startUs + 10 * usPerMinute);
  world.commit();
  expect([...world.rows.values()].filter(({ rule }) => rule === "scan")).toHaveLength(0);
});

test("two names of one workload are one group", () => {
  const world = new World().push(at(0, 1), at(1, 2), at(2, 3, "b"));
  expect(world.of("scan")).toEqual([]);
  const [from, to] = ["b", "a"].map((name) => {
    return loadRules([{ path: "r.yaml", text }]).rules[0]?.key(at(0, 1, name).entity)[0] ?? "";
  });
  world.push({ kind: "renamed", from: from ?? "", to: to ?? "" });
  expect(world.of("scan")).toHaveLength(3);
});

test("an event that proves to be another workload's counts there and no longer here", () => {
  const world = new World();
  const moved = { id: "moved", atUs: startUs, port: 7 };
  world.push(at(1, 1, "b"), at(2, 2, "b"), flow({ ...moved, src: "b" }));
  expect(world.of("scan")).toHaveLength(3);
  world.push(flow({ ...moved, src: "a" }));
  expect(world.of("scan")).toEqual([]);
  world.push(at(1, 1), at(2, 2));
  expect(world.of("scan")).toEqual(["a1:1", "a2:2", "moved"]);
});

test("a restart forgets neither what is pending nor what was told, and tells nothing again", () => {
  const world = new World().push(at(0, 1), at(1, 2)).restart();
  world.push(at(2, 3));
  expect(world.of("scan")).toHaveLength(3);
  const told = world.said.length;
  world.restart().push(at(100, 9));
  expect(world.said).toHaveLength(told);
  world.push(at(101, 8), at(102, 7));
  expect(world.of("scan")).toHaveLength(6);
});

test("evidence beyond what an insight shows is not kept", () => {
  const world = new World();
  for (let port = 1; port <= 100; port++) world.push(at(port / 10, port));
  world.commit();
  const row = [...world.rows.values()].find(({ rule }) => rule === "scan");
  const { events } = JSON.parse(row?.detail ?? "{}") as { events: { evidence: unknown[] }[] };
  expect(events).toHaveLength(100);
  expect(events.filter(({ evidence }) => evidence.length > 0)).toHaveLength(2 * evidenceMax);
});

const minutes = (n: number): number => startUs + n * usPerMinute;

test("growth within the window counts, and ends with it", () => {
  const world = new World();
  world.push(edge("e", 3, minutes(0))).push(edge("e", 4, minutes(11)));
  expect(world.of("denials")).toEqual([]);
  world.push(edge("e", 9, minutes(12)));
  expect(world.said.at(-1)).toBe("denials: 6 denied");
  world.evaluator.advance(minutes(20));
  expect(world.of("denials")).toEqual(["e"]);
  world.evaluator.advance(minutes(24));
  expect(world.of("denials")).toEqual([]);
});

test("a number that is there when counting begins has not grown", () => {
  const world = new World();
  const matches: string[] = [];
  const { rules } = loadRules([{ path: "rules.yaml", text }]);
  world.evaluator = new Evaluator(
    rules,
    {
      push: (events) =>
        matches.push(...events.flatMap((e) => (e.kind === "match" ? [e.message] : []))),
    },
    evaluatorDefaults,
  );
  // An engine that has run before, without this rule.
  world.evaluator.restore({ ...makeWriteSet(1, 1), counts: [], lastCommitUs: 1 });
  world.push(edge("old", 500, minutes(0)));
  world.evaluator.advance(minutes(0));
  expect(matches).toEqual([]);
  world.push(edge("old", 503, minutes(1)), edge("new", 7, minutes(1)));
  expect(matches).toEqual(["7 denied"]);
  world.push(edge("old", 506, minutes(2)));
  expect(matches).toEqual(["7 denied", "6 denied"]);
});

test("over a restart growth goes on from where it stood, also of what was never denied before", () => {
  const world = new World().push(edge("e", 3, minutes(0)), edge("f", 0, minutes(0))).restart();
  world.push(edge("e", 8, minutes(1)), edge("f", 6, minutes(1)), edge("g", 4, minutes(1)));
  expect(world.of("denials")).toEqual(["e", "f"]);
  world.restart();
  world.evaluator.advance(minutes(2));
  expect(world.of("denials")).toEqual(["e", "f"]);
  world.evaluator.advance(minutes(13));
  expect(world.of("denials")).toEqual([]);
});

test("an edge that parts turn out to be has grown as much as they", () => {
  const world = new World().push(edge("p", 3, minutes(0)), edge("q", 1, minutes(1)));
  world.push({ ...edge("whole", 5, minutes(2)), replaces: ["p", "q"] });
  expect(world.said.at(-1)).toBe("denials: 5 denied");
  world.push({ kind: "gone", type: "edge", id: "p", atUs: minutes(2) });
  world.push(edge("whole", 6, minutes(3)));
  expect(world.said.at(-1)).toBe("denials: 6 denied");
});

test.each([
  ["{ by: [flow.src], within: 5s, gte: 3 }", "flow", "RULE_KEY", "from 10s to 24h"],
  ["{ by: [flow.src], within: 1m, gte: 2000 }", "flow", "RULE_KEY", "from 1 to 1000"],
  ["{ by: [flow.src], within: 1m, gte: params.mots }", "flow", "RULE_REF", "no param 'mots'"],
  ["{ by: [flow.source], within: 1m, gte: 3 }", "flow", "RULE_REF", "no field 'source'"],
  ["{ within: 1m, gte: 3, distinct: [flow.dst] }", "flow", "RULE_REF", "tells events apart"],
  ["{ within: 1m, gte: 3, distinct: [flow.dst_prt] }", "flow", "RULE_REF", "no field 'dst_prt'"],
  ["{ of: flow.bytes, within: 1m, gte: 3 }", "flow", "RULE_KEY", "is an event"],
  ["{ within: 1m, gte: 3 }", "edge", "RULE_KEY", "needs 'of'"],
  ["{ of: edge.denied, by: [edge.src], within: 1m, gte: 3 }", "edge", "RULE_KEY", "is no event"],
  ["{ of: edge.error_rate, within: 1m, gte: 3 }", "edge", "RULE_CEL_TYPE", "must be int"],
  ["{ of: edge.denid, within: 1m, gte: 3 }", "edge", "RULE_CEL_TYPE", "denid"],
  ["{ of: edge.denied, gte: 3 }", "edge", "RULE_KEY", "has no 'within'"],
  ["{ of: edge.denied, within: 1m, gte: many }", "edge", "RULE_KEY", "params.name"],
  ["{ of: edge.denied, within: 1m, gte: 3, at: 1 }", "edge", "RULE_KEY", "unknown key 'at'"],
])("count: %s on %s is refused where the mistake is", (count, on, code, message) => {
  const rule = `
version: 1
rules:
  - id: a
    title: t
    severity: low
    confidence: low
    on: ${on}
    params: { most: { type: int, default: 4 } }
    when: ${on}.${on === "flow" ? "dst_port" : "port"} > 0
    count: ${count}
    message: m
`;
  const { rules, diagnostics } = loadRules([{ path: "a.yaml", text: rule }]);
  expect(rules).toEqual([]);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ code, line: 11 });
  expect(errors[0]?.message).toContain(message);
});

test("a key beside what is counted by is refused, and so is the count in a condition", () => {
  const rule = text
    .replace("message: m\n", "key: [flow.src]\n    message: m\n")
    .replace("when: edge.port != 99", "when: count == '7'");
  const { diagnostics } = loadRules([{ path: "a.yaml", text: rule }]);
  expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
    "RULE_KEY a rule that counts 'by' fields has them as its key",
    expect.stringMatching(/^RULE_CEL_TYPE .*count/),
  ]);
});
