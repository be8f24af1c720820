/**
 * What a commit adds to the history of edges: events of a facet's life, and its traffic in buckets.
 *
 * Under load most facets change with every commit, so their roll-ups are written once a minute, each
 * facet at a second of its own (`unrolled.ts`). What has not been written yet is no loss in a crash: a facet's row holds
 * its totals and those that the roll-ups hold (`rolled`), and the next process writes the difference.
 */
import type { EdgeEventRow, WriteSet } from "../model/rows.ts";
import { usPerHour, usPerMinute, type Us } from "../model/time.ts";
import type { FacetView } from "./facet-view.ts";
import type { FacetLedger, FacetWritten, Recorded, Traffic } from "./facet-ledger.ts";
import type { Facet } from "./facets.ts";

const bucketWidthsUs = [5 * usPerMinute, usPerHour];

const noTraffic: Traffic = {
  requests: 0,
  errors: 0,
  connections: 0,
  bytesSent: 0,
  bytesReceived: 0,
};
const nothingRecorded: Recorded = {
  security: "unknown",
  aroundProxy: 0,
  rolled: noTraffic,
  rolledUs: 0,
};

/** Compares the view with what was recorded last, and records it. */
export function eventRows(into: WriteSet, view: FacetView, ledger: FacetLedger): void {
  const { facet, security, aroundProxy } = view;
  const before = ledger.recorded(facet.place);
  const event = (kind: EdgeEventRow["kind"], value: string) =>
    into.edgeEvents.push({ atUs: view.lastUs, facetId: facet.id, kind, value });
  const recorded = before ?? nothingRecorded;
  if (!before) event("appeared", "");
  if (security !== recorded.security) event("security", security);
  if (aroundProxy > recorded.aroundProxy) event("around_proxy", String(aroundProxy));
  ledger.record(facet.place, { ...recorded, security, aroundProxy });
}

/** Traffic belongs to the bucket in which it was seen; a facet's is given away before another begins. */
export function isOtherBucket(oneUs: Us, otherUs: Us): boolean {
  const widthUs = bucketWidthsUs[0] ?? 0;
  return Math.floor(oneUs / widthUs) !== Math.floor(otherUs / widthUs);
}

/**
 * What was added since the last roll-up, in the bucket of the newest event. When another column takes the
 * lead its totals may be lower: that is no traffic. The row must be written with its `detail` afterwards.
 */
export function rollupRows(
  into: WriteSet,
  facet: Facet,
  row: FacetWritten,
  ledger: FacetLedger,
): void {
  const recorded = ledger.recorded(facet.place);
  if (!recorded) return;
  const { rolled } = recorded;
  if (isSameTraffic(rolled, row)) return;
  facet.isDetailDirty = true;
  ledger.record(facet.place, { ...recorded, rolled: row, rolledUs: into.atUs });
  const traffic = {
    requests: Math.max(0, row.requests - rolled.requests),
    errors: Math.max(0, row.errors - rolled.errors),
    connections: Math.max(0, row.connections - rolled.connections),
    bytesSent: Math.max(0, row.bytesSent - rolled.bytesSent),
    bytesReceived: Math.max(0, row.bytesReceived - rolled.bytesReceived),
  };
  if (isSameTraffic(traffic, noTraffic)) return;
  for (const widthUs of bucketWidthsUs) {
    const bucketUs = Math.floor(row.lastSeenUs / widthUs) * widthUs;
    into.rollups.push({ bucketUs, widthUs, facetId: facet.id, ...traffic });
  }
}

export function isSameTraffic(a: Traffic, b: Traffic): boolean {
  return (
    a.requests === b.requests &&
    a.errors === b.errors &&
    a.connections === b.connections &&
    a.bytesSent === b.bytesSent &&
    a.bytesReceived === b.bytesReceived
  );
}
