/**
 * A checked tree to closures over the plain entity. CEL's error semantics hold: a fault on one side of
 * `||` or `&&` counts only where the other side does not decide. Numbers are JS numbers; an integer
 * result beyond 2^53 is a fault. No text is ever evaluated as code.
 */
import { assert } from "../lib/assert.ts";
import { makeAgeComparison, mirror, type TimeFrame } from "./ages.ts";
import type {
  BinaryNode,
  CallNode,
  ComprehensionNode,
  FieldNode,
  LogicNode,
  Node,
  OrderOperator,
} from "./ast.ts";
import { isAge, isRecordType, type ListValues } from "./check.ts";
import { durationType } from "./front-end.ts";
import { Fault, type Value } from "./fault.ts";
import { makeCall } from "./functions.ts";
import { readerOf } from "./records.ts";
import {
  isEqual,
  makeArithmetic,
  makeOrder,
  makeTextOrder,
  negate,
  type Orderable,
} from "./operators.ts";

/** What one evaluation works on. Reused from one to the next: nothing may keep it. */
export interface Frame extends TimeFrame {
  entity: unknown;
  /** Values of comprehension variables, by depth. */
  readonly locals: Value[];
  /** Bodies of comprehensions evaluated so far. */
  steps: number;
  /** How many a counting rule has counted, as its message says it. */
  count: string;
}

/** Gives a value or throws a `Fault`; keeps no state between calls. */
export type Expression = (frame: Frame) => Value;

/** In messages of counting rules: how many there are, as text. */
export const countName = "count";

export interface CompileContext {
  /** The name that stands for the entity. */
  readonly variable: string;
  readonly lists: ReadonlyMap<string, ListValues>;
  readonly params: ReadonlyMap<string, string | number | boolean>;
}

/** One per evaluator is enough: `entity`, `steps` and the times are set before each evaluation. */
export function makeFrame(): Frame {
  return { entity: null, locals: [], steps: 0, count: "", nowUs: 0, dueUs: Infinity };
}

/**
 * `node` has passed the checker and `check.ts`, with macros in their names' places: what they refuse is
 * asserted here and never met at run time. `locals`: variables of comprehensions around it, for those who
 * run a part of an expression and put their values into the frame.
 */
export function compile(
  node: Node,
  context: CompileContext,
  locals: readonly string[] = [],
): Expression {
  return compileNode(node, context, locals);
}

/** A rule that walks more items than this per evaluation gives up: hostile lists cost no seconds. */
const stepsMax = 20_000;
const tooManySteps = new Fault("cost", `more than ${stepsMax} list items in one evaluation`);

// One of each for all places, as in `operators.ts`.
const noItem = new Fault("missing", "no item with this index or key");
const notABool = new Fault("type", "a condition is no bool");
const notIterable = new Fault("type", "a comprehension got neither a list nor a map");
const badMapKey = new Fault("type", "a map has the same key twice, or one that is no text");
const notAContainer = new Fault("type", "'in' got neither a list nor a map");

/** `locals` are the names of enclosing comprehension variables; their index is their slot. */
function compileNode(node: Node, context: CompileContext, locals: readonly string[]): Expression {
  const below = (child: Node): Expression => compileNode(child, context, locals);
  switch (node.op) {
    case "constant": {
      const { value } = node;
      return () => value;
    }
    case "name":
      return compileName(node.name, context, locals);
    case "field":
      return compileField(node, context, locals);
    case "has":
      return compileHas(node.of, below(node.of.of));
    case "index":
      return compileIndex(below(node.of), below(node.key));
    case "not": {
      const of = asBool(node.of, below(node.of));
      return (frame) => of(frame) === false;
    }
    case "negate": {
      const of = below(node.of);
      return (frame) => negate(of(frame), node.type);
    }
    case "and":
    case "or":
      return compileLogic(node, below);
    case "choose": {
      const condition = asBool(node.condition, below(node.condition));
      const [yes, no] = [below(node.yes), below(node.no)];
      return (frame) => (condition(frame) === true ? yes(frame) : no(frame));
    }
    case "binary":
      return compileBinary(node, context, below);
    case "list": {
      const items = node.items.map(below);
      return (frame) => items.map((item) => item(frame));
    }
    case "map":
      return compileMap(node.keys.map(below), node.values.map(below));
    case "call":
      return compileCall(node, node.args.map(below));
    case "comprehension":
      return compileComprehension(node, context, locals);
  }
}

/** A comprehension's variable, a list or the entity; inner variables hide outer ones of the same name. */
function compileName(name: string, context: CompileContext, locals: readonly string[]): Expression {
  const slot = locals.lastIndexOf(name);
  if (slot >= 0) return (frame) => frame.locals[slot];
  const list = context.lists.get(name);
  if (list) return () => list;
  if (name === countName) return (frame) => frame.count;
  assert(name === context.variable, `'${name}' was checked when the rule was loaded`);
  return (frame) => frame.entity;
}

