/**
 * Messages: text with `{{ CEL string }}` in it. What is put in comes from telemetry that anyone can send,
 * so each value loses what could deceive a reader (control and direction characters) and its excess.
 */
import type { Range } from "./ast.ts";
import type { Expression, Frame } from "./compile.ts";

/** UTF-16 units of one value, and of the whole message. */
const valueMax = 200;
const messageMax = 1_000;

export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly text: string; readonly range: Range };

/** The parts in order, or where the first unclosed `{{` stands. */
export function splitTemplate(template: string): readonly TemplatePart[] | { unclosedAt: number } {
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{{", at);
    if (open < 0) break;
    const close = template.indexOf("}}", open + 2);
    if (close < 0) return { unclosedAt: open };
    if (open > at) parts.push({ kind: "text", text: template.slice(at, open) });
    const range = { start: open + 2, end: close };
    parts.push({ kind: "expression", text: template.slice(range.start, range.end), range });
    at = close + 2;
  }
  if (at < template.length) parts.push({ kind: "text", text: template.slice(at) });
  return parts;
}

export type Template = (frame: Frame) => string;

export function makeTemplate(parts: readonly (string | Expression)[]): Template {
  return (frame) => {
    let message = "";
    for (const part of parts) {
      message += typeof part === "string" ? part : cleanText(String(part(frame)), valueMax);
    }
    return cut(message, messageMax);
  };
}

// C0 and C1 controls, zero-width and direction marks, line and paragraph separators, byte order mark.
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const deceiving = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** One line of what a hostile sender wrote, at most `max` UTF-16 units of it. */
export function cleanText(text: string, max: number): string {
  // Cut first: a long text must not be searched whole.
  return cut(text.slice(0, 2 * max).replace(deceiving, " "), max);
}

function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  // A surrogate pair is kept whole or not at all.
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
