/** `replay`: sends a recording to an engine, or evaluates it without one. */
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { insightToApi } from "../store/queries/insight-rows.ts";
import { Evaluator } from "./evaluate.ts";
import { UserError, type CliIo } from "./io.ts";
import { readConfig, readRules } from "./load.ts";
import { OtlpClient } from "./otlp-client.ts";
import { Progress } from "./progress.ts";
import { readRequests } from "./json-lines.ts";
import { shiftTimes } from "./shift-times.ts";

export interface ReplayOptions {
  readonly to: string;
  readonly eval?: boolean;
  /** 0 = as fast as it goes. */
  readonly speed: number;
  readonly originalTime?: boolean;
}

export async function runReplay(path: string, options: ReplayOptions, io: CliIo): Promise<number> {
  return options.eval === true ? evaluate(path, io) : send(path, options, io);
}

/** Insights as JSON lines on stdout, a summary on stderr. */
async function evaluate(path: string, io: CliIo): Promise<number> {
  const config = readConfig({ config: [], set: [] }, io);
  const { rules, waivers } = readRules(config);
  const evaluator = new Evaluator(config, rules, undefined, waivers);
  const progress = await startProgress(path, io);
  for await (const request of readRequests(path)) {
    evaluator.take(request);
    progress.add(request.body.byteLength);
  }
  progress.end();
  const { accepted, repeated, refused, insights } = evaluator.finish();
  for (const row of insights) {
    // The row as the store would give it back; it keeps booleans as numbers.
    const insight = insightToApi({ ...row, flapping: Number(row.flapping) });
    io.out(`${JSON.stringify(insight)}\n`);
  }
  io.error(`${accepted} requests evaluated, ${repeated} repeated, ${refused.length} refused\n`);
  for (const why of refused.slice(0, 10)) io.error(`  refused: ${why}\n`);
  return refused.length === 0 ? 0 : 1;
}

async function send(path: string, options: ReplayOptions, io: CliIo): Promise<number> {
  // At the recorded pace the first request is of now. All at once, the last one is: what is sent may
  // be old then, but nothing lies in the future, where no engine believes it.
  const nowInRecordingMs = options.speed > 0 ? null : await lastArrivalMs(path);
  using client = new OtlpClient(options.to);
  const progress = await startProgress(path, io);
  const startedMs = Date.now();
  let firstMs: number | null = null;
  let sent = 0;
  const refused: string[] = [];
  for await (const { receivedUs, signal, body } of readRequests(path)) {
    if (io.signal.aborted) break;
    const recordedMs = receivedUs / 1_000;
    firstMs ??= recordedMs;
    const dueMs = options.speed > 0 ? startedMs + (recordedMs - firstMs) / options.speed : 0;
    await sleep(Math.max(0, dueMs - Date.now()), undefined, { signal: io.signal }).catch(() => {});
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    if (options.originalTime !== true) {
      shiftTimes(signal, bytes, startedMs - (nowInRecordingMs ?? firstMs));
    }
    const result = await client.send(signal, bytes);
    if (result.ok) sent++;
    else if (result.code === "UNAVAILABLE") throw unreachable(options.to, result.message);
    else refused.push(`${result.code}: ${result.message}`);
    progress.add(bytes.length);
  }
  progress.end();
  io.error(`${sent} requests accepted by ${options.to}, ${refused.length} refused\n`);
  for (const why of refused.slice(0, 10)) io.error(`  refused: ${why}\n`);
  return refused.length === 0 ? 0 : 1;
}

/** Of the whole requests; what is wrong with the file is said when they have been sent. */
async function lastArrivalMs(path: string): Promise<number | null> {
  let lastMs: number | null = null;
  try {
    for await (const { receivedUs } of readRequests(path)) {
      lastMs = Math.max(lastMs ?? 0, receivedUs / 1_000);
    }
  } catch {
    // The second reading comes to the same place.
  }
  return lastMs;
}

function unreachable(address: string, why: string): UserError {
  return new UserError(
    `cannot send to ${address}: ${why}; is an engine running there? name another with --to`,
    1,
  );
}

async function startProgress(path: string, io: CliIo): Promise<Progress> {
  const info = await stat(path).catch(() => null); // reading says what is wrong with it
  return new Progress(io, info?.size ?? 0);
}
