/**
 * The last stage of detection: what rules found becomes insights with a life. It knows no rule, no
 * telemetry and no clock; engine time arrives with `advance`, event times with the rule events.
 *
 * Promises. Any order of the same events of different entities gives the same set of (rule, key, final
 * state, evidence), below every limit. What is told again changes nothing, so the graph may repeat
 * itself after a restart. A restart raises and resolves nothing: `restore` emits no transition, and the
 * time in which the engine did not run stretches every open window instead of ending it.
 *
 * Limits, each with a counter: active and closed insights per rule, occurrences per insight and in all,
 * observers per insight, silent sources.
 */
import type { NodeRenamed, SourceChanged } from "../model/changes.ts";
import type { CommandFault } from "../model/commands.ts";
import type {
  Acknowledgement,
  CloseReason,
  EntityLost,
  RuleEvent,
  RuleMatch,
  RuleMeta,
  RuleMiss,
  Transition,
} from "../model/insights.ts";
import type { Durable, InsightRow, Restored, WriteSet } from "../model/rows.ts";
import type { Counted, CounterSample, Sink } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { noWaivers, type WaiverJudge } from "../model/waivers.ts";
import { Episodes } from "./episodes.ts";
import { endAcknowledgement, flagsEndUs } from "./flags.ts";
import { Holding, type HoldingLimits } from "./holding.ts";
import {
  fingerprintOf,
  insightId,
  isActive,
  isSameKey,
  isToldAgain,
  makeInsight,
  observerKey,
  renamePlace,
  type Insight,
} from "./insight.ts";
import {
  conditionOf,
  deadlineUs,
  enter,
  flappingEndUs,
  isTooEarly,
  noteFlapping,
  stepAtDeadline,
  stepNow,
  stretch,
  timingDefaults,
  type Step,
  type Timings,
} from "./lifecycle.ts";
import { absorb, survivorOf } from "./merge.ts";
import { News } from "./news.ts";
import { Registry } from "./registry.ts";
import { rowToInsight } from "./rows.ts";
import { Silences } from "./silences.ts";
import { gaugesOf, Tally } from "./tally.ts";
import { outboxDefaults, Told, type OutboxOptions } from "./told.ts";
import { Waived } from "./waived.ts";
import { WaiverBook } from "./waiver-book.ts";

export interface InsightOptions extends HoldingLimits {
  readonly timings: Timings;
  readonly outbox: OutboxOptions;
  /** Active insights per rule; above it new ones are counted and left out, those that exist stay. */
  readonly activeMax: number;
  /** Closed insights per rule that can still be reopened. */
  readonly closedMax: number;
  readonly silentSourcesMax: number;
  readonly episodesMax: number;
}

export const insightDefaults: InsightOptions = {
  timings: timingDefaults,
  outbox: outboxDefaults,
  activeMax: 1_000,
  closedMax: 1_000,
  occurrencesMax: 256,
  occurrencesTotalMax: 250_000,
  observersMax: 64,
  silentSourcesMax: 50_000,
  episodesMax: 50_000,
};

/** One rule's numbers. */
export interface RuleLoad {
  readonly rule: RuleMeta;
  readonly active: number;
  readonly limit: number;
  /** Matches for which there was no room, since the process started. */
  readonly overflowed: number;
}

export class Insights implements Sink<readonly RuleEvent[]>, Durable, Counted {
  readonly #options: InsightOptions;
  #rules: ReadonlyMap<string, RuleMeta> = new Map();
  readonly #registry = new Registry();
  readonly #episodes: Episodes;
  readonly #tally = new Tally();
  readonly #silences: Silences;
  readonly #holding: Holding;
  readonly #told: Told;
  readonly #news: News;
  readonly #waived = new Waived();
  readonly #book = new WaiverBook();
  #nowUs: Us = 0;
  /** No deadline is earlier, so that most calls of `advance` look at nothing. */
  #nextDueUs: Us = Infinity;
  /** Last commit of the previous process, until the first `advance` tells how long ago that was. */
  #resumesFromUs: Us | null = null;

