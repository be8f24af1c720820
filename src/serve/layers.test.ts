/** Defence in depth as the API answers it. */
import { expect, test } from "vitest";
import type { ApiNamespaceLayers, LayerStatus } from "../model/layers.ts";
import { layersPage } from "./layers.ts";
import { parseLayersFilter } from "./parameters.ts";

const one = (cluster: string, namespace: string, status: LayerStatus): ApiNamespaceLayers => ({
  cluster,
  namespace,
  layers: [{ layer: "network", status, why: "", facts: {}, insights: [], insights_total: 0 }],
});
const all = [one("lab", "books", "ok"), one("lab", "shop", "missing"), one("west", "shop", "ok")];
const namesOf = (items: readonly ApiNamespaceLayers[] = []) =>
  items.map(({ cluster, namespace }) => `${cluster}/${namespace}`);

test("a page says how many there are and where to go on", () => {
  const first = layersPage(all, { limit: 2 });
  expect([namesOf(first?.items), first?.total]).toEqual([["lab/books", "lab/shop"], 3]);
  const second = layersPage(all, { limit: 2, cursor: first?.next ?? "" });
  expect([namesOf(second?.items), second?.next]).toEqual([["west/shop"], null]);
  expect(layersPage(all, { cursor: "nobody's" })).toBeNull();
});

test("filters by cluster, namespace and status", () => {
  expect(namesOf(layersPage(all, { namespace: "shop" })?.items)).toEqual(["lab/shop", "west/shop"]);
  expect(namesOf(layersPage(all, { cluster: "lab", status: "ok" })?.items)).toEqual(["lab/books"]);
  expect(layersPage(all, { namespace: "bank" })).toEqual({ items: [], next: null, total: 0 });
});

test("what is no filter is told", () => {
  expect(parseLayersFilter({ status: "weak", limit: "5" })).toEqual({
    ok: true,
    value: { status: "weak", limit: 5 },
  });
  expect(parseLayersFilter({ status: "bad" }).ok).toBe(false);
  expect(parseLayersFilter({ name: "shop" }).ok).toBe(false);
});
