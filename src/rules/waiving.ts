/**
 * The one place that says which waiver accepts a finding: the engine, `replay --eval` and tests ask here,
 * and everybody else shows what was answered. A condition that fails accepts nothing.
 */
import { createHash } from "node:crypto";
import type { WaiverMeta } from "../model/insights.ts";
import type { WaiverJudge } from "../model/waivers.ts";
import { makeFrame, type Expression, type Frame } from "./compile.ts";
import { Fault } from "./fault.ts";
import type { Waiver } from "./waivers.ts";

interface Condition {
  readonly id: string;
  readonly run: Expression;
}

export class WaiverSet implements WaiverJudge {
  readonly metas: readonly WaiverMeta[];
  /** Of each rule that is named, those that end last first. */
  readonly #ofRules = new Map<string, { readonly conditions: Condition[]; version: string }>();
  readonly #frame: Frame = makeFrame();

  constructor(waivers: readonly Waiver[]) {
    this.metas = waivers.map(({ meta }) => meta);
    const sorted = waivers.toSorted(
      ({ meta: a }, { meta: b }) => b.endsUs - a.endsUs || (a.id < b.id ? -1 : 1),
    );
    for (const { meta, where } of sorted) {
      for (const [ruleId, run] of where) this.#add(ruleId, meta, run);
    }
  }

  waiverFor(ruleId: string, entity: unknown): string {
    const ofRule = this.#ofRules.get(ruleId);
    if (ofRule === undefined) return "";
    this.#frame.entity = entity;
    return ofRule.conditions.find(({ run }) => this.#holds(run))?.id ?? "";
  }

  versionFor(ruleId: string): string {
    return this.#ofRules.get(ruleId)?.version ?? "";
  }

  #holds(run: Expression): boolean {
    this.#frame.steps = 0;
    try {
      return run(this.#frame) === true;
    } catch (error) {
      if (error instanceof Fault) return false;
      throw error;
    }
  }

  #add(ruleId: string, { id, where, endsUs }: WaiverMeta, run: Expression): void {
    const ofRule = this.#ofRules.get(ruleId) ?? { conditions: [], version: "" };
    this.#ofRules.set(ruleId, ofRule);
    ofRule.conditions.push({ id, run });
    const text = JSON.stringify([ofRule.version, id, where, endsUs]);
    ofRule.version = createHash("sha256").update(text).digest("hex").slice(0, 16);
  }
}
