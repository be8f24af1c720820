/** Facts of a resource, read once per distinct resource and kept by its bytes. */
import { anyValueToJson } from "../decode/any-value.ts";
import { readText } from "../decode/text.ts";
import { ValueKind, type AnyValues, type Attributes, type Resources } from "../decode/views.ts";
import { pairsToText } from "../lib/pairs-text.ts";
import type { SourceRef } from "../model/observations.ts";
import { valueText } from "./attributes.ts";
import { originAttribute, type Sources } from "./sources.ts";

/** Non-empty attributes by name. */
export type Pairs = ReadonlyMap<string, string>;

export interface Resource {
  /** Process-local, never reused: equal ids are an equal resource. */
  readonly id: number;
  readonly pairs: Pairs;
  /** The pairs as one text, the same for every order of the attributes. */
  readonly canonical: string;
  /** Who handed it on, null = nobody says so; no part of the pairs, since the way is no identity. */
  readonly collector: SourceRef | null;
  /** What it is called there, as it was sent; "" = nobody says. */
  readonly origin: string;
}

/** No honest label set comes near; a longer one is cut, the same way each time. */
const maxPairs = 512;
/** Larger resources are read each time instead of being kept. */
const maxKeptBytes = 16_384;
/** All kept resources together; about 30,000 ordinary ones. Beyond, the cache starts anew. */
const maxCacheBytes = 16 << 20;

/** Non-empty attributes as text; nested values as JSON. The last of a repeated key counts. */
export function readPairs(
  bytes: Buffer,
  attributes: Attributes,
  start: number,
  end: number,
): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let index = start; index < end && pairs.size < maxPairs; index++) {
    const key = readText(bytes, attributes.keyStart[index] ?? 0, attributes.keyEnd[index] ?? 0);
    const value = pairText(bytes, attributes, index);
    if (value === "") pairs.delete(key);
    else pairs.set(key, value);
  }
  return pairs;
}

function pairText(bytes: Buffer, values: AnyValues, index: number): string {
  switch (values.kind[index] ?? ValueKind.empty) {
    case ValueKind.array:
    case ValueKind.kvlist:
    case ValueKind.bytes:
      return JSON.stringify(anyValueToJson(bytes, values, index)) ?? "";
    default:
      return valueText(bytes, values, index, Number.MAX_SAFE_INTEGER);
  }
}

export class ResourceCache {
  readonly #byBytes = new Map<string, Resource>();
  #cachedBytes = 0;
  #nextId = 0;
  /** The resource looked at last in this request: what follows it mostly has the same. */
  #lastIndex = -1;
  #last: Resource | null = null;
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** To be called before each request: its bytes are new even if its buffer is not. */
  begin(): void {
    this.#lastIndex = -1;
    this.#last = null;
  }

  of(bytes: Buffer, attributes: Attributes, resources: Resources, index: number): Resource {
    if (index === this.#lastIndex && this.#last) return this.#last;
    this.#lastIndex = index;
    this.#last = this.#find(bytes, attributes, resources, index);
    return this.#last;
  }

  #find(bytes: Buffer, attributes: Attributes, resources: Resources, index: number): Resource {
    const start = resources.start[index] ?? 0;
    const end = resources.end[index] ?? 0;
    const key = bytes.toString("latin1", start, end);
    const known = this.#byBytes.get(key);
    if (known) return known;
    const pairs = readPairs(
      bytes,
      attributes,
      resources.attrStart[index] ?? 0,
      resources.attrEnd[index] ?? 0,
    );
    const origin = pairs.get(originAttribute) ?? "";
    const collector = this.#sources.collector(origin);
    pairs.delete(originAttribute);
    const canonical = pairsToText(pairs);
    const resource = { id: this.#nextId++, pairs, canonical, collector, origin };
    if (key.length <= maxKeptBytes) this.#keep(key, resource);
    return resource;
  }

  #keep(key: string, resource: Resource): void {
    this.#cachedBytes += key.length + 64;
    if (this.#cachedBytes > maxCacheBytes) {
      this.#byBytes.clear();
      this.#cachedBytes = key.length;
    }
    this.#byBytes.set(key, resource);
  }
}
