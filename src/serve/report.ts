/**
 * The answer to "how is it?": gathers facts from the registry, the store's readers and the engine's
 * parts, and has them diagnosed. It keeps what only a watcher can know: when counters last rose, and who
 * last asked for /metrics.
 */
import type { Clock } from "../lib/clock.ts";
import type { ApiBypassCoverage, ApiNextSource } from "../model/api-coverage.ts";
import type { ApiQueries, ApiSource } from "../model/api.ts";
import type { ApiOverview, ApiReceived, ApiRuleError, ApiStatus } from "../model/api-status.ts";
import type { RuleMeta } from "../model/insights.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import { usPerMs, usToRfc3339 } from "../model/time.ts";
import type { InstrumentName, Reading } from "../self/instruments.ts";
import { bypassCoverage } from "./coverage.ts";
import { diagnose } from "./diagnose.ts";
import { acceptedBySignal, seriesOf, watched } from "./facts.ts";
import { nextSources } from "./next-sources.ts";
import { RecentGrowth, type Readings } from "../self/recent.ts";
import type { StatusSource } from "./status.ts";

export interface ReporterParts {
  readonly queries: ApiQueries;
  readonly status: StatusSource;
  readonly rules: () => readonly RuleMeta[];
  readonly guides: readonly SourceGuide[];
  /** What a scrape would say now of one instrument. */
  readonly read: (name: InstrumentName) => Promise<readonly Reading[]>;
  readonly clock: Clock;
}

/** How long nobody may ask for /metrics before that is a problem, unless the asker says. */
export const scrapeWithinMs = 5 * 60_000;

const sampleEveryMs = 5_000;
/** Per question; silent ones, and clocks that are off, come first. */
const sourcesMax = 200;
const userAgentMaxLength = 200;
/** Of what one more source would add. */
const nextShown = 3;
const ruleErrorsShown = 100;

interface Seen {
  readonly sources: readonly ApiSource[];
  readonly overview: ApiOverview;
  readonly bypass: ApiBypassCoverage | null;
  readonly next: readonly ApiNextSource[];
  /** Why the store did not answer, "" when it did. */
  readonly trouble: string;
}

export class Reporter implements Disposable {
  readonly #parts: ReporterParts;
  readonly #startedMs: number;
  readonly #recent: RecentGrowth;
  readonly #timer: NodeJS.Timeout;
  #scrape = { lastMs: 0, userAgent: "" };

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.#startedMs = Date.parse(parts.status.status().startedAt);
    this.#recent = new RecentGrowth(this.#startedMs);
    // A sample that fails is missed; the next report reads again and tells.
    this.#timer = setInterval(() => void this.#sample().catch(() => {}), sampleEveryMs);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Somebody asked for /metrics. */
  scraped(userAgent: string): void {
    this.#scrape = { lastMs: this.#nowMs(), userAgent: userAgent.slice(0, userAgentMaxLength) };
  }

  async report(withinMs = scrapeWithinMs): Promise<ApiStatus> {
    const [totals, seen] = await Promise.all([this.#sample(), this.#look()]);
    const { version, startedAt, ready, listening, ruleFaults, ruleErrors, store, ...rest } =
      this.#parts.status.status();
    const { lastMs, userAgent } = this.#scrape;
    const reader = { name: "reader", ok: false, text: seen.trouble };
    const components = seen.trouble === "" ? rest.components : [...rest.components, reader];
    const nowMs = this.#nowMs();
    const problems = diagnose({
      nowMs,
      startedMs: this.#startedMs,
      listening,
      components,
      totals,
      recent: this.#recent.growth(totals),
      sources: seen.sources,
      overview: seen.overview,
      bypass: seen.bypass,
      next: seen.next,
      guides: this.#parts.guides,
      scrape: { lastMs, withinMs },
      ruleFaults,
      ruleErrors,
      store,
    });
    return {
      version,
      at: timeOf(nowMs) ?? "",
      started_at: startedAt,
      ready,
      components: components.map(({ name, ok, text }) => ({ name, ok, text })),
      received: this.#received(totals),
      heard: seen.overview.heard,
      scrape: { last: timeOf(lastMs), user_agent: userAgent },
      bypass: seen.bypass,
      next_sources: seen.next.slice(0, nextShown),
      rule_errors: ruleErrors.slice(0, ruleErrorsShown).map(toApiRuleError),
      problems,
    };
  }

  /** Also what a report reads, so that the two never differ. */
  async #sample(): Promise<Readings> {
    const { read } = this.#parts;
    const readings: Readings = new Map(
      await Promise.all(watched.map(async (name) => [name, await read(name)] as const)),
    );
    this.#recent.sample(this.#nowMs(), readings);
    return readings;
  }

  async #look(): Promise<Seen> {
    const { queries } = this.#parts;
    try {
      const [first, live, overview, coverage] = await Promise.all([
        queries.sources({ limit: sourcesMax }),
        queries.sources({ state: "live", limit: sourcesMax }),
        queries.overview(),
        queries.coverage({}),
      ]);
      const byKey = new Map(
        [...first.items, ...live.items].map((source) => [`${source.kind}|${source.key}`, source]),
      );
      const rules = this.#parts.rules();
      const bypass = bypassCoverage(coverage, rules);
      const next = nextSources(coverage.groups, rules, this.#parts.guides);
      return { sources: [...byKey.values()], overview, bypass, next, trouble: "" };
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      return {
        sources: [],
        overview: { heard: [], namespaces: [] },
        bypass: null,
        next: [],
        trouble,
      };
    }
  }

  #received(totals: Readings): ApiReceived[] {
    return Object.entries(acceptedBySignal).flatMap(([signal, name]) =>
      seriesOf(totals, name).map(({ labels, value }) => ({
        signal,
        transport: labels["transport"] ?? "",
        items: value,
        last: timeOf(this.#recent.roseAtMs(name, labels)),
      })),
    );
  }

  #nowMs(): number {
    return this.#parts.clock.nowUs() / usPerMs;
  }
}

const timeOf = (ms: number): string | null =>
  ms === 0 ? null : usToRfc3339(Math.round(ms * usPerMs));

function toApiRuleError(error: ApiRuleError): ApiRuleError {
  const { code, file, line, column, message, suggestion } = error;
  return { code, file, line, column, message, suggestion };
}
