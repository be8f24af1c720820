/**
 * What is seen of a workload, as bits, and what a rule can make of it. A capability is `live` while a
 * source that tells of the workload tells of it, `silent` when one has and none does, else `never`.
 * Masks are stored: a capability keeps its bit for ever.
 */
import type { EntityType } from "./entities.ts";
import type { Capability } from "./observations.ts";

/** In the order of their bits. */
export const coverageCapabilities = [
  "proxy_metrics",
  "proxy_logs",
  "spans",
  "flows",
  "sockets",
  "processes",
  "objects",
  "attributed_flows",
  "inventory",
  "file_accesses",
] as const satisfies readonly Capability[];
export type CoverageCapability = (typeof coverageCapabilities)[number];
export type CoverageState = "live" | "silent" | "never";

/**
 * Whether a workload is in the mesh: a proxy is declared or has shown itself (`yes`), an object declares
 * none (`no`), or nobody says. Stored by their place.
 */
export const memberships = ["no", "yes", "unknown"] as const;
export type Membership = (typeof memberships)[number];

/** What only node agents tell of. */
export const agentMask = maskOf([
  "flows",
  "sockets",
  "processes",
  "attributed_flows",
  "file_accesses",
]);
/** What only proxies tell of. */
export const proxyMask = maskOf(["proxy_metrics", "proxy_logs", "spans"]);
const objectsMask = maskOf(["objects"]);
const inventoryMask = maskOf(["inventory"]);

/** Capabilities that have no bit (what collectors relay) are left out. */
export function maskOf(capabilities: Iterable<string>): number {
  let mask = 0;
  for (const capability of capabilities) {
    const bit = coverageCapabilities.findIndex((one) => one === capability);
    if (bit >= 0) mask |= 1 << bit;
  }
  return mask;
}

export function capabilitiesOf(mask: number): CoverageCapability[] {
  return coverageCapabilities.filter((_, bit) => (mask & (1 << bit)) !== 0);
}

/** Every capability with its state. `heard`: ever told of, now or before. */
export function coverageStates(live: number, heard: number): Record<string, CoverageState> {
  return Object.fromEntries(
    coverageCapabilities.map((capability, bit) => [
      capability,
      (live & (1 << bit)) !== 0 ? "live" : (heard & (1 << bit)) !== 0 ? "silent" : "never",
    ]),
  );
}

/** Workloads of one namespace that are seen by the same. */
export interface CoverageGroup {
  readonly cluster: string;
  readonly namespace: string;
  readonly mesh: Membership;
  readonly live: number;
  readonly heard: number;
  readonly workloads: number;
}

/** Whether it is in the mesh, or perhaps: what only a claimed sender has told of is no workload to judge. */
export function mayBeMeshed({ mesh, heard }: Pick<CoverageGroup, "mesh" | "heard">): boolean {
  return mesh === "yes" || (mesh === "unknown" && heard !== 0);
}

export interface RuleNeeds {
  readonly id: string;
  readonly on: EntityType;
  /** Any of these complete sets lets the rule judge a workload. */
  readonly needs: readonly (readonly string[])[];
  /** Any of these lets it judge a part. */
  readonly partly: readonly (readonly string[])[];
}

export type Judgement = "judged" | "partly" | "blind";
export interface Judged {
  readonly judgement: Judgement;
  /**
   * What would have to be live as well: of the set of `needs` that lacks least and, of what is judged partly,
   * for its other parts; 0 when judged.
   */
  readonly missing: number;
}

const judged: Judged = { judgement: "judged", missing: 0 };
/** Rules on these are about what workloads of the mesh do or are. */
const ofWorkloads: ReadonlySet<EntityType> = new Set([
  "edge",
  "flow",
  "process",
  "access",
  "workload",
  "component",
]);

/** Components are sidecars too; an inventory alone tells of the mesh's own programs, whose place is known. */
function isOfWorkloads({ on, needs }: RuleNeeds): boolean {
  const isOfPrograms = on === "component" && needs.every((set) => maskOf(set) === inventoryMask);
  return ofWorkloads.has(on) && !isOfPrograms;
}

/**
 * What the rule can make of a workload of which this is live. A rule without needs judges always. Where
 * nobody says whether the workload is in the mesh, no rule on workloads can tell right from wrong: its
 * objects would have to be told first.
 */
export function judge(rule: RuleNeeds, live: number, mesh: Membership = "yes"): Judged {
  const known = judgeMember(rule, live);
  if (mesh !== "unknown" || rule.needs.length === 0 || !isOfWorkloads(rule)) return known;
  return { judgement: "blind", missing: known.missing | objectsMask };
}

/**
 * What the rule can make of a cluster of whose objects `feeds` (bits) tell, if all else were told: for what
 * is of no workload (the mesh's configuration, policies, addresses that nobody explains). Without objects
 * a rule on workloads sees those alone that telemetry calls by their names.
 */
export function judgeFeed(rule: RuleNeeds, feeds: number): Judged {
  if (rule.needs.length === 0) return judged;
  const known = judgeMember(rule, ~(objectsMask | inventoryMask) | feeds);
  const isTold = (feeds & objectsMask) !== 0;
  if (known.judgement !== "judged" || isTold || !isOfWorkloads(rule)) return known;
  return { judgement: "partly", missing: objectsMask };
}

function judgeMember(rule: RuleNeeds, told: number): Judged {
  // Objects tell all that an inventory does, but for how many pods of the mesh's own programs there are.
  const isLess = (told & objectsMask) === 0 || rule.on === "component";
  const live = isLess ? told : told | inventoryMask;
  let missing = -1;
  for (const set of rule.needs) {
    const lacks = maskOf(set) & ~live;
    if (lacks === 0) return judged;
    if (missing < 0 || bitCount(lacks) < bitCount(missing)) missing = lacks;
  }
  if (missing < 0) return judged;
  const parts = rule.partly.map((set) => maskOf(set) & ~live);
  if (!parts.includes(0)) return { judgement: "blind", missing };
  // What shows another part is missing as well, unless the rest of it would be judged whole.
  const others = parts.filter((lacks) => (lacks & missing) !== missing);
  return { judgement: "partly", missing: others.reduce((all, lacks) => all | lacks, missing) };
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
