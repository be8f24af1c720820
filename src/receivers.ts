/** The receivers that a configuration describes; `serve` and `record` listen with the same. */
import { readFileSync } from "node:fs";
import type { Config, ServerTlsConfig } from "./config/config.ts";
import type { Endpoint } from "./config/units.ts";
import { systemClock } from "./lib/clock.ts";
import type { RequestHandler } from "./model/requests.ts";
import { grpcReceiverDefaults } from "./receive/grpc-options.ts";
import { OtlpGrpcReceiver } from "./receive/grpc-receiver.ts";
import { httpReceiverDefaults } from "./receive/http-options.ts";
import { OtlpHttpReceiver } from "./receive/http-receiver.ts";
import type { ServerTls } from "./receive/server-tls.ts";
import { ReceiverEvents } from "./self/events.ts";
import type { Instruments } from "./self/instruments.ts";
import type { Log } from "./self/log.ts";

export interface ReceiverParts {
  readonly handler: RequestHandler;
  readonly metrics: Instruments;
  readonly log: Log;
}

export function makeGrpcReceiver({ grpc, http }: Config, parts: ReceiverParts): OtlpGrpcReceiver {
  const { endpoint, tls, ...limits } = grpc;
  const options = {
    ...grpcReceiverDefaults,
    ...limits,
    ...endpoint,
    otherPort: knownPort(http.endpoint),
    tls: readTls(tls),
  };
  const events = new ReceiverEvents("grpc", parts.metrics, parts.log, systemClock);
  return new OtlpGrpcReceiver(options, parts.handler, systemClock, events);
}

export function makeHttpReceiver({ grpc, http }: Config, parts: ReceiverParts): OtlpHttpReceiver {
  const { endpoint, tls, ...limits } = http;
  const options = {
    ...httpReceiverDefaults,
    ...limits,
    ...endpoint,
    otherPort: knownPort(grpc.endpoint),
    tls: readTls(tls),
  };
  const events = new ReceiverEvents("http", parts.metrics, parts.log, systemClock);
  return new OtlpHttpReceiver(options, parts.handler, systemClock, events);
}

/** Null for "any free port", which nobody can be told before it is bound. */
const knownPort = ({ port }: Endpoint): number | null => (port === 0 ? null : port);

function readTls(tls: ServerTlsConfig | null): ServerTls | null {
  if (tls === null) return null;
  const { certFile, keyFile, clientCaFile } = tls;
  return {
    cert: readFileSync(certFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
    ...(clientCaFile === "" ? {} : { clientCa: readFileSync(clientCaFile, "utf8") }),
  };
}
