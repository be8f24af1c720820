/**
 * Stories of a small mesh and the truth about each, written down before the engine is asked. `guilty`
 * names every accusation that is right: `rule workload peer confidence`; anything else is false.
 */
import {
  agent,
  app,
  appContainer,
  at,
  clientLine,
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
  type End,
  type Pod,
  type Step,
} from "./pipeline-world.ts";

export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly guilty?: readonly string[];
}

const web = makePod("web", "10.244.1.10");
const cart = makePod("cart", "10.244.1.20");
const batch = makePod("batch", "10.244.1.30", { namespace: "legacy", containers: [appContainer] });
const prometheus = makePod("prometheus", "10.244.1.40", {
  namespace: "monitoring",
  containers: [{ ...appContainer, name: "prometheus" }],
});
const coredns = makePod("coredns", "10.244.1.53", {
  namespace: "kube-system",
  containers: [{ ...appContainer, name: "coredns" }],
  port: 53,
});
const kubeProxy = makePod("kube-proxy", "10.0.0.1", {
  namespace: "kube-system",
  containers: [{ ...appContainer, name: "kube-proxy" }],
  hostNetwork: true,
});
const mesh = [web, cart, batch, prometheus, coredns, kubeProxy].map((pod) => object(pod));

const outside = at("198.51.100.66", 443);
const cartService = at("10.96.0.20", 80);
const kubeDns = at("10.96.0.10", 53);
const cartEnd = at(cart.ip, 8080);
const from = (pod: Pod, port: number): End => at(pod.ip, port);

/** One call through web's sidecar to cart, as everybody who sees it tells it. */
function call(client: Pod, atS: number, appPort: number, wirePort: number, uid = 1000): Step[] {
  return [
    connect(app(client, uid), atS, appPort, cartService),
    connect(envoy(client), atS + 0.001, wirePort, cartEnd),
    wire(atS + 0.001, from(client, wirePort), cartEnd),
    clientLine(atS, from(client, appPort), cartService, from(client, wirePort), cartEnd),
    serverLine(atS, from(client, wirePort), cartEnd, true),
  ];
}

/** A pod whose processes under 1337 reach the outside by themselves, as they may. */
function freeUnder1337(pod: Pod, container: string, exe: string): Step[] {
  const process = run(pod, container, exe, 1337);
  return [
    object(pod),
    exec(process, 1),
    connect(process, 2, 40_001, outside),
    wire(2, from(pod, 40_001), outside),
    connect(process, 3, 40_002, cartEnd),
    wire(3, from(pod, 40_002), cartEnd),
  ];
}

/** The application's own socket on the wire. */
function around(pod: Pod, atS: number, port: number, to: End, uid = 1000): Step[] {
  return [connect(app(pod, uid), atS, port, to), wire(atS + 0.01, from(pod, port), to)];
}

const images = [
  "gcr.io/istio-release/proxyv2:1.28.0-distroless",
  "registry.local:5000/mirror/istio/proxyv2@sha256:0123456789abcdef",
  "registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9@sha256:0123456789abcdef",
  "localhost:5000/proxyv2",
];
const proxies = images.map((image, index) =>
  makePod("imaged", `10.244.2.${10 + index}`, {
    suffix: `x7k2${index}`,
    containers: [initContainer, appContainer, { ...proxyContainer, image }],
  }),
);
const native = makePod("native", "10.244.1.60", {
  containers: [initContainer, { ...proxyContainer, isNative: true }, appContainer],
});
const openshift = makePod("openshift", "10.244.1.61", {
  containers: [
    { ...initContainer, name: "istio-validation", user: 1_000_690_001 },
    appContainer,
    { ...proxyContainer, user: 1_000_690_001 },
  ],
});
const validated = makePod("validated", "10.244.1.62", {
  containers: [
    { ...initContainer, name: "istio-validation", user: 1337 },
    appContainer,
    proxyContainer,
  ],
});
const holes = makePod("holes", "10.244.1.63", {
  annotations: {
    "traffic.sidecar.istio.io/excludeOutboundPorts": "3306, 6379",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": "203.0.113.0/24",
  },
});
const v6 = makePod("six", "fd00:10:244::61");
const v6Outside = at("2a00:1450:4001:82a::200e", 443);
const gone = makePod("gone", "10.244.1.64");
const successor = makePod("successor", "10.244.1.64", {
  namespace: "legacy",
  containers: [appContainer],
  startS: 12,
});
const alone = (workload: string, labels: Pod["labels"], image = proxyContainer.image): Pod =>
  makePod(workload, "10.244.1.65", {
    namespace: "edge",
    containers: [{ ...proxyContainer, image }],
    labels,
  });
const ambient = (workload: string, ip: string): Pod =>
  makePod(workload, ip, {
    containers: [appContainer],
    annotations: { "ambient.istio.io/redirection": "enabled" },
  });
