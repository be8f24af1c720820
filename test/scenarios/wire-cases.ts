/**
 * Connections that nobody saw a socket of: what a flow, or a server's log, proves when the caller's own
 * proxy has logged nothing of it, and all that proves nothing. Each case holds in every order.
 */
import type { PodFacts } from "../../src/graph/contracts.ts";
import type { ProxyLeg } from "../../src/model/observations.ts";
import {
  app,
  connect,
  envoy,
  makePod,
  outboundLine,
  outside,
  pilotAgent,
  reply,
  seconds,
  service,
  t0,
  web,
  wire,
  type Step,
} from "./bypass-world.ts";
import type { BypassCase } from "./bypass-cases.ts";

export const cart = { ip: "10.1.0.60", port: 8080 };
export const cartPod = makePod({ uid: "uid-cart-1", name: "cart-1", nodeId: 4, ips: [cart.ip] });
const pods: readonly PodFacts[] = [makePod(), cartPod];
const elsewhere: readonly [string, number] = ["198.51.100.9", 443];

/** The proxy of web logs an ordinary call of its own. */
export function alive(atS: number, change: Partial<ProxyLeg> = {}): ProxyLeg {
  return outboundLine(atS, 39_000, elsewhere, 38_000, elsewhere, change);
}

/** Before and after everything else here. */
const logging: readonly Step[] = [alive(-20), alive(40)];

/** The server's proxy logs a caller. */
export function serverLine(
  atS: number,
  port: number,
  change: Partial<ProxyLeg> = {},
  from: string = web.ip,
): ProxyLeg {
  return outboundLine(atS, port, [cart.ip, cart.port], 45_000, ["127.0.0.1", cart.port], {
    side: "inbound",
    pod: { ...app.pod, pod: "cart-1", podUid: "uid-cart-1", workload: "cart" },
    lineId: `server-${atS}-${port}`,
    downstreamRemoteIp: from,
    upstreamLocalIp: "127.0.0.6",
    route: "unknown",
    showsTls: true,
    ...change,
  });
}

/** What a proxy that speaks the mesh's own mutual TLS names. */
export const meshName = "outbound_.80_._.cart.shop.svc.cluster.local";
const mesh = { serverName: meshName };
/** Somebody calls the server as a proxy does: so would web's. */
const spokenTo = serverLine(-15, 50_001, mesh, "10.1.0.99");

const bypass = wire(1, 40_001, outside, 443);
/** The port of a server that another pod's leg has shown to listen: nothing about the side is a guess. */
export const listening = outboundLine(-10, 39_001, [outside, 443], 38_001, [outside, 443], {
  pod: { ...app.pod, pod: "", podUid: "" },
  downstreamRemoteIp: "10.1.0.99",
  upstreamLocalIp: "10.1.0.99",
});
const portless = { upstreamLocalIp: "", upstreamLocalPort: 0 };

