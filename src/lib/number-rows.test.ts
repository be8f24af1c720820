/** Rows of numbers are those that plain lists would be. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { NumberRows } from "./number-rows.ts";

const change = fc.record({
  what: fc.constantFrom("take", "take", "set", "set", "give"),
  which: fc.nat(2_000),
  field: fc.nat(2),
  value: fc.double({ noNaN: true }),
});

test("rows that are taken, set and given back hold what was set", () => {
  fc.assert(
    fc.property(fc.nat(1_050), fc.array(change, { maxLength: 100 }), (before, changes) => {
      const rows = new NumberRows(3);
      const plain = new Map<number, number[]>();
      for (let at = 0; at < before; at++) plain.set(rows.take(), [0, 0, 0]);
      let takenTwice = false;
      for (const { what, which, field, value } of changes) {
        const taken = [...plain.keys()];
        const row = taken[which % taken.length];
        if (what === "take") {
          const fresh = rows.take();
          takenTwice ||= plain.has(fresh);
          plain.set(fresh, [0, 0, 0]);
        } else if (row !== undefined && what === "set") {
          rows.set(row, field, value);
          plain.get(row)?.splice(field, 1, value);
        } else if (row !== undefined) {
          rows.give(row);
          plain.delete(row);
        }
      }
      expect(takenTwice).toBe(false);
      for (const [row, numbers] of plain) {
        expect([0, 1, 2].map((field) => rows.get(row, field))).toEqual(numbers);
      }
    }),
    { numRuns: 20 },
  );
});
