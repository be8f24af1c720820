/** How much memory the engine thread takes beside what it holds. */
import { setFlagsFromString } from "node:v8";
import type { ResourceLimits } from "node:worker_threads";

export const engineLimits: ResourceLimits = {
  /**
   * Batches live for a moment: with room for several of them, fewer objects are copied for nothing. Twice
   * as much takes 65 MB more and no less time (5,000 workloads: 36 s of CPU, and 35 s with this).
   */
  maxYoungGenerationSizeMb: 32,
};

/**
 * How far the heap grows beyond what was alive before old garbage is looked for. V8 lets it double and
 * more, since it cannot know what is garbage; here hardly anything old is: beside the 0.5 GB of a large
 * mesh it kept 0.4 GB that nobody needed. A collection marks beside the work for the most part.
 */
const growingPercent = 15;

/** For all threads of the process that are started from now on, and those there are. */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
}
