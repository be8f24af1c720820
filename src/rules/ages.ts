/**
 * Ages in conditions. Silence changes nothing by itself, so nobody tells an entity again because it has
 * grown older: a comparison says when its answer will change, and the evaluator asks again then.
 */
import type { AnyEntityChange } from "../model/changes.ts";
import type { EntityType } from "../model/entities.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import type { OrderOperator } from "./ast.ts";
import type { Value } from "./fault.ts";

/** What an evaluation knows of time, and what it finds out about it. */
export interface TimeFrame {
  /** The engine's time. */
  nowUs: Us;
  /** When the answer may be another one though nothing changes; Infinity = never. */
  dueUs: Us;
}

const mirrored = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" } as const;

/**
 * `age operator limit`, where an age is held as the time it counts from. Of what never happened (0) the
 * age is larger than every limit.
 */
export function makeAgeComparison(
  operator: OrderOperator,
): (sinceUs: Value, limitUs: Value, frame: TimeFrame) => boolean {
  /** Whether the answer is yes while the age is small. */
  const whileYoung = operator === "<" || operator === "<=";
  // At the very limit the answer is still the first one where equality belongs to it.
  const reachUs = operator === "<=" || operator === ">" ? 1 : 0;
  return (sinceUs, limitUs, frame) => {
    if (sinceUs === 0) return !whileYoung;
    const flipsUs = (sinceUs as Us) + (limitUs as Us) + reachUs; // both by their static types
    if (frame.nowUs >= flipsUs) return !whileYoung;
    if (flipsUs < frame.dueUs) frame.dueUs = flipsUs;
    return whileYoung;
  };
}

/** The operator with its sides exchanged. */
export function mirror(operator: OrderOperator): OrderOperator {
  return mirrored[operator];
}

interface Waiting {
  readonly change: AnyEntityChange;
  readonly dueUs: Us;
}

/** Entities that are asked about again at a time, at most `max`, as they were told last. */
export class AgeTimers {
  readonly #max: number;
  readonly #waiting = new Map<EntityType, Map<string, Waiting>>();
  #count = 0;
  /** Never later than the earliest of them, and at most once a second. */
  #lookUs: Us = Infinity;
  #lookedUs: Us = 0;
  /** Entities that found no room: what their age would change waits for their next change. */
  dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** When `due` may have something to give. */
  get lookUs(): Us {
    return this.#lookUs;
  }

  /** Replaces what was said of the entity before; Infinity = its age matters no longer. */
  set(change: AnyEntityChange, dueUs: Us): void {
    this.delete(change.type, change.id);
    if (dueUs === Infinity) return;
    if (this.#count >= this.#max) {
      this.dropped++;
      return;
    }
    let ofType = this.#waiting.get(change.type);
    if (!ofType) this.#waiting.set(change.type, (ofType = new Map()));
    ofType.set(change.id, { change, dueUs });
    this.#count++;
    this.#lookUs = Math.min(this.#lookUs, Math.max(dueUs, this.#lookedUs + usPerSecond));
  }

  delete(type: EntityType, id: string): void {
    if (this.#count > 0 && this.#waiting.get(type)?.delete(id)) this.#count--;
  }

  /** Those whose time has come, each as of that time; they wait no longer. */
  due(nowUs: Us): readonly AnyEntityChange[] {
    if (nowUs < this.#lookUs) return [];
    const changes: AnyEntityChange[] = [];
    let nextUs = Infinity;
    for (const ofType of this.#waiting.values()) {
      for (const [id, { change, dueUs }] of ofType) {
        if (dueUs > nowUs) {
          nextUs = Math.min(nextUs, dueUs);
          continue;
        }
        ofType.delete(id);
        this.#count--;
        changes.push({ ...change, atUs: Math.max(change.atUs, dueUs) });
      }
    }
    this.#lookedUs = nowUs;
    this.#lookUs = Math.max(nextUs, nowUs + usPerSecond);
    return changes;
  }
}
