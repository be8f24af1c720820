import { expect, test } from "vitest";
import { AddressCap } from "./address-cap.ts";

test("an address has its share, others and loopback are not affected, and leaving gives it back", () => {
  const cap = new AddressCap(2);
  const enter = (address: string): boolean => cap.enter(address);
  expect(["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"].map(enter)).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(["127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1"].map(enter)).not.toContain(
    false,
  );
  cap.leave("10.0.0.1");
  expect(["10.0.0.1", "10.0.0.1"].map(enter)).toEqual([true, false]);
});
