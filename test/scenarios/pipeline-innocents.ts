/**
 * Innocent stories of a small mesh, several of which look like attacks: whatever the order of arrival,
 * nobody may be accused.
 */
import {
  type Case,
  alone,
  ambientCart,
  ambientObjects,
  ambientRow,
  ambientWeb,
  around,
  batch,
  call,
  cart,
  cartEnd,
  cartService,
  coredns,
  freeUnder1337,
  from,
  gone,
  holes,
  injected,
  narrow,
  kubeDns,
  kubeProxy,
  native,
  openshift,
  outside,
  plain,
  prometheus,
  proxies,
  successor,
  tunnelled,
  v6,
  v6Outside,
  validated,
  web,
  ztunnel,
} from "./pipeline-stories.ts";
import {
  agent,
  app,
  at,
  clientLine,
  connect,
  envoy,
  exec,
  makePod,
  object,
  rows,
  run,
  serverLine,
  shell,
  wire,
  ztunnelLine,
} from "./pipeline-world.ts";

export const innocents: readonly Case[] = [
  {
    name: "only the cluster's ranges are captured, by annotation",
    steps: [object(narrow), ...around(narrow, 1, 40_001, outside)],
  },
  {
    name: "a rollout: the pod of the workload that is not injected yet, under 1337",
    steps: [
      object(injected),
      exec(envoy(injected), 1),
      ...freeUnder1337(plain, "app", "/bin/bash"),
    ],
  },
  {
    name: "an ambient pod under 1337",
    steps: freeUnder1337(ambientWeb, "app", "/bin/bash"),
  },
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
    name: "an ambient pair on HBONE, with the leg inside the pods' namespaces",
    steps: [
      ...ambientObjects,
      connect(app(ambientWeb), 2.9, 41_003, at(ambientCart.ip, 8080)),
      wire(2.9, at(ambientWeb.ip, 41_003), at(ambientCart.ip, 8080)),
      wire(2.9, at(ambientWeb.ip, 51_003), at(ambientCart.ip, 15_008)),
      ...tunnelled(ambientWeb, ambientCart, true),
    ],
  },
  {
    name: "plaintext that ztunnel's policies refused",
    steps: [
      ...ambientObjects,
      ztunnelLine(3, batch, 41_003, ambientCart, {
        direction: "inbound",
        isHbone: false,
        error: "connection closed due to policy rejection: explicitly denied by: istio-system/x",
      }),
    ],
  },
  {
    name: "ztunnel's row with the source's identity",
    steps: [...ambientObjects, ...rows(1, { ...ambientRow, from: ambientWeb, principals: true })],
  },
];
