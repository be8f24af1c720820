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
import type { Answer, ReceivedRequest } from "../model/requests.ts";
import type { WriteSet } from "../model/rows.ts";
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
    broken(request: ReceivedRequest, error) {
      tell({ kind: "broken", poison: `${request.signal}:${request.hash}`, error: describe(error) });
    },
  },
  poison,
);

storePort.on("message", (message: FromStore) => {
  const nowUs = systemClock.nowUs();
  // What else the store says concerns io, which hears it itself.
  if (message.kind === "loaded") start(message.rows);
  if (message.kind === "committed") host.committed(message.seq, nowUs);
  if (message.kind === "failed") {
    tell({ kind: "trouble", what: `commit ${message.seq} failed`, error: message.message });
    host.commitFailed(message.seq, nowUs);
  }
  stopWhenIdle();
});
send(storePort, { kind: "load" });

function start(rows: Parameters<Pipeline["restore"]>[0]): void {
  pipeline.restore(rows);
  io.on("message", (message: ToEngine) => {
    if (message.kind === "stop") {
      isStopping = true;
      host.commit(systemClock.nowUs());
      return stopWhenIdle();
    }
    host.request(message.id, message.request, systemClock.nowUs());
    return scheduleCommit();
  });
  setInterval(() => host.tick(systemClock.nowUs()), tickMs);
  setInterval(() => tell({ kind: "counters", samples: host.counters() }), countersMs);
  tell({ kind: "counters", samples: host.counters() });
  tell({ kind: "ready" });
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
