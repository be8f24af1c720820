/**
 * CEL text to a checked syntax tree. The only file that knows the CEL library: it parses, type-checks
 * and gives positions; nothing of it runs when rules are evaluated. What the library does not check
 * (paths in `has()`, enumerations, constant patterns) is `check.ts`'s business.
 */
import { Environment, type ASTNode } from "@marcbachmann/cel-js";
import { entityFields, type FieldType, type RecordType } from "../model/entities.ts";
import {
  comprehensionNames,
  type ComprehensionName,
  type FieldNode,
  type Node,
  type Range,
} from "./ast.ts";
import { nearest } from "../lib/nearest.ts";
import { syntaxProblem } from "./syntax-error.ts";

/** Deeper or larger expressions are refused: the cost of a rule is bounded when it is loaded. */
export const nodesMax = 500;
const depthMax = 40;
/** UTF-16 units of an expression's text: long constants are lists. */
const textMax = 10_000;

export const durationType = "google.protobuf.Duration";

/** A problem of one expression; `range` counts in its own text. */
export interface ExpressionError {
  readonly code: "RULE_CEL_SYNTAX" | "RULE_CEL_TYPE";
  readonly range: Range;
  readonly message: string;
  /** What was probably meant, "" = no idea. */
  readonly suggestion: string;
  /** The item of a named list that is wrong; it stands elsewhere. */
  readonly item?: { readonly list: string; readonly value: unknown };
  /** A name that cannot be hidden, and is. */
  readonly hidden?: string;
}

export type Checked =
  | { readonly ok: true; readonly node: Node }
  | { readonly ok: false; readonly error: ExpressionError };

/** What an expression can name: variable to its type, a type's name or the fields of a nameless record. */
export type Variables = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

/** The library's name for the type of a field. */
export function fieldTypeToCel(type: FieldType): string {
  if (typeof type === "object") return "string";
  if (type === "id" || type === "proxy_id") return "int";
  return type === "duration" || type === "age" ? durationType : type;
}

/** Checks expressions over one set of variables. Making one costs as much as checking several. */
export class FrontEnd {
  readonly #environment: Environment;
  readonly #names: readonly string[];
  readonly #fields: readonly string[];

  constructor(variables: Variables) {
    this.#names = Object.keys(variables);
    const nameless = Object.values(variables).filter((type) => typeof type === "object");
    this.#fields = [...nameless.flatMap((fields) => Object.keys(fields)), ...fieldNames];
    this.#environment = base.clone();
    for (const [name, type] of Object.entries(variables)) {
      if (typeof type === "string")
        this.#environment.registerVariable(safeName(name), safeName(type));
      else this.#environment.registerVariable(safeName(name), { schema: { ...type } });
    }
  }

  /** Never throws for what the text holds; only the first error of an expression is known. */
  check(text: string): Checked {
    if (text.length > textMax) {
      const range = { start: 0, end: text.length };
      const message = `an expression of more than ${textMax} characters`;
      return { ok: false, error: { code: "RULE_CEL_SYNTAX", range, message, suggestion: "" } };
    }
    let ast: ASTNode;
    try {
      const parsed = this.#environment.parse(spellSafely(text));
      const result = parsed.check();
      if (!result.valid) return this.#failure(result.error, "RULE_CEL_TYPE", text);
      ({ ast } = parsed);
    } catch (error) {
      return this.#failure(error, "RULE_CEL_SYNTAX", text);
    }
    try {
      return { ok: true, node: toNode(ast) };
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      const { range, message } = error;
      return { ok: false, error: { code: "RULE_CEL_TYPE", range, message, suggestion: "" } };
    }
  }

