/** Between receivers and the engine: one OTLP export request in, one answer out. */
import type { Signal } from "./stages.ts";
import type { Us } from "./time.ts";

export type TransportName = "grpc" | "http";

/** Who handed a request over, as far as its receiver knows. */
export interface RequestSender {
  readonly listener: TransportName;
  /** Name in the certificate that the sender showed, proved by the handshake; "" = none was asked for. */
  readonly client: string;
}

/** How a message came over the wire. `deflate` has zlib's frame (RFC 1950). */
export type Encoding = "identity" | "gzip" | "deflate" | "zstd";

/** A request after inflation. `body` is its own ArrayBuffer, so it can be transferred to a thread. */
export interface ReceivedRequest {
  readonly signal: Signal;
  readonly body: ArrayBuffer;
  /** The message as it came, in an ArrayBuffer of its own; null when that is the body itself, or was JSON. */
  readonly wire: { readonly bytes: ArrayBuffer; readonly encoding: Encoding } | null;
  /** First 128 bits of the body's SHA-256, 32 hex digits: with the signal, the request's identity. */
  readonly hash: string;
  readonly receivedUs: Us;
  readonly sender: RequestSender;
}

/**
 * What becomes of a request. `accepted` is answered only after its commit. Everything the sender is not
 * to blame for is `unavailable`, which collectors retry; `invalid` makes them drop the request.
 */
export type Answer =
  | {
      readonly kind: "accepted";
      readonly items: number;
      readonly rejectedItems: number;
      readonly message: string;
    }
  | { readonly kind: "invalid"; readonly code: string; readonly message: string }
  | { readonly kind: "unavailable"; readonly reason: string; readonly retryAfterMs: number };

/** Where a receiver hands its requests. Never rejects: trouble is an `unavailable` answer. */
export interface RequestHandler {
  submit(request: ReceivedRequest): Promise<Answer>;
  /** A request of that signal was not taken, whoever refused it: what it held may come again. */
  turnedAway(signal: Signal): void;
}
