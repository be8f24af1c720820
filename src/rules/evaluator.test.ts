import { expect, test } from "vitest";
import type { EntityChange, Evidence, GraphChange } from "../model/changes.ts";
import { makeEntity, type EdgeEntity, type FlowEntity } from "../model/entities.ts";
import type { RuleEvent } from "../model/insights.ts";
import type { CounterSample } from "../model/stages.ts";
import { Evaluator, evaluatorDefaults, type EvaluatorOptions } from "./evaluator.ts";
import { loadRules } from "./load.ts";

const text = `
version: 1
rules:
  - id: plain
    title: Plain
    severity: high
    confidence: low
    on: edge
    when: edge.security == 'none'
    message: "{{ edge.src.name }} to {{ edge.dst.name }}"
  - id: labelled
    title: Labelled
    severity: low
    confidence: high
    on: edge
    when: edge.src.labels.team == 'red'
    message: "{{ edge.dst.labels.team }}"
    key: [edge.src, edge.port, edge.security, edge.stale]
  - id: bypass
    title: Bypass
    severity: critical
    confidence: flow.confidence
    on: flow
    when: flow.rung == 'b2'
    message: m
`;

class Catch {
  events: RuleEvent[] = [];
  push(events: readonly RuleEvent[]): void {
    this.events.push(...events);
  }
  /** What came since the last call, one word each. */
  take(): string[] {
    const said = this.events.map((event) => {
      if (event.kind === "match") {
        return `${event.rule.id} matches ${event.entityId}: ${event.message}`;
      }
      if (event.kind !== "miss") return event.kind;
      const how = `${event.judged ? "" : " unjudged"}${event.withdrawn ? " withdrawn" : ""}`;
      return `${event.rule.id} misses ${event.entityId}${how}`;
    });
    this.events = [];
    return said;
  }
}

function makeEvaluator(options: Partial<EvaluatorOptions> = {}) {
  const caught = new Catch();
  const { rules, diagnostics } = loadRules([{ path: "rules.yaml", text }]);
  expect(diagnostics).toEqual([]);
  const evaluator = new Evaluator(rules, caught, { ...evaluatorDefaults, ...options });
  return { caught, evaluator };
}

function edge(id: string, fields: Partial<EdgeEntity>, judged = true): EntityChange<"edge"> {
  const entity = { ...makeEntity("edge"), ...fields };
  const common = { id, entity, judged, atUs: 5, evidence: [], observers: [] };
  return { kind: "entity", type: "edge", ...common };
}

function flow(id: string, fields: Partial<FlowEntity>, judged = true): EntityChange<"flow"> {
  const entity = { ...makeEntity("flow"), ...fields };
  const common = { id, entity, judged, atUs: 5, evidence: [], observers: [] };
  return { kind: "entity", type: "flow", ...common };
}

const quiet = { src: { ...makeEntity("node"), labels: { team: "blue" } } };

test.each<[string, GraphChange[][], string[][]]>([
  [
    "a miss is told once when nobody remembers, then only after a match",
    [
      [edge("e", { ...quiet })],
      [edge("e", { ...quiet })],
      [edge("e", { ...quiet, security: "none" })],
      [edge("e", { ...quiet, security: "none" })],
      [edge("e", { ...quiet, security: "mutual_tls" })],
      [edge("e", { ...quiet, security: "mutual_tls" })],
    ],
    [
      ["plain misses e", "labelled misses e"],
      [],
      ["plain matches e:  to "],
      ["plain matches e:  to "],
      ["plain misses e"],
      [],
    ],
  ],
  [
    "silence is passed on, and what follows it",
    [
      [edge("e", { ...quiet, security: "none" })],
      [edge("e", { ...quiet }, false)],
      [edge("e", { ...quiet })],
    ],
    [
      ["plain matches e:  to ", "labelled misses e"],
      ["plain misses e unjudged"],
      ["plain misses e"],
    ],
  ],
  [
    "a condition that cannot be told ends nothing",
    [
      [edge("e", { src: { ...makeEntity("node"), labels: { team: "red" } } })],
      [edge("e", {})],
      [edge("e", { ...quiet })],
      [edge("e", { ...quiet })],
    ],
    [
      ["plain misses e", "labelled matches e: Labelled"],
      ["labelled misses e unjudged"],
      ["labelled misses e"],
      [],
    ],
  ],
  [
    "an event judged anew is withdrawn, one that lost its verdict is not",
    [
      [flow("a", { rung: "b2", outcome: "found" }), flow("b", { rung: "b2", outcome: "found" })],
      [flow("a", { outcome: "cleared" }), flow("b", { outcome: "unknown" })],
      [flow("c", { rung: "b2", outcome: "found" }), flow("c", { rung: "b3", outcome: "found" })],
      [flow("d", { rung: "b2", outcome: "found" }), flow("d", { outcome: "cleared" }, false)],
    ],
    [
      ["bypass matches a: m", "bypass matches b: m"],
      ["bypass misses a withdrawn", "bypass misses b"],
      ["bypass matches c: m", "bypass misses c withdrawn"],
      ["bypass matches d: m", "bypass misses d unjudged"],
    ],
  ],
  [
    "what is gone is forgotten; names and sources pass through",
    [
      [edge("e", { ...quiet })],
      [
        { kind: "gone", type: "edge", id: "e", atUs: 6 },
        { kind: "gone", type: "workload", id: "w", atUs: 6 },
        { kind: "renamed", from: "a", to: "b" },
        { kind: "source", observer: { kind: "proxy", key: "p" }, state: "silent", atUs: 7 },
      ],
      [edge("e", { ...quiet })],
    ],
    [
      ["plain misses e", "labelled misses e"],
      ["lost", "renamed", "source"],
      ["plain misses e", "labelled misses e"],
    ],
  ],
])("%s", (_, batches, expected) => {
  const { caught, evaluator } = makeEvaluator();
  const said = batches.map((batch) => {
    evaluator.push(batch);
    return caught.take();
  });
  expect(said).toEqual(expected);
});

