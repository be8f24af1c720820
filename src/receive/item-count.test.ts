import { expect, test } from "vitest";
import { Signal } from "../model/stages.ts";
import { countItems } from "./item-count.ts";

/** A length-delimited field. */
const field = (number: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), body]);
};
const empty = Buffer.alloc(0);
const varint = Buffer.from([0x18, 0x96, 0x01]);
const fixed = Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4]);

test.each<[string, Signal, Buffer, number]>([
  ["nothing", Signal.traces, empty, 0],
  [
    "three spans in two scopes",
    Signal.traces,
    field(1, field(1, fixed), field(2, field(2, varint), field(2)), field(2, field(2), field(3))),
    3,
  ],
  [
    "log records of two resources",
    Signal.logs,
    Buffer.concat([field(1, field(2, field(2))), field(1, field(2, field(2)))]),
    2,
  ],
  [
    "points, not metrics; every kind of data; the name is no data",
    Signal.metrics,
    field(
      1,
      field(
        2,
        ...[5, 7, 9, 10, 11].map((data) =>
          field(2, field(1, varint), field(data, field(1), field(1), fixed)),
        ),
      ),
    ),
    10,
  ],
  ["no protobuf", Signal.logs, Buffer.from("this is no protobuf at all"), 0],
  [
    "cut short",
    Signal.traces,
    field(1, field(2, field(2, varint), field(2, varint))).subarray(0, -3),
    0,
  ],
  ["length beyond the end", Signal.traces, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]), 0],
  ["varint without an end", Signal.traces, Buffer.alloc(30, 0xff), 0],
])("counts %s", (_name, signal, body, expected) => {
  expect(countItems(signal, body)).toBe(expected);
});
