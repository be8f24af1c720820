/**
 * Tags of facets: words about them, each of a sort (`route:…`, `flag:…`, `service:…`, `source:…`,
 * principals). What a tag says is read from its text once, when it is first heard of, because every view
 * of an edge asks for it.
 */
import type { Observer } from "../model/changes.ts";
import type { SourceKind } from "../model/observations.ts";

const sorts = ["source", "service", "src_principal", "dst_principal", "flag", "route"] as const;
export type TagSort = (typeof sorts)[number];

/** A tag, so many times; one object for all who say just that. */
export interface TagCount {
  readonly tag: Tag;
  readonly count: number;
  /** Of the same tag. */
  readonly next: TagCount | null;
}

/** Greater counts are those of events that come and go: hardly two facets have the same. */
const sharedCountMax = 4;

/** `text` tells tags apart: there may be two objects of one. */
export class Tag {
  readonly text: string;
  /** Null = it has none that anybody asks for. */
  readonly sort: TagSort | null;
  /** What a flag or principal is, alone in a list that is nobody's to change; else an empty one. */
  readonly words: readonly string[];
  /** Whom a `source:kind|key` names. */
  readonly observer: Observer | null;
  #counts: TagCount | null = null;

  constructor(text: string) {
    const at = text.indexOf(":");
    const prefix = text.slice(0, Math.max(0, at));
    this.text = text;
    this.sort = sorts.find((sort) => sort === prefix) ?? null;
    this.words = hasWords(this.sort) ? [text.slice(at + 1)] : none;
    this.observer = this.sort === "source" ? observerOf(text.slice(at + 1)) : null;
  }

  times(count: number): TagCount {
    for (let one = this.#counts; one; one = one.next) if (one.count === count) return one;
    const counted = { tag: this, count, next: this.#counts };
    if (count <= sharedCountMax) this.#counts = counted;
    return counted;
  }
}

/** Of the others nobody asks for more than whether they are there. */
function hasWords(sort: TagSort | null): boolean {
  return sort === "flag" || sort === "src_principal" || sort === "dst_principal";
}

function observerOf(word: string): Observer {
  const at = word.indexOf("|");
  const kind = word.slice(0, at) as SourceKind; // `sourceTag` wrote it
  return { kind, key: word.slice(at + 1) };
}

const none: readonly never[] = [];
