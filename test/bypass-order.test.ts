/**
 * Random small worlds: few ports, few addresses, times close together, so that ports and addresses are
 * reused, legs and sockets contradict each other and objects come at any moment. Whatever the order, the
 * batches and the repeats, the verdicts are the same.
 */
import { assert, array, boolean, constantFrom, nat, property, record, tuple } from "fast-check";
import { expect, test } from "vitest";
import type { PodFacts } from "../src/graph/contracts.ts";
import type { Observation } from "../src/model/observations.ts";
import { alive, cart, meshName, serverLine } from "./scenarios/wire-cases.ts";
import {
  app,
  connect,
  envoy,
  exec,
  makePod,
  outboundLine,
  outside,
  reply,
  seconds,
  shell1337,
  t0,
  web,
  wire,
  World,
  type Step,
} from "./scenarios/bypass-world.ts";

const virtualIp = "10.96.0.20";
const endpointIp = "10.1.0.60";
const endpoints = { [`${virtualIp}:443`]: [`${endpointIp}:443`] };

const known = makePod({ endUs: t0 + seconds(12) });
const pods: readonly PodFacts[] = [
  known,
  makePod({ uid: "uid-next-1", name: "next-1", nodeId: 2, fromUs: t0 + seconds(13) }),
  makePod({ uid: "uid-api-1", name: "api-1", nodeId: 3, ips: [endpointIp], mode: "none" }),
];
const nextApp = { ...app, pod: { ...app.pod, pod: "next-1", podUid: "uid-next-1" } };
const nameless = { ...envoy, container: "", containerImage: "" };

const port = constantFrom(40_001, 40_002, 40_003);
const atS = nat(200).map((tenths) => tenths / 10);
const peer = constantFrom(outside, virtualIp, endpointIp);
const trust = constantFrom("attested" as const, "attested" as const, "claimed" as const);
const process = constantFrom(app, shell1337, envoy, nextApp, nameless);

const socket = tuple(process, atS, port, peer, trust).map(
  ([who, at, from, to, level]): Observation => connect(who, at, from, to, 443, { trust: level }),
);
const flow = tuple(atS, port, peer, boolean(), boolean()).map(
  ([at, from, to, clamped, isReply]): Observation => {
    const forward = wire(at, from, to, 443, { clamped });
    return isReply ? reply(forward) : forward;
  },
);
const line = tuple(atS, port, port, peer, trust).map(([at, from, own, to, level]): Observation =>
  outboundLine(at, from, [to, 443], own, [to === virtualIp ? endpointIp : to, 443], {
    trust: level,
  }),
);
const started = tuple(process, atS).map(([who, at]): Observation => exec(who, at));
const world = record({
  observations: array(
    constantFrom(socket, flow, line, started).chain((one) => one),
    {
      minLength: 2,
      maxLength: 14,
    },
  ),
  /** Which pods are known from the start; the others' objects come among the observations. */
  known: tuple(boolean(), boolean(), boolean()),
  order: array(nat(1_000), { minLength: 20, maxLength: 20 }),
  batches: array(nat(3_000), { minLength: 20, maxLength: 20 }),
});

function run(early: readonly PodFacts[], steps: readonly Step[], pauses: readonly number[]): World {
  const town = new World({ pods: early, endpoints });
  steps.forEach((step, index) => {
    town.take(step);
    town.pass((pauses[index] ?? 0) * 1_000);
  });
  for (let passed = 0; passed < 5; passed++) town.pass(seconds(40));
  return town;
}

test("no order, split or repetition changes a verdict", () => {
  let found = 0;
  assert(
    property(world, ({ observations, known: isKnown, order, batches }) => {
      const early = pods.filter((_, index) => isKnown[index]);
      const late = pods.filter((_, index) => !isKnown[index]);
      const steps: Step[] = [...late.map((pod): Step => ({ kind: "pod", pod })), ...observations];
      const straight = run(early, steps, []);
      const shuffled = [...steps, ...observations.slice(0, 3)]
        .map((step, index) => ({ step, at: order[index] ?? 0 }))
        .sort((a, b) => a.at - b.at)
        .map(({ step }) => step);
      expect(run(early, shuffled, batches).essence()).toEqual(straight.essence());
      found += straight.findings().length;
    }),
    { numRuns: 2_000, seed: 7 },
  );
  expect(found).toBeGreaterThan(500);
});

