/**
 * A rule that matches more than it may have insights of: those that are there stay, the rest is counted,
 * and that it is so is an insight of its own, which ends when it is over. The whole pipeline, with the
 * shipped rule.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeLogs } from "../src/cli/demo/otlp.ts";
import { loadConfig } from "../src/config/config.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import { makeWriteSet, type InsightRow, type Restored } from "../src/model/rows.ts";
import { usPerMinute, usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";

const startUs = 1_795_300_000_000_000;

const anyEdge = `
version: 1
ruleset: test
rules:
  - id: any-edge
    title: An edge
    severity: low
    confidence: high
    on: edge
    when: edge.connections + edge.requests >= 0
    keep_firing_for: 30d
    message: an edge
`;

const shipped = "rules/coverage/rule-matches-too-many.yaml";
const { rules, diagnostics } = loadRules([
  { path: "any.yaml", text: anyEdge },
  { path: shipped, text: readFileSync(join(import.meta.dirname, "..", shipped), "utf8") },
]);
const configured = loadConfig([], ["cluster.name=demo", "insights.max_active=2"], {});
if (!configured.ok) throw new Error("the settings are valid");
const options = pipelineOptions(configured.config, rules);

class World {
  pipeline = new Pipeline(options, { push() {} });
  nowUs = startUs;
  #requests = 0;
  readonly #rows = new Map<string, InsightRow>();

  /** One call between two addresses that nobody else uses. */
  call(n: number): this {
    const [client, server] = [`10.50.0.${n}`, `10.60.0.${n}`];
    const timeMs = this.nowUs / usPerMs;
    const body =
      `[${new Date(timeMs).toISOString()}] "GET /${n} HTTP/1.1" 200 - via_upstream - "-" 0 5 1 1 "-" ` +
      `"test/1" "r-${n}" "server:80" "${server}:80" inbound|80|| 127.0.0.6:40000 ` +
      `${server}:80 ${client}:30000 - default\n`;
    const { signal, bytes } = encodeLogs({}, [{ timeMs, attributes: {}, body }]);
    const sender = { listener: "grpc", client: "" } as const;
    const request = { signal, hash: `${this.#requests++}`, receivedUs: this.nowUs, sender };
    this.pipeline.handle({ ...request, body: Buffer.from(bytes) });
    return this;
  }

  pass(us: number): this {
    for (const endUs = this.nowUs + us; this.nowUs < endUs;) {
      this.nowUs += usPerSecond;
      this.pipeline.advance(this.nowUs);
    }
    return this;
  }

  /** Ends the process and starts another one, which knows its insights only. */
  restart(): this {
    for (const row of this.pipeline.collect(1, this.nowUs).insights) this.#rows.set(row.id, row);
    this.pipeline = new Pipeline(options, { push() {} });
    const { seq: _seq, atUs: _atUs, isWhole: _isWhole, ...empty } = makeWriteSet(1, this.nowUs);
    const restored: Restored = { ...empty, lastCommitUs: this.nowUs };
    this.pipeline.restore({ ...restored, insights: [...this.#rows.values()] });
    return this.pass(usPerSecond);
  }

  /** `rule state: message` of what is or was there besides the edges. */
  get found(): string[] {
    return [...this.pipeline.insights.current()]
      .filter(({ rule }) => rule.id !== "any-edge")
      .map(({ rule, state, message }) => `${rule.id} ${state}: ${message}`);
  }

  get edges(): number {
    return [...this.pipeline.insights.current()].filter(({ rule }) => rule.id === "any-edge")
      .length;
  }

  overflow(): number {
    const samples = this.pipeline.counters();
    const named = samples.filter(({ name }) => name === "insights_overflow_total");
    return named.find(({ labels }) => labels["rule"] === "any-edge")?.value ?? 0;
  }
}

const tooMany = "rule-matches-too-many firing: rule any-edge matches more than 2 entities";

test("the rule and its neighbour load", () => {
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
});

test("at its limit a rule is fine; beyond it keeps what it has and says so, until it is over", () => {
  const world = new World()
    .call(1)
    .call(2)
    .pass(10 * usPerMinute);
  expect([world.edges, world.overflow(), world.found]).toEqual([2, 0, []]);
  world
    .call(3)
    .call(4)
    .pass(10 * usPerMinute);
  expect(world.overflow()).toBeGreaterThan(1);
  expect([world.edges, ...world.found]).toEqual([2, tooMany]);
  world.pass(20 * usPerMinute);
  expect([world.edges, ...world.found]).toEqual([
    2,
    "rule-matches-too-many resolved: rule any-edge matches more than 2 entities",
  ]);
});

test("after a restart it is known that it is over", () => {
  const world = new World();
  for (const n of [1, 2, 3, 4]) world.call(n);
  world.pass(5 * usPerMinute);
  expect(world.found).toContain(tooMany);
  world.restart();
  expect(world.found).toContain(tooMany);
  world.pass(20 * usPerMinute);
  expect(world.found).not.toContain(tooMany);
});
