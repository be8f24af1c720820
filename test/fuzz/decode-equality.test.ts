/** The decoders read what protobufjs reads, whatever the sender's field order. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeToPlain } from "../support/decoders.ts";
import { requestArbitrary } from "../support/otlp-arbitrary.ts";
import { bytesToPlain, requestTypes } from "../support/otlp-oracle.ts";
import type { SignalName } from "../support/otlp-oracle.ts";
import { readRecording, recordingPaths } from "../support/recordings.ts";
import { makeRandom, reorder, scramble } from "../support/wire.ts";

const signals: SignalName[] = ["metrics", "traces", "logs"];

function checkEqual(signal: SignalName, bytes: Buffer): void {
  const decoded = decodeToPlain(signal, bytes);
  const actual = decoded.ok ? decoded.plain() : decoded;
  const expected = bytesToPlain(signal, bytes);
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

test.each(signals)("generated requests: %s", (signal) => {
  const type = requestTypes[signal];
  const property = fc.property(requestArbitrary(signal), fc.integer(), (bytes, seed) => {
    for (const order of ["ascending", "descending"] as const) {
      checkEqual(signal, reorder(type, bytes, order));
    }
    checkEqual(signal, scramble(type, bytes, makeRandom(seed)));
  });
  fc.assert(property, { numRuns: 800 });
});

test.each(recordingPaths())("recording %s", (recording) => {
  const random = makeRandom(1);
  for (const { signal, body } of readRecording(recording)) {
    const type = requestTypes[signal];
    checkEqual(signal, body);
    checkEqual(signal, reorder(type, body, "ascending"));
    checkEqual(signal, reorder(type, body, "descending"));
    checkEqual(signal, scramble(type, body, random));
  }
});
