/**
 * When a source counts as silent: pure functions over what was heard of it. Liveness goes by receive
 * time, since a source with a wrong clock is alive.
 */
import type { Entity } from "../model/entities.ts";
import type { Capability, SourceRef } from "../model/observations.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { Contradiction } from "./contradictions.ts";
import { makeClockOffset, noteOffset, offsetOf, type ClockOffset } from "./clock-offset.ts";

/** What one capability of a source showed of its rhythm. */
export interface Heard {
  eventUs: Us;
  receivedUs: Us;
  /** Smoothed pause between deliveries, 0 = heard once. */
  intervalUs: Us;
  deliveries: number;
  /** As `coverageOf` last told it. */
  isSilent: boolean;
  offset: ClockOffset;
}

export type SourceState = Entity<"source">["state"];
export type Runs = Entity<"source">["runs"];

export interface Source {
  readonly ref: SourceRef;
  readonly heard: Map<Capability, Heard>;
  state: SourceState;
  /** As the rules were last told it; `unknown` = nothing told. */
  toldState: SourceState;
  /** What pod objects say of its pod or machine, looked up while it is silent. */
  runs: Runs;
  /** 0 = never heard: configuration alone knows it. */
  firstUs: Us;
  lastReceivedUs: Us;
  lastEventUs: Us;
  latenessUs: Us;
  /** Connections that a silent proxy ought to have logged since its last line; 0 while it is heard. */
  flowsWithoutLegs: number;
  /** How far its clock is ahead at least, as the rules were last told. */
  skewUs: Us;
  /** What was told in its name that cannot all be so. */
  contradictions: readonly Contradiction[];
  /** The silence that configuration allows it, 0 = what it has taught us. */
  withinUs: Us;
}

/** Deliveries closer than this are parts of one. */
const sameDeliveryUs = usPerSecond / 2;
const lateAfterUs = 10 * usPerSecond;
const silentAfterUs = 2 * usPerMinute;
/**
 * Objects are told when something changes, and all of them with a list that the shipped collector asks
 * for every 15 minutes; a collector hands logs and spans on when there are any.
 */
const seldomSilentAfterUs = 35 * usPerMinute;
const seldom: ReadonlySet<Capability> = new Set(["objects", "relayed_logs", "relayed_traces"]);
/** Told in a rhythm, whether or not there is traffic: scrapes. */
const rhythmic: ReadonlySet<Capability> = new Set(["proxy_metrics", "relayed_metrics"]);
/** So many deliveries show a rhythm. */
const rhythmDeliveries = 5;

export function makeSource(ref: SourceRef, firstUs: Us): Source {
  return {
    ref,
    heard: new Map(),
    state: "unknown",
    toldState: "unknown",
    runs: "unknown",
    firstUs,
    lastReceivedUs: firstUs,
    lastEventUs: 0,
    flowsWithoutLegs: 0,
    latenessUs: 0,
    skewUs: 0,
    contradictions: [],
    withinUs: 0,
  };
}

/** An offset's windows cover so much. */
const offsetKnownUs = 10 * usPerMinute;
/** Differences below this are the network's, or a second's rounding. */
const skewStepUs = 5 * usPerSecond;

/**
 * How far a source's clock is ahead at least: what arrives before it has happened has no other
 * explanation, while what is old when it arrives may be late as well. True when it is another one now.
 */
export function refreshSkew(source: Source, nowUs: Us): boolean {
  let leastUs = 0;
  for (const { offset } of source.heard.values()) {
    // What was told of once says nothing about the clock of today.
    if (nowUs - offset.fromUs > offsetKnownUs) continue;
    leastUs = Math.min(leastUs, offsetOf(offset) ?? 0);
  }
  const skewUs = Math.round(-leastUs / skewStepUs) * skewStepUs;
  if (skewUs === source.skewUs) return false;
  source.skewUs = skewUs;
  return true;
}

/**
 * Notes a delivery; true when the coverage by this capability is another one now. `eventUs` is the
 * receive time itself where the sender gave none, which says nothing about its clock.
 */
