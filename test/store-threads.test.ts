/** The store's and the readers' thread protocols over real ports and files, both ends in one thread. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { makeWriteSet } from "../src/model/rows.ts";
import { usPerHour, usPerSecond } from "../src/model/time.ts";
import { StoreError } from "../src/store/errors.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { answerQueries, ReaderClient } from "../src/threads/reader-rpc.ts";
import type { FromStore, ToStore } from "../src/threads/store-messages.ts";
import { StoreService } from "../src/threads/store-service.ts";
import { baseUs, makeFullWriteSet, makeInsightRow } from "./support/write-sets.ts";

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), "mesh-insights-threads-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  return join(folder, "insights.db");
}

function makeChannel(): MessageChannel {
  const channel = new MessageChannel();
  closers.push(() => {
    channel.port1.close();
    channel.port2.close();
  });
  return channel;
}

function open(path: string): StoreWriter {
  const writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
  closers.push(() => writer.close());
  return writer;
}

/** Sends one message and waits for the next that comes back. */
async function ask(port: MessagePort, message: ToStore): Promise<FromStore> {
  const heard = once(port, "message");
  port.postMessage(message);
  const [answer] = (await heard) as [FromStore];
  return answer;
}

test("the engine's port loads, commits and hears of failures; io's closes", async () => {
  const path = makePath();
  const io = makeChannel();
  const engine = makeChannel();
  const opened = once(io.port1, "message");
  new StoreService(open(path), io.port2).start();
  expect(await opened).toEqual([{ kind: "opened", warnings: [] }]);
  io.port1.postMessage({ kind: "attach", port: engine.port2 }, [engine.port2]);

  expect(await ask(engine.port1, { kind: "load" })).toMatchObject({
    kind: "loaded",
    rows: { lastCommitUs: 0 },
  });
  const pruned = once(io.port1, "message");
  expect(await ask(engine.port1, { kind: "commit", writeSet: makeFullWriteSet(1) })).toMatchObject({
    kind: "committed",
    seq: 1,
    rows: 24,
  });
  expect(await pruned).toEqual([{ kind: "pruned", rows: 0 }]);

  const bad = makeWriteSet(2, baseUs);
  bad.insights.push(makeInsightRow("x", { occurrences: Number.NaN }));
  expect(await ask(engine.port1, { kind: "commit", writeSet: bad })).toMatchObject({
    kind: "failed",
    seq: 2,
    code: "invalid_row",
    retryable: false,
  });
  expect(await ask(io.port1, { kind: "prune", nowUs: baseUs + usPerHour })).toEqual({
    kind: "pruned",
    rows: 2, // the receipt and the journal's row
  });
  expect(await ask(io.port1, { kind: "close" })).toEqual({ kind: "closed" });
  const again = open(path);
  expect(again.load().lastCommitUs).toBe(baseUs + 1);
});

test("commits prune by themselves, at most once a second", async () => {
  const io = makeChannel();
  const opened = once(io.port1, "message");
  new StoreService(open(makePath()), io.port2).start();
  await opened;
  const heard: string[] = [];
  io.port1.on("message", (message: FromStore) => heard.push(message.kind));
  const times = [0, 1, usPerSecond - 1, usPerSecond, usPerSecond + 1];
  for (const [index, us] of times.entries()) {
    io.port1.postMessage({ kind: "commit", writeSet: makeWriteSet(index + 1, baseUs + us) });
  }
  await ask(io.port1, { kind: "load" });
  while (!heard.includes("loaded")) await once(io.port1, "message");
  expect(heard.filter((kind) => kind === "pruned")).toHaveLength(2);
  expect(heard.filter((kind) => kind === "committed")).toHaveLength(times.length);
});

test("a reader's client hands questions over and gives back answers and errors", async () => {
  const path = makePath();
  open(path).commit(makeFullWriteSet(1));
  const reader = new StoreReader(path);
  closers.push(() => reader.close());
  const { port1, port2 } = makeChannel();
  answerQueries(port2, reader);
  const client = new ReaderClient(port1);
  expect(await client.insights({ state: "firing" })).toEqual(reader.insights({ state: "firing" }));
  expect(await client.insight("i1")).toEqual(reader.insight("i1"));
  expect(await client.insight("none")).toBeNull();
  expect(await client.graph({})).toEqual(reader.graph({}));
  expect(await client.workload("c1", "shop", "w1")).toEqual(reader.workload("c1", "shop", "w1"));
  await expect(client.insights({ cursor: "?" })).rejects.toMatchObject({ code: "bad_query" });
});

test("a reader that says nothing costs a bounded queue and a bounded time", async () => {
  const client = new ReaderClient(makeChannel().port1, { waitingMax: 2, timeoutMs: 20 });
  const asked = [client.insight("1"), client.insight("2"), client.insight("3")];
  const codes = await Promise.all(
    asked.map(async (answer) => answer.catch((error: StoreError) => error.code)),
  );
  expect(codes).toEqual(["timeout", "timeout", "busy"]);
  const last = client.insight("4");
  client.close("its thread has ended");
  await expect(last).rejects.toThrow("cannot ask the store: its thread has ended");
  await expect(client.insight("5")).rejects.toBeInstanceOf(StoreError);
});
