/**
 * What the collector's file exporter writes with `format: json`: one OTLP/JSON request per line. Lines do
 * not tell when they arrived, so a request arrives at its own newest time, and never before the one
 * above it: that is when its sender had it all.
 *
 * Source: https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/fileexporter
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Signal } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { jsonToProtobuf } from "../receive/otlp-json.ts";
import { fileTrouble, UserError } from "./io.ts";
import { readRecording, recordedBodyMax, type RecordedRequest } from "./recording.ts";

const signalOf: Readonly<Record<string, Signal>> = {
  resourceSpans: Signal.traces,
  resourceMetrics: Signal.metrics,
  resourceLogs: Signal.logs,
};

/** Of the file exporter's lines the request's one field comes first. */
const firstKey = /^\s*\{\s*"(resourceSpans|resourceMetrics|resourceLogs)"/;
const times = /"\w*[tT]imeUnixNano"\s*:\s*"?(\d{1,20})/g;
const nsPerUs = 1_000n;

/** The requests of a file of either kind, told apart by its first byte. */
export async function* readRequests(path: string): AsyncGenerator<RecordedRequest> {
  yield* (await beginsAsJson(path)) ? readJsonLines(path) : readRecording(path);
}

/** False also where it cannot be read: whoever reads it next says why. */
async function beginsAsJson(path: string): Promise<boolean> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead > 0 && buffer[0] === 0x7b;
  } catch {
    return false;
  }
}

/** Throws with the line that is not as it should be, after every request above it. */
async function* readJsonLines(path: string): AsyncGenerator<RecordedRequest> {
  const input = createReadStream(path);
  const failed = new Promise<never>((_, reject) => input.once("error", reject));
  failed.catch(() => {}); // told by the loop below
  const lines = createInterface({ input, crlfDelay: Infinity });
  let number = 0;
  let receivedUs: Us = 0;
  try {
    for await (const line of lines) {
      number++;
      if (line.trim() === "") continue;
      const { signal, body } = readLine(path, number, line);
      receivedUs = Math.max(receivedUs, newestUs(line));
      yield { receivedUs, signal, body };
    }
    if (input.errored) throw input.errored;
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`cannot read "${path}": ${fileTrouble(cause)}`);
  }
}

function readLine(
  path: string,
  number: number,
  line: string,
): Pick<RecordedRequest, "signal" | "body"> {
  const fail = (why: string) => new UserError(`cannot read "${path}": line ${number}: ${why}`);
  const signal = signalOf[firstKey.exec(line)?.[1] ?? ""];
  if (signal === undefined) {
    const names = Object.keys(signalOf).join(", ");
    throw fail(`no OTLP request: its first key is none of ${names}`);
  }
  const transcoded = jsonToProtobuf(Buffer.from(line), signal, recordedBodyMax);
  if (transcoded.ok) return { signal, body: new Uint8Array(transcoded.body) };
  throw fail(transcoded.isTooLarge ? `more than ${recordedBodyMax} bytes` : transcoded.why);
}

/** 0 where it names no time. */
function newestUs(line: string): Us {
  let newest = 0n;
  for (const [, digits = "0"] of line.matchAll(times)) {
    const ns = BigInt(digits);
    if (ns > newest) newest = ns;
  }
  return Number(newest / nsPerUs);
}
