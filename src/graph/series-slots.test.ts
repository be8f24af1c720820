/** What is kept of series in lists is what was said of each. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { makeSeries, proxySource } from "../../test/support/graph-observations.ts";
import type { PeerName } from "../model/observations.ts";
import { columnKind } from "./column-numbers.ts";
import { addSeries, Column } from "./columns.ts";
import { SeriesSlots, type Teller } from "./series-slots.ts";

const kinds = [makeSeries(0, {}), makeSeries(0, { measure: "bytes_sent" })];
const sources = Array.from({ length: 40 }, (_, index) => proxySource(`web-${index}`));
const ends: PeerName[] = Array.from({ length: 3 }, () => ({ ...makeSeries(0, {}).src }));
const columns = Array.from({ length: 4 }, () => () => new Column(columnKind("source", "metrics")));

const spoken = fc.record({
  row: fc.nat(3_000),
  kind: fc.constantFrom(...kinds),
  // Equal sources are not always one object.
  source: fc.constantFrom(...sources).map((source) => ({ ...source })),
  src: fc.constantFrom(...ends),
  dst: fc.constantFrom(...ends),
  column: fc.nat(columns.length - 1),
});

test("whatever rows speak in whatever order, each is told by its teller and counts on its column", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(spoken, { selector: ({ row }) => row, maxLength: 120, size: "max" }),
      (all) => {
        const slots = new SeriesSlots();
        const on = columns.map((make) => make());
        const expected = on.map((): number[] => []);
        for (const [id, { row, kind, source, src, dst, column }] of all.entries()) {
          const teller: Teller = { kind, source, way: null };
          expect(slots.has(row)).toBe(false);
          slots.add(row, src, dst, teller);
          slots.setRow(id, row);
          const into = on[column];
          if (into) slots.setColumn(row, into, addSeries(into, row));
          expected[column]?.unshift(row);
        }
        for (const [id, { row, kind, source, src, dst, column }] of all.entries()) {
          expect([slots.rowOf(id), slots.has(row)]).toEqual([row, true]);
          expect(slots.teller(row)).toEqual({ kind, source, way: null });
          expect(slots.src(row)).toBe(src);
          expect(slots.dst(row)).toBe(dst);
          expect(slots.column(row)).toBe(on[column]);
        }
        expect(slots.rowOf(all.length)).toBe(-1);
        expect(on.map((column) => [...slots.countingOn(column)])).toEqual(expected);
      },
    ),
  );
});