export const wireAttacks: readonly BypassCase[] = [
  {
    name: "B5: a closed flow of which the living proxy logged nothing, side by the ports alone",
    steps: [bypass, reply(bypass), ...logging],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: the other end is known to listen, and the log tells ports",
    steps: [listening, bypass, reply(bypass), ...logging],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: two nodes on the way saw it: one connection",
    steps: [
      listening,
      bypass,
      wire(1.2, 40_001, outside, 443, { host: "host-2", bytes: 1_300 }),
      ...logging,
    ],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: a leg of the same port to another destination clears nothing",
    steps: [bypass, outboundLine(1, 39_004, elsewhere, 40_001, elsewhere), ...logging],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: the log tells no ports: no leg to that peer",
    steps: [
      bypass,
      outboundLine(1, 39_007, elsewhere, 0, elsewhere, portless),
      alive(-20, portless),
      alive(40, portless),
    ],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: a claimed leg disputes and does not clear",
    steps: [
      listening,
      bypass,
      outboundLine(1, 39_008, [outside, 443], 40_001, [outside, 443], { trust: "claimed" }),
      ...logging,
    ],
    findings: ["web b5 203.0.113.5:443 low"],
  },
  {
    name: "B5: another pod's line on the same machine shows that the pipeline got further",
    setup: { pods },
    steps: [bypass, alive(-20), serverLine(40, 50_001, {}, "10.1.0.99")],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5: an excluded port is a declared hole that is used",
    setup: { pods: [makePod({ excludedOutboundPorts: ["443"] })] },
    steps: [bypass, ...logging],
    findings: ["web b5 203.0.113.5:443 medium hole:annotation"],
  },
  {
    name: "B5: exclusions are declared, and what was dialled inside the cluster is not known",
    setup: { pods: [makePod({ excludedOutboundPorts: ["80"] }), cartPod] },
    steps: [wire(1, 40_001, cart.ip, cart.port), ...logging],
    findings: ["web b5 10.1.0.60:8080 medium hole:unknown"],
  },
  {
    name: "B5: IPv6, while the pod's IPv4 has legs",
    setup: { pods: [makePod({ ips: [web.ip, "2001:db8::51"] })] },
    steps: [wire(1, 40_001, "2001:db8:1::5", 443, { srcIp: "2001:db8::51" }), ...logging],
    findings: ["web b5 2001:db8:1::5:443 medium"],
  },
  {
    name: "B5: the pod's object comes last",
    setup: { pods: [] },
    steps: [bypass, ...logging, { kind: "pod", pod: makePod() }],
    findings: ["web b5 203.0.113.5:443 medium"],
  },
  {
    name: "B5s: the server's proxy logged a caller that the caller's own did not make",
    setup: { pods },
    steps: [serverLine(1, 40_001), spokenTo, ...logging],
    findings: ["web b5s 10.1.0.60:8080 high"],
  },
  {
    name: "B5s: beside ordinary calls to the same server, one on a port used before",
    setup: { pods },
    steps: [
      outboundLine(-5, 39_010, [service.ip, 80], 40_001, [cart.ip, cart.port]),
      serverLine(-5, 40_001, mesh),
      outboundLine(1, 39_011, [service.ip, 80], 40_002, [cart.ip, cart.port]),
      serverLine(1, 40_002, mesh),
      serverLine(6, 40_001),
      spokenTo,
      ...logging,
    ],
    findings: ["web b5s 10.1.0.60:8080 high"],
  },
  {
    name: "B5s: the flow beside it is the same deed",
    setup: { pods },
    steps: [serverLine(1.1, 40_001), wire(1, 40_001, cart.ip, cart.port), spokenTo, ...logging],
    findings: ["web b5s 10.1.0.60:8080 high"],
  },
  {
    name: "B5s: the server is known by plain calls alone; the caller speaks mutual TLS elsewhere",
    setup: { pods },
    steps: [
      serverLine(1, 40_001),
      serverLine(-15, 50_001, { ...mesh, downstreamLocalIp: "10.1.0.61" }),
      outboundLine(-15, 39_012, [service.ip, 80], 50_001, ["10.1.0.61", cart.port]),
      ...logging,
    ],
    findings: ["web b5s 10.1.0.60:8080 high"],
  },
  {
    name: "B5s: a busy connection that goes on is found all the same",
    setup: { pods },
    steps: [...[0, 1, 2, 3, 4, 5].map((at) => serverLine(at * 2, 40_001)), spokenTo, ...logging],
    findings: ["web b5s 10.1.0.60:8080 high"],
  },
  {
    name: "one deed, one finding: the socket's rung is the stronger one",
    setup: { pods },
    steps: [
      connect(app, 1, 40_001, cart.ip, cart.port),
      wire(1.1, 40_001, cart.ip, cart.port),
      serverLine(1.1, 40_001),
      ...logging,
    ],
    findings: ["web b3 10.1.0.60:8080 high"],
  },
];

