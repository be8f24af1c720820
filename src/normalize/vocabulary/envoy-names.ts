/** Names that Envoy writes into metrics, spans and access logs alike: clusters, node ids, flags. */
import { canonicalIp } from "../../lib/ip.ts";
import type { Route } from "../../model/observations.ts";
import { portOf } from "../json.ts";
import { hostToService, noService, type ServiceName } from "../names.ts";

export interface NodeId {
  /** `sidecar`, `router`, `waypoint`; "" = no node id. */
  readonly role: string;
  readonly address: string;
  readonly pod: string;
  readonly namespace: string;
}

export const noNodeId: NodeId = { role: "", address: "", pod: "", namespace: "" };

/** `sidecar~10.1.0.51~productpage-v1-75b8c6d9f4-w2n6k.bookinfo~bookinfo.svc.cluster.local` */
export function parseNodeId(text: string): NodeId {
  const [role, address, podAndNamespace, ...rest] = text.split("~", 5);
  if (role === undefined || address === undefined || !podAndNamespace || rest.length === 0) {
    return noNodeId;
  }
  const dot = podAndNamespace.lastIndexOf("."); // a pod's name may hold dots, a namespace's cannot
  if (dot < 1) return noNodeId;
  return {
    role: role.slice(0, 16),
    address: canonicalIp(address),
    pod: podAndNamespace.slice(0, dot).slice(0, 253),
    namespace: podAndNamespace.slice(dot + 1).slice(0, 63),
  };
}

const specialRoutes: ReadonlyMap<string, Route> = new Map([
  ["PassthroughCluster", "passthrough"],
  ["BlackHoleCluster", "blackhole"],
  ["InboundPassthroughCluster", "inbound_passthrough"],
  ["InboundPassthroughClusterIpv4", "inbound_passthrough"],
  ["InboundPassthroughClusterIpv6", "inbound_passthrough"],
]);

/** The route that a special cluster name stands for; null for an ordinary name. */
export function specialRoute(name: string): Route | null {
  return specialRoutes.get(name) ?? null;
}

export interface UpstreamCluster {
  readonly direction: "inbound" | "outbound" | "unknown";
  readonly route: Route;
  readonly port: number;
  readonly service: ServiceName;
}

const noUpstream: UpstreamCluster = {
  direction: "unknown",
  route: "unknown",
  port: 0,
  service: noService,
};

/**
 * `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`, `inbound|9080||`, `PassthroughCluster`, `-`.
 * Newer releases of Istio end the name by which Envoy shows a cluster with a semicolon.
 */
export function parseUpstreamCluster(shown: string): UpstreamCluster {
  const text = shown.endsWith(";") ? shown.slice(0, -1) : shown;
  const special = specialRoute(text);
  if (special) {
    const direction = special === "inbound_passthrough" ? "inbound" : "outbound";
    return { ...noUpstream, direction, route: special };
  }
  const [kind, port, , host] = text.split("|", 5);
  if (port === undefined || !kind) return noUpstream;
  const direction = kind.startsWith("inbound") ? "inbound" : kind === "outbound" ? kind : "unknown";
  return {
    direction,
    route: direction === "unknown" ? "unknown" : "declared",
    port: portOf(port),
    service: host ? hostToService(host.slice(0, 253)) : noService,
  };
}

/** Response flags without the dash that means none. */
export function knownFlags(text: string): string {
  return text === "-" ? "" : text.slice(0, 64);
}

/** Flags that end an exchange without anybody having failed: the client left, a delay was injected. */
const harmlessFlags: ReadonlySet<string> = new Set(["DC", "DI", "DENY", "RL", "UAEX", "SI"]);

export function isFailure(flags: string): boolean {
  return flags !== "" && flags.split(",").some((flag) => !harmlessFlags.has(flag));
}

/** External authorisation said no (Envoy), or a policy did (ztunnel). Envoy's own RBAC has no flag. */
export function isDenial(flags: string): boolean {
  return flags !== "" && flags.split(",").some((flag) => flag === "UAEX" || flag === "DENY");
}

/** Unknown, deadline, unimplemented, internal, unavailable, data loss: a server's fault, as HTTP's 5xx. */
const grpcErrors: ReadonlySet<string> = new Set(["2", "4", "12", "13", "14", "15"]);

export function isGrpcError(status: string): boolean {
  return grpcErrors.has(status);
}

/** `envoy://connect_originate/10.0.0.1:80`, as waypoints write an upstream host: its address. */
export function withoutInternalAddress(text: string): string {
  return text.startsWith("envoy://") ? text.slice(text.lastIndexOf("/") + 1) : text;
}
