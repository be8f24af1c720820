import { expect, test } from "vitest";
import { Legless } from "./legless.ts";

test("what is known of a destination is replaced, and counted by pod since a time", () => {
  const legless = new Legless();
  legless.set("end a", "web", [10, 20]);
  legless.set("end b", "web", [30]);
  legless.set("end c", "cart", [40]);
  legless.set("end d", "cart", []);
  expect([legless.since("web", 0), legless.since("web", 10), legless.since("cart", 40)]).toEqual([
    3, 2, 0,
  ]);
  expect(legless.takeChanged()).toEqual(["web", "cart"]);
  legless.set("end a", "web", [20]);
  legless.set("end b", "web", []);
  expect([legless.since("web", 0), legless.since("nobody", 0)]).toEqual([1, 0]);
  expect(legless.takeChanged()).toEqual(["web"]);
});
