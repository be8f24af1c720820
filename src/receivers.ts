/** The receivers that a configuration describes; `serve` and `record` listen with the same. */
import type { Config } from "./config/config.ts";
import type { Endpoint } from "./config/units.ts";
import type { Credentials } from "./credentials.ts";
import { systemClock } from "./lib/clock.ts";
import type { RequestHandler } from "./model/requests.ts";
import { grpcReceiverDefaults } from "./receive/grpc-options.ts";
import { OtlpGrpcReceiver } from "./receive/grpc-receiver.ts";
import { httpReceiverDefaults } from "./receive/http-options.ts";
import { OtlpHttpReceiver } from "./receive/http-receiver.ts";
import { ReceiverEvents } from "./self/events.ts";
import type { Instruments } from "./self/instruments.ts";
import type { Log } from "./self/log.ts";

export interface ReceiverParts {
  readonly handler: RequestHandler;
  readonly metrics: Instruments;
  readonly log: Log;
  readonly credentials: Credentials;
}

export function makeGrpcReceiver({ grpc, http }: Config, parts: ReceiverParts): OtlpGrpcReceiver {
  const { endpoint, tls, auth, insecure: _, ...limits } = grpc;
  const { credentials } = parts;
  const options = {
    ...grpcReceiverDefaults,
    ...limits,
    ...endpoint,
    otherPort: knownPort(http.endpoint),
    tls: credentials.tlsOf("grpc", tls, (changed) => receiver.setTls(changed)),
    gate: credentials.gateOf("grpc", auth),
  };
  const events = new ReceiverEvents("grpc", parts.metrics, parts.log, systemClock);
  const receiver = new OtlpGrpcReceiver(options, parts.handler, systemClock, events);
  return receiver;
}

export function makeHttpReceiver({ grpc, http }: Config, parts: ReceiverParts): OtlpHttpReceiver {
  const { endpoint, tls, auth, insecure: _, ...limits } = http;
  const { credentials } = parts;
  const options = {
    ...httpReceiverDefaults,
    ...limits,
    ...endpoint,
    otherPort: knownPort(grpc.endpoint),
    tls: credentials.tlsOf("http", tls, (changed) => receiver.setTls(changed)),
    gate: credentials.gateOf("http", auth),
  };
  const events = new ReceiverEvents("http", parts.metrics, parts.log, systemClock);
  const receiver = new OtlpHttpReceiver(options, parts.handler, systemClock, events);
  return receiver;
}

/** Null for "any free port", which nobody can be told before it is bound. */
const knownPort = ({ port }: Endpoint): number | null => (port === 0 ? null : port);
