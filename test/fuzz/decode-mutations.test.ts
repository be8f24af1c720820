/**
 * Damaged requests: never more than an error value. What is refused protobufjs refuses too, and what is
 * still accepted means the same to it. A failure shows the bytes.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { DecodeError } from "../../src/decode/views.ts";
import { decodeToPlain, differenceFromOracle } from "../support/decoders.ts";
import { requestArbitrary } from "../support/otlp-arbitrary.ts";
import { requestTypes } from "../support/otlp-oracle.ts";
import type { SignalName } from "../support/otlp-oracle.ts";
import { readRecording, recordingPaths } from "../support/recordings.ts";
import { makeRandom, reorder } from "../support/wire.ts";

interface Sample {
  readonly signal: SignalName;
  readonly body: Buffer;
}

const mutationsPerSignal = 8_000;
/** Bigger recorded requests only repeat what smaller ones have, and cost the oracle's time. */
const sampleMaxBytes = 6_000;

function recordedSamples(): Sample[] {
  return recordingPaths()
    .flatMap(readRecording)
    .filter(({ body }) => body.length <= sampleMaxBytes);
}

function generatedSamples(signal: SignalName): Sample[] {
  const bodies = fc.sample(requestArbitrary(signal), { numRuns: 200, seed: 7 });
  return bodies
    .filter((body) => body.length > 0)
    .map((body, at) => ({
      signal,
      body: reorder(requestTypes[signal], body, at % 2 ? "ascending" : "descending"),
    }));
}

type Random = (below: number) => number;
type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const mutations: Readonly<Record<string, Mutation>> = {
  flipBit(bytes, random) {
    const at = random(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    return bytes;
  },
  setByte(bytes, random) {
    bytes[random(bytes.length)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)] ?? 0;
    return bytes;
  },
  truncate: (bytes, random) => bytes.subarray(0, random(bytes.length)),
  cutOut(bytes, random) {
    const start = random(bytes.length);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + 1 + random(20))]);
  },
  insert(bytes, random) {
    const at = random(bytes.length);
    const inserted = Buffer.from(Array.from({ length: 1 + random(12) }, () => random(256)));
    return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
  },
  splice(bytes, random, other) {
    return Buffer.concat([
      bytes.subarray(0, random(bytes.length)),
      other.subarray(random(other.length)),
    ]);
  },
  /** A length, or what may be one, that claims up to 2^35 bytes. */
  lieAboutLength(bytes, random) {
    const at = random(bytes.length);
    const length = Buffer.concat([Buffer.alloc(random(5), 0xff), Buffer.from([random(128)])]);
    return Buffer.concat([bytes.subarray(0, at), length, bytes.subarray(at + 1)]);
  },
  repeat(bytes, random) {
    const start = random(bytes.length);
    const stop = start + random(bytes.length - start);
    return Buffer.concat([bytes.subarray(0, stop), bytes.subarray(start)]);
  },
};

const codes = ["truncated", "bad_varint", "bad_tag", "too_deep", "too_large"];

/** What is wrong with the error, or "". */
function problemOfError(signal: SignalName, bytes: Buffer, error: DecodeError): string {
  if (!codes.includes(error.code)) return `unknown code ${error.code}`;
  if (!/^cannot decode [A-Za-z.]+: [a-z0-9]/.test(error.message)) return error.message;
  if (!(error.offset >= 0 && error.offset <= bytes.length)) return `offset ${error.offset}`;
  const isStricter =
    error.message.endsWith("the end of another group") || error.code === "too_deep";
  return isStricter || isRefusedByOracle(signal, bytes) ? "" : `refused: ${error.message}`;
}

/** protobufjs does not look which group ends, and nests deeper; else it refuses what the decoders refuse. */
function isRefusedByOracle(signal: SignalName, bytes: Buffer): boolean {
  try {
    requestTypes[signal].decode(bytes);
    return false;
  } catch {
    return true;
  }
}

const recorded = recordedSamples();

test.each(["metrics", "traces", "logs"] as const)("damaged %s", (signal) => {
  const ofSignal = recorded.filter((sample) => sample.signal === signal);
  const samples = [...ofSignal, ...generatedSamples(signal)];
  const random = makeRandom(2_026);
  const below: Random = (limit) => Math.floor(random() * limit);
  const pick = (): Buffer => Buffer.from(samples[below(samples.length)]?.body ?? []);
  const kinds = Object.values(mutations);
  const problems: string[] = [];
  let accepted = 0;
  for (let run = 0; run < mutationsPerSignal; run++) {
    let bytes = pick();
    for (let left = 1 + below(3); left > 0 && bytes.length > 0; left--) {
      bytes = kinds[below(kinds.length)]?.(bytes, below, pick()) ?? bytes;
    }
    const decoded = decodeToPlain(signal, bytes);
    if (decoded.ok) accepted++;
    const problem = decoded.ok
      ? differenceFromOracle(signal, bytes)
      : problemOfError(signal, bytes, decoded);
    if (problem !== "") problems.push(`${problem} in ${bytes.toString("hex")}`);
  }
  expect(problems).toEqual([]);
  expect(accepted).toBeGreaterThan(mutationsPerSignal / 100);
  expect(accepted).toBeLessThan(mutationsPerSignal);
});
