#!/usr/bin/env node
/** Process edge: arguments in, signals to an abort, exit code out. Nobody else ends the process. */
import type { CliIo } from "./cli/io.ts";
import { runProgram } from "./cli/program.ts";

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second one means it: whoever waits for a clean stop has lost patience.
    if (stopping.signal.aborted) process.exit(1);
    stopping.abort();
  });
}
// A closed pipe (`| head`) is the reader's decision, not our fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const io: CliIo = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  isTty: process.stderr.isTTY,
  env: process.env,
  signal: stopping.signal,
  onHangup: (listener) => void process.on("SIGHUP", listener),
};

process.exitCode = await runProgram(process.argv.slice(2), io);
