/**
 * A small mesh whose senders speak in rhythms and stop: the whole pipeline with its store, a second at a
 * time on a virtual clock, restarted where a story says so.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeLogs, encodeSpans, type OtlpRequest } from "../../src/cli/demo/otlp.ts";
import { readRuleFiles } from "../../src/cli/rules-folder.ts";
import { loadConfig, type ExpectedSource } from "../../src/config/config.ts";
import { pipelineOptions } from "../../src/engine/options.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import type { ApiSource } from "../../src/model/api.ts";
import type { StoredCoverage } from "../../src/model/api-coverage.ts";
import type { RuleMeta, Transition } from "../../src/model/insights.ts";
import { usPerMinute, usPerMs, usPerSecond } from "../../src/model/time.ts";
import { loadRules } from "../../src/rules/load.ts";
import { StoreReader } from "../../src/store/reader.ts";
import { StoreWriter } from "../../src/store/writer.ts";

import { cart, envoy, exec, object, rows, startMs, web, type Pod } from "./pipeline-world.ts";

const rules = loadRules(
  readRuleFiles(fileURLToPath(new URL("../../rules/coverage", import.meta.url))),
).rules;
const loaded = loadConfig([], ["cluster.name=demo"], {});
if (!loaded.ok) throw new Error("the test's settings are valid");
const { config } = loaded;

export interface Feed {
  readonly everyS: number;
  readonly fromS: number;
  readonly untilS: number;
  readonly make: (atS: number) => OtlpRequest;
}

export const minutes = (count: number): number => count * 60;

function feed(everyS: number, make: Feed["make"], times: Partial<Feed> = {}): Feed {
  return { everyS, fromS: 0, untilS: Infinity, make, ...times };
}

/** A proxy's counters, scraped every 15 s. */
export const scrapes = (pod: Pod, times?: Partial<Feed>): Feed =>
  feed(15, (atS) => scrape(pod, atS), times);

function scrape(pod: Pod, atS: number): OtlpRequest {
  const [first] = rows(atS, {
    reporter: "destination",
    policy: "mutual_tls",
    from: web,
    to: cart,
    principals: true,
    by: pod,
  });
  if (!first) throw new Error("a story's rows are two scrapes");
  return first.request;
}

/** Spans of a proxy that serves a call every 7 s. */
export const spans = (pod: Pod, times?: Partial<Feed>): Feed =>
  feed(7, (atS) => span(pod, atS), times);

function span(pod: Pod, atS: number): OtlpRequest {
  const { namespace, ip } = pod;
  const name = `${pod.workload}-6d4b75cb9d-${pod.suffix}`;
  const id = String(atS).padStart(16, "0");
  const startMsOf = startMs + atS * 1_000;
  const nodeId = `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`;
  const one = {
    traceId: id + id,
    spanId: id,
    parentSpanId: "",
    isServer: true,
    name: "cart:80/*",
    startMs: startMsOf - 5,
    endMs: startMsOf,
    attributes: { node_id: nodeId, component: "proxy", upstream_cluster: "inbound|8080||" },
  };
  return encodeSpans({ "service.name": "cart.shop" }, [one]);
}

/** A node agent's events, every 10 s. */
export const events = (times?: Partial<Feed>): Feed =>
  feed(10, (atS) => exec(envoy(web), atS).request, times);

/** The list of pods, every 15 minutes, as the shipped collector asks for it. */
export const lists = (pod: Pod, times?: Partial<Feed>): Feed =>
  feed(minutes(15), (atS) => object(pod, atS).request, times);

/** What nobody knows, handed on by a collector that says its name. */
export function relayed(origin: string, everyS = 20, times?: Partial<Feed>): Feed {
  const make = (atS: number) => {
    const log = { timeMs: startMs + atS * 1_000, attributes: {}, body: "nothing" };
    return encodeLogs({ "mesh_insights.origin": origin }, [log]);
  };
  return feed(everyS, make, times);
}

