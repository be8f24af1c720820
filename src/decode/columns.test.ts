import { expect, test } from "vitest";
import { Rows, int32s, uint8s } from "./columns.ts";

function makeRows(rowsMax: number): Rows<{ count: number; id: Int32Array; kind: Uint8Array }> {
  return new Rows({ count: 0, id: int32s(), kind: uint8s() }, rowsMax);
}

function fill(rows: ReturnType<typeof makeRows>, count: number): void {
  rows.reset();
  for (let left = count; left > 0; left--) {
    const row = rows.add(); // may replace the columns
    rows.table.id[row] = row + 1;
  }
  rows.publish();
}

test("grows, keeps what it holds, and hands out zeros again after a reset", () => {
  const rows = makeRows(10_000);
  fill(rows, 1_000);
  expect(rows.table.count).toBe(1_000);
  expect([...rows.table.id.subarray(0, 1_000)]).toEqual(
    Array.from({ length: 1_000 }, (_, row) => row + 1),
  );
  rows.reset();
  expect(rows.table.count).toBe(0);
  expect(rows.table.id.every((id) => id === 0)).toBe(true);
});

test.each([1, 63, 64, 65, 1_000])("refuses more than %i rows", (rowsMax) => {
  const rows = makeRows(rowsMax);
  fill(rows, rowsMax);
  expect(() => rows.add()).toThrow(`more than ${rowsMax} items of one type`);
});

test("a truncated row is zero when it is used again", () => {
  const rows = makeRows(100);
  fill(rows, 3);
  rows.truncate(1);
  expect(rows.table.id[rows.add()]).toBe(0);
  expect(rows.count).toBe(2);
});

test("gives memory back after many small requests, down to what is kept", () => {
  const rows = makeRows(1_000_000);
  fill(rows, 200_000);
  const grown = rows.table.id.length;
  for (let request = 0; request < 255; request++) fill(rows, 10);
  expect(rows.table.id.length).toBe(grown);
  for (let request = 0; request < 3_000; request++) fill(rows, 10);
  expect(rows.table.id.length).toBe(16_384);
  fill(rows, 100_000);
  expect(rows.table.id[99_999]).toBe(100_000);
});
