/**
 * Compares a YAML node with the format's table: unknown keys, missing keys, values of the wrong kind.
 * Reports everything it finds and changes nothing.
 */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { nearest } from "../lib/nearest.ts";
import type { Diagnostic, ErrorCode, WarningCode } from "./diagnostics.ts";
import type { Key, Keys, Shape } from "./keys.ts";
import { textOf, type Position, type Source } from "./source.ts";

/** Collects what is wrong with one file. */
export class Report {
  readonly source: Source;
  /** The place of the file among those of its set: what comes later gives way. */
  readonly order: number;
  readonly #into: Diagnostic[];
  readonly #seen = new Set<string>();
  readonly #counts = { error: 0, warning: 0 };
  #errorCount = 0;

  constructor(source: Source, into: Diagnostic[], order: number) {
    this.source = source;
    this.order = order;
    this.#into = into;
  }

  get errorCount(): number {
    return this.#errorCount;
  }

  error(code: ErrorCode, at: Position, message: string, suggestion = ""): void {
    this.add({ code, severity: "error", file: this.source.path, ...at, message, suggestion });
  }

  warning(code: WarningCode, at: Position, message: string): void {
    const { path: file } = this.source;
    this.add({ code, severity: "warning", file, ...at, message, suggestion: "" });
  }

  /**
   * The same complaint at the same place is made once: several rules can use one macro. Beyond so many
   * of a kind, nobody reads them; errors and warnings apart, so that no flood of one hides the other.
   */
  add(diagnostic: Diagnostic): void {
    const { severity, line, column, message } = diagnostic;
    if (severity === "error") this.#errorCount++;
    const key = `${line}:${column} ${message}`;
    if (this.#seen.has(key)) return;
    const count = this.#counts[severity]++;
    if (count >= diagnosticsMax) return;
    this.#seen.add(key);
    this.#into.push(diagnostic);
  }
}

/** Errors, and warnings, that are kept of one file. */
const diagnosticsMax = 1_000;

/** `where` names the place in words: `rule plaintext-traffic`. */
export function validate(node: unknown, shape: Shape, where: string, report: Report): void {
  const problem = problemOf(node, shape);
  if (problem !== null) {
    const suggestion = shape.kind === "choice" ? suggestValue(node, shape.values) : "";
    report.error(
      "RULE_KEY",
      report.source.startOf(asNode(node)),
      `${where} ${problem}`,
      suggestion,
    );
    return;
  }
  if (shape.kind === "list" && isSeq(node)) {
    for (const item of node.items) validate(item, shape.of, `an item of ${where}`, report);
  }
  if (shape.kind === "record" && isMap(node)) validateKeys(node, shape.keys, where, report);
  if (shape.kind !== "map" || !isMap(node)) return;
  for (const { key, value } of node.items) {
    checkName(key, shape, where, report);
    validate(value, shape.of, `'${textOf(key)}' of ${where}`, report);
  }
}

/**
 * As `validate` of a record; `skip` are keys that the caller validates itself, `code` says what the lack
 * of a required key is.
 */
export function validateKeys(
  node: YAMLMap,
  keys: Keys,
  where: string,
  report: Report,
  skip: readonly string[] = [],
  code: ErrorCode = "RULE_KEY",
): void {
  for (const { key, value } of node.items) {
    const name = textOf(key) ?? String(key);
    const known = Object.hasOwn(keys, name) ? keys[name] : undefined;
    const place = report.source.startOf(asNode(key));
    if (!known) {
      report.error(
        "RULE_KEY",
        place,
        `unknown key '${name}' in ${where}`,
        nearest(name, Object.keys(keys)),
      );
    } else if (known.refusal !== undefined) {
      report.error("RULE_KEY", place, `'${name}' in ${where} is no key: ${known.refusal}`);
    } else if (!skip.includes(name)) {
      validate(value, known.shape, `'${name}' of ${where}`, report);
    }
  }
  for (const name of missingKeys(node, keys)) {
    report.error(code, report.source.startOf(node), `${where} has no '${name}'`);
  }
}

/** Required keys that are not there. */
function missingKeys(node: YAMLMap, keys: Keys): readonly string[] {
  const isMissing = ([name, key]: [string, Key]) => key.isRequired && !node.has(name);
  return Object.entries(keys)
    .filter(isMissing)
    .map(([name]) => name);
}

/** Keys that the author chooses: names of lists, macros and params. */
function checkName(
  key: unknown,
  shape: Shape & { readonly kind: "map" },
  where: string,
  report: Report,
): void {
  const name = textOf(key);
  if (name !== undefined && (shape.keys === "" || new RegExp(shape.keys).test(name))) return;
  const at = report.source.startOf(asNode(key));
  report.error("RULE_KEY", at, `the name '${String(key)}' in ${where} is not ${shape.like}`);
}

/** What a node is instead of the shape, or null when its own level fits. */
function problemOf(node: unknown, shape: Shape): string | null {
  const value = isScalar(node) ? node.value : undefined;
  switch (shape.kind) {
    case "any":
      return null;
    case "text":
      if (typeof value !== "string") return "must be text";
      if (shape.pattern === undefined || new RegExp(shape.pattern).test(value)) return null;
      return `must be ${shape.like ?? "of another form"}, is '${value}'`;
    case "int":
      return Number.isSafeInteger(value) ? null : "must be a whole number";
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? null : "must be a number";
    case "bool":
      return typeof value === "boolean" ? null : "must be true or false";
    case "choice":
      if (shape.values.some((one) => one === value)) return null;
      return `must be one of ${shape.values.join(", ")}`;
    case "list":
      if (!isSeq(node)) return "must be a list";
      return shape.isNonEmpty && node.items.length === 0 ? "must not be empty" : null;
    case "map":
    case "record":
      return isMap(node) ? null : "must be a map";
    case "either": {
      const problems = shape.of.map((one) => problemOf(node, one));
      return problems.includes(null) ? null : problems.join(", or ");
    }
  }
}

function suggestValue(node: unknown, values: readonly (string | number)[]): string {
  const value = isScalar(node) ? node.value : undefined;
  return typeof value === "string" ? nearest(value, values.map(String)) : "";
}

/** What has a place in the file; null is the place of the whole. */
function asNode(node: unknown): Node | null {
  return isScalar(node) || isMap(node) || isSeq(node) ? node : null;
}
