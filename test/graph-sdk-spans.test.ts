/** Spans of applications beside those of their proxies: columns of their own, and no edge without two ends. */
import { expect, test } from "vitest";
import type { EdgeEntity } from "../src/model/entities.ts";
import type { Observation, SpanHalf } from "../src/model/observations.ts";
import { graphDefaults } from "../src/graph/options.ts";
import { deployed, makeHalf, noPeer, noPod, podSeen } from "./support/graph-observations.ts";
import { GraphWorld, testGraphOptions } from "./support/graph-world.ts";

const pods = [podSeen(0, deployed("web", "10.0.0.1")), podSeen(0, deployed("api", "10.0.0.2"))];
const pod = (workload: string) => ({
  ...noPod,
  cluster: "lab",
  namespace: "shop",
  pod: `${workload}-6d8f5c9b7c-l4q8z`,
});
const named = { web: pod("web"), api: pod("api"), waypoint: pod("waypoint") };
const api = { ...noPeer, service: "api", serviceNamespace: "shop" };
const sdk = { proxyRole: "", trust: "claimed", route: "unknown" } as const;

/** One call: the application, its sidecar, the server's sidecar, its application. */
function call(id: string, second: number): Record<"app" | "out" | "into" | "served", SpanHalf> {
  const ids = (spanId: string, parent: string) => ({
    traceId: id,
    spanId: `${id}${spanId}`,
    parentSpanId: parent === "" ? "" : `${id}${parent}`,
  });
  const web = { side: "client", self: named.web, peer: api, port: 80 } as const;
  return {
    app: makeHalf(second, { ...web, ...ids("1", ""), ...sdk }),
    out: makeHalf(second, { ...web, ...ids("2", "1") }),
    into: makeHalf(second, {
      ...ids("3", "2"),
      self: named.api,
      peer: { ...noPeer, address: "10.0.0.1" },
      port: 8080,
    }),
    served: makeHalf(second, { ...ids("4", "3"), self: named.api, port: 8080, ...sdk }),
  };
}

function edgesOf(observations: readonly Observation[]): EdgeEntity[] {
  const world = new GraphWorld();
  for (const one of observations) world.observe(one);
  world.pass(1);
  return [...world.edges.values()].map(({ entity }) => entity);
}

const ways = ({ src, dst, port, requests, channels }: EdgeEntity) =>
  `${src.name || src.address || "?"} -> ${dst.name}:${port} ${requests} ${channels.join("+")}`;

function everyOrder<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    everyOrder(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

test("behind sidecars a call counts once, in every order of its four spans", () => {
  for (const halves of everyOrder(Object.values(call("t1", 1)))) {
    // The application's own half names the service only, whose pods the sidecars' halves name.
    expect(edgesOf([...pods, ...halves]).map(ways)).toEqual(["web -> api:8080 1 spans"]);
  }
});

test("the application's column stands beside its proxy's and is never added to it", () => {
  const { app, out } = call("t1", 1);
  const [edge, ...more] = edgesOf([...pods, app, out]);
  expect(more).toEqual([]);
  expect(edge).toMatchObject({ requests: 1, channels: ["sdk", "spans"] });
});

test("without spans of proxies the two applications' halves are the call", () => {
  const { app, served } = call("t1", 1);
  const told = { ...served, parentSpanId: app.spanId };
  for (const halves of [
    [app, told],
    [told, app],
  ]) {
    expect(edgesOf([...pods, ...halves]).map(ways)).toEqual(["web -> api:8080 1 sdk"]);
  }
});

test("an application's half that names nobody at its other end is no edge", () => {
  const { served } = call("t1", 1);
  const lost = { ...call("t2", 1).app, peer: noPeer };
  expect(edgesOf([...pods, served, lost])).toEqual([]);
});

test("what was passed over is counted when its other half comes, also after a restart", () => {
  const { app, served } = call("t1", 1);
  const told = { ...served, parentSpanId: app.spanId };
  const world = new GraphWorld();
  world.observe(...pods, told);
  world.pass(1);
  expect([...world.edges.values()]).toEqual([]);
  world.commit();
  world.restart();
  world.observe({ ...app, peer: noPeer });
  world.pass(1);
  const edges = [...world.edges.values()].map(({ entity }) => entity);
  expect(edges.map(ways)).toEqual(["web -> api:8080 1 sdk"]);
});

test("a waypoint's span is a call between its two ends, in a column of its own", () => {
  const end = (workload: string) => ({ ...noPeer, cluster: "lab", namespace: "shop", workload });
  const half = makeHalf(1, {
    side: "client",
    spanId: "w",
    self: named.waypoint,
    proxyRole: "waypoint",
    caller: end("web"),
    peer: end("api"),
    port: 8080,
  });
  const [edge, ...more] = edgesOf([...pods, half]);
  expect(more).toEqual([]);
  expect(ways(edge as EdgeEntity)).toBe("web -> api:8080 1 spans"); // there is one
  expect(edge).toMatchObject({ via_waypoint: true, reporters: ["waypoint"] });
  const { out } = call("t1", 1);
  const [both] = edgesOf([...pods, half, { ...out, peer: end("api"), port: 8080 }]);
  expect(both).toMatchObject({ requests: 1, reporters: ["client_span", "waypoint"] });
});

test("an application proves nothing of its pod's proxy, and its silence nothing of anybody", () => {
  const world = new GraphWorld({ ...testGraphOptions, latenessUs: graphDefaults.latenessUs });
  const { app } = call("t1", 1);
  world.observe(...pods, app);
  world.pass(600);
  const told = world.changes.filter((change) => change.kind === "source");
  expect(told.map(({ observer }) => observer.kind)).toEqual(["objects"]);
  const [edge] = [...world.edges.values()];
  expect(edge?.observers).toEqual([]);
  expect(edge?.entity.src.mesh).toBe("yes"); // by its object, not by the span
});
