/**
 * When we were not there to be told: restarts, and times in which we refused. What was not taken comes
 * again, since senders try again for minutes; until then a missing record means nothing.
 */
import { usPerMinute, type Us } from "../model/time.ts";

/** As long as a collector's sender goes on trying by default. */
const retryUs = 5 * usPerMinute;
const gapsMax = 64;

interface Gap {
  readonly fromUs: Us;
  readonly toUs: Us;
}

export class Gaps {
  /** In order of their ends; the oldest goes first. */
  readonly #gaps: Gap[] = [];

  add(fromUs: Us, toUs: Us): void {
    if (toUs <= fromUs) return;
    this.#gaps.push({ fromUs, toUs });
    if (this.#gaps.length > gapsMax) this.#gaps.shift();
  }

  /**
   * Until when absence in that span must wait; 0 = it need not, -1 = a gap was so long that senders have
   * given up what they had.
   */
  untilUs(fromUs: Us, toUs: Us): Us {
    let untilUs = 0;
    for (const gap of this.#gaps) {
      if (gap.toUs < fromUs || gap.fromUs > toUs) continue;
      if (gap.toUs - gap.fromUs > retryUs) return -1;
      untilUs = Math.max(untilUs, gap.toUs + retryUs);
    }
    return untilUs;
  }
}
