/**
 * Runs cases of the CEL specification's conformance data through our front end, checks and compiler, and
 * says of each that fails why: refused on purpose, refused by the library that parses, or our fault.
 */
import { anyUnpack, DurationSchema } from "@bufbuild/protobuf/wkt";
import { Type_PrimitiveType, type Type } from "@bufbuild/cel-spec/cel/expr/checked_pb.js";
import type { MapValue_Entry, Value as SpecValue } from "@bufbuild/cel-spec/cel/expr/value_pb.js";
import type { SimpleTest } from "@bufbuild/cel-spec/cel/expr/conformance/test/simple_pb.js";
import { isDeepStrictEqual } from "node:util";
import { replaceNames, type Node } from "../../src/rules/ast.ts";
import { checkCost, checkTree } from "../../src/rules/check.ts";
import { compile, makeFrame } from "../../src/rules/compile.ts";
import { durationType, FrontEnd } from "../../src/rules/front-end.ts";
import { Fault } from "../../src/rules/fault.ts";

/** `purpose`: the language of rules leaves it out; `front end`: the parser's or checker's limit. */
export type GapClass = "purpose" | "front end" | "ours";

/** Null = as the specification wants it. */
export type Gap = { readonly of: GapClass; readonly why: string } | null;

/** Runs one case. Throws only for a fault of this file. */
export function runCase(test: SimpleTest): Gap {
  if (test.disableMacros) return { of: "purpose", why: "macros are always expanded" };
  const declared = declaredTypes(test);
  if (typeof declared === "string") return { of: "purpose", why: declared };
  const bound: Record<string, unknown> = {};
  for (const [name, { kind }] of Object.entries(test.bindings)) {
    if (kind.case !== "value") return { of: "purpose", why: "a variable bound to unknown" };
    const plain = toPlain(kind.value);
    if (typeof plain === "string") return { of: "purpose", why: plain };
    bound[name] = plain.value;
  }
  const wantsError = ["evalError", "anyEvalErrors"].includes(test.resultMatcher.case ?? "");
  const checked = check(test.expr, declared);
  if (!("node" in checked)) return refusal(test, checked, wantsError);
  if (test.checkOnly) return null;
  return compare(test, wantsError, checked.node, evaluate(checked.node, bound));
}

type Refusal = { readonly code: string; readonly message: string };

function check(expr: string, declared: Readonly<Record<string, string>>): { node: Node } | Refusal {
  const checked = new FrontEnd({ ...declared }).check(expr);
  if (!checked.ok) return checked.error;
  const error =
    checkTree(checked.node, new Map(), new Set(Object.keys(declared)))[0] ??
    checkCost(checked.node);
  return error ?? { node: checked.node };
}

/** What the messages of refused cases mean; the first that fits counts. */
const reasons: readonly (readonly [RegExp, GapClass, string])[] = [
  [/uint/, "purpose", "values of type uint"],
  [/bytes|^'["']{1,3} .* is unexpected$/, "purpose", "values of type bytes"],
  [/timestamp|'get(Date|Day|Month|Full)|Timestamp/, "purpose", "timestamps"],
  [/'get(Hours|Minutes|Seconds)' is not supported/, "purpose", "timestamps"],
  [/^'\{' is unexpected/, "purpose", "protobuf messages"],
  [/string\.format|'strings'/, "purpose", "string.format() and strings.quote()"],
  [/(elements|key|value) (must have|uses)/, "purpose", "lists and maps of mixed types"],
  [/no duration/, "purpose", "durations in another form than 1h30m"],
  [/'(none|of)' is not supported/, "purpose", "optional values"],
  [/not supported|must be a constant|takes a constant/, "purpose", ""],
];

/** Ill-typed text that the case runs unchecked is refused by rules before it could fail. */
function refusal(test: SimpleTest, { code, message }: Refusal, wantsError: boolean): Gap {
  const reason = reasons.find(([pattern]) => pattern.test(message));
  if (reason) return { of: reason[1], why: reason[2] || message };
  if (test.disableCheck && code === "RULE_CEL_TYPE") {
    return wantsError ? null : { of: "purpose", why: "types are always checked" };
  }
  // The constant can only fail: told when the rule is loaded, not at each evaluation.
  if (wantsError && /bad pattern|no network/.test(message)) return null;
  return { of: "front end", why: message.replace("\f", "form feed") };
}

