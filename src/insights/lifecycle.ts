/**
 * The state machine, as pure functions over one insight: what follows now that its condition is what it
 * is, when time alone will change it, and what it becomes then. The timestamps are the state; nothing
 * here changes anything.
 *
 *   inactive ──true──▶ pending ──for──▶ firing ──false──▶ (keep window) ──▶ resolved ──▶ forgotten
 *                         │false          ▲ true ◀──────────┘                  │true again
 *                         ▼               │                                    ▼
 *                      inactive        unknown ◀── nobody can tell          same episode
 *
 * A state entity is true, false, or nobody can tell. An event is true from its first occurrence until
 * nothing has recurred for `keep_firing_for` while all who would have seen it were heard; only a
 * withdrawal makes it false. Flapping decides no state: it is history, and history depends on the order
 * in which telemetry arrives, while the final state must not.
 */
import type { CloseReason } from "../model/insights.ts";
import { usPerDay, usPerHour, usPerMinute, type Us } from "../model/time.ts";
import { isActive, type Insight, type LifeState } from "./insight.ts";

export interface Timings {
  /** After this long in `unknown`, archived with reason `no_data`. */
  readonly unknownTtlUs: Us;
  /** True again within this time of closing continues the same episode. */
  readonly reopenWithinUs: Us;
  /** How much of an outage of ours still counts toward `for`. */
  readonly outageGraceUs: Us;
}

export const timingDefaults: Timings = {
  unknownTtlUs: usPerDay,
  reopenWithinUs: usPerDay,
  outageGraceUs: 10 * usPerMinute,
};

/** A pending one that lapsed is remembered this long: late telemetry may show that it was true. */
const lapsedKeepUs = 15 * usPerMinute;
const flappingTransitions = 4;
const flappingWithinUs = usPerHour;
const flappingClearsUs = 2 * usPerHour;

export interface Step {
  readonly to: LifeState;
  readonly reason: CloseReason | "";
}

export type Condition = "true" | "false" | "unknown";

export function conditionOf(insight: Insight): Condition {
  const { occurrences, rule } = insight;
  if (rule.lifecycle === "event") {
    return occurrences.size > 0 || occurrences.hasSettled() ? "true" : "false";
  }
  if (occurrences.size === 0) return "false";
  return occurrences.hasJudged() && !insight.isFrozen ? "true" : "unknown";
}

/**
 * The transition that the condition demands at once, or null; the rest is a matter of time. `isNews`: an
 * event that was not known has just been told. Only news reopens what rests on events, since what is
 * told again, after a restart or with late evidence, has had its turn.
 */
export function stepNow(insight: Insight, condition: Condition, isNews: boolean): Step | null {
  const isEvent = insight.rule.lifecycle === "event";
  switch (insight.state) {
    case "inactive":
    case "resolved":
      if (condition !== "true" || (isEvent && !isNews)) return null;
      return { to: insight.rule.forUs > 0 ? "pending" : "firing", reason: "" };
    case "pending":
      if (condition !== "false") return null;
      return lapse(insight, isEvent ? "withdrawn" : "");
    case "firing":
      if (condition === "unknown") return { to: "unknown", reason: "" };
      return condition === "false" && isEvent ? { to: "resolved", reason: "late_evidence" } : null;
    case "unknown":
      if (condition === "false" && isEvent) return { to: "resolved", reason: "late_evidence" };
      return condition === "unknown" || (isEvent && !isNews) ? null : { to: "firing", reason: "" };
  }
}

/** A pending one that never fired is nothing; one that was to be reopened stays closed as it was. */
function lapse(insight: Insight, reason: CloseReason | ""): Step {
  const hasFired = insight.firedUs > 0;
  return hasFired ? { to: "resolved", reason: insight.reason } : { to: "inactive", reason };
}

/**
 * It fires, and its rule asks for more time by now than it has been true: it waits on, as an alert of
 * Prometheus does whose `for` was raised.
 */
export function isTooEarly(insight: Insight, nowUs: Us): boolean {
  // Rows of versions before 0.2 do not say since when it is true, but when it fired.
  const sinceUs = insight.activeUs > 0 ? insight.activeUs : insight.firedUs;
  return insight.state === "firing" && sinceUs + insight.rule.forUs > nowUs;
}

