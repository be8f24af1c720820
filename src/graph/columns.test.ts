/** What a view shows of columns that belong together is what merging them would hold. */
import { expect, test } from "vitest";
import { NumberRows } from "../lib/number-rows.ts";
import { columnKind, columnWidth } from "./column-numbers.ts";
import {
  addMovable,
  Column,
  countBareLine,
  countMove,
  makeAmounts,
  mergeColumn,
  mergeNumbers,
  stretch,
  type Amounts,
} from "./columns.ts";
import { countSecurity } from "./security.ts";

/** A column with something of everything, different for each seed; no two of its numbers are equal. */
function filled(seed: number, rows?: NumberRows): Column {
  const column = new Column(columnKind("destination", "logs", rows));
  const sums = { requests: 3, errors: 1, denied: 5, opened: 11, closed: 13, bytesSent: 701 };
  const more = { bytesReceived: 907, latencySumUs: 1_000_003, latencyCount: 29 };
  for (const [name, value] of Object.entries({ ...sums, ...more })) {
    column.amounts[name as keyof Amounts] = value * seed;
  }
  column.settled = 31 * seed;
  stretch(column, 1_000_000 * seed, 2_000_000 * seed);
  const amounts = { ...makeAmounts(), requests: seed };
  const [firstUs, lastUs] = [900_000 * seed, 5_000_000 * seed];
  addMovable(column, { amounts, count: seed, firstUs, lastUs, example: null });
  countSecurity(column.security, 600_000_000 * seed, 37 * seed, 41);
  countSecurity(column.security, 600_000_000 * seed - 1, 43 * seed, 47);
  countBareLine(column, 4_000_000 * seed, 2);
  countMove(column, 3_000_000 * seed, 6_000_000 * seed, 1);
  return column;
}

/** All that a column says but for what may still move. */
function saidOf(column: Column): Record<string, unknown> {
  const { requests, errors, denied, opened, closed, bytesSent, bytesReceived } = column;
  const { latencySumUs, latencyCount, newest, tls, tlsBefore, none, noneBefore } = column;
  const { firstUs, lastUs, settled, settledFirstUs, settledLastUs, bareLines } = column;
  return {
    requests,
    errors,
    denied,
    opened,
    closed,
    bytesSent,
    bytesReceived,
    latencySumUs,
    latencyCount,
    newest,
    tls,
    tlsBefore,
    none,
    noneBefore,
    firstUs,
    lastUs,
    settled,
    settledFirstUs,
    settledLastUs,
    bareLines,
    plaintextMoves: column.plaintextMoves,
  };
}

function numbersOf(column: Column): number[] {
  return Object.values(saidOf(column)).filter((value) => typeof value === "number");
}

test("numbers of columns together are those of the merged column, but for what may still move", () => {
  const merged = new Column(columnKind("destination", "logs"));
  const shown = new Column(columnKind("destination", "logs"));
  for (const seed of [2, 1, 3]) {
    mergeColumn(merged, filled(seed));
    mergeNumbers(shown, filled(seed));
  }
  expect(merged.movable?.size).toBe(3);
  expect(shown.movable).toBeNull();
  expect(saidOf(shown)).toEqual(saidOf(merged));
});

test("a column that gives its numbers back has them still, and another one begins with none", () => {
  const rows = new NumberRows(columnWidth);
  const [column, plain] = [filled(2, rows), filled(2)];
  expect(saidOf(column)).toEqual(saidOf(plain));
  expect(new Set(numbersOf(plain)).size).toBe(numbersOf(plain).length);
  column.release();
  const next = new Column(columnKind("source", "metrics", rows));
  expect(numbersOf(next).every((value) => value === 0)).toBe(true);
  next.requests = 5;
  column.errors = 7;
  expect(saidOf(column)).toEqual({ ...saidOf(plain), errors: 7 });
  expect([next.requests, next.errors]).toEqual([5, 0]);
});
