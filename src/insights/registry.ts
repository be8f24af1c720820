/**
 * Which insights there are and how they are found: by rule and key, by the entities that feed them, and
 * per rule by whether they are active. It changes no insight.
 */
import { isActive, keyText, type Insight } from "./insight.ts";

/** Of one rule; the closed ones in the order in which they closed. */
interface RuleInsights {
  readonly active: Set<Insight>;
  readonly closed: Set<Insight>;
}

export class Registry {
  readonly #byKey = new Map<string, Insight>();
  readonly #byId = new Map<string, Insight>();
  readonly #ofRules = new Map<string, RuleInsights>();
  /** Rule id, then entity id: which insight an entity feeds. */
  readonly #fed = new Map<string, Map<string, Insight>>();
  #fedCount = 0;

  /** Entities that are known to feed an insight. */
  get fedCount(): number {
    return this.#fedCount;
  }

  all(): IterableIterator<Insight> {
    return this.#byKey.values();
  }

  find(ruleId: string, key: readonly string[]): Insight | undefined {
    return this.#byKey.get(keyText(ruleId, key));
  }

  byId(id: string): Insight | undefined {
    return this.#byId.get(id);
  }

  fedBy(ruleId: string, entityId: string): Insight | undefined {
    return this.#fed.get(ruleId)?.get(entityId);
  }

  /** The insights of all rules that an entity of this id feeds. */
  allFedBy(entityId: string): Insight[] {
    const insights: Insight[] = [];
    for (const fed of this.#fed.values()) {
      const insight = fed.get(entityId);
      if (insight !== undefined) insights.push(insight);
    }
    return insights;
  }

  activeCount(ruleId: string): number {
    return this.#ofRules.get(ruleId)?.active.size ?? 0;
  }

  closedCount(ruleId: string): number {
    return this.#ofRules.get(ruleId)?.closed.size ?? 0;
  }

  oldestClosed(ruleId: string): Insight | undefined {
    return this.#ofRules.get(ruleId)?.closed.values().next().value;
  }

  /** Makes it findable, with every entity that feeds it. */
  add(insight: Insight): void {
    this.#byKey.set(keyText(insight.rule.id, insight.key), insight);
    this.#byId.set(insight.id, insight);
    for (const id of insight.occurrences.ids()) this.feed(insight, id);
    this.file(insight);
  }

  /** Forgets it and whatever feeds it. */
  remove(insight: Insight): void {
    const ruleId = insight.rule.id;
    for (const id of insight.occurrences.ids()) {
      if (this.fedBy(ruleId, id) === insight) this.unfeed(ruleId, id);
    }
    this.#unfile(insight);
    this.#byId.delete(insight.id);
    const text = keyText(ruleId, insight.key);
    if (this.#byKey.get(text) === insight) this.#byKey.delete(text);
  }

  /** To be called when its state has changed. */
  file(insight: Insight): void {
    this.#unfile(insight);
    const both = this.#ofRules.get(insight.rule.id) ?? { active: new Set(), closed: new Set() };
    this.#ofRules.set(insight.rule.id, both);
    (isActive(insight.state) ? both.active : both.closed).add(insight);
  }

  feed(insight: Insight, entityId: string): void {
    const fed = this.#fed.get(insight.rule.id) ?? new Map<string, Insight>();
    this.#fed.set(insight.rule.id, fed);
    if (!fed.has(entityId)) this.#fedCount++;
    fed.set(entityId, insight);
  }

  unfeed(ruleId: string, entityId: string): void {
    if (this.#fed.get(ruleId)?.delete(entityId) === true) this.#fedCount--;
  }

  #unfile(insight: Insight): void {
    const both = this.#ofRules.get(insight.rule.id);
    both?.active.delete(insight);
    both?.closed.delete(insight);
  }
}
