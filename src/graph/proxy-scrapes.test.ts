/** Where a proxy's counters stood still, whatever the order in which its scrapes came. */
import { expect, test } from "vitest";
import { makeSeries, proxySource } from "../../test/support/graph-observations.ts";
import { pairsToText } from "../lib/pairs-text.ts";
import type { EdgeSeries } from "../model/observations.ts";
import { usPerSecond } from "../model/time.ts";
import { ProxyScrapes, type Way } from "./proxy-scrapes.ts";

const source = proxySource("web-1");
const sec = (seconds: number): number => 1_000_000 * usPerSecond + seconds * usPerSecond;
const options = { latenessUs: 60 * usPerSecond, retentionUs: 960 * usPerSecond, proxiesMax: 2 };

const series = (parts: Partial<EdgeSeries> = {}): EdgeSeries =>
  makeSeries(0, { source, reporter: "source", measure: "connections_opened", ...parts });

const requests = [1, "requests"] as const;
const opened = [2, "connections_opened"] as const;

function wayOf(scrapes: ProxyScrapes, parts: Partial<EdgeSeries> = {}): Way {
  const way = scrapes.wayOf(series(parts));
  if (!way) throw new Error("the series tells of a proxy's own calls");
  return way;
}

interface Scraped {
  readonly at: number;
  readonly opened?: number;
  readonly requests?: number;
  readonly startUs?: number;
}

function scrape(scrapes: ProxyScrapes, way: Way, one: Scraped): void {
  const point = { timeUs: sec(one.at), startUs: one.startUs ?? 0, count: 0 };
  if (one.opened !== undefined)
    scrapes.point(way, ...opened, { ...point, value: one.opened }, false);
  if (one.requests !== undefined)
    scrapes.point(way, ...requests, { ...point, value: one.requests }, false);
}

const every15 = (until: number, more: Omit<Scraped, "at">): Scraped[] =>
  Array.from({ length: until / 15 + 1 }, (_, index) => ({ at: index * 15, ...more }));

/** What is said of 70 s to 110 s. */
function said(scraped: readonly Scraped[], shown: Partial<EdgeSeries> = {}) {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes, shown);
  for (const one of scraped) scrape(scrapes, way, one);
  return scrapes.across(source.key, sec(70), sec(110), sec(400));
}

test.each([
  ["all stands still", every15(300, { opened: 5, requests: 3 }), "still"],
  ["the same in reverse", every15(300, { opened: 5, requests: 3 }).toReversed(), "still"],
  ["a scrape was missed", every15(300, { opened: 5 }).toSpliced(5, 2), "still"],
  [
    "a counter moved",
    [...every15(60, { opened: 5 }), { at: 75, opened: 6 }, { at: 120, opened: 6 }],
    "moved",
  ],
  [
    "a series is new",
    [...every15(60, { opened: 5 }), { at: 120, opened: 5, requests: 1 }],
    "moved",
  ],
  [
    "a series is missing",
    [...every15(60, { opened: 5, requests: 1 }), { at: 120, opened: 5 }],
    "moved",
  ],
  [
    "it began anew",
    [...every15(60, { opened: 5 }), { at: 120, opened: 5, startUs: sec(80) }],
    "moved",
  ],
  ["one scrape alone", every15(0, { opened: 5 }), "untold"],
  ["none after it", every15(105, { opened: 5 }), "untold"],
  [
    "none before it",
    [
      { at: 75, opened: 5 },
      { at: 120, opened: 5 },
    ],
    "moved",
  ],
  ["requests alone are counted", every15(300, { requests: 5 }), "untold"],
] as const)("%s", (_, scraped, kind) => {
  expect(said(scraped).kind).toBe(kind);
});

test("names the scrapes next to the time, however long ago they were", () => {
  const still = { kind: "still", firstUs: sec(60), lastUs: sec(120), count: 1 };
  expect(said(every15(150, { opened: 5 }))).toEqual(still);
  expect(said(every15(900, { opened: 5 }))).toEqual(still);
});

test("waits for what belongs to the scrapes that decide", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  for (const one of every15(120, { opened: 5 })) scrape(scrapes, way, one);
  const wait = { kind: "wait", dueUs: sec(180) };
  expect(scrapes.across(source.key, sec(70), sec(110), sec(130))).toEqual(wait);
  expect(scrapes.across(source.key, sec(70), sec(110), sec(180)).kind).toBe("still");
});

test("an increment is no stillness", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  const point = { timeUs: sec(90), startUs: 0, value: 5, count: 0 };
  const across = () => scrapes.across(source.key, sec(70), sec(110), sec(400)).kind;
  for (const one of every15(150, { opened: 5 })) {
    if (one.at !== 90) scrape(scrapes, way, one);
  }
  expect(across()).toBe("still");
  scrapes.point(way, ...opened, point, true);
  expect(across()).toBe("moved");
});

