/**
 * Turns what tests have into recordings for `replay`: the committed recordings of real software, and the
 * simulated mesh. Times can be moved, so that a recording reads as if it had ended just now.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { makeRecordingWriter, type RecordedRequest } from "../../src/cli/recording.ts";
import { shiftTimes } from "../../src/cli/shift-times.ts";
import { Signal } from "../../src/model/stages.ts";
import { usPerMs } from "../../src/model/time.ts";
import { bytesToPlain, type Plain } from "./otlp-oracle.ts";
import { readRecording } from "./recordings.ts";

/** `converted` of one of `recordingPaths()`: with the manifest's arrivals, or what the data tell. */
export function convertedRequests(recording: string): RecordedRequest[] {
  const arrivals = readArrivals(recording);
  let latestMs = 0;
  return readRecording(recording).map(({ signal, body }, index) => {
    latestMs = Math.max(latestMs, arrivals[index] ?? latestTimeMs(bytesToPlain(signal, body)));
    return { receivedUs: latestMs * usPerMs, signal: Signal[signal], body: new Uint8Array(body) };
  });
}

/** A second of the simulated mesh after the other, ending at `endMs`. */
export function simulatedRequests(seed: number, seconds: number, endMs: number): RecordedRequest[] {
  const simulation = new Simulation(seed);
  return Array.from({ length: seconds }, (_, second) => endMs - (seconds - second) * 1_000).flatMap(
    (atMs) =>
      simulation.tick(atMs).map(({ signal, bytes }) => ({
        receivedUs: atMs * usPerMs,
        signal,
        body: new Uint8Array(bytes),
      })),
  );
}

/** By arrival, moved so that the last one arrives at `endMs`. */
export function endingAt(requests: readonly RecordedRequest[], endMs: number): RecordedRequest[] {
  const inOrder = requests.toSorted((a, b) => a.receivedUs - b.receivedUs);
  const byMs = Math.floor(endMs - (inOrder.at(-1)?.receivedUs ?? 0) / usPerMs);
  return inOrder.map(({ receivedUs, signal, body }) => {
    const moved = Buffer.from(body);
    shiftTimes(signal, moved, byMs);
    return { receivedUs: receivedUs + byMs * usPerMs, signal, body: new Uint8Array(moved) };
  });
}

export async function writeRecording(
  file: string,
  requests: readonly RecordedRequest[],
): Promise<string> {
  await using writer = await makeRecordingWriter(file);
  for (const request of requests) await writer.write(request);
  return file;
}

/** Envoy's manifest alone has arrivals: one index over all files. */
interface Manifest {
  readonly first_unix_ms?: number;
  readonly index?: readonly { readonly file: string; readonly n: number; readonly t_ms: number }[];
}

function readArrivals(recording: string): number[] {
  const folder = path.join(import.meta.dirname, "../fixtures/recordings", path.dirname(recording));
  const text = readFileSync(path.join(folder, "manifest.json"), "utf8");
  const manifest = JSON.parse(text) as Manifest; // a committed fixture
  return (manifest.index ?? [])
    .filter(({ file }) => file === path.basename(recording))
    .toSorted((a, b) => a.n - b.n)
    .map(({ t_ms: sinceFirstMs }) => (manifest.first_unix_ms ?? 0) + sinceFirstMs);
}

/** The latest moment at which something in a request was measured or observed, 0 without any. */
function latestTimeMs(value: Plain): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return Math.max(0, ...value.map(latestTimeMs));
  return Object.entries(value).reduce((latest, [name, member]) => {
    const isTime = /^(time|observed_time|end_time)_unix_nano$/.test(name);
    return Math.max(latest, isTime ? Number(member) / 1e6 : latestTimeMs(member));
  }, 0);
}
