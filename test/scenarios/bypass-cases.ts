/**
 * What happens in a pod, and what may be concluded from it: attacks, and innocent traffic that looks
 * like them. Each case holds in every order of its steps.
 */
import {
  app,
  connect,
  envoy,
  exec,
  makePod,
  makeProcess,
  outboundLine,
  outside,
  pilotAgent,
  reply,
  seconds,
  service,
  shell1337,
  startsOf,
  t0,
  web,
  wire,
  type Step,
  type WorldSetup,
} from "./bypass-world.ts";

export interface BypassCase {
  readonly name: string;
  readonly setup?: WorldSetup;
  readonly steps: readonly Step[];
  /** `workload rung destination confidence`, of the connections that stand at the end. */
  readonly findings?: readonly string[];
  readonly intruders?: readonly string[];
}

const virtual = { [`${service.ip}:${service.port}`]: [`${service.endpoint}:${service.target}`] };
const shell = ["web /bin/bash 1337:1337 high"];
const nobody = makeProcess({ ...shell1337, container: "" });
const endOfWeb = t0 - seconds(5);
const oldWeb = makePod({ endUs: endOfWeb });
const successor = makePod({
  uid: "uid-other-1",
  name: "other-1",
  nodeId: 2,
  fromUs: endOfWeb + seconds(0.5),
});

const caller = makePod({
  uid: "uid-caller-1",
  name: "caller-1",
  nodeId: 3,
  ips: ["10.1.0.52"],
  mode: "none",
});
const callerApp = makeProcess({ pod: { ...app.pod, pod: "caller-1", podUid: "uid-caller-1" } });

