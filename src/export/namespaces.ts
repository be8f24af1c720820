/**
 * Which namespaces have series of their own. The first ones to come are shown for the life of the
 * process, all others are `_other` together: a namespace never changes sides, so no counter falls and no
 * sum is wrong. Of those that come in one snapshot, as all of a restored graph do, the busiest are first.
 */
import type { CounterSample } from "../model/stages.ts";

/** Stands for every namespace without series of its own. */
export const otherNamespace = "_other";

const namespaceLabels: ReadonlySet<string> = new Set([
  "namespace",
  "src_namespace",
  "dst_namespace",
]);

export const isNamespaceLabel = (label: string): boolean => namespaceLabels.has(label);

interface Business {
  insights: number;
  requests: number;
}

export class ShownNamespaces {
  readonly #max: number;
  readonly #shown = new Set<string>();
  #folded = 0;

  /** At most `max` of them, whatever they are called. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Namespaces of the last snapshot that have no series of their own. */
  get folded(): number {
    return this.#folded;
  }

  /** Looks through a whole snapshot before its samples are asked for. */
  look(samples: readonly CounterSample[]): void {
    const fresh = new Map<string, Business>();
    for (const { name, labels, value } of samples) {
      for (const label of namespaceLabels) {
        const namespace = labels[label];
        if (namespace === undefined || this.#isShown(namespace)) continue;
        let business = fresh.get(namespace);
        if (!business) fresh.set(namespace, (business = { insights: 0, requests: 0 }));
        if (name === "insights") business.insights += value;
        if (name === "edge_requests_total") business.requests += value;
      }
    }
    this.#folded = fresh.size;
    if (fresh.size > 0 && this.#shown.size < this.#max) this.#admit(fresh);
  }

  /** The label value for a namespace; "" is none, and stays. */
  labelOf(namespace: string): string {
    return this.#isShown(namespace) ? namespace : otherNamespace;
  }

  #isShown(namespace: string): boolean {
    return namespace === "" || namespace === otherNamespace || this.#shown.has(namespace);
  }

  /** Those with insights, then those with requests, then as the stages name them. */
  #admit(fresh: Map<string, Business>): void {
    const ranked = [...fresh].toSorted(
      ([, a], [, b]) => b.insights - a.insights || b.requests - a.requests,
    );
    const room = this.#max - this.#shown.size;
    for (const [namespace] of ranked.slice(0, room)) this.#shown.add(namespace);
    this.#folded = Math.max(0, ranked.length - room);
  }
}
