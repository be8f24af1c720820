/**
 * Entry of the engine thread: connects the host to the ports of io and store, and to time. Everything it
 * decides is decided in `engine/`.
 */
import { parentPort, workerData } from "node:worker_threads";
import { EngineHost, type HostOutputs } from "../engine/host.ts";
import { Pipeline, PrepareError } from "../engine/pipeline.ts";
import { pipelineOptions, ruleOptions } from "../engine/options.ts";
import { assert } from "../lib/assert.ts";
import { systemClock } from "../lib/clock.ts";
import type { Answer, Encoding, TransportName } from "../model/requests.ts";
import type { RedoRow, Restored, WriteSet } from "../model/rows.ts";
import type { Signal } from "../model/stages.ts";
import { usPerSecond } from "../model/time.ts";
import { inflate } from "../receive/inflate.ts";
import { loadRules } from "../rules/load.ts";
import { packWriteSet } from "../store/packed-rows.ts";
import { packedTables } from "../store/tables.ts";
import type { EngineWorkerData, FromEngine, ToEngine } from "./engine-messages.ts";
import type { FromStore, ToStore } from "./store-messages.ts";

const tickMs = 100;
const countersMs = 1_000;
/** It looks at every open insight and every namespace. */
const layersMs = 5_000;
/** As much as a receiver may be configured to accept. */
const storedBodyMax = 2 ** 31 - 1;

assert(parentPort, "the engine runs as a worker thread");
const io = parentPort;
const { config, ruleFiles, storePort, poison } = workerData as EngineWorkerData; // set by EngineClient

// Without a today: no waiver that was near enough to its end then is too far from it now.
const loaded = loadRules(ruleFiles, ruleOptions(config));
assert(
  loaded.diagnostics.every((diagnostic) => diagnostic.severity !== "error"),
  "io hands over rule files that it has checked",
);
const options = pipelineOptions(config, loaded.rules, loaded.waivers);

/** Answers of one loop turn travel in one message. */
let answers: { id: number; answer: Answer }[] = [];
let isStopping = false;
let isCommitScheduled = false;
let toldLayers = "";

const outputs: HostOutputs = {
  answer(id, answer) {
    if (answers.length === 0) setImmediate(sendAnswers);
    answers.push({ id, answer });
  },
  commit(writeSet: WriteSet) {
    const { rest, lists } = packWriteSet(writeSet, packedTables);
    send(storePort, { kind: "commit", writeSet: rest, lists });
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
};

storePort.once("message", (message: FromStore) => {
  if (message.kind === "trouble") throw new Error(message.message);
  assert(message.kind === "loaded", "the store answers in the order of asking");
  start(new EngineHost(restored(message.rows), outputs, poison));
});
send(storePort, { kind: "load" });

/**
 * A pipeline with everything that was committed. A stored request that breaks it is left out and told:
 * it has been acknowledged, but a start that failed on it for ever would lose all the others too.
 */
function restored(rows: Restored): Pipeline {
  const leftOut = new Set<number>();
  for (;;) {
    const pipeline = new Pipeline(options, { push() {} });
    pipeline.restore(rows);
    const broken = rows.redo.findIndex((row, at) => !leftOut.has(at) && !redo(pipeline, row));
    if (broken < 0) return pipeline;
    leftOut.add(broken);
  }
}

/**
 * Applies a request that an earlier process took in and had not yet written out as rows. False when the
 * pipeline can no longer be trusted; a request that cannot be read is told and harms nothing.
 */
function redo(pipeline: Pipeline, row: RedoRow): boolean {
  const { signal, receivedUs, listener, client, encoding, body } = row;
  const sender = { listener: listener as TransportName, client }; // written by this engine
  const stored = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // The engine itself wrote the row: it was inflated before, under the receiver's limit.
  const inflated = inflate(stored, encoding as Encoding, storedBodyMax);
  try {
    if (!inflated.ok) throw new PrepareError(`cannot inflate a stored request: ${inflated.why}`);
    const request = { signal: signal as Signal, hash: "", receivedUs, sender };
    pipeline.redo({ ...request, body: Buffer.from(inflated.body) });
    return true;
  } catch (error) {
    tell({ kind: "trouble", what: "a stored request is lost", error: describe(error) });
    return error instanceof PrepareError;
  }
}

function start(host: EngineHost): void {
  storePort.on("message", (message: FromStore) => {
    const nowUs = systemClock.nowUs();
    if (message.kind === "committed") {
      const delaysUs = host.committed(message.seq, nowUs);
      tell({ kind: "committed", seconds: message.durationUs / usPerSecond, delaysUs });
      scheduleCommit(host);
    }
    if (message.kind === "failed") host.commitFailed(message.seq, message, nowUs);
    stopWhenIdle(host);
  });
  io.on("message", (message: ToEngine) => {
    if (message.kind === "stop") {
      isStopping = true;
      host.commit(systemClock.nowUs(), true);
      return stopWhenIdle(host);
    }
    if (message.kind === "turned_away") {
      return host.turnedAway(message.signal, systemClock.nowUs());
    }
    if (message.kind === "health") return host.health(message.health, systemClock.nowUs());
    if (message.kind === "command") {
      return host.command(message.id, message.command, systemClock.nowUs());
    }
    host.request(message.id, message.request, systemClock.nowUs());
    return scheduleCommit(host);
  });
  setInterval(() => {
    host.tick(systemClock.nowUs());
    stopWhenIdle(host);
  }, tickMs);
  setInterval(() => {
    tell({ kind: "counters", samples: host.counters() });
    for (const fault of host.takeRuleFaults()) tell({ kind: "rule_fault", fault });
  }, countersMs);
  setInterval(() => tellLayers(host), layersMs);
  tellLayers(host);
  tell({ kind: "counters", samples: host.counters() });
  tell({ kind: "ready" });
}

function tellLayers(host: EngineHost): void {
  const json = JSON.stringify(host.layers());
  if (json === toldLayers) return;
  toldLayers = json;
  tell({ kind: "layers", json });
}

/** Once the requests that stand in line now have been read. */
function scheduleCommit(host: EngineHost): void {
  if (isCommitScheduled) return;
  isCommitScheduled = true;
  setImmediate(() => {
    isCommitScheduled = false;
    host.commit(systemClock.nowUs());
  });
}

function stopWhenIdle(host: EngineHost): void {
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
