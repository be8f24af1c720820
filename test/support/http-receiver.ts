/** An OTLP/HTTP receiver on a free port, and raw clients that say byte for byte what a test wants. */
import net from "node:net";
import tls from "node:tls";
import { systemClock } from "../../src/lib/clock.ts";
import { httpReceiverDefaults, type HttpReceiverOptions } from "../../src/receive/http-options.ts";
import { OtlpHttpReceiver } from "../../src/receive/http-receiver.ts";
import { makeSurroundings, type TestReceiver } from "./grpc-receiver.ts";

export type TestHttpReceiver = TestReceiver<OtlpHttpReceiver>;

export async function startHttpReceiver(
  options: Partial<HttpReceiverOptions> = {},
): Promise<TestHttpReceiver> {
  const around = makeSurroundings("http");
  const receiver = new OtlpHttpReceiver(
    { ...httpReceiverDefaults, port: 0, drainDeadlineMs: 1_000, ...options },
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

export interface HttpAnswer {
  readonly status: number;
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpRequest {
  readonly method?: string;
  readonly path?: string;
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers to leave out. */
  readonly without?: readonly string[];
  readonly body?: Buffer | string;
}

/** The bytes of a request; `Content-Length` fits the body unless headers say otherwise. */
export function httpBytes(request: HttpRequest = {}): Buffer {
  const { method = "POST", path = "/v1/traces", version = "1.1", body = "" } = request;
  const bytes = Buffer.from(body);
  const headers: Record<string, string> = {
    host: "localhost",
    "content-type": "application/x-protobuf",
    "content-length": String(bytes.length),
    ...request.headers,
  };
  for (const name of request.without ?? []) delete headers[name];
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n`),
    bytes,
  ]);
}

/** One connection that keeps all it hears. */
export class RawClient {
  readonly socket: net.Socket;
  readonly #isHead: boolean;
  /** What was heard since the last whole answer. */
  #rest: Buffer = Buffer.alloc(0);
  readonly #answers: HttpAnswer[] = [];
  #isClosed = false;
  #tell: () => void = () => {};

  constructor(socket: net.Socket, isHead = false) {
    this.socket = socket;
    this.#isHead = isHead;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#readAnswers();
      this.#tell();
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#tell();
    });
  }

  /** How many 100 Continue have come. */
  continues = 0;

  write(bytes: Buffer | string): this {
    this.socket.write(bytes);
    return this;
  }

  /** Resolves with the answers when there are `count`, or when the connection has ended before. */
  async answers(count: number): Promise<HttpAnswer[]> {
    while (this.#answers.length < count && !this.#isClosed) {
      await new Promise<void>((resolve) => (this.#tell = resolve));
    }
    return [...this.#answers];
  }

  async closed(): Promise<void> {
    while (!this.#isClosed) await new Promise<void>((resolve) => (this.#tell = resolve));
  }

  #readAnswers(): void {
    for (;;) {
      const read = readAnswer(this.#rest, this.#isHead);
      if (!read) return;
      this.#rest = this.#rest.subarray(read.end);
      if (read.status === 100) this.continues++;
      else this.#answers.push(read);
    }
  }
}

export function connectRaw(port: number, localAddress = "127.0.0.1"): RawClient {
  return new RawClient(net.connect({ port, host: "127.0.0.1", localAddress }));
}

export function connectTls(port: number, protocols?: string[]): RawClient {
  const options = { port, host: "127.0.0.1", rejectUnauthorized: false };
  return new RawClient(tls.connect(protocols ? { ...options, ALPNProtocols: protocols } : options));
}

/** Sends one request on a connection of its own. */
export async function sendHttp(port: number, request: HttpRequest = {}): Promise<HttpAnswer> {
  const socket = net.connect(port, "127.0.0.1");
  const client = new RawClient(socket, request.method === "HEAD").write(httpBytes(request));
  const [answer] = await client.answers(1);
  socket.destroy();
  if (!answer) throw new Error("the connection ended without an answer");
  return answer;
}

/** The answer with which the bytes begin, by its `Content-Length`; null when it is not whole. */
function readAnswer(bytes: Buffer, isHead: boolean): (HttpAnswer & { end: number }) | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const length = isHead ? 0 : Number(headers["content-length"] ?? 0);
  const end = headEnd + 4 + length;
  if (bytes.length < end) return null;
  const status = Number(statusLine.split(" ")[1]);
  return { status, headers, body: bytes.subarray(headEnd + 4, end), end };
}
