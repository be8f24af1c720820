/**
 * What one more source would add: the rules that would become able to judge, counted over the workloads
 * for which they are not now. It is the most that there can be: that the source tells of every workload.
 */
import type { ApiNextSource } from "../model/api-coverage.ts";
import {
  capabilitiesOf,
  judge,
  maskOf,
  mayBeMeshed,
  proxyMask,
  type CoverageGroup,
  type Membership,
} from "../model/coverage.ts";
import type { RuleMeta } from "../model/insights.ts";
import type { SourceGuide } from "../model/source-guide.ts";

const objectsMask = maskOf(["objects"]);

/** The greatest gain first: by what is judged, then by what is in part, then by what is less to switch on. */
export function nextSources(
  groups: readonly CoverageGroup[],
  rules: readonly RuleMeta[],
  guides: readonly SourceGuide[],
): ApiNextSource[] {
  const meshed = groups.filter(mayBeMeshed);
  const next = [...byMask(guides)].map(([mask, alike]) => gainOf(mask, alike, meshed, rules));
  return next
    .filter(({ judged, partly }) => judged + partly > 0)
    .toSorted(
      (a, b) =>
        b.judged - a.judged || b.partly - a.partly || a.capabilities.length - b.capabilities.length,
    );
}

/** Sources by what they give; what gives no capability of a workload makes no rule judge. */
function byMask(guides: readonly SourceGuide[]): Map<number, SourceGuide[]> {
  const alike = new Map<number, SourceGuide[]>();
  for (const guide of guides) {
    const mask = maskOf(guide.gives);
    const known = alike.get(mask);
    if (known) known.push(guide);
    else if (mask !== 0) alike.set(mask, [guide]);
  }
  return alike;
}

function gainOf(
  mask: number,
  guides: readonly SourceGuide[],
  groups: readonly CoverageGroup[],
  rules: readonly RuleMeta[],
): ApiNextSource {
  const gains = new Map<string, number>();
  let partly = 0;
  for (const { live, mesh, workloads } of groups) {
    for (const rule of rules) {
      const before = judge(rule, live, mesh).judgement;
      if (before === "judged") continue;
      const after = judge(rule, live | mask, membershipWith(mask, mesh)).judgement;
      if (after === "judged") gains.set(rule.id, (gains.get(rule.id) ?? 0) + workloads);
      else if (after !== before) partly += workloads;
    }
  }
  const ofRules = [...gains].map(([rule, workloads]) => ({ rule, workloads }));
  return {
    capabilities: capabilitiesOf(mask),
    sources: guides.map(({ id, title, switchOn }) => ({ id, title, switch_on: switchOn })),
    judged: ofRules.reduce((sum, { workloads }) => sum + workloads, 0),
    partly,
    rules: ofRules.toSorted((a, b) => b.workloads - a.workloads),
  };
}

/** Objects declare who is in the mesh, and a proxy that is heard shows it. */
function membershipWith(mask: number, mesh: Membership): Membership {
  return mesh === "unknown" && (mask & (objectsMask | proxyMask)) !== 0 ? "yes" : mesh;
}
