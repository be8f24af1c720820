/**
 * Whether a request may pass, decided from its headers alone, before a byte of its body is read. Its
 * tokens can be replaced while it is in use; between two requests the old and the new ones never mix.
 */
import type { Secret } from "../lib/secret.ts";
import type { Principal, Scope } from "../model/access.ts";
import type { AccessEvents, Refusal } from "../self/access-events.ts";
import { readBearer } from "./bearer.ts";
import type { FailureLimit } from "./failure-limit.ts";
import type { KnownToken, TokenTable } from "./tokens.ts";

export interface Refused {
  readonly ok: false;
  readonly reason: Refusal;
  /** Too many from there: to be answered as cheaply as can be. */
  readonly isFlood: boolean;
  /** What the sender is told; never what it has sent. */
  readonly message: string;
}

export type Verdict =
  | { readonly ok: true; readonly principal: Principal; readonly token: KnownToken }
  | Refused;

const messages: Readonly<Record<Refusal, string>> = {
  missing: 'show a token: "Authorization: Bearer <token>"',
  malformed: 'the Authorization header is not one "Bearer <token>"',
  unknown: "the token is not known",
  scope: "the token does not allow this",
};

export class TokenGate {
  readonly #limit: FailureLimit;
  readonly #events: AccessEvents;
  #table: TokenTable;

  constructor(table: TokenTable, limit: FailureLimit, events: AccessEvents) {
    this.#table = table;
    this.#limit = limit;
    this.#events = events;
  }

  replace(table: TokenTable): void {
    this.#table = table;
  }

  /** Without counting. */
  find(token: Secret): KnownToken | null {
    return this.#table.find(token);
  }

  /** For what was let in by this token before; null when it is not valid any more. */
  stillKnown(digest: Buffer): KnownToken | null {
    return this.#table.findDigest(digest);
  }

  check(rawHeaders: readonly string[], address: string, scope: Scope): Verdict {
    const bearer = readBearer(rawHeaders);
    if (bearer.kind === "none") return this.refuse("missing", address);
    if (bearer.kind === "malformed") return this.refuse("malformed", address);
    return this.judge(bearer.token, address, scope);
  }

  /** However the token has come. */
  judge(shown: Secret, address: string, scope: Scope): Verdict {
    const token = this.#table.find(shown);
    if (token === null) return this.refuse("unknown", address);
    const { principal } = token;
    return principal.scopes.has(scope)
      ? { ok: true, principal, token }
      : this.refuse("scope", address, principal.name);
  }

  /** `name`: who it is, where that is known. */
  refuse(reason: Refusal, address: string, name = ""): Refused {
    const isFlood = !this.#limit.allows(address);
    this.#events.refused(reason, isFlood, address, name);
    return { ok: false, reason, isFlood, message: messages[reason] };
  }
}
