/**
 * What people have said about an insight. Flags change no state: they decide whether it pages.
 */
import type { InsightState } from "../model/insights.ts";
import type { Us } from "../model/time.ts";
import type { Insight } from "./insight.ts";

/** An insight's state as metrics show it; what is acknowledged pages nobody. */
export type ShownState = InsightState | "inactive" | "acknowledged";

export function shownState({ state, acknowledgement }: Insight): ShownState {
  return state === "firing" && acknowledgement !== null ? "acknowledged" : state;
}

/** When a flag ends by itself; Infinity = never. */
export function flagsEndUs({ acknowledgement }: Insight): Us {
  return acknowledgement === null || acknowledgement.untilUs === 0
    ? Infinity
    : acknowledgement.untilUs;
}

/** Takes away the flags whose time is over. */
export function endFlags(insight: Insight, atUs: Us): void {
  const { acknowledgement } = insight;
  if (acknowledgement === null || acknowledgement.untilUs === 0) return;
  if (acknowledgement.untilUs <= atUs) insight.acknowledgement = null;
}
