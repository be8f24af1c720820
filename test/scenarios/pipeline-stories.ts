/** The pods of the small mesh, and what happens in most of its stories. */
import {
  type End,
  type Pod,
  type Step,
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
  wire,
  ztunnelLine,
} from "./pipeline-world.ts";

/** `guilty` names every accusation that is right: `rule workload peer confidence`; others are false. */
export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly guilty?: readonly string[];
}

export const web = makePod("web", "10.244.1.10");
export const cart = makePod("cart", "10.244.1.20");
export const batch = makePod("batch", "10.244.1.30", {
  namespace: "legacy",
  containers: [appContainer],
});
export const prometheus = makePod("prometheus", "10.244.1.40", {
  namespace: "monitoring",
  containers: [{ ...appContainer, name: "prometheus" }],
});
export const coredns = makePod("coredns", "10.244.1.53", {
  namespace: "kube-system",
  containers: [{ ...appContainer, name: "coredns" }],
  port: 53,
});
export const kubeProxy = makePod("kube-proxy", "10.0.0.1", {
  namespace: "kube-system",
  containers: [{ ...appContainer, name: "kube-proxy" }],
  hostNetwork: true,
});
export const meshObjects: readonly Step[] = [web, cart, batch, prometheus, coredns, kubeProxy].map(
  (pod) => object(pod),
);

export const outside = at("198.51.100.66", 443);
export const cartService = at("10.96.0.20", 80);
export const kubeDns = at("10.96.0.10", 53);
export const cartEnd = at(cart.ip, 8080);
export const from = (pod: Pod, port: number): End => at(pod.ip, port);

/** One call through web's sidecar to cart, as everybody who sees it tells it. */
export function call(
  client: Pod,
  atS: number,
  appPort: number,
  wirePort: number,
  uid = 1000,
): Step[] {
  return [
    connect(app(client, uid), atS, appPort, cartService),
    connect(envoy(client), atS + 0.001, wirePort, cartEnd),
    wire(atS + 0.001, from(client, wirePort), cartEnd),
    clientLine(atS, from(client, appPort), cartService, from(client, wirePort), cartEnd),
    serverLine(atS, from(client, wirePort), cartEnd, true),
  ];
}

/** A pod whose processes under 1337 reach the outside by themselves, as they may. */
export function freeUnder1337(pod: Pod, container: string, exe: string): Step[] {
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
export function around(pod: Pod, atS: number, port: number, to: End, uid = 1000): Step[] {
  return [connect(app(pod, uid), atS, port, to), wire(atS + 0.01, from(pod, port), to)];
}

export const images = [
  "gcr.io/istio-release/proxyv2:1.28.0-distroless",
  "registry.local:5000/mirror/istio/proxyv2@sha256:0123456789abcdef",
  "registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9@sha256:0123456789abcdef",
  "localhost:5000/proxyv2",
];
export const proxies = images.map((image, index) =>
  makePod("imaged", `10.244.2.${10 + index}`, {
    suffix: `x7k2${index}`,
    containers: [initContainer, appContainer, { ...proxyContainer, image }],
  }),
);
export const native = makePod("native", "10.244.1.60", {
  containers: [initContainer, { ...proxyContainer, isNative: true }, appContainer],
});
export const openshift = makePod("openshift", "10.244.1.61", {
  containers: [
    { ...initContainer, name: "istio-validation", user: 1_000_690_001 },
    appContainer,
    { ...proxyContainer, user: 1_000_690_001 },
  ],
});
export const validated = makePod("validated", "10.244.1.62", {
  containers: [
    { ...initContainer, name: "istio-validation", user: 1337 },
    appContainer,
    proxyContainer,
  ],
});
export const holes = makePod("holes", "10.244.1.63", {
  annotations: {
    "traffic.sidecar.istio.io/excludeOutboundPorts": "3306, 6379",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": "203.0.113.0/24",
  },
});
export const narrow = makePod("narrow", "10.244.1.76", {
  annotations: {
    "traffic.sidecar.istio.io/includeOutboundIPRanges": "10.96.0.0/12,10.244.0.0/16",
    "traffic.sidecar.istio.io/includeOutboundPorts": "8443",
  },
});
export const v6 = makePod("six", "fd00:10:244::61");
export const v6Outside = at("2a00:1450:4001:82a::200e", 443);
export const gone = makePod("gone", "10.244.1.64");
export const successor = makePod("successor", "10.244.1.64", {
  namespace: "legacy",
  containers: [appContainer],
  startS: 12,
});
export const alone = (workload: string, labels: Pod["labels"], image = proxyContainer.image): Pod =>
  makePod(workload, "10.244.1.65", {
    namespace: "edge",
    containers: [{ ...proxyContainer, image }],
    labels,
  });
export const ambient = (workload: string, ip: string): Pod =>
  makePod(workload, ip, {
    containers: [appContainer],
    annotations: { "ambient.istio.io/redirection": "enabled" },
  });
export const ambientWeb = ambient("ambient-web", "10.244.1.66");
export const ambientCart = ambient("ambient-cart", "10.244.1.67");
export const ztunnel = makePod("ztunnel", "10.244.1.68", {
  namespace: "istio-system",
  containers: [{ ...proxyContainer, image: "docker.io/istio/ztunnel:1.28.0" }],
});
export const ambientRow = {
  reporter: "destination",
  policy: "unknown",
  to: ambientCart,
  by: ztunnel,
} as const;

export const ambientObjects: readonly Step[] = [ambientWeb, ambientCart, ztunnel].map((pod) =>
  object(pod),
);

/** Calls from one pod to another as the ztunnels of both nodes log them, in HBONE or not. */
export function tunnelled(client: Pod, server: Pod, isHbone: boolean): Step[] {
  return [3, 4, 5].flatMap((second) => [
    ztunnelLine(second, client, 41_000 + second, server, { direction: "outbound", isHbone }),
    ztunnelLine(second, client, 51_000 + second, server, { direction: "inbound", isHbone }),
  ]);
}

export const plain = makePod("rolling", "10.244.1.74", {
  suffix: "plain",
  containers: [appContainer],
});
export const injected = makePod("rolling", "10.244.1.75");

/** Four plaintext calls that only the server's log can name the source of. */
export function bareCalls(source: End): Step[] {
  return [
    ...[5, 6, 7, 8].flatMap((second) => [
      wire(second, { ...source, port: source.port + second }, cartEnd),
      serverLine(second, { ...source, port: source.port + second }, cartEnd, false),
    ]),
    ...rows(1, {
      reporter: "destination",
      policy: "none",
      from: null,
      to: cart,
      principals: false,
      by: cart,
    }),
  ];
}
