/**
 * Tokens as files hold them, and who shows one. Only SHA-256 digests are kept, and every comparison looks
 * at all of them in constant time: neither how much of a token is right nor whose it is can be measured.
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { Secret } from "../lib/secret.ts";
import type { Principal } from "../model/access.ts";

/** Of one file; rotation needs two. */
const tokensMax = 100;
/** Shorter ones could be guessed over the network. */
const lengthMin = 16;
export const tokenLengthMax = 4_096;

/** What a header can carry (RFC 6750). */
const plainPattern = /^[A-Za-z0-9._~+/-]+=*$/;
const hashedPattern = /^sha256:([0-9a-f]{64})$/i;

export type TokenFile =
  | { readonly ok: true; readonly digests: readonly Buffer[] }
  | { readonly ok: false; readonly message: string };

/**
 * One token per line, itself or `sha256:` and the 64 hex digits of its SHA-256; empty lines and what
 * follows a `#` are left out. A fault names the line and never what stands in it.
 */
export function parseTokenFile(text: string): TokenFile {
  const digests: Buffer[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const token = withoutComment(line);
    if (token === "") continue;
    const fault = (why: string): TokenFile => ({
      ok: false,
      message: `cannot use line ${index + 1} of the token file: ${why}`,
    });
    if (token.startsWith("sha256:")) {
      const [, hex] = hashedPattern.exec(token) ?? [];
      if (hex === undefined) return fault("sha256: is followed by 64 hex digits");
      digests.push(Buffer.from(hex, "hex"));
    } else if (!plainPattern.test(token)) {
      return fault("a token has letters, digits and -._~+/= only");
    } else if (token.length < lengthMin || token.length > tokenLengthMax) {
      return fault(`a token has ${lengthMin} to ${tokenLengthMax} characters`);
    } else {
      digests.push(digestOf(token));
    }
    if (digests.length > tokensMax) return fault(`there are more than ${tokensMax} tokens`);
  }
  return digests.length > 0
    ? { ok: true, digests }
    : { ok: false, message: "cannot use the token file: there is no token in it" };
}

/** What stands first in the text of a token file, to be shown to somebody else; "" = nothing does. */
export function firstToken(text: string): string {
  return (
    text
      .split(/\r?\n/)
      .map(withoutComment)
      .find((line) => line !== "") ?? ""
  );
}

const withoutComment = (line: string): string => line.replace(/(^|\s)#.*$/, "").trim();

export function digestOf(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

/** A principal with the digests of his tokens. */
export interface TokenHolder {
  readonly principal: Principal;
  readonly digests: readonly Buffer[];
}

/** A token that was shown, known by its digest. */
export interface KnownToken {
  readonly principal: Principal;
  readonly digest: Buffer;
}

export class TokenTable {
  readonly #tokens: readonly KnownToken[];

  /** Throws when two holders have the same token: nobody could say who of them it is. */
  constructor(holders: readonly TokenHolder[]) {
    const seen = new Map<string, string>();
    this.#tokens = holders.flatMap(({ principal, digests }) =>
      digests.map((digest) => {
        const key = digest.toString("hex");
        const other = seen.get(key) ?? principal.name;
        if (other !== principal.name) {
          throw new Error(`"${other}" and "${principal.name}" have the same token`);
        }
        seen.set(key, principal.name);
        return { principal, digest };
      }),
    );
  }

  find(token: Secret): KnownToken | null {
    return this.findDigest(digestOf(token.reveal()));
  }

  /** Always looks at every token. */
  findDigest(shown: Buffer): KnownToken | null {
    let found: KnownToken | null = null;
    for (const token of this.#tokens) {
      const isSame = timingSafeEqual(token.digest, shown);
      found = isSame ? token : found;
    }
    return found;
  }
}
