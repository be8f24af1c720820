/**
 * What the spans of one batch tell of the pods that reported them. Thousands of spans tell the same of
 * one pod: only the first and the last time of each can change anything.
 */
import type { NodeEntity } from "../model/entities.ts";
import type { PodName, SpanHalf, Trust } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { IdentityTables } from "./identity.ts";
import { OwnerStrength } from "./ip-owners.ts";

interface Sighting {
  readonly name: PodName;
  readonly proxyRole: string;
  readonly trust: Trust;
  firstUs: Us;
  lastUs: Us;
}

const modes: ReadonlyMap<string, NodeEntity["mode"]> = new Map([
  ["sidecar", "sidecar"],
  ["waypoint", "waypoint"],
  ["router", "gateway"],
]);

export class SpanSightings {
  /** In the order of arrival; by identity, which halves of one proxy share. */
  readonly #byPod = new Map<PodName, Sighting>();
  /** Spans of one pod come in runs. */
  #last: Sighting | null = null;

  add({ self, proxyRole, trust, timeUs }: SpanHalf): void {
    const known = this.#last?.name === self ? this.#last : this.#byPod.get(self);
    if (known && known.proxyRole === proxyRole && known.trust === trust) {
      if (timeUs < known.firstUs) known.firstUs = timeUs;
      if (timeUs > known.lastUs) known.lastUs = timeUs;
      this.#last = known;
      return;
    }
    this.#last = { name: self, proxyRole, trust, firstUs: timeUs, lastUs: timeUs };
    // One name in two roles or trusts is nobody's habit: under a name of its own it is told as well.
    this.#byPod.set(known ? { ...self } : self, this.#last);
  }

  /** Tells all and forgets them. */
  tell(identity: IdentityTables): void {
    for (const { name, proxyRole, trust, firstUs, lastUs } of this.#byPod.values()) {
      const strength = proxyRole === "" ? OwnerStrength.attributes : OwnerStrength.proxy;
      const seen = { name, trust, strength, mode: modes.get(proxyRole) ?? "unknown" };
      identity.podSeen({ ...seen, atUs: firstUs });
      if (lastUs > firstUs) identity.podSeen({ ...seen, atUs: lastUs });
    }
    this.#byPod.clear();
    this.#last = null;
  }
}
