/**
 * One page for each rule, in Markdown, and an index by family: what people read when a rule has found
 * something. Everything in it comes from the rule's file; `docs/rules/` is this text, and a test compares
 * the two.
 */
import { durationToText } from "../model/durations.ts";
import type { SourceGuide } from "../model/source-guide.ts";
import type { CompiledRule } from "../rules/load.ts";
import type { KeyPath } from "../rules/rule.ts";
import { resolveTag } from "../rules/tags.ts";
import { firesWhen, listsOf, paramsOf } from "./rules-explain.ts";
import { sourcesFor } from "./sources-page.ts";

export interface PageOptions {
  readonly guides: readonly SourceGuide[];
  /** Whether the product's guides stand in the folder above, so that pages can link to them. */
  readonly areGuidesAbove: boolean;
  /** Last day of the waivers that the pages offer, as `2027-01-31`. */
  readonly until: string;
}

export interface Page {
  readonly name: string;
  readonly text: string;
}

/** The first line of every page: what has it was made here, and may be made again or removed. */
export const pageMark =
  "<!-- Made by `mesh-insights rules docs` from the rule files: change it there. -->";

/** In the order of families and ids; the index comes last. */
export function rulePages(rules: readonly CompiledRule[], options: PageOptions): readonly Page[] {
  const sorted = rules.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const pages = sorted.map((rule) => ({
    name: `${rule.meta.id}.md`,
    text: rulePage(rule, options),
  }));
  return [...pages, { name: "README.md", text: indexPage(sorted) }];
}

const placeOf = ({ meta }: CompiledRule): string => `${meta.category}\0${meta.id}`;
const familyOf = ({ meta }: CompiledRule): string => meta.category || "rules";
const code = (text: string): string => `\`${text}\``;

function indexPage(rules: readonly CompiledRule[]): string {
  const families = [...new Set(rules.map(familyOf))];
  return [
    `${pageMark}\n# Rules\n`,
    `${rules.length} rules in ${families.length} families. Each page says what an insight of the rule means, how to see for oneself that it is so, which causes are innocent, how to fix it and how to live with it for a while.\n`,
    ...families.flatMap((family) => [
      `## ${family}\n`,
      table(
        ["rule", "severity", "status", "what it finds"],
        rules
          .filter((rule) => familyOf(rule) === family)
          .map(({ meta }) => [
            `[${meta.id}](${meta.id}.md)`,
            meta.severity,
            meta.status,
            prose(meta.title),
          ]),
      ),
    ]),
  ].join("\n");
}

function rulePage(rule: CompiledRule, options: PageOptions): string {
  const { meta } = rule;
  const list = (items: readonly string[]): string => items.map((item) => `- ${item}\n`).join("");
  return [
    `${pageMark}\n# ${meta.id}\n`,
    `**${prose(meta.title)}**\n`,
    table(["", ""], factsOf(rule)),
    section("What it means and why it matters", textBlocks(meta.description)),
    section("How to confirm", textBlocks(meta.confirm)),
    section("Innocent causes", list(meta.falsePositives.map(prose))),
    section("How to fix", textBlocks(meta.remediation)),
    section("How to waive", waiverBlock(rule, options.until)),
    section("What it needs", needsBlock(rule, options)),
    section("When it fires", conditionBlock(rule, options)),
    section("Tags", list(meta.tags.map(tagLine))),
    section("References", list(meta.references.map((link) => `<${link}>`))),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function section(title: string, body: string): string {
  return body.trim() === "" ? "" : `## ${title}\n\n${body}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [line(header), `|${" --- |".repeat(header.length)}\n`, ...rows.map(line)].join("");
}

function factsOf({ meta, written, paths }: CompiledRule): readonly (readonly string[])[] {
  const isWord = !written.confidence.includes(".");
  const confidence = isWord
    ? written.confidence
    : `as the evidence gives it (${code(written.confidence)})`;
  const statuses = { stable: "", test: "", experimental: ": never pages", deprecated: ": will go" };
  return [
    ["severity", meta.severity],
    ["confidence", confidence],
    ["status", `${meta.status}${statuses[meta.status]}`],
    ["family", `[${meta.category || "rules"}](README.md#${meta.category || "rules"})`],
    ["looks at", code(meta.on)],
    ...(paths.subject === "" ? [] : [["is about", code(paths.subject)]]),
    ...(written.peer === "" ? [] : [["with the peer", code(written.peer)]]),
    ["one insight for each", paths.key.map(({ text }) => code(text)).join(", ") || "engine"],
    ...(meta.layer === "" ? [] : [["weakens the layer", meta.layer.replaceAll("_", " ")]]),
  ];
}

/** Paragraphs and, where lines are indented, what is meant to be typed. */
function textBlocks(text: string): string {
  const blocks: { isCode: boolean; lines: string[] }[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const last = blocks.at(-1);
    const isCode = line.startsWith("  ") || (line === "" && last?.isCode === true);
    if (last && last.isCode === isCode) last.lines.push(line);
    else blocks.push({ isCode, lines: [line] });
  }
  return blocks
    .map(({ isCode, lines }) =>
      isCode
        ? `\`\`\`${languageOf(lines)}\n${lines
            .map((line) => line.replace(/^ {2}/, ""))
            .join("\n")
            .trimEnd()}\n\`\`\`\n`
        : `${lines.map(prose).join("\n").trim()}\n`,
    )
    .filter((block) => block.trim() !== "")
    .join("\n");
}

/** Pieces of configuration stand among the commands. */
function languageOf(lines: readonly string[]): string {
  return lines.some((line) => /^ +(?:kubectl|istioctl|mesh-insights|curl|date|df) /.test(line))
    ? "sh"
    : "yaml";
}

/** What stands for a name in angle brackets is no tag of HTML; inside of backticks it is text anyway. */
function prose(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) =>
      index % 2 === 1 ? part : part.replaceAll("<", "&lt;").replaceAll("|", "&#124;"),
    )
    .join("");
}

