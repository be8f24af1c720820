/**
 * CEL's operators over plain JS values: equality, order, arithmetic. Each is made once per place in an
 * expression; operand types that the checker could not know are looked at when it runs.
 */
import type { ArithmeticOperator, OrderOperator } from "./ast.ts";
import { Fault, type Value } from "./fault.ts";

export type Operator = (left: Value, right: Value) => Value;

// One of each for all places: an `Error` captures a stack, which at every node would cost more than the
// rest of loading.
const noOrder = new Fault("type", "a comparison got values that have no order");
const mistyped = new Fault("type", "an operator got values of other types");
const divisionByZero = new Fault("arithmetic", "division by zero");
const modulusByZero = new Fault("arithmetic", "modulus by zero");
const overflow = new Fault("arithmetic", "integer overflow");

/** Deep equality of lists and maps; everything else by value. Values of different types differ. */
export function isEqual(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || !left || !right) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => isEqual(item, right[index]));
  }
  const [mine, theirs] = [Object.entries(left), new Map(Object.entries(right))];
  if (mine.length !== theirs.size) return false;
  return mine.every(([key, value]) => theirs.has(key) && isEqual(value, theirs.get(key)));
}

export type Orderable = string | number | boolean;

const verdicts = {
  "<": (order: number) => order < 0,
  "<=": (order: number) => order <= 0,
  ">": (order: number) => order > 0,
  ">=": (order: number) => order >= 0,
} as const;

const comparisons = {
  "<": (a: Orderable, b: Orderable) => a < b,
  "<=": (a: Orderable, b: Orderable) => a <= b,
  ">": (a: Orderable, b: Orderable) => a > b,
  ">=": (a: Orderable, b: Orderable) => a >= b,
} as const;

/** Of texts by code points, as CEL orders them; JS has those beyond U+FFFF before U+E000 to U+FFFF. */
export function makeTextOrder(operator: OrderOperator): (a: string, b: string) => boolean {
  const verdict = verdicts[operator];
  return (a, b) => verdict(compareTexts(a, b));
}

function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [mine, theirs] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (mine !== theirs) return rankOf(mine) - rankOf(theirs);
  }
  return a.length - b.length;
}

/** Halves of characters beyond U+FFFF come after every other unit. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export function makeOrder(operator: OrderOperator): Operator {
  const compare = comparisons[operator];
  const compareText = makeTextOrder(operator);
  return (a, b) => {
    if (typeof a === "string" && typeof b === "string") return compareText(a, b);
    if (typeof a === "number" && typeof b === "number") return compare(a, b);
    if (typeof a === "boolean" && typeof b === "boolean") return compare(a, b);
    throw noOrder;
  };
}

const calculations = {
  "+": (a: number, b: number) => a + b,
  "-": (a: number, b: number) => a - b,
  "*": (a: number, b: number) => a * b,
  "/": (a: number, b: number) => a / b,
  "%": (a: number, b: number) => a % b,
} as const;

/** `type` is the checker's type of the result. */
export function makeArithmetic(operator: ArithmeticOperator, type: string): Operator {
  if (operator === "+" && type !== "int" && type !== "double") return addValues;
  const calculate = calculations[operator];
  if (type === "double") return (a, b) => calculate(numberOf(a), numberOf(b));
  const whole = makeIntegerArithmetic(operator);
  if (type !== "dyn") return whole;
  // Among values of unknown type a number without a fraction is an integer, as in Kubernetes objects.
  return (a, b) => {
    const areWhole = Number.isInteger(a) && Number.isInteger(b);
    return areWhole ? whole(a, b) : calculate(numberOf(a), numberOf(b));
  };
}

function makeIntegerArithmetic(operator: ArithmeticOperator): Operator {
  const calculate = calculations[operator];
  const byZero = operator === "%" ? modulusByZero : divisionByZero;
  const divides = operator === "/" || operator === "%";
  return (left, right) => {
    const [a, b] = [integerOf(left), integerOf(right)];
    if (divides && b === 0) throw byZero;
    const result = Math.trunc(calculate(a, b));
    // Beyond 2^53 the result would be a neighbour of the right one.
    if (!Number.isSafeInteger(result)) throw overflow;
    return result === 0 ? 0 : result; // never -0, whose text and quotients differ
  };
}

/** The value of unary minus; only a double has a negative zero. */
export function negate(value: Value, type: string): number {
  const number = -numberOf(value);
  return number === 0 && type !== "double" ? 0 : number;
}

function addValues(a: Value, b: Value): Value {
  if (typeof a === "string" && typeof b === "string") return a + b;
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b] as Value[];
  throw mistyped;
}

function numberOf(value: Value): number {
  if (typeof value !== "number") throw mistyped;
  return value;
}

function integerOf(value: Value): number {
  if (!Number.isInteger(value)) throw mistyped;
  return value as number; // an integer: checked above
}
