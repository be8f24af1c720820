/**
 * Moves every time in an OTLP request by the same amount, in place: OTLP's own time fields, RFC 3339
 * texts in log bodies and attributes (access logs, JSON events), and integers that are plainly
 * nanoseconds of our century (flow records). No length changes, so no message has to be rebuilt. Zero
 * stays zero: it means "not given".
 */
import { Signal } from "../model/stages.ts";

/** What to do with a field of a message: look inside, or shift. `value` is an AnyValue. */
type Step = Shape | "time" | "value" | "integer";
interface Shape {
  [field: number]: Step;
}

const exemplar: Shape = { 2: "time" };
const numbers: Shape = { 1: { 2: "time", 3: "time", 5: exemplar } };
const histograms: Shape = { 1: { 2: "time", 3: "time", 8: exemplar } };
const exponential: Shape = { 1: { 2: "time", 3: "time", 11: exemplar } };
const summaries: Shape = { 1: { 2: "time", 3: "time" } };
const keyValue: Shape = { 2: "value" };

const metric: Shape = { 5: numbers, 7: numbers, 9: histograms, 10: exponential, 11: summaries };
const span: Shape = { 7: "time", 8: "time", 9: keyValue, 11: { 1: "time" } };
const logRecord: Shape = { 1: "time", 11: "time", 5: "value", 6: keyValue };

/** request → resource_… → scope_… → item, fields 1, 2, 2 in all three signals. */
const request: Readonly<Record<Signal, Shape>> = {
  [Signal.metrics]: { 1: { 2: { 2: metric } } },
  [Signal.traces]: { 1: { 2: { 2: span } } },
  [Signal.logs]: { 1: { 2: { 2: logRecord } } },
};

/** The integers of an AnyValue, however deep in arrays and maps. */
const integers: Shape = { 3: "integer" };
integers[5] = { 1: integers };
integers[6] = { 1: { 2: integers } };

const nsPerMs = 1_000_000n;
const earliestNs = 1_000_000_000_000_000_000n; // September 2001
const latestNs = 4_000_000_000_000_000_000n; // October 2096
const timeText = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z/g;

/** Shifts all times of `body` by `byMs`; throws when it is not protobuf. */
export function shiftTimes(signal: Signal, body: Buffer, byMs: number): void {
  new Shifter(body, byMs).message(request[signal], 0, body.length);
}

class Shifter {
  readonly #bytes: Buffer;
  readonly #byMs: number;
  readonly #byNs: bigint;
  #at = 0;

  constructor(bytes: Buffer, byMs: number) {
    this.#bytes = bytes;
    this.#byMs = Math.round(byMs);
    this.#byNs = BigInt(this.#byMs) * nsPerMs;
  }

  message(shape: Shape, start: number, end: number): void {
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint();
      this.#field(shape[Number(tag >> 3n)], Number(tag & 7n));
    }
  }

  #field(step: Step | undefined, wireType: number): void {
    const start = this.#at;
    switch (wireType) {
      case 0:
        return this.#integer(step);
      case 1:
        this.#at += 8;
        if (step === "time") this.#time(start);
        return;
      case 2:
        return this.#delimited(step);
      case 5:
        this.#at += 4;
        return;
      default:
        throw new Error(`cannot shift times: wire type ${wireType} at byte ${start}`);
    }
  }

  #delimited(step: Step | undefined): void {
    const length = Number(this.#varint());
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw new Error(`cannot shift times: cut off at byte ${start}`);
    if (step === "value") this.#value(start, end);
    else if (typeof step === "object") this.message(step, start, end);
    this.#at = end;
  }

  /** All texts of the value at once, as they stand between the bytes; then its integers. */
  #value(start: number, end: number): void {
    const text = this.#bytes.toString("latin1", start, end);
    for (const match of text.matchAll(timeText)) this.#text(start + match.index, match[0]);
    this.message(integers, start, end);
  }

  #time(at: number): void {
    const ns = this.#bytes.readBigUInt64LE(at);
    if (ns >= earliestNs) this.#bytes.writeBigUInt64LE(ns + this.#byNs, at);
  }

  #integer(step: Step | undefined): void {
    const start = this.#at;
    const value = this.#varint();
    if (step !== "integer" || value < earliestNs || value > latestNs) return;
    // All integers of this range take nine bytes.
    let rest = value + this.#byNs;
    for (let at = start; at < this.#at; at++) {
      this.#bytes[at] = Number(rest & 0x7fn) | (at < this.#at - 1 ? 0x80 : 0);
      rest >>= 7n;
    }
  }

  #text(at: number, text: string): void {
    const fraction = /\.(\d+)Z$/.exec(text)?.[1] ?? "";
    const shifted = new Date(Date.parse(text) + this.#byMs);
    if (Number.isNaN(shifted.getTime())) return;
    const below = fraction.length > 3 ? fraction.slice(3) : "";
    const head = shifted.toISOString().slice(0, 19);
    const digits = (shifted.toISOString().slice(20, 23) + below).slice(0, fraction.length);
    this.#bytes.write(`${head}${fraction === "" ? "" : `.${digits}`}Z`, at, "latin1");
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error(`cannot shift times: bad varint at byte ${this.#at}`);
  }
}
