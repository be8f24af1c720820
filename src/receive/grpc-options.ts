/** What can be set of the OTLP/gRPC receiver, and what it is when nothing is set. */
import type { Trust } from "../model/observations.ts";
import type { ConnectionOptions } from "./connection.ts";

export interface GrpcReceiverOptions extends ConnectionOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Of one request, on the wire and after inflation. */
  readonly maxRequestBytes: number;
  /** Of all requests that are not answered yet. */
  readonly inFlightBytesMax: number;
  /** Per connection. */
  readonly maxConcurrentStreams: number;
  readonly maxConnections: number;
  /** Loopback is exempt. */
  readonly maxConnectionsPerAddress: number;
  /** From a request's headers to the end of its body. */
  readonly readDeadlineMs: number;
  /** How long a whole request may wait for room. */
  readonly queueDeadlineMs: number;
  /** How long `drain` waits for what is in flight. */
  readonly drainDeadlineMs: number;
  readonly trust: Trust;
  /** Contents of PEM files; null: plain text. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export const mebibyte = 1024 * 1024;

export const grpcReceiverDefaults: GrpcReceiverOptions = {
  host: "127.0.0.1",
  port: 4317,
  maxRequestBytes: 64 * mebibyte,
  inFlightBytesMax: 128 * mebibyte,
  maxConcurrentStreams: 16,
  maxConnections: 1_024,
  maxConnectionsPerAddress: 64,
  firstMessageDeadlineMs: 10_000,
  readDeadlineMs: 30_000,
  queueDeadlineMs: 2_000,
  idleMs: 300_000,
  ageMs: 300_000,
  ageGraceMs: 30_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 10_000,
  drainDeadlineMs: 8_000,
  trust: "claimed",
  tls: null,
};
