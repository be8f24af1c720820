/** What a command may touch of the terminal, so that tests can run commands in-process. */

export interface CliIo {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly isTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Calls at each SIGHUP, which ends the process unless somebody listens. */
  readonly onHangup: (listener: () => void) => void;
}

/** A mistake of the user's: printed as one line without a stack. */
export class UserError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 2, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

const fileTroubles: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  EEXIST: "the file exists; choose another name",
  EACCES: "permission denied",
  ENOSPC: "the disk is full",
};

/** Why a file could not be used, in words; the system's own where we have none. */
export function fileTrouble(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return fileTroubles[code] ?? (error instanceof Error ? error.message : String(error));
}

/** Columns padded to their widest cell; the last one is left as it is. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
    .concat("\n");
}

/**
 * Text from telemetry for a terminal: control characters could move the cursor or change colours, and
 * marks of writing direction could show a name as another one.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "?");
}
