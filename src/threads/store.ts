/** Entry of the store thread, which owns the only writing connection of the process. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../lib/assert.ts";
import { systemClock } from "../lib/clock.ts";
import { StoreWriter } from "../store/writer.ts";
import { StoreService, toFailure } from "./store-service.ts";
import type { FromStore, StoreWorkerData } from "./store-messages.ts";

assert(parentPort, "the store runs as a worker thread");
const port = parentPort;
const { path, programVersion, maxBytes, outbox, failpoint } = workerData as StoreWorkerData; // set by StoreClient
try {
  const writer = new StoreWriter({
    path,
    programVersion,
    nowUs: systemClock.nowUs(),
    ...(maxBytes > 0 && { maxBytes }),
    ...(outbox && { outbox }),
  });
  new StoreService(writer, port, failpoint).start();
} catch (error) {
  const message: FromStore = { kind: "unopened", ...toFailure(error, "cannot open the store") };
  port.postMessage(message);
}
