/** Stops on a programmer error. Never for bad input, which is a counted value. */
export function assert(condition: unknown, mustHold: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${mustHold}`);
}
