/**
 * The nodes that names and addresses stand for when no pod does: workloads and services by name, machines,
 * peers beyond the mesh, and addresses that nobody has explained. Peers beyond are capped, since anybody
 * who calls in or is called can add one.
 */
import { parseCidr, type Cidr } from "../lib/ip.ts";
import type { NodeEntity } from "../model/entities.ts";
import { addressScope } from "./address-scope.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";
import type { GraphLimits, GraphOptions } from "./options.ts";

export class Peers {
  readonly #limits: GraphLimits;
  readonly #nodes: Nodes;
  readonly #clusterCidrs: readonly Cidr[];
  readonly #externalCidrs: readonly Cidr[];
  #externalPeers = 0;
  #unknownPeers = 0;
  #dropped = 0;

  constructor(options: GraphOptions, nodes: Nodes) {
    this.#limits = options.limits;
    this.#nodes = nodes;
    this.#clusterCidrs = cidrsOf(options.identity.clusterCidrs);
    this.#externalCidrs = cidrsOf(options.identity.externalCidrs);
  }

  /** Peers that had to share the node of all that had no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Counts again what the restored nodes take of the caps. */
  restored(): void {
    for (const { entity } of this.#nodes.all()) {
      if (entity.kind === "external") this.#externalPeers++;
      if (entity.kind === "unknown") this.#unknownPeers++;
    }
  }

  workload(cluster: string, namespace: string, name: string): NodeRecord {
    const alias = `workload:${cluster}/${namespace}/${name}`;
    return this.#nodes.intern(alias, { cluster, namespace, name, resolved: "inferred" });
  }

  service(cluster: string, namespace: string, name: string): NodeRecord {
    const identity = { cluster, namespace, name, service: name, kind: "service" };
    const alias = `service:${cluster}/${namespace}/${name}`;
    return this.#nodes.intern(alias, { ...identity, resolved: "metrics" });
  }

  host(cluster: string, name: string): NodeRecord {
    const identity = { cluster, name, kind: "host", host_network: true };
    return this.#nodes.intern(`host:${cluster}/${name}`, { ...identity, resolved: "object" });
  }

  unresolved(cluster: string, ip: string): NodeRecord {
    const isPublic =
      addressScope(ip) === "public" && !this.#clusterCidrs.some((cidr) => cidr.contains(ip));
    if (isPublic || this.#externalCidrs.some((cidr) => cidr.contains(ip))) {
      return this.external("", ip);
    }
    return this.unknown(cluster, ip, { address: ip });
  }

  /** Names are preferred over addresses: one host has many. */
  external(name: string, address: string): NodeRecord {
    const alias = `external:${name || address}`;
    const known = this.#nodes.byAlias(alias);
    if (known) return known;
    const identity = { kind: "external", external: true };
    if (this.#externalPeers >= this.#limits.externalPeersMax) {
      this.#dropped++;
      return this.#nodes.intern("external:other", { ...identity, name: "other" });
    }
    this.#externalPeers++;
    return this.#nodes.intern(alias, { ...identity, name, address });
  }

  unknown(cluster: string, reason: string, identity: Partial<NodeEntity>): NodeRecord {
    const alias = `unknown:${cluster}/${reason}`;
    const known = this.#nodes.byAlias(alias);
    if (known) return known;
    if (this.#unknownPeers >= this.#limits.unknownPeersMax) {
      this.#dropped++;
      return this.#nodes.intern("unknown:other", { kind: "unknown", name: "other" });
    }
    this.#unknownPeers++;
    return this.#nodes.intern(alias, { kind: "unknown", cluster, ...identity });
  }
}

function cidrsOf(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter((cidr) => cidr !== null);
}
