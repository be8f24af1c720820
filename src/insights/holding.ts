/**
 * How a match becomes part of an insight: its occurrence, its evidence, its words. Every limit here is
 * one of room: what does not fit is counted and left out.
 */
import type { RuleMatch } from "../model/insights.ts";
import type { Us } from "../model/time.ts";
import { nodeToPlace, observerKey, type Insight } from "./insight.ts";
import type { Registry } from "./registry.ts";
import type { Tally } from "./tally.ts";

export interface HoldingLimits {
  /**
   * Occurrences known by their id, of one insight and of all. A changed row is written whole with every
   * commit, and 256 of them cost about 0.3 ms and 15 KB.
   */
  readonly occurrencesMax: number;
  readonly occurrencesTotalMax: number;
  readonly observersMax: number;
}

/** When a match is told. */
export interface Hearing {
  readonly nowUs: Us;
  /** It is later than what was known of this entity. */
  readonly isNews: boolean;
  /** The graph repeats itself after a restart. */
  readonly isResuming: boolean;
}

export class Holding {
  readonly #limits: HoldingLimits;
  readonly #registry: Registry;
  readonly #tally: Tally;

  constructor(limits: HoldingLimits, registry: Registry, tally: Tally) {
    this.#limits = limits;
    this.#registry = registry;
    this.#tally = tally;
  }

  /** Notes the occurrence and its evidence; false when there is no room for it at all. */
  hold(insight: Insight, match: RuleMatch, { nowUs, isNews, isResuming }: Hearing): boolean {
    const { occurrences } = insight;
    const { atUs, confidence } = match;
    let occurrence = occurrences.get(match.entityId);
    if (occurrence === undefined) {
      if (!this.#makeRoom(insight)) return false;
      occurrence = { atUs, seenUs: nowUs, confidence, judged: true, waiver: "", evidence: [] };
      occurrences.add(match.entityId, occurrence);
      this.#registry.feed(insight, match.entityId);
    }
    if (isNews) {
      occurrence.atUs = atUs;
      occurrence.seenUs = nowUs;
    }
    occurrence.confidence = confidence;
    // What is told anew is evidence whoever is silent; what is only repeated while nobody can tell is not.
    if (match.judged || isNews) occurrence.judged = true;
    else if (!isResuming) occurrence.judged = false;
    occurrences.setEvidence(occurrence, match.evidence);
    return true;
  }

  /** Its words are those of the newest match. */
  describe(insight: Insight, match: RuleMatch): void {
    if (match.atUs >= insight.lastSeenUs) {
      insight.message = match.message;
      insight.peerPort = match.peerPort;
      insight.subject = nodeToPlace(match.subject);
      insight.peer = nodeToPlace(match.peer);
    }
    insight.firstSeenUs = Math.min(insight.firstSeenUs, match.atUs);
    insight.lastSeenUs = Math.max(insight.lastSeenUs, match.atUs);
    insight.confidence = insight.occurrences.confidence() ?? match.confidence;
    for (const observer of match.observers) {
      const key = observerKey(observer);
      if (insight.observers.has(key)) continue;
      if (insight.observers.size >= this.#limits.observersMax) this.#tally.dropped("observer");
      else insight.observers.add(key);
    }
  }

  /** Entities that proved to be parts of this match's are no occurrences of their own any more. */
  replace(insight: Insight, match: RuleMatch): void {
    for (const id of match.replaces ?? []) {
      if (insight.occurrences.get(id) === undefined) continue;
      insight.occurrences.withdraw(id);
      this.#registry.unfeed(match.rule.id, id);
    }
  }

  /** After two insights have become one. */
  shrink(insight: Insight): void {
    while (insight.occurrences.size > this.#limits.occurrencesMax) {
      this.#tally.dropped("occurrence");
      insight.occurrences.settleOldest();
    }
  }

  #makeRoom(insight: Insight): boolean {
    const { occurrences } = insight;
    const { occurrencesMax, occurrencesTotalMax } = this.#limits;
    const isFull =
      occurrences.size >= occurrencesMax || this.#registry.fedCount >= occurrencesTotalMax;
    if (!isFull) return true;
    this.#tally.dropped("occurrence");
    if (insight.rule.lifecycle === "state" || occurrences.size === 0) return false;
    this.#registry.unfeed(insight.rule.id, occurrences.settleOldest());
    return true;
  }
}
