/**
 * Entry of the engine thread: connects the host to the ports of io and store, and to time. Everything it
 * decides is decided in `engine/`.
 */
import { parentPort, workerData } from "node:worker_threads";
import { EngineHost } from "../engine/host.ts";
import { Pipeline } from "../engine/pipeline.ts";
import { pipelineOptions } from "../engine/options.ts";
import { assert } from "../lib/assert.ts";
import { systemClock } from "../lib/clock.ts";
import type { Trust } from "../model/observations.ts";
import type { Answer, Encoding } from "../model/requests.ts";
import type { RedoRow, Restored, WriteSet } from "../model/rows.ts";
import type { Signal } from "../model/stages.ts";
import { usPerSecond } from "../model/time.ts";
import { inflate } from "../receive/inflate.ts";
import { loadRules } from "../rules/load.ts";
import type { EngineWorkerData, FromEngine, ToEngine } from "./engine-messages.ts";
import type { FromStore, ToStore } from "./store-messages.ts";

const tickMs = 100;
const countersMs = 1_000;

assert(parentPort, "the engine runs as a worker thread");
const io = parentPort;
const { config, ruleFiles, storePort, poison } = workerData as EngineWorkerData; // set by EngineClient

const loaded = loadRules(ruleFiles);
assert(
  loaded.diagnostics.every((diagnostic) => diagnostic.severity !== "error"),
  "io hands over rule files that it has checked",
);
const pipeline = new Pipeline(pipelineOptions(config, loaded.rules), { push() {} });

/** Answers of one loop turn travel in one message. */
let answers: { id: number; answer: Answer }[] = [];
let isStopping = false;
let isCommitScheduled = false;

const host = new EngineHost(
  pipeline,
  {
    answer(id, answer) {
      if (answers.length === 0) setImmediate(sendAnswers);
      answers.push({ id, answer });
    },
    commit(writeSet: WriteSet) {
      send(storePort, { kind: "commit", writeSet });
    },
    trouble(what, error) {
      tell({ kind: "trouble", what, error: describe(error) });
    },
    broken(poisonous, error) {
      sendAnswers();
      tell({ kind: "broken", poison: poisonous, error: describe(error) });
    },
    storeLost(why) {
      sendAnswers();
      tell({ kind: "store_lost", why });
    },
  },
  poison,
);

storePort.on("message", (message: FromStore) => {
  const nowUs = systemClock.nowUs();
  // What else the store says concerns io, which hears it itself.
  if (message.kind === "loaded") start(message.rows);
  if (message.kind === "committed") {
    host.committed(message.seq, nowUs);
    tell({ kind: "committed", seconds: message.durationUs / usPerSecond });
    scheduleCommit();
  }
  if (message.kind === "trouble" && message.what === "load") throw new Error(message.message);
  if (message.kind === "failed") host.commitFailed(message.seq, message, nowUs);
  stopWhenIdle();
});
send(storePort, { kind: "load" });

function start(rows: Restored): void {
  pipeline.restore(rows);
  for (const row of rows.redo) redo(row);
  io.on("message", (message: ToEngine) => {
    if (message.kind === "stop") {
      isStopping = true;
      host.commit(systemClock.nowUs(), true);
      return stopWhenIdle();
    }
    host.request(message.id, message.request, systemClock.nowUs());
    return scheduleCommit();
  });
  setInterval(() => {
    host.tick(systemClock.nowUs());
    stopWhenIdle();
  }, tickMs);
  setInterval(() => tell({ kind: "counters", samples: host.counters() }), countersMs);
  tell({ kind: "counters", samples: host.counters() });
  tell({ kind: "ready" });
}

/** Applies a request that an earlier process took in and had not yet written out as rows. */
function redo({ signal, receivedUs, trust, encoding, body }: RedoRow): void {
  const stored = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // The engine itself wrote the row: it was inflated and applied before, under the same limits.
  const inflated = inflate(stored, encoding as Encoding, stored.length * 1_032 + 1_024);
  if (!inflated.ok) return tell({ kind: "trouble", what: "a stored request", error: inflated.why });
  try {
    const request = { signal: signal as Signal, hash: "", receivedUs, trust: trust as Trust };
    pipeline.redo({ ...request, body: Buffer.from(inflated.body) });
  } catch (error) {
    tell({ kind: "trouble", what: "a stored request is lost", error: describe(error) });
  }
}

/** Once the requests that stand in line now have been read. */
function scheduleCommit(): void {
  if (isCommitScheduled) return;
  isCommitScheduled = true;
  setImmediate(() => {
    isCommitScheduled = false;
    host.commit(systemClock.nowUs());
  });
}

function stopWhenIdle(): void {
  if (!isStopping || !host.isIdle) return;
  if (host.hasRedo) return host.commit(systemClock.nowUs(), true);
  sendAnswers();
  tell({ kind: "counters", samples: host.counters() });
  tell({ kind: "stopped" });
}

function sendAnswers(): void {
  if (answers.length > 0) tell({ kind: "answers", answers });
  answers = [];
}

function tell(message: FromEngine): void {
  io.postMessage(message);
}

function send(port: { postMessage(message: ToStore): void }, message: ToStore): void {
  port.postMessage(message);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `; caused by ${error.cause.stack}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
