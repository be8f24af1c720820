/** `print-config`: the configuration that `serve` would work with, every default filled in. */
import { printConfig } from "../config/print.ts";
import type { CliIo } from "./io.ts";
import { readConfig, type ConfigOptions } from "./load.ts";

export function runPrintConfig(options: ConfigOptions, io: CliIo): number {
  io.out(printConfig(readConfig(options, io)));
  return 0;
}
