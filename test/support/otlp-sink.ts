/**
 * A sink of OTLP logs over gRPC as the foreign world has them: on real sockets, with every behaviour
 * that a sink can have by intent, by fault or by malice. Records of requests it has taken are kept.
 */
import {
  createSecureServer,
  createServer,
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";
import { requestTypes } from "./otlp-oracle.ts";

/** What the sink does with one request; `records` are those in it. */
export type SinkBehaviour =
  | { readonly kind: "take" }
  | { readonly kind: "partial"; readonly rejected: number; readonly message: string }
  /** Takes all and answers with these bytes. */
  | { readonly kind: "reply"; readonly message: Buffer }
  | {
      readonly kind: "status";
      readonly code: number;
      readonly message?: string;
      readonly retry?: Retry;
    }
  | { readonly kind: "http"; readonly status: number }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Begins an answer and resets the stream. */
  | { readonly kind: "reset"; readonly code: number }
  /** Closes the connection without an answer. */
  | { readonly kind: "disconnect" };

/** A RetryInfo, or whatever bytes stand in its place. */
export type Retry = { readonly seconds: number; readonly nanos: number } | Buffer;

export interface SinkRecord {
  readonly uid: string;
  readonly insightId: string;
  readonly eventName: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  /** Nanoseconds, as decimal text. */
  readonly time: string;
  readonly observed: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
  readonly schemaUrl: string;
  /** In hexadecimal, "" = none. */
  readonly traceId: string;
  readonly spanId: string;
}

export interface SinkRequest {
  readonly headers: IncomingHttpHeaders;
  readonly records: readonly SinkRecord[];
  readonly bytes: Buffer;
}

export interface OtlpSinkOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
}

const exportPath = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

export class OtlpSink implements AsyncDisposable {
  /** Asked for each request that has come whole. */
  behave: (request: SinkRequest) => SinkBehaviour = () => ({ kind: "take" });
  /** Every request, taken or not. */
  readonly requests: SinkRequest[] = [];
  /** Records of the requests that were answered OK, in the order of their coming. */
  readonly taken: SinkRecord[] = [];
  /** Requests that hang now. */
  hanging = 0;
  readonly #options: OtlpSinkOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  #server: Http2Server | null = null;
  #port = 0;

