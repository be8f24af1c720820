/** The sender against each answer of a sink, on a virtual clock; the sink and its socket are real. */
import { expect, test } from "vitest";
import { MemoryOutbox, encodeRecords, SenderWorld } from "../../test/support/sender-world.ts";
import { http2Codes, type SinkBehaviour } from "../../test/support/otlp-sink.ts";
import { baseUs, makeRecord } from "../../test/support/write-sets.ts";
import type { InsightRecord } from "../model/insights.ts";
import { usPerMinute, usPerSecond } from "../model/time.ts";

const grpc = { invalid: 3, denied: 7, exhausted: 8, unimplemented: 12, internal: 13 } as const;
const unavailable = 14;
const unauthenticated = 16;

function records(count: number, from = 1): InsightRecord[] {
  return Array.from({ length: count }, (_, index) =>
    makeRecord(`uid-${from + index}`, { insightId: `i${(from + index) % 3}` }),
  );
}

const uidsOf = (items: readonly { readonly uid: string }[]): string[] =>
  items.map(({ uid }) => uid);

test("everything arrives once, in order, in batches, each marked before the next is sent", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(250));
  const sentAtMark: number[] = [];
  await using world = await SenderWorld.start(outbox);
  outbox.onDelivered = () => sentAtMark.push(world.sink.requests.length);
  await world.quiet();
  expect(uidsOf(world.sink.taken)).toEqual(uidsOf(records(250)));
  expect(sentAtMark).toEqual([1, 2, 3]);
  expect(outbox.entries).toEqual([]);
  expect(await world.metric('export_sent_total{sink="otlp"}')).toBe(250);
  expect(world.sender.status()).toMatchObject({ ok: true, lastError: "", queueLength: 0 });
});

test("a wake is heard at once, and without one the outbox is looked at every 30 s", async () => {
  await using world = await SenderWorld.start(new MemoryOutbox());
  await world.quiet();
  world.outbox.add(...records(1));
  world.sender.wake();
  await world.quiet();
  expect(world.sink.taken).toHaveLength(1);
  world.outbox.add(...records(1, 2));
  await world.advance(29 * usPerSecond);
  expect(world.sink.taken).toHaveLength(1);
  await world.advance(usPerSecond);
  expect(world.sink.taken).toHaveLength(2);
});

test.each<[string, SinkBehaviour, string]>([
  ["UNAVAILABLE", { kind: "status", code: unavailable }, "unavailable"],
  ["UNAUTHENTICATED", { kind: "status", code: unauthenticated }, "unauthenticated"],
  ["PERMISSION_DENIED", { kind: "status", code: grpc.denied }, "permission_denied"],
  ["UNIMPLEMENTED", { kind: "status", code: grpc.unimplemented }, "unimplemented"],
  ["INTERNAL", { kind: "status", code: grpc.internal }, "internal"],
  ["a status that nobody knows", { kind: "status", code: 99 }, "other"],
  ["HTTP 503 of a proxy", { kind: "http", status: 503 }, "unavailable"],
  ["HTTP 404 of another server", { kind: "http", status: 404 }, "unimplemented"],
  ["a reset stream", { kind: "reset", code: http2Codes.internal }, "internal"],
  ["a stream cancelled by the sink", { kind: "reset", code: http2Codes.cancel }, "other"],
  ["a closed connection", { kind: "disconnect" }, "unavailable"],
  ["a reply of 1 MiB", { kind: "reply", message: Buffer.alloc(2 ** 20) }, "other"],
  [
    "RESOURCE_EXHAUSTED with RetryInfo",
    { kind: "status", code: grpc.exhausted, retry: { seconds: 0, nanos: 1 } },
    "resource_exhausted",
  ],
])("after %s records are kept whole and sent again", async (_name, behaviour, reason) => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(3));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => behaviour;
  await world.advance(3.5 * usPerSecond); // at 0, 1 and 3 s
  expect(world.sink.requests.map((request) => request.records.length)).toEqual([3, 3, 3]);
  expect(outbox.entries).toHaveLength(3);
  expect(await world.failures(reason)).toBe(3);
  expect(world.sender.status()).toMatchObject({ ok: false, sinceUs: baseUs, queueLength: 3 });
  expect(world.log.filter((line) => line.includes("cannot be delivered"))).toHaveLength(1);

  world.sink.taken.length = 0;
  world.sink.behave = () => ({ kind: "take" });
  await world.advance(4 * usPerSecond);
  expect(uidsOf(world.sink.taken)).toEqual(["uid-1", "uid-2", "uid-3"]);
  expect(world.sender.status().ok).toBe(true);
  expect(world.log.at(-1)).toContain("delivered again");
});

