/**
 * How the whole program does, told to its own rules as the entity `engine`: what it refused or left out,
 * whether its store takes commits, which sinks and rules fail. So blindness of our own making becomes an
 * insight like any other. Numbers come from the registry that `/metrics` shows, whichever thread counts
 * them.
 */
import type { Clock } from "./lib/clock.ts";
import { makeEntity, type Entity } from "./model/entities.ts";
import { usPerMs } from "./model/time.ts";
import type { InstrumentName, Reading } from "./self/instruments.ts";
import { RecentGrowth, type Readings } from "./self/recent.ts";
import { storeTrouble } from "./self/store-trouble.ts";
import type { EngineStatus } from "./serve/status.ts";

export interface EngineHealthParts {
  /** What a scrape would say now of one instrument. */
  readonly read: (name: InstrumentName) => Promise<readonly Reading[]>;
  readonly status: () => Pick<EngineStatus, "components" | "store">;
  readonly tell: (health: Entity<"engine">) => void;
  readonly clock: Clock;
}

const lookEveryMs = 5_000;
/** What has passed is told no longer than this, so an insight of it ends a minute after its cause. */
const windowMs = 60_000;

/** Each counts what was left out of the judgement because a table was full. */
const overflows = [
  "graph_overflow_total",
  "join_overflow_total",
  "series_dropped_total",
  "insights_overflow_total",
  "rule_entities_forgotten_total",
  "rule_ages_dropped_total",
  "receipts_dropped_total",
] as const satisfies readonly InstrumentName[];

const looked = [
  ...overflows,
  "receiver_requests_total",
  "rule_evaluation_errors_total",
  "commits_failed_total",
  "store_size_bytes",
  "store_limit_bytes",
] as const satisfies readonly InstrumentName[];

export class EngineHealthWatch implements Disposable {
  readonly #parts: EngineHealthParts;
  readonly #recent: RecentGrowth;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: EngineHealthParts) {
    this.#parts = parts;
    this.#recent = new RecentGrowth(this.#nowMs(), windowMs);
    // A look that fails is missed; the next one comes soon.
    this.#timer = setInterval(() => void this.look().catch(() => {}), lookEveryMs);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Reads and tells once. */
  async look(): Promise<void> {
    const { read, status, tell } = this.#parts;
    const totals: Readings = new Map(
      await Promise.all(looked.map(async (name) => [name, await read(name)] as const)),
    );
    this.#recent.sample(this.#nowMs(), totals);
    tell(engineHealth(totals, this.#recent.growth(totals), status()));
  }

  #nowMs(): number {
    return this.#parts.clock.nowUs() / usPerMs;
  }
}

function engineHealth(
  totals: Readings,
  recent: Readings,
  { components, store }: Pick<EngineStatus, "components" | "store">,
): Entity<"engine"> {
  const full = overflows.flatMap((name) => recent.get(name) ?? []);
  const failingRules = labelsOf(recent.get("rule_evaluation_errors_total"), "rule");
  const trouble = storeTrouble({
    sizeBytes: sum(totals.get("store_size_bytes")),
    limitBytes: sum(totals.get("store_limit_bytes")),
    freeBytes: store.freeBytes,
    failedCommits: sum(recent.get("commits_failed_total")),
  });
  return {
    ...makeEntity("engine"),
    shed: sum(recent.get("receiver_requests_total")?.filter(isShed)),
    overflowed: sum(full),
    overflowed_in: overflows.flatMap((name) => tablesOf(name, recent.get(name))).join(", "),
    storage: trouble === null ? "ok" : "degraded",
    storage_trouble: trouble ?? "",
    // A sink is the only part that the engine can do without.
    sinks_failing: components.filter(({ ok, isOptional }) => !ok && isOptional === true).length,
    rules_failing: failingRules.length,
    failing_rules: failingRules.join(", "),
  };
}

const isShed = ({ labels }: Reading): boolean =>
  labels["outcome"] === "refused" || labels["outcome"] === "failed";

const sum = (series: readonly Reading[] = []): number =>
  series.reduce((total, { value }) => total + value, 0);

const labelsOf = (series: readonly Reading[] = [], label: string): readonly string[] =>
  [...new Set(series.map(({ labels }) => labels[label] ?? ""))].sort();

/** `join: flows`, or the instrument's own word where it has one table only. */
function tablesOf(name: (typeof overflows)[number], series: readonly Reading[] = []): string[] {
  const word = name.replace(/_(overflow|dropped|forgotten)_total$/, "");
  return [
    ...new Set(series.map(({ labels }) => [word, ...Object.values(labels)].join(" "))),
  ].sort();
}