/** When time alone will change this insight; Infinity = never. */
export function deadlineUs(insight: Insight, timings: Timings, hasSilent: boolean): Us {
  return Math.min(stateDeadlineUs(insight, timings, hasSilent), flappingEndUs(insight));
}

function stateDeadlineUs(insight: Insight, timings: Timings, hasSilent: boolean): Us {
  const { rule, keepSinceUs } = insight;
  switch (insight.state) {
    case "pending":
      if (insight.activeUs > 0) return insight.activeUs + rule.forUs;
      return insight.unknownSinceUs + timings.unknownTtlUs;
    case "firing":
      return keepSinceUs > 0 ? keepSinceUs + rule.keepFiringForUs : Infinity;
    case "unknown":
      return Math.min(
        insight.unknownSinceUs + timings.unknownTtlUs,
        rule.lifecycle === "event" && !hasSilent ? quietUs(insight) : Infinity,
      );
    case "resolved":
      return insight.closedUs + timings.reopenWithinUs;
    case "inactive":
      return insight.closedUs + (insight.firedUs > 0 ? timings.reopenWithinUs : lapsedKeepUs);
  }
}

/** The end of a whole keep window in which nothing recurred and everybody was heard. */
function quietUs(insight: Insight): Us {
  return Math.max(insight.keepSinceUs, insight.blindUs) + insight.rule.keepFiringForUs;
}

/** What a passed deadline makes of it; `null` = it is forgotten. */
export function stepAtDeadline(insight: Insight, hasSilent: boolean, atUs: Us): Step | null {
  switch (insight.state) {
    case "pending":
      return insight.activeUs > 0 ? { to: "firing", reason: "" } : lapse(insight, "");
    case "firing":
      if (insight.rule.lifecycle === "state") return { to: "resolved", reason: "fixed" };
      return hasSilent || insight.blindUs > insight.keepSinceUs
        ? { to: "unknown", reason: "" }
        : { to: "resolved", reason: "quiet" };
    case "unknown":
      return insight.rule.lifecycle === "event" && !hasSilent && quietUs(insight) <= atUs
        ? { to: "resolved", reason: "quiet" }
        : { to: "inactive", reason: "no_data" };
    case "resolved":
    case "inactive":
      return null;
  }
}

/** The state and the times that go with it. */
export function enter(insight: Insight, step: Step, atUs: Us): void {
  const from = insight.state;
  if (step.to === "firing" && from !== "unknown") {
    if (insight.firedUs > 0) insight.reopenCount++;
    insight.firedUs = atUs;
  }
  if (step.to === "firing") {
    insight.closedUs = 0;
    if (insight.activeUs === 0) insight.activeUs = atUs;
  }
  if (step.to === "pending" && from === "firing") insight.closedUs = atUs;
  if (!isActive(from)) insight.wasJudgedFalse = false;
  if (!isActive(step.to)) {
    const stayedClosed = from === "pending" && insight.firedUs > 0;
    if (!stayedClosed) insight.closedUs = atUs;
    insight.activeUs = 0;
  }
  insight.unknownSinceUs = step.to === "unknown" ? atUs : 0;
  if (step.to !== "pending" || step.reason !== "") insight.reason = step.reason;
  insight.state = step.to;
}

/** Moves open windows on by an outage of ours, of which `for` counts the grace. */
export function stretch(insight: Insight, gapUs: Us, outageGraceUs: Us): void {
  if (insight.activeUs > 0) insight.activeUs += Math.max(0, gapUs - outageGraceUs);
  if (insight.keepSinceUs > 0) insight.keepSinceUs += gapUs;
  if (insight.unknownSinceUs > 0) insight.unknownSinceUs += gapUs;
  if (insight.blindUs > 0) insight.blindUs += gapUs;
  insight.occurrences.shift(gapUs);
}

/** Notes a transition that people would see, and whether these have become too many. */
export function noteFlapping(insight: Insight, atUs: Us): void {
  insight.recentUs = [...insight.recentUs, atUs].slice(-flappingTransitions);
  const firstUs = insight.recentUs[0] ?? atUs;
  if (insight.recentUs.length === flappingTransitions && atUs - firstUs <= flappingWithinUs) {
    insight.isFlapping = true;
  }
}

export function flappingEndUs(insight: Insight): Us {
  if (!insight.isFlapping) return Infinity;
  return (insight.recentUs.at(-1) ?? 0) + flappingClearsUs;
}
