/** The ledger gives back what it was told, and nothing of what another facet was told at its place. */
import { expect, test } from "vitest";
import { FacetLedger, type FacetWritten, type Recorded } from "./facet-ledger.ts";

const row: FacetWritten = {
  security: "mixed",
  plaintextShare: 0.25,
  route: "declared",
  requests: 1,
  errors: 2,
  denied: 3,
  connections: 4,
  bytesSent: 5,
  bytesReceived: 6,
  aroundProxy: 7,
  shadowed: true,
  firstSeenUs: 1_795_246_320_000_001,
  lastSeenUs: 1_795_246_320_000_002,
};
const recorded: Recorded = {
  security: "none",
  aroundProxy: 8,
  rolled: { requests: 9, errors: 10, connections: 11, bytesSent: 12, bytesReceived: 13 },
  rolledUs: 1_795_246_320_000_003,
};

test("a row, what was recorded and what was counted come back as they were", () => {
  const ledger = new FacetLedger();
  const [one, other] = [ledger.take(), ledger.take()];
  expect([ledger.written(one), ledger.recorded(one), ledger.rolledUs(one)]).toEqual([
    null,
    null,
    0,
  ]);
  ledger.write(one, row);
  ledger.record(one, recorded);
  ledger.setCounted(one, 14);
  // Each leaves the other two as they were.
  ledger.write(one, row);
  expect([ledger.written(one), ledger.recorded(one)]).toEqual([row, recorded]);
  expect([ledger.rolledUs(one), ledger.counted(one)]).toEqual([recorded.rolledUs, 14]);
  expect([ledger.written(other), ledger.recorded(other), ledger.counted(other)]).toEqual([
    null,
    null,
    0,
  ]);
});

test("every field that differs makes another row of it", () => {
  const ledger = new FacetLedger();
  const place = ledger.take();
  expect(ledger.isWrittenAs(place, row)).toBe(false);
  ledger.write(place, row);
  expect(ledger.isWrittenAs(place, row)).toBe(true);
  for (const [field, value] of Object.entries(row)) {
    const changed =
      typeof value === "number" ? value + 1 : typeof value === "string" ? `${value}?` : !value;
    expect([field, ledger.isWrittenAs(place, { ...row, [field]: changed })]).toEqual([
      field,
      false,
    ]);
  }
});

test("a place that was given back knows nothing of the facet before", () => {
  const ledger = new FacetLedger();
  const place = ledger.take();
  ledger.write(place, row);
  ledger.record(place, recorded);
  ledger.setCounted(place, 14);
  ledger.give(place);
  expect(ledger.take()).toBe(place);
  expect([ledger.written(place), ledger.recorded(place), ledger.counted(place)]).toEqual([
    null,
    null,
    0,
  ]);
});