  constructor(options: InsightOptions, next: Sink<readonly Transition[]>) {
    this.#options = options;
    this.#episodes = new Episodes(options.episodesMax);
    this.#silences = new Silences(options.silentSourcesMax, () => this.#tally.dropped("source"));
    this.#holding = new Holding(options, this.#registry, this.#tally);
    this.#told = new Told(options.outbox, () => this.#tally.dropped("record"));
    this.#news = new News(next, this.#told);
  }

  /** The rules and waivers as they are now. Insights of a rule that is gone resolve as `rule_removed`. */
  setRules(metas: readonly RuleMeta[], waivers: WaiverJudge = noWaivers): void {
    this.#waived.setWaivers(waivers);
    this.#book.setWaivers(waivers.metas);
    this.#rules = new Map(metas.map((meta) => [meta.id, meta]));
    for (const meta of metas) this.#tally.addRule(meta);
    for (const insight of this.#registry.all()) {
      const meta = this.#rules.get(insight.rule.id);
      if (meta === undefined || meta === insight.rule) continue;
      insight.rule = meta;
      this.#changed(insight);
    }
    if (!this.#isResuming()) this.#followRules();
    this.#news.flush();
  }

  push(events: readonly RuleEvent[]): void {
    for (const event of events) this.#take(event);
    this.settle();
  }

  /**
   * Lets engine time pass. It may stand still and never falls. What runs out at this very instant waits
   * for what is told at it (`push`, `settle`): true again at the end of a window is in time.
   */
  advance(nowUs: Us): void {
    if (nowUs < this.#nowUs) return;
    if (this.#resumesFromUs !== null) this.#resume(nowUs, this.#resumesFromUs);
    this.#settle(nowUs - 1, nowUs);
    this.#nowUs = nowUs;
    this.#news.flush();
  }

  /** Nothing more will be told of this instant. */
  settle(): void {
    if (!this.#isResuming()) this.#settle(this.#nowUs, this.#nowUs);
    this.#news.flush();
  }

  /**
   * Notes that somebody takes care of an active insight, or with null that nobody does. "" or why not.
   * Said again by the same person it changes until when and the note.
   */
  acknowledge(id: string, acknowledgement: Acknowledgement | null): CommandFault | "" {
    const insight = this.#registry.byId(id);
    if (insight === undefined) return "no_such_insight";
    if (!isActive(insight.state)) return "not_active";
    if (insight.acknowledgement === null && acknowledgement === null) return "";
    insight.acknowledgement = acknowledgement;
    this.#flagged(insight, this.#nowUs);
    return "";
  }

  collect(into: WriteSet): void {
    if (this.#news.collect(into, this.#silences.keys)) this.#nextDueUs = 0;
    this.#book.collect(into, this.#registry.all());
  }

  restore(rows: Restored): void {
    this.#resumesFromUs = rows.lastCommitUs;
    this.#nowUs = rows.lastCommitUs;
    for (const row of rows.insights) this.#restoreRow(row);
    this.#book.restore(rows.waivers);
  }

  counters(into: CounterSample[]): void {
    gaugesOf(this.#rules.values(), this.#registry.all(), into);
    this.#tally.counters(into);
    this.#book.counters(into, this.#nowUs);
  }

  /** How much each rule has, of what it may have. */
  *loads(): Generator<RuleLoad> {
    const { activeMax: limit } = this.#options;
    for (const rule of this.#rules.values()) {
      const overflowed = this.#tally.overflowOf(rule.id);
      yield { rule, active: this.#registry.activeCount(rule.id), limit, overflowed };
    }
  }

  /** Everything that is active or can still be reopened; read-only, for tests and `replay --eval`. */
  current(): IterableIterator<Readonly<Insight>> {
    return this.#registry.all();
  }

  #take(event: RuleEvent): void {
    switch (event.kind) {
      case "match":
        return this.#match(event);
      case "miss":
        return this.#miss(event);
      case "lost":
        return this.#lose(event);
      case "renamed":
        return this.#rename(event);
      case "source":
        return this.#hear(event);
    }
  }

  #match(match: RuleMatch): void {
    if (match.waiver !== "") this.#book.used(match.waiver, this.#nowUs);
    for (const id of match.replaces ?? []) this.#takeOver(match, id);
    const insight = this.#insightFor(match);
    if (insight === null) return;
    const known = insight.occurrences.get(match.entityId);
    if (known === undefined && insight.occurrences.isSettled(match.atUs)) return;
    if (known !== undefined && isToldAgain(insight, known, match)) return;
    const isNews = known === undefined || match.atUs > known.atUs;
    if (!this.#hold(insight, match, isNews)) return;
    if (isNews) {
      insight.isFrozen = false;
      if (match.rule.lifecycle === "event") insight.keepSinceUs = this.#nowUs;
    }
    this.#holding.replace(insight, match);
    this.#holding.describe(insight, match);
    this.#waived.note(insight, match);
    this.#rewaive(insight, this.#nowUs);
    this.#follow(insight, isNews, match.atUs);
    this.#changed(insight);
  }

  /** An insight that stands on this entity alone goes on under the key of what the entity proved to be. */
  #takeOver(match: RuleMatch, entityId: string): void {
    const fed = this.#registry.fedBy(match.rule.id, entityId);
    if (fed === undefined || fed.occurrences.size > 1 || isSameKey(fed.key, match.key)) return;
    this.#rekey(fed, match.key);
  }

  /** The insight that this entity feeds; null when the rule has as many as it may. */
  #insightFor(match: RuleMatch): Insight | null {
    const ruleId = match.rule.id;
    const fed = this.#registry.fedBy(ruleId, match.entityId);
    if (fed !== undefined && isSameKey(fed.key, match.key)) return fed;
    if (fed !== undefined) this.#leave(fed, match.entityId, match.atUs, "withdraw");
    const known = this.#registry.find(ruleId, match.key);
    if (known !== undefined && isActive(known.state)) return known;
    if (this.#registry.activeCount(ruleId) >= this.#options.activeMax) {
      this.#tally.overflowed(ruleId);
      return null;
    }
    return known ?? this.#open(match);
  }

  #open(match: RuleMatch): Insight {
    const fingerprint = fingerprintOf(match.rule.id, match.key);
    let episode = this.#episodes.next(fingerprint, this.#nowUs);
    while (this.#registry.byId(insightId(fingerprint, episode))) episode++;
    const insight = makeInsight(match, fingerprint, episode);
    this.#rememberEpisode(fingerprint, episode);
    this.#registry.add(insight);
    return insight;
  }

  /** False when there is no room for it; an insight that nothing has opened is none then. */
  #hold(insight: Insight, match: RuleMatch, isNews: boolean): boolean {
    const hearing = { nowUs: this.#nowUs, isNews, isResuming: this.#isResuming() };
    if (this.#holding.hold(insight, match, hearing)) return true;
    if (insight.transitions === 0) this.#registry.remove(insight);
    return false;
  }

  #miss(miss: RuleMiss): void {
    const insight = this.#registry.fedBy(miss.rule.id, miss.entityId);
    if (insight === undefined) return;
    const isEvent = miss.rule.lifecycle === "event";
    // An event that has happened does not un-happen: only a withdrawal says that it never did.
    if (isEvent && !miss.withdrawn) return;
    if (isEvent || miss.judged) {
      this.#leave(insight, miss.entityId, miss.atUs, isEvent ? "withdraw" : "end");
      return;
    }
    const occurrence = insight.occurrences.get(miss.entityId);
    if (occurrence === undefined || !occurrence.judged || this.#isResuming()) return;
    occurrence.judged = false;
    this.#follow(insight, false, miss.atUs);
    this.#changed(insight);
  }

  /**
   * A state entity that is gone cannot become false: an insight that loses all it stood on in this way
   * ends without a keep window. What a vanished pod did, it has done: an event's insight runs on as if
   * the pod were still there.
   */
  #lose(lost: EntityLost): void {
    for (const insight of this.#registry.allFedBy(lost.entityId)) {
      if (insight.rule.on !== lost.type || insight.rule.lifecycle === "event") continue;
      insight.occurrences.end(lost.entityId);
      this.#registry.unfeed(insight.rule.id, lost.entityId);
      this.#rewaive(insight, this.#nowUs);
      const isGone = insight.occurrences.size === 0 && !insight.wasJudgedFalse;
      if (isGone) this.#close(insight, "entity_gone", lost.atUs);
      else this.#follow(insight, false, lost.atUs);
      this.#changed(insight);
    }
  }

  #leave(insight: Insight, entityId: string, atUs: Us, how: "end" | "withdraw"): void {
    if (insight.rule.lifecycle === "event" && how === "withdraw") {
      insight.occurrences.withdraw(entityId);
      insight.keepSinceUs = insight.occurrences.lastSeenUs();
    } else {
      insight.occurrences.end(entityId);
      insight.wasJudgedFalse = true;
    }
    this.#registry.unfeed(insight.rule.id, entityId);
    insight.confidence = insight.occurrences.confidence() ?? insight.confidence;
    this.#rewaive(insight, this.#nowUs);
    this.#follow(insight, false, atUs);
    this.#changed(insight);
  }

  /** Brings state and windows in line with what now holds. */
  #follow(insight: Insight, isNews: boolean, eventUs: Us): void {
    const condition = conditionOf(insight);
    const step = stepNow(insight, condition, isNews);
    if (step !== null) this.#move(insight, step, this.#nowUs, eventUs);
    if (insight.state === "pending") {
      if (condition === "true" && insight.activeUs === 0) insight.activeUs = this.#nowUs;
      if (condition === "unknown" && insight.activeUs > 0) insight.activeUs = 0;
      insight.unknownSinceUs = condition === "unknown" ? insight.unknownSinceUs || this.#nowUs : 0;
    }
    if (insight.rule.lifecycle === "event" || !isActive(insight.state)) return;
    if (condition !== "false") insight.keepSinceUs = 0;
    else if (insight.keepSinceUs === 0) insight.keepSinceUs = this.#nowUs;
  }

  /** Ends whatever state it is in. */
  #close(insight: Insight, reason: CloseReason, eventUs: Us): void {
    const { state } = insight;
    if (!isActive(state)) return;
    const to = state === "pending" && insight.firedUs === 0 ? "inactive" : "resolved";
    this.#move(insight, { to, reason }, this.#nowUs, eventUs);
  }

  /** The one place where a state changes. */
  #move(insight: Insight, step: Step, atUs: Us, eventUs: Us): void {
    const { state: from, rule } = insight;
    enter(insight, step, atUs);
    this.#file(insight);
    insight.transitions++;
    if (from !== "pending" ? step.to !== "pending" : step.to === "firing") {
      noteFlapping(insight, atUs);
    }
    if (step.to === "firing" && from !== "unknown") this.#tally.raised(rule.id);
    if (step.to === "resolved" && from !== "pending" && step.reason !== "") {
      this.#tally.resolved(rule.id, step.reason);
    }
    this.#news.moved(insight, from, step, atUs, eventUs);
    this.#changed(insight);
  }

