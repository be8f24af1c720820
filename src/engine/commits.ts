/**
 * The commit rule: one commit at a time; the next begins as soon as the previous one is done, something
 * is dirty and no more requests stand in line, at the latest 50 ms after the first waiting request or at
 * 8 MiB of request bodies. A commit that fails is retried as it is, after a pause; meanwhile its requests
 * are answered "unavailable" and new ones are refused before they are decoded.
 *
 * Pure bookkeeping: time is handed in, and whoever calls does the sending.
 */
import { assert } from "../lib/assert.ts";
import type { WriteSet } from "../model/rows.ts";
import { usPerMs, type Us } from "../model/time.ts";

export interface CommitOptions {
  readonly maxWaitUs: Us;
  readonly maxBytes: number;
  /** Pause before a failed commit is tried again; doubles up to `retryMaxUs`. */
  readonly retryMinUs: Us;
  readonly retryMaxUs: Us;
}

export const commitDefaults: CommitOptions = {
  maxWaitUs: 50 * usPerMs,
  maxBytes: 8 * 1024 * 1024,
  retryMinUs: 200 * usPerMs,
  retryMaxUs: 10_000 * usPerMs,
};

const wholeEveryMinUs = 1_000 * usPerMs;
const wholeEveryMaxUs = 5_000 * usPerMs;
const wholePerEdgeUs = 200;
/** A write-set of more edges holds the engine up for longer than it should; some 20 µs for each. */
const wholeEdgesMax = 5_000;
/** Growth between two looks, as a part of the whole, that shows other edges changing all the time. */
const growingPart = 1 / 64;

/**
 * The pause between two whole write-sets under load: a second, and with very many changed edges longer,
 * so that what they cost per second stays the same. That pays where the same edges change again and
 * again. Where others join them all the time (`grewBy` since the look before, some 100 ms ago), as scrapes
 * of a large mesh do, waiting only makes one long write-set out of several short ones.
 */
export function wholePauseUs(dirtyEdges: number, grewBy: number): Us {
  if (dirtyEdges >= wholeEdgesMax && grewBy > dirtyEdges * growingPart) return wholeEveryMinUs;
  return Math.min(Math.max(dirtyEdges * wholePerEdgeUs, wholeEveryMinUs), wholeEveryMaxUs);
}

export class Commits<Waiting> {
  readonly #options: CommitOptions;
  #seq = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #firstWaitingUs = 0;
  /** The commit that is on its way, with those who wait for it. */
  #sent: { writeSet: WriteSet; waiting: Waiting[] } | null = null;
  /** A failed commit that is due again at `atUs`. */
  #retry: { writeSet: WriteSet; atUs: Us; pauseUs: Us } | null = null;

  constructor(options: CommitOptions = commitDefaults) {
    this.#options = options;
  }

  /** True after a failed commit until one succeeds: nothing new is taken in. */
  get isFailing(): boolean {
    return this.#retry !== null;
  }

  get isIdle(): boolean {
    return this.#sent === null && this.#retry === null && this.#waiting.length === 0;
  }

  /** The write-set that is on its way to the store. */
  get underWay(): WriteSet | null {
    return this.#sent?.writeSet ?? null;
  }

  wait(who: Waiting, bytes: number, nowUs: Us): void {
    if (this.#waiting.length === 0) this.#firstWaitingUs = nowUs;
    this.#waiting.push(who);
    this.#waitingBytes += bytes;
  }

  /** Whether a new commit must not wait any longer for more requests. */
  isDue(nowUs: Us): boolean {
    if (this.#waiting.length === 0) return false;
    return (
      // A clock that was set back must not hold anybody up.
      Math.abs(nowUs - this.#firstWaitingUs) >= this.#options.maxWaitUs ||
      this.#waitingBytes >= this.#options.maxBytes
    );
  }

  /** Those who wait for the next write-set, when it has turned out that there is nothing to write. */
  takeWaiting(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting;
  }

  /** The number for the next write-set, or 0 while none may be sent. */
  nextSeq(): number {
    return this.#sent === null && this.#retry === null ? this.#seq + 1 : 0;
  }

  sent(writeSet: WriteSet): void {
    assert(writeSet.seq === this.nextSeq(), "one commit at a time, in the order of their numbers");
    this.#seq = writeSet.seq;
    this.#sent = { writeSet, waiting: this.takeWaiting() };
  }

  /** The store has it; returns who waited for it. */
  done(seq: number): Waiting[] {
    if (this.#sent === null || this.#sent.writeSet.seq !== seq) return [];
    const waiting = this.#sent.waiting;
    this.#sent = null;
    this.#retry = null;
    return waiting;
  }

  /** The store could not; returns everybody who must be told to come again. */
  failed(seq: number, nowUs: Us): Waiting[] {
    if (this.#sent === null || this.#sent.writeSet.seq !== seq) return [];
    const { writeSet, waiting } = this.#sent;
    const pauseUs = Math.min(
      this.#retry ? this.#retry.pauseUs * 2 : this.#options.retryMinUs,
      this.#options.retryMaxUs,
    );
    this.#retry = { writeSet, atUs: nowUs + pauseUs, pauseUs };
    this.#sent = null;
    return [...waiting, ...this.takeWaiting()];
  }

  /** The failed write-set when its pause is over; it counts as sent. */
  takeRetry(nowUs: Us): WriteSet | null {
    if (this.#retry === null || this.#sent !== null) return null;
    const { writeSet, atUs, pauseUs } = this.#retry;
    const restUs = atUs - nowUs;
    // More rest than the whole pause: the clock was set back.
    if (restUs > 0 && restUs <= pauseUs) return null;
    this.#sent = { writeSet, waiting: [] };
    return writeSet;
  }

  /** Nothing will be committed any more; returns everybody who waits. */
  abandon(): Waiting[] {
    const waiting = [...(this.#sent?.waiting ?? []), ...this.takeWaiting()];
    this.#sent = null;
    this.#retry = null;
    return waiting;
  }
}
