/**
 * Random OTLP requests of every shape, made from the definitions in `proto/`: each field is sometimes
 * absent, lists are of any length from none, numbers and texts lean to the extremes.
 */
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { requestTypes } from "./otlp-oracle.ts";
import type { SignalName } from "./otlp-oracle.ts";

const texts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("", "a", "service.name", "__proto__", "x".repeat(150)) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) }, // no lone surrogates
);
const doubles = fc.oneof(
  fc.constantFrom(0, -0, 1, -1.5, NaN, Infinity, -Infinity, Number.MAX_VALUE, 5e-324),
  fc.double(),
);
const int32s = fc.oneof(fc.constantFrom(0, 1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const uint32s = fc.oneof(fc.constantFrom(0, 1, 300, 2 ** 32 - 1), fc.nat());
const edges = [0n, 1n, -1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
const int64s = fc.oneof(fc.constantFrom(...edges), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n));

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: texts,
  bytes: fc.uint8Array({ maxLength: 20 }),
  bool: fc.boolean(),
  double: doubles,
  int32: int32s,
  sint32: int32s,
  uint32: uint32s,
  fixed32: uint32s,
  int64: int64s.map(String),
  sfixed64: int64s.map(String),
  uint64: int64s.map((value) => String(BigInt.asUintN(64, value))),
  fixed64: int64s.map((value) => String(BigInt.asUintN(64, value))),
};

/** Messages inside each other, past which lists and nested values stay empty. */
const depthMax = 8;

function messageArbitrary(type: protobuf.Type, depth: number): fc.Arbitrary<object> {
  const known = cache.get(`${type.fullName} ${depth}`);
  if (known !== undefined) return known;
  const members = new Set(type.oneofsArray.flatMap((oneof) => oneof.fieldsArray));
  const fields = type.fieldsArray.filter((field) => !members.has(field));
  const plain = fc.record(
    Object.fromEntries(fields.map((field) => [field.name, fieldArbitrary(field, depth)])),
  );
  const choices = type.oneofsArray.map((oneof) => oneofArbitrary(oneof, depth));
  const arbitrary = fc
    .tuple(plain, ...choices)
    .map((parts) => Object.assign({}, ...parts) as object);
  cache.set(`${type.fullName} ${depth}`, arbitrary);
  return arbitrary;
}

const cache = new Map<string, fc.Arbitrary<object>>();

/** At most one member. */
function oneofArbitrary(oneof: protobuf.OneOf, depth: number): fc.Arbitrary<object> {
  const members = oneof.fieldsArray.map((field) =>
    fieldArbitrary(field, depth).map((value) => ({ [field.name]: value })),
  );
  return fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, ...members);
}

/** One in six fields is absent. */
function fieldArbitrary(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const one = elementArbitrary(field, depth);
  if (!field.repeated) return fc.option(one, { nil: undefined, freq: 6 });
  return depth >= depthMax ? fc.constant([]) : fc.array(one, { maxLength: 3 });
}

function elementArbitrary(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const resolved = field.resolve().resolvedType;
  if (resolved instanceof protobuf.Enum) return fc.oneof(fc.nat(6), int32s);
  if (resolved instanceof protobuf.Type) {
    return depth >= depthMax ? fc.constant({}) : messageArbitrary(resolved, depth + 1);
  }
  const scalar = scalars[field.type];
  if (scalar === undefined) throw new Error(`no arbitrary for the type "${field.type}"`);
  return scalar;
}

export function requestArbitrary(signal: SignalName): fc.Arbitrary<Buffer> {
  const type = requestTypes[signal];
  return messageArbitrary(type, 0).map((message) =>
    Buffer.from(type.encode(type.fromObject(message)).finish()),
  );
}
