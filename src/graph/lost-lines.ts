/**
 * When a pod's proxy is known to have logged less than it did: a server's proxy was called by mutual TLS
 * of the mesh's own, which only the pod's proxy speaks, and the pod's log has no line of it. A batch was
 * lost, or the log tells of a part of the calls: around that time absence proves nothing of the pod.
 */
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";

/** A batch of lines that is lost spans no more, as collectors send them. */
const batchUs = 30 * usPerSecond;

export interface Stretch {
  readonly fromUs: Us;
  readonly toUs: Us;
}

export class LostLines {
  /** By pod: in which minutes, and how many connections say so. */
  readonly #minutes = new Map<string, Map<number, number>>();
  /** What each connection says, by its name; bounded by the connections. */
  readonly #told = new Map<string, { readonly pod: string; readonly minutes: readonly number[] }>();

  /** The connections of that name that the pod's log lacks now; true when the pod's minutes change. */
  set(name: string, pod: string, stretches: readonly Stretch[]): boolean {
    const known = this.#told.get(name);
    if (!known && stretches.length === 0) return false;
    const minutes = [...new Set(stretches.flatMap(minutesOf))];
    const isSame = known?.pod === pod && known.minutes.join() === minutes.join();
    if (isSame) return false;
    if (known) this.#count(known.pod, known.minutes, -1);
    this.#count(pod, minutes, 1);
    if (minutes.length > 0) this.#told.set(name, { pod, minutes });
    else this.#told.delete(name);
    return true;
  }

  has(pod: string, { fromUs, toUs }: Stretch): boolean {
    const minutes = this.#minutes.get(pod);
    if (!minutes) return false;
    const last = Math.floor(toUs / usPerMinute);
    for (let minute = Math.floor(fromUs / usPerMinute); minute <= last; minute++) {
      if (minutes.has(minute)) return true;
    }
    return false;
  }

  #count(pod: string, of: readonly number[], by: 1 | -1): void {
    if (of.length === 0) return;
    const minutes = this.#minutes.get(pod) ?? new Map<number, number>();
    for (const minute of of) {
      const count = (minutes.get(minute) ?? 0) + by;
      if (count > 0) minutes.set(minute, count);
      else minutes.delete(minute);
    }
    if (minutes.size > 0) this.#minutes.set(pod, minutes);
    else this.#minutes.delete(pod);
  }
}

function minutesOf({ fromUs, toUs }: Stretch): readonly number[] {
  const minutes: number[] = [];
  const last = Math.floor((toUs + batchUs) / usPerMinute);
  for (let minute = Math.floor((fromUs - batchUs) / usPerMinute); minute <= last; minute++) {
    minutes.push(minute);
  }
  return minutes;
}
