/** Which store a command means: the one it names, else that of the configuration. */
import { StoreError } from "../store/errors.ts";
import { UserError, type CliIo } from "./io.ts";
import { readConfig, type ConfigOptions } from "./load.ts";

export interface StoreOptions extends ConfigOptions {
  readonly store?: string | undefined;
}

export function storePathOf(options: StoreOptions, io: CliIo): string {
  return options.store ?? readConfig(options, io).store.path;
}

/** The store says in one line what is wrong and what to do. */
export function storeTrouble(error: unknown): unknown {
  return error instanceof StoreError ? new UserError(error.message, 1) : error;
}
