/** A text that must never be printed: however it is turned into text, it shows `[REDACTED]` instead. */
import { inspect } from "node:util";

export const redacted = "[REDACTED]";

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** For the one place that uses it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
