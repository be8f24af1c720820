/**
 * Random well-typed CEL expressions over our entities, and random entities, for comparing our compiler
 * with another implementation. What the two are known to see differently is never generated:
 *
 * - integers beyond 2^53, which are a fault of ours: only small ones are multiplied;
 * - numbers of unknown type, which have no int or double of their own here: those with a fraction never
 *   meet those without;
 * - patterns that are no constants, and ages, which no other implementation knows.
 *
 * What the other one does otherwise than the specification (whose own cases ours passes):
 *
 * - it counts UTF-16 units instead of code points: no characters beyond U+FFFF;
 * - it reads texts as numbers as JS does, with `""` as 0: only numbers and words are converted;
 * - `has()` of a field that holds null is false: nulls stand in lists alone;
 * - it replaces an empty text in other places, and writes parts of seconds with zeros: neither occurs.
 */
import * as fc from "fast-check";
import {
  entityFields,
  makeEntity,
  type EntityType,
  type FieldType,
  type RecordType,
} from "../../src/model/entities.ts";

type Kind =
  | "bool"
  | "int"
  | "double"
  | "text"
  | "duration"
  | "texts"
  | "ints"
  | "containers"
  | "labels"
  /** Values whose type nobody knows before they are there. */
  | "dyn"
  /** The same, of which numbers always have a fraction. */
  | "dynFraction";

/** Names and paths by what they hold. */
export type Leaves = ReadonlyMap<Kind, readonly string[]>;

type Text = fc.Arbitrary<string>;

/** Paths of a record by kind, down to the given depth of records within records. */
export function leavesOf(record: RecordType, path: string, depth = 2): Leaves {
  const leaves = new Map<Kind, string[]>();
  const put = (kind: Kind, ...paths: readonly string[]): void => {
    leaves.set(kind, [...(leaves.get(kind) ?? []), ...paths]);
  };
  for (const [field, type] of Object.entries(entityFields[record]) as [string, FieldType][]) {
    const at = `${path}.${field}`;
    const kind = typeof type === "object" ? "text" : kinds[type];
    if (kind !== undefined) put(kind, at);
    if (type === "dyn") {
      put("dyn", ...["a", "b", "of.a", "list[0]", "map.x.y"].map((one) => `${at}.${one}`));
      put("dynFraction", `${at}.share`, `${at}.of.share`);
    }
    if ((type === "node" || type === "process") && depth > 0) {
      for (const [of, inner] of leavesOf(type, at, depth - 1)) put(of, ...inner);
    }
  }
  return leaves;
}

const kinds: Readonly<Record<string, Kind | undefined>> = {
  string: "text",
  int: "int",
  id: "int",
  proxy_id: "int",
  double: "double",
  bool: "bool",
  duration: "duration",
  "list<string>": "texts",
  "list<int>": "ints",
  "list<container>": "containers",
  "map<string, string>": "labels",
};

const constants: Readonly<Record<Kind, readonly string[]>> = {
  bool: ["true", "false"],
  int: ["0", "1", "7", "443", "-3"],
  double: ["0.0", "0.25", "1.5", "-2.0"],
  text: ["''", "'a'", "'none'", "'web'", "'é'", "'1'", "'true'"],
  duration: ["duration('15s')", "duration('1m30s')", "duration('0s')"],
  texts: ["['a', 'web']", "names"],
  ints: ["[0, 443]", "ports"],
  containers: [],
  labels: ["{'app': 'web', 'x': 'a'}"],
  dyn: ["dyn(1)", "dyn('a')", "dyn([1, 2])", "dyn(names)"],
  dynFraction: ["dyn(1.5)"],
};

/** Arbitrary expressions of one entity type, by kind and depth; each is made once. */
export class Expressions {
  readonly #leaves: Leaves;
  readonly #made = new Map<string, Text>();

  readonly #nesting: number;

  /** `nesting`: comprehensions around these expressions. */
  constructor(leaves: Leaves, nesting = 0) {
    this.#leaves = leaves;
    this.#nesting = nesting;
  }