  constructor(options: OtlpSinkOptions = {}) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sessions.size;
  }

  /** Listens, on the same port as before if there was one. */
  async start(): Promise<void> {
    const { tls } = this.#options;
    const server = tls ? createSecureServer({ ...tls }) : createServer();
    server.on("session", (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.on("error", () => {});
      session.once("close", () => this.#sessions.delete(session));
    });
    server.on("sessionError", () => {});
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.#read(stream, headers);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port; // a TCP server has one
    this.#server = server;
  }

  /** Closes port and connections: connecting is refused from now on. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const session of this.#sessions) session.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #read(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      if (stream.destroyed) return;
      const framed = Buffer.concat(chunks);
      const message = framed.subarray(5);
      const bytes = framed[0] === 1 ? gunzipSync(message) : message;
      const request = { headers, bytes, records: readRecords(bytes) };
      this.requests.push(request);
      if (headers[":path"] !== exportPath) return answerStatus(stream, 12, "unknown method");
      this.#answer(stream, request);
    });
  }

  #answer(stream: ServerHttp2Stream, request: SinkRequest): void {
    const behaviour = this.behave(request);
    switch (behaviour.kind) {
      case "take":
        this.taken.push(...request.records);
        return answerMessage(stream, Buffer.alloc(0));
      case "partial":
        this.taken.push(...request.records);
        return answerMessage(stream, partialSuccess(behaviour.rejected, behaviour.message));
      case "reply":
        this.taken.push(...request.records);
        return answerMessage(stream, behaviour.message);
      case "status":
        return answerStatus(stream, behaviour.code, behaviour.message ?? "", behaviour.retry);
      case "http":
        return stream.respond({ ":status": behaviour.status }, { endStream: true });
      case "hang":
        this.hanging++;
        stream.once("close", () => this.hanging--);
        return;
      case "reset":
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        stream.close(behaviour.code);
        return;
      case "disconnect":
        stream.session?.destroy();
    }
  }
}

function answerMessage(stream: ServerHttp2Stream, message: Buffer): void {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.concat([prefix, message]));
}

function answerStatus(stream: ServerHttp2Stream, code: number, message: string, retry?: Retry) {
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(code),
      "grpc-message": encodeURIComponent(message),
      ...(retry === undefined
        ? {}
        : { "grpc-status-details-bin": statusDetails(code, retry).toString("base64") }),
    },
    { endStream: true },
  );
}

const rpc = protobuf.parse(`
  syntax = "proto3";
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Other { string note = 1; }
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message PartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
  message Response { PartialSuccess partial_success = 1; }
`).root;

function encode(type: string, value: Record<string, unknown>): Buffer {
  const found = rpc.lookupType(type);
  return Buffer.from(found.encode(found.fromObject(value)).finish());
}

/** google.rpc.Status with another detail before the RetryInfo, as the protocol allows. */
export function statusDetails(code: number, retry: Retry): Buffer {
  if (Buffer.isBuffer(retry)) return retry;
  const details = [
    { typeUrl: "type.googleapis.com/google.rpc.Help", value: encode("Other", { note: "x" }) },
    {
      typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
      value: encode("RetryInfo", { retryDelay: retry }),
    },
  ];
  return encode("Status", { code, message: "come again", details });
}

export function partialSuccess(rejectedLogRecords: number, errorMessage: string): Buffer {
  return encode("Response", { partialSuccess: { rejectedLogRecords, errorMessage } });
}

interface AnyValue {
  readonly [member: string]: unknown;
}
interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}
/** The parts of a request that tests look at, as the oracle's `toObject` gives them. */
interface PlainRequest {
  readonly resource_logs?: readonly {
    readonly resource: { readonly attributes?: readonly KeyValue[] };
    readonly scope_logs: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly schema_url: string;
      readonly log_records?: readonly {
        readonly time_unix_nano: string;
        readonly observed_time_unix_nano: string;
        readonly trace_id?: Uint8Array;
        readonly span_id?: Uint8Array;
        readonly severity_number: number;
        readonly severity_text: string;
        readonly event_name: string;
        readonly body: AnyValue;
        readonly attributes?: readonly KeyValue[];
      }[];
    }[];
  }[];
}

/** What a request holds, read by protobufjs from the proto files. */
export function readRecords(bytes: Buffer): SinkRecord[] {
  const type = requestTypes.logs;
  const plain = type.toObject(type.decode(bytes), { longs: String }) as PlainRequest;
  return (plain.resource_logs ?? []).flatMap(({ resource, scope_logs }) =>
    scope_logs.flatMap(({ scope, schema_url, log_records = [] }) =>
      log_records.map((record) => {
        const attributes = readAttributes(record.attributes);
        return {
          uid: String(attributes["log.record.uid"]),
          insightId: String(attributes["mesh_insights.insight.id"]),
          eventName: record.event_name,
          severityNumber: record.severity_number,
          severityText: record.severity_text,
          body: String(readValue(record.body)),
          time: record.time_unix_nano,
          observed: record.observed_time_unix_nano,
          attributes,
          resource: readAttributes(resource.attributes),
          scope: `${scope.name} ${scope.version}`,
          schemaUrl: schema_url,
          traceId: readHex(record.trace_id),
          spanId: readHex(record.span_id),
        };
      }),
    ),
  );
}

function readAttributes(pairs: readonly KeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, readValue(value)]));
}

/** Integers as numbers: none of ours is beyond 2^53. */
function readValue(value: AnyValue): unknown {
  if ("array_value" in value) {
    const { values = [] } = value.array_value as { values?: readonly AnyValue[] };
    return values.map(readValue);
  }
  if ("int_value" in value) return Number(value.int_value);
  return Object.values(value)[0];
}

export const http2Codes = {
  noError: constants.NGHTTP2_NO_ERROR,
  internal: constants.NGHTTP2_INTERNAL_ERROR,
  cancel: constants.NGHTTP2_CANCEL,
  calm: constants.NGHTTP2_ENHANCE_YOUR_CALM,
} as const;

function readHex(bytes: Uint8Array | undefined): string {
  return bytes ? Buffer.from(bytes).toString("hex") : "";
}