test("a sink that hangs is given up after the timeout, and nothing else is sent meanwhile", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(150));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({ kind: "hang" });
  await world.advance(9.9 * usPerSecond);
  expect([world.sink.requests.length, world.sink.hanging]).toEqual([1, 1]);
  expect(await world.failures("deadline_exceeded")).toBe(0);
  await world.advance(0.2 * usPerSecond);
  expect(await world.failures("deadline_exceeded")).toBe(1);
  expect(world.sink.hanging).toBe(0);
  world.sink.behave = () => ({ kind: "take" });
  await world.advance(usPerSecond);
  expect(world.sink.taken).toHaveLength(150);
});

test("pauses double to the maximum, and begin anew after a success", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(1));
  await using world = await SenderWorld.start(outbox);
  const atSeconds: number[] = [];
  world.sink.behave = () => {
    atSeconds.push((world.clock.nowUs() - baseUs) / usPerSecond);
    return { kind: "status", code: unavailable };
  };
  await world.advance(2 * usPerMinute);
  expect(atSeconds).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  world.sink.behave = () => ({ kind: "take" });
  await world.advance(usPerMinute);
  outbox.add(...records(1, 2));
  const recoveredUs = world.clock.nowUs();
  world.sink.behave = () => ({ kind: "status", code: unavailable });
  world.sender.wake();
  await world.quiet();
  expect((world.timers.nextUs - recoveredUs) / usPerSecond).toBeLessThanOrEqual(1);
});

test("pauses are spread by a fifth, and a wake does not cut them short", async () => {
  for (const [random, seconds] of [
    [0, 0.8],
    [0.999_999, 1.2],
  ] as const) {
    const outbox = new MemoryOutbox();
    outbox.add(...records(1));
    await using world = await SenderWorld.start(outbox, { random: () => random });
    world.sink.behave = () => ({ kind: "status", code: unavailable });
    await world.advance((seconds - 0.01) * usPerSecond);
    world.sender.wake();
    await world.quiet();
    expect(world.sink.requests).toHaveLength(1);
    await world.advance(0.02 * usPerSecond);
    expect(world.sink.requests).toHaveLength(2);
  }
});

test.each([
  ["longer than the pause: obeyed", { seconds: 42, nanos: 500_000_000 }, 42.5],
  ["shorter than the pause: the pause counts", { seconds: 0, nanos: 1_000_000 }, 1],
  ["longer than five minutes: asked again then", { seconds: 86_400, nanos: 0 }, 300],
])("a RetryInfo %s", async (_name, retry, seconds) => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(1));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({ kind: "status", code: unavailable, retry });
  await world.advance((seconds - 0.1) * usPerSecond);
  expect(world.sink.requests).toHaveLength(1);
  await world.advance(0.2 * usPerSecond);
  expect(world.sink.requests).toHaveLength(2);
});

test("what a partial success rejects is counted, logged and never sent again", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(5));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({ kind: "partial", rejected: 2, message: "too old\nfor us" });
  await world.advance(5 * usPerMinute);
  expect(world.sink.requests).toHaveLength(1);
  expect(outbox.entries).toEqual([]);
  expect(await world.failures("rejected")).toBe(2);
  expect(await world.metric('export_sent_total{sink="otlp"}')).toBe(3);
  expect(world.log.join("")).toContain("too old\u{fffd}for us");
  expect(world.sender.status()).toMatchObject({
    ok: true,
    lastError: expect.stringContaining("2 records"),
  });
});

