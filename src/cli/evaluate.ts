/**
 * Evaluates recorded requests in this process: the whole pipeline on a virtual clock that stands where
 * the recording's arrival times put it. Nothing is stored; the same recording gives the same result.
 */
import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import { pipelineOptions } from "../engine/options.ts";
import { Pipeline } from "../engine/pipeline.ts";
import type { InsightRow, WriteSet } from "../model/rows.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { CompiledRule, Waiver } from "../rules/load.ts";
import type { RecordedRequest } from "./recording.ts";

/** After the last request time goes on this long, so that verdicts fall that wait for late evidence. */
const settleUs = 2 * usPerMinute;
/** Recordings do not tell it. */
const sender = { listener: "grpc", client: "" } as const;

export interface Evaluation {
  readonly accepted: number;
  readonly repeated: number;
  readonly refused: readonly string[];
  /** In the order of their rules and workloads; none that was pending and came to nothing. */
  readonly insights: readonly InsightRow[];
}

export class Evaluator {
  readonly #pipeline: Pipeline;
  /** Sees every write-set, as the store would. */
  readonly #seen: (rows: WriteSet) => void;
  readonly #insights = new Map<string, InsightRow>();
  readonly #refused: string[] = [];
  #accepted = 0;
  #repeated = 0;
  #seq = 0;
  #nowUs: Us = 0;

  constructor(
    config: Config,
    rules: readonly CompiledRule[],
    seen: (rows: WriteSet) => void = () => {},
    waivers: readonly Waiver[] = [],
  ) {
    this.#pipeline = new Pipeline(pipelineOptions(config, rules, waivers), { push() {} });
    this.#seen = seen;
  }

  take(request: RecordedRequest): void {
    const { signal, receivedUs } = request;
    const body = Buffer.from(request.body.buffer, request.body.byteOffset, request.body.byteLength);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 32);
    this.#pass(receivedUs);
    const handled = this.#pipeline.handle({ signal, hash, body, receivedUs, sender });
    if (handled.kind === "applied") this.#accepted++;
    else if (handled.kind === "known") this.#repeated++;
    else this.#refused.push(`${handled.code}: ${handled.message}`);
    this.#collect();
  }

  finish(): Evaluation {
    // What fires only now would have turned unknown by the end, and be left out.
    for (const overUs = this.#nowUs + settleUs; this.#nowUs < overUs;) {
      this.#pass(this.#nowUs + usPerSecond);
      this.#collect(true);
    }
    const insights = [...this.#insights.values()]
      .filter(({ state }) => state !== "inactive")
      .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    return { accepted: this.#accepted, repeated: this.#repeated, refused: this.#refused, insights };
  }

  /** A second at a time, as a running engine would notice what is due. */
  #pass(toUs: Us): void {
    // A gap of hours between two requests needs no thousands of steps.
    const stepUs = Math.max(usPerSecond, (toUs - this.#nowUs) / 1_000);
    if (this.#nowUs > 0) {
      for (let atUs = this.#nowUs + stepUs; atUs < toUs; atUs += stepUs) {
        this.#pipeline.advance(Math.floor(atUs));
      }
    }
    this.#nowUs = Math.max(this.#nowUs, toUs);
    this.#pipeline.advance(this.#nowUs);
  }

  #collect(isOver = false): void {
    const rows = this.#pipeline.collect(++this.#seq, this.#nowUs);
    for (const row of rows.insights) {
      // Sources fall silent because the recording ends, which says nothing about them.
      const isOfEnd =
        row.state === "unknown" || (row.state === "pending" && !this.#insights.has(row.id));
      if (!isOver || !isOfEnd) this.#insights.set(row.id, row);
    }
    this.#seen(rows);
  }
}

const sortKey = (row: InsightRow): string =>
  [row.rule, row.namespace, row.workload, row.peerNamespace, row.peerWorkload, row.id].join("\0");
