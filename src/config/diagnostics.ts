/** What is wrong with a configuration, as data: where it stands and what to do. */

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

/** `file:line:column message`, the line itself, and a caret below the place. */
export function formatConfigDiagnostic(diagnostic: ConfigDiagnostic): string {
  const { file, line, column, source, message } = diagnostic;
  const gutter = String(line);
  // Tabs stay tabs, so that the caret stands below its character whatever their width.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, " ");
  const margin = " ".repeat(gutter.length);
  return `${file}:${gutter}:${column} ${message}\n  ${gutter} | ${source}\n  ${margin} | ${indent}^`;
}
