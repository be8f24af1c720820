/**
 * What one rule's expressions can name: its entity, its params, the set's lists and macros. Checks and
 * compiles each expression and reports what is wrong with it at its place in the file.
 */
import { isScalar, type Scalar, type YAMLSeq } from "yaml";
import type { EntityType } from "../model/entities.ts";
import { replaceNames, type Node } from "./ast.ts";
import { checkCost, checkTree, fieldsRead, usesRegex, type ListValues } from "./check.ts";
import { compile, type CompileContext, type Expression } from "./compile.ts";
import { durationType, FrontEnd, type ExpressionError, type Variables } from "./front-end.ts";
import type { ParamType } from "./keys.ts";
import type { Report } from "./validate.ts";

export interface SharedList {
  readonly values: ListValues;
  readonly key: Scalar;
  /** As its file has it. */
  readonly items: YAMLSeq;
  readonly report: Report;
}

export interface SharedMacro {
  readonly text: string;
  readonly key: Scalar;
  readonly scalar: Scalar;
  readonly report: Report;
}

/** Lists and macros of the whole set, and which of them some rule uses. */
export interface Shared {
  readonly lists: ReadonlyMap<string, SharedList>;
  readonly macros: ReadonlyMap<string, SharedMacro>;
  readonly used: Set<string>;
}

export interface Param {
  readonly type: ParamType;
  /** Durations in microseconds. */
  readonly value: string | number | boolean;
}

/** An expression's text and where it stands: a scalar, or a part of one from `offset` on. */
export interface Written {
  readonly text: string;
  readonly scalar: Scalar;
  readonly offset: number;
  readonly report: Report;
}

/** A checked and compiled expression. */
export interface Ready {
  readonly type: string;
  readonly run: Expression;
  readonly reads: readonly string[];
  readonly hasRegex: boolean;
  /** The checked tree with macros in their names' places. */
  readonly node: Node;
}

/** A macro whose tree is part of an expression: positions below it count in its own text. */
export interface MacroText {
  readonly name: string;
  readonly text: string;
}

/** Strings are matched so that words in them are no names; what follows a dot is a field. */
const stringOrName = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|(?<![.\w])[A-Za-z_]\w*/g;

/** The view of one rule. Macros are checked anew for each rule, since each has its own entity. */
export class Scope {
  readonly #on: EntityType;
  readonly #params: ReadonlyMap<string, Param>;
  readonly #shared: Shared;
  readonly #lists: ReadonlyMap<string, ListValues>;
  readonly #names: ReadonlySet<string>;
  /** Macros as this rule sees them; null = it has an error, which was reported. */
  readonly #macros = new Map<string, Node | null>();
  /** Macros being checked now: meeting one of them again is a cycle. */
  readonly #open = new Set<string>();
  readonly #frontEnds = new Map<string, FrontEnd>();
  readonly #macroTexts = new Map<Node, MacroText>();

  readonly #counted: readonly string[];

