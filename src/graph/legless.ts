/**
 * Connections that a pod's proxy ought to have logged and did not, though lines of its machine went on to
 * arrive: how many since a time, by pod. What is known of an end and a destination is replaced as a whole,
 * so it is the same whatever came first. Bounded by those.
 */
import type { Us } from "../model/time.ts";

interface Known {
  readonly pod: string;
  readonly times: readonly Us[];
}

export class Legless {
  readonly #known = new Map<string, Known>();
  /** By pod, the names of what is known of it. */
  readonly #byPod = new Map<string, Set<string>>();
  readonly #changed = new Set<string>();

  /** When the connections under this name began; [] = there are none. */
  set(name: string, pod: string, times: readonly Us[]): void {
    const before = this.#known.get(name);
    if (!before && times.length === 0) return;
    if (before) this.#drop(name, before);
    if (times.length === 0) return;
    this.#known.set(name, { pod, times });
    const names = this.#byPod.get(pod);
    if (names) names.add(name);
    else this.#byPod.set(pod, new Set([name]));
    this.#changed.add(pod);
  }

  since(pod: string, fromUs: Us): number {
    let count = 0;
    for (const name of this.#byPod.get(pod) ?? []) {
      for (const atUs of this.#known.get(name)?.times ?? []) if (atUs > fromUs) count++;
    }
    return count;
  }

  /** Pods with other connections of the kind than when this was last called. */
  takeChanged(): readonly string[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  #drop(name: string, { pod }: Known): void {
    this.#known.delete(name);
    const names = this.#byPod.get(pod);
    names?.delete(name);
    if (names?.size === 0) this.#byPod.delete(pod);
  }
}
