/**
 * Whose machines' addresses are: told by Node objects, and by pods on their machine's network. A machine
 * keeps its address for as long as it lives, so the last word stands.
 */
import { addressKey } from "./ip-owners.ts";
import type { ObjectRecord } from "./objects.ts";

/** More machines than any cluster has; each has one address, or one of each family. */
const addressesMax = 50_000;

export class HostAddresses {
  /** `cluster|ip` to the machine's name. */
  readonly #hosts = new Map<string, string>();
  readonly #changed = new Set<string>();
  #dropped = 0;

  get dropped(): number {
    return this.#dropped;
  }

  told(cluster: string, ips: readonly string[], name: string): void {
    for (const ip of ips) {
      const key = addressKey(cluster, ip);
      if (this.#hosts.get(key) === name) continue;
      if (this.#hosts.size >= addressesMax && !this.#hosts.has(key)) {
        this.#dropped++;
        continue;
      }
      this.#hosts.set(key, name);
      this.#changed.add(key);
    }
  }

  /** Takes in what the table of objects has taken in; other types are passed over. */
  changed({ cluster, object, isGone }: ObjectRecord): void {
    if (object.type === "node" && !isGone) this.told(cluster, object.addresses, object.name);
  }

  nameOf(cluster: string, ip: string): string | undefined {
    return this.#hosts.get(addressKey(cluster, ip));
  }

  /** Addresses (`cluster|ip`) of which another machine is told since the last call. */
  takeChanged(): readonly string[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }
}
