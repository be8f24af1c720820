/**
 * Sockets of which no line tells and that no wire showed (B3a): what proves that they went around the
 * proxy, and all that proves nothing. Each case holds in every order.
 */
import type { BypassCase } from "./bypass-cases.ts";
import {
  app,
  connect,
  envoy,
  makePod,
  makeProcess,
  outboundLine,
  outside,
  seconds,
  service,
  t0,
  web,
} from "./bypass-world.ts";
import { alive, cart, cartPod, meshName, serverLine } from "./wire-cases.ts";

const elsewhere: readonly [string, number] = ["198.51.100.9", 443];
const bypass = connect(app, 1, 40_001, outside, 443);
/** The agent shows the proxy's sockets, here that of `alive`. */
const shown = connect(envoy, -20, 38_000, ...elsewhere);
/** Long past the time that a line may take. */
const logging = [alive(-25), alive(65), alive(130)];
const found = ["web b3 203.0.113.5:443 medium"];

export const unloggedAttacks: readonly BypassCase[] = [
  {
    name: "B3a: a socket of which the living proxy logged nothing, and for which it opened none",
    steps: [bypass, shown, ...logging],
    findings: found,
  },
  {
    name: "B3a: IPv6",
    setup: { pods: [makePod({ ips: [web.ip, "2001:db8::51"] })] },
    steps: [
      connect(app, 1, 40_001, "2001:db8:1::5", 443, { srcIp: "2001:db8::51" }),
      shown,
      ...logging,
    ],
    findings: ["web b3 2001:db8:1::5:443 medium"],
  },
  {
    name: "B3a: the proxy opened a socket just then, and logged for whom",
    steps: [
      bypass,
      connect(envoy, 1.1, 38_001, ...elsewhere),
      outboundLine(1.1, 39_001, elsewhere, 38_001, elsewhere),
      ...logging,
    ],
    findings: found,
  },
  {
    name: "B3a: a claimed line of it takes nothing back",
    steps: [
      bypass,
      shown,
      outboundLine(1, 39_001, [outside, 443], 38_001, [outside, 443], { trust: "claimed" }),
      ...logging,
    ],
    findings: found,
  },
  {
    name: "B3a: exclusions that nobody knows",
    setup: { pods: [makePod({ excludedOutboundPorts: null })] },
    steps: [bypass, shown, ...logging],
    findings: ["web b3 203.0.113.5:443 low hole:unknown"],
  },
  {
    name: "B3a: a declared hole that is used",
    setup: { pods: [makePod({ excludedOutboundPorts: ["443"] })] },
    steps: [bypass, shown, ...logging],
    findings: ["web b3 203.0.113.5:443 medium hole:annotation"],
  },
];

export const unloggedInnocents: readonly BypassCase[] = [
  {
    name: "B3a: the proxy accepted it, or has any line of that destination",
    steps: [
      bypass,
      connect(app, 30, 40_002, outside, 443),
      outboundLine(30, 40_002, [outside, 443], 38_001, [outside, 443]),
      shown,
      ...logging,
    ],
  },
  {
    name: "B3a: the proxy could not connect, and its line says so",
    steps: [
      bypass,
      outboundLine(1, 40_001, [outside, 443], 0, ["", 0], {
        upstreamLocalIp: "",
        upstreamLocalPort: 0,
        responseFlags: "UF,URX",
        isError: true,
      }),
      shown,
      ...logging,
    ],
  },
  {
    name: "B3a: a stream of hours: the proxy opened a socket for it, which is logged at its end",
    steps: [bypass, connect(envoy, 1.1, 38_001, outside, 443), ...logging],
  },
  {
    name: "B3a: likewise, through a gateway or to an address that the proxy resolved",
    steps: [bypass, connect(envoy, 1.1, 38_001, "10.1.0.90", 15_443), shown, ...logging],
  },
  {
    name: "B3a: the agent does not show the proxy's sockets",
    steps: [bypass, ...logging],
  },
  {
    name: "B3a: connections of a pool, of which none was used",
    steps: [bypass, connect(app, 1.5, 40_002, outside, 443), shown, ...logging],
  },
  {
    name: "B3a: the same connection was tried over both families",
    setup: { pods: [makePod({ ips: [web.ip, "2001:db8::51"] })] },
    steps: [
      bypass,
      connect(app, 1.3, 40_002, "2001:db8:1::5", 443, { srcIp: "2001:db8::51" }),
      outboundLine(1.3, 40_002, ["2001:db8:1::5", 443], 38_002, ["2001:db8:1::5", 443], {
        downstreamRemoteIp: "2001:db8::51",
      }),
      shown,
      ...logging,
    ],
  },
  {
    name: "B3a: the log was switched on after it, or tells of nothing since",
    steps: [bypass, shown, alive(65), alive(130)],
  },
  {
    name: "B3a: the proxy has logged nothing since",
    steps: [bypass, shown, alive(-25)],
  },
  {
    name: "B3a: lines of the proxy are known to be missing around then",
    setup: { pods: [makePod(), cartPod] },
    steps: [bypass, shown, serverLine(30, 50_001, { serverName: meshName }), ...logging],
  },
  {
    name: "B3a: the pod was killed a minute later",
    setup: { pods: [makePod({ endUs: t0 + seconds(50) })] },
    steps: [bypass, shown, ...logging],
  },
  {
    name: "B3a: within the cluster a proxy may answer over old connections",
    setup: { pods: [makePod(), cartPod] },
    steps: [
      connect(app, 1, 40_001, service.ip, 80),
      connect(app, 20, 40_002, cart.ip, cart.port),
      shown,
      ...logging,
    ],
  },
  {
    name: "B3a: a process of which nobody tells the container may be the proxy",
    steps: [
      connect(makeProcess({ exe: "/usr/local/bin/envoy", container: "" }), 1, 40_001, outside, 443),
      shown,
      ...logging,
    ],
  },
];
