import { expect, test } from "vitest";
import { makeWriteSet } from "../model/rows.ts";
import { usPerHour, usPerMs } from "../model/time.ts";
import { commitDefaults, Commits, wholePauseUs } from "./commits.ts";

const nowUs = 1_795_300_000_000_000;

/** A commit on its way with these waiting for it. */
function sent(...waiting: string[]): Commits<string> {
  const commits = new Commits<string>();
  for (const who of waiting) commits.wait(who, 1, nowUs);
  commits.sent(makeWriteSet(commits.nextSeq(), nowUs));
  return commits;
}

test.each([
  ["at once", 0, 1, false],
  ["just before 50 ms", 50 * usPerMs - 1, 1, false],
  ["after 50 ms", 50 * usPerMs, 1, true],
  ["at 8 MiB", 0, 8 * 1024 * 1024, true],
  ["after the clock was set back", -usPerHour, 1, true],
] as const)("a request is due %s: %#", (_when, afterUs, bytes, isDue) => {
  const commits = new Commits<string>();
  expect(commits.isDue(nowUs)).toBe(false);
  commits.wait("a", bytes, nowUs);
  expect(commits.isDue(nowUs + afterUs)).toBe(isDue);
});

test("one commit at a time: those who come later wait for the next", () => {
  const commits = sent("a");
  commits.wait("b", 1, nowUs);
  expect(commits.nextSeq()).toBe(0);
  expect(commits.done(7)).toEqual([]);
  expect(commits.done(1)).toEqual(["a"]);
  expect(commits.done(1)).toEqual([]);
  expect(commits.nextSeq()).toBe(2);
  expect(commits.isIdle).toBe(false);
  commits.sent(makeWriteSet(2, nowUs));
  expect(() => commits.sent(makeWriteSet(3, nowUs))).toThrow(/one commit at a time/);
  expect(commits.done(2)).toEqual(["b"]);
  expect(commits.isIdle).toBe(true);
});

test("a failure turns everybody away, and the same write-set comes again after a growing pause", () => {
  const commits = sent("a");
  commits.wait("b", 1, nowUs);
  expect(commits.failed(1, nowUs)).toEqual(["a", "b"]);
  let atUs = nowUs;
  const pauses = [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
  for (const pauseMs of pauses) {
    expect(commits.isFailing).toBe(true);
    expect(commits.nextSeq()).toBe(0);
    expect(commits.takeRetry(atUs + pauseMs * usPerMs - 1)).toBeNull();
    atUs += pauseMs * usPerMs;
    expect(commits.takeRetry(atUs)?.seq).toBe(1);
    expect(commits.takeRetry(atUs)).toBeNull();
    expect(commits.failed(1, atUs)).toEqual([]);
  }
  expect(commits.takeRetry(atUs + commitDefaults.retryMaxUs)?.seq).toBe(1);
  expect(commits.done(1)).toEqual([]);
  expect([commits.isFailing, commits.isIdle, commits.nextSeq()]).toEqual([false, true, 2]);
});

test("a clock that is set back does not make a retry wait for it", () => {
  const commits = sent("a");
  commits.failed(1, nowUs);
  expect(commits.takeRetry(nowUs)).toBeNull();
  expect(commits.takeRetry(nowUs - usPerHour)?.seq).toBe(1);
});

test("the pause starts small again after a success", () => {
  const commits = sent("a");
  commits.failed(1, nowUs);
  commits.takeRetry(nowUs + 200 * usPerMs);
  commits.done(1);
  commits.sent(makeWriteSet(2, nowUs));
  commits.failed(2, nowUs);
  expect(commits.takeRetry(nowUs + 200 * usPerMs)?.seq).toBe(2);
});

test("who is abandoned is told once, and no answer of the store reaches anybody after it", () => {
  const commits = sent("a");
  commits.wait("b", 1, nowUs);
  expect(commits.abandon()).toEqual(["a", "b"]);
  expect(commits.abandon()).toEqual([]);
  expect(commits.done(1)).toEqual([]);
  expect(commits.failed(1, nowUs)).toEqual([]);
});

test.each([
  ["few edges", 100, 100, 1_000],
  ["the same edges over and over", 20_000, 0, 4_000],
  ["very many of them", 200_000, 10, 5_000],
  ["others all the time", 20_000, 700, 1_000],
  ["others all the time, and not many yet", 4_000, 700, 1_000],
])("the pause between whole write-sets: %s", (_what, dirtyEdges, grewBy, pauseMs) => {
  expect(wholePauseUs(dirtyEdges, grewBy)).toBe(pauseMs * usPerMs);
});
