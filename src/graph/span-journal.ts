/**
 * Span halves as bytes for the journal: what they say alike once, what is each one's own in three numbers
 * and its ids. The container is `journal.ts`'s; this file knows what is in it.
 *
 *   texts = [JSON of `Words`, all ids joined by commas: trace, span, parent, trace, …]
 *   row   = wording × 4 + (2 = denied) + (1 = error) | time | duration
 */
import type { SpanHalf } from "../model/observations.ts";
import { makeBlob, parseJson, failJournal, spanMagic, type OpenBlob } from "./journal-blob.ts";
import type { Half, Wording } from "./span-groups.ts";

interface Words {
  readonly pods: readonly SpanHalf["self"][];
  readonly peers: readonly SpanHalf["peer"][];
  readonly sources: readonly SpanHalf["source"][];
  readonly wordings: readonly (readonly [
    pod: number,
    peer: number,
    source: number,
    side: SpanHalf["side"],
    port: number,
    protocol: string,
    route: SpanHalf["route"],
    responseFlags: string,
    proxyRole: string,
    /** Among the peers, -1 = nobody but the reporter called. */
    caller: number,
  ])[];
}

const rowNumbers = 3;

export function encodeSpans(halves: readonly Half[]): Uint8Array {
  const wordings = new Numbered<Wording>();
  const rows = new Float64Array(halves.length * rowNumbers);
  const ids: string[] = [];
  let at = 0;
  for (const half of halves) {
    const bits = (half.isDenied ? 2 : 0) + (half.isError ? 1 : 0);
    rows[at++] = wordings.numberOf(half.wording) * 4 + bits;
    rows[at++] = half.timeUs;
    rows[at++] = half.durationUs;
    ids.push(half.traceId, half.spanId, half.parentSpanId);
  }
  const words = wordsOf(wordings.items);
  return makeBlob(spanMagic, [JSON.stringify(words), ids.join(",")], rows);
}

function wordsOf(wordings: readonly Wording[]): Words {
  const pods = new Numbered<Wording["self"]>();
  const peers = new Numbered<Wording["peer"]>();
  const sources = new Numbered<Wording["source"]>();
  const rows = wordings.map(
    ({ self, peer, source, side, port, protocol, route, responseFlags, proxyRole, caller }) =>
      [
        pods.numberOf(self),
        peers.numberOf(peer),
        sources.numberOf(source),
        side,
        port,
        protocol,
        route,
        responseFlags,
        proxyRole,
        caller ? peers.numberOf(caller) : -1,
      ] as const,
  );
  return { pods: pods.items, peers: peers.items, sources: sources.items, wordings: rows };
}

/** What counting needs of each half; equal words are the same objects again. */
export function decodeSpans({ texts, rows }: OpenBlob): SpanHalf[] {
  const { pods, peers, sources, wordings } = parseJson(texts[0] ?? "") as Words; // checked as ours
  const ids = (texts[1] ?? "").split(",");
  if (rows.length % rowNumbers !== 0 || (rows.length > 0 && ids.length !== rows.length)) {
    failJournal("its spans and their ids are not as many");
  }
  const halves: SpanHalf[] = [];
  for (let at = 0; at < rows.length; at += rowNumbers) {
    const bits = rows[at] ?? -1;
    const wording = wordings[Math.floor(bits / 4)];
    const [self, peer] = [pods[wording?.[0] ?? -1], peers[wording?.[1] ?? -1]];
    const source = sources[wording?.[2] ?? -1];
    if (!wording || !self || !peer || !source) failJournal("a span's words are missing");
    const [, , , side, port, protocol, route, responseFlags, proxyRole, by] = wording;
    const caller = peers[by];
    halves.push({
      kind: "span_half",
      self,
      peer,
      source,
      side,
      port,
      protocol,
      route,
      responseFlags,
      traceId: ids[at] ?? "",
      spanId: ids[at + 1] ?? "",
      parentSpanId: ids[at + 2] ?? "",
      timeUs: rows[at + 1] ?? 0,
      durationUs: rows[at + 2] ?? 0,
      isError: (bits & 1) !== 0,
      isDenied: (bits & 2) !== 0,
      nanos: 0,
      trust: "claimed",
      proxyRole,
      ...(caller ? { caller } : {}),
      requestId: "",
    });
  }
  return halves;
}

/** Things in the order in which they were first met. */
class Numbered<Item> {
  readonly #numbers = new Map<Item, number>();

  get items(): Item[] {
    return [...this.#numbers.keys()];
  }

  numberOf(item: Item): number {
    let number = this.#numbers.get(item);
    if (number === undefined) this.#numbers.set(item, (number = this.#numbers.size));
    return number;
  }
}
