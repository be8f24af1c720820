/**
 * How many failed attempts of one address are answered with care. What is above costs as little as can
 * be. It never holds up who shows a good token: behind one address there may be many (a sidecar, a NAT),
 * and one of them must not be able to lock the others out.
 */
import { canonicalIp } from "../lib/ip.ts";
import type { Clock } from "../lib/clock.ts";
import { usPerMinute, type Us } from "../model/time.ts";

const failuresPerWindow = 10;
const windowUs = usPerMinute;
const addressesMax = 10_000;

interface Window {
  readonly startUs: Us;
  failures: number;
}

export class FailureLimit {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one failed attempt; false when there were too many within the minute. */
  allows(address: string): boolean {
    const nowUs = this.#clock.nowUs();
    const key = this.#keyOf(networkOf(address), nowUs);
    let window = this.#windows.get(key);
    if (!window || !isOpen(window, nowUs)) {
      window = { startUs: nowUs, failures: 0 };
      this.#windows.delete(key); // the map stays in the order of starts
      this.#windows.set(key, window);
    }
    window.failures++;
    return window.failures <= failuresPerWindow;
  }

  /** When all places are taken, who comes new shares one. */
  #keyOf(network: string, nowUs: Us): string {
    if (this.#windows.has(network) || this.#windows.size < addressesMax) return network;
    for (const [key, window] of this.#windows) {
      if (isOpen(window, nowUs)) break;
      this.#windows.delete(key);
    }
    return this.#windows.size < addressesMax ? network : "";
  }
}

/** Also closed when the clock was set back. */
function isOpen({ startUs }: Window, nowUs: Us): boolean {
  return nowUs >= startUs && nowUs - startUs < windowUs;
}

/** An IPv6 host has a whole /64 to itself. */
function networkOf(address: string): string {
  const ip = canonicalIp(address);
  if (!ip.includes(":")) return ip;
  const [head = "", tail = ""] = ip.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  if (ip.includes("::")) {
    while (groups.length + after.length < 8) groups.push("0");
  }
  return [...groups, ...after].slice(0, 4).join(":");
}