test.each<[string, SinkBehaviour, string]>([
  ["a warning", { kind: "partial", rejected: 0, message: "mind the gap" }, "mind the gap"],
  [
    "a body that makes no sense",
    { kind: "reply", message: Buffer.from([0x0a, 0x7f]) },
    "cannot be read",
  ],
  ["a count beyond all", { kind: "partial", rejected: 2 ** 52, message: "all" }, "records=2"],
  ["a count below zero", { kind: "partial", rejected: -3, message: "none" }, "none"],
])("OK with %s is done", async (_name, behaviour, logged) => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(2));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => behaviour;
  await world.advance(usPerMinute);
  expect(world.sink.requests).toHaveLength(1);
  expect(outbox.entries).toEqual([]);
  expect(world.log.join("")).toContain(logged);
});

const refusals: readonly (readonly [string, SinkBehaviour, string])[] = [
  ["INVALID_ARGUMENT", { kind: "status", code: grpc.invalid }, "invalid_argument"],
  ["RESOURCE_EXHAUSTED", { kind: "status", code: grpc.exhausted }, "resource_exhausted"],
  [
    "INTERNAL, too large",
    { kind: "status", code: grpc.internal, message: "message too large" },
    "internal",
  ],
  ["HTTP 413", { kind: "http", status: 413 }, "other"],
];

test.each(refusals)(
  "%s: the guilty records are found, the others arrive in order",
  async (_name, refusal, reason) => {
    const outbox = new MemoryOutbox();
    outbox.add(...records(100));
    const guilty = new Set(["uid-1", "uid-2", "uid-57", "uid-100"]);
    await using world = await SenderWorld.start(outbox);
    world.sink.behave = (request) =>
      request.records.some(({ uid }) => guilty.has(uid)) ? refusal : { kind: "take" };
    await world.quiet();
    expect(uidsOf(world.sink.taken)).toEqual(
      uidsOf(records(100)).filter((uid) => !guilty.has(uid)),
    );
    expect(outbox.entries).toEqual([]);
    expect(await world.failures("refused_record")).toBe(4);
    expect(await world.failures(reason)).toBeGreaterThan(4);
    expect(await world.metric('export_sent_total{sink="otlp"}')).toBe(96);
    expect(world.sender.status().ok).toBe(true);
  },
);

test.each(refusals)(
  "%s to everything is the sink's fault: nothing is given up",
  async (_name, refusal, reason) => {
    const outbox = new MemoryOutbox();
    outbox.add(...records(9));
    await using world = await SenderWorld.start(outbox);
    world.sink.behave = () => refusal;
    await world.advance(10 * usPerMinute);
    expect(outbox.entries).toHaveLength(9);
    expect(await world.failures("refused_record")).toBe(0);
    expect(await world.failures(reason)).toBeGreaterThan(1);
    expect(world.sender.status().ok).toBe(false);

    world.sink.behave = () => ({ kind: "take" });
    await world.advance(usPerMinute);
    expect(uidsOf(world.sink.taken)).toEqual(uidsOf(records(9)));
  },
);

test("a sink that takes only small requests gets small ones", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(64));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = (request) =>
    request.records.length > 10 ? { kind: "status", code: grpc.exhausted } : { kind: "take" };
  await world.quiet();
  expect(uidsOf(world.sink.taken)).toEqual(uidsOf(records(64)));
  expect(await world.failures("refused_record")).toBe(0);
});

test("a failure between the halves keeps the rest, and nothing is sent twice", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(8));
  await using world = await SenderWorld.start(outbox);
  let count = 0;
  world.sink.behave = (request) => {
    count++;
    if (request.records.length > 4) return { kind: "status", code: grpc.exhausted };
    return count === 3 ? { kind: "status", code: unavailable } : { kind: "take" };
  };
  await world.advance(usPerMinute);
  expect(uidsOf(world.sink.taken)).toEqual(uidsOf(records(8)));
});

test("a record that cannot be encoded is given up and holds up no other", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(5));
  const encode = (some: readonly InsightRecord[]): Uint8Array => {
    if (some.some(({ uid }) => uid === "uid-3")) throw new Error("no such field");
    return encodeRecords(some);
  };
  await using world = await SenderWorld.start(outbox, { encode });
  await world.quiet();
  expect(uidsOf(world.sink.taken)).toEqual(["uid-1", "uid-2", "uid-4", "uid-5"]);
  expect(await world.failures("refused_record")).toBe(1);
  outbox.add(makeRecord("uid-3"));
  world.sender.wake();
  await world.quiet();
  expect(outbox.entries).toEqual([]); // also when it is alone
});

