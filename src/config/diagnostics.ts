/** What is wrong with a configuration, as data: where it stands and what to do. */
import { redacted } from "../lib/secret.ts";

export interface ConfigDiagnostic {
  /** Path of the file, or the `--set` argument. */
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** The line at fault. */
  readonly source: string;
  readonly message: string;
}

/** Keys under which somebody may have written a secret, though none may stand in a configuration. */
const secretKey = /token|secret|passw|credential|authorization|bearer|api_?key|private/i;

/** What is printed at a start is kept in logs. Names of files are no secrets. */
function shown(text: string): string {
  return secretKey.test(text.replace(/\w+_file\b/g, "")) ? redacted : text;
}

/** `file:line:column message`, the line itself, and a caret below the place. */
export function formatConfigDiagnostic(diagnostic: ConfigDiagnostic): string {
  const { line, column, message } = diagnostic;
  const isSet = diagnostic.file.startsWith("--set ");
  const file = isSet ? shown(diagnostic.file) : diagnostic.file;
  const source = shown(diagnostic.source);
  const gutter = String(line);
  // Tabs stay tabs, so that the caret stands below its character whatever their width.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, " ");
  const margin = " ".repeat(gutter.length);
  return `${file}:${gutter}:${column} ${message}\n  ${gutter} | ${source}\n  ${margin} | ${indent}^`;
}
