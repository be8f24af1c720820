/** Silence of sources through the whole pipeline, against what was written down beforehand. */
import { afterEach, expect, test } from "vitest";
import { usPerMinute } from "../src/model/time.ts";
import { at, cart, clientLine, makePod, object, web } from "./scenarios/pipeline-world.ts";
import {
  SilenceWorld,
  events,
  expectation,
  lists,
  minutes,
  relayed,
  scrapes,
  spans,
  type Feed,
} from "./scenarios/silence-world.ts";

const worlds: SilenceWorld[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world[Symbol.dispose]();
});

function open(...expected: ConstructorParameters<typeof SilenceWorld>): SilenceWorld {
  const world = new SilenceWorld(...expected);
  worlds.push(world);
  return world;
}

const once = (atS: number, make: Feed["make"]): Feed => ({
  everyS: 1,
  fromS: atS,
  untilS: atS + 1,
  make,
});

const logLine = (atS: number) =>
  clientLine(
    atS,
    at(web.ip, 40_000 + (atS % 1_000)),
    at("10.96.0.20", 80),
    at(web.ip, 50_000 + (atS % 1_000)),
    at(cart.ip, 8080),
  ).request;

const stateOf = (world: SilenceWorld, key: string) =>
  world.sources().find((source) => source.key === key)?.state;
const webProxy = "demo/shop/web-6d4b75cb9d-x7k2p";

const innocents: readonly { name: string; feeds: readonly Feed[] }[] = [
  {
    name: "a proxy that only pushes access logs has no more traffic",
    feeds: [events(), lists(web), { everyS: 7, fromS: 0, untilS: 300, make: logLine }],
  },
  {
    name: "a scraped proxy whose pod was deleted",
    feeds: [
      events(),
      lists(cart),
      lists(web, { untilS: 600 }),
      scrapes(web, { untilS: 600 }),
      once(601, () => object({ ...web, endS: 600 }, 601).request),
    ],
  },
  {
    name: "a log line of a deleted proxy comes late",
    feeds: [
      events(),
      lists(cart),
      lists(web, { untilS: 600 }),
      scrapes(web, { untilS: 600 }),
      once(601, () => object({ ...web, endS: 600 }, 601).request),
      once(700, () => scrapes(web).make(599)),
    ],
  },
  {
    name: "a scraped proxy falls silent where no pod objects arrive: its pod may have been deleted",
    feeds: [events(), scrapes(web, { untilS: 600 })],
  },
  {
    name: "pods do not change, and are listed every 15 minutes",
    feeds: [events(), lists(web), relayed("kubernetes", minutes(15))],
  },
  {
    name: "a machine is removed with its pods",
    feeds: [
      events({ untilS: 600 }),
      lists(cart, { untilS: 600 }),
      once(590, () => object({ ...web, endS: 589 }, 590).request),
      once(600, () => object({ ...cart, endS: 599 }, 600).request),
      // The cluster goes on elsewhere.
      lists(makePod("other", "10.244.7.7", { hostNetwork: true }), { fromS: 601, everyS: 60 }),
    ].map((one, index) => (index === 4 ? { ...one, make: elsewhere } : one)),
  },
];

/** A pod of another machine. */
function elsewhere(atS: number) {
  return object(makePod("other", "10.244.7.7", { node: "node-2" }), atS).request;
}

test.each(innocents)("innocent: $name", ({ feeds }) => {
  const world = open().run(minutes(80), feeds);
  expect(world.transitions).toEqual([]);
});

test("innocent: a proxy that only pushes spans has no more traffic", () => {
  const feeds = [events(), lists(web), spans(web, { untilS: 600 })];
  const world = open().run(minutes(80), feeds);
  expect(stateOf(world, webProxy)).toBe("silent");
  expect(world.transitions).toEqual([]);
});

test("a proxy is gone as soon as its pod is, and what it said before does not bring it back", () => {
  const end = object({ ...web, endS: 600 }, 601).request;
  const feeds = [lists(web, { untilS: 600 }), scrapes(web, { untilS: 600 }), once(601, () => end)];
  const world = open().run(603, feeds);
  expect(stateOf(world, webProxy)).toBe("gone");
  expect(world.counters()["sources proxy gone"]).toBe(1);
  world.run(610, [once(605, () => scrapes(web).make(599))]);
  expect(stateOf(world, webProxy)).toBe("gone");
});

test("innocent: we were away for an hour, and everybody speaks when we are back", () => {
  const feeds = [events(), lists(web), scrapes(web), relayed("gateway")];
  const world = open().run(minutes(10), feeds).restart(minutes(60)).run(minutes(120), feeds);
  expect(world.transitions).toEqual([]);
});