  /** `counted`: a message may say how many there are. */
  constructor(
    on: EntityType,
    params: ReadonlyMap<string, Param>,
    shared: Shared,
    counted: readonly string[] = [],
  ) {
    this.#on = on;
    this.#counted = counted;
    this.#params = params;
    this.#shared = shared;
    this.#lists = new Map([...shared.lists].map(([name, list]) => [name, list.values]));
    this.#names = new Set([
      on,
      "params",
      ...counted,
      ...shared.lists.keys(),
      ...shared.macros.keys(),
    ]);
  }

  /** Null when it has errors; all of them are in the report by then. */
  compile(written: Written): Ready | null {
    const node = this.#check(written);
    if (!node) return null;
    return {
      type: node.type,
      run: compile(node, this.context),
      node,
      reads: fieldsRead(node, this.#on),
      hasRegex: usesRegex(node),
    };
  }

  /** What names stand for when an expression runs. */
  get context(): CompileContext {
    const params = new Map([...this.#params].map(([name, param]) => [name, param.value]));
    return { variable: this.#on, lists: this.#lists, params };
  }

  /** The roots of all macros that its expressions use, each in the place of its name. */
  get macroTexts(): ReadonlyMap<Node, MacroText> {
    return this.#macroTexts;
  }

  /** The checked tree with macros in their names' places. */
  #check(written: Written): Node | null {
    const macros = this.#macrosIn(written);
    if (!macros) return null;
    const checked = this.#frontEnd(macros).check(written.text);
    if (!checked.ok) {
      this.#report(checked.error, written);
      return null;
    }
    const errors = checkTree(checked.node, this.#lists, this.#names);
    for (const error of errors) this.#report(error, written);
    if (errors.length > 0) return null;
    const whole = replaceNames(checked.node, macros);
    // Of macros too: each that doubles the one before would soon be too large even to count.
    const tooMuch = checkCost(whole);
    if (!tooMuch) return whole;
    this.#report({ ...tooMuch, range: checked.node }, written);
    return null;
  }

  /** Most of a rule's expressions use the same macros, or none. */
  #frontEnd(macros: ReadonlyMap<string, Node>): FrontEnd {
    const key = [...macros.keys()].toSorted().join(" ");
    const known = this.#frontEnds.get(key);
    if (known) return known;
    const made = new FrontEnd(this.#variables(macros));
    this.#frontEnds.set(key, made);
    return made;
  }

  /** Name to type; of macros only those that the expression names, since others may not fit its entity. */
  #variables(macros: ReadonlyMap<string, Node>): Variables {
    const variables: Record<string, string | Record<string, string>> = { [this.#on]: this.#on };
    variables["params"] = Object.fromEntries(
      [...this.#params].map(([name, { type }]) => [
        name,
        type === "duration" ? durationType : type,
      ]),
    );
    for (const name of this.#counted) variables[name] = "string";
    for (const [name, values] of this.#lists) {
      variables[name] = typeof values[0] === "number" ? "list<int>" : "list<string>";
    }
    for (const [name, node] of macros) variables[name] = node.type;
    return variables;
  }

  /** The macros whose names occur in the text; null when one of them has an error. */
  #macrosIn(written: Written): ReadonlyMap<string, Node> | null {
    const found = new Map<string, Node>();
    let isUsable = true;
    for (const [word] of written.text.matchAll(stringOrName)) {
      // Also in an expression that has errors: those are not cured by removing the list.
      if (this.#lists.has(word)) this.#shared.used.add(word);
      const macro = this.#shared.macros.get(word);
      if (!macro) continue;
      const node = this.#macro(word, macro, written);
      if (node) found.set(word, node);
      else isUsable = false;
    }
    return isUsable ? found : null;
  }

  /** A macro's own tree for this rule's entity, checked once per rule. */
  #macro(name: string, macro: SharedMacro, user: Written): Node | null {
    const known = this.#macros.get(name);
    if (known !== undefined) return known;
    if (this.#open.has(name)) {
      const at = user.report.source.within(user.scalar, user.offset);
      user.report.error("RULE_REF", at, `the macro '${name}' uses itself`);
      return null;
    }
    this.#open.add(name);
    this.#shared.used.add(name);
    const node = this.#check({ ...macro, offset: 0 });
    this.#open.delete(name);
    this.#macros.set(name, node);
    // A macro that is nothing but another one's name is that one.
    if (node && !this.#macroTexts.has(node)) this.#macroTexts.set(node, { name, text: macro.text });
    return node;
  }

  /** At its place: in the expression, or where the list stands whose item is wrong. */
  #report(error: ExpressionError, { scalar, offset, report }: Written): void {
    const { code, message, suggestion, item } = error;
    const list = item && this.#shared.lists.get(item.list);
    const node = list?.items.items.find((one) => isScalar(one) && one.value === item?.value);
    if (list && isScalar(node)) {
      list.report.error(code, list.report.source.startOf(node), message, suggestion);
      return;
    }
    const at = report.source.within(scalar, offset + error.range.start);
    const named = this.#later(error.hidden, report);
    if (!named) return report.error(code, at, message, suggestion);
    const user = `${report.source.path}:${at.line}`;
    const taken = `'${error.hidden}' is a variable at ${user}: it needs another name`;
    named.report.error("RULE_REF", named.report.source.startOf(named.key), taken);
  }

  /** A list or macro of a later file: a user's own must not break rules that were there before. */
  #later(name: string | undefined, report: Report): SharedList | SharedMacro | null {
    const { lists, macros } = this.#shared;
    const named = name === undefined ? undefined : (lists.get(name) ?? macros.get(name));
    return named && named.report.order > report.order ? named : null;
  }
}
