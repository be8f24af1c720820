/** What senders get wrong, by accident or on purpose: changes to an OTLP item as plain data, from a seed. */
import type { CorpusItem, Plain } from "./vocabulary-corpus.ts";

export type Random = () => number;

const pick = <Item>(items: readonly Item[], random: Random): Item =>
  items[Math.floor(random() * items.length)]!; // no list here is empty

const names = [
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "",
  "\u0000",
  "\u001b[2J",
  "a\nb\tc",
  "\ud83d\ude00".repeat(40),
  "../../etc/passwd",
  "' OR 1=1 --",
  "x".repeat(1_000),
  "kube-system",
  "istio-proxy",
];
const addresses = [
  "999.1.1.1",
  "10.0.0",
  "10.0.0.1:99999",
  "10.0.0.1:-1",
  "[::1",
  "::ffff:10.0.0.1",
  "fe80::1%eth0",
  "0x7f.1",
  "0.0.0.0",
  "255.255.255.255",
  "10.0.0.1/8",
  "localhost",
];
const numbers = ["0", "-1", "1e999", "NaN", "9223372036854775807", "00012", "1,5", "0x10"];
const times = [
  "1970-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999999Z",
  "2026-13-45T99:99:99Z",
  "0001-01-01T00:00:00Z",
  "2026-11-21T07:31:02",
];
/** Nanoseconds: none, long ago, years ahead, the largest there is. */
const clocks = ["0", "1", "1000000000", "4102444800000000000", "18446744073709551615"];
const openers = ["{", "[", '{"process_exec":', "[2026-11-21T", '"', "\\"];
const keysMax = 10_000;

const hugeText = (random: Random): string =>
  "y".repeat(random() < 0.2 ? 400_000 : 3_000) + String(random());

/** A value of any type in place of what belongs there. */
function anyValue(random: Random): Plain {
  switch (Math.floor(random() * 9)) {
    case 0:
      return {};
    case 1:
      return { bool_value: random() < 0.5 };
    case 2:
      return { int_value: pick(["0", "-1", "65536", "9223372036854775807"], random) };
    case 3:
      return { double_value: pick([NaN, Infinity, -0.5, 1e308, 8080], random) };
    case 4:
      return { bytes_value: "AAEC/w==" };
    case 5:
      return { array_value: { values: [{ string_value: "a" }, {}, { int_value: "1" }] } };
    case 6:
      return { kvlist_value: { values: [{ key: pick(names, random), value: {} }, { key: "k" }] } };
    case 7:
      // Deeper than the decoder takes, and within an object not deeper than protobufjs writes.
      return deepValue(Math.floor(random() * 34));
    default:
      return { string_value: anyText(random) };
  }
}

function deepValue(depth: number): Plain {
  let value: Plain = { string_value: "x" };
  for (let level = 0; level < depth; level++) value = { array_value: { values: [value] } };
  return value;
}

const anyText = (random: Random): string =>
  random() < 0.005
    ? hugeText(random)
    : pick(pick([names, addresses, numbers, times], random), random);

/** A text that is nearly what it was. */
function bent(text: string, random: Random): string {
  const at = Math.floor(random() * (text.length + 1));
  const [start, end] = [text.slice(0, at), text.slice(at)];
  switch (Math.floor(random() * 8)) {
    case 0:
      return start;
    case 1:
      return end;
    case 2:
      return start + pick(openers, random) + end;
    case 3:
      return start + anyText(random) + end;
    case 4:
      return start + end.slice(1 + Math.floor(random() * 20));
    case 5:
      return text.replaceAll(/\d+/g, () => pick(numbers, random));
    case 6:
      return text.replace(/\d+\.\d+\.\d+\.\d+/, () => pick(addresses, random));
    default:
      return anyText(random);
  }
}

const timeName = /_unix_nano$/;
const textName = /^(?:string_value|key|name|unit|version|event_name|severity_text)$/;
const numberName =
  /^(?:as_double|as_int|int_value|double_value|flags|kind|severity_number|aggregation_temporality)$/;

/** Between one and four changes anywhere in the item, its resource or its scope. */
export function spoil(seed: CorpusItem, random: Random): CorpusItem {
  const spoiled = structuredClone(seed);
  const parts = [spoiled.item, spoiled.item, spoiled.item, spoiled.resource, spoiled.scope];
  for (let left = 1 + Math.floor(random() * 4); left > 0; left--)
    change(pick(parts, random), random);
  return spoiled;
}

/** Walks down at random, and changes what it comes to. */
function change(node: Plain | unknown[], random: Random): void {
  const keys = Object.keys(node);
  if (keys.length === 0) return;
  const key = pick(keys, random);
  const holder = node as Plain; // lists are changed by their places, as objects by their names
  const value = holder[key];
  if (isAnyValue(value) && random() < 0.4) holder[key] = anyValue(random);
  else if (isKeyValues(value) && random() < 0.3) changeList(value, random);
  else if (typeof value === "object" && value !== null) change(value as Plain, random); // a message or list
  else if (timeName.test(key)) holder[key] = pick(clocks, random);
  else if (numberName.test(key)) holder[key] = changedNumber(key, random);
  else if (typeof value === "string" && textName.test(key)) holder[key] = bent(value, random);
}

function changedNumber(key: string, random: Random): unknown {
  if (key.endsWith("_double") || key === "double_value")
    return pick([NaN, -1, Infinity, 1e300], random);
  if (key.endsWith("_int") || key === "int_value")
    return pick(["-1", "9223372036854775807"], random);
  return Math.floor(random() * 10);
}

const isAnyValue = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.keys(value).some((key) => key.endsWith("_value"));

function isKeyValues(value: unknown): value is Plain[] {
  return Array.isArray(value) && value.length > 0 && Object.hasOwn(value[0] as object, "key");
}

function changeList(list: Plain[], random: Random): void {
  const at = Math.floor(random() * list.length);
  const one = list[at];
  switch (Math.floor(random() * 5)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      if (one) list.push({ ...one, value: anyValue(random) });
      return;
    case 2:
      if (one) one["key"] = pick(names, random);
      return;
    case 3:
      list.push({ key: pick(names, random), value: anyValue(random) });
      return;
    default:
      if (random() < 0.01) {
        for (let key = 0; key < keysMax; key++)
          list.push({ key: `k${key}`, value: { int_value: "1" } });
      } else {
        list.reverse();
      }
  }
}

/** The attributes of both in one item: more than one vocabulary may claim it. */
export function crossed(one: CorpusItem, other: CorpusItem): CorpusItem {
  const crossedItem = structuredClone(one);
  const [mine, theirs] = [crossedItem.item["attributes"], other.item["attributes"]];
  if (Array.isArray(mine) && Array.isArray(theirs))
    mine.push(...structuredClone(theirs as Plain[]));
  return crossedItem;
}
