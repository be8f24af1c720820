/**
 * When we were not there to be told: restarts, and times in which we refused. What was not taken comes
 * again, since senders try again for minutes; until then a missing record means nothing.
 */
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";

/** As long as a collector's sender goes on trying by default. */
const retryUs = 5 * usPerMinute;
const gapsMax = 64;

/** Refusals closer together are one. */
const refusalsApartUs = 10 * usPerSecond;

interface Gap {
  readonly fromUs: Us;
  toUs: Us;
  /** We were there and refused some: each sender goes on trying from then on. */
  readonly isRefusal: boolean;
}

export class Gaps {
  /** In order of their ends; the oldest goes first. */
  readonly #gaps: Gap[] = [];

  add(fromUs: Us, toUs: Us): void {
    if (toUs <= fromUs) return;
    this.#push({ fromUs, toUs, isRefusal: false });
  }

  /** Requests were refused in that time. */
  refused(fromUs: Us, toUs: Us): void {
    const last = this.#gaps.at(-1);
    if (last?.isRefusal && fromUs <= last.toUs + refusalsApartUs) {
      last.toUs = Math.max(last.toUs, toUs);
    } else this.#push({ fromUs, toUs, isRefusal: true });
  }

  #push(gap: Gap): void {
    this.#gaps.push(gap);
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
      if (!gap.isRefusal && gap.toUs - gap.fromUs > retryUs) return -1;
      // What was refused after that span held other records.
      const lastUs = gap.isRefusal ? Math.min(gap.toUs, toUs) : gap.toUs;
      untilUs = Math.max(untilUs, lastUs + retryUs);
    }
    return untilUs;
  }
}
