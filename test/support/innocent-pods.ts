/**
 * The pods of an innocent day: what is deployed, rolled out, restarted and run by a cron job, on which
 * node and under which address. An address that becomes free is given to the next pod of its node.
 */
import type { Random } from "../../src/cli/demo/random.ts";
import { proxyImage, type DayContainer, type DayNode, type DayPod } from "./innocent-words.ts";

export interface Plan {
  readonly namespace: string;
  readonly workload: string;
  readonly role: DayPod["role"];
  readonly replicas: number;
  readonly port: number;
  readonly exe: string;
  readonly uid?: number;
  readonly ownerKind?: DayPod["ownerKind"];
  readonly hostNetwork?: boolean;
  /** An init container that reaches out before there is a proxy. */
  readonly migrates?: boolean;
  /** How many source ports its node hands out; few are used again soon. */
  readonly portRange?: number;
}

const plan = (
  namespace: string,
  workload: string,
  role: Plan["role"],
  replicas: number,
  more: Partial<Plan> = {},
): Plan => ({ namespace, workload, role, replicas, port: 8080, exe: "/app/server", ...more });

export const plans = {
  gateway: plan("istio-ingress", "ingressgateway", "gateway", 2, {
    exe: "/usr/local/bin/envoy",
    uid: 1337,
    port: 8443,
  }),
  web: plan("shop", "web", "sidecar", 4, { exe: "/usr/local/bin/node" }),
  catalog: plan("shop", "catalog", "sidecar", 3, { portRange: 600 }),
  cart: plan("shop", "cart", "native", 3, { exe: "/usr/bin/java" }),
  orders: plan("shop", "orders", "sidecar", 3, { migrates: true }),
  pricing: plan("shop", "pricing", "native", 2, { exe: "/usr/bin/python3", portRange: 600 }),
  payments: plan("payments", "payments", "sidecar", 2, { exe: "/usr/bin/java" }),
  ledger: plan("payments", "ledger", "native", 2),
  postgres: plan("data", "postgres", "sidecar", 1, {
    ownerKind: "StatefulSet",
    port: 5432,
    exe: "/usr/lib/postgresql/16/bin/postgres",
    uid: 999,
  }),
  redis: plan("data", "redis", "native", 2, {
    ownerKind: "StatefulSet",
    port: 6379,
    exe: "/usr/bin/redis-server",
  }),
  // Nobody rolls these out: their connections last for hours.
  warehouse: plan("data", "warehouse", "sidecar", 1, {
    ownerKind: "StatefulSet",
    port: 5432,
    exe: "/usr/lib/postgresql/16/bin/postgres",
    uid: 999,
  }),
  analytics: plan("shop", "analytics", "native", 2, { exe: "/usr/bin/python3" }),
  kiosk: plan("market", "kiosk", "ambient", 3, { exe: "/usr/local/bin/node" }),
  stock: plan("market", "stock", "ambient", 2),
  ztunnel: plan("istio-system", "ztunnel", "ztunnel", 4, {
    ownerKind: "DaemonSet",
    exe: "/usr/local/bin/ztunnel",
    uid: 1337,
    port: 15_008,
  }),
  report: plan("shop", "report", "native", 0, { ownerKind: "Job", exe: "/usr/bin/python3" }),
  cleanup: plan("legacy", "cleanup", "plain", 0, { ownerKind: "Job", exe: "/bin/bash", uid: 0 }),
  batch: plan("legacy", "batch", "plain", 2, { exe: "/usr/bin/perl" }),
  archive: plan("legacy", "archive", "plain", 2, { exe: "/usr/sbin/httpd", uid: 0 }),
  istiod: plan("istio-system", "istiod", "plain", 2, {
    exe: "/usr/local/bin/pilot-discovery",
    uid: 1337,
    port: 15_012,
  }),
  coredns: plan("kube-system", "coredns", "plain", 2, { exe: "/coredns", port: 53, uid: 65_532 }),
  prometheus: plan("monitoring", "prometheus", "plain", 1, {
    ownerKind: "StatefulSet",
    exe: "/bin/prometheus",
    port: 9090,
  }),
  exporter: plan("monitoring", "node-exporter", "plain", 4, {
    ownerKind: "DaemonSet",
    hostNetwork: true,
    exe: "/bin/node_exporter",
    port: 9100,
  }),
} satisfies Record<string, Plan>;

export function makeNodes(random: Random, count: number, skewMs: number): DayNode[] {
  const skew = (): number => Math.round((random.next() * 2 - 1) * skewMs);
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    ip: `10.0.0.${index + 1}`,
    agentSkewMs: skew(),
    flowSkewMs: skew(),
    // Little more than its pods need, so that addresses come back at once.
    freeIps: Array.from({ length: 30 }, (_unused, last) => `10.244.${index + 1}.${10 + last}`),
  }));
}

function containersOf(of: Plan): DayContainer[] {
  const proxy = (kind: DayContainer["kind"]): DayContainer => ({
    name: "istio-proxy",
    image: proxyImage,
    exe: "/usr/local/bin/envoy",
    uid: 1337,
    kind,
    restarts: 0,
  });
  const app: DayContainer = {
    name: of.role === "plain" ? of.workload : "app",
    image: `registry.example/${of.workload}:1.0`,
    exe: of.exe,
    uid: of.uid ?? 1000,
    kind: "main",
    restarts: 0,
  };
  const migrate: DayContainer = { ...app, name: "migrate", exe: "/app/migrate", kind: "init" };
  const istioInit: DayContainer = { ...proxy("init"), name: "istio-init", uid: 0 };
  if (of.role === "plain" || of.role === "ambient") return [app];
  if (of.role === "ztunnel") {
    const image = "docker.io/istio/ztunnel:1.28.0";
    return [{ ...proxy("main"), image, exe: of.exe }];
  }
  if (of.role === "gateway") return [proxy("main")];
  if (of.role === "native") return [istioInit, proxy("native"), app];
  return [...(of.migrates === true ? [migrate] : []), istioInit, app, proxy("main")];
}

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

export class PodMaker {
  readonly #random: Random;
  readonly #skewMs: number;
  #made = 0;

  constructor(random: Random, skewMs: number) {
    this.#random = random;
    this.#skewMs = skewMs;
  }

  /** The part of a name that a controller makes up. */
  suffix(length: number): string {
    return Array.from({ length }, () => alphabet[this.#random.below(alphabet.length)]).join("");
  }

  make(of: Plan, node: DayNode, atMs: number, ownerName: string, name: string): DayPod {
    this.#made++;
    return {
      namespace: of.namespace,
      workload: of.workload,
      ownerKind: of.ownerKind ?? "ReplicaSet",
      ownerName,
      name,
      uid: `00000000-0000-4000-8000-${String(this.#made).padStart(12, "0")}`,
      node,
      role: of.role,
      hostNetwork: of.hostNetwork ?? false,
      port: of.port,
      containers: containersOf(of),
      proxySkewMs: Math.round((this.#random.next() * 2 - 1) * this.#skewMs),
      createdMs: atMs,
      isNamedInLog: this.#made % 2 === 0,
      ip: of.hostNetwork === true ? node.ip : "",
      phase: "Pending",
      deletionMs: 0,
      endedMs: 0,
    };
  }
}
