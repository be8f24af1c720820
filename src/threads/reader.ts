/** Entry of a reader thread: a connection that cannot write, for the API, the page and commands. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../lib/assert.ts";
import { StoreReader } from "../store/reader.ts";
import { answerQueries } from "./reader-rpc.ts";

assert(parentPort, "a reader runs as a worker thread");
const { path } = workerData as { readonly path: string }; // set by who starts it
answerQueries(parentPort, new StoreReader(path));
