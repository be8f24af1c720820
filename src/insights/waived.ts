/**
 * Whether a waiver accepts an insight: it does when waivers accept everything that the insight stands on,
 * until the first of them ends. One occurrence that nobody has accepted makes the whole insight page, so
 * that nothing hides behind what is known.
 *
 * With other waivers state entities are told again by the graph. Events are not: some of the newest are
 * kept as samples and asked again, and what these agree on holds for all.
 */
import type { RuleMatch } from "../model/insights.ts";
import { fromSample } from "../model/samples.ts";
import type { Us } from "../model/time.ts";
import { noWaivers, type WaiverJudge } from "../model/waivers.ts";
import type { Insight } from "./insight.ts";

/** Of more occurrences the first ones stand for the others. */
const sampledMax = 64;

export class Waived {
  #judge: WaiverJudge = noWaivers;
  /** When each waiver ends. */
  #ends = new Map<string, Us>();

  setWaivers(judge: WaiverJudge): void {
    this.#judge = judge;
    this.#ends = new Map(judge.metas.map(({ id, endsUs }) => [id, endsUs]));
  }

  /** An occurrence is held. */
  note(insight: Insight, match: RuleMatch): void {
    const { occurrences, rule } = insight;
    const occurrence = occurrences.get(match.entityId);
    if (occurrence === undefined) return;
    occurrence.waiver = match.waiver;
    if (insight.transitions === 0) insight.waiversVersion = this.#judge.versionFor(rule.id);
    if (rule.lifecycle === "state" || occurrences.size > sampledMax) return;
    if (occurrences.samples.has(match.entityId)) return;
    const sample = match.sample();
    if (sample !== "") occurrences.sample(match.entityId, sample);
  }

  /** Asks other waivers than before about what is known by samples. */
  rejudge(insight: Insight): void {
    const { occurrences, rule } = insight;
    const version = this.#judge.versionFor(rule.id);
    if (insight.waiversVersion === version) return;
    insight.waiversVersion = version;
    if (rule.lifecycle === "state") return;
    const verdicts = new Map(
      [...occurrences.samples].map(([id, text]) => [
        id,
        this.#judge.waiverFor(rule.id, fromSample(rule.on, text)),
      ]),
    );
    const all = [...verdicts.values()];
    const ofOthers = all.includes("") ? "" : (all[0] ?? "");
    occurrences.rewaive(verdicts, ofOthers);
  }

  /** True when another waiver accepts it now, or none any more. */
  update(insight: Insight, nowUs: Us): boolean {
    if (this.#ends.size === 0 && insight.waiver === "") return false;
    const before = insight.waiver;
    const { id, untilUs } = this.#waiverOf(insight, nowUs);
    insight.waiver = id;
    insight.waivedUntilUs = untilUs;
    return id !== before;
  }

  #waiverOf(insight: Insight, nowUs: Us): { readonly id: string; readonly untilUs: Us } {
    const none = { id: "", untilUs: 0 };
    let first = none;
    for (const id of insight.occurrences.waivers()) {
      const untilUs = this.#ends.get(id) ?? 0;
      if (untilUs <= nowUs) return none;
      if (first.id === "" || untilUs < first.untilUs) first = { id, untilUs };
    }
    if (first.id !== "" || insight.waiver === "") return first;
    // It stands on nothing any more, and ends as what it was.
    const untilUs = this.#ends.get(insight.waiver) ?? 0;
    return untilUs > nowUs ? { id: insight.waiver, untilUs } : none;
  }
}
