/** Senders of telemetry as shared objects: one `SourceRef` per sender, so that identity compares them. */
import { inventoryKey } from "../model/keys.ts";
import type { SourceKind, SourceRef } from "../model/observations.ts";

/** Resource attribute by which a collector says that telemetry came through it; a name of ours. */
export const originAttribute = "mesh_insights.origin";

/** Whoever sends can write any origin: the rest of too many are one. */
const originsMax = 64;
const originLengthMax = 100;
const otherOrigin = "_other";

export class Sources {
  readonly #maxSources: number;
  readonly #byKey = new Map<string, SourceRef>();
  readonly #origins = new Set<string>();

  constructor(maxSources: number) {
    this.#maxSources = maxSources;
  }

  /** A proxy by its pod; by its own address, or any other steady name, where no pod is named. */
  proxy(cluster: string, namespace: string, pod: string): SourceRef {
    return this.#of("proxy", `${cluster}/${namespace}/${pod}`, cluster, namespace);
  }

  nodeAgent(cluster: string, host: string): SourceRef {
    return this.#of("node_agent", `${cluster}/${host}`, cluster, "");
  }

  objects(cluster: string): SourceRef {
    return this.#of("objects", cluster, cluster, "");
  }

  /** Metrics about a cluster's objects: another feed than the objects themselves. */
  inventory(cluster: string): SourceRef {
    return this.#of("objects", inventoryKey(cluster), cluster, "");
  }

  /** Null where the attribute is missing, which is "". */
  collector(origin: string): SourceRef | null {
    if (origin === "") return null;
    const name = origin.slice(0, originLengthMax).replace(/[^!-~]/g, "_");
    const isKnown = this.#origins.has(name) || this.#origins.size < originsMax;
    if (isKnown) this.#origins.add(name);
    return this.#of("collector", isKnown ? name : otherOrigin, "", "");
  }

  #of(kind: SourceKind, key: string, cluster: string, namespace: string): SourceRef {
    const full = `${kind} ${key}`;
    const known = this.#byKey.get(full);
    if (known) return known;
    // Forgetting costs a duplicate heartbeat at most: nothing else relies on the object's identity.
    if (this.#byKey.size >= this.#maxSources) this.#byKey.clear();
    const source: SourceRef = { kind, key, cluster, namespace };
    this.#byKey.set(full, source);
    return source;
  }
}