/** The value, or the fault. Bindings are read as fields of one map, as an entity's are. */
function evaluate(node: Node, bound: Readonly<Record<string, unknown>>): unknown {
  const { start, end } = node;
  const row: Node = { op: "name", name: "bound", type: "dyn", start, end };
  const names = Object.keys(bound).map((name): [string, Node] => [
    name,
    { op: "field", of: row, name, nameStart: start, type: "dyn", start, end },
  ]);
  const context = { variable: "bound", lists: new Map(), params: new Map() };
  const run = compile(replaceNames(node, new Map(names)), context);
  try {
    return run({ ...makeFrame(), entity: bound });
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

function compare(test: SimpleTest, wantsError: boolean, node: Node, got: unknown): Gap {
  if (wantsError) {
    return got instanceof Fault ? null : { of: "ours", why: `gives ${shown(got)}, no error` };
  }
  const wanted = wantedValue(test);
  if (typeof wanted === "string") return { of: "purpose", why: wanted };
  if (got instanceof Fault) {
    return { of: "ours", why: `fault: ${got.message}; wanted ${shown(wanted.value)}` };
  }
  if (!isDeepStrictEqual(toObjects(got), toObjects(wanted.value))) {
    return { of: "ours", why: `gives ${shown(got)}, wanted ${shown(wanted.value)}` };
  }
  const isKnown = node.type === "dyn" || wanted.type === "" || node.type === wanted.type;
  return isKnown ? null : { of: "front end", why: `typed ${node.type}, wanted ${wanted.type}` };
}

/** Maps have no prototype on either side. */
function toObjects(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toObjects);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toObjects(inner)]));
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

type Wanted = { readonly value: unknown; readonly type: string };

function wantedValue({ resultMatcher: { case: by, value } }: SimpleTest): Wanted | string {
  if (by === undefined) return { value: true, type: "bool" };
  if (by === "value") return toPlain(value);
  if (by === "typedResult") return value.result ? toPlain(value.result) : "only a type";
  return "unknown values";
}

/** The library's names of the declared variables' types, or why rules cannot declare them. */
function declaredTypes(test: SimpleTest): Readonly<Record<string, string>> | string {
  const types: Record<string, string> = {};
  if (test.container !== "") return "containers of names";
  for (const { name, declKind } of test.typeEnv) {
    if (declKind.case !== "ident") return "functions declared by the case";
    if (name.includes(".")) return "qualified names of variables";
    const type = declKind.value.type && typeName(declKind.value.type);
    if (!type) return "variables of types that rules do not have";
    types[name] = type;
  }
  return types;
}

const primitives: Readonly<Partial<Record<Type_PrimitiveType, string>>> = {
  [Type_PrimitiveType.BOOL]: "bool",
  [Type_PrimitiveType.INT64]: "int",
  [Type_PrimitiveType.DOUBLE]: "double",
  [Type_PrimitiveType.STRING]: "string",
};

function typeName({ typeKind: { case: kind, value } }: Type): string | undefined {
  if (kind === "dyn") return "dyn";
  if (kind === "primitive") return primitives[value];
  if (kind === "listType") {
    const of = value.elemType && typeName(value.elemType);
    return of && `list<${of}>`;
  }
  if (kind !== "mapType") return undefined;
  const [key, to] = [value.keyType && typeName(value.keyType), value.valueType];
  const of = to && typeName(to);
  return key === "string" && of ? `map<string, ${of}>` : undefined;
}

/** As rules hold it, or the name of what they do not hold. */
function toPlain({ kind: { case: kind, value } }: SpecValue): Wanted | string {
  if (kind === "nullValue") return { value: null, type: "" };
  if (kind === "boolValue") return { value, type: "bool" };
  if (kind === "stringValue") return { value, type: "string" };
  if (kind === "doubleValue") return { value, type: "double" };
  if (kind === "mapValue") return toPlainMap(value.entries);
  if (kind === "int64Value") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? { value: number, type: "int" } : "integers beyond 2^53";
  }
  if (kind === "listValue") {
    const items = value.values.map(toPlain);
    const reason = items.find((item) => typeof item === "string");
    if (reason !== undefined) return reason;
    return { value: items.map((item) => (item as Wanted).value), type: "" }; // no text left
  }
  if (kind !== "objectValue") return `values of type ${kind?.replace("Value", "") ?? "none"}`;
  const duration = anyUnpack(value, DurationSchema);
  if (!duration) return "protobuf messages";
  const us = Number(duration.seconds) * 1_000_000 + duration.nanos / 1_000;
  return Number.isSafeInteger(us) ? { value: us, type: durationType } : "durations below 1 us";
}

function toPlainMap(entries: readonly MapValue_Entry[]): Wanted | string {
  const map: Record<string, unknown> = {};
  for (const { key, value } of entries) {
    if (key?.kind.case !== "stringValue") return "maps whose keys are not strings";
    const plain = value ? toPlain(value) : "values of type none";
    if (typeof plain === "string") return plain;
    map[key.kind.value] = plain.value;
  }
  return { value: map, type: "" };
}
