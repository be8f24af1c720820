/**
 * Walks JSON text byte by byte and gives out its parts, without making objects of them: however the text
 * is nested and whatever its keys are, reading it takes no more memory than one string of it. Strict
 * RFC 8259; what is wrong is said with its byte.
 */

/** What is wrong with the text, and where. */
export class JsonFault extends Error {
  /** Path of the field, outermost first: `.resourceSpans`, `[0]`. */
  readonly path: string[] = [];
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** A number as it stands there. */
export interface NumberToken {
  readonly text: string;
  /** Digits only, perhaps with a minus. */
  readonly isInteger: boolean;
}

/** Arrays and objects inside each other in what is skipped; honest senders come nowhere near. */
const skipDepthMax = 128;
/** No number of OTLP needs more characters. */
const numberLengthMax = 64;

const quote = 0x22;
const backslash = 0x5c;
const escapes: Readonly<Record<number, string>> = {
  [quote]: '"',
  [backslash]: "\\",
  0x2f: "/",
  0x62: "\b",
  0x66: "\f",
  0x6e: "\n",
  0x72: "\r",
  0x74: "\t",
};

export class JsonReader {
  readonly bytes: Buffer;
  #at = 0;
  /** Of the string that `string` has just read: where its characters stand. */
  start = 0;
  end = 0;
  /** It has escapes, so its characters are not its bytes. */
  isEscaped = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    // A byte order mark may stand there; nobody asked for it.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
  }

  get offset(): number {
    return this.#at;
  }

  /** The next byte that is no white space, not consumed; 0 at the end. */
  peek(): number {
    const { bytes } = this;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) this.#at++;
      else return byte ?? 0;
    }
  }

  /** Consumes the character when it is the next. */
  takes(character: string): boolean {
    if (this.peek() !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  expect(character: string, of: string): void {
    if (!this.takes(character)) throw this.fault(`expected '${character}' ${of}`);
  }

  /** Only white space may follow. */
  expectEnd(): void {
    if (this.peek() !== 0 || this.#at < this.bytes.length) {
      throw this.fault("something follows the request's closing brace");
    }
  }

  /** `null`, if it is the next. */
  takesNull(): boolean {
    if (this.peek() !== 0x6e) return false;
    this.#word("null");
    return true;
  }

  bool(): boolean {
    const isTrue = this.peek() === 0x74;
    this.#word(isTrue ? "true" : "false");
    return isTrue;
  }

  /** Reads a string: its place is in `start`, `end` and `isEscaped`. */
  string(of: string): void {
    this.expect('"', of);
    const { bytes } = this;
    this.start = this.#at;
    this.isEscaped = false;
    for (let at = this.#at; ; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        this.end = at;
        this.#at = at + 1;
        return;
      }
      if (byte === backslash) {
        this.isEscaped = true;
        at += this.#escapeLength(at) - 1;
      } else if (byte === undefined || byte < 0x20) {
        this.#at = at;
        throw this.fault(byte === undefined ? "a string does not end" : "a raw control character");
      }
    }
  }

  /** Whether the string just read has these bytes, which need no escape. */
  isText(bytes: Buffer): boolean {
    const { start, end } = this;
    if (end - start !== bytes.length) return false;
    for (let at = 0; at < bytes.length; at++) {
      if (this.bytes[start + at] !== bytes[at]) return false;
    }
    return true;
  }

  /** The characters of the string just read. */
  text(): string {
    const { bytes, end } = this;
    if (!this.isEscaped) return bytes.toString("utf8", this.start, end);
    const parts: string[] = [];
    let from = this.start;
    for (let at = from; at < end;) {
      if (bytes[at] !== backslash) {
        at++;
        continue;
      }
      parts.push(bytes.toString("utf8", from, at));
      const short = escapes[bytes[at + 1] ?? 0];
      // Halves of a surrogate pair meet in the joined text.
      parts.push(short ?? String.fromCharCode(Number.parseInt(this.#latin(at + 2, at + 6), 16)));
      at += short === undefined ? 6 : 2;
      from = at;
    }
    parts.push(bytes.toString("utf8", from, end));
    return parts.join("");
  }

  number(): NumberToken {
    this.peek();
    const startAt = this.#at;
    const { bytes } = this;
    const isPart = (byte: number | undefined) =>
      byte !== undefined &&
      ((byte >= 0x30 && byte <= 0x39) ||
        byte === 0x2d || // -
        byte === 0x2b ||
        byte === 0x2e ||
        byte === 0x65 ||
        byte === 0x45);
    let end = startAt;
    while (isPart(bytes[end]) && end - startAt <= numberLengthMax) end++;
    const text = this.#latin(startAt, end);
    const token = parseNumber(text);
    if (token === null) throw this.fault("expected a number");
    this.#at = end;
    return token;
  }

  /** Passes over any value. */
  skip(): void {
    let depth = 0;
    const isObject: boolean[] = [];
    for (;;) {
      const byte = this.peek();
      if (byte === 0x7b || byte === 0x5b) {
        if (depth >= skipDepthMax) throw this.fault(`nested deeper than ${skipDepthMax}`);
        this.#at++;
        isObject[depth++] = byte === 0x7b;
        if (!this.takes(byte === 0x7b ? "}" : "]")) {
          if (byte === 0x7b) this.#key();
          continue;
        }
        depth--;
      } else this.#skipScalar(byte);
      for (;;) {
        if (depth === 0) return;
        const isIn = isObject[depth - 1] === true;
        if (this.takes(",")) {
          if (isIn) this.#key();
          break;
        }
        this.expect(isIn ? "}" : "]", "or ','");
        depth--;
      }
    }
  }

  fault(what: string): JsonFault {
    return new JsonFault(what, this.#at);
  }

  #key(): void {
    this.string("before a key");
    this.expect(":", "behind a key");
  }

  #skipScalar(byte: number): void {
    if (byte === quote) this.string("of a string");
    else if (byte === 0x6e) this.#word("null");
    else if (byte === 0x74 || byte === 0x66) this.bool();
    else this.number();
  }

  #word(word: string): void {
    if (this.#latin(this.#at, this.#at + word.length) !== word) {
      throw this.fault(`expected ${word}`);
    }
    this.#at += word.length;
  }

  /** Of the escape whose backslash stands there; a wrong one is a fault. */
  #escapeLength(at: number): number {
    const code = this.bytes[at + 1] ?? 0;
    if (escapes[code] !== undefined) return 2;
    if (code !== 0x75) throw new JsonFault("an escape that JSON does not have", at);
    if (/^[\da-f]{4}$/i.test(this.#latin(at + 2, at + 6))) return 6;
    throw new JsonFault("an escape without four hex digits", at);
  }

  #latin(start: number, end: number): string {
    return this.bytes.toString("latin1", start, end);
  }
}

/** Of JSON's own form; null where it is none. */
export function parseNumber(text: string): NumberToken | null {
  if (text.length > numberLengthMax) return null;
  const match = /^-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.exec(text);
  if (match === null) return null;
  return { text, isInteger: match[1] === undefined && match[2] === undefined };
}
