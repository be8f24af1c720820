/** What can be set of the OTLP/HTTP receiver, and what it is when nothing is set. */
import type { TokenGate } from "../access/gate.ts";
import type { ServerTls } from "../access/server-tls.ts";
import { grpcReceiverDefaults } from "./grpc-options.ts";
import type { IntakeOptions } from "./intake.ts";
import type { ListenerOptions } from "./listener.ts";

export interface HttpReceiverOptions extends ListenerOptions, IntakeOptions {
  /** From a request's first byte to the end of its headers. */
  readonly headersDeadlineMs: number;
  /** Between two requests of one connection. */
  readonly keepAliveMs: number;
  /** Then a connection is closed behind an answer, so that senders spread over replicas; ±10 %. */
  readonly ageMs: number;
  /** Requests of one connection that are not answered yet; more end the connection. */
  readonly requestsInLineMax: number;
  /** How long `drain` waits for what is in flight. */
  readonly drainDeadlineMs: number;
  /** Where OTLP/gRPC is received, to tell senders that belong there; null: not known, or nowhere. */
  readonly otherPort: number | null;
  /** Null: plain text. */
  readonly tls: ServerTls | null;
  /** Whose tokens are asked for; null: nobody's. */
  readonly gate: TokenGate | null;
}

const {
  host,
  maxRequestBytes,
  inFlightBytesMax,
  maxConnections,
  maxConnectionsPerAddress,
  firstMessageDeadlineMs,
  readDeadlineMs,
  queueDeadlineMs,
  ageMs,
  drainDeadlineMs,
} = grpcReceiverDefaults;

/** What both receivers have is the same in both. */
export const httpReceiverDefaults: HttpReceiverOptions = {
  host,
  port: 4318,
  maxRequestBytes,
  inFlightBytesMax,
  maxConnections,
  maxConnectionsPerAddress,
  firstMessageDeadlineMs,
  headersDeadlineMs: 10_000,
  readDeadlineMs,
  queueDeadlineMs,
  keepAliveMs: 65_000,
  ageMs,
  requestsInLineMax: 16,
  drainDeadlineMs,
  otherPort: null,
  tls: null,
  gate: null,
};
