/** Blindness through the whole pipeline and its store: what is said of it, and when nothing is. */
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadRules } from "../src/rules/load.ts";
import { bypassCoverage, bypassText, coverageOf } from "../src/serve/coverage.ts";
import { cart, envoy, exec, makePod, wire, at, web, type Pod } from "./scenarios/pipeline-world.ts";
import {
  SilenceWorld,
  events,
  lists,
  minutes,
  scrapes,
  type Feed,
} from "./scenarios/silence-world.ts";

const shipped = loadRules(
  readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url))),
).rules.map(({ meta }) => meta);
const judging = [
  "source-silent",
  "node-without-agent",
  "proxy-not-reporting",
  "silent-namespace",
  "clock-skew",
  "mesh-membership-unknown",
];
const worlds: SilenceWorld[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world[Symbol.dispose]();
});

function open(): SilenceWorld {
  const world = new SilenceWorld([], judging);
  worlds.push(world);
  return world;
}

const far = makePod("far", "10.244.9.9", { node: "node-2" });
const far2 = makePod("away", "10.244.9.10", { node: "node-2" });
const every = (everyS: number, make: Feed["make"], times: Partial<Feed> = {}): Feed => ({
  everyS,
  fromS: 0,
  untilS: Infinity,
  make,
  ...times,
});
/** NetFlow of a machine, by its address. */
const netflow = (pod: Pod, sampler: string, times?: Partial<Feed>): Feed =>
  every(20, (atS) => wire(atS, at(pod.ip, 40_000), at(cart.ip, 8080), { sampler }).request, times);

const everybody = [lists(web), lists(cart), scrapes(web), scrapes(cart), events()];

test("innocent: everything is covered, for an hour and over a restart", () => {
  const feeds = [...everybody, netflow(web, "10.0.0.1")];
  const world = open().run(minutes(30), feeds).restart(10).run(minutes(60), feeds);
  expect(world.transitions).toEqual([]);
  const { namespaces } = coverageOf(world.coverage(), world.rules, {});
  expect(namespaces).toMatchObject([
    {
      namespace: "shop",
      workloads: 2,
      meshed_workloads: 2,
      capabilities: {
        proxy_metrics: { live: 2, silent: 0, never: 0 },
        processes: { live: 2 },
        flows: { live: 2 },
        spans: { never: 2 },
      },
      rules: judging
        .toSorted()
        .map((rule) => ({ rule, judged: 2, partly: 0, blind: 0, missing: [] })),
    },
  ]);
});

test("guilty: a machine without an agent is one insight, which ends when the agent comes", () => {
  const pods = [...everybody, lists(far), lists(far2), scrapes(far), scrapes(far2)];
  const world = open().run(minutes(20), pods);
  expect(world.insights()).toEqual([
    "firing  node-2 runs 2 pods of the mesh, and no node agent was ever heard from it: what goes around their proxies is not seen",
  ]);
  world.restart(20).run(minutes(30), pods);
  expect(world.transitions).toHaveLength(1);
  const agent = every(10, (atS) => exec(envoy(far), atS).request);
  world.run(minutes(45), [...pods, agent]);
  expect(world.insights()).toEqual([expect.stringMatching(/^resolved fixed node-2 runs/)]);
});

test("guilty: a proxy that is no longer scraped leaves its workload silent, not green", () => {
  const feeds = [lists(web), lists(cart), scrapes(cart), events()];
  const world = open()
    .run(minutes(10), [...feeds, scrapes(web)])
    .run(minutes(40), feeds);
  const coverage = coverageOf(world.coverage("shop"), world.rules, { namespace: "shop" });
  expect(coverage.capabilities["proxy_metrics"]).toEqual({ live: 1, silent: 1, never: 0 });
  expect(world.insights().map((line) => line.split(",")[0])).toEqual([
    expect.stringMatching(/^firing {2}proxy demo\/shop\/web-\S+ has not been heard/),
    "firing  shop/web runs with a sidecar",
  ]);
});

