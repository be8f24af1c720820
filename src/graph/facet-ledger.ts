/**
 * What the store, history and the counters were last told of each facet, as numbers by the facet's place:
 * 150 bytes of lists, where the row and the record of it took 400 of objects. It compares and remembers;
 * what is to be written when is decided in `facet-rows.ts` and `history.ts`.
 */
import type { FacetRow } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import { NumberRows } from "../lib/number-rows.ts";

/** A facet's row without what never changes of it, and without its `detail`. */
export type FacetWritten = Omit<FacetRow, "id" | "edgeId" | "protocol" | "port" | "detail">;

export interface Traffic {
  readonly requests: number;
  readonly errors: number;
  readonly connections: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** As the last edge events told it, and the totals that the roll-ups hold already. */
export interface Recorded {
  readonly security: string;
  readonly aroundProxy: number;
  readonly rolled: Traffic;
  /** When they were last written. */
  readonly rolledUs: Us;
}

/** Places of the numbers in a row. */
const at = {
  flags: 0,
  security: 1,
  route: 2,
  requests: 3,
  errors: 4,
  denied: 5,
  connections: 6,
  bytesSent: 7,
  bytesReceived: 8,
  aroundProxy: 9,
  plaintextShare: 10,
  firstSeenUs: 11,
  lastSeenUs: 12,
  recordedSecurity: 13,
  recordedAround: 14,
  rolledRequests: 15,
  rolledErrors: 16,
  rolledConnections: 17,
  rolledBytesSent: 18,
  rolledBytesReceived: 19,
  rolledUs: 20,
  countedRequests: 21,
} as const;
const width = 22;

/** Bits of `flags`. */
const isWritten = 1;
const isShadowed = 2;
const isRecorded = 4;

export class FacetLedger {
  readonly #rows = new NumberRows(width);
  /** Words of security and route by number: a handful each. */
  readonly #words: string[] = [];
  readonly #codes = new Map<string, number>();

  /** A place for a facet of which nothing was told. */
  take(): number {
    return this.#rows.take();
  }

  /** The place may become another facet's. */
  give(place: number): void {
    this.#rows.give(place);
  }

  /** Its row as the store has it, null = none yet. */
  written(place: number): FacetWritten | null {
    const flags = this.#get(place, at.flags);
    if ((flags & isWritten) === 0) return null;
    return {
      security: this.#word(place, at.security),
      plaintextShare: this.#get(place, at.plaintextShare),
      route: this.#word(place, at.route),
      requests: this.#get(place, at.requests),
      errors: this.#get(place, at.errors),
      denied: this.#get(place, at.denied),
      connections: this.#get(place, at.connections),
      bytesSent: this.#get(place, at.bytesSent),
      bytesReceived: this.#get(place, at.bytesReceived),
      aroundProxy: this.#get(place, at.aroundProxy),
      shadowed: (flags & isShadowed) !== 0,
      firstSeenUs: this.#get(place, at.firstSeenUs),
      lastSeenUs: this.#get(place, at.lastSeenUs),
    };
  }

  /** Whether the row says nothing else than the one that was written. */
  isWrittenAs(place: number, row: FacetWritten): boolean {
    const flags = this.#get(place, at.flags);
    return (
      (flags & isWritten) !== 0 &&
      this.#get(place, at.lastSeenUs) === row.lastSeenUs &&
      this.#get(place, at.requests) === row.requests &&
      this.#get(place, at.errors) === row.errors &&
      this.#get(place, at.denied) === row.denied &&
      this.#get(place, at.connections) === row.connections &&
      this.#get(place, at.bytesSent) === row.bytesSent &&
      this.#get(place, at.bytesReceived) === row.bytesReceived &&
      this.#get(place, at.aroundProxy) === row.aroundProxy &&
      this.#get(place, at.firstSeenUs) === row.firstSeenUs &&
      this.#get(place, at.plaintextShare) === row.plaintextShare &&
      ((flags & isShadowed) !== 0) === row.shadowed &&
      this.#word(place, at.security) === row.security &&
      this.#word(place, at.route) === row.route
    );
  }

  write(place: number, row: FacetWritten): void {
    const kept = this.#get(place, at.flags) & isRecorded;
    this.#set(place, at.flags, kept | isWritten | (row.shadowed ? isShadowed : 0));
    this.#set(place, at.security, this.#codeOf(row.security));
    this.#set(place, at.plaintextShare, row.plaintextShare);
    this.#set(place, at.route, this.#codeOf(row.route));
    this.#set(place, at.requests, row.requests);
    this.#set(place, at.errors, row.errors);
    this.#set(place, at.denied, row.denied);
    this.#set(place, at.connections, row.connections);
    this.#set(place, at.bytesSent, row.bytesSent);
    this.#set(place, at.bytesReceived, row.bytesReceived);
    this.#set(place, at.aroundProxy, row.aroundProxy);
    this.#set(place, at.firstSeenUs, row.firstSeenUs);
    this.#set(place, at.lastSeenUs, row.lastSeenUs);
  }

  /** What history has been told of it, null = nothing yet. */
  recorded(place: number): Recorded | null {
    if ((this.#get(place, at.flags) & isRecorded) === 0) return null;
    return {
      security: this.#word(place, at.recordedSecurity),
      aroundProxy: this.#get(place, at.recordedAround),
      rolled: {
        requests: this.#get(place, at.rolledRequests),
        errors: this.#get(place, at.rolledErrors),
        connections: this.#get(place, at.rolledConnections),
        bytesSent: this.#get(place, at.rolledBytesSent),
        bytesReceived: this.#get(place, at.rolledBytesReceived),
      },
      rolledUs: this.#get(place, at.rolledUs),
    };
  }

  /** When its roll-ups were last written; 0 = not yet. */
  rolledUs(place: number): Us {
    return this.#get(place, at.rolledUs);
  }

  record(place: number, { security, aroundProxy, rolled, rolledUs }: Recorded): void {
    this.#set(place, at.flags, this.#get(place, at.flags) | isRecorded);
    this.#set(place, at.recordedSecurity, this.#codeOf(security));
    this.#set(place, at.recordedAround, aroundProxy);
    this.#set(place, at.rolledRequests, rolled.requests);
    this.#set(place, at.rolledErrors, rolled.errors);
    this.#set(place, at.rolledConnections, rolled.connections);
    this.#set(place, at.rolledBytesSent, rolled.bytesSent);
    this.#set(place, at.rolledBytesReceived, rolled.bytesReceived);
    this.#set(place, at.rolledUs, rolledUs);
  }

  /** Its requests when the counters last looked at it. */
  counted(place: number): number {
    return this.#get(place, at.countedRequests);
  }

  setCounted(place: number, requests: number): void {
    this.#set(place, at.countedRequests, requests);
  }

  #get(place: number, field: number): number {
    return this.#rows.get(place, field);
  }

  #set(place: number, field: number, value: number): void {
    this.#rows.set(place, field, value);
  }

  #word(place: number, field: number): string {
    return this.#words[this.#get(place, field)] ?? "";
  }

  #codeOf(word: string): number {
    let code = this.#codes.get(word);
    if (code === undefined) this.#codes.set(word, (code = this.#words.push(word) - 1));
    return code;
  }
}
