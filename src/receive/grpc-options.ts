/** What can be set of the OTLP/gRPC receiver, and what it is when nothing is set. */
import type { TokenGate } from "../access/gate.ts";
import type { ServerTls } from "../access/server-tls.ts";
import type { ConnectionOptions } from "./grpc-connection.ts";
import type { IntakeOptions } from "./intake.ts";
import type { ListenerOptions } from "./listener.ts";

export interface GrpcReceiverOptions extends ListenerOptions, IntakeOptions, ConnectionOptions {
  /** Per connection. */
  readonly maxConcurrentStreams: number;
  /** How long `drain` waits for what is in flight. */
  readonly drainDeadlineMs: number;
  /** Where OTLP/HTTP is received, to tell senders that belong there; null: not known, or nowhere. */
  readonly otherPort: number | null;
  /** Null: plain text. */
  readonly tls: ServerTls | null;
  /** Whose tokens are asked for; null: nobody's. */
  readonly gate: TokenGate | null;
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
  otherPort: null,
  tls: null,
  gate: null,
};
