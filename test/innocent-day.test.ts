/**
 * An innocent day through the whole pipeline, from request bytes to insights, on a virtual clock: nobody
 * may be accused but two processes that go around their proxies at some moment of it, since an engine that
 * says nothing would be right about everybody else. A twentieth of a day by default; `INNOCENT_DAY=full`
 * lives a whole one (two million observations, a quarter of an hour), `INNOCENT_SEED` another one. A failure
 * names the accusations and the seed.
 */
import { writeSync } from "node:fs";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Random } from "../src/cli/demo/random.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import type { Transition } from "../src/model/insights.ts";
import type { InsightRow } from "../src/model/rows.ts";
import { usPerMinute, usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { dayStartMs, InnocentDay } from "./support/innocent-day.ts";
import type { Arrival } from "./support/innocent-senders.ts";

const isFull = process.env["INNOCENT_DAY"] === "full";
const seed = Number(process.env["INNOCENT_SEED"] ?? 1);
const seconds = isFull ? 86_400 : 4_320;
const observationsMin = isFull ? 2_000_000 : 100_000;
const families = ["capture", "identity", "encryption"];
/** From the third hour on; what is kept for a day (ended pods, owners of addresses) makes up the rest. */
const heapGrowthMax = 1.5;
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

  /** Rule, workload, and where it went to. */
  name({ rule, insightId }: Accusation): string {
    const row = this.#fired.get(insightId);
    return row ? `${rule} ${row.namespace}/${row.workload} ${row.peerAddress}` : rule;
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

/** `tellHour` is called after each whole hour of the day. */
function live(day: InnocentDay, observer: Observer, tellHour?: (hour: number) => void): void {
  let lastUs = 0;
  for (const { nowMs, arrivals } of day.seconds()) {
    for (const arrival of arrivals) observer.take(arrival);
    lastUs = (nowMs + 1_000) * usPerMs;
    observer.pass(lastUs, (nowMs / 1_000) % collectEverySeconds === 0);
    const second = (nowMs - dayStartMs) / 1_000 + 1;
    if (second % 3_600 === 0) tellHour?.(second / 3_600);
  }
  for (let second = 1; second <= settleSeconds; second++) {
    observer.pass(lastUs + second * usPerSecond, true);
  }
}

/** What has happened, for whoever reads the log of a run. */
function tell(day: InnocentDay, observer: Observer, cpuSeconds: number): void {
  const told = {
    observations: observer.counter("observations_total", "kind"),
    requests: day.travelled,
    deeds: day.deeds,
    skewMs: day.skewMs,
    judged: observer.counter("flows_judged_total", "outcome"),
    overflowed: observer.counter("join_overflow_total", "table"),
    cpuSeconds,
  };
  print(`innocent day, seed ${seed}: ${JSON.stringify(told)}`);
}

/** At once: the day is one long turn of the loop, in which a worker's `process.stdout` says nothing. */
function print(line: string): void {
  writeSync(1, `${line}\n`);
}

const sumOf = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** What is really in use: garbage is collected first. */
function heapMb(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  return Math.round(process.memoryUsage().heapUsed / 1e6);
}

/** One line for each hour: a heap that grows from hour to hour is a leak. */
class Hours {
  readonly heapsMb: number[] = [];
  readonly #observer: Observer;
  #sinceMs = performance.now();
  /** Accusations that a line has named. */
  #told = 0;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  tell(hour: number): void {
    const nowMs = performance.now();
    const tookSeconds = Math.round((nowMs - this.#sinceMs) / 100) / 10;
    this.#sinceMs = nowMs;
    const heap = heapMb();
    this.heapsMb.push(heap);
    const observations = sumOf(this.#observer.counter("observations_total", "kind"));
    const { accusations: all } = this.#observer;
    const accusations = all.slice(this.#told).map((one) => this.#observer.name(one));
    this.#told = all.length;
    const told = { hour, tookSeconds, heapMb: heap, observations, accusations };
    print(JSON.stringify(told));
  }
}

/** When the guilty act: any moment but the first and the last tenth. */
const moments = new Random(seed + 1_000);
const guilty = (["ids", "flushed"] as const).map((by) => ({
  by,
  atSecond: Math.floor(seconds * (0.1 + 0.8 * moments.next())),
}));
const truth = [
  "egress-around-proxy payments/ledger 203.0.113.200",
  "egress-around-proxy shop/web 203.0.113.200",
  "proxy-gid-in-application shop/web ",
  "proxy-uid-in-application shop/web ",
];
/** Of an attempt whose socket was lost on the way, a flow without a leg is left: as guilty, and not certain. */
const truthAsWell = [
  "egress-without-proxy-leg payments/ledger 203.0.113.200",
  "egress-without-proxy-leg shop/web 203.0.113.200",
];
/** From the first attempt of three within a minute on. */
const foundWithinUs = 3 * usPerMinute;

test(
  `the guilty are found and nobody else is accused on an innocent day (seed ${seed})`,
  { timeout: isFull ? 7_200_000 : 600_000 },
  () => {
    const started = process.cpuUsage();
    const day = new InnocentDay({ seed, seconds, guilty });
    const observer = new Observer();
    const hours = new Hours(observer);
    live(day, observer, (hour) => hours.tell(hour));
    const { user, system } = process.cpuUsage(started);
    tell(day, observer, Math.round((user + system) / 100_000) / 10);
    expect(observer.refused).toEqual([]);

    const isTrue = (one: Accusation): boolean => truth.includes(observer.name(one));
    const isTrueAsWell = (one: Accusation): boolean => truthAsWell.includes(observer.name(one));
    const innocent = observer.accusations.filter((one) => !isTrue(one) && !isTrueAsWell(one));
    expect(innocent.map((one) => observer.describe(one))).toEqual([]);
    const found = observer.accusations.filter(isTrue).map((one) => observer.name(one));
    expect(found.sort()).toEqual(truth);
    for (const one of observer.accusations) {
      const delaysUs = guilty.map(
        ({ atSecond }) => one.atUs - (dayStartMs + atSecond * 1_000) * usPerMs,
      );
      expect(delaysUs.some((delayUs) => delayUs >= 0 && delayUs <= foundWithinUs)).toBe(true);
    }

    const { heartbeat: _signsOfLife, ...kinds } = observer.counter("observations_total", "kind");
    expect(sumOf(kinds)).toBeGreaterThanOrEqual(observationsMin);
    // All that a day is said to have has happened.
    const { connectionsThatLastedHours, ...deeds } = day.deeds;
    const happened = {
      ...deeds,
      ...day.travelled,
      ...(isFull ? { connectionsThatLastedHours } : {}),
    };
    expect(Object.entries(happened).filter(([, count]) => count === 0)).toEqual([]);
    expect(day.skewMs).toBeGreaterThan(10_000);
    // Nobody was spared because records had to leave early.
    const { sockets, flows, legs } = observer.counter("join_overflow_total", "table");
    expect({ sockets, flows, legs }).toEqual({ sockets: 0, flows: 0, legs: 0 });
    const [early = heapMb()] = hours.heapsMb.slice(2);
    expect(hours.heapsMb.at(-1)).toBeLessThan(heapGrowthMax * early);
  },
);
