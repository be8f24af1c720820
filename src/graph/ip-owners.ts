/**
 * Who held an address when. Every source's word about (address, pod) is kept as one claim; the owner at
 * a time is computed from the claims on lookup, so the order in which they came does not matter. It
 * knows nothing of pods beyond their keys and never guesses inside a border: that is `ambiguous`.
 */
import type { Trust } from "../model/observations.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";

/** Owner sources, strongest first (detection.md 2). The numbers are stored. */
export const OwnerStrength = {
  object: 0,
  inventory: 1,
  proxy: 2,
  self: 3,
  attributes: 4,
} as const;
export type OwnerStrength = (typeof OwnerStrength)[keyof typeof OwnerStrength];

export interface Claim {
  readonly id: number;
  readonly cluster: string;
  readonly ip: string;
  readonly namespace: string;
  pod: string;
  readonly strength: OwnerStrength;
  /** Declared start of the pod, 0 = only sightings tell. */
  startUs: Us;
  /** First and last time at which this was said to hold. */
  firstUs: Us;
  lastUs: Us;
  /** Last polled list that had the pod, 0 = not polled. */
  listedUs: Us;
  /** The border in which it ended, 0 = not known to have ended. */
  endLoUs: Us;
  endHiUs: Us;
  /** `lastUs` as it is stored. */
  savedUs: Us;
}

/** What one piece of telemetry says of an address. */
export interface Sighting {
  readonly atUs: Us;
  readonly startUs: Us;
  readonly endLoUs: Us;
  readonly endHiUs: Us;
  readonly isListed: boolean;
  /** It is said to hold the address then, whatever was said of its end before. */
  readonly lives?: boolean;
}

export type Holder =
  | { readonly kind: "pod"; readonly pod: string }
  | { readonly kind: "ambiguous"; readonly pods: readonly string[] }
  | { readonly kind: "none" };

export interface IpOwnerOptions {
  readonly addressesMax: number;
  readonly latenessUs: Us;
  readonly ttlUs: Us;
  /** How far before its first sighting an owner known from sightings alone is assumed. */
  readonly reachUs: Us;
}

/** Owners that one address may have had within the retention; a busy /24 reuses one about this often. */
const claimsPerAddressMax = 32;
const listRoundsMax = 64;
/** A living claim's last sighting is stored at most this often. */
const saveEveryUs = 30 * usPerSecond;
/** Owners past the retention are looked for this often. */
const sweepUs = 10 * usPerMinute;
const none: Holder = { kind: "none" };

export function strengthOf(trust: Trust, strength: OwnerStrength): OwnerStrength {
  return trust === "claimed" ? OwnerStrength.attributes : strength;
}

export class IpOwners {
  readonly #options: IpOwnerOptions;
  readonly #byAddress = new Map<string, Claim[]>();
  /** Polled pods by `cluster/namespace`, and the lists of that namespace that are not yet complete. */
  readonly #polled = new Map<string, { claims: Set<Claim>; rounds: Us[] }>();
  /** By address: up to when owners were left out for want of room; at most one for each address. */
  readonly #forgottenUntil = new Map<string, Us>();
  readonly #dirty = new Set<Claim>();
  readonly #changed = new Set<string>();
  #nextId = 1;
  #sweptUs: Us = 0;
  #dropped = 0;

