/**
 * The typed syntax tree of a CEL expression, as our own plain data: what `front-end.ts` produces and
 * everything else reads. It holds only what this engine evaluates; the rest of CEL (bytes, timestamps,
 * optional access, type values) is refused while it is built.
 */

/** Half-open range of UTF-16 units in the expression's text. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";
export type OrderOperator = "<" | "<=" | ">" | ">=";
export type BinaryOperator = ArithmeticOperator | OrderOperator | "==" | "!=" | "in";

export const comprehensionNames = ["exists", "all", "exists_one", "filter", "map"] as const;
export type ComprehensionName = (typeof comprehensionNames)[number];

interface NodeBase extends Range {
  /** The checker's type name: `bool`, `int`, `list<string>`, `node`, `dyn`, … */
  readonly type: string;
}

export interface ConstantNode extends NodeBase {
  readonly op: "constant";
  /** Integers are JS numbers: safe to 2^53, and a larger one is refused. */
  readonly value: string | number | boolean | null;
}
export interface NameNode extends NodeBase {
  readonly op: "name";
  readonly name: string;
}
export interface FieldNode extends NodeBase {
  readonly op: "field";
  readonly of: Node;
  readonly name: string;
  /** Where the name itself stands; the node's range covers the whole path. */
  readonly nameStart: number;
}
export interface IndexNode extends NodeBase {
  readonly op: "index";
  readonly of: Node;
  readonly key: Node;
}
export interface UnaryNode extends NodeBase {
  readonly op: "not" | "negate";
  readonly of: Node;
}
export interface LogicNode extends NodeBase {
  readonly op: "and" | "or";
  readonly left: Node;
  readonly right: Node;
}
export interface ChooseNode extends NodeBase {
  readonly op: "choose";
  readonly condition: Node;
  readonly yes: Node;
  readonly no: Node;
}
export interface BinaryNode extends NodeBase {
  readonly op: "binary";
  readonly operator: BinaryOperator;
  readonly left: Node;
  readonly right: Node;
}
export interface ListNode extends NodeBase {
  readonly op: "list";
  readonly items: readonly Node[];
}
/** A map literal: keys are texts, each once. */
export interface MapNode extends NodeBase {
  readonly op: "map";
  readonly keys: readonly Node[];
  readonly values: readonly Node[];
}
export interface CallNode extends NodeBase {
  readonly op: "call";
  readonly name: string;
  /** The receiver comes first: `a.startsWith(b)` has the arguments `a, b`. */
  readonly args: readonly Node[];
}
export interface HasNode extends NodeBase {
  readonly op: "has";
  readonly of: FieldNode;
}
export interface ComprehensionNode extends NodeBase {
  readonly op: "comprehension";
  readonly name: ComprehensionName;
  readonly over: Node;
  readonly variable: string;
  readonly body: Node;
}

export type Node =
  | ConstantNode
  | NameNode
  | FieldNode
  | IndexNode
  | UnaryNode
  | LogicNode
  | ChooseNode
  | BinaryNode
  | ListNode
  | MapNode
  | CallNode
  | HasNode
  | ComprehensionNode;

export function childrenOf(node: Node): readonly Node[] {
  switch (node.op) {
    case "constant":
    case "name":
      return [];
    case "field":
    case "not":
    case "negate":
    case "has":
      return [node.of];
    case "index":
      return [node.of, node.key];
    case "and":
    case "or":
    case "binary":
      return [node.left, node.right];
    case "choose":
      return [node.condition, node.yes, node.no];
    case "list":
      return node.items;
    case "map":
      return [...node.keys, ...node.values];
    case "call":
      return node.args;
    case "comprehension":
      return [node.over, node.body];
  }
}

/** The tree with names replaced; names that `by` does not know stay. */
export function replaceNames(node: Node, by: ReadonlyMap<string, Node>): Node {
  const inside = (child: Node): Node => replaceNames(child, by);
  switch (node.op) {
    case "constant":
      return node;
    case "name":
      return by.get(node.name) ?? node;
    case "field":
    case "not":
    case "negate":
      return { ...node, of: inside(node.of) };
    case "has": {
      const of = inside(node.of);
      return of.op === "field" ? { ...node, of } : node;
    }
    case "index":
      return { ...node, of: inside(node.of), key: inside(node.key) };
    case "and":
    case "or":
    case "binary":
      return { ...node, left: inside(node.left), right: inside(node.right) };
    case "choose": {
      const [condition, yes, no] = [inside(node.condition), inside(node.yes), inside(node.no)];
      return { ...node, condition, yes, no };
    }
    case "list":
      return { ...node, items: node.items.map(inside) };
    case "map":
      return { ...node, keys: node.keys.map(inside), values: node.values.map(inside) };
    case "call":
      return { ...node, args: node.args.map(inside) };
    case "comprehension":
      return { ...node, over: inside(node.over), body: inside(node.body) };
  }
}

export function visit(node: Node, see: (node: Node) => void): void {
  see(node);
  for (const child of childrenOf(node)) visit(child, see);
}

/** `edge.src.name` as its names, or null when the node is no plain path. */
export function pathOf(node: Node): readonly string[] | null {
  if (node.op === "name") return [node.name];
  if (node.op !== "field") return null;
  const path = pathOf(node.of);
  return path && [...path, node.name];
}
