/**
 * The truth of every part of a condition for one entity, as a tree: what `rules explain` shows. Each part
 * is run by the same compiled code as the whole; what the whole would not have asked is marked as skipped.
 */
import { childrenOf, pathOf, type ComprehensionNode, type LogicNode, type Node } from "./ast.ts";
import { isAge } from "./check.ts";
import { compile, makeFrame, termsOf, type Frame } from "./compile.ts";
import { Fault, type Value } from "./fault.ts";
import { durationType } from "./front-end.ts";
import type { CompiledRule, WrittenRule } from "./rule.ts";
import { durationToText } from "../model/durations.ts";
import type { NodeEntity } from "../model/entities.ts";
import type { Confidence } from "../model/insights.ts";
import type { Us } from "../model/time.ts";

export interface ExplainedPart {
  /** As it is written, on one line; a macro is its name, with its expression as the one part. */
  readonly text: string;
  /** `skipped`: the whole is decided without it. */
  readonly outcome: "value" | "error" | "skipped";
  /** Durations and ages as text; null unless the outcome is a value. */
  readonly value: unknown;
  /** Reason and message of a fault, "" = none. */
  readonly error: string;
  readonly parts: readonly ExplainedPart[];
}

/** What a rule says of one entity at one moment. */
export interface Explanation {
  readonly condition: ExplainedPart;
  /** Null when it could not be rendered; an insight has the rule's title then. */
  readonly message: string | null;
  readonly confidence: Confidence;
  readonly subject: NodeEntity | null;
  readonly peer: NodeEntity | null;
  readonly key: readonly string[];
}

/** Of a list that a comprehension goes through, so many items are shown. */
const itemsMax = 20;

/** `nowUs`: what ages are compared with. Never throws for what entity and rule hold. */
export function explainRule(rule: CompiledRule, entity: unknown, nowUs: Us): Explanation {
  const frame = { ...makeFrame(), entity, nowUs, count: String(rule.count?.gte ?? "") };
  return {
    condition: explainCondition(rule.written, frame),
    message: messageOf(rule, frame),
    confidence: rule.confidence(entity),
    subject: rule.subject(entity),
    peer: rule.peer(entity),
    key: rule.key(entity),
  };
}

type Condition = Pick<WrittenRule, "when" | "condition" | "context" | "macros">;

/** The condition alone; the frame has the entity and the time. */
export function explainCondition(written: Condition, frame: Frame): ExplainedPart {
  return new Explainer(written, frame).explain(written.condition, written.when, []);
}

