/**
 * What was seen first of each thing in each five minutes: connections to one place, reads of one file.
 * Most telemetry repeats itself, so one entry stands for all that says the same within a slot, and the
 * first of it by event time is what is told, whatever came first. An entry is judged when it is new, when
 * an earlier event takes its place, when its grace is over, and when pods or addresses that it rests on
 * become known; under the same id each time.
 *
 * Bounded as a whole and per workload. An entry that has to leave early costs nothing but that the same
 * thing is told again under the same id.
 */
import type { GraphChange } from "../model/changes.ts";
import type { PodName } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";
import { JoinTable } from "./join-table.ts";
import { workloadOwner } from "./overflows.ts";
import { Waiting } from "./waiting.ts";

export const slotUs = 5 * usPerMinute;
/** Beyond its slot, for what comes late; a restart takes back what the journal holds, which is as much. */
const keptUs = 2 * slotUs;

export interface SeenEvent {
  readonly atUs: Us;
  readonly nanos: number;
  /** Orders events of one time. */
  readonly hash: string;
  readonly pod: PodName;
}

export interface SeenEntry<E extends SeenEvent> {
  readonly key: string;
  /** The entity's. */
  readonly id: string;
  first: E;
  /** Until when a verdict waits for somebody to name what it rests on. */
  readonly dueUs: Us;
  /** What was last told; "" = nothing. */
  told: string;
  /** By what it is found when something changes. */
  readonly names: string[];
}

export class FirstSeen<E extends SeenEvent> {
  readonly #identity: Identity;
  readonly #name: string;
  readonly #latenessUs: Us;
  readonly #judge: (entry: SeenEntry<E>, nowUs: Us, out: GraphChange[]) => void;
  readonly #entries: JoinTable<SeenEntry<E>>;
  readonly #byName = new Map<string, Set<SeenEntry<E>>>();
  readonly #waiting = new Waiting<SeenEntry<E>>();
  /** To be judged at the next `advance`. */
  readonly #again = new Set<SeenEntry<E>>();

  constructor(
    name: string,
    max: number,
    identity: Identity,
    { latenessUs, workloadShare }: BypassOptions,
    judge: (entry: SeenEntry<E>, nowUs: Us, out: GraphChange[]) => void,
    overflowed: Overflowed,
    onGone: (entry: SeenEntry<E>) => void = () => {},
  ) {
    this.#name = name;
    this.#identity = identity;
    this.#latenessUs = latenessUs;
    this.#judge = judge;
    this.#entries = new JoinTable(
      max,
      workloadShare,
      ({ value }) => {
        this.#forget(value);
        onGone(value);
      },
      (owner) => overflowed(owner, name),
    );
  }

  /**
   * True when it is the first of its kind in its slot so far, so that the journal must hold it. `what` says
   * what is the same; `names`: addresses, beside the pod, that a verdict rests on. `make` is called only then.
   */
  see(
    what: string,
    atUs: Us,
    order: string,
    nowUs: Us,
    make: () => { readonly event: E; readonly names: readonly string[] },
  ): SeenEntry<E> | null {
    const key = contentText(what, Math.floor(atUs / slotUs));
    const known = this.#entries.get(key)?.value;
    if (known) {
      const { first } = known;
      // Of one event more may be known than before.
      if (atUs > first.atUs || (atUs === first.atUs && order > first.hash)) return null;
      known.first = make().event;
      return known;
    }
    const { event, names } = make();
    const facts = this.#identity.podOf(event.pod, atUs);
    const owner = facts
      ? workloadOwner(facts.nodeId)
      : `${event.pod.namespace}/${podKey(event.pod)}`;
    const entry: SeenEntry<E> = {
      key,
      id: contentHash([this.#name, key]),
      first: event,
      dueUs: Math.min(atUs, nowUs) + this.#latenessUs,
      told: "",
      names: [podKey(event.pod), ...names],
    };
    this.#entries.add({ id: key, owner, value: entry, atUs, expiresUs: nowUs + keptUs });
    for (const name of entry.names) this.#index(entry, name);
    return entry;
  }

  /** Its verdict rests on this address too. */
  dependsOn(entry: SeenEntry<E>, name: string): void {
    if (entry.names.includes(name)) return;
    entry.names.push(name);
    this.#index(entry, name);
  }

  wait(entry: SeenEntry<E>): void {
    this.#waiting.add(entry, entry.dueUs);
  }

  /** At the next `advance`. */
  judgeLater(entry: SeenEntry<E>): void {
    this.#again.add(entry);
  }

  podsChanged(pods: readonly PodFacts[]): void {
    for (const { namespace, name, uid, ips } of pods) {
      for (const one of [`${namespace}/${name}`, uid, ...ips]) this.#nameChanged(one);
    }
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    this.#entries.expire(nowUs);
    for (const entry of this.#waiting.take(nowUs)) this.#again.add(entry);
    for (const entry of this.#again) this.#judge(entry, nowUs, out);
    this.#again.clear();
  }

  counters(into: CounterSample[]): void {
    const labels = { table: this.#name };
    into.push({ name: "join_entries", labels, value: this.#entries.size });
    into.push({ name: "join_overflow_total", labels, value: this.#entries.evicted });
  }

  #index(entry: SeenEntry<E>, name: string): void {
    const named = this.#byName.get(name);
    if (named) named.add(entry);
    else this.#byName.set(name, new Set([entry]));
  }

  #nameChanged(name: string): void {
    for (const entry of this.#byName.get(name) ?? []) this.#again.add(entry);
  }

  #forget(entry: SeenEntry<E>): void {
    this.#waiting.delete(entry);
    this.#again.delete(entry);
    for (const name of entry.names) {
      const named = this.#byName.get(name);
      named?.delete(entry);
      if (named?.size === 0) this.#byName.delete(name);
    }
  }
}

export function podKey(pod: PodName): string {
  if (pod.pod !== "") return `${pod.namespace}/${pod.pod}`;
  return pod.podUid !== "" ? pod.podUid : pod.address;
}
