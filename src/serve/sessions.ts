/**
 * Logins of people: a random id in a cookie stands for a token that was shown. They live in memory, so a
 * restart ends them; and what they may is asked of the token again with every request, so that one that
 * is taken back ends them too.
 */
import { hash, randomBytes } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { Secret } from "../lib/secret.ts";
import { usPerHour, type Us } from "../model/time.ts";

/** The oldest makes room. */
const sessionsMax = 1_000;
const offersMax = 10;
const offerUs = usPerHour;
const idPattern = /^[0-9a-f]{64}$/;

interface Entry {
  /** Of the token. */
  readonly digest: Buffer;
  readonly startUs: Us;
}

export class Sessions {
  readonly lifeUs: Us;
  readonly #clock: Clock;
  /** By the hash of the id: what could be read from memory or timed opens nothing. */
  readonly #sessions = new Map<string, Entry>();
  readonly #offers = new Map<string, Entry>();

  constructor(clock: Clock, lifeUs: Us) {
    this.#clock = clock;
    this.lifeUs = lifeUs;
  }

  /** The id of a new session. */
  open(digest: Buffer): Secret {
    return this.#add(this.#sessions, digest, sessionsMax);
  }

  /** The digest of the token it stands for; null = there is no such session any more. */
  find(id: string): Buffer | null {
    return this.#find(this.#sessions, id, this.lifeUs);
  }

  close(id: string): void {
    this.#sessions.delete(keyOf(id));
  }

  /** A code that opens one session, within an hour. */
  offer(digest: Buffer): Secret {
    return this.#add(this.#offers, digest, offersMax);
  }

  /** The digest of the token that it was offered for; null = it was used, or there is none. */
  redeem(code: string): Buffer | null {
    const digest = this.#find(this.#offers, code, offerUs);
    this.#offers.delete(keyOf(code));
    return digest;
  }

  #add(entries: Map<string, Entry>, digest: Buffer, max: number): Secret {
    const id = randomBytes(32).toString("hex");
    if (entries.size >= max) {
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    }
    entries.set(keyOf(id), { digest, startUs: this.#clock.nowUs() });
    return new Secret(id);
  }

  #find(entries: Map<string, Entry>, id: string, lifeUs: Us): Buffer | null {
    if (!idPattern.test(id)) return null;
    const key = keyOf(id);
    const entry = entries.get(key);
    if (!entry) return null;
    const ageUs = this.#clock.nowUs() - entry.startUs;
    if (ageUs >= 0 && ageUs < lifeUs) return entry.digest;
    entries.delete(key);
    return null;
  }
}

const keyOf = (id: string): string => hash("sha256", id);
