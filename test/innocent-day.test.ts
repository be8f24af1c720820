/**
 * An innocent day through the whole pipeline, from request bytes to insights, on a virtual clock: nobody
 * may be accused. A twentieth of a day by default; `INNOCENT_DAY=full` lives a whole one (two million
 * observations, minutes), `INNOCENT_SEED` another one. A failure names the accusations and the seed.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import type { Transition } from "../src/model/insights.ts";
import type { InsightRow } from "../src/model/rows.ts";
import { usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { InnocentDay } from "./support/innocent-day.ts";
import type { Arrival } from "./support/innocent-senders.ts";

const isFull = process.env["INNOCENT_DAY"] === "full";
const seed = Number(process.env["INNOCENT_SEED"] ?? 1);
const seconds = isFull ? 86_400 : 4_320;
const observationsMin = isFull ? 2_000_000 : 100_000;
const families = ["capture", "identity", "encryption"];
/**
 * Rules that still accuse the innocent: each entry is a known bug. What they say is printed and fails
 * nothing; an entry goes as soon as its rule says nothing on a whole day.
 */
const notYet: readonly string[] = ["egress-without-proxy-leg"];
const collectEverySeconds = 5;
/** After the last arrival, so that verdicts fall that wait for late evidence. */
const settleSeconds = 120;

interface Accusation {
  readonly rule: string;
  readonly insightId: string;
  readonly atUs: number;
}

class Observer {
  readonly accusations: Accusation[] = [];
  readonly refused: string[] = [];
  readonly #pipeline: Pipeline;
  /** Insights as they were when they began to fire. */
  readonly #fired = new Map<string, InsightRow>();
  #seq = 0;
  #hasNews = false;

  constructor() {
    const rules = loadRules(
      readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url))),
    ).rules;
    const loaded = loadConfig([], ["cluster.name=demo"], {});
    if (!loaded.ok) throw new Error("the test's settings are valid");
    const told = { push: (transitions: readonly Transition[]) => this.#hear(transitions) };
    this.#pipeline = new Pipeline(pipelineOptions(loaded.config, rules), told);
  }

  take({ receivedUs, signal, bytes }: Arrival): void {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 32);
    const handled = this.#pipeline.handle({
      signal,
      hash,
      body,
      receivedUs,
      sender: { listener: "grpc", client: "" },
    });
    if (handled.kind === "invalid") this.refused.push(`${handled.code}: ${handled.message}`);
    if (this.#hasNews) this.#collect(receivedUs);
  }

  pass(nowUs: number, isCollected: boolean): void {
    this.#pipeline.advance(nowUs);
    if (isCollected || this.#hasNews) this.#collect(nowUs);
  }

  /** A counter by the values of one label; without one its sum, as `all`. */
  counter(name: string, label = ""): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const sample of this.#pipeline.counters()) {
      if (sample.name !== name) continue;
      const value = sample.labels[label] ?? "all";
      sums[value] = (sums[value] ?? 0) + sample.value;
    }
    return sums;
  }

  describe({ rule, insightId, atUs }: Accusation): string {
    const row = this.#fired.get(insightId);
    const at = new Date(atUs / usPerMs).toISOString();
    if (!row) return `${at} ${rule}`;
    const peer = `${row.peerNamespace}/${row.peerWorkload}${row.peerAddress}:${row.peerPort}`;
    return `${at} ${rule} ${row.namespace}/${row.workload} ${peer} ${row.confidence} ${row.evidence}`;
  }

  #collect(nowUs: number): void {
    this.#hasNews = false;
    for (const row of this.#pipeline.collect(++this.#seq, nowUs).insights) {
      if (row.state === "firing" && !this.#fired.has(row.id)) this.#fired.set(row.id, row);
    }
  }

  #hear(transitions: readonly Transition[]): void {
    for (const { rule, to, insightId, atUs } of transitions) {
      if (to !== "firing" || !families.includes(rule.category)) continue;
      this.accusations.push({ rule: rule.id, insightId, atUs });
      this.#hasNews = true;
    }
  }
}

function live(day: InnocentDay, observer: Observer): void {
  let lastUs = 0;
  for (const { nowMs, arrivals } of day.seconds()) {
    for (const arrival of arrivals) observer.take(arrival);
    lastUs = (nowMs + 1_000) * usPerMs;
    observer.pass(lastUs, (nowMs / 1_000) % collectEverySeconds === 0);
  }
  for (let second = 1; second <= settleSeconds; second++) {
    observer.pass(lastUs + second * usPerSecond, true);
  }
}

/** What has happened, for whoever reads the log of a run. */
function tell(title: string, day: InnocentDay, observer: Observer, cpuSeconds: number): void {
  const told = {
    observations: observer.counter("observations_total", "kind"),
    requests: day.travelled,
    judged: observer.counter("flows_judged_total", "outcome"),
    overflowed: observer.counter("join_overflow_total", "table"),
    cpuSeconds,
  };
  process.stdout.write(`${title}, seed ${seed}: ${JSON.stringify(told)}\n`);
}

test(
  `nobody is accused on an innocent day (seed ${seed})`,
  { timeout: isFull ? 3_600_000 : 180_000 },
  () => {
    const started = process.cpuUsage();
    const day = new InnocentDay({ seed, seconds });
    const observer = new Observer();
    live(day, observer);
    const { user, system } = process.cpuUsage(started);
    tell("innocent day", day, observer, Math.round((user + system) / 100_000) / 10);
    expect(observer.refused).toEqual([]);
    const [known, others] = [true, false].map((isKnown) =>
      observer.accusations
        .filter(({ rule }) => notYet.includes(rule) === isKnown)
        .map((one) => observer.describe(one)),
    );
    for (const line of known ?? []) process.stdout.write(`not yet right: ${line}\n`);
    expect(others).toEqual([]);
    const { heartbeat: _signsOfLife, ...kinds } = observer.counter("observations_total", "kind");
    const observations = Object.values(kinds).reduce((sum, count) => sum + count, 0);
    expect(observations).toBeGreaterThanOrEqual(observationsMin);
    // Nobody was spared because records had to leave early.
    const { sockets, flows, legs } = observer.counter("join_overflow_total", "table");
    expect({ sockets, flows, legs }).toEqual({ sockets: 0, flows: 0, legs: 0 });
  },
);

test("the same mesh with a single guilty process: it is found, and nobody else is accused", () => {
  const day = new InnocentDay({ seed, seconds: 600, guiltyAtSecond: 300 });
  const observer = new Observer();
  live(day, observer);
  const accusations = observer.accusations.filter(({ rule }) => !notYet.includes(rule));
  const rules = new Set(accusations.map(({ rule }) => rule));
  expect([...rules].sort()).toEqual([
    "egress-around-proxy",
    "proxy-gid-in-application",
    "proxy-uid-in-application",
  ]);
  for (const accusation of accusations) {
    expect(observer.describe(accusation)).toContain(" shop/web ");
  }
});
