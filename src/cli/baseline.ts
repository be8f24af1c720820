/**
 * `insights baseline`: waivers for what is known today, so that a first install pages for news only. One
 * waiver for each rule and namespace, with one line for each finding while a person can still read them,
 * else with the names of the workloads. Everything in it ends on one day and is to be looked at until then.
 */
import { existsSync, writeFileSync } from "node:fs";
import type { ApiInsight, ApiPage } from "../model/api.ts";
import { parseDuration } from "../model/durations.ts";
import { usPerDay, usPerMs, type Us } from "../model/time.ts";
import { systemClock } from "../lib/clock.ts";
import { loadRules } from "../rules/load.ts";
import type { CompiledRule, KeyPath } from "../rules/rule.ts";
import { apiTarget, getJson, type ApiTarget, type TargetOptions } from "./api-client.ts";
import { fileTrouble, printable, UserError, type CliIo } from "./io.ts";
import { readConfig, readRules, type ConfigOptions } from "./load.ts";

export interface BaselineOptions extends ConfigOptions, TargetOptions {
  /** A length of time from now, at least a day. */
  readonly expires: string;
  readonly owner: string;
  /** "-" = standard output. */
  readonly out: string;
}

const activeStates = ["firing", "unknown", "pending"] as const;
const daysMax = 365;
/** Of more findings of one rule and namespace nobody reads each; it also keeps a condition small. */
const linesMax = 10;
const namesMax = 100;

export async function runBaseline(options: BaselineOptions, io: CliIo): Promise<number> {
  const nowUs = systemClock.nowUs();
  const day = lastDay(options.expires, nowUs);
  // An existing file is somebody's work.
  if (options.out !== "-" && existsSync(options.out)) {
    throw new UserError(
      `cannot write to "${options.out}": it exists; name another file with --out`,
    );
  }
  const { rules, waivers, files } = readRules(readConfig(options, io));
  const insights = await activeInsights(apiTarget(options, io));
  const open = insights.filter(({ waiver }) => waiver === "");
  const known = new Map(rules.map((rule) => [rule.meta.id, rule]));
  const strangers = new Set(open.filter(({ rule }) => !known.has(rule)).map(({ rule }) => rule));
  if (strangers.size > 0) {
    const names = [...strangers].map(printable).join(", ");
    throw new UserError(
      `cannot write waivers for ${names}: the engine has rules that are not loaded here; give its --config`,
    );
  }
  const drafts = draftWaivers(open, known);
  if (drafts.length === 0) {
    io.error("nothing is active that is not waived: no waivers are needed\n");
    return 0;
  }
  const taken = waivers.map(({ meta }) => meta.id);
  const text = waiversText(drafts, { day, today: dayOf(nowUs), owner: options.owner, taken });
  const { diagnostics } = loadRules([...files, { path: options.out, text }], { todayUs: nowUs });
  const fault = diagnostics.find(
    ({ severity, file }) => severity === "error" && file === options.out,
  );
  if (fault) throw new Error(`the waivers do not load: ${fault.message} (line ${fault.line})`);
  write(options.out, text, io);
  const where = options.out === "-" ? "" : ` in ${options.out}`;
  io.error(
    `${drafts.length} waivers for ${open.length} insights until ${day}${where}; ` +
      "read them, put the file among the rules (rules.paths) and reload\n",
  );
  return 0;
}

/** The last whole day that is not later. */
function lastDay(expires: string, nowUs: Us): string {
  const us = parseDuration(expires);
  if (us === null || us < usPerDay || us > daysMax * usPerDay) {
    throw new UserError(
      `cannot use --expires "${expires}": give a time from 1d to ${daysMax}d, as in 30d`,
    );
  }
  return dayOf(nowUs + us);
}

const dayOf = (us: Us): string => new Date(us / usPerMs).toISOString().slice(0, 10);

async function activeInsights(target: ApiTarget): Promise<readonly ApiInsight[]> {
  const all: ApiInsight[] = [];
  for (const state of activeStates) {
    let cursor: string | undefined;
    do {
      const query = { state, limit: "1000", cursor };
      const page = await getJson<ApiPage<ApiInsight>>(target, "/api/v1/insights", query);
      all.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }
  return all;
}

interface Draft {
  readonly rule: string;
  readonly namespace: string;
  /** CEL, one line for each finding or namespace. */
  readonly lines: readonly string[];
  readonly insights: number;
}

/** In the order of rules and namespaces, so that two runs can be compared. */
function draftWaivers(
  insights: readonly ApiInsight[],
  rules: ReadonlyMap<string, CompiledRule>,
): readonly Draft[] {
  const groups = groupBy(insights, ({ rule, namespace }) => JSON.stringify([rule, namespace]));
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => {
      const [first] = group;
      const rule = rules.get(first?.rule ?? "");
      if (first === undefined || rule === undefined) return [];
      const isMany = group.length > linesMax && rule.paths.subject !== "" && first.namespace !== "";
      const parts = isMany
        ? byWorkload(rule.paths.subject, group)
        : inParts(
            [...new Set(group.map(({ key }) => findingCondition(rule.paths.key, key)))].toSorted(
              byText,
            ),
          );
      const about = { rule: first.rule, namespace: first.namespace };
      return parts.map((lines) => ({ ...about, lines, insights: group.length }));
    });
}

