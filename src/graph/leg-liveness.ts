/**
 * Whether a pod's proxy would have logged a connection of its own: what makes a missing leg mean anything.
 * Only event times of access-log lines prove it. Proved past a time is it by an outbound line of the pod
 * itself, or, while the pod is known to live, by any line that the same pipeline delivered: lines of pods
 * on one machine come the same way. A pod that has not logged an outbound line before proves nothing with
 * a later one: its log may have been switched on in between, or tell of callers alone.
 *
 * Lines come before or after the objects that say whose they are: they are kept by address.
 */
import type { PodName, ProxyLeg } from "../model/observations.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { Identity, PodFacts } from "./contracts.ts";

/** `ended`: whether the proxy was still there is not known. */
export type Life = "live" | "silent" | "ended";

/** A proxy that is killed with its pod writes no more; its last seconds prove nothing. */
const lastBreathUs = 30 * usPerSecond;
/** How far two machines' clocks may be apart where nobody has measured it. */
const clockUs = 2 * usPerSecond;
const minutesMax = 20;
const logsMax = 40_000;
const relaysMax = 20_000;
/** So many lines show how late a pod's lines come. */
const rhythmLines = 20;
const sameDeliveryUs = usPerSecond / 2;
const delayWindowUs = 10 * usPerMinute;

interface Minute {
  firstUs: Us;
  lastUs: Us;
}

/** Outbound lines of one address, or of one pod where lines name no address. */
interface Log {
  /** By event minute: when the first and the last was written. */
  readonly minutes: Map<number, Minute>;
  firstUs: Us;
  /** The last line that told the proxy's own source port. */
  portedUs: Us;
  lines: number;
  receivedUs: Us;
  /** Smoothed pause between deliveries. */
  intervalUs: Us;
  /** The longest way here of this window and the one before. */
  delayUs: Us;
  beforeUs: Us;
  windowUs: Us;
}

export interface GraceBounds {
  readonly leastUs: Us;
  readonly mostUs: Us;
}

export class LegLiveness {
  readonly #identity: Identity;
  readonly #grace: GraceBounds;
  readonly #logs = new Map<string, Log>();
  /** The newest line of each machine's pipeline. */
  readonly #relays = new Map<string, Us>();
  /** Newest lines whose machine has not been looked up yet. */
  readonly #unplaced = new Map<string, { readonly pod: PodName; atUs: Us; giveUpUs: Us }>();
  #dropped = 0;

