/**
 * One rule of a file, from its YAML map to what the evaluator runs. Reports every problem of the rule
 * and returns null when there is one; the other rules are none the wiser.
 */
import { isMap, isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import { entityTraits, type EntityType, type NodeEntity } from "../model/entities.ts";
import type { Confidence } from "../model/insights.ts";
import { nodeKey } from "../model/keys.ts";
import type { Node } from "./ast.ts";
import { buildCount } from "./build-count.ts";
import { countName, type Expression } from "./compile.ts";
import { confidences, entityTypes, ruleKeys, tagPattern } from "./keys.ts";
import { overrideValues, type Override } from "./overrides.ts";
import { readParams, reportUnknownParams } from "./params.ts";
import { isKeyType, resolvePath, type Path } from "./paths.ts";
import { makeMeta, versionOf, type RuleValues } from "./rule-meta.ts";
import type { BuiltRule, CompiledCount, CompiledRule, KeyPath, RuleTest } from "./rule.ts";
import { Scope, type Param, type Ready, type Shared } from "./scope.ts";
import { textOf } from "./source.ts";
import { resolveTag } from "./tags.ts";
import { cleanText, makeTemplate, splitTemplate, type Template } from "./template.ts";
import { validateKeys, type Report } from "./validate.ts";

/** What a rule has that does not stand in its map. */
interface RuleSurroundings {
  readonly ruleset: string;
  readonly tests: readonly RuleTest[];
}

/** Null when the rule has an error, which is in the report by then. */
export function buildRule(
  map: YAMLMap,
  { ruleset, tests }: RuleSurroundings,
  shared: Shared,
  override: Override | null,
  report: Report,
): BuiltRule | null {
  const errorsBefore = report.errorCount;
  const id = textOf(map.get("id", true));
  const where = id === undefined ? "a rule without id" : `rule '${id}'`;
  validateKeys(map, ruleKeys, where, report);
  const tags = readTags(map, report);
  const on = entityTypes.find((type) => type === textOf(map.get("on", true)));
  if (on === undefined) return null;
  const builder = new RuleBuilder(map, on, shared, override, report);
  const parts = builder.build();
  if (override) reportUnknownParams(map, override);
  for (const name of builder.names) shared.used.add(name);
  if (report.errorCount > errorsBefore || !parts) return null;
  const written = map.toJS(report.source.document) as RuleValues; // the table has accepted it
  const values = { ...overrideValues(written, override), ...(tags.length > 0 && { tags }) };
  const category = report.source.path.split(/[/\\]/).at(-2) ?? "";
  const version = versionOf(values, builder.names, shared);
  const meta = makeMeta(values, on, ruleset, category, version);
  const { line } = report.source.startOf(map);
  return {
    rule: { meta, file: report.source.path, line, tests, ...parts },
    isEnabled: values.enabled !== false,
    names: builder.names,
  };
}

type Parts = Omit<CompiledRule, "meta" | "file" | "line" | "tests">;

/** Makes the parts of one rule; each part reports its own errors and does not wait for the others. */
class RuleBuilder {
  readonly #map: YAMLMap;
  readonly #on: EntityType;
  readonly #shared: Shared;
  readonly #report: Report;
  readonly #scope: Scope;
  /** As `scope`; of a counting rule messages may say how many there are. */
  readonly #messages: Scope;
  readonly #count: YAMLMap | null;
  readonly #known: ReadonlyMap<string, Param>;

  constructor(
    map: YAMLMap,
    on: EntityType,
    shared: Shared,
    override: Override | null,
    report: Report,
  ) {
    this.#map = map;
    this.#on = on;
    this.#report = report;
    // A set of its own tells which names this very rule uses: they are part of its version.
    this.#shared = { ...shared, used: new Set() };
    const params = readParams(map, override, report);
    const count = map.get("count", true);
    this.#count = isMap(count) ? count : null;
    this.#scope = new Scope(on, params, this.#shared);
    this.#messages = this.#count ? new Scope(on, params, this.#shared, [countName]) : this.#scope;
    this.#known = params;
  }

  /** Builds every part, also after an error, so that all errors are found at once. */
  build(): Parts | null {
    const traits = entityTraits[this.#on];
    const when = this.#when();
    const message = this.#message();
    const confidence = this.#confidence();
    const [subject, peer] = [
      this.#node("subject", traits.subject),
      this.#node("peer", this.#isPeerOfAll(traits.peer) ? traits.peer : ""),
    ];
    const key = this.#key(traits.key);
    const count = this.#built();
    if (!when || !message || !confidence || !subject || !peer || !key || count === undefined)
      return null;
    return {
      when: when.run,
      reads: [...new Set([...when.reads, ...message.reads, ...(count?.reads ?? [])])],
      message: message.render,
      confidence,
      subject: subject.get,
      peer: peer.get,
      peerPort: peerPortOf(this.#on, peer.text),
      key: key.get,
      paths: { subject: subject.text, key: key.paths },
      count,
      written: { ...this.#written(when.node), peer: peer.text },
    };
  }

  /** Of what every rule has: the scalars are there, or it would not have come so far. */
  #written(condition: Node): Omit<CompiledRule["written"], "peer"> {
    return {
      when: String(this.#scalar("when")?.value),
      condition,
      context: this.#scope.context,
      macros: this.#scope.macroTexts,
      names: this.names,
      params: this.#known,
      confidence: String(this.#scalar("confidence")?.value),
    };
  }

  /** Lists and macros that the rule uses, known once it is built. */
  get names(): readonly string[] {
    return [...this.#shared.used];
  }

  #scalar(name: string): Scalar | null {
    const node = this.#map.get(name, true);
    return isScalar(node) && typeof node.value === "string" ? node : null;
  }

  #when(): Ready | null {
    const scalar = this.#scalar("when");
    if (!scalar) return null;
    warnIfFolded(scalar, "when", this.#report);
    const text = String(scalar.value);
    const ready = this.#scope.compile({ text, scalar, offset: 0, report: this.#report });
    if (!ready) return null;
    if (ready.hasRegex) {
      const message = "matches() is slow; startsWith, endsWith, contains or 'in' may do";
      this.#report.warning("REGEX_IN_HOT_PATH", this.#at(scalar), message);
    }
    if (ready.type === "bool") return ready;
    this.#report.error("RULE_CEL_TYPE", this.#at(scalar), `'when' must be bool, is ${ready.type}`);
    return null;
  }

  #message(): { readonly render: Template; readonly reads: readonly string[] } | null {
    const scalar = this.#scalar("message");
    if (!scalar) return null;
    const split = splitTemplate(String(scalar.value));
    if ("unclosedAt" in split) {
      const at = this.#report.source.within(scalar, split.unclosedAt);
      this.#report.error("RULE_TEMPLATE", at, "'{{' has no '}}'");
      return null;
    }
    const parts: (string | Expression)[] = [];
    const reads: string[] = [];
    let isUsable = true;
    for (const part of split) {
      if (part.kind === "text") {
        parts.push(part.text);
        continue;
      }
      const ready = this.#templatePart(part.text, scalar, part.range.start);
      if (!ready) isUsable = false;
      else {
        parts.push(ready.run);
        reads.push(...ready.reads);
      }
    }
    return isUsable ? { render: makeTemplate(parts), reads } : null;
  }

  /** One `{{ }}`; anything but text must be turned into text by the author, who knows how. */
  #templatePart(text: string, scalar: Scalar, offset: number): Ready | null {
    const ready = this.#messages.compile({ text, scalar, offset, report: this.#report });
    if (!ready || ready.type === "string") return ready;
    const at = this.#report.source.within(scalar, offset);
    const message = `a template part is ${ready.type}, wrap it in string()`;
    this.#report.error("RULE_TEMPLATE", at, message);
    return null;
  }

  /** A word, or a field that holds one. */
  #confidence(): ((entity: unknown) => Confidence) | null {
    const scalar = this.#scalar("confidence");
    if (!scalar) return null;
    const text = String(scalar.value);
    const word = confidences.find((one) => one === text);
    if (word) return () => word;
    const path = this.#path(text, scalar);
    if (!path) return null;
    const { type } = path;
    if (typeof type !== "object" || !confidences.every((one) => type.values.includes(one))) {
      this.#report.error("RULE_REF", this.#at(scalar), `'${text}' holds no confidence`);
      return null;
    }
    // Zero means that nothing said it, and an unsaid confidence is a low one.
    return (entity) => confidences.find((one) => one === path.get(entity)) ?? "low";
  }

  /** `subject` or `peer`, which name a node or nothing. */
  #node(name: "subject" | "peer", byDefault: string): NodePath | null {
    const scalar = this.#scalar(name);
    const text = scalar ? String(scalar.value) : byDefault;
    if (text === "") return { text, get: () => null };
    const path = this.#path(text, scalar);
    if (!path) return null;
    if (path.type === "node") {
      return { text, get: (entity) => path.get(entity) as NodeEntity }; // by the path's type
    }
    if (scalar) this.#report.error("RULE_REF", this.#at(scalar), `'${text}' is no node`);
    return null;
  }

  /** The values that identify an insight, in the order of their paths. */
  #key(byDefault: readonly string[]): Key | null {
    const node = this.#count?.get("by", true) ?? this.#map.get("key", true);
    const scalars = isSeq(node) ? node.items.filter((item) => isScalar(item)) : null;
    const paths = scalars
      ? scalars.map((scalar) => this.#keyPath(String(scalar.value), scalar))
      : byDefault.map((text) => this.#keyPath(text, null));
    if (paths.includes(null)) return null;
    const known = paths.flatMap((path) => path ?? []);
    return {
      get: (entity) => known.map(({ get }) => keyValue(get(entity))),
      paths: known.map(({ text, type }) => ({ text, is: kindOf(type) })),
    };
  }

  /** What is counted together need not have one other end. */
  #isPeerOfAll(path: string): boolean {
    const by = this.#count?.get("by", true);
    return !isSeq(by) || by.items.some((item) => isScalar(item) && item.value === path);
  }

  /** Null when the rule counts nothing; undefined when its count has an error. */
  #built(): (CompiledCount & { readonly reads: readonly string[] }) | null | undefined {
    const count = this.#count;
    if (!count) return null;
    return buildCount(count, {
      on: this.#on,
      scope: this.#scope,
      params: this.#known,
      report: this.#report,
      key: this.#map.get("key", true),
    });
  }

  #keyPath(text: string, scalar: Scalar | null): Path | null {
    const path = this.#path(text, scalar);
    if (!path || isKeyType(path.type)) return path;
    if (scalar) {
      this.#report.error("RULE_REF", this.#at(scalar), `'${text}' cannot be part of a key`);
    }
    return null;
  }

  /** `scalar` null: a path of ours, which is right. */
  #path(text: string, scalar: Scalar | null): Path | null {
    const path = resolvePath(this.#on, text);
    if (!("message" in path)) return path;
    if (scalar) {
      const at = this.#report.source.within(scalar, path.offset);
      this.#report.error("RULE_REF", at, path.message, path.suggestion);
    }
    return null;
  }

  #at(scalar: Scalar) {
    return this.#report.source.startOf(scalar);
  }
}

