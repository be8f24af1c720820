/** What a view shows of columns that belong together is what merging them would hold. */
import { expect, test } from "vitest";
import {
  addMovable,
  Column,
  countBareLine,
  countMove,
  makeAmounts,
  mergeColumn,
  mergeNumbers,
  stretch,
} from "./columns.ts";
import { countSecurity } from "./security.ts";

/** A column with something of everything, different for each seed. */
function filled(seed: number): Column {
  const column = new Column("destination", "logs");
  column.amounts.requests = 3 * seed;
  column.amounts.bytesSent = 700 + seed;
  column.settled = seed;
  stretch(column, 1_000_000 * seed, 2_000_000 * seed);
  const amounts = { ...makeAmounts(), requests: seed };
  const [firstUs, lastUs] = [900_000 * seed, 5_000_000 * seed];
  addMovable(column, { amounts, count: seed, firstUs, lastUs, example: null });
  countSecurity(column.security, 600_000_000 * seed, seed, 1);
  countBareLine(column, 4_000_000 * seed, 2);
  countMove(column, 3_000_000 * seed, 6_000_000 * seed, 1);
  return column;
}

test("numbers of columns together are those of the merged column, but for what may still move", () => {
  const merged = new Column("destination", "logs");
  const shown = new Column("destination", "logs");
  for (const seed of [2, 1, 3]) {
    mergeColumn(merged, filled(seed));
    mergeNumbers(shown, filled(seed));
  }
  expect(merged.movable?.size).toBe(3);
  expect(shown.movable).toBeNull();
  merged.movable = null;
  expect(shown).toEqual(merged);
});