function messageOf(rule: CompiledRule, frame: Frame): string | null {
  frame.steps = 0;
  try {
    return rule.message(frame);
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

/** A part of an expression with the text in which it is written and the variables around it. */
class Explainer {
  readonly #written: Condition;
  readonly #frame: Frame;

  constructor(written: Condition, frame: Frame) {
    this.#written = written;
    this.#frame = frame;
  }

  explain(node: Node, text: string, locals: readonly string[], isSkipped = false): ExplainedPart {
    const macro = this.#written.macros.get(node);
    if (!macro) return this.#explainAs(node, text, locals, isSkipped);
    const part = this.#explainAs(node, macro.text, locals, isSkipped);
    return { ...part, text: macro.name, parts: isSkipped ? [] : [part] };
  }

  #explainAs(
    node: Node,
    text: string,
    locals: readonly string[],
    isSkipped: boolean,
  ): ExplainedPart {
    const line = textOf(node, text).replace(/\s+/g, " ").trim();
    if (isSkipped) return { text: line, outcome: "skipped", value: null, error: "", parts: [] };
    const result = this.#run(node, locals);
    return { text: line, ...result, parts: this.#parts(node, text, locals) };
  }

  #run(node: Node, locals: readonly string[]): Omit<ExplainedPart, "text" | "parts"> {
    this.#frame.steps = 0;
    try {
      const value = compile(node, this.#written.context, locals)(this.#frame);
      return { outcome: "value", value: this.#shown(value, node), error: "" };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { outcome: "error", value: null, error: `${error.reason}: ${error.message}` };
    }
  }

  /** Of times, what a person would write. */
  #shown(value: Value, node: Node): unknown {
    if (typeof value !== "number" || node.type !== durationType) return value;
    if (!isAge(node)) return durationToText(value);
    return value === 0 ? "never" : durationToText(this.#frame.nowUs - value);
  }

  #parts(node: Node, text: string, locals: readonly string[]): readonly ExplainedPart[] {
    const all = (...nodes: readonly Node[]): readonly ExplainedPart[] =>
      nodes.filter(saysMore).map((one) => this.explain(one, text, locals));
    switch (node.op) {
      case "constant":
      case "name":
      case "has":
        return [];
      case "field":
        return pathOf(node) ? [] : all(node.of);
      case "not":
      case "negate":
        // What the field holds is said by the line above, turned round.
        return pathOf(node.of) ? [] : all(node.of);
      case "index":
        return all(node.of, node.key);
      case "and":
      case "or":
        return this.#terms(node, text, locals);
      case "choose": {
        const { condition, yes, no } = node;
        const { value } = this.#run(condition, locals);
        return [
          this.explain(condition, text, locals),
          this.explain(yes, text, locals, value !== true),
          this.explain(no, text, locals, value !== false),
        ];
      }
      case "binary":
        return all(node.left, node.right);
      case "list":
        return all(...node.items);
      case "map":
        return all(...node.keys, ...node.values);
      case "call":
        return all(...node.args);
      case "comprehension":
        return this.#items(node, text, locals);
    }
  }

  /** A chain of one operator is one list, and ends for the evaluator at the first term that decides. */
  #terms(node: LogicNode, text: string, locals: readonly string[]): readonly ExplainedPart[] {
    let isDecided = false;
    return this.#termsOf(node.op, node).map((term) => {
      const part = this.explain(term, text, locals, isDecided);
      if (part.value === (node.op === "or")) isDecided = true;
      return part;
    });
  }

  /** A macro in the chain stays one term: it has a name and a text of its own. */
  #termsOf(op: LogicNode["op"], node: Node): readonly Node[] {
    return termsOf(op, node, (one) => this.#written.macros.has(one));
  }

  /** What it goes through, then its body for each item, as far as the evaluator would have asked. */
  #items(
    node: ComprehensionNode,
    text: string,
    locals: readonly string[],
  ): readonly ExplainedPart[] {
    const { over, body, variable, name } = node;
    const list = this.explain(over, text, locals);
    const slot = locals.length;
    const deciding = { exists: true, all: false }[name as string];
    const items = itemsOf(list.value);
    const parts: ExplainedPart[] = [list];
    for (const [index, item] of items.slice(0, itemsMax).entries()) {
      this.#frame.locals[slot] = item;
      const part = this.explain(body, text, [...locals, variable]);
      parts.push({ ...part, text: `${variable} = ${nameOf(item, index)}: ${part.text}` });
      if (deciding !== undefined && part.value === deciding) break;
    }
    const left = items.length - parts.length + 1;
    if (left > 0) parts.push(skipped(`${left} more of ${list.text}`));
    return parts;
  }
}

/** The parser's ranges leave out parentheses around a node's first or last part: those that lack come back. */
function textOf({ start, end }: Node, text: string): string {
  let [from, to] = [start, end];
  let depth = 0;
  for (const [token] of text
    .slice(from, to)
    .matchAll(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[()]/g)) {
    if (token === "(") depth++;
    else if (token !== ")") continue;
    else if (depth > 0) depth--;
    else from = text.lastIndexOf("(", from - 1);
  }
  for (; depth > 0; depth--) to = text.indexOf(")", to) + 1;
  return text.slice(from, to);
}

function skipped(text: string): ExplainedPart {
  return { text, outcome: "skipped", value: null, error: "", parts: [] };
}

/** Constants are their own value, and so is what is made of them alone: lists, `duration('5m')`. */
function saysMore(node: Node): boolean {
  if (node.op === "name") return true;
  return node.op !== "constant" && childrenOf(node).some(saysMore);
}

/** Of a map, CEL goes through the keys. */
function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

/** Records are called by their name, since all of their fields would be a page. */
function nameOf(item: unknown, index: number): string {
  if (typeof item !== "object" || item === null) return JSON.stringify(item);
  const { name } = item as { readonly name?: unknown };
  return typeof name === "string" && name !== "" ? name : `item ${index}`;
}
