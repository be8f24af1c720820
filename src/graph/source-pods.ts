/**
 * Whether a silent source has a right to be: pod objects tell whether the proxy's pod, or any pod of the
 * agent's machine, still runs. Objects that have not been repeated for long prove nothing.
 */
import { makeEntity, type NodeEntity } from "../model/entities.ts";
import type { SourceRef } from "../model/observations.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import type { IdentityTables, PodRecord } from "./identity.ts";
import { describedBy } from "./pod-inventory.ts";
import type { Runs } from "./source-liveness.ts";

/** The shipped collector lists all pods every 15 minutes. */
const believedUs = 35 * usPerMinute;
/** Machines are looked through at most this often, and only while an agent is silent. */
const hostsEveryUs = usPerMinute / 4;

export class SourcePods {
  readonly #identity: IdentityTables;
  /** `cluster/host` to whether anything runs there. */
  readonly #hosts = new Map<string, Runs>();
  #hostsUs = 0;

  constructor(identity: IdentityTables) {
    this.#identity = identity;
  }

  /** Of a proxy whose pod has ended, or an agent of whose machine every known pod has: `no`. */
  runs({ kind, key }: SourceRef, nowUs: Us): Runs {
    if (kind === "proxy") {
      const pod = this.#identity.podNamed(key, nowUs);
      return pod ? podRuns(pod, nowUs) : "unknown";
    }
    if (kind !== "node_agent") return "unknown";
    if (nowUs - this.#hostsUs >= hostsEveryUs) this.#lookThrough(nowUs);
    return this.#hosts.get(key) ?? "unknown";
  }

  /** The workload of a proxy's pod, by its name or, where the proxy told only its address, by that. */
  workloadOf({ kind, key, cluster }: SourceRef, atUs: Us): NodeEntity {
    const [, namespace = "", name = ""] = key.split("/");
    const identity = this.#identity;
    const owner = namespace === "" ? identity.ownerAt(cluster, name, atUs, 0) : null;
    const pod = owner?.kind === "pod" ? owner.pod : identity.podNamed(key, atUs)?.facts;
    return kind === "proxy" && pod ? identity.node(pod.nodeId) : makeEntity("node");
  }

  #lookThrough(nowUs: Us): void {
    this.#hostsUs = nowUs;
    this.#hosts.clear();
    for (const pod of this.#identity.pods) {
      const node = describedBy(pod)?.node ?? "";
      if (node === "") continue;
      const host = `${pod.facts.cluster}/${node}`;
      const runs = podRuns(pod, nowUs);
      const known = this.#hosts.get(host) ?? "no";
      if (runs === "yes" || known === "no") this.#hosts.set(host, runs);
    }
  }
}

function podRuns({ facts, objectUs, inventory }: PodRecord, nowUs: Us): Runs {
  if (facts.endUs > 0 && facts.endUs <= nowUs) return "no";
  return nowUs - Math.max(objectUs, inventory?.toldUs ?? 0) <= believedUs ? "yes" : "unknown";
}