export const attacks: readonly BypassCase[] = [
  {
    name: "a process under the proxy's UID and GID in the application container",
    steps: [exec(shell1337, 1)],
    intruders: shell,
  },
  {
    name: "the proxy's GID alone exempts as well",
    steps: [exec(makeProcess({ gid: 1337 }), 1)],
    intruders: ["web /usr/bin/python3 1000:1337 high"],
  },
  {
    name: "the proxy's ids of this very pod count, not the usual ones",
    setup: { pods: [makePod({ proxy: { ...makePod().proxy, uid: 1_000_650_000, gid: 99 } })] },
    steps: [exec(makeProcess({ uid: 1_000_650_000 }), 1), exec(shell1337, 2)],
    intruders: ["web /usr/bin/python3 1000650000:1000 high"],
  },
  {
    name: "a copy of the proxy's executable in the application container",
    steps: [exec(makeProcess({ ...envoy, container: "app" }), 1)],
    intruders: ["web /usr/local/bin/envoy 1337:1337 high"],
  },
  {
    name: "a container that calls itself the proxy but runs another image",
    setup: { pods: [makePod({ proxy: { ...makePod().proxy, image: "evil/tool:1" } })] },
    steps: [exec(envoy, 1)],
    intruders: ["web /usr/local/bin/envoy 1337:1337 high"],
  },
  {
    name: "such a process connects to the outside: the connect event proves the process too",
    steps: [connect(shell1337, 1, 40_001, outside, 443)],
    findings: ["web b2 203.0.113.5:443 high"],
    intruders: shell,
  },
  {
    name: "its flow on the wire makes it B3; the reply record adds nothing",
    steps: [
      connect(shell1337, 1, 40_001, outside, 443),
      wire(1.1, 40_001, outside, 443),
      reply(wire(1.1, 40_001, outside, 443)),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
    intruders: shell,
  },
  {
    name: "rules flushed: an ordinary application's own port reaches the wire",
    steps: [connect(app, 1, 40_002, outside, 443), wire(1.2, 40_002, outside, 443)],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "both ports are ephemeral: the connect event alone tells who opened it",
    steps: [connect(app, 1, 40_002, outside, 50_051), wire(1.2, 40_002, outside, 50_051)],
    findings: ["web b3 203.0.113.5:50051 high"],
  },
  {
    name: "the socket shows a Service's address, the wire its endpoint",
    setup: { endpoints: virtual },
    steps: [
      connect(app, 1, 40_003, service.ip, service.port),
      wire(1.1, 40_003, service.endpoint, service.target),
    ],
    findings: ["web b3 10.1.0.60:8080 high"],
  },
  {
    name: "IPv6, which the rules of an IPv4 cluster do not redirect",
    setup: { pods: [makePod({ ips: ["2001:db8::51"] })] },
    steps: [
      connect(app, 1, 40_004, "2001:db8:1::5", 443, { srcIp: "2001:db8::51" }),
      wire(1.1, 40_004, "2001:db8:1::5", 443, { srcIp: "2001:db8::51" }),
    ],
    findings: ["web b3 2001:db8:1::5:443 high"],
  },
  {
    name: "one source port used twice: the bypass has the flow, the redirected socket has none",
    steps: [
      connect(app, 1, 40_005, outside, 443),
      connect(app, 90, 40_005, outside, 443, { nanos: 1 }),
      wire(90.1, 40_005, outside, 443),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "one source port used twice within seconds: one flow is one connection, the nearest",
    steps: [
      connect(app, 1, 40_005, outside, 443),
      connect(app, 3, 40_005, outside, 443),
      wire(3.1, 40_005, outside, 443),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "a flow without usable times still matches, with less confidence",
    steps: [
      connect(app, 1, 40_006, outside, 443),
      wire(12, 40_006, outside, 443, { clamped: true, endUs: t0 + seconds(12) }),
    ],
    findings: ["web b3 203.0.113.5:443 medium"],
  },
  {
    name: "the record names its pod, so an ambiguous address does not hide a B2",
    setup: {
      pods: [makePod({ endUs: t0 + seconds(1) }), { ...successor, fromUs: t0 + seconds(2) }],
    },
    steps: [connect(shell1337, 1, 40_007, outside, 443)],
    findings: ["web b2 203.0.113.5:443 high"],
    intruders: shell,
  },
  {
    name: "the container is named by nobody: after the wait, with medium confidence",
    steps: [connect(nobody, 1, 40_008, outside, 443)],
    findings: ["web b2 203.0.113.5:443 medium"],
    intruders: ["web /bin/bash 1337:1337 medium"],
  },
  {
    name: "the object comes last",
    setup: { pods: [] },
    steps: [
      connect(shell1337, 1, 40_009, outside, 443),
      wire(1.1, 40_009, outside, 443),
      { kind: "pod", pod: makePod() },
    ],
    findings: ["web b3 203.0.113.5:443 high"],
    intruders: shell,
  },
  {
    name: "a claimed leg disputes and does not withdraw",
    steps: [
      connect(app, 1, 40_010, outside, 443),
      wire(1.1, 40_010, outside, 443),
      outboundLine(1, 39_000, [outside, 443], 40_010, [outside, 443], { trust: "claimed" }),
    ],
    findings: ["web b3 203.0.113.5:443 medium"],
  },
  {
    name: "a claimed proxy socket does not withdraw either",
    steps: [
      connect(app, 1, 40_010, outside, 443),
      wire(1.1, 40_010, outside, 443),
      connect(envoy, 1.1, 40_010, outside, 443, { trust: "claimed" }),
    ],
    findings: ["web b3 203.0.113.5:443 medium"],
  },
  {
    name: "a leg of the same port to another destination clears nothing",
    steps: [
      connect(app, 1, 40_011, outside, 443),
      wire(1.1, 40_011, outside, 443),
      outboundLine(1, 39_000, ["198.51.100.9", 443], 40_011, ["198.51.100.9", 443]),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "a leg of the same port long after clears nothing",
    steps: [
      connect(app, 1, 40_012, outside, 443),
      wire(1.1, 40_012, outside, 443),
      outboundLine(50, 39_000, [outside, 443], 40_012, [outside, 443]),
    ],
    findings: ["web b3 203.0.113.5:443 high"],
  },
  {
    name: "an excluded port is a declared hole, and said to be one",
    setup: { pods: [makePod({ excludedOutboundPorts: ["3306"] })] },
    steps: [connect(app, 1, 40_013, outside, 3306), wire(1.1, 40_013, outside, 3306)],
    findings: ["web b3 203.0.113.5:3306 high hole:annotation"],
  },
  {
    name: "an excluded range likewise",
    setup: { pods: [makePod({ excludedOutboundRanges: ["203.0.113.0/24"] })] },
    steps: [connect(app, 1, 40_013, outside, 443), wire(1.1, 40_013, outside, 443)],
    findings: ["web b3 203.0.113.5:443 high hole:annotation"],
  },
  {
    name: "nobody has told the exclusions: medium, and said",
    setup: { pods: [makePod({ excludedOutboundPorts: null, excludedOutboundRanges: null })] },
    steps: [connect(app, 1, 40_014, outside, 443), wire(1.1, 40_014, outside, 443)],
    findings: ["web b3 203.0.113.5:443 medium hole:unknown"],
  },
  {
    name: "UDP that left the pod is on no rung, and TCP of the same port is none of its business",
    steps: [
      connect(app, 1, 35_553, outside, 443, { transport: "udp" }),
      wire(1, 35_553, outside, 443, { transport: "udp" }),
      connect(envoy, 1, 35_553, outside, 443),
      wire(1, 35_553, outside, 443),
    ],
    findings: ["web none 203.0.113.5:443 high"],
  },
  {
    name: "a name server of its own outside is no cluster DNS",
    steps: [connect(shell1337, 1, 40_015, "203.0.113.53", 53, { transport: "udp" })],
    findings: ["web b2 203.0.113.53:53 high"],
    intruders: shell,
  },
];

export const innocents: readonly BypassCase[] = [
  {
    name: "a redirected application's connect, and Envoy's own flow to the same destination",
    steps: [
      connect(app, 1, 35_520, outside, 443),
      connect(envoy, 1, 35_532, outside, 443),
      wire(1, 35_532, outside, 443),
      reply(wire(1, 35_532, outside, 443)),
      outboundLine(1, 35_520, [outside, 443], 35_532, [outside, 443]),
    ],
  },
  {
    name: "the same without anything of the proxy but the flow",
    steps: [connect(app, 1, 35_520, outside, 443), wire(1, 35_532, outside, 443)],
  },
  {
    name: "Envoy happens to use the port of an application's socket: its own socket shows it",
    setup: { endpoints: virtual },
    steps: [
      connect(app, 1, 35_540, service.ip, service.port),
      connect(envoy, 1.5, 35_540, service.endpoint, service.target),
      wire(1.5, 35_540, service.endpoint, service.target),
    ],
  },
  {
    name: "the same, shown by its leg",
    setup: { endpoints: virtual },
    steps: [
      connect(app, 1, 35_540, service.ip, service.port),
      outboundLine(1, 39_999, [service.ip, service.port], 35_540, [
        service.endpoint,
        service.target,
      ]),
      wire(1.5, 35_540, service.endpoint, service.target),
    ],
  },
  {
    name: "the same, while the leg shows that the application's socket was captured",
    steps: [
      connect(app, 1, 35_541, outside, 443),
      outboundLine(1, 35_541, [outside, 443], 35_600, [outside, 443]),
      wire(1.5, 35_541, outside, 443),
    ],
  },
  {
    name: "a flow without usable times, to where the proxy connects as well",
    setup: { endpoints: virtual },
    steps: [
      connect(app, 1, 35_551, service.ip, service.port),
      wire(12, 35_551, service.endpoint, service.target, {
        clamped: true,
        endUs: t0 + seconds(12),
      }),
      outboundLine(-60, 39_999, [service.ip, service.port], 35_600, [
        service.endpoint,
        service.target,
      ]),
    ],
  },
  {
    name: "a flow that arrived before the socket, whose exporter's clock is far off",
    steps: [
      ...[1, 2, 3].flatMap((at) => [
        connect(envoy, at, 35_700 + at, "198.51.100.7", 443),
        wire(at - 10, 35_700 + at, "198.51.100.7", 443),
      ]),
      connect(app, 12, 35_554, outside, 443),
      wire(6, 35_554, outside, 443, { clamped: true, endUs: t0 + seconds(6) }),
    ],
  },
  {
    name: "a redirected socket, and Envoy on the same port half a minute later",
    steps: [connect(app, 1, 35_550, outside, 443), wire(31, 35_550, outside, 443)],
  },
  {
    name: "Envoy's long connection was there before the application took the same port",
    setup: { endpoints: virtual },
    steps: [
      connect(app, 30, 35_551, service.ip, service.port),
      wire(1, 35_551, service.endpoint, service.target, { endUs: t0 + seconds(59) }),
    ],
  },
  {
    name: "the same port to another destination",
    steps: [connect(app, 1, 35_552, outside, 443), wire(1, 35_552, "198.51.100.7", 443)],
  },
  {
    name: "Envoy and pilot-agent: passthrough, istiod, the collector",
    steps: [
      exec(envoy, 0),
      exec(pilotAgent, 0),
      connect(envoy, 1, 35_560, outside, 443),
      wire(1, 35_560, outside, 443),
      connect(pilotAgent, 1, 35_561, "10.96.0.30", 15_012),
      connect(envoy, 1, 35_562, "10.1.0.70", 4317),
      wire(1, 35_562, "10.1.0.70", 4317),
    ],
  },
  {
    name: "Envoy known by its container's id alone",
    setup: {
      pods: [makePod({ starts: startsOf("0123456789abcdef0123") })],
    },
    steps: [
      exec(makeProcess({ ...envoy, container: "", containerId: "0123456789abcde" }), 1),
      connect(
        makeProcess({ ...envoy, container: "", containerId: "0123456789abcde" }),
        1,
        35_563,
        outside,
        443,
      ),
    ],
  },
  {
    name: "Envoy whose container is named by nobody until the object comes",
    setup: { pods: [makePod({ proxy: { ...makePod().proxy, container: "", known: "none" } })] },
    steps: [
      connect(
        makeProcess({ ...envoy, container: "", containerId: "0123456789abcde" }),
        1,
        35_564,
        outside,
        443,
      ),
      {
        kind: "pod",
        pod: makePod({ starts: startsOf("0123456789abcdef0123") }),
      },
    ],
  },
  {
    name: "DNS to a name server of the cluster, also under the proxy's ids",
    steps: [
      connect(pilotAgent, 1, 35_565, "10.96.0.10", 53, { transport: "udp" }),
      connect(app, 1, 35_566, "10.96.0.10", 53),
      wire(1, 35_566, "10.96.0.10", 53),
      connect(app, 1, 35_567, "169.254.20.10", 53),
    ],
  },
  {
    name: "loopback, link-local, multicast, broadcast, nowhere, the pod itself",
    steps: [
      connect(app, 1, 35_570, "127.0.0.1", 15_000),
      connect(app, 1, 35_570, "169.254.169.254", 80),
      connect(app, 1, 35_570, "224.0.0.251", 5353),
      connect(app, 1, 35_570, "255.255.255.255", 67),
      connect(app, 1, 35_570, "0.0.0.0", 80),
      connect(app, 1, 35_570, web.ip, 8080),
      wire(1, 35_570, web.ip, 8080),
    ],
  },
  {
    name: "an init container that ends before the proxy starts",
    setup: { pods: [makePod({ initContainersBeforeProxy: ["prepare"] })] },
    steps: [
      exec(makeProcess({ ...shell1337, container: "prepare" }), 1),
      connect(makeProcess({ ...shell1337, container: "prepare" }), 1, 35_580, outside, 443),
      wire(1, 35_580, outside, 443),
    ],
  },
  {
    name: "a pod on the host's network",
    setup: { pods: [makePod({ hostNetwork: true })], hosts: [web.ip] },
    steps: [connect(shell1337, 1, 35_581, outside, 443), wire(1, 35_581, outside, 443)],
  },
  {
    name: "a pod without a sidecar, and one of an ambient mesh",
    setup: { pods: [makePod({ mode: "none" })] },
    steps: [
      connect(shell1337, 1, 35_582, outside, 443),
      wire(1, 35_582, outside, 443),
      { kind: "pod", pod: makePod({ mode: "ambient" }) },
    ],
  },
  {
    name: "a pod taken for meshed until its object came",
    steps: [
      connect(app, 1, 35_583, outside, 443),
      wire(1, 35_583, outside, 443),
      { kind: "pod", pod: makePod({ mode: "none" }) },
    ],
  },
  {
    name: "a flow of the address's next owner",
    setup: { pods: [oldWeb, successor] },
    steps: [
      connect(app, -5.2, 35_584, outside, 443),
      wire(-2.7, 35_584, outside, 443, { bytes: 1 }),
    ],
  },
  {
    name: "the flow is the reply to a caller who happens to have the destination's address",
    steps: [
      connect(app, 1, 35_585, outside, 443),
      wire(1, 35_585, outside, 443),
      outboundLine(1, 443, [web.ip, 35_585], 1, [web.ip, 35_585], {
        side: "inbound",
        downstreamRemoteIp: outside,
      }),
    ],
  },
  {
    name: "the same, shown by the caller's own socket",
    setup: { pods: [makePod(), caller] },
    steps: [
      connect(app, 1, 35_586, "10.1.0.52", 443),
      wire(1, 35_586, "10.1.0.52", 443),
      connect(callerApp, 1, 443, web.ip, 35_586, { srcIp: "10.1.0.52" }),
    ],
  },
];

/** Where the outcome is neither: the engine says so. */
export const undecided: readonly BypassCase[] = [
  {
    name: "the address belonged to another pod than the one that the record names",
    setup: {
      pods: [makePod({ endUs: t0 - seconds(60) }), { ...successor, fromUs: t0 - seconds(50) }],
    },
    steps: [connect(app, 1, 35_590, outside, 443), wire(1, 35_590, outside, 443)],
    findings: ["web unknown (ambiguous_owner) 203.0.113.5:443 unknown"],
  },
  {
    name: "a proxy known by address and container alone, and the address's pod has other containers",
    setup: { pods: [makePod({ starts: startsOf("fedcba9876543210fedc") })] },
    steps: [
      connect(
        makeProcess({
          ...envoy,
          pod: { ...envoy.pod, namespace: "", workload: "", pod: "", podUid: "", address: "" },
          container: "",
          containerId: "0123456789abcde",
        }),
        1,
        35_591,
        outside,
        443,
      ),
    ],
    findings: ["web unknown (ambiguous_owner) 203.0.113.5:443 unknown"],
  },
];
