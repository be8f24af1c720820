/**
 * The measuring point between collector and engine: hands every request on as it came, byte for byte, and
 * answers what the engine answers; notes when which destination was first told, by which vantage point.
 */
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { readRecords, type SinkRecord } from "../support/otlp-sink.ts";

type Vantage = "socket" | "wire";

export class Tap implements AsyncDisposable {
  readonly #engine: string;
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<ServerHttp2Session | ClientHttp2Session>();
  #onward: ClientHttp2Session | null = null;
  /** Milliseconds since 1970, by vantage point, address and port. */
  readonly #arrivals = new Map<string, number>();

  /** `engine`: its OTLP/gRPC, `host:port`. */
  constructor(engine: string) {
    this.#engine = engine;
    this.#server.on("session", (session: ServerHttp2Session) => this.#keep(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#hand(stream, headers),
    );
  }

  /** Where the collector sends to, `host:port`. */
  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // a TCP server has one
  }

  /** When a connection to `address` and `port` was first told by a vantage point; NaN = never. */
  arrivedMs(vantage: Vantage, address: string, port: number): number {
    return this.#arrivals.get(`${vantage} ${address} ${port}`) ?? Number.NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  /** Its errors are those of its streams, which tell the collector. */
  #keep(session: ServerHttp2Session | ClientHttp2Session): void {
    this.#sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => this.#sessions.delete(session));
  }

  /** The engine ends connections when it likes, as any server does. */
  #connection(): ClientHttp2Session {
    if (this.#onward && !this.#onward.closed && !this.#onward.destroyed) return this.#onward;
    this.#onward = connect(`http://${this.#engine}`);
    this.#keep(this.#onward);
    return this.#onward;
  }

  #hand(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const body = Buffer.concat(chunks);
      const { ":authority": _authority, ...rest } = headers;
      const onward = this.#connection().request(rest);
      onward.on("error", () => stream.close());
      onward.on("response", (answer) => {
        const { ":status": status, ...others } = answer;
        stream.respond({ ":status": status ?? 500, ...others }, { waitForTrailers: true });
      });
      const trailers = new Promise<IncomingHttpHeaders>((done) => onward.once("trailers", done));
      stream.on("wantTrailers", () => {
        void trailers.then((last) => stream.sendTrailers(last));
      });
      onward.pipe(stream);
      onward.end(body);
      if (headers[":path"]?.endsWith("LogsService/Export")) this.#note(body, Date.now());
    });
  }

  #note(framed: Buffer, nowMs: number): void {
    const message = framed.subarray(5);
    for (const record of readRecords(framed[0] === 1 ? gunzipSync(message) : message)) {
      const told = socketOf(record) ?? flowOf(record);
      if (told !== null && !this.#arrivals.has(told)) this.#arrivals.set(told, nowMs);
    }
  }
}

interface TetragonLine {
  readonly process_kprobe?: {
    readonly args: readonly { readonly sock_arg: { daddr: string; dport: number } }[];
  };
}

function socketOf({ body }: SinkRecord): string | null {
  if (!body.startsWith("{")) return null;
  const socket = (JSON.parse(body) as TetragonLine).process_kprobe?.args[0]?.sock_arg;
  return socket ? `socket ${socket.daddr} ${socket.dport}` : null;
}

function flowOf({ attributes }: SinkRecord): string | null {
  const address = attributes["destination.address"];
  if (typeof address !== "string") return null;
  return `wire ${address} ${String(attributes["destination.port"])}`;
}
