/** The decoders read what protobufjs reads, whatever the sender's field order. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { differenceFromOracle } from "../support/decoders.ts";
import { requestArbitrary } from "../support/otlp-arbitrary.ts";
import { requestTypes } from "../support/otlp-oracle.ts";
import type { SignalName } from "../support/otlp-oracle.ts";
import { readRecording, recordingPaths } from "../support/recordings.ts";
import { makeRandom, reorder, scramble } from "../support/wire.ts";

/** The request itself, in both orders, and with everything at once that protobuf allows. */
function variants(signal: SignalName, bytes: Buffer, seed: number): Buffer[] {
  const type = requestTypes[signal];
  return [
    bytes,
    reorder(type, bytes, "ascending"),
    reorder(type, bytes, "descending"),
    scramble(type, bytes, makeRandom(seed)),
  ];
}

test.each(["metrics", "traces", "logs"] as const)("generated requests: %s", (signal) => {
  const property = fc.property(requestArbitrary(signal), fc.integer(), (bytes, seed) => {
    for (const variant of variants(signal, bytes, seed)) {
      expect(differenceFromOracle(signal, variant)).toBe("");
    }
  });
  fc.assert(property, { numRuns: 700 });
});

test.each(recordingPaths())("recording %s", (recording) => {
  const requests = readRecording(recording);
  expect(requests.length).toBeGreaterThan(0);
  for (const [seed, { signal, body }] of requests.entries()) {
    for (const variant of variants(signal, body, seed)) {
      expect(differenceFromOracle(signal, variant)).toBe("");
    }
  }
});