test("a series that ended tells of no stillness", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  for (const one of every15(300, { opened: 5 })) scrape(scrapes, way, one);
  scrapes.breaks(way, sec(240));
  const across = (from: number, to: number) =>
    scrapes.across(source.key, sec(from), sec(to), sec(400)).kind;
  expect([across(70, 110), across(200, 250)]).toEqual(["still", "moved"]);
});

test("what settled long ago, or was written down, is as it was", () => {
  const before = new ProxyScrapes(options);
  const way = wayOf(before);
  for (const one of every15(600, { opened: 5, requests: 2 })) scrape(before, way, one);
  const after = new ProxyScrapes(options);
  after.restore(source, before.stored(source.key));
  expect(wayOf(after)).toMatchObject({ settled: way.settled, recent: way.recent });
  scrape(after, wayOf(after), { at: 615, opened: 6, requests: 2 });
  const across = (from: number, to: number) =>
    after.across(source.key, sec(from), sec(to), sec(1_000)).kind;
  expect([across(70, 110), across(560, 610)]).toEqual(["still", "moved"]);
});

test("what moves at each scrape is not kept, and memory has its bounds", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  for (let at = 0; at < 7_200; at += 15) scrape(scrapes, way, { at, opened: at });
  expect([way.settled.length, way.recent.length]).toEqual([1, 9]);
  for (let at = 7_200; at < 14_400; at += 15) scrape(scrapes, way, { at, opened: 1 });
  expect(way.settled).toHaveLength(1);
  expect(way.settled[0]?.times.length).toBeLessThan(90);
});

const labelled = (collector: string) =>
  pairsToText(
    new Map([
      ["service.name", "pods"],
      ["collector", collector],
    ]),
  );

/** What is said of two senders, of which the second begins and ends then. */
function together(fromS: number, toS: number, resources: readonly [string, string], apartS = 5) {
  const scrapes = new ProxyScrapes(options);
  const [one, other] = resources.map((resource) => wayOf(scrapes, { resource }));
  if (!one || !other) throw new Error("two ways");
  for (const { at } of every15(900, {})) {
    scrape(scrapes, one, { at, opened: at });
    if (at >= fromS && at <= toS) scrape(scrapes, other, { at: at + apartS, opened: at });
  }
  return new Set(scrapes.takeContradictions().map(({ about, text }) => `${about}: ${text}`));
}

test("two senders beside each other are told by what they differ in", () => {
  const text = `${source.key}: its counters come twice, as collector a and b`;
  expect(together(0, 900, [labelled("a"), labelled("b")])).toEqual(new Set([text]));
  expect(together(0, 900, [labelled("b"), labelled("a")])).toEqual(new Set([text]));
});

test("a sender that takes another's place, equal ones and parts of one scrape are no two", () => {
  const none = new Set();
  expect(together(0, 200, [labelled("a"), labelled("b")])).toEqual(none);
  expect(together(0, 900, [labelled("a"), labelled("a")])).toEqual(none);
  expect(together(0, 900, [labelled("a"), labelled("b")], 0)).toEqual(none);
});

test("claims, callers' rows and rows of no proxy tell nothing", () => {
  const scrapes = new ProxyScrapes(options);
  expect(scrapes.wayOf(series({ trust: "claimed" }))).toBeNull();
  expect(scrapes.wayOf(series({ reporter: "destination" }))).toBeNull();
  expect(scrapes.wayOf(series({ channel: "sink" }))).toBeNull();
});

test("of a proxy with series left out nothing is said, nor of too many senders or proxies", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  for (const one of every15(300, { opened: 5 })) scrape(scrapes, way, one);
  const across = () => scrapes.across(source.key, sec(70), sec(110), sec(400)).kind;
  expect(across()).toBe("still");
  scrapes.leftOut(series());
  expect(across()).toBe("untold");
  const other = proxySource("web-2");
  const ways = ["a", "b", "c", "d"].map((resource) => series({ source: other, resource }));
  expect(ways.every((one) => scrapes.wayOf(one) !== null)).toBe(true);
  expect(scrapes.wayOf(series({ source: other, resource: "e" }))).toBeNull();
  expect(scrapes.wayOf(series({ source: proxySource("web-3") }))).toBeNull();
  expect(scrapes.dropped).toBe(1);
});

test("who has not scraped for long is forgotten, and known again when he does", () => {
  const scrapes = new ProxyScrapes(options);
  const way = wayOf(scrapes);
  scrape(scrapes, way, { at: 0, opened: 5 });
  scrapes.advance(sec(2_000));
  expect(scrapes.stored(source.key)).toEqual([]);
  for (const at of [2_010, 2_100]) scrape(scrapes, way, { at, opened: 5 });
  expect(scrapes.across(source.key, sec(2_020), sec(2_090), sec(3_000)).kind).toBe("still");
});
