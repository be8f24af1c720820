/** What a commit adds to the history of edges: events of a facet's life, and its traffic in buckets. */
import type { EdgeEventRow, WriteSet } from "../model/rows.ts";
import { usPerHour, usPerMinute } from "../model/time.ts";
import type { FacetView } from "./edge-view.ts";
import type { Recorded } from "./facets.ts";

const bucketWidthsUs = [5 * usPerMinute, usPerHour];

/** Compares the view with what was recorded last, and records it. */
export function historyRows(into: WriteSet, view: FacetView): void {
  const { facet, amounts, security, aroundProxy, connections } = view;
  const { requests, errors, bytesSent, bytesReceived } = amounts;
  const now = { security, aroundProxy, requests, errors, connections, bytesSent, bytesReceived };
  const before = facet.recorded;
  const event = (kind: EdgeEventRow["kind"], value: string) =>
    into.edgeEvents.push({ atUs: view.lastUs, facetId: facet.id, kind, value });
  if (!before) event("appeared", "");
  if (security !== (before?.security ?? "unknown")) event("security", security);
  if (aroundProxy > (before?.aroundProxy ?? 0)) event("around_proxy", String(aroundProxy));
  rollupRows(into, view, before, now);
  facet.recorded = now;
}

/**
 * What was added since the last commit, in the bucket of the newest event. When another column takes the
 * lead its totals may be lower: that is no traffic.
 */
function rollupRows(into: WriteSet, view: FacetView, before: Recorded | null, now: Recorded): void {
  const added = (name: Exclude<keyof Recorded, "security">) =>
    Math.max(0, now[name] - (before?.[name] ?? 0));
  const traffic = {
    requests: added("requests"),
    errors: added("errors"),
    connections: added("connections"),
    bytesSent: added("bytesSent"),
    bytesReceived: added("bytesReceived"),
  };
  if (Object.values(traffic).every((value) => value === 0)) return;
  for (const widthUs of bucketWidthsUs) {
    const bucketUs = Math.floor(view.lastUs / widthUs) * widthUs;
    into.rollups.push({ bucketUs, widthUs, facetId: view.facet.id, ...traffic });
  }
}
