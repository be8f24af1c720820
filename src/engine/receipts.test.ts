import { expect, test } from "vitest";
import { makeWriteSet, type ReceiptRow } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerMinute } from "../model/time.ts";
import { Receipts } from "./receipts.ts";

const startUs = 1_795_300_000_000_000;

function collected(receipts: Receipts): readonly ReceiptRow[] {
  const writeSet = makeWriteSet(1, startUs);
  receipts.collect(writeSet);
  return writeSet.receipts;
}

function numbers(receipts: Receipts): Record<string, number> {
  const samples: CounterSample[] = [];
  receipts.counters(samples);
  return Object.fromEntries(samples.map(({ name, value }) => [name, value]));
}

test("a receipt is a signal with a hash, and is written once", () => {
  const receipts = new Receipts();
  receipts.add(1, "aa", startUs);
  expect([receipts.has(1, "aa"), receipts.has(2, "aa"), receipts.has(1, "ab")]).toEqual([
    true,
    false,
    false,
  ]);
  expect(collected(receipts)).toEqual([{ signal: 1, hash: "aa", receivedUs: startUs }]);
  expect(collected(receipts)).toEqual([]);
  expect(receipts.has(1, "aa")).toBe(true);
});

test("a receipt lives 15 minutes to the microsecond", () => {
  const receipts = new Receipts();
  receipts.add(1, "old", startUs);
  receipts.add(1, "young", startUs + 1);
  receipts.expire(startUs + 15 * usPerMinute - 1);
  expect(receipts.has(1, "old")).toBe(true);
  receipts.expire(startUs + 15 * usPerMinute);
  expect([receipts.has(1, "old"), receipts.has(1, "young")]).toEqual([false, true]);
});

test("above the cap the oldest goes, is counted, and is still written", () => {
  const receipts = new Receipts({ keepUs: usPerMinute, max: 2 });
  for (const [index, hash] of ["a", "b", "c"].entries()) receipts.add(1, hash, startUs + index);
  expect(["a", "b", "c"].map((hash) => receipts.has(1, hash))).toEqual([false, true, true]);
  expect(numbers(receipts)).toEqual({ receipts: 2, receipts_dropped_total: 1 });
  expect(collected(receipts).map(({ hash }) => hash)).toEqual(["a", "b", "c"]);
});

test("what is restored is known, not written again, and expires in its order", () => {
  const receipts = new Receipts();
  const rows = [
    { signal: 1, hash: "later", receivedUs: startUs + usPerMinute },
    { signal: 1, hash: "first", receivedUs: startUs },
  ];
  const { seq: _seq, atUs: _atUs, ...empty } = makeWriteSet(0, 0);
  receipts.restore({ ...empty, receipts: rows, lastCommitUs: startUs });
  expect(collected(receipts)).toEqual([]);
  receipts.expire(startUs + 15 * usPerMinute);
  expect([receipts.has(1, "first"), receipts.has(1, "later")]).toEqual([false, true]);
});