test("a match carries what the lifecycle needs", () => {
  const { caught, evaluator } = makeEvaluator();
  const src = { ...makeEntity("node"), cluster: "c", namespace: "shop", name: "web" };
  const change = edge("e", {
    src: { ...src, resolved: "object", labels: { team: "red" } },
    dst: { ...makeEntity("node"), labels: { team: "x\u0000\u202e\ny".repeat(200) } },
    port: 80,
  });
  const evidence: Evidence[] = [];
  const observers = [{ kind: "proxy", key: "p" }] as const;
  evaluator.push([{ ...change, evidence, observers }]);
  const match = caught.events.find((event) => event.kind === "match");
  expect(match).toMatchObject({
    key: ["c/shop/web", "80", "unknown", "false"],
    confidence: "high",
    subject: change.entity.dst,
    peer: change.entity.src,
    peerPort: 0,
    atUs: 5,
    observers,
  });
  const message = match?.kind === "match" ? match.message : "";
  expect(message).toMatch(/^(x y)+x?…$/);
  expect(message.length).toBeLessThanOrEqual(200);
});

test("memory of entities is bounded, and forgetting only repeats a miss", () => {
  const { caught, evaluator } = makeEvaluator({ entitiesMax: 10 });
  for (let index = 0; index < 1_000; index++) evaluator.push([edge(`e${index}`, quiet)]);
  caught.take();
  evaluator.push([edge("e999", quiet)]);
  expect(caught.take()).toEqual([]);
  evaluator.push([edge("e0", quiet)]);
  expect(caught.take()).toEqual(["plain misses e0", "labelled misses e0"]);
  const samples: CounterSample[] = [];
  evaluator.counters(samples);
  const forgotten = samples.find(({ name }) => name === "rule_entities_forgotten_total");
  expect(forgotten?.value).toBeGreaterThan(980);
});

test("counts evaluations, errors by rule and reason, and time by the clock it is given", () => {
  let seconds = 0;
  const { evaluator } = makeEvaluator({ clock: () => seconds++ });
  evaluator.push([edge("e", {}), edge("f", {})]);
  const samples: CounterSample[] = [];
  evaluator.counters(samples);
  const valueOf = (name: string, labels: Record<string, string>): number | undefined =>
    samples.find((sample) => sample.name === name && hasLabels(sample, labels))?.value;
  expect(valueOf("rule_evaluations_total", {})).toBe(4);
  const labels = { rule: "labelled", reason: "missing" };
  expect(valueOf("rule_evaluation_errors_total", labels)).toBe(2);
  expect(valueOf("rule_evaluation_errors_total", { ...labels, rule: "plain" })).toBe(0);
  // One of 64 is timed and stands for all.
  expect(valueOf("rule_evaluation_seconds_total", { rule: "plain" })).toBe(64);
  expect(evaluator.firstError("labelled")).toBe("no field 'team'");
  expect(evaluator.firstError("plain")).toBe("");
});

function hasLabels(sample: CounterSample, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}
