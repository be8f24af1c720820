/**
 * What people have said about an insight: that somebody takes care of it, that it is accepted. Flags
 * change no state: they decide whether it pages.
 */
import type { InsightState } from "../model/insights.ts";
import type { Us } from "../model/time.ts";
import { isActive, type Insight } from "./insight.ts";

/** An insight's state as metrics show it; what is acknowledged or suppressed (waived) pages nobody. */
export type ShownState = InsightState | "inactive" | "acknowledged" | "suppressed";

export function shownState({ state, acknowledgement, waiver }: Insight): ShownState {
  if (waiver !== "" && isActive(state)) return "suppressed";
  return state === "firing" && acknowledgement !== null ? "acknowledged" : state;
}

/** When a flag ends by itself; Infinity = never. */
export function flagsEndUs({ acknowledgement, waivedUntilUs }: Insight): Us {
  const untilUs = acknowledgement?.untilUs ?? 0;
  return Math.min(untilUs || Infinity, waivedUntilUs || Infinity);
}

/** Takes the acknowledgement away when its time is over. */
export function endAcknowledgement(insight: Insight, atUs: Us): void {
  const { acknowledgement } = insight;
  if (acknowledgement === null || acknowledgement.untilUs === 0) return;
  if (acknowledgement.untilUs <= atUs) insight.acknowledgement = null;
}
