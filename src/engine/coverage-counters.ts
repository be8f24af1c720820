/** How much of each namespace is seen, for `/metrics`. */
import {
  coverageCapabilities,
  judge,
  mayBeMeshed,
  type CoverageGroup,
  type Membership,
  type RuleNeeds,
} from "../model/coverage.ts";
import type { CounterSample } from "../model/stages.ts";

interface Seen {
  workloads: number;
  unknown: number;
  readonly live: number[];
  /** The rules that are blind for any of its workloads. */
  readonly blind: Set<RuleNeeds>;
}

/**
 * Shares are those of meshed workloads: nobody expects a proxy's telemetry of the others. Rules are blind
 * also for those that may be in the mesh.
 */
export function coverageCounters(
  into: CounterSample[],
  groups: readonly CoverageGroup[],
  rules: readonly RuleNeeds[],
): void {
  const namespaces = new Map<string, Seen>();
  const blindFor = makeBlindFor(rules);
  for (const group of groups) {
    if (!mayBeMeshed(group)) continue;
    const { namespace, mesh, live, workloads } = group;
    const seen = seenIn(namespaces, namespace);
    for (const rule of blindFor(live, mesh)) seen.blind.add(rule);
    if (mesh === "unknown") {
      seen.unknown += workloads;
      continue;
    }
    seen.workloads += workloads;
    for (const bit of coverageCapabilities.keys()) {
      if ((live >> bit) & 1) seen.live[bit] = (seen.live[bit] ?? 0) + workloads;
    }
  }
  for (const [namespace, { workloads, unknown, live, blind }] of namespaces) {
    for (const [bit, capability] of coverageCapabilities.entries()) {
      if (workloads === 0) break;
      const value = (live[bit] ?? 0) / workloads;
      into.push({ name: "coverage_ratio", labels: { namespace, capability }, value });
    }
    into.push({ name: "rules_blind", labels: { namespace }, value: blind.size });
    into.push({ name: "membership_unknown_workloads", labels: { namespace }, value: unknown });
  }
}

function seenIn(namespaces: Map<string, Seen>, namespace: string): Seen {
  let seen = namespaces.get(namespace);
  if (!seen) {
    seen = {
      workloads: 0,
      unknown: 0,
      live: coverageCapabilities.map(() => 0),
      blind: new Set(),
    };
    namespaces.set(namespace, seen);
  }
  return seen;
}

type BlindFor = (live: number, mesh: Membership) => readonly RuleNeeds[];

/** The rules that are blind where this is live. */
function makeBlindFor(rules: readonly RuleNeeds[]): BlindFor {
  const known = new Map<string, readonly RuleNeeds[]>();
  return (live, mesh) => {
    const key = `${mesh} ${live}`;
    let blind = known.get(key);
    if (!blind) {
      blind = rules.filter((rule) => judge(rule, live, mesh).judgement === "blind");
      known.set(key, blind);
    }
    return blind;
  };
}
