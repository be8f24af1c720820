/** Whose request it is where senders are kept apart: a gRPC connection, or an address over HTTP. */
export type Sender = object | string;

/** A queue with one lane per sender, served in turn: a busy sender delays itself, not the others. */
export class FairQueue<T> {
  /** Lanes in the order of their next turn; none is empty. */
  readonly #lanes = new Map<Sender, T[]>();

  add(sender: Sender, item: T): void {
    const lane = this.#lanes.get(sender);
    if (lane) lane.push(item);
    else this.#lanes.set(sender, [item]);
  }

  peek(): T | undefined {
    for (const lane of this.#lanes.values()) return lane[0];
    return undefined;
  }

  take(): T | undefined {
    for (const [sender, lane] of this.#lanes) {
      const item = lane.shift();
      this.#lanes.delete(sender);
      if (lane.length > 0) this.#lanes.set(sender, lane);
      return item;
    }
    return undefined;
  }

  remove(sender: Sender, item: T): void {
    const lane = this.#lanes.get(sender);
    const at = lane?.indexOf(item) ?? -1;
    if (!lane || at < 0) return;
    lane.splice(at, 1);
    if (lane.length === 0) this.#lanes.delete(sender);
  }
}
