/**
 * What is wrong with rule files, as data: a stable code, the place, what to do. Loading collects all of
 * them and throws none. Codes are a promise to scripts that read `rules check --json`.
 */
export type ErrorCode =
  | "RULE_YAML"
  | "RULE_KEY"
  | "RULE_CEL_SYNTAX"
  | "RULE_CEL_TYPE"
  | "RULE_REF"
  | "RULE_TEMPLATE"
  | "RULE_WAIVER";
export type WarningCode =
  | "UNUSED_LIST"
  | "UNUSED_MACRO"
  | "NO_TESTS"
  | "REGEX_IN_HOT_PATH"
  | "FOLDED_SCALAR"
  | "WAIVER_ENDS"
  | "NO_EFFECT"
  | "OLD_TAG"
  | "WITHIN_TOO_SHORT";

export interface Diagnostic {
  readonly code: ErrorCode | WarningCode;
  readonly severity: "error" | "warning";
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What was probably meant, "" = no idea. */
  readonly suggestion: string;
}

/** Why rule files cannot be used: the cause of what a person is told. */
export class RulesError extends Error {
  readonly errors: readonly Diagnostic[];

  constructor(errors: readonly Diagnostic[]) {
    super(`${errors.length} errors in rule files`);
    this.errors = errors;
  }
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === "error");
}

/** Order in which people read: by file, then from top to bottom. */
export function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** `file:line:column severity CODE message`, the line itself and a caret below the place. */
export function formatDiagnostic(diagnostic: Diagnostic, text: string | undefined): string {
  const { file, line, column, severity, code, message, suggestion } = diagnostic;
  const hint = suggestion === "" ? "" : ` (did you mean '${suggestion}'?)`;
  const head = `${file}:${line}:${column} ${severity} ${code} ${message}${hint}`;
  const source = text?.split(/\r?\n/)[line - 1];
  if (source === undefined) return head;
  const gutter = String(line);
  // Tabs stay tabs, so that the caret stands below its character whatever their width.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, " ");
  return `${head}\n  ${gutter} | ${source}\n  ${" ".repeat(gutter.length)} | ${indent}^`;
}
