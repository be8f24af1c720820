/**
 * Guilty stories of a small mesh, and the truth about each, written down before the engine is asked:
 * every accusation that is right, and no other.
 */
import {
  type Case,
  ambientCart,
  ambientObjects,
  ambientRow,
  ambientWeb,
  around,
  bareCalls,
  batch,
  call,
  cart,
  cartEnd,
  cartService,
  from,
  holes,
  kubeProxy,
  native,
  openshift,
  outside,
  prometheus,
  tunnelled,
  v6,
  v6Outside,
  web,
  ztunnel,
  narrow,
} from "./pipeline-stories.ts";
import {
  app,
  appContainer,
  at,
  connect,
  envoy,
  exec,
  initContainer,
  makePod,
  object,
  proxyContainer,
  rows,
  run,
  serverLine,
  shell,
  wire,
  ztunnelLine,
} from "./pipeline-world.ts";

const impostor = makePod("impostor", "10.244.1.70", {
  containers: [initContainer, appContainer, { ...proxyContainer, image: appContainer.image }],
});
const pretender = makePod("pretender", "10.244.1.71", { labels: { istio: "my-gateway" } });
const managed = makePod("managed", "10.244.1.72", {
  labels: { "gateway.istio.io/managed": "istio.io-mesh-controller" },
});
const validation = makePod("validation", "10.244.1.73", {
  containers: [initContainer, { ...appContainer, name: "istio-validation" }, proxyContainer],
});

