import { expect, test } from "vitest";
import { instruments, type InstrumentSpec } from "./instruments.ts";

const isTime = /timestamp|duration|delay|(^|_)lag(_|$)/;
const all = Object.entries<InstrumentSpec>(instruments);

test.each(all)(
  "%s has the form that Prometheus expects",
  (name, { kind, help, labels, buckets }) => {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(help).toMatch(/^[A-Z].*[^. ]\.$/);
    expect(name.endsWith("_total")).toBe(kind === "counter");
    expect(kind !== "histogram" || /_(seconds|bytes)$/.test(name)).toBe(true);
    expect(kind === "histogram").toBe(buckets !== undefined);
    // A unit is the last part, in base units, before `_total`; the suffixes of histograms are theirs.
    expect(name).not.toMatch(/_(ms|us|milliseconds|minutes|kb|mb|sum|count|bucket)(_|$)/);
    expect(!isTime.test(name) || /_seconds(_total)?$/.test(name)).toBe(true);
    expect(new Set(labels).size).toBe(labels.length);
  },
);

/** Of what there is without end: each value would be a series. */
const endless = ["pod", "ip", "address", "path", "id", "insight", "workload", "le", "quantile"];

test.each(all)("%s has no label with values without end", (_name, { labels }) => {
  expect(labels.filter((label) => endless.includes(label))).toEqual([]);
  expect(labels.filter((label) => /(^|_)(pod|ip|path|id)$/.test(label))).toEqual([]);
});
