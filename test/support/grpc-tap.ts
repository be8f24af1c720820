/**
 * A measuring point between an OTLP/gRPC client and its server: hands every request on as it came, byte for
 * byte, answers what the server answers, and shows each message.
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
import type { SignalName } from "./otlp-oracle.ts";

/** What is done with a request; its message is inflated. */
export type OnRequest = (signal: SignalName, message: Buffer) => void;

const services: readonly (readonly [ending: string, signal: SignalName])[] = [
  ["LogsService/Export", "logs"],
  ["MetricsService/Export", "metrics"],
  ["TraceService/Export", "traces"],
];

export class GrpcTap implements AsyncDisposable {
  readonly #onward: string;
  readonly #onRequest: OnRequest;
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<ServerHttp2Session | ClientHttp2Session>();
  #client: ClientHttp2Session | null = null;

  /** `onward`: where requests go, `host:port`. */
  constructor(onward: string, onRequest: OnRequest) {
    this.#onward = onward;
    this.#onRequest = onRequest;
    this.#server.on("session", (session: ServerHttp2Session) => this.#keep(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#hand(stream, headers),
    );
  }

  /** Where the client sends to, `host:port`. */
  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // a TCP server has one
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  /** Its errors are those of its streams, which tell the client. */
  #keep(session: ServerHttp2Session | ClientHttp2Session): void {
    this.#sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => this.#sessions.delete(session));
  }

  /** The server ends connections when it likes, as any server does. */
  #connection(): ClientHttp2Session {
    if (this.#client && !this.#client.closed && !this.#client.destroyed) return this.#client;
    this.#client = connect(`http://${this.#onward}`);
    this.#keep(this.#client);
    return this.#client;
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
      this.#show(headers[":path"] ?? "", body);
    });
  }

  #show(path: string, framed: Buffer): void {
    const service = services.find(([ending]) => path.endsWith(ending));
    if (!service) return;
    const message = framed.subarray(5);
    this.#onRequest(service[1], framed[0] === 1 ? gunzipSync(message) : message);
  }
}
