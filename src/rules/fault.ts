/** CEL's error value: it makes a rule not match, and never leaves the evaluator. */

export type FaultReason = "missing" | "type" | "arithmetic" | "conversion" | "cost";

/** Made when modules or rules are loaded: throwing one at run time costs no stack trace. */
export class Fault extends Error {
  readonly reason: FaultReason;
  constructor(reason: FaultReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export type Value = unknown;