  constructor(options: IpOwnerOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Records what a source says; true when that may change an answer of `holderAt`. */
  claim(
    cluster: string,
    ip: string,
    namespace: string,
    pod: string,
    strength: OwnerStrength,
    sighting: Sighting,
  ): void {
    const key = addressKey(cluster, ip);
    let claims = this.#byAddress.get(key);
    if (!claims) {
      if (this.#byAddress.size >= this.#options.addressesMax) {
        this.#dropped++;
        return;
      }
      this.#byAddress.set(key, (claims = []));
    }
    let claim = claims.find((one) => one.pod === pod && one.strength === strength);
    if (!claim) {
      const isFull = claims.length >= claimsPerAddressMax;
      // Nobody would ask it, and it would be said again at every sighting.
      if (isFull && isOutspoken({ pod, strength }, claims)) return;
      if (isFull) this.#makeRoom(key, claims);
      claim = newClaim(this.#nextId++, cluster, ip, namespace, pod, strength, sighting);
      claims.push(claim);
      claims.sort(compareClaims);
      this.#changed.add(key);
      this.#dirty.add(claim);
    }
    if (sighting.isListed) this.#list(claim, sighting.atUs);
    if (mergeSighting(claim, sighting)) {
      claims.sort(compareClaims);
      this.#changed.add(key);
      this.#dirty.add(claim);
    } else if (claim.lastUs - claim.savedUs >= saveEveryUs) this.#dirty.add(claim);
  }

  /** The pod's record is now known by another key (its UID). */
  renamePod(cluster: string, ips: Iterable<string>, from: string, to: string): void {
    for (const ip of ips) {
      for (const claim of this.#byAddress.get(addressKey(cluster, ip)) ?? []) {
        if (claim.pod !== from) continue;
        claim.pod = to;
        this.#dirty.add(claim);
      }
    }
  }

  /**
   * The holder by the strongest source that has an opinion about that time. A weaker claim of a pod
   * that a stronger source describes is not asked: that source also knows when the pod ended.
   */
  holderAt(cluster: string, ip: string, atUs: Us, skewUs: Us): Holder {
    const claims = this.#byAddress.get(addressKey(cluster, ip));
    if (!claims) return none;
    const forgottenUs = this.#forgottenUntil.get(addressKey(cluster, ip)) ?? 0;
    if (atUs - skewUs <= forgottenUs) return { kind: "ambiguous", pods: [] };
    for (let strength = 0; strength <= OwnerStrength.attributes; strength++) {
      const ofStrength = claims.filter(
        (claim) => claim.strength === strength && !isOutspoken(claim, claims),
      );
      const holder = ofStrength.length > 0 ? this.#holderAmong(ofStrength, atUs, skewUs) : none;
      if (holder.kind !== "none") return holder;
    }
    return none;
  }

  /** Completes polled lists that are `lateness` old, and forgets owners past the retention. */
  advance(nowUs: Us): void {
    for (const { claims, rounds } of this.#polled.values()) {
      while (rounds.length > 0 && (rounds[0] ?? 0) + this.#options.latenessUs <= nowUs) {
        this.#complete(claims, rounds.shift() ?? 0);
      }
    }
    if (nowUs - this.#sweptUs >= sweepUs) this.#sweep(nowUs);
  }

  /** Addresses (`cluster|ip`) whose owner may have changed since the last call. */
  takeChanged(): string[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  podsAt(address: string): string[] {
    return [...new Set(this.#byAddress.get(address)?.map((claim) => claim.pod))];
  }

  takeDirty(): Claim[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const claim of dirty) claim.savedUs = claim.lastUs;
    return dirty;
  }

  restore(claim: Claim): void {
    const key = addressKey(claim.cluster, claim.ip);
    const claims = this.#byAddress.get(key) ?? [];
    claims.push(claim);
    claims.sort(compareClaims);
    this.#byAddress.set(key, claims);
    this.#nextId = Math.max(this.#nextId, claim.id + 1);
    if (claim.listedUs > 0) this.#polledOf(claim).claims.add(claim);
  }

  #holderAmong(claims: readonly Claim[], atUs: Us, skewUs: Us): Holder {
    const possible: string[] = [];
    let isCertain = true;
    for (const [index, claim] of claims.entries()) {
      const next = claims[index + 1];
      const { beginUs, loUs, hiUs } = this.#range(claim, claims[index - 1], next);
      if (atUs < beginUs - skewUs || atUs > hiUs + skewUs) continue;
      if (!possible.includes(claim.pod)) possible.push(claim.pod);
      if (atUs < beginUs + skewUs || atUs >= loUs - skewUs) isCertain = false;
    }
    const [only] = possible;
    if (only === undefined) return none;
    if (possible.length === 1 && isCertain) return { kind: "pod", pod: only };
    return { kind: "ambiguous", pods: possible };
  }

  /** Holds for sure in [begin, lo), perhaps in [lo, hi]. Claims are in order of their start. */
  #range(claim: Claim, previous: Claim | undefined, next: Claim | undefined) {
    const reachUs = previous ? 0 : this.#options.reachUs;
    const beginUs = claim.startUs > 0 ? claim.startUs : claim.firstUs - reachUs;
    if (claim.endHiUs > 0) return { beginUs, loUs: claim.endLoUs, hiUs: claim.endHiUs };
    if (next) {
      const nextUs = startOf(next);
      return {
        beginUs,
        loUs: Math.min(claim.lastUs, nextUs),
        hiUs: Math.max(claim.lastUs, nextUs),
      };
    }
    const endUs =
      claim.strength === OwnerStrength.object ? Infinity : claim.lastUs + this.#options.ttlUs;
    return { beginUs, loUs: endUs, hiUs: endUs };
  }

  /** What nobody asks goes first; before the end of an owner that had to go, nobody is known for sure. */
  #makeRoom(key: string, claims: Claim[]): void {
    const unasked = claims.findIndex((claim) => isOutspoken(claim, claims));
    const [gone] = claims.splice(Math.max(unasked, 0), 1);
    if (unasked >= 0 || !gone) return;
    const next = claims[0];
    const endUs = Math.max(gone.endHiUs, gone.lastUs, next ? startOf(next) : 0);
    this.#forgottenUntil.set(key, Math.max(this.#forgottenUntil.get(key) ?? 0, endUs));
    this.#dropped++;
  }

  #sweep(nowUs: Us): void {
    this.#sweptUs = nowUs;
    const boundUs = nowUs - this.#options.ttlUs;
    for (const [key, untilUs] of this.#forgottenUntil) {
      if (untilUs < boundUs) this.#forgottenUntil.delete(key);
    }
    for (const [key, claims] of this.#byAddress) {
      const kept = claims.filter((claim) => endOf(claim) >= boundUs);
      if (kept.length === claims.length) continue;
      if (kept.length > 0) this.#byAddress.set(key, kept);
      else this.#byAddress.delete(key);
    }
  }

  #list(claim: Claim, atUs: Us): void {
    const polled = this.#polledOf(claim);
    polled.claims.add(claim);
    if (polled.rounds.includes(atUs)) return;
    polled.rounds.push(atUs);
    polled.rounds.sort((a, b) => a - b);
    if (polled.rounds.length > listRoundsMax) polled.rounds.shift();
  }