test("guilty: a proxy that was never heard, and a namespace of which nothing is", () => {
  const quiet = makePod("quiet", "10.244.8.8", { namespace: "bank", node: "node-1" });
  const world = open().run(minutes(20), [...everybody, lists(quiet)]);
  expect(world.insights()).toEqual([
    expect.stringMatching(/^firing {2}bank\/quiet runs with a sidecar, and its proxy has never/),
  ]);
  const blind = open().run(minutes(20), [lists(quiet)]);
  expect(blind.insights().map((line) => line.split(" ").slice(2, 4).join(" "))).toEqual([
    "bank has",
    "bank/quiet runs",
    "node-1 runs",
  ]);
});

test("innocent: a workload that is minutes old is scraped as soon as others are", () => {
  const late = makePod("late", "10.244.8.9", { startS: minutes(30) });
  const times = { fromS: minutes(30) };
  const world = open().run(minutes(60), [
    ...everybody,
    lists(late, times),
    scrapes(late, { fromS: minutes(34) }),
  ]);
  expect(world.transitions).toEqual([]);
});

test("the page's line counts the workloads that the gravest rules on connections judge", () => {
  const world = open().run(minutes(3), [...everybody, lists(far), netflow(web, "10.0.0.1")]);
  const bypass = bypassCoverage(world.coverage(), shipped);
  expect(bypass).toMatchObject({ meshed_workloads: 3, judged_workloads: 0 });
  if (!bypass) throw new Error("rules on the capture are shipped");
  expect(bypassText(bypass)).toBe(
    "0 of 3 meshed workloads are judged for bypass; missing: sockets (2), flows and sockets (1)",
  );
});

test("guilty: an agent whose clock is a minute ahead, until it is set right", () => {
  const rest = everybody.slice(0, 4);
  const ahead = every(10, (atS) => exec(envoy(web), atS + 60).request);
  const world = open().run(minutes(15), [...rest, ahead]);
  expect(world.insights()).toEqual([
    expect.stringMatching(/^firing {2}node_agent demo\/node-1 tells of what has not happened yet/),
  ]);
  world.restart(10).run(minutes(20), [...rest, ahead]);
  expect(world.transitions).toHaveLength(1);
  world.run(minutes(60), [...rest, events()]);
  expect(world.transitions.slice(1)).toEqual([expect.stringMatching(/firing>resolved fixed$/)]);
});

test("guilty: an agent tells of a workload and no object does, until one comes", () => {
  const world = open().run(minutes(8), [events()]);
  expect(world.insights()).toEqual([
    "firing  demo has 1 workload (shop/web) of which nobody says whether they are in the mesh: what goes around a proxy there is not judged. No pod objects arrive: let the collector watch them",
  ]);
  expect(world.coverage().groups).toMatchObject([{ mesh: "unknown", workloads: 1 }]);
  world.restart(10).run(minutes(15), [events()]);
  expect(world.transitions).toHaveLength(1);
  world.run(minutes(40), everybody);
  expect(world.insights()).toEqual([expect.stringMatching(/^resolved fixed demo has 1 workload /)]);
});

test("guilty: flows between addresses that nobody knows, and nothing else", () => {
  const world = open().run(minutes(8), [netflow(web, "10.0.0.1")]);
  expect(world.insights()).toEqual([
    expect.stringMatching(/^firing {2}demo has 2 addresses \(10\.244\.1\.10, 10\.244\.1\.20\) of /),
  ]);
});

test("innocent: objects come minutes after the first events and flows", () => {
  const late = { fromS: minutes(3) };
  const objects = [lists(web, late), lists(cart, late), scrapes(web, late), scrapes(cart, late)];
  const world = open().run(minutes(40), [events(), netflow(web, "10.0.0.1"), ...objects]);
  expect(world.transitions).toEqual([]);
});