const wirePods: readonly PodFacts[] = [
  makePod({ excludedOutboundPorts: ["8443"] }),
  makePod({ uid: "uid-cart-1", name: "cart-1", nodeId: 4, ips: [cart.ip] }),
];
const wirePeer = constantFrom<[string, number]>(
  [outside, 443],
  [cart.ip, cart.port],
  [outside, 8443],
);
const second = nat(30);
const wireFlow = tuple(second, port, wirePeer, nat(5), boolean(), trust).map(
  ([at, from, [to, toPort], lengthS, isClosed, level]): Observation =>
    wire(at, from, to, toPort, {
      closed: isClosed,
      tcpFlags: isClosed ? 27 : 26,
      endUs: t0 + seconds(at + lengthS),
      trust: level,
    }),
);
const wireReply = tuple(wireFlow, boolean()).map(([one, isReply]): Observation =>
  isReply && one.kind === "flow" ? reply(one) : one,
);
const ownLine = tuple(second, port, wirePeer, boolean(), trust).map(
  ([at, own, [to, toPort], isPortless, level]): Observation => {
    const peerEnd = [to, toPort] as const;
    const portless = isPortless ? { upstreamLocalIp: "", upstreamLocalPort: 0 } : {};
    return outboundLine(at, 39_000, peerEnd, own, peerEnd, { trust: level, ...portless });
  },
);
const callerLine = tuple(second, port, boolean(), trust).map(
  ([at, from, isMesh, level]): Observation =>
    serverLine(at, from, {
      trust: level,
      ...(isMesh ? { serverName: meshName, lineId: `mesh-${at}-${from}` } : {}),
    }),
);
const wireSocket = tuple(process, second, port, wirePeer).map(
  ([who, at, from, [to, toPort]]): Observation => connect(who, at, from, to, toPort),
);
const wireWorld = record({
  observations: array(
    constantFrom(wireReply, wireReply, ownLine, callerLine, wireSocket).chain((one) => one),
    { minLength: 1, maxLength: 10 },
  ),
  isLogging: boolean(),
  order: array(nat(1_000), { minLength: 20, maxLength: 20 }),
  batches: array(nat(4_000), { minLength: 20, maxLength: 20 }),
});

/** The agent shows the proxy's sockets, here that of `alive`. */
const shown = connect(envoy, -20, 38_000, "198.51.100.9", 443);

test("without sockets likewise: no order, split or repetition changes a verdict", () => {
  const rungs = new Map<string, number>();
  assert(
    property(wireWorld, ({ observations, isLogging, order, batches }) => {
      const life = isLogging ? [alive(-20), shown, alive(45), alive(100)] : [alive(-20)];
      const steps: Step[] = [
        ...wirePods.map((pod): Step => ({ kind: "pod", pod })),
        ...life,
        ...observations,
      ];
      const straight = run([], steps, []);
      const shuffled = [...steps, ...observations.slice(0, 3)]
        .map((step, index) => ({ step, at: order[index] ?? 0 }))
        .sort((a, b) => a.at - b.at)
        .map(({ step }) => step);
      expect(run([], shuffled, batches).essence()).toEqual(straight.essence());
      for (const said of straight.essence()) {
        if (said.includes(" no_line ")) rungs.set("b3a", (rungs.get("b3a") ?? 0) + 1);
      }
      for (const finding of straight.findings()) {
        const rung = finding.split(" ")[1] ?? "";
        rungs.set(rung, (rungs.get(rung) ?? 0) + 1);
      }
    }),
    { numRuns: 2_000, seed: 5 },
  );
  for (const rung of ["b2", "b3", "b3a", "b5", "b5s"]) {
    expect([rung, (rungs.get(rung) ?? 0) > 10]).toEqual([rung, true]);
  }
});

test("nothing claimed takes a finding away, whatever else there is", () => {
  assert(
    property(world, ({ observations }) => {
      const attested = observations.filter((one) => one.trust !== "claimed");
      const flowsFound = (steps: readonly Step[]): string[] =>
        run(pods, steps, [])
          .said.flatMap((change) =>
            change.kind === "entity" && change.type === "flow" ? [change] : [],
          )
          .filter(({ entity }) => entity.outcome === "found" && entity.src_ip === web.ip)
          .map(({ id }) => id);
      expect(flowsFound(observations)).toEqual(expect.arrayContaining(flowsFound(attested)));
    }),
    { numRuns: 500, seed: 11 },
  );
});
