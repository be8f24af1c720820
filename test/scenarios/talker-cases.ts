/**
 * What an agent that resolves address translation says of who talks: rung B4, and what takes its place.
 * Each case holds in every order.
 */
import type { Flow } from "../../src/model/observations.ts";
import type { BypassCase } from "./bypass-cases.ts";
import { app, connect, makePod, outside, seconds, t0, web, wire } from "./bypass-world.ts";
import { alive, cart, cartPod } from "./wire-cases.ts";

/** A point of a counter: which container has connected where, so often by now. */
function talk(atS: number, container: string, to: readonly [string, number], change = {}): Flow {
  const [dstIp, dstPort] = to;
  const atUs = t0 + seconds(atS);
  return wire(atS, 0, dstIp, dstPort, {
    timeUs: atUs,
    endUs: atUs,
    clamped: true,
    closed: false,
    tcpFlags: -1,
    agent: "coroot",
    srcIp: "",
    srcPod: { ...app.pod, podUid: "" },
    polled: "total",
    direction: "request",
    connections: 3,
    container,
    ...change,
  });
}

const beyond: readonly [string, number] = [outside, 443];
const inside: readonly [string, number] = [cart.ip, cart.port];

export const talkerCases: readonly BypassCase[] = [
  {
    name: "B4: the application's container talks to the outside, at two exports",
    steps: [
      talk(1, "app", beyond),
      talk(16, "app", beyond),
      talk(31, "app", beyond, { connections: 5 }),
    ],
    // One occurrence for each value of the counter.
    findings: ["web b4 203.0.113.5:443 medium", "web b4 203.0.113.5:443 medium"],
  },
  {
    name: "B4: it talks to a meshed peer",
    setup: { pods: [makePod(), cartPod] },
    steps: [talk(1, "app", inside)],
    findings: ["web b4 10.1.0.60:8080 medium"],
  },
  {
    name: "B4: an agent that names the process alone, and no port",
    steps: [
      talk(1, "", [outside, 0], {
        process: "python3",
        polled: "delta",
        srcIp: web.ip,
        direction: undefined,
      }),
    ],
    findings: ["web b4 203.0.113.5:0 medium"],
  },
  {
    name: "B4: the pod's object comes last, and a claimed word counts less",
    setup: { pods: [] },
    steps: [talk(1, "app", beyond, { trust: "claimed" }), { kind: "pod", pod: makePod() }],
    findings: ["web b4 203.0.113.5:443 low"],
  },
  {
    name: "B4: an excluded port is a declared hole",
    setup: { pods: [makePod({ excludedOutboundPorts: ["443"] })] },
    steps: [talk(1, "app", beyond)],
    findings: ["web b4 203.0.113.5:443 medium hole:annotation"],
  },
  {
    name: "B4 gives way to a socket on the wire",
    steps: [
      talk(1, "app", beyond),
      connect(app, 1, 40_001, outside, 443),
      wire(1.1, 40_001, outside, 443),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "B5 gives way to B4",
    steps: [talk(1, "app", beyond), wire(1, 40_001, outside, 443), alive(-20), alive(40)],
    findings: ["web b4 203.0.113.5:443 medium"],
  },
  {
    name: "a claimed B4 takes nothing from a B5",
    steps: [
      talk(1, "app", beyond, { trust: "claimed" }),
      wire(1, 40_001, outside, 443),
      alive(-20),
      alive(40),
    ],
    findings: ["web b4 203.0.113.5:443 low", "web b5 203.0.113.5:443 medium"],
  },
  {
    name: "no B4: the proxy, by container, process or thread; what ends at it; the other way; before it",
    setup: { pods: [makePod({ initContainersBeforeProxy: ["prepare"] }), cartPod] },
    steps: [
      talk(1, "istio-proxy", beyond),
      talk(1, "", beyond, { process: "envoy" }),
      talk(1, "", beyond, { process: "wrk:worker_0" }),
      talk(1, "", beyond, { process: "pilot-agent" }),
      talk(1, "app", ["127.0.0.1", 15_001]),
      talk(1, "app", [web.ip, 8_080]),
      talk(1, "app", inside, { direction: "response" }),
      talk(1, "app", inside, { direction: undefined }),
      talk(1, "prepare", beyond),
    ],
  },
  {
    name: "no B4: DNS, a scrape, UDP",
    setup: { pods: [makePod(), cartPod] },
    steps: [
      talk(1, "app", ["10.96.0.10", 53]),
      talk(1, "app", [cart.ip, 15_020]),
      talk(1, "app", beyond, { transport: "udp" }),
    ],
  },
  {
    name: "no B4: pods without a sidecar, ambient ones, and those on the host's network",
    setup: { pods: [makePod({ mode: "ambient" })] },
    steps: [talk(1, "app", beyond), { kind: "pod", pod: makePod({ mode: "none" }) }],
  },
];