function compileField(
  node: FieldNode,
  context: CompileContext,
  locals: readonly string[],
): Expression {
  const { of, name } = node;
  if (of.op === "name" && of.name === "params" && !locals.includes("params")) {
    const value = context.params.get(name);
    assert(value !== undefined, `the param '${name}' was checked when the rule was loaded`);
    return () => value;
  }
  const record = compileNode(of, context, locals);
  // Records are our own and have every field, so the plain read is safe; maps are foreign data.
  if (isRecordType(of.type)) return compileRecordField(of, name, record, context, locals);
  const missing = new Fault("missing", `no field '${name}'`);
  return (frame) => ownValue(record(frame), name, missing);
}

/** Of the entity itself with one step less: that is what conditions read most. */
function compileRecordField(
  of: Node,
  name: string,
  record: Expression,
  context: CompileContext,
  locals: readonly string[],
): Expression {
  const read = readerOf(name);
  const isEntity = of.op === "name" && of.name === context.variable && !locals.includes(of.name);
  return isEntity ? (frame) => read(frame.entity) : (frame) => read(record(frame));
}

function compileIndex(of: Expression, key: Expression): Expression {
  return (frame) => {
    const container = of(frame);
    const index = key(frame);
    if (!Array.isArray(container)) return ownValue(container, index, noItem);
    if (typeof index !== "number" || !(index in container)) throw noItem;
    return container[index];
  };
}

/** Nearly all functions take one or two arguments. */
function compileCall(node: CallNode, args: readonly Expression[]): Expression {
  const call = makeCall(node);
  const [first, second] = args;
  if (first && args.length === 1) return (frame) => call([first(frame)]);
  if (first && second && args.length === 2) return (frame) => call([first(frame), second(frame)]);
  return (frame) => call(args.map((arg) => arg(frame)));
}

function compileMap(keys: readonly Expression[], values: readonly Expression[]): Expression {
  return (frame) => {
    const entries = new Map<string, Value>();
    for (const [index, key] of keys.entries()) {
      const name = key(frame);
      if (typeof name !== "string" || entries.has(name)) throw badMapKey;
      entries.set(name, values[index]?.(frame));
    }
    return Object.fromEntries(entries);
  };
}

/** Only own keys count: `labels.constructor` and `__proto__` are absent labels like any other. */
function ownValue(container: Value, key: Value, missing: Fault): Value {
  if (typeof container !== "object" || container === null) throw missing;
  if (typeof key !== "string" || !Object.hasOwn(container, key)) throw missing;
  return (container as Readonly<Record<string, Value>>)[key]; // an object: checked above
}

/** Asks for the last name alone, as in CEL: what it is asked of must be there, whatever it is. */
function compileHas(node: FieldNode, of: Expression): Expression {
  const { name } = node;
  return (frame) => {
    const container = of(frame);
    if (typeof container !== "object" || container === null) return false;
    return !Array.isArray(container) && Object.hasOwn(container, name);
  };
}

/** Adds the run-time check where the checker could not know the type. */
function asBool(node: Node, expression: Expression): Expression {
  if (node.type === "bool") return expression;
  return (frame) => {
    const value = expression(frame);
    if (typeof value !== "boolean") throw notABool;
    return value;
  };
}

/** A chain of one operator is one loop. */
function compileLogic(node: LogicNode, below: (child: Node) => Expression): Expression {
  const terms = termsOf(node.op, node).map((term) => asBool(term, below(term)));
  /** The value of any term that decides, whatever the others are. */
  const deciding = node.op === "or";
  return (frame) => {
    let fault: unknown = null;
    for (const term of terms) {
      try {
        if (term(frame) === deciding) return deciding;
      } catch (error) {
        fault ??= error;
      }
    }
    if (fault !== null) throw fault;
    return !deciding;
  };
}

/** `a && b && c` as its three terms, from left to right; what `isWhole` is one term, whatever it is. */
export function termsOf(
  op: LogicNode["op"],
  node: Node,
  isWhole: (term: Node) => boolean = () => false,
): readonly Node[] {
  if (node.op !== op) return [node];
  return [node.left, node.right].flatMap((side) =>
    isWhole(side) ? [side] : termsOf(op, side, isWhole),
  );
}

function compileBinary(
  node: BinaryNode,
  context: CompileContext,
  below: (child: Node) => Expression,
): Expression {
  const [left, right] = [below(node.left), below(node.right)];
  const isPlain = isScalar(node.left.type) && isScalar(node.right.type);
  const constant = isPlain && node.right.op === "constant" ? node.right.value : undefined;
  switch (node.operator) {
    case "in":
      return compileIn(node, left, right, context);
    case "==":
      if (constant !== undefined) return (frame) => left(frame) === constant;
      return isPlain
        ? (frame) => left(frame) === right(frame)
        : (frame) => isEqual(left(frame), right(frame));
    case "!=":
      if (constant !== undefined) return (frame) => left(frame) !== constant;
      return isPlain
        ? (frame) => left(frame) !== right(frame)
        : (frame) => !isEqual(left(frame), right(frame));
    case "<":
    case "<=":
    case ">":
    case ">=":
      if (isAge(node.left)) return compileAge(node.operator, left, right);
      if (isAge(node.right)) return compileAge(mirror(node.operator), right, left);
      return isPlain
        ? compileOrder(node.operator, node.left.type, left, right)
        : compileOrderOfAny(node.operator, left, right);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%": {
      const calculate = makeArithmetic(node.operator, node.type);
      return (frame) => calculate(left(frame), right(frame));
    }
  }
}

