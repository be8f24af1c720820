/**
 * Which waiver accepts a finding, asked in one way by whoever asks, and how waivers themselves do: one
 * that is about to end, has ended or matches nothing any more is somebody's work.
 */
import type { WaiverMeta } from "./insights.ts";
import { usPerDay, type Us } from "./time.ts";

/** The waivers of a rule set, ready to be asked. */
export interface WaiverJudge {
  readonly metas: readonly WaiverMeta[];
  /**
   * The id of the waiver that accepts this entity under this rule, "" = none. Of several the one that
   * ends last: until then it is accepted. It may have ended: that is a question of the time.
   */
  waiverFor(ruleId: string, entity: unknown): string;
  /** Changes with every waiver that names the rule; "" = none does. */
  versionFor(ruleId: string): string;
}

export const noWaivers: WaiverJudge = {
  metas: [],
  waiverFor: () => "",
  versionFor: () => "",
};

export const waiverStates = ["active", "expiring", "expired", "unused"] as const;
export type WaiverState = (typeof waiverStates)[number];

/** What is known of a waiver over time, in engine time. */
export interface WaiverUse {
  /** Since when it is loaded. */
  readonly sinceUs: Us;
  /** When it accepted something last; 0 = never. */
  readonly matchedUs: Us;
}

const endsSoonUs = 14 * usPerDay;
const unusedAfterUs = 30 * usPerDay;

export function waiverStateOf(
  endsUs: Us,
  { sinceUs, matchedUs }: WaiverUse,
  nowUs: Us,
): WaiverState {
  if (endsUs <= nowUs) return "expired";
  if (endsUs <= nowUs + endsSoonUs) return "expiring";
  return Math.max(sinceUs, matchedUs) + unusedAfterUs <= nowUs ? "unused" : "active";
}
