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
  | { readonly kind: "http_error"; readonly status: number }
  | { readonly kind: "refused"; readonly method: GrpcMethod | null; readonly reply: Reply };

const collector = "opentelemetry.proto.collector";
const exportMethods: ReadonlyMap<string, GrpcMethod> = new Map([
  [`/${collector}.trace.v1.TraceService/Export`, { kind: "export", signal: Signal.traces }],
  [`/${collector}.metrics.v1.MetricsService/Export`, { kind: "export", signal: Signal.metrics }],
  [`/${collector}.logs.v1.LogsService/Export`, { kind: "export", signal: Signal.logs }],
  ["/grpc.health.v1.Health/Check", { kind: "health" }],
]);

/** Names under which `Health/Check` may be asked: the whole server, and each service. */
export const healthServices: ReadonlySet<string> = new Set([
  "",
  `${collector}.trace.v1.TraceService`,
  `${collector}.metrics.v1.MetricsService`,
  `${collector}.logs.v1.LogsService`,
]);

export function readCallHeaders(headers: IncomingHttpHeaders): CallHeaders {
  if (headers[":method"] !== "POST") return { kind: "http_error", status: 405 };
  if (!isGrpcProtobuf(headers["content-type"])) return { kind: "http_error", status: 415 };
  const path = headers[":path"] ?? "";
  const method = exportMethods.get(path) ?? null;
  const refused = (reply: Reply): CallHeaders => ({ kind: "refused", method, reply });
  if (headers.te !== "trailers") {
    return refused(
      replies.invalid(
        'the header "te: trailers" is missing; a proxy on the way does not pass gRPC',
      ),
    );
  }
  if (!method) return refused(replies.unknownMethod(path));
  const encoding = text(headers["grpc-encoding"]) || "identity";
  if (!isEncoding(encoding)) return refused(replies.unknownEncoding(encoding, acceptEncoding));
  const timeout = text(headers["grpc-timeout"]);
  const timeoutMs = timeout === "" ? null : parseTimeoutMs(timeout);
  if (Number.isNaN(timeoutMs)) {
    return refused(replies.invalid(`grpc-timeout "${timeout}" is not up to 8 digits and a unit`));
  }
  return { kind: "call", method, encoding, timeoutMs };
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

/** `application/grpc`, `application/grpc+proto`, either with parameters; no other payload format. */
function isGrpcProtobuf(contentType: string | undefined): boolean {
  const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  return type === "application/grpc" || type === "application/grpc+proto";
}

/** A repeated header is joined, which no value of ours matches. */
function text(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}
