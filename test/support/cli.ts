/** Runs a command in this process, with what it prints collected. */
import type { CliIo } from "../../src/cli/io.ts";
import { runProgram } from "../../src/cli/program.ts";

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export interface CollectingIo extends CliIo {
  readonly printed: { out: string; error: string };
}

export function makeIo(over: Partial<CliIo> = {}): CollectingIo {
  const printed = { out: "", error: "" };
  return {
    out: (text) => void (printed.out += text),
    error: (text) => void (printed.error += text),
    isTty: false,
    env: {},
    signal: new AbortController().signal,
    onHangup: () => {},
    ...over,
    printed,
  };
}

export async function runCli(args: readonly string[], io = makeIo()): Promise<CliResult> {
  const code = await runProgram(args, io);
  return { code, ...io.printed };
}