test("a store that cannot mark is asked again, and nothing is sent meanwhile", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(150));
  await using world = await SenderWorld.start(outbox);
  let failures = 3;
  outbox.onDelivered = () => {
    if (failures-- > 0) throw new Error("the store is busy");
  };
  await world.advance(5 * usPerSecond);
  expect(world.sink.requests).toHaveLength(1);
  expect(await world.failures("store")).toBe(3);
  expect(world.sender.status().lastError).toContain("the store is busy");
  await world.advance(usPerMinute);
  expect(uidsOf(world.sink.taken)).toEqual(uidsOf(records(150)));
});

test("a reader that still shows what is delivered makes nothing twice", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(3));
  const stale = [...outbox.entries];
  outbox.read = async (afterSeq) => stale.filter(({ seq }) => seq > afterSeq);
  await using world = await SenderWorld.start(outbox);
  await world.advance(usPerMinute);
  expect(uidsOf(world.sink.taken)).toEqual(["uid-1", "uid-2", "uid-3"]);
});

test("an outbox that cannot be read is asked again", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(1));
  const read = outbox.read.bind(outbox);
  let failures = 2;
  outbox.read = async (afterSeq, limit) => {
    if (failures-- > 0) throw new Error("the reader is gone");
    return read(afterSeq, limit);
  };
  await using world = await SenderWorld.start(outbox);
  await world.advance(3 * usPerSecond);
  expect(world.sink.taken).toHaveLength(1);
  expect(await world.failures("store")).toBe(2);
});

test("a fault of ours ends nothing", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(2));
  const read = outbox.read.bind(outbox);
  let faults = 2;
  // What no type allows is what a fault is.
  outbox.read = async (...args) => (faults-- > 0 ? (undefined as never) : read(...args));
  await using world = await SenderWorld.start(outbox);
  await world.advance(usPerMinute);
  expect(await world.failures("other")).toBe(2);
  expect(uidsOf(world.sink.taken)).toEqual(["uid-1", "uid-2"]);
});

test("the queue is measured also while a sink asks for patience", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(1));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({
    kind: "status",
    code: unavailable,
    retry: { seconds: 300, nanos: 0 },
  });
  await world.quiet();
  outbox.add(...records(6, 2));
  await world.advance(5 * usPerSecond);
  expect(await world.metric('export_queue_length{sink="otlp"}')).toBe(7);
  const oldest = await world.metric('export_queue_oldest_timestamp_seconds{sink="otlp"}');
  expect(oldest).toBeCloseTo(baseUs / usPerSecond, 3);
  expect(world.sender.status()).toMatchObject({ queueLength: 7, oldestUs: baseUs });
});

test("a stop waits for the answer under way and marks it", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(150));
  await using world = await SenderWorld.start(outbox);
  const stops: Promise<void>[] = [];
  world.sink.behave = () => {
    stops.push(world.sender[Symbol.asyncDispose](), world.sender[Symbol.asyncDispose]());
    return { kind: "take" };
  };
  await world.quiet();
  await Promise.all(stops);
  expect(world.sink.requests).toHaveLength(1);
  expect(outbox.entries).toHaveLength(50);
});

test("a stop cancels a request that hangs after two seconds; the next start sends it", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(3));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({ kind: "hang" });
  await world.quiet();
  const beforeUs = world.clock.nowUs();
  await world.stopSender();
  expect(world.clock.nowUs() - beforeUs).toBe(2 * usPerSecond);
  expect(outbox.entries).toHaveLength(3);

  world.sink.behave = () => ({ kind: "take" });
  world.startSender();
  await world.quiet();
  expect(uidsOf(world.sink.taken)).toEqual(["uid-1", "uid-2", "uid-3"]);
});

test("a stop in a pause is immediate", async () => {
  const outbox = new MemoryOutbox();
  outbox.add(...records(1));
  await using world = await SenderWorld.start(outbox);
  world.sink.behave = () => ({ kind: "status", code: unavailable });
  await world.quiet();
  await world.sender[Symbol.asyncDispose]();
  expect(world.timers.nextUs).toBe(Infinity);
});
