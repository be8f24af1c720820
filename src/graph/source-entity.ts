/** A source as rules, insights and the store see it. */
import type { AnyEntityChange, Evidence, Observer, Vantage } from "../model/changes.ts";
import { makeEntity, type Entity, type NodeEntity } from "../model/entities.ts";
import type { Capability, SourceKind } from "../model/observations.ts";
import type { SourceRow } from "../model/rows.ts";
import { usPerSecond, usToRfc3339, type Us } from "../model/time.ts";
import { makeClockOffset, offsetOf, worstOffset } from "./clock-offset.ts";
import { contradictionEvidence, type Contradiction } from "./contradictions.ts";
import { contentHash } from "./content-hash.ts";
import type { StoredWay } from "./scrape-stands.ts";
import { isRegular, makeSource, type Heard, type Source } from "./source-liveness.ts";

const vantages: Readonly<Record<SourceKind, Vantage>> = {
  proxy: "proxy",
  node_agent: "node",
  objects: "object",
  collector: "object",
};

export function sourceId({ kind, key }: Observer): string {
  return `${kind}|${key}`;
}

/** The entity's change; whether a silent proxy's pod still runs, or talks, decides whether anybody can tell. */
export function sourceChange(source: Source, workload: NodeEntity): AnyEntityChange {
  const { ref, state, runs, withinUs, flowsWithoutLegs } = source;
  const isSilent = state === "silent";
  const isLeft = isSilent && ref.kind === "proxy" && withinUs === 0 && flowsWithoutLegs === 0;
  return {
    kind: "entity",
    type: "source",
    id: sourceId(ref),
    entity: entityOf(source, workload),
    judged: !isLeft || runs === "yes",
    atUs: source.lastReceivedUs > 0 ? source.lastReceivedUs : source.lastEventUs,
    evidence: isSilent
      ? [leglessEvidence(source) ?? evidenceOf(source)]
      : [...skewEvidence(source), ...contradictionsOf(source)],
    observers: [],
  };
}

function entityOf(source: Source, workload: NodeEntity): Entity<"source"> {
  const { kind, key, cluster, namespace } = source.ref;
  const self = makeEntity("node");
  self.cluster = cluster;
  self.namespace = namespace;
  self.resolved = "inferred";
  const isExpected = source.withinUs > 0;
  return {
    ...makeEntity("source"),
    kind,
    key,
    namespace,
    self,
    workload,
    flows_without_legs: source.flowsWithoutLegs,
    state: source.state,
    last_seen_age: source.lastReceivedUs,
    last_seen: secondsText(source.lastReceivedUs),
    interval: intervalOf(source),
    lateness: Math.round(source.latenessUs),
    skew: source.skewUs,
    conflicts: source.contradictions.length,
    expected: isExpected,
    regular: isRegular(source),
    runs: source.runs,
    told: toldBy(source),
    group: kind === "proxy" && !isExpected ? `${cluster}/${namespace}` : key,
  };
}

function intervalOf(source: Source): Us {
  let longestUs = 0;
  for (const { intervalUs } of source.heard.values()) longestUs = Math.max(longestUs, intervalUs);
  return longestUs;
}

const toldBy = (source: Source): string => [...source.heard.keys()].sort().join(", ");

/** "" = never. */
function secondsText(us: Us): string {
  return us === 0 ? "" : `${usToRfc3339(us).slice(0, 19)}Z`;
}

function evidenceOf(source: Source): Evidence {
  const { ref, lastReceivedUs, lastEventUs } = source;
  const told = toldBy(source);
  const interval = intervalOf(source) / usPerSecond;
  const text =
    lastReceivedUs === 0
      ? `${ref.kind} ${ref.key} is expected and was never heard`
      : `${ref.kind} ${ref.key} was last heard at ${secondsText(lastReceivedUs)}`;
  return {
    atUs: lastReceivedUs > 0 ? lastReceivedUs : lastEventUs,
    nanos: 0,
    vantage: vantages[ref.kind],
    source: ref.key,
    text,
    fields: { kind: ref.kind, key: ref.key, told, interval_seconds: interval },
    hash: contentHash(["source_silent", ref.kind, ref.key, lastReceivedUs]),
  };
}