  of(kind: Kind, depth: number): Text {
    const key = `${kind}${depth}`;
    const known = this.#made.get(key);
    if (known) return known;
    const leaf = fc.constantFrom(...(this.#leaves.get(kind) ?? []), ...constants[kind]);
    const made = depth <= 0 ? leaf : fc.oneof(leaf, ...this.#forms(kind, depth - 1));
    this.#made.set(key, made);
    return made;
  }

  /** Whether there is anything of this kind at all. */
  has(kind: Kind): boolean {
    return this.#leaves.has(kind) || constants[kind].length > 0;
  }

  /** The same with a comprehension's variable in reach. */
  #within(variable: string, over: ListKind): Expressions {
    const leaves = itemLeaves[over];
    const all = new Map(this.#leaves);
    // Three times, so that bodies mostly speak of their variable.
    for (const [kind, paths] of leaves) {
      const mine = paths.map((path) => path.replace(/^\$/, variable));
      all.set(kind, [...mine, ...mine, ...mine, ...(all.get(kind) ?? [])]);
    }
    return new Expressions(all, this.#nesting + 1);
  }

  #forms(kind: Kind, depth: number): readonly Text[] {
    const whether = this.#form`(${"bool"} ? ${kind} : ${kind})`;
    return [...this.#formsOf(kind, depth), whether].map((form) => form(depth));
  }

  #formsOf(kind: Kind, depth: number): readonly ((depth: number) => Text)[] {
    switch (kind) {
      case "bool":
        return [...this.#conditions(), ...this.#quantifiers(depth)];
      case "int":
        return this.#integers();
      case "double":
        return [
          this.#form`(${"double"} ${["+", "-", "*", "/"]} ${"double"})`,
          this.#form`double(${"int"})`,
          this.#form`(${"dynFraction"} ${["+", "-", "*", "/"]} ${"double"})`,
          this.#form`-${"double"}`,
        ];
      case "text":
        return this.#texts();
      case "duration":
        return [this.#form`(${"duration"} ${["+", "-"]} ${"duration"})`];
      case "texts":
        return [
          this.#form`[${"text"}, ${"text"}]`,
          this.#form`(${"texts"} + ${"texts"})`,
          this.#form`${"text"}.split(${"text"})`,
          ...this.#transforms("texts", "text", depth),
        ];
      case "ints":
        return [this.#form`[${"int"}, ${"int"}]`, ...this.#transforms("ints", "int", depth)];
      case "labels":
        return [this.#form`{${"text"}: ${"text"}, 'app': ${"text"}}`];
      case "containers":
        return this.#transforms("containers", null, depth);
      case "dyn":
        return [this.#form`dyn(${"text"})`, this.#form`dyn(${"bool"})`, this.#form`dyn(${"int"})`];
      case "dynFraction":
        return [];
    }
  }

  #conditions(): readonly ((depth: number) => Text)[] {
    const equality = ["==", "!="];
    const order = ["<", "<=", ">", ">=", ...equality];
    return [
      this.#form`(${"bool"} && ${"bool"})`,
      this.#form`(${"bool"} || ${"bool"})`,
      this.#form`!${"bool"}`,
      this.#form`${"text"} ${order} ${"text"}`,
      this.#form`${"int"} ${order} ${"int"}`,
      this.#form`${"double"} ${order} ${"double"}`,
      this.#form`${"duration"} ${order} ${"duration"}`,
      this.#form`${"texts"} ${equality} ${"texts"}`,
      this.#form`${"ints"} ${equality} ${"ints"}`,
      this.#form`${"labels"} ${equality} ${"labels"}`,
      this.#form`${"dyn"} ${equality} ${"dyn"}`,
      this.#form`${"dyn"} ${order} ${"int"}`,
      this.#form`${"dyn"} ${equality} ${"text"}`,
      this.#form`${"dynFraction"} ${order} ${"double"}`,
      this.#form`(${"dyn"} && ${"bool"})`,
      this.#form`(${"bool"} || ${"dyn"})`,
      this.#form`${"text"} in ${"texts"}`,
      this.#form`${"text"} in [${"text"}, 'web', 'a']`,
      this.#form`${"text"} in ['none', 'web', 'a']`,
      this.#form`${"int"} in ${"ints"}`,
      this.#form`${"text"} in ${"labels"}`,
      this.#form`${"dyn"} in ${"texts"}`,
      this.#form`${"text"} in ${"dyn"}`,
      this.#form`${"text"}.${["startsWith", "endsWith", "contains"]}(${"text"})`,
      this.#form`${"text"}.matches(${["'^w.b$'", "'^(a+)+$'", "'[0-9]+'", "''"]})`,
      this.#form`bool(${"text"})`,
      ...this.#presences(),
    ];
  }

  #presences(): readonly ((depth: number) => Text)[] {
    const paths = [...this.#leaves.entries()].flatMap(([kind, all]) => {
      const fields = all.filter((path) => /\.\w+$/.test(path));
      return kind === "labels" ? fields.flatMap((path) => [path, `${path}.app`]) : fields;
    });
    return paths.length > 0 ? [this.#form`has(${paths})`] : [];
  }

  #integers(): readonly ((depth: number) => Text)[] {
    return [
      this.#form`(${"int"} ${["+", "-"]} ${"int"})`,
      this.#form`(${"int"} ${["/", "%"]} ${"int"})`,
      // Of leaves alone: products of products soon leave what a number holds exactly.
      () => this.#form`(${"int"} * ${"int"})`(0),
      this.#form`(${"dyn"} ${["+", "-", "/", "%"]} ${"int"})`,
      this.#form`-${"int"}`,
      this.#form`size(${"text"})`,
      this.#form`size(${"texts"})`,
      this.#form`size(${"labels"})`,
      this.#form`${"ints"}[${["0", "1", "2", "-1"]}]`,
      this.#form`int(${"double"})`,
      this.#form`int(${["'7'", "'-3'", "'x'"]})`,
      this.#form`${"text"}.${["indexOf", "lastIndexOf"]}(${"text"})`,
      this.#form`${"duration"}.getSeconds()`,
      ...(this.has("containers") ? [this.#form`size(${"containers"})`] : []),
    ];
  }

  #texts(): readonly ((depth: number) => Text)[] {
    return [
      this.#form`(${"text"} + ${"text"})`,
      this.#form`string(${"int"})`,
      this.#form`string(${"bool"})`,
      this.#form`string(${"duration"})`,
      this.#form`${"text"}.${["lowerAscii", "upperAscii", "trim"]}()`,
      this.#form`${"text"}.charAt(${["0", "1", "-1", "5"]})`,
      this.#form`${"text"}.substring(${["0", "1", "2"]}, ${["1", "2", "3"]})`,
      this.#form`${"text"}.replace(${["'a'", "'e'", "' '"]}, ${"text"})`,
      this.#form`${"texts"}.join(${"text"})`,
      this.#form`${"texts"}[${["0", "1", "2"]}]`,
      this.#form`${"labels"}[${["'app'", "'x'", "''", "'__proto__'"]}]`,
      this.#form`${"labels"}.${["app", "x", "constructor"]}`,
    ];
  }

  /** `exists` and the like over every kind of list, and over maps. */
  #quantifiers(depth: number): readonly ((depth: number) => Text)[] {
    if (this.#nesting >= nestingMax) return [];
    const variable = `v${this.#nesting}`;
    return listKinds.flatMap((over) => {
      if (!this.has(over)) return [];
      const inner = this.#within(variable, over);
      const names = ["exists", "all", "exists_one"];
      return [
        () =>
          fc
            .tuple(
              this.of(over, 0),
              fc.constantFrom(...names),
              inner.of("bool", Math.min(depth, 1)),
            )
            .map(([list, name, body]) => `${list}.${name}(${variable}, ${body})`),
      ];
    });
  }

  /** `filter`, and `map` to items of the same kind. */
  #transforms(
    over: "texts" | "ints" | "containers",
    item: Kind | null,
    depth: number,
  ): readonly ((depth: number) => Text)[] {
    if (!this.has(over) || this.#nesting >= nestingMax) return [];
    const variable = `v${this.#nesting}`;
    const inner = this.#within(variable, over);
    const make = (name: string, body: Kind) => () =>
      fc
        .tuple(this.of(over, 0), inner.of(body, Math.min(depth, 1)))
        .map(([list, text]) => `${list}.${name}(${variable}, ${text})`);
    return item === null ? [make("filter", "bool")] : [make("filter", "bool"), make("map", item)];
  }

  /** A template of kinds, each of the depth below, and of lists to choose from. */
  #form(parts: TemplateStringsArray, ...holes: readonly (Kind | readonly string[])[]) {
    return (depth: number): Text => {
      const fillings = holes.map((hole) =>
        typeof hole === "string" ? this.of(hole, depth) : fc.constantFrom(...hole),
      );
      return fc.tuple(...fillings).map((texts) => String.raw({ raw: parts }, ...texts));
    };
  }
}

/** As deep as rules may nest them. */
const nestingMax = 2;

const listKinds = ["texts", "ints", "containers", "labels", "dyn"] as const;
type ListKind = (typeof listKinds)[number];

/** What can be said of an item; `$` stands for the variable. */
const itemLeaves: Readonly<Record<ListKind, Leaves>> = {
  texts: new Map([["text", ["$"]]]),
  labels: new Map([["text", ["$"]]]),
  ints: new Map([["int", ["$"]]]),
  dyn: new Map([["dyn", ["$", "$.a"]]]),
  containers: leavesOf("container", "$"),
};

const texts = fc.constantFrom("", "a", "web", "none", "é", " b ", "443", "-0", "true");
const integers = fc.constantFrom(-3, -1, 0, 1, 2, 7, 80, 443, 1_337);
const fractions = fc.constantFrom(0.25, 1.5, -2.75);
const labels = fc.dictionary(fc.constantFrom("app", "x", "", "a"), texts, { maxKeys: 3 });

/** JSON as objects hold it; numbers below `share` have a fraction, all others have none. */
const anything: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  leaf: fc.oneof(integers, texts, fc.boolean()),
  object: fc.record(
    {
      a: tie("any"),
      b: tie("any"),
      x: tie("any"),
      y: tie("leaf"),
      share: fc.oneof(fractions, texts),
      of: tie("object"),
      map: tie("object"),
      list: fc.array(fc.oneof(tie("leaf"), fc.constant(null)), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  ),
  any: fc.oneof({ weight: 3, arbitrary: tie("leaf") }, tie("object"), fc.array(tie("leaf"))),
})).object;

/** An entity with all its fields, some of them at their zero. */
export function arbitraryEntity(type: RecordType): fc.Arbitrary<unknown> {
  const fields = Object.entries(entityFields[type] as Readonly<Record<string, FieldType>>);
  return fc.record(Object.fromEntries(fields.map(([name, of]) => [name, arbitraryField(of)])));
}

function arbitraryField(type: FieldType): fc.Arbitrary<unknown> {
  if (typeof type === "object") return fc.constantFrom(...type.values);
  switch (type) {
    case "string":
      return texts;
    case "int":
    case "id":
    case "proxy_id":
      return integers;
    case "double":
      return fc.oneof(fractions, fc.constant(0));
    case "bool":
      return fc.boolean();
    case "duration":
    case "age":
      return fc.constantFrom(0, 15_000_000, 90_000_000, 3_600_000_000);
    case "dyn":
      return anything;
    case "list<string>":
      return fc.array(texts, { maxLength: 3 });
    case "list<int>":
      return fc.array(integers, { maxLength: 3 });
    case "list<container>":
      return fc.array(arbitraryEntity("container"), { maxLength: 2 });
    case "map<string, string>":
      return labels;
    case "map<string, double>":
      return fc.dictionary(fc.constantFrom("a", "b"), fractions);
    case "node":
    case "process":
      return arbitraryEntity(type);
  }
}

/** The zero value and `count` random ones, always the same. */
export function sampleEntities(type: EntityType, count: number): readonly unknown[] {
  return [makeEntity(type), ...fc.sample(arbitraryEntity(type), { seed: 7, numRuns: count })];
}
