/** How much memory the engine thread takes beside what it holds. */
import { setFlagsFromString } from "node:v8";
import type { ResourceLimits } from "node:worker_threads";

export const engineLimits: ResourceLimits = {
  /**
   * Batches live for a moment: with room for several of them, fewer objects are copied for nothing. 32 MB
   * save 5 % of the CPU and take 26 MB more; 64 MB save nothing and take 98 MB more (5,000 workloads).
   */
  maxYoungGenerationSizeMb: 16,
};

/**
 * How far the heap grows beyond what was alive before old garbage is looked for. V8 lets it double and
 * more, since it cannot know what is garbage; here hardly anything old is: beside the 0.4 GB of a large
 * mesh it would keep as much again that nobody needs. Less room costs more and longer stops: when that
 * mesh took 0.5 GB, 15, 30 and 60 percent made 1.00, 1.04 and 1.19 GB of the process, and one tick in a
 * hundred took longer than 520 (beside another load), 250 and 230 ms.
 */
const growingPercent = 30;

/** For all threads of the process that are started from now on, and those there are. */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
}