/** By event times alone: an accusation rests on it, which must be the same whatever came first. */
function leglessEvidence({ ref, heard, flowsWithoutLegs }: Source): Evidence | null {
  const atUs = heard.get("proxy_logs")?.eventUs ?? 0;
  if (flowsWithoutLegs === 0 || atUs === 0) return null;
  return {
    atUs,
    nanos: 0,
    vantage: "proxy",
    source: ref.key,
    text: `proxy ${ref.key} logged nothing after ${secondsText(atUs)}, while connections of its pod went on`,
    fields: { kind: ref.kind, key: ref.key },
    hash: contentHash(["silent_proxy", ref.key, atUs]),
  };
}

/** One per source, whatever its clock says next. */
function skewEvidence({ ref, skewUs, lastReceivedUs }: Source): Evidence[] {
  if (skewUs === 0) return [];
  const seconds = skewUs / usPerSecond;
  return [
    {
      atUs: lastReceivedUs,
      nanos: 0,
      vantage: vantages[ref.kind],
      source: ref.key,
      text: `${ref.kind} ${ref.key} tells of what happens ${seconds} s from now`,
      fields: { kind: ref.kind, key: ref.key, ahead_seconds: seconds },
      hash: contentHash(["clock_skew", ref.kind, ref.key]),
    },
  ];
}

const contradictionsOf = ({ ref, contradictions }: Source): Evidence[] =>
  contradictions.map((one) => contradictionEvidence(ref, one));

/** Rows of an earlier version lack what is optional. */
type StoredHeard = Omit<Heard, "deliveries" | "offset"> &
  Partial<Pick<Heard, "deliveries" | "offset">> & { readonly offsetUs?: Us | null };

/** What a row's `detail` holds. */
interface Detail {
  readonly heard: Readonly<Record<string, StoredHeard>>;
  readonly lastEventUs: Us;
  readonly latenessUs: Us;
  readonly offsetUs: Us | null;
  readonly expected: boolean;
  readonly flowsWithoutLegs?: number;
  readonly contradictions?: readonly Contradiction[];
  readonly scrapes?: readonly StoredWay[];
}

/** `scrapes`: of a proxy, how its counters stood (`ProxyScrapes.stored`). */
export function sourceToRow(source: Source, scrapes: readonly StoredWay[]): SourceRow {
  const { kind, key, cluster, namespace } = source.ref;
  const heard = [...source.heard].map(([name, one]): [string, StoredHeard] => [
    name,
    { ...one, offsetUs: offsetOf(one.offset) },
  ]);
  const detail: Detail = {
    heard: Object.fromEntries(heard),
    lastEventUs: source.lastEventUs,
    latenessUs: source.latenessUs,
    offsetUs: worstOffset(heard.map(([, { offsetUs }]) => offsetUs ?? null)),
    expected: source.withinUs > 0,
    ...(source.flowsWithoutLegs > 0 ? { flowsWithoutLegs: source.flowsWithoutLegs } : {}),
    ...(source.contradictions.length > 0 ? { contradictions: source.contradictions } : {}),
    ...(scrapes.length > 0 ? { scrapes } : {}),
  };
  return {
    kind,
    key,
    cluster,
    namespace,
    state: source.state,
    firstSeenUs: source.firstUs,
    lastSeenUs: source.lastReceivedUs,
    detail: JSON.stringify(detail),
  };
}

export interface RestoredSource {
  readonly source: Source;
  readonly scrapes: readonly StoredWay[];
}

export function rowToSource(row: SourceRow): RestoredSource {
  // All casts: the row was written by `sourceToRow`.
  const detail = JSON.parse(row.detail) as Detail;
  const kind = row.kind as SourceKind;
  const ref = { kind, key: row.key, cluster: row.cluster, namespace: row.namespace };
  const source = makeSource(ref, row.firstSeenUs);
  for (const [name, heard] of Object.entries(detail.heard)) {
    const { eventUs, receivedUs, intervalUs, isSilent } = heard;
    const { deliveries = 0, offset = makeClockOffset() } = heard;
    const one = { eventUs, receivedUs, intervalUs, deliveries, isSilent, offset };
    source.heard.set(name as Capability, one);
  }
  source.state = row.state as Source["state"];
  source.lastReceivedUs = row.lastSeenUs;
  source.lastEventUs = detail.lastEventUs;
  source.latenessUs = detail.latenessUs;
  source.flowsWithoutLegs = detail.flowsWithoutLegs ?? 0;
  source.contradictions = detail.contradictions ?? [];
  return { source, scrapes: detail.scrapes ?? [] };
}
