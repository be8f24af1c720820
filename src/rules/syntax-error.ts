/** What a parser's complaint means, in the words of the text: it names tokens, people see characters. */
import type { Range } from "./ast.ts";

/** The parser's names of what it waits for. */
const tokens: Readonly<Record<string, string>> = {
  RPAREN: "')'",
  RBRACKET: "']'",
  RBRACE: "'}'",
  COLON: "':'",
  IDENTIFIER: "a name",
};

/** What other languages write, and CEL writes otherwise. */
const habits: Readonly<Record<string, string>> = {
  and: "&&",
  or: "||",
  is: "==",
  "=": "==",
  "&": "&&",
  "|": "||",
};

export interface SyntaxProblem {
  readonly message: string;
  /** "" = no idea. */
  readonly suggestion: string;
}

/** `range` is the word at which the parser stopped; empty at the end of the text. */
export function syntaxProblem(summary: string, text: string, range: Range): SyntaxProblem {
  const [, wanted] = /^Expected (\w+), got \w+$/.exec(summary) ?? [];
  const isUnexpected = /^Unexpected (character|token): /.test(summary);
  if (wanted === undefined && !isUnexpected) return { message: summary, suggestion: "" };
  const word = text.slice(range.start, range.end);
  const found = word === "" ? "the expression ends" : `'${word}' is unexpected`;
  const expected = wanted === undefined ? "" : `, ${tokens[wanted] ?? wanted} is missing`;
  const isNegation = /(^|\W)not\s+$/.test(text.slice(0, range.start));
  return { message: `${found}${expected}`, suggestion: isNegation ? "!" : habitOf(word) };
}

function habitOf(word: string): string {
  return Object.hasOwn(habits, word) ? (habits[word] ?? "") : "";
}