export const wireInnocents: readonly BypassCase[] = [
  {
    name: "the proxy's own leg at that port",
    steps: [bypass, outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]), ...logging],
  },
  {
    name: "a TCP connection of hours: its leg is written when it closes",
    steps: [
      wire(1, 40_001, outside, 443, { closed: false, tcpFlags: 26, endUs: t0 + seconds(20) }),
      wire(21, 40_001, outside, 443, { tcpFlags: 17, endUs: t0 + seconds(38) }),
      outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443], {
        isConnection: true,
        endUs: t0 + seconds(38),
      }),
      ...logging,
    ],
  },
  {
    name: "requests early in a kept connection, which idles and closes long after them",
    steps: [
      wire(1, 40_001, outside, 443, { closed: false, tcpFlags: 26, endUs: t0 + seconds(2) }),
      wire(30, 40_001, outside, 443, { tcpFlags: 17, endUs: t0 + seconds(30.1) }),
      outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]),
      ...logging,
    ],
  },
  {
    name: "a leg without a port to the same peer then",
    steps: [
      bypass,
      outboundLine(1, 39_000, [outside, 443], 0, [outside, 443], portless),
      alive(-20, portless),
      alive(40, portless),
    ],
  },
  {
    name: "a leg that tells neither port nor host, only the Service that was dialled",
    setup: {
      pods,
      endpoints: { [`${service.ip}:${service.port}`]: [`${cart.ip}:${cart.port}`] },
    },
    steps: [
      wire(1, 40_001, cart.ip, cart.port),
      outboundLine(1, 39_000, [service.ip, service.port], 0, ["", 0], portless),
      alive(-20, portless),
      alive(40, portless),
    ],
  },
  {
    name: "the proxy's connection failed before its log had a port",
    steps: [
      bypass,
      outboundLine(1, 39_000, [outside, 443], 0, [outside, 443], {
        ...portless,
        responseFlags: "UF",
        isError: true,
      }),
      ...logging,
    ],
  },
  {
    name: "the proxy's own socket at that port",
    steps: [connect(envoy, 1, 40_001, outside, 443), bypass, ...logging],
  },
  {
    name: "the proxy has never logged a call: its silence proves nothing",
    steps: [bypass],
  },
  {
    name: "the proxy logs nothing after it",
    steps: [bypass, alive(-20), alive(-15)],
  },
  {
    name: "the log was switched on after it",
    steps: [bypass, alive(30), alive(40)],
  },
  {
    name: "the log tells of callers alone",
    setup: { pods },
    steps: [
      wire(1, 40_001, outside, 443, { srcIp: cart.ip }),
      serverLine(-20, 50_001, {}, "10.1.0.99"),
      serverLine(40, 50_002, {}, "10.1.0.99"),
    ],
  },
  {
    name: "the pod was killed soon after: so was its proxy",
    setup: { pods: [makePod({ endUs: t0 + seconds(20) }), cartPod] },
    steps: [bypass, alive(-20), serverLine(40, 50_001, {}, "10.1.0.99")],
  },
  {
    name: "a claimed line proves no liveness",
    steps: [bypass, alive(-20), alive(40, { trust: "claimed" })],
  },
  {
    name: "the flow goes on",
    steps: [wire(1, 40_001, outside, 443, { closed: false, tcpFlags: 26 }), ...logging],
  },
  {
    name: "its beginning was not seen",
    steps: [wire(1, 40_001, outside, 443, { tcpFlags: 17 }), ...logging],
  },
  {
    name: "replies to a caller, on a low port and on a high one that is known to listen",
    setup: { pods },
    steps: [
      wire(1, 8_080, "10.1.0.99", 51_000),
      wire(2, 50_051, "10.1.0.99", 51_001),
      outboundLine(2, 51_001, [web.ip, 50_051], 1, [web.ip, 50_051], {
        side: "inbound",
        downstreamRemoteIp: "10.1.0.99",
      }),
      ...logging,
    ],
  },
  {
    name: "neither port tells which side opened it",
    steps: [wire(1, 40_001, outside, 50_051), ...logging],
  },
  {
    name: "DNS over TCP",
    steps: [wire(1, 40_001, "10.96.0.10", 53), wire(2, 40_002, "169.254.20.10", 53), ...logging],
  },
  {
    name: "control traffic: istiod, and where a process of the proxy connects by itself",
    steps: [
      wire(1, 40_001, "10.96.0.30", 15_012),
      connect(envoy, -5, 40_500, "10.1.0.70", 4317),
      wire(2, 40_002, "10.1.0.70", 4317),
      connect(pilotAgent, -5, 40_501, "10.1.0.71", 8_080),
      wire(3, 40_003, "10.1.0.71", 8_080),
      ...logging,
    ],
  },
  {
    name: "a scrape of another proxy's statistics",
    steps: [
      wire(1, 40_001, cart.ip, 15_020),
      wire(2, 40_002, cart.ip, 15_021),
      wire(3, 40_003, cart.ip, 15_090),
      ...logging,
    ],
  },
  {
    name: "an ambient pod, one without a sidecar, one on the host's network",
    setup: {
      pods: [
        makePod({ mode: "ambient" }),
        makePod({ uid: "u2", name: "bare-1", nodeId: 8, ips: ["10.1.0.81"], mode: "none" }),
        makePod({ uid: "u3", name: "host-1", nodeId: 9, ips: ["10.1.0.82"], hostNetwork: true }),
      ],
    },
    steps: [
      bypass,
      wire(2, 40_002, outside, 443, { srcIp: "10.1.0.81" }),
      wire(3, 40_003, outside, 443, { srcIp: "10.1.0.82" }),
      ...logging,
    ],
  },
  {
    name: "the address was just another pod's",
    setup: {
      pods: [
        makePod({ endUs: t0 + seconds(0.5) }),
        makePod({ uid: "u4", name: "next-1", nodeId: 7, fromUs: t0 + seconds(0.9) }),
      ],
    },
    steps: [bypass, ...logging],
  },
  {
    name: "a server's line of a call that the caller's proxy made",
    setup: { pods },
    steps: [
      serverLine(1, 40_001),
      outboundLine(1, 39_000, [service.ip, 80], 40_001, [cart.ip, cart.port]),
      ...logging,
    ],
  },
  {
    name: "a sidecar reaches an ambient pod through its tunnel, as wire and ztunnel see it",
    setup: { pods: [makePod(), { ...cartPod, mode: "ambient" }] },
    steps: [
      wire(1, 40_001, cart.ip, 15_008),
      serverLine(1, 40_001, {
        writer: "ztunnel",
        security: "mutual_tls",
        downstreamLocalPort: 15_008,
        upstreamLocalIp: "",
        upstreamLocalPort: 0,
        isConnection: true,
      }),
      outboundLine(1, 39_000, [service.ip, 80], 0, [cart.ip, cart.port], {
        ...portless,
        tunnelled: true,
      }),
      ...logging,
    ],
  },
  {
    name: "callers without a sidecar, on the host, and nobody's",
    setup: {
      pods: [makePod({ mode: "none" }), cartPod],
      hosts: ["10.0.0.1"],
    },
    steps: [
      serverLine(1, 40_001),
      serverLine(2, 40_002, {}, "10.0.0.1"),
      serverLine(3, 40_003, {}, "10.1.0.99"),
      ...logging,
    ],
  },
  {
    name: "a caller who speaks as a proxy does: the line of its own was lost, or of a first try",
    setup: { pods },
    steps: [serverLine(1, 40_001, mesh), wire(1, 40_001, cart.ip, cart.port), ...logging],
  },
  {
    name: "a batch of lines was lost, with that of a connection to the outside",
    setup: { pods },
    steps: [bypass, serverLine(5, 40_002, mesh), ...logging],
  },
  {
    name: "the proxy connects there as well, on other ports: one line more may have been lost",
    steps: [
      bypass,
      outboundLine(1, 39_002, [outside, 443], 40_777, [outside, 443]),
      outboundLine(0.5, 39_003, [outside, 443], 40_778, [outside, 443]),
      ...logging,
    ],
  },
  {
    name: "the proxy had, or has, the same port to the same destination at another time",
    steps: [
      bypass,
      outboundLine(-30, 39_005, [outside, 443], 40_001, [outside, 443]),
      wire(6, 40_001, outside, 443),
      outboundLine(6, 39_006, [outside, 443], 40_001, [outside, 443]),
      ...logging,
    ],
  },
  {
    name: "the same of a log that tells no ports",
    steps: [
      bypass,
      outboundLine(30, 39_007, [outside, 443], 0, [outside, 443], portless),
      alive(-20, portless),
      alive(40, portless),
    ],
  },
  {
    name: "a connection to a meshed server whose proxy logs its callers, and this one not",
    setup: { pods },
    steps: [wire(1, 40_001, cart.ip, cart.port), spokenTo, ...logging],
  },
  {
    name: "SYN answered by RST, and SYN that its sender takes back",
    steps: [
      wire(1, 40_001, outside, 443, { tcpFlags: 2, closed: false }),
      reply(wire(1, 40_001, outside, 443, { tcpFlags: 20 })),
      wire(2, 40_002, outside, 443, { tcpFlags: 6 }),
      ...logging,
    ],
  },
  {
    name: "an init container's connection, from before the proxy logged",
    steps: [bypass, alive(3), alive(40)],
  },
  {
    name: "a record without usable times, which may be older than the log",
    steps: [
      wire(1, 40_001, outside, 443, { clamped: true, startUs: t0 + seconds(2) }),
      alive(-20),
      alive(40),
    ],
  },
  {
    name: "two proxies whose clocks are far apart",
    setup: { pods },
    steps: [
      serverLine(1, 40_001, mesh),
      outboundLine(31, 39_000, [service.ip, 80], 40_001, [cart.ip, cart.port]),
      ...logging,
    ],
  },
  {
    name: "plain is how the caller's proxy talks to that server",
    setup: { pods },
    steps: [
      serverLine(-10, 40_003),
      outboundLine(-10, 39_000, [service.ip, 80], 40_003, [cart.ip, cart.port]),
      serverLine(1, 40_001),
      spokenTo,
      ...logging,
    ],
  },
  {
    name: "nobody speaks mutual TLS, or the server's log would not show it",
    setup: { pods },
    steps: [serverLine(1, 40_001), ...logging],
  },
  {
    name: "the server's log would not show mutual TLS in that line",
    setup: { pods },
    steps: [serverLine(1, 40_001, { showsTls: false }), spokenTo, ...logging],
  },
  {
    name: "the caller's proxy logs nothing at all",
    setup: { pods },
    steps: [serverLine(1, 40_001)],
  },
];
