/**
 * Ten minutes without a sink and all that can follow: the real store, the real client and a real socket,
 * under a clock that needs no waiting. Nothing is lost, nothing comes twice unless the process died, and
 * the records of one insight come in their order.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeWriteSet } from "../src/model/rows.ts";
import { usPerMinute, usPerSecond } from "../src/model/time.ts";
import { StoreReader } from "../src/store/reader.ts";
import { StoreWriter } from "../src/store/writer.ts";
import { StoreOutbox } from "../src/threads/store-outbox.ts";
import type { SinkBehaviour, SinkRecord } from "./support/otlp-sink.ts";
import { SenderWorld } from "./support/sender-world.ts";
import { baseUs, makeOutboxRow } from "./support/write-sets.ts";

const insights = 7;

/** A store with one writer and one reader, and a way to fill its outbox. */
class Store implements Disposable {
  readonly outbox: StoreOutbox;
  readonly #folder = mkdtempSync(join(tmpdir(), "mesh-insights-sink-"));
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  #commits = 0;
  #records = 0;

  constructor() {
    const path = join(this.#folder, "insights.db");
    this.#writer = new StoreWriter({ path, programVersion: "1", nowUs: baseUs });
    this.#reader = new StoreReader(path);
    this.outbox = new StoreOutbox(
      { delivered: async (seqs) => this.#writer.delivered(seqs) },
      {
        outbox: async (afterSeq, limit) => this.#reader.outbox(afterSeq, limit),
        outboxSummary: async () => this.#reader.outboxSummary(),
      },
      (uid, why) => {
        throw new Error(`${uid}: ${why}`);
      },
    );
  }

  get waiting(): number {
    return this.#reader.outboxSummary().length;
  }

  /** Uids of all records that were ever put in. */
  get uids(): string[] {
    return Array.from({ length: this.#records }, (_, index) => uidOf(index));
  }

  /** A commit with so many records of several insights; the occurrences count the records of one. */
  add(count: number): void {
    const set = makeWriteSet(++this.#commits, baseUs + this.#commits);
    for (let index = 0; index < count; index++) {
      const number = this.#records++;
      const insightId = `i${number % insights}`;
      set.outbox.push(makeOutboxRow(uidOf(number), { insightId, occurrences: number }));
    }
    this.#writer.commit(set);
  }

  [Symbol.dispose](): void {
    this.#reader.close();
    this.#writer.close();
    rmSync(this.#folder, { recursive: true });
  }
}

function uidOf(number: number): string {
  return number.toString(16).padStart(32, "0");
}

function expectInOrder(taken: readonly SinkRecord[]): void {
  const last = new Map<string, number>();
  for (const { insightId, attributes } of taken) {
    const number = Number(attributes["mesh_insights.insight.occurrences"]);
    expect(number).toBeGreaterThan(last.get(insightId) ?? -1);
    last.set(insightId, number);
  }
}

const unavailable: SinkBehaviour = { kind: "status", code: 14 };
const asksForPatience: SinkBehaviour = { ...unavailable, retry: { seconds: 45, nanos: 0 } };
const overloaded: SinkBehaviour = { kind: "status", code: 8, retry: { seconds: 2, nanos: 0 } };

test("a sink dead for 10 minutes, then refusing, hanging, asking for patience, taking a part: all arrives once, in order", async () => {
  using store = new Store();
  await using world = await SenderWorld.start(store.outbox, { random: Math.random });
  const { sink } = world;
  const arrive = async (minutes: number, behaviour: SinkBehaviour | null): Promise<void> => {
    if (behaviour !== null) sink.behave = () => behaviour;
    for (let step = 0; step < minutes * 6; step++) {
      store.add(5);
      world.sender.wake();
      await world.advance(10 * usPerSecond);
    }
  };
  await arrive(1, { kind: "take" });
  expect(sink.taken).toHaveLength(30);

  await sink.stop();
  await arrive(10, null);
  expect(sink.taken).toHaveLength(30);
  expect(store.waiting).toBe(300);
  expect(world.sender.status()).toMatchObject({ ok: false, queueLength: 300 });
  expect(await world.failures("unavailable")).toBeGreaterThan(15);

  await sink.start();
  for (const behaviour of [
    unavailable,
    { kind: "hang" },
    asksForPatience,
    overloaded,
    { kind: "status", code: 16 },
    { kind: "reset", code: 2 },
    { kind: "disconnect" },
  ] as const satisfies readonly SinkBehaviour[]) {
    const before = sink.requests.length;
    await arrive(2, behaviour);
    expect(sink.requests.length).toBeGreaterThan(before);
    expect(sink.taken).toHaveLength(30);
  }

  await arrive(2, { kind: "partial", rejected: 3, message: "three are too old" });
  await arrive(2, { kind: "take" });
  expect(store.waiting).toBe(0);
  expect(sink.taken.map(({ uid }) => uid)).toEqual(store.uids); // each once, in the order of the commits
  expectInOrder(sink.taken);
  expect(await world.failures("rejected")).toBeGreaterThanOrEqual(3);
  expect(await world.failures("refused_record")).toBe(0);
  expect(await world.metric('export_queue_length{sink="otlp"}')).toBe(0);
  expect(world.sender.status().ok).toBe(true);
});

test("a sink that is moody for hours gets each record once, in order", async () => {
  using store = new Store();
  await using world = await SenderWorld.start(store.outbox, { random: Math.random });
  const { sink } = world;
  const moods: readonly SinkBehaviour[] = [
    { kind: "take" },
    unavailable,
    overloaded,
    { kind: "status", code: 3 },
    { kind: "disconnect" },
    { kind: "partial", rejected: 0, message: "slow down" },
    { kind: "http", status: 413 },
    { kind: "hang" },
  ];
  let asked = 0;
  sink.behave = () => moods[(asked++ * 5) % moods.length] ?? unavailable;
  for (let round = 0; round < 60; round++) {
    store.add(1 + (round % 13));
    world.sender.wake();
    await world.advance(2 * usPerMinute);
  }
  sink.behave = () => ({ kind: "take" });
  await world.advance(10 * usPerMinute);
  expect(store.waiting).toBe(0);
  const uids = sink.taken.map(({ uid }) => uid);
  expect(new Set(uids).size).toBe(uids.length);
  const givenUp = await world.failures("refused_record"); // refused alone, by a sink that takes others
  expect(uids.length + givenUp).toBe(store.uids.length);
  expectInOrder(sink.taken);
});

test("a death between the sink's answer and the mark costs at most one batch twice, with the same uids", async () => {
  using store = new Store();
  await using world = await SenderWorld.start(store.outbox);
  const { sink } = world;
  let marks = 0;
  const delivered = store.outbox.delivered.bind(store.outbox);
  store.outbox.delivered = async (seqs) => {
    // From the second mark on the store never answers, as when everything stops here.
    return ++marks > 1 ? new Promise(() => {}) : delivered(seqs);
  };
  store.add(350);
  world.sender.wake();
  const isMarking = (): boolean => marks === 2;
  while (!isMarking()) await new Promise(setImmediate);
  store.outbox.delivered = delivered;
  world.abandonSender();

  world.startSender();
  await world.quiet();
  const uids = sink.taken.map(({ uid }) => uid);
  expect(uids).toHaveLength(450);
  expect(new Set(uids)).toEqual(new Set(store.uids));
  const twice = uids.filter((uid, index) => uids.indexOf(uid) !== index);
  expect(twice).toEqual(store.uids.slice(100, 200));
  expect(store.waiting).toBe(0);
});
