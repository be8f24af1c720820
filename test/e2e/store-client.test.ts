/** io's side of the real store thread: delivered records leave the outbox, and trouble reaches who asked. */
import { once } from "node:events";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { makeWriteSet } from "../../src/model/rows.ts";
import { StoreReader } from "../../src/store/reader.ts";
import type * as storeClient from "../../src/threads/store-client.ts";
import { TempFolder } from "../support/program.ts";
import { baseUs, makeOutboxRow } from "../support/write-sets.ts";

/** Of the built program, since a thread starts from a file of it. */
async function startClient(path: string, events: storeClient.StoreEvents) {
  const url = new URL("../../dist/threads/store-client.js", import.meta.url);
  const { StoreClient } = (await import(url.href)) as typeof storeClient;
  const outbox = { maxAgeUs: 1_000_000_000, maxRecords: 3 };
  const workerData = { path, programVersion: "1", maxBytes: 0, outbox, failpoint: null };
  return StoreClient.start(workerData, events);
}

test("delivered records are gone when it is told; a locked store refuses and can be asked again", async () => {
  using folder = new TempFolder();
  const path = join(folder.path, "mesh.db");
  const dropped: number[] = [];
  const troubles: string[] = [];
  const client = await startClient(path, {
    pruned() {},
    outboxDropped: (rows) => dropped.push(rows),
    trouble: (what) => troubles.push(what),
    lost: (why) => troubles.push(why),
  });
  const { port1: engine, port2 } = new MessageChannel();
  client.attach(port2);
  const writeSet = makeWriteSet(1, baseUs);
  for (const uid of ["a", "b", "c", "d", "e"]) writeSet.outbox.push(makeOutboxRow(uid));
  const committed = once(engine, "message");
  engine.postMessage({ kind: "commit", writeSet });
  await committed;
  const reader = new StoreReader(path);
  const uids = (): string[] => reader.outbox(0, 10).map(({ uid }) => uid);

  await Promise.all([client.delivered([3]), client.delivered([5])]);
  expect(dropped, "above the bound of three").toEqual([2]);
  expect(uids()).toEqual(["d"]);

  const intruder = new Database(path);
  intruder.exec("BEGIN IMMEDIATE");
  await expect(client.delivered([4])).rejects.toMatchObject({ code: "busy", retryable: true });
  expect(uids()).toEqual(["d"]);
  intruder.exec("ROLLBACK");
  intruder.close();
  await client.delivered([4]);
  expect(uids()).toEqual([]);

  reader.close();
  await client[Symbol.asyncDispose]();
  engine.close();
  await expect(client.delivered([4])).rejects.toMatchObject({ code: "closed" });
  expect(troubles).toEqual([]);
});