  #complete(claims: Set<Claim>, roundUs: Us): void {
    for (const claim of claims) {
      if (claim.listedUs >= roundUs) continue;
      claims.delete(claim);
      if (claim.endHiUs > 0) continue;
      claim.endLoUs = claim.listedUs;
      claim.endHiUs = roundUs;
      this.#changed.add(addressKey(claim.cluster, claim.ip));
      this.#dirty.add(claim);
    }
  }

  #polledOf(claim: Claim) {
    const key = `${claim.cluster}/${claim.namespace}`;
    let polled = this.#polled.get(key);
    if (!polled) this.#polled.set(key, (polled = { claims: new Set(), rounds: [] }));
    return polled;
  }
}

/** A stronger source describes the same pod. */
function isOutspoken(
  { pod, strength }: Pick<Claim, "pod" | "strength">,
  claims: readonly Claim[],
): boolean {
  return claims.some((other) => other.pod === pod && other.strength < strength);
}

export function addressKey(cluster: string, ip: string): string {
  return `${cluster}|${ip}`;
}

function startOf(claim: Claim): Us {
  return claim.startUs > 0 ? claim.startUs : claim.firstUs;
}

/** When it can last have mattered; an object's pod lives until it is said to have ended. */
function endOf(claim: Claim): Us {
  if (claim.endHiUs > 0) return claim.endHiUs;
  return claim.strength === OwnerStrength.object ? Infinity : claim.lastUs;
}

function compareClaims(a: Claim, b: Claim): number {
  return startOf(a) - startOf(b) || (a.pod < b.pod ? -1 : a.pod > b.pod ? 1 : 0);
}

function newClaim(
  id: number,
  cluster: string,
  ip: string,
  namespace: string,
  pod: string,
  strength: OwnerStrength,
  sighting: Sighting,
): Claim {
  return {
    id,
    cluster,
    ip,
    namespace,
    pod,
    strength,
    startUs: sighting.startUs,
    firstUs: sighting.atUs,
    lastUs: sighting.atUs,
    listedUs: sighting.isListed ? sighting.atUs : 0,
    endLoUs: sighting.endLoUs,
    endHiUs: sighting.endHiUs,
    savedUs: sighting.atUs,
  };
}

/** Widens a claim; true when a border moved. `lastUs` alone moves no border of the newest owner. */
function mergeSighting(claim: Claim, sighting: Sighting): boolean {
  let hasMoved = false;
  if (sighting.atUs > claim.lastUs) claim.lastUs = sighting.atUs;
  if (sighting.isListed && sighting.atUs > claim.listedUs) {
    claim.listedUs = sighting.atUs;
    if (claim.endHiUs > 0 && sighting.atUs >= claim.endHiUs) {
      claim.endLoUs = 0; // the list that lacked the pod was not complete after all
      claim.endHiUs = 0;
      hasMoved = true;
    }
  }
  if (sighting.lives === true && claim.endHiUs > 0 && sighting.atUs >= claim.endHiUs) {
    claim.endLoUs = 0;
    claim.endHiUs = 0;
    hasMoved = true;
  }
  if (sighting.atUs < claim.firstUs) {
    claim.firstUs = sighting.atUs;
    hasMoved = true;
  }
  if (sighting.startUs > 0 && (claim.startUs === 0 || sighting.startUs < claim.startUs)) {
    claim.startUs = sighting.startUs;
    hasMoved = true;
  }
  if (sighting.endHiUs > 0 && (claim.endHiUs === 0 || sighting.endHiUs < claim.endHiUs)) {
    claim.endHiUs = sighting.endHiUs;
    hasMoved = true;
  }
  if (sighting.endLoUs > 0 && (claim.endLoUs === 0 || sighting.endLoUs < claim.endLoUs)) {
    claim.endLoUs = sighting.endLoUs;
    hasMoved = true;
  }
  return hasMoved;
}
