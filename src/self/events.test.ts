import { expect, test } from "vitest";
import { FakeClock } from "../lib/clock.ts";
import { ReceiverEvents, type AnsweredRequest } from "./events.ts";
import type { Instruments } from "./instruments.ts";
import { makeLog } from "./log.ts";

/** Counts by `name{values}`; what was never counted is 0. */
class Counts implements Instruments {
  readonly values = new Map<string, number>();

  counter(name: string, labels: Readonly<Record<string, string>>) {
    const key = keyOf(name, labels);
    this.values.set(key, 0);
    return { inc: (by = 1) => void this.values.set(key, (this.values.get(key) ?? 0) + by) };
  }

  gauge(name: string, labels: Readonly<Record<string, string>>) {
    return { set: (value: number) => void this.values.set(keyOf(name, labels), value) };
  }

  histogram(name: string, labels: Readonly<Record<string, string>>) {
    return { observe: (value: number) => void this.values.set(keyOf(name, labels), value) };
  }

  /** Those that are not 0. */
  get moved(): Record<string, number> {
    return Object.fromEntries([...this.values].filter(([, value]) => value !== 0));
  }
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  return `${name}{${Object.values(labels).join()}}`;
}

function makeEvents() {
  const counts = new Counts();
  const lines: string[] = [];
  const clock = new FakeClock();
  const log = makeLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  return { counts, lines, clock, events: new ReceiverEvents("grpc", counts, log, clock) };
}

const request: AnsweredRequest = {
  signal: "metrics",
  outcome: "accepted",
  seconds: 0,
  items: 8,
  rejectedItems: 0,
  message: "",
};
const points = (what: string): string => `receiver_${what}_metric_points_total{grpc}`;
const answered = (outcome: string): string => `receiver_requests_total{grpc,metrics,${outcome}}`;
const rejected = (reason: string): string => `receiver_rejected_items_total{${reason}}`;

test.each<[Partial<AnsweredRequest>, Record<string, number>]>([
  [{}, { [answered("accepted")]: 1, [points("accepted")]: 8 }],
  [
    { outcome: "partial", rejectedItems: 3 },
    { [answered("partial")]: 1, [points("accepted")]: 8, [rejected("item_invalid")]: 3 },
  ],
  [{ outcome: "refused" }, { [answered("refused")]: 1, [points("refused")]: 8 }],
  [{ outcome: "failed" }, { [answered("failed")]: 1, [points("failed")]: 8 }],
  [{ outcome: "invalid" }, { [answered("invalid")]: 1, [rejected("undecodable")]: 1 }],
  [{ outcome: "too_large" }, { [answered("too_large")]: 1, [rejected("too_large")]: 1 }],
  [
    { outcome: "unimplemented" },
    { [answered("unimplemented")]: 1, [rejected("unimplemented")]: 1 },
  ],
  [{ outcome: "cancelled" }, { [answered("cancelled")]: 1 }],
  [{ outcome: "deadline_exceeded" }, { [answered("deadline_exceeded")]: 1 }],
  [
    { outcome: "unimplemented", signal: "unknown" },
    { "receiver_requests_total{grpc,unknown,unimplemented}": 1, [rejected("unimplemented")]: 1 },
  ],
])("an answered request %j counts %j", (change, expected) => {
  const { counts, events } = makeEvents();
  events.answered({ ...request, ...change });
  expect(counts.moved).toEqual(expected);
});

test("a flood of bad requests is all counted and seldom logged, by kind", () => {
  const { counts, lines, clock, events } = makeEvents();
  const invalid = { ...request, outcome: "invalid", message: "no protobuf" } as const;
  for (let i = 0; i < 1_000; i++) events.answered(invalid);
  events.answered({ ...request, outcome: "refused" });
  expect(lines).toHaveLength(2);
  clock.advance(10_000_001);
  events.answered(invalid);
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('"left_out":999');
  expect(counts.values.get(answered("invalid"))).toBe(1_001);
});

test("all combinations are born at 0", () => {
  const { counts } = makeEvents();
  const requests = [...counts.values.keys()].filter((key) =>
    key.startsWith("receiver_requests_total"),
  );
  expect(requests).toHaveLength(44);
});
