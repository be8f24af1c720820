/** A receiver on a free port, with a handler that records and answers as told. */
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { systemClock } from "../../src/lib/clock.ts";
import type { Answer, ReceivedRequest, RequestHandler } from "../../src/model/requests.ts";
import type { Signal } from "../../src/model/stages.ts";
import { PrometheusRegistry } from "../../src/export/prometheus.ts";
import { grpcReceiverDefaults, type GrpcReceiverOptions } from "../../src/receive/grpc-options.ts";
import { OtlpGrpcReceiver } from "../../src/receive/grpc-receiver.ts";
import { ReceiverEvents } from "../../src/self/events.ts";
import { makeLog } from "../../src/self/log.ts";

export const exportPath = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
} as const;

/** Keeps every request, and answers with `answer`, which a test may replace. */
export class RecordingHandler implements RequestHandler {
  readonly requests: ReceivedRequest[] = [];
  answer: (request: ReceivedRequest) => Answer | Promise<Answer> = () => ({
    kind: "accepted",
    items: 1,
    rejectedItems: 0,
    message: "",
  });
  #arrived: (() => void)[] = [];

  /** Signals of requests that were not taken. */
  readonly turned: Signal[] = [];

  turnedAway(signal: Signal): void {
    this.turned.push(signal);
  }

  async submit(request: ReceivedRequest): Promise<Answer> {
    this.requests.push(request);
    for (const tell of this.#arrived.splice(0)) tell();
    return this.answer(request);
  }

  /** Resolves when `count` requests have come. */
  async arrivals(count: number): Promise<void> {
    while (this.requests.length < count) {
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }
}

export interface TestReceiver<R = OtlpGrpcReceiver> extends AsyncDisposable, Surroundings {
  readonly receiver: R;
  readonly port: number;
}

/** What a receiver is given, and what can be seen of it from there. */
export interface Surroundings {
  readonly handler: RecordingHandler;
  readonly events: ReceiverEvents;
  readonly log: string[];
  /** The value of a series as /metrics shows it: `receiver_connections{transport="grpc"}`. */
  metric(series: string): Promise<number>;
}

export function makeSurroundings(transport: "grpc" | "http"): Surroundings {
  const registry = new PrometheusRegistry();
  const lines: string[] = [];
  const log = makeLog({ level: "info", format: "text", write: (line) => lines.push(line) });
  return {
    handler: new RecordingHandler(),
    events: new ReceiverEvents(transport, registry, log, systemClock),
    log: lines,
    async metric(series) {
      const line = (await registry.text())
        .split("\n")
        .find((text) => text.startsWith(`mesh_insights_${series} `));
      return line ? Number(line.slice(line.lastIndexOf(" "))) : Number.NaN;
    },
  };
}

export async function startReceiver(
  options: Partial<GrpcReceiverOptions> = {},
): Promise<TestReceiver> {
  const around = makeSurroundings("grpc");
  const receiver = new OtlpGrpcReceiver(
    { ...grpcReceiverDefaults, port: 0, drainDeadlineMs: 1_000, ...options },
    around.handler,
    systemClock,
    around.events,
  );
  const { port } = await receiver.listen();
  return {
    ...around,
    receiver,
    port,
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
}

/** What a raw client saw of one request. */
export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly rstCode: number;
  /** From the trailers or, "trailers only", from the headers. */
  readonly status: number;
  readonly message: string;
}

export interface RawRequest {
  readonly path?: string;
  /** DATA frames; each is written by itself. */
  readonly frames?: readonly Buffer[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers to leave out. */
  readonly without?: readonly string[];
  readonly keepOpen?: boolean;
}

export async function openSession(port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    session.once("connect", () => resolve());
    session.once("close", () => reject(new Error("closed before it was connected")));
  });
  return session;
}

/** Sends one request on a connection of its own, byte for byte as told. */
export async function sendRaw(port: number, request: RawRequest): Promise<RawAnswer> {
  const session = await openSession(port);
  try {
    return await sendOn(session, request);
  } finally {
    session.destroy();
  }
}

export function sendOn(session: ClientHttp2Session, request: RawRequest): Promise<RawAnswer> {
  const headers: Record<string, string> = {
    ":method": "POST",
    ":path": request.path ?? exportPath.traces,
    "content-type": "application/grpc",
    te: "trailers",
    ...request.headers,
  };
  for (const name of request.without ?? []) delete headers[name];
  const stream = session.request(headers, { endStream: false });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let responseHeaders: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (received) => (responseHeaders = received));
    stream.on("trailers", (received) => (trailers = received));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      const from = trailers["grpc-status"] === undefined ? responseHeaders : trailers;
      resolve({
        headers: responseHeaders,
        trailers,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
        status: Number(from["grpc-status"] ?? Number.NaN),
        message: decodeURIComponent(String(from["grpc-message"] ?? "")),
      });
    });
    for (const chunk of request.frames ?? []) stream.write(chunk);
    if (!request.keepOpen) stream.end();
  });
}

/** A message with its gRPC prefix. */
export function grpcFrame(message: Buffer, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}
