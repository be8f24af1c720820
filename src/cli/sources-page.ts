/**
 * The page of sources, made from the guides of the vocabularies and from what the rules need.
 * `docs/sources.md` is this text; a test compares the two.
 */
import {
  agentMask,
  capabilitiesOf,
  coverageCapabilities,
  judge,
  maskOf,
  proxyMask,
  type Judgement,
} from "../model/coverage.ts";
import type { RuleMeta } from "../model/insights.ts";
import type { Capability } from "../model/observations.ts";
import type { SourceGuide } from "../model/source-guide.ts";

const head = `# Sources

What each source of telemetry gives, what has to be switched on there, which rules it makes able to judge
and what stays blind without it. Made from the vocabularies (\`src/normalize/vocabulary/\`) and from the
rules' \`needs\` and \`partly\`; \`mesh-insights coverage\` and \`mesh-insights doctor\` say the same of a
running engine: what its workloads lack, and what one more source would add.

A rule is *judged* for a workload when one whole set of its needs is live for it, *in part* when it can see
some of what it is about, and *blind* otherwise ([coverage](rules.md#coverage)). Rules on workloads judge
only those of which somebody says whether they are in the mesh: objects do, and a proxy that is heard.
`;

const meanings: Readonly<Record<Capability, string>> = {
  proxy_metrics: "who calls whom through a proxy, how often, and whether by mTLS",
  proxy_logs: "each connection through a proxy, with addresses and ports",
  spans: "sampled calls through a proxy, by pod",
  flows: "conversations of pods on the wire, with both addresses and ports",
  attributed_flows: "which container or process talked beyond its pod, and to whom",
  workload_flows: "bytes between two workloads: an edge, and no connection to judge by",
  sockets: "connections as processes open them",
  processes: "processes with their user and group",
  file_accesses: "files that processes open, as far as the agent's policy names them",
  objects: "what is declared: pods, their addresses, containers and owners, and policies",
  inventory:
    "pods with their addresses, owners and containers, by metrics: less than their objects say",
  relayed_metrics: "that a collector hands on metrics",
  relayed_traces: "that a collector hands on spans",
  relayed_logs: "that a collector hands on logs",
};

/** In the order of the page; those without a bit show beside the others and are nobody's need. */
const shownCapabilities: readonly Capability[] = [...coverageCapabilities, "workload_flows"];

/** The whole page. */
export function sourcesPage(guides: readonly SourceGuide[], rules: readonly RuleMeta[]): string {
  const needing = rules.filter(({ needs }) => needs.length > 0);
  return [
    head,
    "## What each source gives\n",
    capabilityMatrix(guides),
    "## What each rule needs\n",
    "One source of each group that **+** joins; where a cell has several lines, any one of them is enough.\n",
    ruleMatrix(guides, needing),
    ...guides.map((guide) => sourceSection(guide, guides, needing)),
  ].join("\n");
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [line(header), `|${"---|".repeat(header.length)}\n`, ...rows.map(line)].join("");
}

const linkTo = ({ id }: SourceGuide): string => `[${id}](#${id})`;
const code = (name: string): string => `\`${name}\``;
const codes = (names: Iterable<string>): string => [...names].map(code).join(", ");

function capabilityMatrix(guides: readonly SourceGuide[]): string {
  const given = guides.filter(({ gives }) => gives.length > 0);
  const completing = guides.filter(({ gives }) => gives.length === 0);
  const rows = given.map((guide) => [
    linkTo(guide),
    ...shownCapabilities.map((one) => (guide.gives.includes(one) ? "×" : "")),
  ]);
  const list = shownCapabilities.map((one) => `- ${code(one)}: ${meanings[one]}\n`).join("");
  const rest =
    completing.length === 0
      ? ""
      : `\nThese give none, and complete what others tell: ${completing.map(linkTo).join(", ")}.\n`;
  return `${table(["source", ...shownCapabilities.map(code)], rows)}${rest}\n${list}`;
}

/** Rules that need the same stand together. */
function ruleMatrix(guides: readonly SourceGuide[], rules: readonly RuleMeta[]): string {
  const alike = new Map<string, string[]>();
  for (const rule of rules) {
    const text = (sets: RuleMeta["needs"]): string => sourcesFor(rule, sets, guides).join("<br>");
    const cells = `${text(rule.needs)} | ${text(rule.partly)}`;
    alike.set(cells, [...(alike.get(cells) ?? []), rule.id]);
  }
  const rows = [...alike].map(([cells, ids]) => [codes(ids), cells]);
  return table(["rules", "judged with | in part with"], rows).replace("|---|---|", "|---|---|---|");
}

/** Sources of which any one is enough. */
type AnyOf = readonly string[];
/** Sources that are enough together: one of each. */
type Way = readonly AnyOf[];

/**
 * In words, one way of getting these sets of capabilities in each text: sources by their ids, of which any
 * one is enough, joined by **+**.
 */
export function sourcesFor(
  rule: RuleMeta,
  sets: RuleMeta["needs"],
  guides: readonly SourceGuide[],
): readonly string[] {
  const all = sets.map((set) => capabilitiesOf(withMembership(rule, maskOf(set))));
  return waysText(all, guides);
}

/**
 * The least sets of sources that give one of these sets of capabilities, each written as what has to be
 * chosen from. What follows from the rest is left out: who tells of sockets tells of processes as well.
 */