export function noteHeard(
  source: Source,
  capability: Capability,
  eventUs: Us,
  receivedUs: Us,
): boolean {
  let heard = source.heard.get(capability);
  const isNew = heard?.isSilent ?? true;
  if (heard) {
    learnInterval(heard, receivedUs);
    heard.eventUs = Math.max(heard.eventUs, eventUs);
    heard.receivedUs = Math.max(heard.receivedUs, receivedUs);
    heard.isSilent = false;
  } else {
    const offset = makeClockOffset();
    heard = { eventUs, receivedUs, intervalUs: 0, deliveries: 1, isSilent: false, offset };
    source.heard.set(capability, heard);
  }
  if (eventUs !== receivedUs) noteOffset(heard.offset, receivedUs - eventUs, receivedUs);
  if (source.firstUs === 0) source.firstUs = receivedUs;
  source.lastReceivedUs = Math.max(source.lastReceivedUs, receivedUs);
  source.lastEventUs = Math.max(source.lastEventUs, eventUs);
  source.latenessUs += (Math.max(0, receivedUs - eventUs) - source.latenessUs) / 8;
  return isNew;
}

/** Follows longer pauses quickly and shorter ones slowly, so that an outlier does not raise alarms. */
function learnInterval(heard: Heard, receivedUs: Us): void {
  const pauseUs = receivedUs - heard.receivedUs;
  if (pauseUs < sameDeliveryUs) return;
  heard.deliveries++;
  if (heard.intervalUs === 0) heard.intervalUs = pauseUs;
  else {
    const weight = pauseUs > heard.intervalUs ? 2 : 8;
    heard.intervalUs = Math.round(heard.intervalUs + (pauseUs - heard.intervalUs) / weight);
  }
}

/** Reports whether or not there is traffic, so that its silence means something. */
export function isRegular(source: Source): boolean {
  for (const [capability, heard] of source.heard) if (isRhythmic(capability, heard)) return true;
  return false;
}

function isRhythmic(capability: Capability, heard: Heard): boolean {
  return rhythmic.has(capability) && heard.deliveries >= rhythmDeliveries;
}

function silenceOf(capability: Capability, heard: Heard): Us {
  if (seldom.has(capability)) return Math.max(seldomSilentAfterUs, 2 * heard.intervalUs);
  return Math.max(silentAfterUs, 4 * heard.intervalUs);
}

/** Capabilities that have fallen silent or spoken again since the last look; true = any has. */
export function refreshCoverage(source: Source, nowUs: Us, listeningFromUs: Us): boolean {
  let hasChanged = false;
  for (const [capability, heard] of source.heard) {
    const isSilent =
      (heard.isSilent && heard.receivedUs < listeningFromUs) ||
      pauseOf(heard.receivedUs, nowUs, listeningFromUs) > silenceOf(capability, heard);
    hasChanged ||= isSilent !== heard.isSilent;
    heard.isSilent = isSilent;
  }
  return hasChanged;
}

/**
 * By the capability that is heard best, since one signal alone may be switched off; where one has a
 * rhythm, its silence counts, and what only comes with traffic is no reason to go on waiting. Who was
 * silent when we stopped is silent until it speaks: a restart of ours heals nobody.
 */
export function stateOf(source: Source, nowUs: Us, listeningFromUs: Us): SourceState {
  if (source.state === "silent" && source.lastReceivedUs < listeningFromUs) return "silent";
  const shortestUs = pauseOf(source.lastReceivedUs, nowUs, listeningFromUs);
  let best: SourceState = "silent";
  let rhythmUs = Infinity;
  for (const [capability, heard] of source.heard) {
    const pauseUs = pauseOf(heard.receivedUs, nowUs, listeningFromUs);
    const silenceUs = silenceOf(capability, heard);
    if (isRhythmic(capability, heard)) rhythmUs = Math.min(rhythmUs, silenceUs);
    if (pauseUs <= 2 * heard.intervalUs + lateAfterUs) best = "live";
    else if (pauseUs <= silenceUs && best === "silent") best = "late";
  }
  if (source.withinUs > 0) return withinState(best, shortestUs, source.withinUs);
  return shortestUs > rhythmUs ? "silent" : best;
}

/** Where configuration says what silence is, it is that and nothing else. */
function withinState(learned: SourceState, pauseUs: Us, withinUs: Us): SourceState {
  if (pauseUs > withinUs) return "silent";
  return learned === "silent" ? "late" : learned;
}

function pauseOf(receivedUs: Us, nowUs: Us, listeningFromUs: Us): Us {
  return nowUs - Math.max(receivedUs, listeningFromUs);
}
