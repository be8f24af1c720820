/**
 * What the CEL checker leaves open, checked on the tree when a rule is loaded: paths inside `has()`,
 * constants that an enumeration does not have, patterns and networks, the cost of comprehensions. Also
 * finds out which fields an expression reads.
 */
import { RE2JS } from "re2js";
import { parseCidr } from "../lib/ip.ts";
import { entityFields, type FieldType, type RecordType } from "../model/entities.ts";
import { childrenOf, pathOf, visit, type CallNode, type FieldNode, type Node } from "./ast.ts";
import { nearest } from "../lib/nearest.ts";
import { parseDuration } from "../model/durations.ts";
import { nodesMax, type ExpressionError } from "./front-end.ts";
import { isFunctionName } from "./functions.ts";

export type ListValues = readonly string[] | readonly number[];
export type Lists = ReadonlyMap<string, ListValues>;

/** Deeper nesting multiplies the lengths of three lists: nobody needs it, and it is not bounded. */
const nestingMax = 2;

/** Every problem of one expression. `names` are those it may not hide with its own variables. */
export function checkTree(
  root: Node,
  lists: Lists,
  names: ReadonlySet<string>,
): readonly ExpressionError[] {
  const errors: ExpressionError[] = [];
  const ages = comparedAges(root);
  visit(root, (node) => {
    checkNode(node, lists, ages, errors);
    if (node.op === "comprehension") checkVariable(node, lists, names, errors);
  });
  return errors;
}

/** The same after macros took their names' places, where only the size can still be wrong. */
export function checkCost(root: Node): ExpressionError | null {
  let count = 0;
  visit(root, () => count++);
  if (count > nodesMax) return typeError(root, `more than ${nodesMax} nodes with its macros`);
  if (nestingOf(root) > nestingMax) {
    return typeError(root, `comprehensions are nested deeper than ${nestingMax}`);
  }
  return null;
}

/** Paths below the entity's variable, without it: `src.name`. */
export function fieldsRead(root: Node, variable: string): readonly string[] {
  const paths = new Set<string>();
  function collect(node: Node): void {
    const path = node.op === "field" ? pathOf(node) : null;
    if (path?.[0] === variable) paths.add(path.slice(1).join("."));
    else for (const child of childrenOf(node)) collect(child);
  }
  collect(root);
  return [...paths];
}

/** Whether some part of it is matched by RE2, which is slower than all the rest together. */
export function usesRegex(root: Node): boolean {
  let found = false;
  visit(root, (node) => {
    if (node.op === "call" && node.name === "matches") found = true;
  });
  return found;
}

/** Narrows the checker's type name to one of our records. */
export function isRecordType(type: string): type is RecordType {
  return Object.hasOwn(entityFields, type);
}

