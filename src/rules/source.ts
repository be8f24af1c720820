/**
 * One rule file as YAML with positions. Knows where a character of a scalar's value stands in the file;
 * knows nothing of rules.
 */
import {
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Scalar,
} from "yaml";
import type { Diagnostic } from "./diagnostics.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Text of one file; paths are names here, nothing is read. */
export interface RuleFileText {
  readonly path: string;
  readonly text: string;
}

/** One missing bracket can make a complaint about every line that follows. */
const yamlErrorsMax = 10;

export class Source {
  readonly path: string;
  readonly document: Document.Parsed;
  readonly #text: string;
  readonly #lines: readonly string[];
  readonly #counter = new LineCounter();

  constructor(file: RuleFileText) {
    this.path = file.path;
    this.#text = file.text;
    this.#lines = file.text.split("\n");
    this.document = parseDocument(file.text, {
      lineCounter: this.#counter,
      prettyErrors: false,
      // `yes` and `no` are words of this format, never booleans.
      version: "1.2",
      // The library compares each with each; `yamlErrors` does it in one pass.
      uniqueKeys: false,
    });
  }

  /**
   * Why the file cannot be used at all. Aliases could hide cycles, and keys that are maps or lists cost
   * exponentially when they are turned into text; rules gain nothing by either.
   */
  yamlErrors(): readonly Diagnostic[] {
    const found = this.document.errors.slice(0, yamlErrorsMax).map((error) => ({
      offset: error.pos[0],
      message: error.message.split("\n")[0] ?? "",
    }));
    const refuse = (node: unknown, message: string): void => {
      const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
      if (found.length < yamlErrorsMax) found.push({ offset, message });
    };
    visit(this.document, {
      Alias: (_, node) => refuse(node, "a YAML alias, which rule files do not have"),
      Map: (_, { items }) => {
        const seen = new Set<unknown>();
        for (const { key } of items) {
          if (!isScalar(key)) refuse(key, "a key that is a map or a list");
          else if (seen.has(key.value)) refuse(key, `a second key '${String(key.value)}'`);
          else seen.add(key.value);
        }
      },
    });
    return found.map(({ offset, message }) => ({
      code: "RULE_YAML",
      severity: "error",
      file: this.path,
      ...this.at(offset),
      message,
      suggestion: "",
    }));
  }

  /** Where a node begins; the file's first character when it has no place of its own. */
  startOf(node: Node | null | undefined): Position {
    return this.at(node?.range?.[0] ?? 0);
  }

  at(offset: number): Position {
    const { line, col } = this.#counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /**
   * Where the character at `offset` of a scalar's value stands. Exact for literal blocks and one-line
   * scalars; folded ones have lost their line breaks, so there it is the scalar's beginning.
   */
  within(node: Scalar, offset: number): Position {
    const start = node.range?.[0] ?? 0;
    if (node.type === "BLOCK_LITERAL") return this.#withinBlock(node, offset);
    if (node.type === "BLOCK_FOLDED" || this.#isManyLines(node)) return this.at(start);
    if (node.type === "PLAIN" || node.type === undefined) return this.at(start + offset);
    return this.at(start + 1 + this.#quotedLength(start + 1, offset, node.type));
  }

  /** A scalar whose line breaks are not those of its value. */
  isFolded(node: Scalar): boolean {
    return (
      node.type === "BLOCK_FOLDED" || (node.type !== "BLOCK_LITERAL" && this.#isManyLines(node))
    );
  }

  #isManyLines(node: Scalar): boolean {
    const [start, end] = node.range ?? [0, 0];
    return this.#text.slice(start, end).includes("\n");
  }

  #withinBlock(node: Scalar, offset: number): Position {
    const value = String(node.value);
    const before = value.slice(0, offset).split("\n");
    const header = this.startOf(node).line;
    const line = header + before.length;
    const written = this.#lines[line - 1] ?? "";
    const meant = value.split("\n")[before.length - 1] ?? "";
    const indent = Math.max(0, written.replace(/\r$/, "").length - meant.length);
    return { line, column: indent + (before.at(-1)?.length ?? 0) + 1 };
  }

  /** How many characters of the file the first `length` characters of a quoted value take. */
  #quotedLength(start: number, length: number, type: Scalar["type"]): number {
    const escape = type === "QUOTE_SINGLE" ? /^''/ : /^\\(x..|u.{4}|U.{8}|.)/;
    let at = start;
    for (let index = 0; index < length; index++) {
      at += escape.exec(this.#text.slice(at, at + 10))?.[0].length ?? 1;
    }
    return at - start;
  }
}

/** The text of a scalar node, or undefined when it is none. */
export function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === "string" ? node.value : undefined;
}
