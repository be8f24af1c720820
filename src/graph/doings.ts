/** What processes and workloads do beside going around a proxy: whom they reach, and which files. */
import type { GraphChange } from "../model/changes.ts";
import type { Observation } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { Accesses } from "./accesses.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { Contacts } from "./contacts.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";

export class Doings {
  readonly #contacts: Contacts;
  readonly #accesses: Accesses;

  constructor(identity: Identity, options: BypassOptions, overflowed: Overflowed) {
    this.#contacts = new Contacts(identity, options, overflowed);
    this.#accesses = new Accesses(identity, options, overflowed);
  }

  /** True when the journal must hold it. */
  see(observation: Observation, nowUs: Us, out: GraphChange[]): boolean {
    if (observation.kind === "file_access") return this.#accesses.see(observation, nowUs, out);
    return this.#contacts.see(observation, nowUs, out);
  }

  /** The journal's, at the start: judged when all is back. */
  replay(observation: Observation, nowUs: Us): void {
    if (observation.kind === "file_access") this.#accesses.replay(observation, nowUs);
    else this.#contacts.replay(observation, nowUs);
  }

  podsChanged(pods: readonly PodFacts[]): void {
    this.#contacts.podsChanged(pods);
    this.#accesses.podsChanged(pods);
  }

  /** Behind these virtual ends (as `endKey`) may be others than before. */
  virtualChanged(ends: readonly string[]): void {
    this.#contacts.virtualChanged(ends);
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    this.#contacts.advance(nowUs, out);
    this.#accesses.advance(nowUs, out);
  }

  counters(into: CounterSample[]): void {
    this.#contacts.counters(into);
    this.#accesses.counters(into);
  }
}
