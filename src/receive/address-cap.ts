/**
 * How many connections one address may have. Loopback is exempt: behind it stand port forwards and
 * tests, so many senders share it. Bounded by the cap on all connections.
 */
export class AddressCap {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False: this address has its share already. Who was let in must leave. */
  enter(address: string): boolean {
    const open = this.#open.get(address) ?? 0;
    if (open >= this.#max && !isLoopback(address)) return false;
    this.#open.set(address, open + 1);
    return true;
  }

  leave(address: string): void {
    const left = (this.#open.get(address) ?? 1) - 1;
    if (left > 0) this.#open.set(address, left);
    else this.#open.delete(address);
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
