/**
 * What an OTLP/HTTP request's line and headers say, judged before a byte of its body is read. It knows
 * nothing of sockets.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Encoding } from "../model/requests.ts";
import { Signal } from "../model/stages.ts";
import { replies, type Reply } from "./answers.ts";
import type { Format } from "./export-call.ts";
import { mediaType } from "./grpc-headers.ts";
import { acceptEncoding, isEncoding } from "./inflate.ts";
import { protobufType } from "./wrong-port.ts";

export type HttpHeaders =
  | {
      readonly kind: "call";
      readonly signal: Signal;
      readonly encoding: Encoding;
      readonly format: Format;
      /** What the body is long; null when it comes in chunks. */
      readonly length: number | null;
    }
  | { readonly kind: "refused"; readonly signal: Signal | null; readonly reply: Reply };

const signalOf: ReadonlyMap<string, Signal> = new Map([
  ["/v1/traces", Signal.traces],
  ["/v1/metrics", Signal.metrics],
  ["/v1/logs", Signal.logs],
]);

const served = "OTLP is served on /v1/traces, /v1/metrics and /v1/logs";
export const jsonType = "application/json";

/**
 * There is no CORS: senders are collectors and SDKs, not browsers. A browser's preflight is an OPTIONS
 * like any other and gets 405, after which the browser sends nothing.
 */
export function readHttpHeaders(
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
  maxRequestBytes: number,
): HttpHeaders {
  const path = pathOf(url);
  const signal = signalOf.get(path) ?? null;
  const refused = (reply: Reply): HttpHeaders => ({ kind: "refused", signal, reply });
  if (signal === null) return refused(replies.unknownPath(path, served));
  if (method !== "POST") return refused(replies.notPost(method));
  const type = mediaType(headers["content-type"]);
  if (type !== protobufType && type !== jsonType) return refused(unknownType(type));
  const encoding = (headers["content-encoding"] || "identity").toLowerCase();
  if (!isEncoding(encoding)) return refused(unknownEncoding(encoding));
  const length = lengthOf(headers);
  return length !== null && length > maxRequestBytes
    ? refused(replies.tooLarge(`its body of ${length} bytes`, maxRequestBytes))
    : { kind: "call", signal, encoding, format: type === jsonType ? "json" : "protobuf", length };
}

/** Null for a path that is not OTLP's. */
export function signalOfUrl(url: string): Signal | null {
  return signalOf.get(pathOf(url)) ?? null;
}

function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}

/** Bytes of the body; null when it comes in chunks, whose sum nobody knows yet. */
export function lengthOf(headers: IncomingHttpHeaders): number | null {
  if (headers["transfer-encoding"] !== undefined) return null;
  return Number(headers["content-length"] ?? 0); // the parser lets digits through only
}

/** Whether the answer is to be JSON: the request's type is the answer's. */
export function isJson(headers: IncomingHttpHeaders): boolean {
  return mediaType(headers["content-type"]) === jsonType;
}

function unknownType(type: string): Reply {
  return replies.unknownFormat("Content-Type", type, `use ${protobufType} or ${jsonType}`);
}

function unknownEncoding(encoding: string): Reply {
  return replies.unknownFormat("Content-Encoding", encoding, `use one of ${acceptEncoding}`);
}