export const attacks: readonly Case[] = [
  {
    name: "a captured range and a captured port, of which the others are not",
    steps: [
      object(narrow),
      ...around(narrow, 1, 40_001, cartEnd),
      ...around(narrow, 2, 40_002, at("198.51.100.66", 8443)),
    ],
    guilty: [
      "egress-around-proxy shop/narrow 198.51.100.66:8443 high",
      "egress-around-proxy shop/narrow shop/cart:8080 high",
    ],
  },
  {
    name: "plaintext between meshed workloads, by the server's counter and log",
    steps: bareCalls(at(web.ip, 45_000)),
    guilty: ["plaintext-traffic shop/cart shop/web:0 high"],
  },
  {
    name: "plaintext from an address that nothing resolves",
    steps: bareCalls(at("10.244.9.9", 45_000)),
    guilty: ["plaintext-from-unidentified-source shop/cart 10.244.9.9:0 medium"],
  },
  {
    name: "a kubelet's probes",
    steps: bareCalls(at(kubeProxy.ip, 45_000)),
    guilty: [],
  },
  {
    name: "a debug container under the proxy's UID",
    steps: [exec({ ...app(web), container: "debugger-x2x", containerId: "", uid: 1337 }, 1)],
    guilty: ["proxy-uid-in-application shop/web - high"],
  },
  {
    name: "data hidden in DNS to a server outside",
    steps: [object(web), ...around(web, 1, 40_001, at("198.51.100.53", 53))],
    guilty: ["egress-around-proxy shop/web 198.51.100.53:53 high"],
  },
  {
    name: "the proxy's statistics port on a host outside",
    steps: around(web, 1, 40_001, at("198.51.100.90", 15_090)),
    guilty: ["egress-around-proxy shop/web 198.51.100.90:15090 high"],
  },
  {
    name: "the agent knows the application's container by id alone",
    steps: [exec({ ...shell(web), container: "", gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/web - medium"],
  },
  {
    name: "the container writes the proxy's path, and the agent knows it by id alone",
    steps: [
      exec({ ...envoy(web), container: "", containerId: app(web).containerId, gid: 0, egid: 0 }, 1),
    ],
    guilty: ["proxy-uid-in-application shop/web - medium"],
  },
  {
    name: "a bypass on the port that the proxy had seconds before",
    steps: [...call(web, 1, 40_001, 41_001), ...around(web, 4, 41_001, outside)],
    guilty: ["egress-around-proxy shop/web 198.51.100.66:443 high"],
  },
  {
    name: "a bypass to the pod that Envoy calls as well",
    steps: [
      ...call(web, 1, 40_001, 41_001),
      ...around(web, 4, 40_444, cartEnd),
      ...call(web, 5, 40_003, 41_003),
    ],
    guilty: ["egress-around-proxy shop/web shop/cart:8080 high"],
  },
  {
    name: "a shell under the proxy's UID",
    steps: [exec({ ...shell(web), gid: 1000, egid: 1000 }, 1)],
    guilty: ["proxy-uid-in-application shop/web - high"],
  },
  {
    name: "the proxy's GID alone",
    steps: [exec({ ...app(web), gid: 1337, egid: 1337 }, 1)],
    guilty: ["proxy-gid-in-application shop/web - high"],
  },
  {
    name: "the proxy's effective UID",
    steps: [exec({ ...app(web), euid: 1337 }, 1)],
    guilty: ["proxy-uid-in-application shop/web - high"],
  },
  {
    name: "the proxy's effective GID",
    steps: [exec({ ...app(web), egid: 1337 }, 1)],
    guilty: ["proxy-gid-in-application shop/web - high"],
  },
  {
    name: "the proxy's UID where OpenShift assigned it",
    steps: [object(openshift), exec({ ...app(openshift), uid: 1_000_690_001 }, 1)],
    guilty: ["proxy-uid-in-application shop/openshift - high"],
  },
  {
    name: "a shell under the proxy's UID leaves the pod",
    steps: [
      exec(shell(web), 1),
      connect(shell(web), 2, 40_001, outside),
      wire(2.01, from(web, 40_001), outside),
    ],
    guilty: [
      "egress-around-proxy shop/web 198.51.100.66:443 high",
      "proxy-gid-in-application shop/web - high",
      "proxy-uid-in-application shop/web - high",
    ],
  },
  {
    name: "the same beside ordinary calls, seen by processes alone",
    steps: [
      ...call(web, 1, 40_001, 41_001),
      connect({ ...shell(web), gid: 0, egid: 0 }, 2, 40_002, cartEnd),
      ...call(web, 3, 40_003, 41_003),
    ],
    guilty: [
      "egress-around-proxy shop/web shop/cart:8080 high",
      "proxy-uid-in-application shop/web - high",
    ],
  },
  {
    name: "the shell runs in the native sidecar's pod",
    steps: [object(native), exec({ ...shell(native), gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/native - high"],
  },
  ...[0, 1000].map((uid) => ({
    name: `rules flushed: the own socket of UID ${uid} on the wire`,
    steps: [...call(web, 1, 40_001, 41_001), ...around(web, 2, 40_002, outside, uid)],
    guilty: ["egress-around-proxy shop/web 198.51.100.66:443 high"],
  })),
  {
    name: "rules flushed, and only the forward record",
    steps: [
      connect(app(web), 2, 40_002, outside),
      wire(2, from(web, 40_002), outside, { directions: "forward" }),
    ],
    guilty: ["egress-around-proxy shop/web 198.51.100.66:443 high"],
  },
  {
    name: "rules flushed, IPv6",
    steps: [object(v6), ...around(v6, 2, 40_002, v6Outside)],
    guilty: ["egress-around-proxy shop/six 2a00:1450:4001:82a::200e:443 high"],
  },
  {
    name: "rules flushed, to a service whose endpoints another's log shows",
    steps: [
      ...call(web, 1, 40_001, 41_001),
      connect(app(web), 2, 40_002, cartService),
      wire(2.01, from(web, 40_002), cartEnd),
      serverLine(2, from(web, 40_002), cartEnd, false),
    ],
    guilty: ["egress-around-proxy shop/web shop/cart:8080 high"],
  },
  {
    name: "an excluded port excludes no other",
    steps: [object(holes), ...around(holes, 1, 40_001, outside)],
    guilty: ["egress-around-proxy shop/holes 198.51.100.66:443 high"],
  },
  {
    name: "plaintext between meshed workloads, by metrics",
    steps: rows(1, {
      reporter: "destination",
      policy: "none",
      from: web,
      to: cart,
      principals: false,
      by: cart,
    }),
    guilty: ["plaintext-traffic shop/cart shop/web:0 high"],
  },
  {
    name: "plaintext from outside the mesh is no plaintext between meshed workloads",
    steps: [
      ...rows(1, {
        reporter: "destination",
        policy: "none",
        from: batch,
        to: cart,
        principals: false,
        by: cart,
      }),
    ],
    guilty: ["plaintext-from-outside-mesh shop/cart legacy/batch:0 high"],
  },
  {
    name: "Prometheus scrapes the application's own port",
    steps: [
      ...[5, 6, 7, 8].flatMap((second) => [
        wire(second, from(prometheus, 45_000 + second), cartEnd),
        serverLine(second, from(prometheus, 45_000 + second), cartEnd, false),
      ]),
      ...rows(1, {
        reporter: "destination",
        policy: "none",
        from: null,
        to: cart,
        principals: false,
        by: cart,
      }),
    ],
    guilty: ["plaintext-from-outside-mesh shop/cart monitoring/prometheus:0 high"],
  },
  {
    name: "ztunnel's row without the source's identity, from the mesh",
    steps: [...ambientObjects, ...rows(1, { ...ambientRow, from: ambientWeb, principals: false })],
    guilty: ["plaintext-traffic shop/ambient-cart shop/ambient-web:0 high"],
  },
  {
    name: "ztunnel's row without the source's identity, from beyond the mesh",
    steps: [
      ...[ambientCart, ztunnel].map((pod) => object(pod)),
      ...rows(1, { ...ambientRow, from: batch, principals: false }),
    ],
    guilty: ["plaintext-from-outside-mesh shop/ambient-cart legacy/batch:0 high"],
  },
  {
    name: "ztunnel's log alone: plaintext between two ambient pods",
    steps: [...ambientObjects, ...tunnelled(ambientWeb, ambientCart, false)],
    guilty: ["plaintext-traffic shop/ambient-cart shop/ambient-web:0 high"],
  },
  {
    name: "ztunnel's log alone: a pod beyond the mesh calls an ambient one",
    steps: [
      ...ambientObjects,
      ztunnelLine(3, batch, 41_003, ambientCart, { direction: "inbound", isHbone: false }),
    ],
    guilty: ["plaintext-from-outside-mesh shop/ambient-cart legacy/batch:0 high"],
  },
  {
    name: "an application's container takes the proxy's name",
    steps: [object(impostor), exec({ ...envoy(impostor), gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/impostor - high"],
  },
  {
    name: "a copy of the proxy's executable in the application's container",
    steps: [exec({ ...run(web, "app", "/usr/local/bin/envoy", 1337), gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/web - high"],
  },
  {
    name: "a label makes an application no gateway",
    steps: [object(pretender), exec({ ...shell(pretender), gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/pretender - high"],
  },
  {
    name: "a label makes an application no waypoint",
    steps: [object(managed), exec({ ...shell(managed), gid: 0, egid: 0 }, 1)],
    guilty: ["proxy-uid-in-application shop/managed - high"],
  },
  {
    name: "an application's container takes the name of Istio's check",
    steps: [
      object(validation),
      exec(
        {
          ...run(validation, "istio-validation", "/usr/local/bin/pilot-agent", 1337),
          gid: 0,
          egid: 0,
        },
        1,
      ),
    ],
    guilty: ["proxy-uid-in-application shop/validation - high"],
  },
];
