/**
 * What the store, history and the counters were last told of each facet, as numbers by the facet's place:
 * 150 bytes of lists, where the row and the record of it took 400 of objects. It compares and remembers;
 * what is to be written when is decided in `facet-rows.ts` and `history.ts`.
 */
import type { FacetRow } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import { assert } from "../lib/assert.ts";
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
  /** Bits, see below. */
  flags: 0,
  requests: 1,
  errors: 2,
  denied: 3,
  connections: 4,
  bytesSent: 5,
  bytesReceived: 6,
  aroundProxy: 7,
  plaintextShare: 8,
  firstSeenUs: 9,
  lastSeenUs: 10,
  recordedAround: 11,
  rolledRequests: 12,
  rolledErrors: 13,
  rolledConnections: 14,
  rolledBytesSent: 15,
  rolledBytesReceived: 16,
  rolledUs: 17,
  countedRequests: 18,
} as const;
const width = 19;

/** Bits of `flags`: what is so, and then the numbers of three words. */
const isWritten = 1;
const isShadowed = 2;
const isRecorded = 4;
const securityAt = 3;
const routeAt = 11;
const recordedAt = 19;
/** Of a word's number. */
const wordBits = 0xff;

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
      security: this.#word(flags, securityAt),
      plaintextShare: this.#get(place, at.plaintextShare),
      route: this.#word(flags, routeAt),
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

  /** Of that row; 0 = there is none yet. */
  lastSeenUs(place: number): Us {
    return this.#get(place, at.lastSeenUs);
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
      this.#word(flags, securityAt) === row.security &&
      this.#word(flags, routeAt) === row.route
    );
  }

  write(place: number, row: FacetWritten): void {
    const kept = this.#get(place, at.flags) & (isRecorded | (wordBits << recordedAt));
    const words = this.#bitsOf(row.security, securityAt) | this.#bitsOf(row.route, routeAt);
    this.#set(place, at.flags, kept | words | isWritten | (row.shadowed ? isShadowed : 0));
    this.#set(place, at.plaintextShare, row.plaintextShare);
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
    const flags = this.#get(place, at.flags);
    if ((flags & isRecorded) === 0) return null;
    return {
      security: this.#word(flags, recordedAt),
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

  record(place: number, recorded: Recorded): void {
    const { aroundProxy, rolled, rolledUs } = recorded;
    const kept = this.#get(place, at.flags) & ~(wordBits << recordedAt);
    const word = this.#bitsOf(recorded.security, recordedAt);
    this.#set(place, at.flags, kept | word | isRecorded);
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

  #word(flags: number, from: number): string {
    return this.#words[(flags >> from) & wordBits] ?? "";
  }

  #bitsOf(word: string, from: number): number {
    let code = this.#codes.get(word);
    if (code === undefined) {
      assert(this.#words.length <= wordBits, "there are a handful of words");
      this.#codes.set(word, (code = this.#words.push(word) - 1));
    }
    return code << from;
  }
}