const ambientWeb = ambient("ambient-web", "10.244.1.66");
const ambientCart = ambient("ambient-cart", "10.244.1.67");
const ztunnel = makePod("ztunnel", "10.244.1.68", {
  namespace: "istio-system",
  containers: [{ ...proxyContainer, image: "docker.io/istio/ztunnel:1.28.0" }],
});
const ambientRow = {
  reporter: "destination",
  policy: "unknown",
  to: ambientCart,
  by: ztunnel,
} as const;

export const innocents: readonly Case[] = [
  ...[0, 1000, 65_534].map((uid) => ({
    name: `redirected into the sidecar, UID ${uid}`,
    steps: call(web, 1, 40_001, 41_001, uid),
  })),
  {
    name: "redirected, and the proxy's part shows only on the wire",
    steps: [
      connect(app(web), 1, 40_001, cartService),
      wire(1, from(web, 41_001), cartEnd),
      connect(app(web), 2, 40_002, outside),
      wire(2, from(web, 41_002), outside),
    ],
  },
  {
    name: "the proxy and its agent under their own UID",
    steps: [web, ...proxies].flatMap((pod, index) => [
      object(pod),
      exec(agent(pod), 1),
      exec(envoy(pod), 1.1),
      connect(agent(pod), 2, 40_100 + index, at("10.244.1.99", 15_012)),
      wire(2, from(pod, 40_100 + index), at("10.244.1.99", 15_012)),
      connect(envoy(pod), 3, 40_200 + index, outside),
      wire(3, from(pod, 40_200 + index), outside),
    ]),
  },
  {
    name: "the agent writes container ids without prefix, short, or not at all",
    steps: [envoy(web), agent(web)].flatMap((process) => {
      const id = process.containerId.slice("containerd://".length);
      return [id, id.slice(0, 12), ""].map((containerId) => exec({ ...process, containerId }, 1));
    }),
  },
  {
    name: "the agent names no image of the proxy's container",
    steps: [exec({ ...envoy(web), image: "" }, 1), exec({ ...agent(web), image: "" }, 1)],
  },
  {
    name: "a native sidecar",
    steps: [
      object(native),
      exec(agent(native), 1),
      exec(envoy(native), 1),
      ...call(native, 2, 40_001, 41_001),
    ],
  },
  {
    name: "OpenShift gives the proxy its own UID: an application under 1337 is redirected",
    steps: [
      object(openshift),
      exec(shell(openshift), 1),
      ...call(openshift, 2, 40_001, 41_001, 1337),
    ],
  },
  {
    name: "an ingress gateway",
    steps: freeUnder1337(
      alone("ingress", { istio: "ingressgateway" }),
      "istio-proxy",
      "/usr/local/bin/envoy",
    ),
  },
  {
    name: "a gateway made by the Gateway API",
    steps: freeUnder1337(
      alone("api-gateway", { "gateway.istio.io/managed": "istio.io-gateway-controller" }),
      "istio-proxy",
      "/usr/local/bin/envoy",
    ),
  },
  {
    name: "a waypoint",
    steps: freeUnder1337(
      alone("waypoint", { "gateway.istio.io/managed": "istio.io-mesh-controller" }),
      "istio-proxy",
      "/usr/local/bin/envoy",
    ),
  },
  {
    name: "ztunnel",
    steps: freeUnder1337(ztunnel, "istio-proxy", "/usr/local/bin/ztunnel"),
  },
  {
    name: "istiod under 1337",
    steps: freeUnder1337(
      makePod("istiod", "10.244.1.69", {
        namespace: "istio-system",
        containers: [{ name: "discovery", image: "docker.io/istio/pilot:1.28.0", user: 1337 }],
      }),
      "discovery",
      "/usr/local/bin/pilot-discovery",
    ),
  },
  {
    name: "a pod without a sidecar under 1337",
    steps: freeUnder1337(batch, "app", "/bin/bash"),
  },
  {
    name: "a pod in the host's network under 1337",
    steps: freeUnder1337(kubeProxy, "kube-proxy", "/bin/bash"),
  },
  {
    name: "names are looked up over UDP and TCP",
    steps: [
      connect(app(web), 1, 40_001, kubeDns, true),
      wire(1, from(web, 40_001), at(coredns.ip, 53), { udp: true }),
      connect(app(web), 2, 40_002, kubeDns),
      wire(2, from(web, 40_002), at(coredns.ip, 53)),
      connect(app(web), 3, 40_003, at(coredns.ip, 53)),
      wire(3, from(web, 40_003), at(coredns.ip, 53)),
    ],
  },
  {
    name: "loopback and the pod's own address",
    steps: [
      connect(app(web), 1, 40_001, at("127.0.0.1", 15_000)),
      connect(app(web), 2, 40_002, at(web.ip, 8080)),
      wire(2, from(web, 40_002), at(web.ip, 8080)),
    ],
  },
  {
    name: "a kubelet probes the application's port",
    steps: [
      wire(1, at(kubeProxy.ip, 45_000), cartEnd),
      serverLine(1, at(kubeProxy.ip, 45_000), cartEnd, false),
    ],
  },
  {
    name: "Prometheus scrapes the proxy's own ports",
    steps: [15_020, 15_090].flatMap((port) => [
      wire(1, from(prometheus, 45_000 + (port % 100)), at(web.ip, port)),
      serverLine(1.5, from(prometheus, 45_000 + (port % 100)), at(web.ip, port), false),
    ]),
  },
  {
    name: "ports and ranges taken out of the capture by annotation",
    steps: [
      object(holes),
      ...around(holes, 1, 40_001, at("198.51.100.7", 3306)),
      ...around(holes, 2, 40_002, at("203.0.113.9", 443)),
      ...around(holes, 3, 40_003, at(cart.ip, 6379)),
    ],
  },
  {
    name: "Istio's init containers",
    steps: [
      object(validated),
      exec(run(validated, "istio-validation", "/usr/local/bin/pilot-agent", 1337), 1),
      connect(
        run(validated, "istio-validation", "/usr/local/bin/pilot-agent", 1337),
        1,
        40_001,
        at("127.0.0.6", 15_002),
      ),
      exec(run(web, "istio-init", "/usr/local/bin/pilot-agent", 0), 1),
      exec(run(web, "istio-init", "/usr/sbin/iptables-restore", 0), 1),
    ],
  },
  {
    name: "a source port of the proxy is the application's seconds later",
    steps: [
      ...call(web, 1, 40_001, 41_001),
      connect(app(web), 3, 41_001, cartService),
      connect(envoy(web), 3.001, 41_777, cartEnd),
      wire(3.001, from(web, 41_777), cartEnd),
      clientLine(3, from(web, 41_001), cartService, from(web, 41_777), cartEnd),
    ],
  },
  {
    name: "a source port of the application is the proxy's seconds later",
    steps: [
      ...call(web, 1, 40_001, 41_001),
      connect(app(web), 3, 40_777, cartService),
      clientLine(3, from(web, 40_777), cartService, from(web, 41_777), cartEnd),
      connect(envoy(web), 3.5, 40_001, cartEnd),
      wire(3.5, from(web, 40_001), cartEnd),
    ],
  },
  {
    name: "an address passes to a pod without a sidecar within two seconds",
    steps: [
      object(gone),
      connect(app(gone), 9.8, 40_001, outside),
      wire(9.8, from(gone, 41_001), outside),
      object({ ...gone, endS: 10 }, 10.5),
      object(successor, 12),
      exec(run(successor, "app", "/bin/bash", 1337), 12),
      ...around(successor, 12.2, 40_001, outside),
      connect(run(successor, "app", "/bin/bash", 1337), 12.5, 40_002, outside),
      wire(12.5, from(successor, 40_002), outside),
    ],
  },
  {
    name: "only the replies are recorded",
    steps: [
      connect(app(web), 1, 40_001, cartService),
      connect(envoy(web), 1, 41_001, cartEnd),
      wire(1, from(web, 41_001), cartEnd, { directions: "reply" }),
      wire(2, from(batch, 45_001), from(web, 8080), { directions: "reply" }),
    ],
  },
  {
    name: "each node on the way records the flow",
    steps: ["10.0.0.1", "10.0.0.2"].flatMap((sampler) => [
      ...call(web, 1, 40_001, 41_001),
      wire(1.001, from(web, 41_001), cartEnd, { sampler }),
    ]),
  },
  {
    name: "UDP is not redirected",
    steps: [
      connect(app(web), 1, 40_001, at("198.51.100.123", 123), true),
      wire(1, from(web, 40_001), at("198.51.100.123", 123), { udp: true }),
    ],
  },
  {
    name: "an IPv6 pod behind its sidecar",
    steps: [
      object(v6),
      connect(app(v6), 1, 40_001, v6Outside),
      connect(envoy(v6), 1.001, 41_001, v6Outside),
      wire(1.001, from(v6, 41_001), v6Outside),
    ],
  },
  {
    name: "mutual TLS, told by the metrics of both ends",
    steps: [
      ...rows(1, {
        reporter: "source",
        policy: "unknown",
        from: web,
        to: cart,
        principals: true,
        by: web,
      }),
      ...rows(1, {
        reporter: "destination",
        policy: "mutual_tls",
        from: web,
        to: cart,
        principals: true,
        by: cart,
      }),
    ],
  },
  {
    name: "the source's row alone, which never knows",
    steps: rows(1, {
      reporter: "source",
      policy: "unknown",
      from: web,
      to: cart,
      principals: false,
      by: web,
    }),
  },
  {
    name: "ztunnel's row with the source's identity",
    steps: [
      ...[ambientWeb, ambientCart, ztunnel].map((pod) => object(pod)),
      ...rows(1, { ...ambientRow, from: ambientWeb, principals: true }),
    ],
  },
];

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
    steps: [
      ...[ambientWeb, ambientCart, ztunnel].map((pod) => object(pod)),
      ...rows(1, { ...ambientRow, from: ambientWeb, principals: false }),
    ],
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

export const meshObjects: readonly Step[] = mesh;