/** A field of a record type, or undefined when it has none of that name. */
export function fieldOf(record: RecordType, name: string): FieldType | undefined {
  const fields: Readonly<Record<string, FieldType>> = entityFields[record];
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function nestingOf(node: Node): number {
  const below = Math.max(0, ...childrenOf(node).map(nestingOf));
  if (node.op !== "comprehension") return below;
  // What it walks over is evaluated once, beside the body and not inside it.
  return Math.max(nestingOf(node.over), 1 + nestingOf(node.body));
}

function typeError(node: Node, message: string, suggestion = ""): ExpressionError {
  const range = { start: node.start, end: node.end };
  return { code: "RULE_CEL_TYPE", range, message, suggestion };
}

/** A constant that is wrong where it is used, be it written there or an item of a named list. */
function constantError({ node, value }: Constant, message: string, suggestion = "") {
  const error = typeError(node, message, suggestion);
  return node.op === "name" ? { ...error, item: { list: node.name, value } } : error;
}

function checkNode(
  node: Node,
  lists: Lists,
  ages: ReadonlySet<Node>,
  errors: ExpressionError[],
): void {
  if (node.op === "has") checkHas(node.of, errors);
  if (node.op === "call") checkCall(node, errors);
  if (node.op === "binary") {
    checkEnumeration(node.left, node.right, lists, errors);
    if (node.operator !== "in") checkEnumeration(node.right, node.left, lists, errors);
  }
  if (isAge(node) && !ages.has(node)) {
    const path = pathOf(node)?.join(".") ?? "this";
    const message = `'${path}' is an age: it is compared by < <= > >= with duration('…') or a param`;
    errors.push(typeError(node, message));
  }
}

/** Whether it is a time since something, whose value is another one at each evaluation. */
export function isAge(node: Node): boolean {
  return node.op === "field" && fieldTypeOf(node) === "age";
}

const orders: ReadonlySet<string> = new Set(["<", "<=", ">", ">="]);

/** The ages that stand where one may: only so is it known when the answer changes. */
function comparedAges(root: Node): ReadonlySet<Node> {
  const found = new Set<Node>();
  visit(root, (node) => {
    if (node.op !== "binary" || !orders.has(node.operator)) return;
    if (isAge(node.left) && isFixed(node.right)) found.add(node.left);
    if (isAge(node.right) && isFixed(node.left)) found.add(node.right);
  });
  return found;
}

/** The same at every evaluation: a constant duration or a param. */
function isFixed(node: Node): boolean {
  if (node.op === "call") return node.name === "duration";
  return node.op === "field" && node.of.op === "name" && node.of.name === "params";
}

/** The type of a field in `entityFields`; has() leaves its path untyped, so it is followed here. */
function fieldTypeOf(node: FieldNode): FieldType | undefined {
  const record = recordOf(node.of);
  return record && fieldOf(record, node.name);
}

/** The record that a node stands for, also where the checker left it untyped. */
function recordOf(node: Node): RecordType | undefined {
  if (isRecordType(node.type)) return node.type;
  const type = node.op === "field" ? fieldTypeOf(node) : undefined;
  return type === "node" || type === "process" ? type : undefined;
}

/** From the left, so that the first wrong name of a path is the one that is reported. */
function checkHas(node: FieldNode, errors: ExpressionError[]): void {
  if (node.of.op === "field") checkHas(node.of, errors);
  if (node.of.op === "name" && node.of.name === "params") {
    errors.push(typeError(node, "has() of a param, which always has a value"));
  }
  const record = recordOf(node.of);
  if (record && !fieldOf(record, node.name)) {
    errors.push({
      code: "RULE_CEL_TYPE",
      range: { start: node.nameStart, end: node.end },
      message: `no field '${node.name}' in ${record}`,
      suggestion: nearest(node.name, Object.keys(entityFields[record])),
    });
  }
}

/** A misspelt constant would be legal CEL that is never true: the quietest of all mistakes. */
function checkEnumeration(field: Node, other: Node, lists: Lists, errors: ExpressionError[]): void {
  const type = field.op === "field" ? fieldTypeOf(field) : undefined;
  if (typeof type !== "object") return;
  for (const constant of constantsOf(other, lists)) {
    const { value } = constant;
    if (typeof value !== "string" || type.values.includes(value)) continue;
    const path = pathOf(field)?.join(".") ?? "this field";
    const known = type.values.join(", ");
    const message = `'${value}' is no value of ${path}, which is one of ${known}`;
    errors.push(constantError(constant, message, nearest(value, type.values)));
  }
}

/** A value, and the node that is or stands for it. */
interface Constant {
  readonly node: Node;
  readonly value: unknown;
}

/** Every constant that a node can stand for: itself, a list literal's items, a named list's values. */
function constantsOf(node: Node, lists: Lists): readonly Constant[] {
  if (node.op === "constant") return [{ node, value: node.value }];
  if (node.op === "list") return node.items.flatMap((item) => constantsOf(item, lists));
  if (node.op !== "name") return [];
  return (lists.get(node.name) ?? []).map((value: unknown) => ({ node, value }));
}

function checkCall(node: CallNode, errors: ExpressionError[]): void {
  if (!isFunctionName(node.name, node.args.length)) {
    errors.push(typeError(node, `the function '${node.name}' is not supported by this version`));
    return;
  }
  const last = node.args.at(-1);
  const text = last?.op === "constant" && typeof last.value === "string" ? last.value : null;
  const problem = argumentProblem(node.name, text);
  if (problem !== "") errors.push(typeError(last ?? node, problem));
}

/** What is wrong with the last argument; `text` is null when it is no constant. "" = nothing. */
function argumentProblem(name: string, text: string | null): string {
  switch (name) {
    case "matches":
      return text === null ? "the pattern of matches() must be a constant" : regexProblem(text);
    case "duration":
      if (text === null) return "duration() takes a constant";
      return parseDuration(text) === null ? `'${text}' is no duration like 5m or 1h30m` : "";
    case "inCidr":
      return text === null || parseCidr(text) ? "" : notANetwork(text);
    default:
      return "";
  }
}

function notANetwork(text: string): string {
  return `'${text}' is no network like 10.0.0.0/8`;
}

/**
 * RE2 takes time by the product of the text's length and the program's size: both have a limit, so that
 * no pattern takes longer than some milliseconds on any text.
 */
const patternMax = 500;
const programMax = 500;

function regexProblem(pattern: string): string {
  if (pattern.length > patternMax) return `a pattern of more than ${patternMax} characters`;
  try {
    const isTooLarge = RE2JS.compile(pattern).programSize() > programMax;
    return isTooLarge ? `a pattern of more than ${programMax} steps, as RE2 counts them` : "";
  } catch (error) {
    return `bad pattern (RE2): ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A comprehension's variable: hides nothing, and a list whose items are networks holds networks. */
function checkVariable(
  node: Node & { readonly op: "comprehension" },
  lists: Lists,
  names: ReadonlySet<string>,
  errors: ExpressionError[],
): void {
  if (names.has(node.variable)) {
    const message = `the variable '${node.variable}' hides what has that name`;
    errors.push({ ...typeError(node, message), hidden: node.variable });
  }
  const constants = constantsOf(node.over, lists);
  visit(node.body, (inner) => {
    const network = inner.op === "call" && inner.name === "inCidr" ? inner.args[1] : undefined;
    if (network?.op !== "name" || network.name !== node.variable) return;
    for (const constant of constants) {
      const { value } = constant;
      if (typeof value !== "string" || parseCidr(value)) continue;
      errors.push(constantError(constant, notANetwork(value)));
    }
  });
}
