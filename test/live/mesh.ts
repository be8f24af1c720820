/**
 * Who is there: the pods of the live mesh, their containers and addresses, and what lies beyond. Each pod
 * is a network namespace on one machine, each container a mount namespace in it.
 */
import { createHash } from "node:crypto";

/** UID and GID of the sidecar, as Istio's injector sets them. */
export const proxyId = 1337;
/** UID and GID of applications. */
export const appId = 1000;

export const clusterName = "demo";
export const nodeName = "node-a";
/** The machine, on the pods' network. */
export const nodeIp = "10.244.1.1";
export const nodeIp6 = "fd00:10:244::1";
export const otlpPort = 14_317;
/** Where a sidecar says that it is ready. */
export const readyPort = 15_021;

export interface LiveContainer {
  readonly name: string;
  readonly image: string;
  readonly userId: number;
}

export interface LivePod {
  readonly namespace: string;
  readonly workload: string;
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly ip6: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: readonly LiveContainer[];
  /** Where its application listens; 0 = nowhere. */
  readonly port: number;
}

export const proxyContainer: LiveContainer = {
  name: "istio-proxy",
  image: "docker.io/istio/proxyv2:1.27.1",
  userId: proxyId,
};
const appContainer: LiveContainer = {
  name: "app",
  image: "registry.example/app:1.0",
  userId: appId,
};

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

function makePod(
  parts: Pick<LivePod, "namespace" | "workload" | "ip" | "ip6" | "containers" | "port">,
): LivePod {
  const { namespace, workload } = parts;
  const uid = hash(`${namespace}/${workload}`);
  return {
    ...parts,
    name: `${workload}-7d4b9c6f5d-x2x4c`,
    uid: `${uid.slice(0, 8)}-${uid.slice(8, 12)}-4${uid.slice(13, 16)}-8${uid.slice(17, 20)}-${uid.slice(20, 32)}`,
    labels: workload === "coredns" ? { "k8s-app": "kube-dns" } : { app: workload },
  };
}

export const containerId = (pod: LivePod, container: string): string =>
  hash(`${pod.uid}/${container}`);

/** Calls `cart` and the outside through its sidecar, looks up names, and has attackers in it. */
export const web = makePod({
  namespace: "shop",
  workload: "web",
  ip: "10.244.1.11",
  ip6: "fd00:10:244::11",
  containers: [appContainer, proxyContainer],
  port: 0,
});
export const cart = makePod({
  namespace: "shop",
  workload: "cart",
  ip: "10.244.1.12",
  ip6: "fd00:10:244::12",
  containers: [appContainer, proxyContainer],
  port: 8080,
});
export const coredns = makePod({
  namespace: "kube-system",
  workload: "coredns",
  ip: "10.244.1.13",
  ip6: "fd00:10:244::13",
  containers: [appContainer],
  port: 53,
});
export const pods: readonly LivePod[] = [web, cart, coredns];

export const hasSidecar = (pod: LivePod): boolean => pod.containers.includes(proxyContainer);

/** The virtual address before `cart`: nobody has it, the sidecar answers for it. */
export const cartService = { host: "cart.shop.svc.cluster.local", ip: "10.96.0.20", port: 8080 };
/** The collector as the mesh's configuration names it; it listens on the machine. */
export const collectorService = {
  host: "otel-collector.observability.svc.cluster.local",
  ip: "10.96.0.30",
  port: otlpPort,
};

/** A host beyond the cluster, which answers on every port. */
export const outside = {
  /** Where attackers connect to. */
  attackedIp: "203.0.113.5",
  attackedIp6: "2001:db8:113::5",
  /** Where the application connects to, through its sidecar. */
  allowedIp: "203.0.113.6",
  gatewayIp: "203.0.113.1",
  gatewayIp6: "2001:db8:113::1",
} as const;