export const expectation = (
  kind: ExpectedSource["kind"],
  parts: Partial<ExpectedSource> = {},
): ExpectedSource => ({ kind, key: "", namespace: "", withinUs: 5 * usPerMinute, ...parts });

export class SilenceWorld {
  readonly #folder = mkdtempSync(join(tmpdir(), "mesh-insights-silence-"));
  readonly #rules: typeof rules;
  readonly #writer: StoreWriter;
  #pipeline: Pipeline;
  #seq = 0;
  #atS = 0;
  /** `second from>to reason key`, of insights of the rule. */
  readonly transitions: string[] = [];
  readonly messages = new Map<string, string>();

  /** `judging`: the rules of the family that are on. */
  constructor(expected: readonly ExpectedSource[] = [], judging = ["source-silent"]) {
    this.#rules = rules.filter(({ meta }) => judging.includes(meta.id));
    const nowUs = startMs * usPerMs;
    this.#writer = new StoreWriter({ path: this.#path, programVersion: "1", nowUs });
    this.#pipeline = this.#make(expected);
  }

  /** Goes on to that second of the story. */
  run(untilS: number, feeds: readonly Feed[]): this {
    for (; this.#atS < untilS; this.#atS++) {
      this.#pipeline.advance(this.#nowUs);
      for (const one of feeds) {
        const isDue = this.#atS >= one.fromS && this.#atS < one.untilS;
        if (isDue && (this.#atS - one.fromS) % one.everyS === 0) this.#take(one.make(this.#atS));
      }
      if (this.#atS % 5 === 0) this.#commit();
    }
    this.#commit();
    return this;
  }

  /** Another process takes over after so many seconds in which nobody listened. */
  restart(awayS: number, expected: readonly ExpectedSource[] = []): this {
    this.#commit();
    this.#pipeline = this.#make(expected);
    this.#pipeline.restore(this.#writer.load());
    this.#atS += awayS;
    return this;
  }

  sources(): ApiSource[] {
    const reader = new StoreReader(this.#path);
    const { items } = reader.sources();
    reader.close();
    return items;
  }

  coverage(namespace?: string): StoredCoverage {
    const reader = new StoreReader(this.#path);
    const coverage = reader.coverage(namespace === undefined ? {} : { namespace });
    reader.close();
    return coverage;
  }

  get rules(): RuleMeta[] {
    return this.#rules.map(({ meta }) => meta);
  }

  /** Insights that stand: `state reason message`. */
  insights(): string[] {
    const reader = new StoreReader(this.#path);
    const { items } = reader.insights({});
    reader.close();
    return items.map(({ state, reason, message }) => `${state} ${reason} ${message}`).sort();
  }

  counters(): Record<string, number> {
    const samples = this.#pipeline.counters();
    return Object.fromEntries(
      samples.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
    );
  }

  [Symbol.dispose](): void {
    this.#writer.close();
    rmSync(this.#folder, { recursive: true });
  }

  get #path(): string {
    return join(this.#folder, "insights.db");
  }

  get #nowUs(): number {
    return startMs * usPerMs + this.#atS * usPerSecond;
  }

  #make(expected: readonly ExpectedSource[]): Pipeline {
    const options = pipelineOptions({ ...config, expectedSources: expected }, this.#rules);
    return new Pipeline(options, { push: (transitions) => this.#note(transitions) });
  }

  #note(transitions: readonly Transition[]): void {
    for (const { from, to, reason } of transitions) {
      if (to === "pending" || to === "inactive") continue;
      this.transitions.push(`${Math.round(this.#atS / 60)}m ${from}>${to} ${reason}`.trim());
    }
  }

  #take({ signal, bytes }: OtlpRequest): void {
    const body = Buffer.from(bytes);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 32);
    this.#pipeline.handle({
      signal,
      hash,
      body,
      receivedUs: this.#nowUs,
      sender: { listener: "grpc", client: "" },
    });
  }

  #commit(): void {
    this.#writer.commit(this.#pipeline.collect(++this.#seq, this.#nowUs));
  }
}
