import { expect, test } from "vitest";
import { anyValueType } from "../../test/support/otlp-oracle.ts";
import { lengthField } from "../../test/support/wire.ts";
import { anyValueToJson } from "./any-value.ts";
import { LogsDecoder } from "./logs.ts";

/** The JSON of a log record whose body is that AnyValue, sent in these pieces. */
function bodyOf(...pieces: Buffer[]): unknown {
  return bodyWithout(new Set(), ...pieces);
}

function bodyWithout(leftOut: ReadonlySet<string>, ...pieces: Buffer[]): unknown {
  const record = lengthField(2, ...pieces.map((piece) => lengthField(5, piece)));
  const decoded = new LogsDecoder().decode(lengthField(1, lengthField(2, record)));
  if (!decoded.ok) return decoded.message;
  const { bytes, bodies } = decoded.view;
  return anyValueToJson(bytes, bodies, 0, leftOut);
}

function encode(value: object): Buffer {
  return Buffer.from(anyValueType.encode(anyValueType.fromObject(value)).finish());
}

test.each<[object, unknown]>([
  [{}, null],
  [{ string_value: "grün" }, "grün"],
  [{ string_value: "" }, ""],
  [{ bool_value: false }, false],
  [{ bool_value: true }, true],
  [{ int_value: -1 }, -1],
  [{ int_value: "9007199254740991" }, 9_007_199_254_740_991],
  [{ int_value: "9007199254740992" }, "9007199254740992"],
  [{ int_value: "-9223372036854775808" }, "-9223372036854775808"],
  [{ double_value: 1.5 }, 1.5],
  [{ double_value: Number.NaN }, "NaN"],
  [{ double_value: -Infinity }, "-Infinity"],
  [{ bytes_value: Buffer.from([255, 0]) }, "/wA="],
  [{ array_value: {} }, []],
  [{ array_value: { values: [{}, { int_value: 1 }, { array_value: {} }] } }, [null, 1, []]],
  [{ string_value_strindex: 3 }, null],
])("%j is %j", (value, expected) => {
  expect(bodyOf(encode(value))).toEqual(expected);
  const nested = encode({ array_value: { values: [value] } });
  expect(bodyOf(nested)).toEqual([expected]);
});

test("a map keeps any key, and of a repeated key the last value", () => {
  const pair = (key: string, value: object): object => ({ key, value });
  const values = [
    pair("__proto__", { kvlist_value: { values: [pair("polluted", { bool_value: true })] } }),
    pair("constructor", { string_value: "c" }),
    pair("twice", { int_value: 1 }),
    pair("twice", { int_value: 2 }),
    { key: "empty" },
  ];
  const map = bodyOf(encode({ kvlist_value: { values } })) as Record<string, unknown>;
  expect(Object.keys(map)).toEqual(["__proto__", "constructor", "twice", "empty"]);
  expect(Object.getPrototypeOf(map)).toBeNull();
  expect(map["twice"]).toBe(2);
  expect(map["empty"]).toBeNull();
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("keys that are left out take no part, wherever they stand and in either order of the fields", () => {
  const string = (text: string): Buffer => encode({ string_value: text });
  const [key, value] = [lengthField(1, Buffer.from("drop")), lengthField(2, string("x"))];
  const kept = [lengthField(1, Buffer.from("keep")), lengthField(2, string("drop"))];
  const pairs = [[key, value], [value, key], [value, key, value], kept, kept.toReversed()];
  const map = lengthField(6, ...pairs.map((fields) => lengthField(1, ...fields)));
  expect(bodyWithout(new Set(["drop"]), map)).toEqual({ keep: "drop" });
  expect(bodyWithout(new Set(["keep"]), map)).toEqual({ drop: "x" });
  const nested = lengthField(5, lengthField(1, map));
  expect(bodyWithout(new Set(["drop"]), nested)).toEqual([{ keep: "drop" }]);
});

test("a value in pieces is their merge, and the last member of the oneof wins", () => {
  const array = (number: number): Buffer =>
    encode({ array_value: { values: [{ int_value: number }] } });
  expect(bodyOf(array(1), array(2), array(3))).toEqual([1, 2, 3]);
  expect(bodyOf(array(1), encode({ string_value: "x" }), array(3))).toEqual([3]);
  expect(bodyOf(array(1), encode({ int_value: 7 }))).toBe(7);
});

test("a value of too many parts is cut", () => {
  const empty = lengthField(1);
  const wide = lengthField(5, Buffer.concat(Array.from({ length: 100_000 }, () => empty)));
  expect(bodyOf(wide)).toHaveLength(65_536);
});

test("values nest 32 deep and no deeper", () => {
  const nest = (depth: number): Buffer =>
    depth === 0 ? Buffer.alloc(0) : lengthField(5, lengthField(1, nest(depth - 1)));
  expect(JSON.stringify(bodyOf(nest(32)))).toBe(`${"[".repeat(32)}null${"]".repeat(32)}`);
  expect(bodyOf(nest(33))).toMatch(/: values nested more than 32 deep$/);
});
