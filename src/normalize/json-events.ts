/**
 * Events that a program writes as lines of JSON, in every form in which a collector hands them on: the
 * line as text, parsed into the body, or parsed into attributes. Nothing is parsed before its size is
 * known and its beginning looks like the program's; what is no such event is left to other vocabularies.
 */
import { anyValueToJson } from "../decode/any-value.ts";
import { ValueKind, type LogsView } from "../decode/views.ts";
import type { TextInterner } from "../lib/interner.ts";
import { AttributeSlots, valueText } from "./attributes.ts";
import { parseJsonObject, type Json } from "./json.ts";
import type { DropReason } from "./tally.ts";
import type { RecordAt } from "./vocabulary.ts";

const maxEventLength = 262_144;
/** The keys by which an event is known stand this early in it. */
const headLength = 512;

export interface EventShape {
  /** Top-level keys of the event; what stands under others is not put together again. */
  readonly keys: readonly string[];
  /** Keys of which an event has at least one; in a line of text it stands early. */
  readonly marks: readonly string[];
  /** Whether parsed values are such an event. */
  isOne(event: Json): boolean;
}

/** `null`: of another program. A fault is of this one, and to be counted. */
export type EventRead =
  | { readonly event: Json }
  | { readonly fault: Extract<DropReason, "bad_json" | "too_long"> }
  | null;

export class JsonEvents {
  readonly #shape: EventShape;
  readonly #slots: AttributeSlots;
  readonly #quoted: readonly string[];

  constructor(shape: EventShape, interner: TextInterner) {
    this.#shape = shape;
    this.#quoted = shape.marks.map((mark) => `"${mark}"`);
    this.#slots = new AttributeSlots(shape.keys, interner);
  }

  read({ view, index }: RecordAt<LogsView>): EventRead {
    const { records, bytes, attributes, bodies } = view;
    const attrEnd = records.attrEnd[index] ?? 0;
    this.#slots.read(bytes, attributes, records.attrStart[index] ?? 0, attrEnd);
    const spread = this.#fromAttributes(view);
    if (spread !== null) return { event: spread };
    const body = records.body[index] ?? -1;
    if (body < 0) return null;
    if (bodies.kind[body] === ValueKind.kvlist) {
      if (!this.#isMarked(bytes.subarray(bodies.start[body] ?? 0, bodies.end[body] ?? 0)))
        return null;
      const event = anyValueToJson(bytes, bodies, body);
      return this.#shape.isOne(event) ? { event } : null;
    }
    if (bodies.kind[body] !== ValueKind.string) return null;
    const head = valueText(bytes, bodies, body, headLength);
    if (!head.startsWith("{") || !this.#quoted.some((mark) => head.includes(mark))) return null;
    return this.#parsed(valueText(bytes, bodies, body, maxEventLength + 1));
  }

  /** Opening the object of another source only to find no key of ours would cost more than reading it. */
  #isMarked(body: Buffer): boolean {
    return this.#shape.marks.some((mark) => body.includes(mark));
  }

  #parsed(text: string): EventRead {
    if (text.length > maxEventLength) return { fault: "too_long" };
    const event = parseJsonObject(text, maxEventLength);
    if (event === null) return { fault: "bad_json" };
    return this.#shape.isOne(event) ? { event } : null;
  }

  /** The event that the collector spread over attributes, put together again. */
  #fromAttributes({ bytes, attributes }: LogsView): Json {
    let event: Record<string, unknown> | null = null;
    for (const key of this.#shape.keys) {
      const index = this.#slots.index(key);
      if (index < 0) continue;
      event ??= {};
      event[key] = anyValueToJson(bytes, attributes, index);
    }
    return event !== null && this.#shape.isOne(event) ? event : null;
  }
}