function compileAge(operator: OrderOperator, since: Expression, limit: Expression): Expression {
  const compare = makeAgeComparison(operator);
  return (frame) => compare(since(frame), limit(frame), frame);
}

/** Of values whose types the checker knows to be the same. */
function compileOrder(
  operator: OrderOperator,
  type: string,
  left: Expression,
  right: Expression,
): Expression {
  if (type === "string") {
    const order = makeTextOrder(operator);
    return (frame) => order(left(frame) as string, right(frame) as string);
  }
  switch (operator) {
    case "<":
      return (frame) => (left(frame) as Orderable) < (right(frame) as Orderable);
    case "<=":
      return (frame) => (left(frame) as Orderable) <= (right(frame) as Orderable);
    case ">":
      return (frame) => (left(frame) as Orderable) > (right(frame) as Orderable);
    case ">=":
      return (frame) => (left(frame) as Orderable) >= (right(frame) as Orderable);
  }
}

function compileOrderOfAny(
  operator: OrderOperator,
  left: Expression,
  right: Expression,
): Expression {
  const order = makeOrder(operator);
  return (frame) => order(left(frame), right(frame));
}

/** Types whose values JS compares as CEL does. */
const scalarTypes: ReadonlySet<string> = new Set(["string", "int", "double", "bool", durationType]);
function isScalar(type: string): boolean {
  return scalarTypes.has(type);
}

function compileIn(
  node: BinaryNode,
  item: Expression,
  container: Expression,
  context: CompileContext,
): Expression {
  const known = constantItems(node.right, context);
  if (known && isScalar(node.left.type)) {
    const set = new Set<Value>(known);
    return (frame) => set.has(item(frame));
  }
  return (frame) => {
    const [wanted, among] = [item(frame), container(frame)];
    if (Array.isArray(among)) return among.some((value) => isEqual(value, wanted));
    if (typeof among !== "object" || among === null) throw notAContainer;
    return typeof wanted === "string" && Object.hasOwn(among, wanted);
  };
}

/** The items of a list that is the same at every evaluation, else null. */
function constantItems(node: Node, context: CompileContext): readonly Value[] | null {
  if (node.op === "name") return context.lists.get(node.name) ?? null;
  if (node.op !== "list") return null;
  const values = node.items.map((item) => (item.op === "constant" ? item.value : undefined));
  return values.includes(undefined) ? null : values;
}

/** The slot is free for reuse as soon as the comprehension has ended, so it is the depth. */
function compileComprehension(
  node: ComprehensionNode,
  context: CompileContext,
  locals: readonly string[],
): Expression {
  const over = compileNode(node.over, context, locals);
  const slot = locals.length;
  const inner = compileNode(node.body, context, [...locals, node.variable]);
  const body = node.name === "map" ? inner : asBool(node.body, inner);
  function itemsOf(frame: Frame): readonly Value[] {
    const items = over(frame);
    if (Array.isArray(items)) return items;
    if (typeof items !== "object" || items === null) throw notIterable;
    return Object.keys(items); // of a map, CEL goes through the keys
  }
  function bodyOf(frame: Frame, item: Value): Value {
    if (frame.steps++ >= stepsMax) throw tooManySteps;
    frame.locals[slot] = item;
    return body(frame);
  }
  switch (node.name) {
    case "exists":
      return (frame) => quantify(itemsOf(frame), frame, bodyOf, true);
    case "all":
      return (frame) => quantify(itemsOf(frame), frame, bodyOf, false);
    case "exists_one":
      return (frame) => itemsOf(frame).filter((item) => bodyOf(frame, item)).length === 1;
    case "filter":
      return (frame) => itemsOf(frame).filter((item) => bodyOf(frame, item));
    case "map":
      return (frame) => itemsOf(frame).map((item) => bodyOf(frame, item));
  }
}

/** `exists` is a long `||`, `all` a long `&&`: a fault counts only if no item decides. */
function quantify(
  items: readonly Value[],
  frame: Frame,
  body: (frame: Frame, item: Value) => Value,
  deciding: boolean,
): boolean {
  let fault: unknown = null;
  for (const item of items) {
    try {
      if (body(frame, item) === deciding) return deciding;
    } catch (error) {
      if (error === tooManySteps) throw error;
      fault = error;
    }
  }
  if (fault !== null) throw fault;
  return !deciding;
}
