/**
 * Sources that must be heard because the configuration says so. One that names a key is that very
 * source; any other is a group, of which one must be heard, and is known by a readable text of its own.
 * It keeps no source and tells nobody: `sources.ts` asks it.
 */
import type { SourceRef } from "../model/observations.ts";
import type { Us } from "../model/time.ts";

export interface ExpectedSource {
  readonly kind: SourceRef["kind"];
  /** "" = any of the kind. */
  readonly key: string;
  /** "" = of any namespace; without meaning beside a key. */
  readonly namespace: string;
  /** How long it may be silent, also after our start. */
  readonly withinUs: Us;
}

export interface Expectation {
  readonly kind: SourceRef["kind"];
  /** The source's key; of a group `expected:<kind>`, with `/<namespace>` where it names one. */
  readonly key: string;
  readonly isGroup: boolean;
  readonly namespace: string;
  readonly withinUs: Us;
  /** When any source that meets it was last heard; 0 = never. */
  lastUs: Us;
  isMissing: boolean;
}

const none: readonly Expectation[] = [];

export class ExpectedSources {
  /** By `kind|key`. Bounded by the configuration. */
  readonly #all = new Map<string, Expectation>();

  constructor(expected: readonly ExpectedSource[]) {
    for (const one of expected) this.#add(one);
  }

  get all(): Iterable<Expectation> {
    return this.#all.values();
  }

  get(id: string): Expectation | undefined {
    return this.#all.get(id);
  }

  /** Those that a source meets when it is heard. */
  metBy({ kind, key, namespace }: SourceRef): readonly Expectation[] {
    if (this.#all.size === 0) return none;
    const met: Expectation[] = [];
    for (const one of this.#all.values()) {
      if (one.kind !== kind) continue;
      const isMet = one.isGroup
        ? one.namespace === "" || one.namespace === namespace
        : one.key === key;
      if (isMet) met.push(one);
    }
    return met.length === 0 ? none : met;
  }

  /** Turns missing what has not been heard for too long; returns it. */
  overdue(nowUs: Us, listeningFromUs: Us): Expectation[] {
    const overdue: Expectation[] = [];
    for (const one of this.#all.values()) {
      if (one.isMissing || nowUs - Math.max(one.lastUs, listeningFromUs) <= one.withinUs) continue;
      one.isMissing = true;
      overdue.push(one);
    }
    return overdue;
  }

  /** How many are missing, for each kind that is expected at all. */
  missingByKind(): ReadonlyMap<SourceRef["kind"], number> {
    const missing = new Map<SourceRef["kind"], number>();
    for (const { kind, isMissing } of this.#all.values()) {
      missing.set(kind, (missing.get(kind) ?? 0) + (isMissing ? 1 : 0));
    }
    return missing;
  }

  /** Of two that mean the same, the stricter counts. */
  #add({ kind, key, namespace, withinUs }: ExpectedSource): void {
    const isGroup = key === "";
    const group = namespace === "" ? `expected:${kind}` : `expected:${kind}/${namespace}`;
    const name = isGroup ? group : key;
    const id = `${kind}|${name}`;
    const known = this.#all.get(id);
    if (known && known.withinUs <= withinUs) return;
    const made = { kind, key: name, isGroup, namespace, withinUs, lastUs: 0, isMissing: false };
    this.#all.set(id, made);
  }
}
