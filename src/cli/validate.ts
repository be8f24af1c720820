/** `validate`: checks everything that `serve` would load, and says what it found. */
import type { CliIo } from "./io.ts";
import { readConfig, readRules, type ConfigOptions } from "./load.ts";

export function runValidate(options: ConfigOptions, io: CliIo): number {
  const config = readConfig(options, io);
  const { files, metas } = readRules(config);
  io.out(`configuration: ok\nrules: ${metas.length} in ${files.length} files, ok\n`);
  return 0;
}