  constructor(identity: Identity, grace: GraceBounds) {
    this.#identity = identity;
    this.#grace = grace;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Claimed lines prove nothing. `isLearning`: the line has just come, so its delay is one. */
  note(line: ProxyLeg, nowUs: Us, isLearning: boolean): void {
    if (line.trust === "claimed") return;
    const pod = writerOf(line);
    const key = logKey(pod);
    if (key === "") return;
    const writtenUs = Math.max(line.timeUs, line.endUs);
    this.#place(key, pod, writtenUs, nowUs);
    if (line.side !== "outbound" || line.writer !== undefined) return;
    const log = this.#log(key, writtenUs);
    if (isLearning) learnRhythm(log, writtenUs, nowUs);
    log.lines++;
    log.firstUs = Math.min(log.firstUs, writtenUs);
    if (line.upstreamLocalPort > 0) log.portedUs = Math.max(log.portedUs, writtenUs);
    noteMinute(log, writtenUs);
  }

  /** Looks up whose lines have come: true when a pipeline has got further. */
  advance(nowUs: Us): boolean {
    let isFurther = false;
    for (const [key, { pod, atUs, giveUpUs }] of this.#unplaced) {
      const facts = this.#identity.podOf(pod, atUs);
      if (facts) {
        const relay = relayKey(facts);
        if (!this.#relays.has(relay) && this.#relays.size >= relaysMax) dropFirst(this.#relays);
        if ((this.#relays.get(relay) ?? 0) < atUs) {
          this.#relays.set(relay, atUs);
          isFurther = true;
        }
      }
      if (facts || giveUpUs <= nowUs) this.#unplaced.delete(key);
    }
    return isFurther;
  }

  /** Whether the pod's proxy is proved to have been alive and logging past `atUs`. */
  past(pod: PodFacts, atUs: Us): Life {
    const isEnding = pod.endUs > 0 && atUs >= pod.endUs - lastBreathUs;
    const untilUs = pod.endUs > 0 ? pod.endUs : Infinity;
    let hasBefore = false;
    let hasAfter = false;
    for (const log of this.#logsOf(pod)) {
      const isOwn = log.firstUs >= pod.fromUs - clockUs;
      if (isOwn && log.firstUs <= atUs) hasBefore = true;
      for (const { firstUs, lastUs } of log.minutes.values()) {
        if (firstUs <= atUs && firstUs >= pod.fromUs - clockUs) hasBefore = true;
        if (lastUs >= atUs && lastUs <= untilUs) hasAfter = true;
        if (firstUs >= atUs && firstUs <= untilUs) hasAfter = true;
      }
    }
    if (hasBefore && hasAfter) return "live";
    if (isEnding) return "ended";
    return hasBefore && (this.#relays.get(relayKey(pod)) ?? 0) >= atUs ? "live" : "silent";
  }

  /** Whether the pod's proxy logs at all: what it has logged of its own calls began before. */
  hasLogged(pod: PodFacts, atUs: Us): boolean {
    for (const log of this.#logsOf(pod)) {
      if (log.firstUs <= atUs && log.firstUs >= pod.fromUs - clockUs) return true;
      for (const { firstUs } of log.minutes.values()) {
        if (firstUs <= atUs && firstUs >= pod.fromUs - clockUs) return true;
      }
    }
    return false;
  }

  /** Whether the pod's lines tell the proxy's own source ports. */
  tellsPorts(pod: PodFacts): boolean {
    for (const log of this.#logsOf(pod)) if (log.portedUs > 0) return true;
    return false;
  }

  /** How long after a connection's end its leg may take to come. */
  graceUs(pod: PodFacts): Us {
    const { leastUs, mostUs } = this.#grace;
    let graceUs = 0;
    for (const log of this.#logsOf(pod)) {
      if (log.lines < rhythmLines) continue;
      const delayUs = Math.max(log.delayUs, log.beforeUs) + 5 * usPerSecond;
      graceUs = Math.max(graceUs, delayUs, 2 * log.intervalUs, leastUs);
    }
    return graceUs === 0 ? mostUs : Math.min(graceUs, mostUs);
  }

  *#logsOf(pod: PodFacts): Iterable<Log> {
    for (const ip of pod.ips) {
      const log = this.#logs.get(`${pod.cluster}|${ip}`);
      if (log) yield log;
    }
    const log = this.#logs.get(`${pod.cluster}|${pod.namespace}/${pod.name}`);
    if (log) yield log;
  }

  #log(key: string, atUs: Us): Log {
    let log = this.#logs.get(key);
    if (log) return log;
    if (this.#logs.size >= logsMax) {
      dropFirst(this.#logs);
      this.#dropped++;
    }
    log = {
      minutes: new Map(),
      firstUs: atUs,
      portedUs: 0,
      lines: 0,
      receivedUs: 0,
      intervalUs: 0,
      delayUs: 0,
      beforeUs: 0,
      windowUs: 0,
    };
    this.#logs.set(key, log);
    return log;
  }

  #place(key: string, pod: PodName, atUs: Us, nowUs: Us): void {
    const known = this.#unplaced.get(key);
    if (known) known.atUs = Math.max(known.atUs, atUs);
    else if (this.#unplaced.size < logsMax) {
      this.#unplaced.set(key, { pod, atUs, giveUpUs: nowUs + delayWindowUs });
    }
  }
}

/** The pod whose proxy wrote the line: an outbound one shows its address in the application's socket. */
function writerOf(line: ProxyLeg): PodName {
  const { pod } = line;
  const isNamed = pod.address !== "" || line.side !== "outbound" || line.writer !== undefined;
  return isNamed ? pod : { ...pod, address: line.downstreamRemoteIp };
}

function logKey(pod: PodName): string {
  if (pod.address !== "") return `${pod.cluster}|${pod.address}`;
  return pod.pod === "" ? "" : `${pod.cluster}|${pod.namespace}/${pod.pod}`;
}

function relayKey(pod: PodFacts): string {
  return `${pod.cluster}|${pod.node ?? ""}`;
}

function noteMinute(log: Log, atUs: Us): void {
  const number = Math.floor(atUs / usPerMinute);
  const minute = log.minutes.get(number);
  if (minute) {
    minute.firstUs = Math.min(minute.firstUs, atUs);
    minute.lastUs = Math.max(minute.lastUs, atUs);
    return;
  }
  log.minutes.set(number, { firstUs: atUs, lastUs: atUs });
  if (log.minutes.size <= minutesMax) return;
  let oldest = Infinity;
  for (const one of log.minutes.keys()) oldest = Math.min(oldest, one);
  log.minutes.delete(oldest);
}

function learnRhythm(log: Log, writtenUs: Us, nowUs: Us): void {
  const delayUs = Math.max(0, nowUs - writtenUs);
  if (nowUs - log.windowUs >= delayWindowUs) {
    log.beforeUs = log.delayUs;
    log.delayUs = 0;
    log.windowUs = nowUs;
  }
  log.delayUs = Math.max(log.delayUs, delayUs);
  const pauseUs = nowUs - log.receivedUs;
  if (log.receivedUs > 0 && pauseUs >= sameDeliveryUs) {
    const isFirst = log.intervalUs === 0;
    log.intervalUs = isFirst ? pauseUs : log.intervalUs + (pauseUs - log.intervalUs) / 8;
  }
  log.receivedUs = Math.max(log.receivedUs, nowUs);
}

function dropFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
