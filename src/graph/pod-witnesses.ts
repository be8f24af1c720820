/**
 * Which sources, other than its own proxy and the agents of its machine, tell of a pod: those that name
 * it in a record, and flow agents that show its address. It is kept with the pod, so that a restart
 * knows it; what follows from it is in `coverage.ts`.
 */
import type { SourceRef } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { IdentityTables, PodRecord } from "./identity.ts";

/** A machine has few agents; a pod that thousands claim to have seen is somebody's game. */
const toldByMax = 4;

export class PodWitnesses {
  readonly #identity: IdentityTables;
  /** So that no event has to put an id together. */
  readonly #ids = new WeakMap<SourceRef, string>();

  constructor(identity: IdentityTables) {
    this.#identity = identity;
  }

  /** A source tells of the pod. Most tell of the same ones for ever. */
  toldBy(pod: PodRecord, source: SourceRef): void {
    const known = pod.toldBy ?? [];
    if (known.length >= toldByMax) return;
    const id = this.idOf(source);
    if (known.includes(id)) return;
    pod.toldBy = [...known, id].toSorted();
    this.#identity.podTouched(pod);
  }

  /** The same of whoever held an address then. */
  addressToldBy(cluster: string, ip: string, atUs: Us, source: SourceRef): void {
    const name = this.#identity.clusterOf(cluster);
    const holder = this.#identity.owners.holderAt(name, ip, atUs, 0);
    const pod = holder.kind === "pod" ? this.#identity.podByKey(holder.pod) : undefined;
    if (pod) this.toldBy(pod, source);
  }

  /** `kind|key`. */
  idOf(source: SourceRef): string {
    let id = this.#ids.get(source);
    if (id === undefined) {
      id = `${source.kind}|${source.key}`;
      this.#ids.set(source, id);
    }
    return id;
  }
}
