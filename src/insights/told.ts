/**
 * Keeps which insights the sink knows of, and the records that wait for the next commit. A firing insight
 * whose last transition was not told (no sink was configured then, another insight became part of it, or
 * there was no room) is told at once; all others that fire are told again every `reminderUs`, so that
 * whoever keeps records for a while only can still rebuild what fires.
 *
 * Bounded by the characters that wait: a transition beyond that is lost and counted, and if it was to
 * firing, told later as a reminder.
 */
import type { OutboxRow, WriteSet } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import type { Insight, LifeState } from "./insight.ts";
import type { Step } from "./lifecycle.ts";
import { makeOutboxRow, toldEventUs, toldState, type Telling } from "./record.ts";

export interface OutboxOptions {
  /** Whether there is a sink; without one nothing is written. */
  readonly isOn: boolean;
  /** How often a firing insight is told again; 0 = never. */
  readonly reminderUs: Us;
  /** Characters of records that wait for one commit; a record has a few thousand. */
  readonly charactersMax: number;
}

export const outboxDefaults: OutboxOptions = {
  isOn: false,
  reminderUs: 0,
  charactersMax: 64 * 1024 * 1024,
};

/** Reminders wait for the next commit above this part of the room: transitions go first. */
const reminderShare = 1 / 8;

export class Told {
  readonly #options: OutboxOptions;
  readonly #dropped: () => void;
  #rows: OutboxRow[] = [];
  #characters = 0;
  #hasDeferred = false;

  /** `dropped` is told of each record for which there was no room. */
  constructor(options: OutboxOptions, dropped: () => void) {
    this.#options = options;
    this.#dropped = dropped;
  }

  /** After a transition. */
  moved(insight: Insight, from: LifeState, step: Step, atUs: Us, eventUs: Us): void {
    insight.isTold = false;
    insight.reminders = 0;
    insight.updates = 0;
    const state = toldState(from, step);
    if (state === null || !this.#options.isOn) return;
    if (this.#characters >= this.#options.charactersMax) return this.#dropped();
    this.#tell(insight, {
      kind: "transition",
      state,
      previousState: from,
      reason: step.reason,
      eventUs: toldEventUs(insight, from, eventUs),
      atUs,
    });
  }

  /** When it is to be told again; `Infinity` = never, 0 = at once. */
  dueUs(insight: Insight): Us {
    const { isOn, reminderUs, charactersMax } = this.#options;
    if (!isOn || insight.state !== "firing" || (insight.isTold && reminderUs === 0)) {
      return Infinity;
    }
    if (this.#characters >= charactersMax * reminderShare) {
      this.#hasDeferred = true;
      return Infinity;
    }
    return insight.isTold ? insight.toldUs + reminderUs : 0;
  }

  /** At its due time; one reminder stands for all that should have been since. */
  remind(insight: Insight, dueUs: Us, nowUs: Us): void {
    insight.reminders++;
    this.#tell(insight, {
      kind: "reminder",
      state: "firing",
      previousState: "firing",
      reason: "",
      eventUs: insight.lastSeenUs,
      atUs: dueUs + this.#options.reminderUs > nowUs ? dueUs : nowUs,
    });
  }

  /**
   * Its flags have changed, and its state has not. Whoever does not know of it yet is told all in time, and
   * of what is over or never fired nobody wants to know.
   */
  flagged(insight: Insight, atUs: Us): void {
    const { state } = insight;
    if (!this.#options.isOn || !insight.isTold) return;
    if (state !== "firing" && state !== "unknown") return;
    if (this.#characters >= this.#options.charactersMax) return this.#dropped();
    insight.updates++;
    this.#tell(insight, {
      kind: "update",
      state,
      previousState: state,
      reason: "",
      eventUs: insight.lastSeenUs,
      atUs,
    });
  }

  /** After an outage of ours: what came due in it is due now, once. */
  resumed(insight: Insight, nowUs: Us): void {
    insight.toldUs = Math.max(insight.toldUs, nowUs - this.#options.reminderUs);
  }

  /** True when there is room again for reminders that had none. */
  collect(into: WriteSet): boolean {
    for (const row of this.#rows) into.outbox.push(row);
    this.#rows = [];
    this.#characters = 0;
    const hadDeferred = this.#hasDeferred;
    this.#hasDeferred = false;
    return hadDeferred;
  }

  #tell(insight: Insight, telling: Telling): void {
    const row = makeOutboxRow(insight, telling);
    insight.isTold = true;
    insight.toldUs = telling.atUs;
    this.#rows.push(row);
    this.#characters += row.record.length;
  }
}