  #failure(error: unknown, code: ExpressionError["code"], text: string): Checked {
    const { code: reason, summary, range: at } = error as LibraryError; // of a plain error all are absent
    if (summary === undefined) return internalFailure(error, text);
    const range = { start: at?.start ?? 0, end: at?.end ?? at?.start ?? 0 };
    const word = text.slice(range.start, range.end);
    if (reason === "no_such_key") {
      const suggestion = nearest(word, this.#fields);
      return { ok: false, error: { code, range, message: `no field '${word}'`, suggestion } };
    }
    if (reason === "unknown_variable") {
      const message = `nothing is named '${word}'`;
      return { ok: false, error: { code, range, message, suggestion: nearest(word, this.#names) } };
    }
    const problem = syntaxProblem(summary.replaceAll("namespacE", "namespace"), text, range);
    return { ok: false, error: { code, range, ...problem } };
  }
}

/** The library's own limits, of which it tells by a plain error: items of an empty list have no type. */
function internalFailure(error: unknown, text: string): Checked {
  const reason = error instanceof Error ? error.message : String(error);
  const message = /overlaps with/.test(reason)
    ? "the type of an operand is not known here, as that of an empty list's items"
    : `the type checker fails here: ${reason}`;
  const range = { start: 0, end: text.length };
  return { ok: false, error: { code: "RULE_CEL_TYPE", range, message, suggestion: "" } };
}

/** What the library does not declare itself. */
const ownFunctions = [
  "string.inCidr(string): bool",
  "string.charAt(int): string",
  "string.replace(string, string): string",
  "string.replace(string, string, int): string",
  `string(${durationType}): string`,
];

/** The environment that all share: our record types and functions, no variables. */
function makeBase(): Environment {
  const environment = new Environment({ limits: { maxAstNodes: nodesMax, maxDepth: depthMax } });
  const registered = new Set<string>();
  function register(name: RecordType): void {
    if (registered.has(name)) return;
    registered.add(name);
    const table: Readonly<Record<string, FieldType>> = entityFields[name];
    const fields: Record<string, string> = {};
    for (const [field, type] of Object.entries(table)) {
      fields[field] = fieldTypeToCel(type);
      // A type must be known before another names it.
      if (type === "node" || type === "process") register(type);
      if (type === "list<container>") register("container");
    }
    environment.registerType(safeName(name), { fields });
  }
  for (const name of Object.keys(entityFields)) register(name as RecordType); // the table's own keys
  // Declared for the checker alone: what they do is in `functions.ts`.
  for (const signature of ownFunctions) environment.registerFunction(signature, () => null);
  return environment;
}
const base = makeBase();
const fieldNames = new Set(Object.values(entityFields).flatMap((fields) => Object.keys(fields)));

/** `namespace` is a reserved word of CEL, yet the name of an entity: spelled otherwise, equally long. */
function safeName(name: string): string {
  return name === "namespace" ? "namespacE" : name;
}
function plainName(name: string): string {
  return name === "namespacE" ? "namespace" : name;
}
// Strings are matched first, so that the word inside one is left alone; after a dot it is a field.
const stringOrNamespace = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?<![.\w])namespace(?!\w)/g;
function spellSafely(text: string): string {
  return text.replace(stringOrNamespace, safeName);
}

/** What the library reports, of which only the documented fields are read. */
interface LibraryError {
  readonly code?: string;
  readonly summary?: string;
  readonly range?: Range;
}

/** Valid CEL that this engine does not evaluate. */
class Unsupported extends Error {
  readonly range: Range;
  constructor(node: Range, what: string) {
    super(`${what} is not supported`);
    this.range = { start: node.start, end: node.end };
  }
}

function toNode(ast: ASTNode): Node {
  const place = { start: ast.start, end: ast.end, type: typeOf(ast) };
  switch (ast.op) {
    case "value":
      return { ...place, op: "constant", value: toConstant(ast, ast.args) };
    case "id":
      if (place.type === "type") throw new Unsupported(place, "a type as a value");
      return { ...place, op: "name", name: plainName(ast.args) };
    case ".": {
      const [of, name] = ast.args;
      return { ...place, op: "field", of: toNode(of), name, nameStart: ast.end - name.length };
    }
    case "[]":
      return { ...place, op: "index", of: toNode(ast.args[0]), key: toNode(ast.args[1]) };
    case "!_":
      return { ...place, op: "not", of: toNode(ast.args) };
    case "-_":
      return { ...place, op: "negate", of: toNode(ast.args) };
    case "&&":
    case "||": {
      const [left, right] = ast.args;
      const op = ast.op === "&&" ? "and" : "or";
      return { ...place, op, left: toNode(left), right: toNode(right) };
    }
    case "?:": {
      const [condition, yes, no] = ast.args;
      return {
        ...place,
        op: "choose",
        condition: toNode(condition),
        yes: toNode(yes),
        no: toNode(no),
      };
    }
    case "list":
      return { ...place, op: "list", items: ast.args.map(toNode) };
    case "call":
      return toCall(place, ast.args[0], null, ast.args[1]);
    case "rcall":
      return toCall(place, ast.args[0], ast.args[1], ast.args[2]);
    case "map": {
      const keys = ast.args.map(([key]) => toNode(key));
      const other = keys.find(({ type }) => type !== "string" && type !== "dyn");
      if (other) throw new Unsupported(other, "a map whose keys are not strings");
      return { ...place, op: "map", keys, values: ast.args.map(([, value]) => toNode(value)) };
    }
    case ".?":
    case "[?]":
      throw new Unsupported(place, "optional access");
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "in":
    case "+":
    case "-":
    case "*":
    case "/":
    case "%": {
      const [left, right] = ast.args;
      return {
        ...place,
        op: "binary",
        operator: ast.op,
        left: toNode(left),
        right: toNode(right),
      };
    }
  }
}

type Place = Range & { readonly type: string };

/** Calls, and the macros of CEL that look like calls. */
function toCall(
  place: Place,
  name: string,
  receiver: ASTNode | null,
  args: readonly ASTNode[],
): Node {
  const [first, second] = args;
  if (receiver === null && name === "has" && first) {
    return { ...place, op: "has", of: toHasPath(first) };
  }
  if (receiver && isComprehension(name) && first && second) {
    if (first.op !== "id" || args.length !== 2)
      throw new Unsupported(place, `this form of ${name}()`);
    const variable = first.args;
    return {
      ...place,
      op: "comprehension",
      name,
      over: toNode(receiver),
      variable,
      body: toNode(second),
    };
  }
  const all = receiver ? [receiver, ...args] : args;
  return { ...place, op: "call", name, args: all.map(toNode) };
}

/** The library checks only the first name of this path, and gives the rest no types. */
function toHasPath(ast: ASTNode): FieldNode {
  const node = toNode(ast);
  if (node.op !== "field") throw new Unsupported(node, "has() of anything but a field");
  return node;
}

function isComprehension(name: string): name is ComprehensionName {
  return (comprehensionNames as readonly string[]).includes(name);
}

/** The library's integers are BigInts; ours are numbers, as entities hold them. */
function toConstant(place: Range, value: unknown): string | number | boolean | null {
  if (typeof value === "bigint") {
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) {
      throw new Unsupported(place, "an integer beyond 2^53");
    }
    return Number(value);
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  if (value === null) return null;
  throw new Unsupported(place, "a literal of this type");
}

/** The checker leaves its result on each node; the library's types do not mention it. */
function typeOf(ast: ASTNode): string {
  const { checkedType } = ast as { readonly checkedType?: { readonly name: string } };
  return plainName(checkedType?.name ?? "dyn");
}