  /** Files it among the active or the closed of its rule; too many closed ones, and the oldest goes. */
  #file(insight: Insight): void {
    const ruleId = insight.rule.id;
    this.#registry.file(insight);
    if (this.#registry.closedCount(ruleId) <= this.#options.closedMax) return;
    const oldest = this.#registry.oldestClosed(ruleId);
    if (oldest === undefined) return;
    this.#tally.dropped("closed_insight");
    this.#registry.remove(oldest);
  }

  #rename({ from, to }: NodeRenamed): void {
    if (from === to) return;
    const affected = [...this.#registry.all()].filter(({ key }) => key.includes(from));
    for (const insight of affected) {
      if (insight.subject.key === from) insight.subject = renamePlace(insight.subject, to);
      if (insight.peer.key === from) insight.peer = renamePlace(insight.peer, to);
      const key = insight.key.map((value) => (value === from ? to : value));
      this.#rekey(insight, key);
    }
  }

  #rekey(insight: Insight, key: readonly string[]): void {
    const ruleId = insight.rule.id;
    this.#registry.remove(insight);
    insight.key = key;
    insight.fingerprint = fingerprintOf(ruleId, key);
    this.#rememberEpisode(insight.fingerprint, insight.episode);
    const other = this.#registry.find(ruleId, insight.key);
    const survivor = other === undefined ? insight : this.#merge(insight, other);
    this.#registry.add(survivor);
    this.#rewaive(survivor, this.#nowUs);
    this.#changed(survivor);
  }

  #merge(a: Insight, b: Insight): Insight {
    const survivor = survivorOf(a, b);
    const other = survivor === a ? b : a;
    this.#registry.remove(b);
    absorb(survivor, other, this.#options.observersMax);
    this.#holding.shrink(survivor);
    this.#news.merged(other, survivor, this.#withdraw(other), this.#silences.keys);
    return survivor;
  }

  /** An insight that is part of another one ends; who was told of it hears that. */
  #withdraw(part: Insight): Insight {
    const { state: from } = part;
    const ended: Insight = { ...part, state: "inactive", reason: "" };
    if (from !== "firing" && from !== "unknown") return ended;
    ended.transitions++;
    const step: Step = { to: "inactive", reason: "withdrawn" };
    this.#news.moved(ended, from, step, this.#nowUs, part.lastSeenUs);
    return ended;
  }

  #hear({ observer, state }: SourceChanged): void {
    const key = observerKey(observer);
    const wasSilent = this.#silences.note(key, state);
    if (state !== "silent" && !wasSilent && state !== "gone") return;
    for (const insight of this.#registry.all()) {
      if (!insight.observers.has(key)) continue;
      this.#silences.apply(insight, key, state, wasSilent, this.#nowUs);
      if (insight.rule.lifecycle === "state" && isActive(insight.state)) {
        this.#follow(insight, false, insight.lastSeenUs);
      }
      this.#changed(insight);
    }
  }

  /** One deadline may lead to the next: fired, run out, forgotten. */
  #settle(untilUs: Us, nowUs: Us): void {
    while (this.#nextDueUs <= untilUs) this.#passDeadlines(untilUs, nowUs);
  }

  /** Applies every deadline that has passed, in the order of the deadlines, and finds the next one. */
  #passDeadlines(untilUs: Us, nowUs: Us): void {
    const due: { insight: Insight; atUs: Us }[] = [];
    for (const insight of this.#registry.all()) {
      const atUs = this.#deadlineUs(insight);
      if (atUs <= untilUs) due.push({ insight, atUs });
    }
    due.sort((a, b) => a.atUs - b.atUs || (a.insight.id < b.insight.id ? -1 : 1));
    for (const { insight, atUs } of due) this.#passDeadline(insight, atUs, nowUs);
    this.#nextDueUs = Infinity;
    for (const insight of this.#registry.all()) this.#scheduled(insight);
  }

  #passDeadline(insight: Insight, atUs: Us, nowUs: Us): void {
    if (flappingEndUs(insight) <= atUs) {
      insight.isFlapping = false;
      this.#changed(insight);
      return;
    }
    if (flagsEndUs(insight) <= atUs) {
      endAcknowledgement(insight, atUs);
      this.#waived.update(insight, atUs);
      this.#flagged(insight, atUs);
      return;
    }
    if (this.#told.dueUs(insight) <= atUs) {
      this.#told.remind(insight, atUs, nowUs);
      this.#changed(insight);
      return;
    }
    // There was no room for its reminder any more: nothing of its own is due.
    if (this.#ownDeadlineUs(insight) > atUs) return;
    const step = stepAtDeadline(insight, this.#silences.hasSilent(insight), atUs);
    if (step === null) this.#registry.remove(insight);
    else this.#move(insight, step, atUs, insight.lastSeenUs);
  }

  /** While the graph restores itself it has heard nobody yet: an outage of ours is not their silence. */
  #isResuming(): boolean {
    return this.#resumesFromUs !== null;
  }

  /** The first `advance` after a restart: an outage of ours is neither silence nor quietness. */
  #resume(nowUs: Us, fromUs: Us): void {
    this.#resumesFromUs = null;
    const gapUs = fromUs === 0 ? 0 : nowUs - fromUs;
    this.#nowUs = nowUs;
    for (const insight of this.#registry.all()) {
      if (gapUs <= 0 || !isActive(insight.state)) continue;
      stretch(insight, gapUs, this.#options.timings.outageGraceUs);
      this.#told.resumed(insight, nowUs);
      this.#changed(insight);
    }
    this.#followRules();
    this.#nextDueUs = 0;
  }

  /** A rule that is gone ends its insights; one that asks for more time than before takes them back. */
  #followRules(): void {
    for (const insight of this.#registry.all()) {
      this.#waived.rejudge(insight);
      this.#rewaive(insight, this.#nowUs);
      if (!this.#rules.has(insight.rule.id)) {
        this.#close(insight, "rule_removed", insight.lastSeenUs);
      } else if (isTooEarly(insight, this.#nowUs)) {
        this.#move(
          insight,
          { to: "pending", reason: "withdrawn" },
          this.#nowUs,
          insight.lastSeenUs,
        );
        this.#follow(insight, false, insight.lastSeenUs);
      }
    }
  }

  #restoreRow(row: InsightRow): void {
    const { insight, silent, mergedInto } = rowToInsight(row, this.#rules.get(row.rule));
    this.#rememberEpisode(insight.bornAs, insight.episode);
    this.#rememberEpisode(insight.fingerprint, insight.episode);
    const isOver = !isActive(insight.state) && this.#deadlineUs(insight) <= this.#nowUs;
    if (mergedInto !== "" || isOver) return;
    this.#silences.restore(silent);
    this.#registry.add(insight);
  }

  #rememberEpisode(fingerprint: string, episode: number): void {
    if (this.#episodes.remember(fingerprint, episode)) this.#tally.dropped("episode");
  }

  /** What people say of it has changed. */
  #flagged(insight: Insight, atUs: Us): void {
    this.#told.flagged(insight, atUs);
    this.#changed(insight);
  }

  /** What it stands on has changed, and with it perhaps whether that is accepted. */
  #rewaive(insight: Insight, atUs: Us): void {
    if (this.#waived.update(insight, atUs)) this.#flagged(insight, atUs);
  }

  #changed(insight: Insight): void {
    this.#news.changed(insight);
    this.#scheduled(insight);
  }

  #scheduled(insight: Insight): void {
    this.#nextDueUs = Math.min(this.#nextDueUs, this.#deadlineUs(insight));
  }

  #deadlineUs(insight: Insight): Us {
    return Math.min(this.#ownDeadlineUs(insight), this.#told.dueUs(insight));
  }

  /** When its state, flapping or flags will change by time alone. */
  #ownDeadlineUs(insight: Insight): Us {
    const ownUs = deadlineUs(insight, this.#options.timings, this.#silences.hasSilent(insight));
    return Math.min(ownUs, flagsEndUs(insight));
  }
}
