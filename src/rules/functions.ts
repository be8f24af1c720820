/**
 * The functions that expressions can call, over plain JS values. A `Fault` is CEL's error value: it makes
 * a rule not match, and never leaves the evaluator.
 */
import { RE2JS } from "re2js";
import { assert } from "../lib/assert.ts";
import { canonicalIp, parseCidr, type Cidr } from "../lib/ip.ts";
import type { CallNode } from "./ast.ts";
import { parseDuration } from "../model/durations.ts";

export type FaultReason = "missing" | "type" | "arithmetic" | "conversion" | "cost";

/** Made when modules or rules are loaded: throwing one at run time costs no stack trace. */
export class Fault extends Error {
  readonly reason: FaultReason;
  constructor(reason: FaultReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

// Met only where a value's type is not known when the rule is loaded.
const mistyped = new Fault("type", "a function got a value of another type");
const notANetwork = new Fault("conversion", "inCidr() got a text that is no network");
const notAnInt = new Fault("conversion", "int() got a value that is no integer");
const notANumber = new Fault("conversion", "double() got a value that is no number");

export type Value = unknown;
export type Call = (args: readonly Value[]) => Value;

/** Name to the numbers of arguments it takes, the receiver included. */
const arities: Readonly<Record<string, number>> = {
  startsWith: 2,
  endsWith: 2,
  contains: 2,
  matches: 2,
  inCidr: 2,
  lowerAscii: 1,
  upperAscii: 1,
  trim: 1,
  size: 1,
  string: 1,
  int: 1,
  double: 1,
  duration: 1,
};

export function isFunctionName(name: string, argumentCount: number): boolean {
  return Object.hasOwn(arities, name) && arities[name] === argumentCount;
}

/** The implementation for one place; constant patterns and networks are compiled here, once. */
export function makeCall(node: CallNode): Call {
  const last = node.args.at(-1);
  const constant = last?.op === "constant" && typeof last.value === "string" ? last.value : null;
  switch (node.name) {
    case "startsWith":
      return onStrings((text, part) => text.startsWith(part));
    case "endsWith":
      return onStrings((text, part) => text.endsWith(part));
    case "contains":
      return onStrings((text, part) => text.includes(part));
    case "matches":
      return makeMatches(constant ?? "");
    case "inCidr":
      return makeInCidr(constant);
    case "lowerAscii":
      return onString((text) => text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()));
    case "upperAscii":
      return onString((text) => text.replace(/[a-z]+/g, (lower) => lower.toUpperCase()));
    case "trim":
      return onString((text) => text.trim());
    case "size":
      return ([value]) => sizeOf(value);
    case "string":
      return ([value]) => toText(value);
    case "int":
      return ([value]) => toInt(value);
    case "double":
      return ([value]) => toDouble(value);
    case "duration": {
      const us = parseDuration(constant ?? "");
      assert(us !== null, "a duration was checked when the rule was loaded");
      return () => us;
    }
    default:
      throw new Error(`no function is named '${node.name}'`);
  }
}

function onString(compute: (text: string) => Value): Call {
  return ([text]) => {
    if (typeof text !== "string") throw mistyped;
    return compute(text);
  };
}

function onStrings(compute: (text: string, part: string) => Value): Call {
  return ([text, part]) => {
    if (typeof text !== "string" || typeof part !== "string") throw mistyped;
    return compute(text, part);
  };
}

/** Names repeat, and RE2 costs microseconds: the answers of the last distinct texts are kept. */
const rememberedMax = 1_000;

/** Finds the pattern anywhere in the text: anchors are the author's business, as in CEL. */
function makeMatches(pattern: string): Call {
  const regex = RE2JS.compile(pattern);
  const answers = new Map<string, boolean>();
  return onString((text) => {
    let answer = answers.get(text);
    if (answer === undefined) {
      answer = regex.matcher(text).find();
      if (answers.size >= rememberedMax) answers.clear();
      answers.set(text, answer);
    }
    return answer;
  });
}

/** An address that is none lies in no network; a network that is none is a fault. */
function makeInCidr(constant: string | null): Call {
  const networks = new Map<string, Cidr | null>();
  if (constant !== null) networks.set(constant, parseCidr(constant));
  return onStrings((address, text) => {
    let network = networks.get(text);
    if (network === undefined) {
      network = parseCidr(text);
      if (networks.size >= rememberedMax) networks.clear();
      networks.set(text, network);
    }
    if (network === null) throw notANetwork;
    const ip = canonicalIp(address);
    return ip !== "" && network.contains(ip);
  });
}

/** Code points of a text, items of a list, keys of a map. */
function sizeOf(value: Value): number {
  if (typeof value === "string") return codePoints(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  throw mistyped;
}

/** CEL counts code points where JS counts UTF-16 units. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** As the CEL specification writes numbers; lists and maps have no text. */
function toText(value: Value): string {
  if (typeof value === "string") return value;
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw mistyped;
}

/** Towards zero, like CEL; text must be a whole number and nothing else. */
function toInt(value: Value): number {
  const isText = typeof value === "string" && /^[+-]?\d{1,20}$/.test(value);
  const number = isText ? Number(value) : value;
  if (typeof number !== "number") throw notAnInt;
  const whole = Math.trunc(number);
  if (!Number.isSafeInteger(whole)) throw notAnInt;
  return whole;
}

/** No white space around it and no empty text, which JS would read as 0. */
function toDouble(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() !== value || value === "") throw notANumber;
  const number = Number(value);
  if (Number.isNaN(number)) throw notANumber;
  return number;
}
