/** An index of edges answers as a map by their ends does. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Transport } from "../model/observations.ts";
import { Edge } from "./edge.ts";
import { EdgeIndex } from "./edge-index.ts";

const change = fc.record({
  isAdded: fc.boolean(),
  src: fc.integer({ min: 1, max: 12 }),
  dst: fc.integer({ min: 1, max: 12 }),
  transport: fc.constantFrom<Transport>("tcp", "tcp", "udp"),
});

test("whatever is added and deleted, over its growth, what is found is what is there", () => {
  fc.assert(
    fc.property(
      fc.nat(400),
      fc.array(change, { maxLength: 1_500, size: "max" }),
      (many, changes) => {
        const index = new EdgeIndex();
        const plain = new Map<string, Edge>();
        const add = (edge: Edge) => {
          index.add(edge);
          plain.set(`${edge.srcId} ${edge.dstId} ${edge.transport}`, edge);
        };
        for (let id = 1; id <= many; id++) add(new Edge(id, 100 + id, 200 + id, "tcp"));
        for (const [at, { isAdded, src, dst, transport }] of changes.entries()) {
          const key = `${src} ${dst} ${transport}`;
          const known = plain.get(key);
          expect(index.get(src, dst, transport)).toBe(known);
          if (isAdded && !known) add(new Edge(1_000 + at, src, dst, transport));
          if (isAdded) continue;
          const removed = known ?? new Edge(0, src, dst, transport);
          expect(index.delete(removed)).toBe(plain.delete(key));
        }
        expect(index.size).toBe(plain.size);
        expect(new Set(index)).toEqual(new Set(plain.values()));
        for (const { srcId, dstId, transport } of plain.values()) {
          expect(index.get(srcId, dstId, transport)).toBe(
            plain.get(`${srcId} ${dstId} ${transport}`),
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});
