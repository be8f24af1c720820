/**
 * A process that commits as fast as it can through the real store thread, and writes each number that
 * was acknowledged to its standard output, so that a test can kill it at any moment.
 * Arguments: path of the store, failpoint ("before_commit:7" or "").
 */
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { makeWriteSet } from "../../dist/model/rows.js";

const [path = "", failpointText = ""] = process.argv.slice(2);
const [at = "", seqText = "0"] = failpointText.split(":");
const failpoint = at === "" ? null : { at, seq: Number(seqText) };
const say = (line) => writeSync(1, `${line}\n`);

const port = new Worker(new URL("../../dist/threads/store.js", import.meta.url), {
  workerData: { path, programVersion: "test", maxBytes: 0, failpoint },
});
let offset = 0;

port.on("message", (message) => {
  switch (message.kind) {
    case "opened":
      say("opened");
      return port.postMessage({ kind: "load" });
    case "loaded":
      offset = message.rows.receipts.length;
      return commit(1);
    case "committed":
      say(`committed ${offset + message.seq}`);
      return commit(message.seq + 1);
    case "pruned":
      return undefined;
    default:
      say(`${message.kind} ${message.code} ${message.message}`);
      return process.exit(3);
  }
});

/** One receipt per commit, numbered over all lives of the store, and a blob that makes it worth a page. */
function commit(seq) {
  const nowUs = Date.now() * 1000;
  const set = makeWriteSet(seq, nowUs);
  const hash = (offset + seq).toString(16).padStart(32, "0");
  set.receipts.push({ hash, signal: 1, receivedUs: nowUs });
  set.journal.push({ untilUs: nowUs + 3_600_000_000, blob: new Uint8Array(20_000).fill(seq) });
  port.postMessage({ kind: "commit", writeSet: set });
}