/** As many lines as one condition may hold. */
function inParts(lines: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(lines.length / linesMax);
  return Array.from({ length: count }, (_, part) =>
    lines.slice(part * linesMax, (part + 1) * linesMax),
  );
}

/** Exactly the findings of this key. */
function findingCondition(paths: readonly KeyPath[], key: readonly string[]): string {
  const terms = paths.map((path, index) => termOf(path, key[index] ?? ""));
  return terms.length === 0 ? "true" : terms.join(" && ");
}

function termOf({ text, is }: KeyPath, value: string): string {
  if (is === "value") return `${text} == ${value}`;
  return is === "text" ? `${text} == ${celText(value)}` : nodeTerm(text, value);
}

/** What `nodeKey` made of a node. */
function nodeTerm(path: string, key: string): string {
  const [, kind = "", rest = ""] = /^(external|unknown)\/(.*)$/s.exec(key) ?? [];
  if (kind !== "") {
    const value = celText(rest);
    return `(${path}.name == ${value} || ${path}.address == ${value})`;
  }
  const [cluster = "", namespace = "", ...name] = key.split("/");
  const parts = { cluster, namespace, name: name.join("/") };
  return Object.entries(parts)
    .map(([field, value]) => `${path}.${field} == ${celText(value)}`)
    .join(" && ");
}

/** Everything that the rule finds about these workloads. */
function byWorkload(
  subject: string,
  insights: readonly ApiInsight[],
): readonly (readonly string[])[] {
  const byCluster = groupBy(insights, ({ cluster }) => cluster);
  return [...byCluster].flatMap(([cluster, group]) => {
    const namespace = group[0]?.namespace ?? "";
    const names = [...new Set(group.map(({ workload }) => workload))].toSorted(byText);
    const count = Math.ceil(names.length / namesMax);
    return Array.from({ length: count }, (_, part) => {
      const some = names.slice(part * namesMax, (part + 1) * namesMax).map(celText);
      const place = `${subject}.cluster == ${celText(cluster)} && ${subject}.namespace == ${celText(namespace)}`;
      return [`${place} && ${subject}.name in [${some.join(", ")}]`];
    });
  });
}

/** JSON's form of a text is one of CEL's, once it is ASCII. */
function celText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

interface Words {
  readonly day: string;
  readonly today: string;
  readonly owner: string;
  /** Ids that other waivers have. */
  readonly taken: readonly string[];
}

function waiversText(drafts: readonly Draft[], { day, today, owner, taken }: Words): string {
  const ids = new Set(taken);
  const items = drafts.map(({ rule, namespace, lines, insights }) => {
    const conditions = lines.map((line) => (lines.length > 1 ? `(${line})` : line));
    return [
      `  - id: ${freeId(`baseline-${today}-${rule}${slug(namespace)}`, ids)}`,
      `    rules: [${rule}]`,
      "    where: |",
      `      ${conditions.join("\n      || ")}`,
      `    reason: known on ${today} (${insights} ${insights === 1 ? "insight" : "insights"}), not looked at yet`,
      `    owner: ${celText(owner)}`,
      `    expires: ${day}`,
      "",
    ].join("\n");
  });
  const head = [
    `# What was active on ${today}. Read each waiver: mend what it accepts and remove it, or give it a`,
    "# reason and an owner of its own. All of them end on the same day.",
    "version: 1",
    "waivers:",
    "",
  ];
  return head.join("\n") + items.join("");
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

const slug = (namespace: string): string =>
  namespace === "" ? "" : `-${namespace.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;

function freeId(wanted: string, taken: Set<string>): string {
  let id = wanted;
  for (let n = 2; taken.has(id); n++) id = `${wanted}-${n}`;
  taken.add(id);
  return id;
}

function write(path: string, text: string, io: CliIo): void {
  if (path === "-") return io.out(text);
  try {
    writeFileSync(path, text, { flag: "wx" });
  } catch (cause) {
    throw new UserError(
      `cannot write the waivers to "${path}": ${fileTrouble(cause)}; name another file with --out`,
    );
  }
}
