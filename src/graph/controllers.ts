/**
 * Who controls the controllers of pods, by their objects: the Deployment of a ReplicaSet, the CronJob of a
 * Job, or whoever else. A name tells it mostly, and then the object tells nothing; where it tells something
 * else, it is right. It follows the table of objects and bounds nothing itself.
 */
import { controllerByObject, controllerKinds, type Controlled } from "./controlled.ts";
import type { ObjectRecord } from "./objects.ts";

export class Controllers {
  /** `cluster/kind/namespace/name` to its controller. */
  readonly #told = new Map<string, Controlled>();
  readonly #changed = new Set<string>();

  /** Takes in what the table of objects has taken in; other types are passed over. */
  changed({ cluster, object, isForgotten }: ObjectRecord): void {
    if (object.type !== "replica_set" && object.type !== "job") return;
    const key = keyOf(cluster, controllerKinds[object.type], object.namespace, object.name);
    const before = this.#told.get(key);
    // One that is gone still says whose pods they were.
    const now = isForgotten ? undefined : controllerByObject(object);
    if (now?.kind === before?.kind && now?.name === before?.name) return;
    if (now) this.#told.set(key, now);
    else this.#told.delete(key);
    if (now) this.#changed.add(key);
  }

  /** Undefined where only the name tells. */
  of(cluster: string, kind: string, namespace: string, name: string): Controlled | undefined {
    return this.#told.size === 0
      ? undefined
      : this.#told.get(keyOf(cluster, kind, namespace, name));
  }

  /** Those of which something else is told than before, as a test of them; null = none. */
  takeChanged():
    | ((cluster: string, kind: string, namespace: string, name: string) => boolean)
    | null {
    if (this.#changed.size === 0) return null;
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return (...parts) => changed.has(keyOf(...parts));
  }
}

function keyOf(cluster: string, kind: string, namespace: string, name: string): string {
  return `${cluster}/${kind}/${namespace}/${name}`;
}
