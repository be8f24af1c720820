/**
 * An exporter whose clock nothing has bounded yet may be wrong by more than the guess that stands for its
 * bound. Where an address has changed its owner about the time of a flow, that decides who is accused: so
 * until the clock is proved, such a flow accuses nobody.
 */
import type { Flow } from "../model/observations.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import type { Identity, PodFacts } from "./contracts.ts";

interface Clocks {
  readonly identity: Identity;
  isClockProved(source: string): boolean;
}

/** How far a clock may be off that looks right: as long as records may come late. */
const widestS = 60;
/** No pod lives for less and still talks. */
const stepS = 5;

/** Whether the flow may be another pod's, by an exporter's clock that is not proved. */
export function mayBeAnothers(flow: Flow, pod: PodFacts, atUs: Us, scene: Clocks): boolean {
  if (scene.isClockProved(flow.source.key)) return false;
  for (let aside = -widestS; aside <= widestS; aside += stepS) {
    const thenUs = atUs + aside * usPerSecond;
    const owner = scene.identity.ownerAt(flow.cluster, flow.srcIp, thenUs, 0);
    if (owner.kind === "host") return true;
    if (owner.kind === "pod" && !isSamePod(owner.pod, pod)) return true;
  }
  return false;
}

export function isSamePod(one: PodFacts, other: PodFacts): boolean {
  if (one.uid !== "" && other.uid !== "") return one.uid === other.uid;
  return one.namespace === other.namespace && one.name === other.name;
}
