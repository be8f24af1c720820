/**
 * The simulated cluster: bookinfo with sidecars, a gateway, the control plane, a scraper outside the
 * mesh, and two tenants' pods. Names and addresses only; what happens there is `traffic.ts` (ordinary)
 * and `story.ts` (the attack).
 */

export interface SimulatedPod {
  readonly namespace: string;
  readonly workload: string;
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly host: string;
  /** The application container. */
  readonly container: string;
  readonly exe: string;
  readonly userId: number;
  readonly port: number;
  readonly hasSidecar: boolean;
  /** A gateway: the proxy is all there is in the pod. */
  readonly isGateway: boolean;
}

export interface SimulatedService {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly port: number;
  readonly pods: readonly [SimulatedPod, ...SimulatedPod[]];
}

export const trustDomain = "cluster.local";
export const clusterName = "demo";
export const proxyUserId = 1337;

export function principalOf(pod: SimulatedPod): string {
  return `spiffe://${trustDomain}/ns/${pod.namespace}/sa/${pod.workload}`;
}

export function hostNameOf(service: SimulatedService): string {
  return `${service.name}.${service.namespace}.svc.cluster.local`;
}

interface PodPlan {
  readonly namespace: string;
  readonly workload: string;
  readonly exe: string;
  readonly port: number;
  readonly hasSidecar?: boolean;
  readonly userId?: number;
  readonly isGateway?: boolean;
}

let podNumber = 0;

function makePod(plan: PodPlan): SimulatedPod {
  podNumber++;
  const suffix = (0xb75c + podNumber * 7919).toString(16);
  return {
    namespace: plan.namespace,
    workload: plan.workload,
    name: `${plan.workload}-6d4b75cb${podNumber % 10}d-${suffix.padStart(5, "x").slice(-5)}`,
    uid: `00000000-0000-4000-8000-${String(podNumber).padStart(12, "0")}`,
    ip: `10.244.${podNumber % 2}.${10 + podNumber}`,
    host: `node-${podNumber % 2}`,
    container: plan.isGateway === true ? "istio-proxy" : plan.workload.replace(/-v\d+$/, ""),
    exe: plan.exe,
    userId: plan.userId ?? 1000,
    port: plan.port,
    hasSidecar: plan.hasSidecar ?? true,
    isGateway: plan.isGateway ?? false,
  };
}

const bookinfo = (workload: string, exe: string): SimulatedPod =>
  makePod({ namespace: "bookinfo", workload, exe, port: 9080 });

const productpage = bookinfo("productpage-v1", "/usr/local/bin/python3");
const details = bookinfo("details-v1", "/usr/local/bin/ruby");
const reviews1 = bookinfo("reviews-v1", "/opt/java/openjdk/bin/java");
const reviews2 = bookinfo("reviews-v2", "/opt/java/openjdk/bin/java");
const reviews3 = bookinfo("reviews-v3", "/opt/java/openjdk/bin/java");
const ratings = bookinfo("ratings-v1", "/usr/local/bin/node");
const gateway = makePod({
  namespace: "istio-system",
  workload: "istio-ingressgateway",
  exe: "/usr/local/bin/envoy",
  port: 8080,
  hasSidecar: false,
  isGateway: true,
  userId: proxyUserId,
});
const istiod = makePod({
  namespace: "istio-system",
  workload: "istiod",
  exe: "/usr/local/bin/pilot-discovery",
  port: 15012,
  hasSidecar: false,
  userId: proxyUserId,
});
const prometheus = makePod({
  namespace: "monitoring",
  workload: "prometheus",
  exe: "/bin/prometheus",
  port: 9090,
  hasSidecar: false,
});
const coredns = makePod({
  namespace: "kube-system",
  workload: "coredns",
  exe: "/coredns",
  port: 53,
  hasSidecar: false,
});
/** A tenant's notebook, from which the attack starts. */
const notebook = makePod({
  namespace: "tenant-a",
  workload: "notebook",
  exe: "/opt/conda/bin/python3",
  port: 8888,
});
/** A tenant's batch job whose destination rule turns mTLS off. */
const batchExport = makePod({
  namespace: "tenant-b",
  workload: "batch-export",
  exe: "/usr/bin/java",
  port: 8080,
});

export const pods = {
  productpage,
  details,
  reviews1,
  reviews2,
  reviews3,
  ratings,
  gateway,
  istiod,
  prometheus,
  coredns,
  notebook,
  batchExport,
} as const;

export const services = {
  productpage: makeService("productpage", "10.96.0.11", [productpage]),
  details: makeService("details", "10.96.0.12", [details]),
  reviews: makeService("reviews", "10.96.0.13", [reviews1, reviews2, reviews3]),
  ratings: makeService("ratings", "10.96.0.14", [ratings]),
} as const;

function makeService(
  name: string,
  ip: string,
  targets: readonly [SimulatedPod, ...SimulatedPod[]],
): SimulatedService {
  return { name, namespace: "bookinfo", ip, port: 9080, pods: targets };
}

/** A payment provider that ratings calls through its sidecar, as it should. */
export const paymentApi = { ip: "203.0.113.10", port: 443, host: "api.payments.example" } as const;
/** Where the attacker's data goes. */
export const dropSite = { ip: "198.51.100.66", port: 443 } as const;