interface Key {
  readonly get: CompiledRule["key"];
  readonly paths: readonly KeyPath[];
}

interface NodePath {
  readonly text: string;
  readonly get: (entity: unknown) => NodeEntity | null;
}

/** The tags as the tables have them now. */
function readTags(map: YAMLMap, report: Report): readonly string[] {
  const list = map.get("tags", true);
  const tags: string[] = [];
  for (const item of isSeq(list) ? list.items : []) {
    const written = textOf(item);
    // What is not even the form of a tag has been reported.
    if (written === undefined || !isScalar(item) || !new RegExp(tagPattern).test(written)) continue;
    const at = report.source.startOf(item);
    const found = resolveTag(written);
    if (!found.ok) report.error("RULE_REF", at, `there is no tag '${written}'`, found.suggestion);
    else {
      if (found.isOld)
        report.warning("OLD_TAG", at, `'${written}' is '${found.tag}' now: ${found.name}`);
      tags.push(found.tag);
    }
  }
  return [...new Set(tags)];
}

export function warnIfFolded(scalar: Scalar, name: string, report: Report): void {
  if (!report.source.isFolded(scalar)) return;
  const message = `'${name}' is folded, so positions in it are lost; use '|'`;
  report.warning("FOLDED_SCALAR", report.source.startOf(scalar), message);
}

/** Only the called end has a port that says something. */
function peerPortOf(on: EntityType, peer: string): (entity: unknown) => number {
  const portField = { "edge.dst": "edge.port", "flow.dst": "flow.dst_port" }[peer];
  const path = portField === undefined ? null : resolvePath(on, portField);
  if (!path || "message" in path) return () => 0;
  return (entity) => Number(path.get(entity));
}

/** UTF-16 units of one key value: it is hashed, stored and shown, and a sender chose its length. */
const keyValueMax = 512;

function kindOf(type: Path["type"]): KeyPath["is"] {
  if (type === "node") return "node";
  return type === "string" || typeof type === "object" ? "text" : "value";
}

function keyValue(value: unknown): string {
  if (typeof value === "object") return cleanText(nodeKey(value as NodeEntity), keyValueMax); // by its type
  return cleanText(`${value as string | number | boolean}`, keyValueMax); // likewise
}
