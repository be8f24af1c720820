/**
 * The functions that expressions can call, over plain JS values; those on texts are in
 * `text-functions.ts`.
 */
import { RE2JS } from "re2js";
import { assert } from "../lib/assert.ts";
import { canonicalIp, parseCidr, type Cidr } from "../lib/ip.ts";
import type { CallNode } from "./ast.ts";
import { Fault, type Value } from "./fault.ts";
import { parseDuration } from "../model/durations.ts";
import { usPerHour, usPerMinute, usPerMs, usPerSecond } from "../model/time.ts";
import { durationType } from "./front-end.ts";
import { textFunctions } from "./text-functions.ts";

// Met only where a value's type is not known when the rule is loaded.
const mistyped = new Fault("type", "a function got a value of another type");
const notANetwork = new Fault("conversion", "inCidr() got a text that is no network");
const notAnInt = new Fault("conversion", "int() got a value that is no integer");
const notANumber = new Fault("conversion", "double() got a value that is no number");
const notABool = new Fault("conversion", "bool() got a value that is neither true nor false");

export type Call = (args: readonly Value[]) => Value;

/** Name to the numbers of arguments it takes, the receiver included. */
const arities: Readonly<Record<string, readonly number[]>> = {
  startsWith: [2],
  endsWith: [2],
  contains: [2],
  matches: [2],
  inCidr: [2],
  lowerAscii: [1],
  upperAscii: [1],
  trim: [1],
  charAt: [2],
  indexOf: [2, 3],
  lastIndexOf: [2, 3],
  substring: [2, 3],
  split: [2, 3],
  join: [1, 2],
  replace: [3, 4],
  size: [1],
  string: [1],
  int: [1],
  double: [1],
  bool: [1],
  dyn: [1],
  duration: [1],
  getHours: [1],
  getMinutes: [1],
  getSeconds: [1],
  getMilliseconds: [1],
};

export function isFunctionName(name: string, argumentCount: number): boolean {
  return Object.hasOwn(arities, name) && arities[name]?.includes(argumentCount) === true;
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
    case "size":
      return ([value]) => sizeOf(value);
    case "string":
      if (node.args[0]?.type === durationType) return ([value]) => durationText(value);
      return ([value]) => toText(value);
    case "int":
      return ([value]) => toInt(value);
    case "double":
      return ([value]) => toDouble(value);
    case "bool":
      return ([value]) => toBool(value);
    case "dyn":
      return ([value]) => value;
    case "getHours":
      return wholeUnits(usPerHour);
    case "getMinutes":
      return wholeUnits(usPerMinute);
    case "getSeconds":
      return wholeUnits(usPerSecond);
    case "getMilliseconds":
      return ([value]) => wholeUnits(usPerMs)([usOf(value) % usPerSecond]);
    case "duration": {
      const us = parseDuration(constant ?? "");
      assert(us !== null, "a duration was checked when the rule was loaded");
      return () => us;
    }
    default: {
      const onTexts = textFunctions[node.name];
      assert(onTexts, `the function '${node.name}' was checked when the rule was loaded`);
      return onTexts;
    }
  }
}

function usOf(value: Value): number {
  if (typeof value !== "number") throw mistyped;
  return value;
}

/** Whole units of a duration, towards zero. */
function wholeUnits(unitUs: number): Call {
  return ([value]) => Math.trunc(usOf(value) / unitUs) + 0;
}

/** In seconds, as the CEL specification writes durations: `90s`, `0.5s`. */
function durationText(value: Value): string {
  return `${usOf(value) / usPerSecond}s`;
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
/** UTF-16 units of a text whose answer is kept: what is longer is rarely met twice. */
const rememberedTextMax = 256;
/** With `check.ts`'s limit of a pattern this bounds the time of one match. */
const matchedTextMax = 4_096;
const tooLongToMatch = new Fault(
  "cost",
  `matches() on a text of more than ${matchedTextMax} units`,
);

/** Finds the pattern anywhere in the text: anchors are the author's business, as in CEL. */
function makeMatches(pattern: string): Call {
  const regex = RE2JS.compile(pattern);
  const answers = new Map<string, boolean>();
  return onString((text) => {
    if (text.length > matchedTextMax) throw tooLongToMatch;
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = regex.matcher(text).find();
    if (text.length > rememberedTextMax) return answer;
    if (answers.size >= rememberedMax) answers.clear();
    answers.set(text, answer);
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
  const whole = Math.trunc(number) + 0; // never -0
  if (!Number.isSafeInteger(whole)) throw notAnInt;
  return whole;
}

/** Decimal numbers and the words for what is none; JS would also read hexadecimal and empty texts. */
function toDouble(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value !== "string") throw notANumber;
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)) return Number(value);
  if (/^nan$/i.test(value)) return NaN;
  const infinity = /^([+-]?)inf(inity)?$/i.exec(value);
  if (!infinity) throw notANumber;
  return infinity[1] === "-" ? -Infinity : Infinity;
}

const trueWords: ReadonlySet<Value> = new Set([true, "1", "t", "true", "TRUE", "True"]);
const falseWords: ReadonlySet<Value> = new Set([false, "0", "f", "false", "FALSE", "False"]);

function toBool(value: Value): boolean {
  if (trueWords.has(value)) return true;
  if (falseWords.has(value)) return false;
  throw notABool;
}
