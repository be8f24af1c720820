/** Facets that stand by their second come due as those do that are all looked at each time. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FacetLedger } from "./facet-ledger.ts";
import { Facets, type Facet } from "./facets.ts";
import { Nodes } from "./nodes.ts";
import { isRollDue, Unrolled } from "./unrolled.ts";

const startUs = 1_795_246_320_000_000;
const traffic = { requests: 0, errors: 0, connections: 0, bytesSent: 0, bytesReceived: 0 };

/** As `roll` does it: what is due at once does not wait. */
class Roll {
  readonly #ledger = new FacetLedger();
  readonly #unrolled = new Unrolled<Facet>();
  readonly #plain = new Set<Facet>();

  /** What came due, and what is left: as it is told, and as a look at all finds. */
  commit(touched: readonly Facet[], waiting: number, nowUs: number): Set<Facet>[] {
    for (const facet of touched) {
      if (facet.place < 0) facet.place = this.#ledger.take();
      const rolledUs = this.#ledger.rolledUs(facet.place);
      if (isRollDue(facet.id, rolledUs, waiting, nowUs)) {
        this.#unrolled.delete(facet);
        this.#plain.delete(facet);
        this.#rolled(facet, nowUs);
      } else {
        this.#unrolled.add(facet);
        this.#plain.add(facet);
      }
    }
    const due = this.#unrolled.takeDue(this.#ledger, waiting, nowUs);
    const isDue = (facet: Facet) =>
      isRollDue(facet.id, this.#ledger.rolledUs(facet.place), waiting, nowUs);
    const plain = new Set([...this.#plain].filter(isDue));
    for (const facet of plain) {
      this.#plain.delete(facet);
      this.#rolled(facet, nowUs);
    }
    const left = new Set([...this.#plain].filter((facet) => this.#unrolled.has(facet)));
    return [new Set(due), plain, left, this.#plain];
  }

  get size(): number {
    return this.#unrolled.size;
  }

  #rolled({ place }: Facet, rolledUs: number): void {
    this.#ledger.record(place, { security: "none", aroundProxy: 0, rolled: traffic, rolledUs });
  }
}

function makeFacets(count: number): Facet[] {
  const nodes = new Nodes(10);
  const [src, dst] = ["a", "b"].map((name) => nodes.intern(name, { name, namespace: "shop" }));
  const facets = new Facets({ facetsMax: 1_000, facetsPerNodeMax: 1_000 }, nodes, () => {});
  return Array.from({ length: count }, (_, port) => {
    const facet = facets.facet(src?.id ?? 0, dst?.id ?? 0, "tcp", "http", port + 1);
    if (!facet) throw new Error("there is room for it");
    facet.place = -1;
    return facet;
  });
}

const commit = fc.record({
  touched: fc.array(fc.nat(99), { maxLength: 30 }),
  waiting: fc.constantFrom(10, 1_000, 1_000, 1_000, 1_000),
  // Also a pause of minutes, and a clock that was set back.
  pauseMs: fc.constantFrom(100, 1_000, 1_000, 5_000, 20_000, 200_000, -3_000),
});

test("the facets that come due are those that a look at all of them finds", () => {
  fc.assert(
    fc.property(fc.array(commit, { maxLength: 60 }), (commits) => {
      const facets = makeFacets(100);
      const roll = new Roll();
      let nowUs = startUs;
      for (const { touched, waiting, pauseMs } of commits) {
        nowUs += pauseMs * 1_000;
        const some = new Set(touched.flatMap((at) => facets[at] ?? []));
        const [due, plainDue, left, plainLeft] = roll.commit([...some], waiting, nowUs);
        expect([due, left, roll.size]).toEqual([plainDue, plainLeft, plainLeft?.size]);
      }
    }),
  );
});