function waysText(
  sets: readonly (readonly string[])[],
  guides: readonly SourceGuide[],
): readonly string[] {
  const ways = sets.map((set) => wayOf(set, guides));
  const enough = ways.flatMap((way) => (way.length === 1 ? (way[0] ?? []) : []));
  const single = guides.map(({ id }) => id).filter((id) => enough.includes(id));
  const least = (single.length > 0 ? [[single]] : [])
    .concat(ways.filter((way) => way.length > 1).map((way) => way.map((anyOf) => [...anyOf])))
    .filter(
      (way, index, all) =>
        !all.some((other, at) => at !== index && follows(way, other, at < index)),
    );
  const given = guides.filter(({ gives }) => maskOf(gives) !== 0);
  const text = (anyOf: AnyOf): string =>
    anyOf.length === given.length ? "any source" : anyOf.map(code).join(" or ");
  return least.map((way) => way.map(text).join(" **+** "));
}

function wayOf(set: readonly string[], guides: readonly SourceGuide[]): Way {
  const all = set.map((capability) =>
    guides.filter(({ gives }) => gives.some((one) => one === capability)).map(({ id }) => id),
  );
  return all.filter(
    (anyOf, index) =>
      !all.some(
        (other, at) =>
          at !== index && isWithin(other, anyOf) && (at < index || !isWithin(anyOf, other)),
      ),
  );
}

/** Whoever chose `way` has chosen `other` as well; of two that are the same, the first stays. */
function follows(way: Way, other: Way, isEarlier: boolean): boolean {
  const implies = (one: Way, two: Way): boolean =>
    two.every((wanted) => one.some((anyOf) => isWithin(anyOf, wanted)));
  return implies(way, other) && (isEarlier || !implies(other, way));
}

const isWithin = (part: AnyOf, whole: AnyOf): boolean => part.every((one) => whole.includes(one));

function sourceSection(
  guide: SourceGuide,
  guides: readonly SourceGuide[],
  rules: readonly RuleMeta[],
): string {
  const { id, title, gives, switchOn, cannotTell, reference } = guide;
  const given = gives.length === 0 ? "No capability of its own" : `Gives ${codes(gives)}`;
  return [
    `## ${id}\n`,
    `**${title}.** ${given}.\n`,
    `*Switch on:* ${switchOn}\n`,
    `*Cannot tell:* ${cannotTell}\n`,
    [
      ...aloneLines(guide, rules),
      ...togetherLines(guide, rules),
      ...withoutLines(guide, guides, rules),
    ]
      .map((line) => `- ${line}\n`)
      .join(""),
    `Facts: ${reference.startsWith("https:") ? `<${reference}>` : code(reference)}\n`,
  ].join("\n");
}

const objectsMask = maskOf(["objects"]);

/** What a rule can make of this alone, where nobody else says who is in the mesh. */
function judgedAlone(rule: RuleMeta, mask: number): Judgement {
  const tellsMembership = (mask & (objectsMask | proxyMask)) !== 0;
  return judge(rule, mask, tellsMembership ? "yes" : "unknown").judgement;
}

function aloneLines({ gives }: SourceGuide, rules: readonly RuleMeta[]): string[] {
  const mask = maskOf(gives);
  if (mask === 0) return ["No rule judges by it."];
  const by = (judgement: Judgement): string[] =>
    rules.filter((rule) => judgedAlone(rule, mask) === judgement).map(({ id }) => id);
  const [judged, partly] = [by("judged"), by("partly")];
  return [
    judged.length > 0
      ? `Alone it makes judged: ${codes(judged)}.`
      : "Alone it makes no rule judge.",
    ...(partly.length > 0 ? [`Alone, in part: ${codes(partly)}.`] : []),
  ];
}

/** By what else it takes, the least first. */
function togetherLines({ gives }: SourceGuide, rules: readonly RuleMeta[]): string[] {
  const mask = maskOf(gives);
  const byRest = new Map<number, string[]>();
  for (const rule of rules) {
    if (judgedAlone(rule, mask) === "judged") continue;
    const rests = rule.needs
      .map(maskOf)
      .filter((set) => (set & mask) !== 0)
      .map((set) => withMembership(rule, set) & ~mask);
    const [least] = rests.toSorted((a, b) => capabilitiesOf(a).length - capabilitiesOf(b).length);
    if (least === undefined) continue;
    byRest.set(least, [...(byRest.get(least) ?? []), rule.id]);
  }
  return [...byRest]
    .toSorted(([a], [b]) => capabilitiesOf(a).length - capabilitiesOf(b).length || a - b)
    .map(
      ([rest, ids]) =>
        `Together with ${capabilitiesOf(rest).map(code).join(" and ")}: ${codes(ids)}.`,
    );
}

/** Where a set says nothing of who is in the mesh, objects have to. */
function withMembership(rule: RuleMeta, set: number): number {
  const isBlind = (set & agentMask) === set && judgedAlone(rule, set) === "blind";
  return isBlind ? set | objectsMask : set;
}

/** With everything else there. */
function withoutLines(
  { id, gives }: SourceGuide,
  guides: readonly SourceGuide[],
  rules: readonly RuleMeta[],
): string[] {
  const all = maskOf(coverageCapabilities);
  return gives.flatMap((capability): string[] => {
    const live = all & ~maskOf([capability]);
    const by = (judgement: Judgement): string[] =>
      rules.filter((rule) => judge(rule, live).judgement === judgement).map((rule) => rule.id);
    const [blind, partly] = [by("blind"), by("partly")];
    if (blind.length + partly.length === 0) return [];
    const others = guides.filter((one) => one.id !== id && one.gives.includes(capability));
    const either =
      others.length === 0
        ? ""
        : `, or another source of ${code(capability)} (${others.map(linkTo).join(", ")})`;
    const ends = [
      blind.length > 0 ? `blind: ${codes(blind)}` : "",
      partly.length > 0 ? `judged only in part: ${codes(partly)}` : "",
    ].filter((text) => text !== "");
    return [`Without it${either}, ${ends.join("; ")}.`];
  });
}
