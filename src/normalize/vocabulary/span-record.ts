/** What every span says alike, whoever wrote it: its times and its place in a trace. */
import type { TracesView } from "../../decode/views.ts";
import type { SpanHalf } from "../../model/observations.ts";
import { halvesToNanos, halvesToUs, isUsableTime } from "../times.ts";
import type { RecordAt } from "../vocabulary.ts";

/** OTLP's span kinds that are one half of a call. */
export const server = 2;
export const client = 3;

/** Falco's alerts come as spans under this scope, whatever else they say: they are nobody's call. */
export const falcoScope = "falco-event";

/** OTLP's status code of an error. */
export const errorStatus = 2;

const maxSpanUs = 86_400_000_000;

type SpanRecord = Pick<
  SpanHalf,
  "timeUs" | "nanos" | "traceId" | "spanId" | "parentSpanId" | "durationUs"
>;

/** Times and ids of one span; the receive time stands for a start that cannot be. */
export function readSpan({ view, index, context }: RecordAt<TracesView>): SpanRecord {
  const { spans, bytes } = view;
  const [low, high] = [spans.startLow[index] ?? 0, spans.startHigh[index] ?? 0];
  const startUs = halvesToUs(low, high);
  const isTimed = isUsableTime(startUs, context.receivedUs);
  return {
    timeUs: isTimed ? startUs : context.receivedUs,
    nanos: isTimed ? halvesToNanos(low, high) : 0,
    traceId: idText(bytes, spans.traceIdStart[index], spans.traceIdEnd[index]),
    spanId: idText(bytes, spans.spanIdStart[index], spans.spanIdEnd[index]),
    parentSpanId: idText(bytes, spans.parentSpanIdStart[index], spans.parentSpanIdEnd[index]),
    durationUs: durationOf(view, index, startUs),
  };
}

/** 0 for a span that ends before it starts or lasts longer than a day: two clocks, or none. */
function durationOf(view: TracesView, index: number, startUs: number): number {
  const endUs = halvesToUs(view.spans.endLow[index] ?? 0, view.spans.endHigh[index] ?? 0);
  const duration = endUs - startUs;
  return duration >= 0 && duration <= maxSpanUs ? duration : 0;
}

/** Ids as hex text; a valid one has 16 or 8 bytes, a longer one is cut. */
function idText(bytes: Buffer, start = 0, end = 0): string {
  return bytes.toString("hex", start, Math.min(end, start + 16));
}

/** What many spans say alike, as one object for equal texts; forgetting it costs memory only. */
export class Remembered<Value> {
  readonly #max: number;
  readonly #known = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get(text: string): Value | undefined {
    return this.#known.get(text);
  }

  /** When it is full, it starts anew. */
  set(text: string, value: Value): Value {
    if (this.#known.size >= this.#max) this.#known.clear();
    this.#known.set(text, value);
    return value;
  }
}
