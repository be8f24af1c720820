/**
 * Reads the recordings of `test/fixtures/recordings`: OTLP requests as real software sent them. Each
 * file holds, per request, its length (u32, little endian) and its bytes, in order of arrival; `.gz` as a whole.
 */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

type SignalName = "metrics" | "traces" | "logs";

export interface RecordedRequest {
  readonly signal: SignalName;
  readonly body: Buffer;
}

const folder = path.join(import.meta.dirname, "../fixtures/recordings");

/** All recordings, as paths that `readRecording` takes: `collector/gateway.bin`, … */
export function recordingPaths(): string[] {
  return ["access-log", "collector", "envoy", "kubernetes", "sdk"].flatMap((source) =>
    readdirSync(path.join(folder, source))
      .filter((name) => /\.(?:bin|bin\.gz|u32le)$/.test(name))
      .map((name) => `${source}/${name}`),
  );
}

/** The requests of one recording, with the signal that its manifest gives to each. */
export function readRecording(recording: string): RecordedRequest[] {
  const stored = readFileSync(path.join(folder, recording));
  const bodies = splitBodies(recording.endsWith(".gz") ? gunzipSync(stored) : stored);
  const signals = readSignals(recording, bodies.length);
  return bodies.map((body, at) => {
    const signal = signals[at];
    if (signal === undefined) throw new Error(`cannot read "${recording}": no signal for ${at}`);
    return { signal, body };
  });
}

function splitBodies(bytes: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let pos = 0; pos < bytes.length;) {
    const start = pos + 4;
    pos = start + bytes.readUInt32LE(pos);
    bodies.push(Buffer.from(bytes.subarray(start, pos)));
  }
  return bodies;
}

/** Both manifests name the signal per file; the collector's also per request. */
interface Manifest {
  files: Record<string, { signal: string; requests: number | { signal: SignalName }[] }>;
}

function readSignals(recording: string, count: number): SignalName[] {
  const manifestPath = path.join(folder, path.dirname(recording), "manifest.json");
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest; // a committed fixture
  const file = manifest.files[path.basename(recording)];
  if (file === undefined) throw new Error(`cannot read "${recording}": not in its manifest`);
  if (typeof file.requests !== "number") return file.requests.map((request) => request.signal);
  return Array.from({ length: count }, () => file.signal as SignalName); // of one of the three
}
