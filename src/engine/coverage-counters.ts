/** How much of each namespace is seen, for `/metrics`. */
import {
  coverageCapabilities,
  judge,
  type CoverageGroup,
  type RuleNeeds,
} from "../model/coverage.ts";
import type { CounterSample } from "../model/stages.ts";

interface Seen {
  workloads: number;
  readonly live: number[];
  /** What is live of its workloads, each mask once. */
  readonly masks: Set<number>;
}

/** Of meshed workloads only: nobody expects a proxy's telemetry of the others. */
export function coverageCounters(
  into: CounterSample[],
  groups: readonly CoverageGroup[],
  rules: readonly RuleNeeds[],
): void {
  const namespaces = new Map<string, Seen>();
  for (const { namespace, meshed, live, workloads } of groups) {
    if (!meshed) continue;
    let seen = namespaces.get(namespace);
    if (!seen) {
      seen = { workloads: 0, live: coverageCapabilities.map(() => 0), masks: new Set() };
      namespaces.set(namespace, seen);
    }
    seen.workloads += workloads;
    seen.masks.add(live);
    for (const bit of coverageCapabilities.keys()) {
      if ((live >> bit) & 1) seen.live[bit] = (seen.live[bit] ?? 0) + workloads;
    }
  }
  const blindFor = makeBlindFor(rules);
  for (const [namespace, { workloads, live, masks }] of namespaces) {
    for (const [bit, capability] of coverageCapabilities.entries()) {
      const value = (live[bit] ?? 0) / workloads;
      into.push({ name: "coverage_ratio", labels: { namespace, capability }, value });
    }
    const blind = new Set([...masks].flatMap(blindFor));
    into.push({ name: "rules_blind", labels: { namespace }, value: blind.size });
  }
}

/** The rules that are blind where this is live. */
function makeBlindFor(rules: readonly RuleNeeds[]): (live: number) => readonly RuleNeeds[] {
  const known = new Map<number, readonly RuleNeeds[]>();
  return (live) => {
    let blind = known.get(live);
    if (!blind) {
      blind = rules.filter((rule) => judge(rule, live).judgement === "blind");
      known.set(live, blind);
    }
    return blind;
  };
}
