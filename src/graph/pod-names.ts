/** The pods that have borne a name, through time: StatefulSets give theirs to one pod after the other. */
import type { Us } from "../model/time.ts";
import type { PodRecord } from "./pod-record.ts";

const podsPerNameMax = 16;
const nobody: readonly PodRecord[] = [];

export class PodNames {
  /** By `cluster/namespace/name`. */
  readonly #pods = new Map<string, PodRecord[]>();

  add(key: string, pod: PodRecord): void {
    const named = this.#pods.get(key);
    if (!named) {
      this.#pods.set(key, [pod]);
      return;
    }
    if (named.length >= podsPerNameMax) named.shift();
    named.push(pod);
  }

  remove(key: string, pod: PodRecord): void {
    const named = this.#pods.get(key)?.filter((other) => other !== pod) ?? [];
    if (named.length > 0) this.#pods.set(key, named);
    else this.#pods.delete(key);
  }

  all(key: string): readonly PodRecord[] {
    return this.#pods.get(key) ?? nobody;
  }

  /** Of the pods that bore a name, the one that lived then, else the nearest in time. */
  find(key: string, atUs: Us): PodRecord | undefined {
    const named = this.all(key);
    if (named.length < 2) return named[0];
    let best = named[0];
    for (const pod of named) {
      if (pod.facts.fromUs <= atUs && (!best || pod.facts.fromUs >= best.facts.fromUs)) best = pod;
    }
    return best;
  }
}
