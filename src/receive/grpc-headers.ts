/**
 * What a request's headers say, judged before a byte of its body is read: which method, which
 * compression, how long the sender waits. It knows nothing of streams.
 */
import type { Encoding } from "../model/requests.ts";
import type { IncomingHttpHeaders } from "node:http2";
import { Signal } from "../model/stages.ts";
import { replies, type Reply } from "./answers.ts";
import { acceptEncoding, isEncoding } from "./inflate.ts";

export type GrpcMethod =
  | { readonly kind: "export"; readonly signal: Signal }
  | { readonly kind: "health" };

export type CallHeaders =
  | {
      readonly kind: "call";
      readonly method: GrpcMethod;
      readonly encoding: Encoding;
      /** How long the sender waits; null when it does not say. */
      readonly timeoutMs: number | null;
    }
  /** Not gRPC: answered with a bare HTTP status. */
  | { readonly kind: "http_error"; readonly status: number; readonly text: string }
  /** OTLP/HTTP over HTTP/2, as TLS clients negotiate it: here it is on the wrong port. */
  | { readonly kind: "wrong_port"; readonly isProtobuf: boolean }
  | { readonly kind: "refused"; readonly method: GrpcMethod | null; readonly reply: Reply };

const collector = "opentelemetry.proto.collector";
const exportMethods: ReadonlyMap<string, GrpcMethod> = new Map([
  [`/${collector}.trace.v1.TraceService/Export`, { kind: "export", signal: Signal.traces }],
  [`/${collector}.metrics.v1.MetricsService/Export`, { kind: "export", signal: Signal.metrics }],
  [`/${collector}.logs.v1.LogsService/Export`, { kind: "export", signal: Signal.logs }],
  ["/grpc.health.v1.Health/Check", { kind: "health" }],
]);

/** No other payload format than protobuf. */
const grpcTypes: ReadonlySet<string> = new Set(["application/grpc", "application/grpc+proto"]);
const notGrpc = "this is OTLP/gRPC: POST with content-type application/grpc";
const served = "only OTLP Export of traces, metrics and logs and health checks are";

/** Names under which `Health/Check` may be asked: the whole server, and each service. */
export const healthServices: ReadonlySet<string> = new Set([
  "",
  `${collector}.trace.v1.TraceService`,
  `${collector}.metrics.v1.MetricsService`,
  `${collector}.logs.v1.LogsService`,
]);

export function readCallHeaders(headers: IncomingHttpHeaders): CallHeaders {
  const path = headers[":path"] ?? "";
  const type = mediaType(headers["content-type"]);
  if (headers[":method"] !== "POST") return { kind: "http_error", status: 405, text: notGrpc };
  if (!grpcTypes.has(type)) {
    return /^\/v1\/(traces|metrics|logs)$/.test(path)
      ? { kind: "wrong_port", isProtobuf: type === "application/x-protobuf" }
      : { kind: "http_error", status: 415, text: notGrpc };
  }
  const method = exportMethods.get(path) ?? null;
  const refused = (reply: Reply): CallHeaders => ({ kind: "refused", method, reply });
  if (headers.te !== "trailers") {
    return refused(
      replies.invalid(
        'the header "te: trailers" is missing; a proxy on the way does not pass gRPC',
      ),
    );
  }
  if (!method) return refused(replies.unknownPath(path, served));
  const encoding = text(headers["grpc-encoding"]) || "identity";
  if (!isEncoding(encoding)) return refused(unknownEncoding(encoding));
  const timeout = text(headers["grpc-timeout"]);
  const timeoutMs = timeout === "" ? null : parseTimeoutMs(timeout);
  if (Number.isNaN(timeoutMs)) {
    return refused(replies.invalid(`grpc-timeout "${timeout}" is not up to 8 digits and a unit`));
  }
  return { kind: "call", method, encoding, timeoutMs };
}

function unknownEncoding(encoding: string): Reply {
  return replies.unknownFormat("grpc-encoding", encoding, `use one of ${acceptEncoding}`);
}

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds of a `grpc-timeout` such as `5S` or `200m`; NaN when it is none. */
export function parseTimeoutMs(timeout: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(timeout);
  return match ? Number(match[1]) * (unitMs[match[2] ?? ""] ?? Number.NaN) : Number.NaN;
}

/** Without parameters, in small letters. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** A repeated header is joined, which no value of ours matches. */
function text(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}