test("guilty: a node agent dies; hours do not mend it, nor does a restart of ours; its return does", () => {
  const dead = [lists(web), scrapes(web)];
  const world = open()
    .run(minutes(10), [events(), ...dead])
    .run(minutes(200), dead);
  expect(world.transitions).toEqual(["17m pending>firing"]);
  expect(world.insights()).toEqual([
    "firing  node_agent demo/node-1 has not been heard since 2026-11-21T22:36:30Z (it told of processes): a process or connection that goes around a proxy there is not seen",
  ]);
  world.restart(30).run(minutes(201), dead);
  expect(stateOf(world, "demo/node-1")).toBe("silent");
  world.run(minutes(260), dead);
  expect(world.transitions).toHaveLength(1);
  world.run(minutes(300), [events(), ...dead]);
  expect(world.transitions.slice(1)).toEqual(["270m firing>resolved fixed"]);
});

test("guilty: a collector stops: one insight for it, one for the proxies of a namespace", () => {
  const pods = ["a", "b", "c"].map((name, index) => makePod(name, `10.244.3.${index + 1}`));
  const feeds = pods.flatMap((pod) => [scrapes(pod), lists(pod)]);
  const world = open()
    .run(minutes(20), [...feeds, relayed("gateway")])
    .run(minutes(70), []);
  expect(world.insights().map((line) => line.split(" ").slice(0, 4).join(" "))).toEqual(
    [
      "firing  collector gateway",
      "firing  objects demo",
      // Since nobody tells any more whether their pods still run.
      "unknown  proxy demo/shop/c-6d4b75cb9d-x7k2p",
    ].toSorted(),
  );
  world.run(minutes(100), [...feeds, relayed("gateway")]);
  expect(world.insights().map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
    "resolved fixed collector",
    "resolved fixed objects",
    "resolved fixed proxy",
  ]);
});

test("guilty: what is expected and never came is silent, and known by a readable name", () => {
  const expected = [
    expectation("node_agent"),
    expectation("proxy", { namespace: "shop" }),
    expectation("collector", { key: "gateway", withinUs: usPerMinute }),
    expectation("objects", { withinUs: 20 * usPerMinute }),
  ];
  const world = open(expected).run(minutes(4), [lists(web)]);
  expect(world.counters()).toMatchObject({
    "expected_sources_missing node_agent": 0,
    "expected_sources_missing collector": 1,
    "telemetry_last_received_timestamp_seconds collector": 0,
  });
  world.run(minutes(12), [lists(web, { fromS: minutes(4) })]);
  expect(world.insights().map((line) => line.split(":")[0])).toEqual([
    "firing  collector gateway has never been heard",
    "firing  node_agent expected",
    "firing  proxy expected",
  ]);
  expect(
    world.sources().map(({ key, state, first_seen, expected: is }) => [key, state, first_seen, is]),
  ).toEqual(
    expect.arrayContaining([
      ["gateway", "silent", null, true],
      ["expected:node_agent", "silent", null, true],
      ["expected:proxy/shop", "silent", null, true],
    ]),
  );
  const firing = world.transitions.length;
  world.restart(60, expected).run(minutes(20), [lists(web, { fromS: minutes(14) })]);
  expect(world.transitions).toHaveLength(firing);
  const feeds = [events(), relayed("gateway", 10), scrapes(web), lists(web)];
  world.run(minutes(40), feeds);
  expect(world.transitions.slice(firing)).toEqual(Array(3).fill("30m firing>resolved fixed"));
  expect(world.counters()).toMatchObject({
    "expected_sources_missing node_agent": 0,
    "expected_sources_missing proxy": 0,
    "expected_sources_missing collector": 0,
    "sources node_agent live": 1,
    "sources proxy silent": 0,
    "sources objects gone": 0,
  });
  expect(world.sources().map(({ key }) => key)).not.toContain("expected:node_agent");
});

test("an expectation that the configuration gave up ends as gone, not as fixed", () => {
  const world = open([expectation("node_agent")]).run(minutes(12), [lists(web)]);
  expect(world.transitions).toEqual(["10m pending>firing"]);
  world.restart(5).run(minutes(13), []);
  expect(world.transitions.slice(1)).toEqual(["12m firing>resolved entity_gone"]);
  expect(world.sources().map(({ key }) => key)).toEqual(["demo"]);
});

test("`within` is the silence of the source it names, longer or shorter than the learned one", () => {
  const patient = expectation("node_agent", { key: "demo/node-1", withinUs: 60 * usPerMinute });
  const world = open([patient]).run(minutes(5), [events()]).run(minutes(60), []);
  expect(world.transitions).toEqual([]);
  world.run(minutes(75), []);
  expect(world.transitions).toEqual(["70m pending>firing"]);
});

test("a stranger cannot fill the table with collectors", () => {
  const feeds = Array.from({ length: 200 }, (_, index) =>
    once(index, relayed(`${"x".repeat(index)}\u0007${index}`).make),
  );
  const world = open().run(210, feeds);
  const keys = world.sources().map(({ key }) => key);
  expect(keys).toHaveLength(65);
  expect(keys).toContain("_other");
  expect(Math.max(...keys.map((key) => key.length))).toBeLessThanOrEqual(100);
});