/** How a waiver could name one place; the names are examples. */
function placeCondition({ meta, paths }: CompiledRule): string {
  const { subject, key } = paths;
  const isWorkload = ["edge", "flow", "process", "access", "workload"].includes(meta.on);
  if (isWorkload && subject !== "") {
    const place = `${subject}.namespace == 'shop'`;
    // A place has no name: the insight is one for the namespace.
    return subject.endsWith(".place") ? place : `${place} && ${subject}.name == 'web'`;
  }
  if (key.length === 0) return '"true"';
  const narrow = key.filter(({ text }) => !/\.(?:kind|cluster)$/.test(text));
  return (narrow.length > 0 ? narrow : key).map(termOf).join(" && ");
}

function termOf({ text, is }: KeyPath): string {
  if (is === "node") {
    const isHost = text.startsWith("host.");
    return isHost
      ? `${text}.name == 'node-1'`
      : `${text}.namespace == 'shop' && ${text}.name == 'web'`;
  }
  if (is === "value") return `${text} == 1`;
  const name = text.slice(text.lastIndexOf(".") + 1);
  return `${text} == '${{ namespace: "shop", cluster: "c1" }[name] ?? "the-name"}'`;
}

function waiverBlock(rule: CompiledRule, until: string): string {
  const { id } = rule.meta;
  return `Put this into a file of your rules' folder (\`rules.paths\`), with names, reason and owner of your own. \`expires\` is the last day, at most a year ahead; until then the insight is there, and pages nobody.

\`\`\`yaml
version: 1
waivers:
  - id: accept-${id}
    rules: [${id}]
    where: ${placeCondition(rule)}
    reason: why this is accepted, and what will end it
    owner: who answers for it
    expires: ${until}
\`\`\`
`;
}

function needsBlock({ meta }: CompiledRule, { guides, areGuidesAbove }: PageOptions): string {
  if (meta.needs.length === 0) {
    const isOwn = meta.on === "engine" || meta.on === "rule";
    return isOwn
      ? "Nobody's telemetry: the engine knows this of itself.\n"
      : "It names no needs, so it judges always.\n";
  }
  const linked = (text: string): string =>
    areGuidesAbove ? text.replace(/`([\w-]+)`/g, "[`$1`](../sources.md#$1)") : text;
  const ways = (sets: typeof meta.needs): string =>
    sourcesFor(meta, sets, guides)
      .map((way) => `- ${linked(way)}\n`)
      .join("");
  const words = (sets: typeof meta.needs): string =>
    sets.map((set) => set.map(code).join(" and ")).join(", or ");
  const partly =
    meta.partly.length === 0 ? "" : `\nIn part with ${words(meta.partly)}:\n\n${ways(meta.partly)}`;
  const more = areGuidesAbove ? "[sources.md](../sources.md) says what to switch on there. " : "";
  return `It judges with ${words(meta.needs)}. These sources give it:\n\n${ways(meta.needs)}${partly}
${more}Without one of these the rule is blind, which says nothing about the mesh; \`mesh-insights coverage --rule ${meta.id}\` tells where.
`;
}

function conditionBlock(rule: CompiledRule, { areGuidesAbove }: PageOptions): string {
  const { meta, written } = rule;
  const keep = durationToText(meta.keepFiringForUs);
  const ends =
    meta.lifecycle === "event"
      ? `stays until nothing like it has been seen for ${keep}`
      : `stays until ${keep} after it held last`;
  const macros = [...written.macros.values()].map(
    ({ name, text }) => `# ${name}\n${text.trim()}\n`,
  );
  const params = [...paramsOf(written), ...listsOf(written)].map(
    ([name, value]) => `- ${code(name)}: ${code(JSON.stringify(value))}\n`,
  );
  const overrides = areGuidesAbove ? "[overrides](../rules.md#overrides)" : "overrides";
  return [
    `It fires ${firesWhen(rule)}, and ${ends}. \`mesh-insights rules explain ${meta.id} entity.yaml\` shows what each part says of an entity.\n`,
    `\`\`\`text\n${[written.when.trimEnd(), ...macros].join("\n\n").trimEnd()}\n\`\`\`\n`,
    ...(params.length === 0 ? [] : [`Tunable, by ${overrides}:\n`, params.join("")]),
  ].join("\n");
}

function tagLine(tag: string): string {
  const found = resolveTag(tag);
  return found.ok ? `${code(tag)}: ${found.name}` : code(tag);
}
