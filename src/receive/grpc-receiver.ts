/**
 * The OTLP/gRPC server, on `node:http2`: sessions, streams, draining. Sockets come from the `Listener`,
 * and requests go the way that both transports share (`Intake`, `ExportCall`).
 * It does not decode: bodies go to the `RequestHandler`, and its answers go back. Nothing that arrives
 * ends the process, and what senders can make it hold is bounded by `inFlightBytesMax`.
 */
import { createSecureServer, createServer } from "node:http2";
import type {
  Http2SecureServer,
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { replaceServerTls, serverTlsOptions, type ServerTls } from "../access/server-tls.ts";
import type { Clock } from "../lib/clock.ts";
import type { RequestHandler } from "../model/requests.ts";
import type { ReceiverEvents } from "../self/events.ts";
import { replies, type Reply } from "./answers.ts";
import { lookAtFirstBytes } from "./first-bytes.ts";
import { GrpcCall } from "./grpc-call.ts";
import { Connection } from "./grpc-connection.ts";
import { readCallHeaders, type CallHeaders, type GrpcMethod } from "./grpc-headers.ts";
import { answerHealthCheck, answerHealthUnread } from "./grpc-health.ts";
import { mebibyte, type GrpcReceiverOptions } from "./grpc-options.ts";
import { sendHttpStatus, sendStatus, sendWrongPort } from "./grpc-send.ts";
import { Intake } from "./intake.ts";
import { addressOf, Listener } from "./listener.ts";
import { hintOf, turnAwayHttp1, type PortKind } from "./wrong-port.ts";

/** The default windows of HTTP/2 allow 64 KiB per round trip; a batch is 10 MB. */
const streamWindowBytes = 4 * mebibyte;
const connectionWindowBytes = 32 * mebibyte;
const maxFrameBytes = mebibyte;
const maxHeaderListBytes = 16 * 1024;

/** For the last answers to leave before their connections are cut. */
const lastAnswersMs = 200;

/** What is gRPC by its headers, good or bad. */
type CallOrRefused = Extract<CallHeaders, { kind: "call" | "refused" }>;

export class OtlpGrpcReceiver implements AsyncDisposable {
  readonly #options: GrpcReceiverOptions;
  readonly #events: ReceiverEvents;
  readonly #random: () => number;
  readonly #port: PortKind;
  readonly #intake: Intake;
  readonly #http2: Http2Server | Http2SecureServer;
  readonly #listener: Listener;
  readonly #connections = new Map<ServerHttp2Session, Connection>();
  #drained: Promise<void> | null = null;

  constructor(
    options: GrpcReceiverOptions,
    handler: RequestHandler,
    clock: Clock,
    events: ReceiverEvents,
    random: () => number = Math.random,
  ) {
    const { tls, otherPort } = options;
    this.#options = options;
    this.#events = events;
    this.#random = random;
    this.#port = { transport: "grpc", isTls: tls !== null, otherPort };
    this.#intake = new Intake("grpc", options, handler, clock, events);
    this.#http2 = this.#makeHttp2();
    this.#listener = new Listener(options, this.#port, events, random, (socket) => {
      this.#http2.emit("connection", socket);
    });
  }

  /** Resolves when senders can connect; rejects with what to do when they cannot. */
  listen(): Promise<{ host: string; port: number }> {
    return this.#listener.listen();
  }

  /** While false, requests are told to come again and health checks say "not serving". */
  setAccepting(isAccepting: boolean): void {
    this.#intake.isAccepting = isAccepting;
  }

  /** For new connections; throws when it cannot be used, and then changes nothing. */
  setTls(tls: ServerTls): void {
    if ("setSecureContext" in this.#http2) replaceServerTls(this.#http2, tls);
  }

  /** GOAWAY to all, no new connections; resolves when what is in flight is answered or out of time. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain(): Promise<void> {
    const { drainDeadlineMs } = this.#options;
    if (this.#listener.hasListened) {
      this.#events.draining(this.#connections.size, this.#intake.openCalls);
    }
    const closed = this.#listener.close();
    for (const connection of this.#connections.values()) connection.drain();
    let last: NodeJS.Timeout | undefined;
    const deadline = setTimeout(() => {
      this.#intake.endAll();
      last = setTimeout(() => this.#listener.destroySockets(), lastAnswersMs);
    }, drainDeadlineMs);
    await closed;
    clearTimeout(deadline);
    clearTimeout(last);
  }

  #makeHttp2(): Http2Server | Http2SecureServer {
    const options = {
      // In MB; it must not be the limit before `inFlightBytesMax` is.
      maxSessionMemory: Math.ceil(this.#options.inFlightBytesMax / mebibyte) + 64,
      settings: {
        initialWindowSize: streamWindowBytes,
        maxFrameSize: maxFrameBytes,
        maxConcurrentStreams: this.#options.maxConcurrentStreams,
        maxHeaderListSize: maxHeaderListBytes,
        enablePush: false,
      },
    };
    const { tls } = this.#options;
    const handshakeTimeout = this.#options.firstMessageDeadlineMs;
    const http2 = tls
      ? createSecureServer({
          ...options,
          ...serverTlsOptions(tls),
          handshakeTimeout,
          ALPNCallback: chooseProtocol,
        })
      : createServer(options);
    http2.on("session", (session) => this.#sessionOpened(session));
    http2.on("tlsClientError", (error: Error) =>
      this.#events.connectionEnded("protocol_error", "", error.message),
    );
    http2.on("unknownProtocol", (socket: TLSSocket) => this.#notHttp2(socket));
    // The parsed headers show one of two `authorization`s; these show both.
    http2.on(
      "stream",
      (
        stream: ServerHttp2Stream,
        headers: IncomingHttpHeaders,
        _flags: number,
        rawHeaders: string[],
      ) => this.#streamOpened(stream, headers, rawHeaders),
    );
    return http2;
  }

  /** TLS, but the sender has not asked for HTTP/2 inside. */
  #notHttp2(socket: TLSSocket): void {
    const end = (reason: "http1_on_grpc" | "silent" | "protocol_error", detail: string): void =>
      this.#events.connectionEnded(reason, addressOf(socket), detail);
    socket.on("error", () => {});
    lookAtFirstBytes(socket, this.#options.firstMessageDeadlineMs, (first, head) => {
      if (first === "http1") {
        const hint = hintOf(this.#port, "http1_on_grpc");
        end("http1_on_grpc", hint);
        return turnAwayHttp1(socket, head, hint);
      }
      end(first === "silent" ? first : "protocol_error", "no HTTP/2 was negotiated");
      socket.destroy();
    });
  }

  #sessionOpened(session: ServerHttp2Session): void {
    if (session.destroyed) return; // a destroyed session throws on almost every call
    const address = addressOf(session.socket);
    const connection = new Connection(session, this.#options, this.#random, (reason) =>
      this.#events.connectionEnded(reason, address, ""),
    );
    this.#connections.set(session, connection);
    this.#events.connections(this.#connections.size);
    session.setLocalWindowSize(connectionWindowBytes);
    session.on("error", (error: Error) =>
      this.#events.connectionEnded("protocol_error", address, error.message),
    );
    session.once("close", () => {
      this.#connections.delete(session);
      this.#events.connections(this.#connections.size);
    });
    if (this.#drained) connection.drain();
  }

  #streamOpened(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): void {
    stream.on("error", () => {}); // resets and broken connections: its "close" follows and is handled
    const session = stream.session as ServerHttp2Session | undefined; // gone when the connection is
    const connection = session && this.#connections.get(session);
    if (!connection) {
      stream.destroy();
      return;
    }
    connection.streamOpened();
    stream.once("close", () => connection.streamClosed());

    const call = readCallHeaders(headers);
    const random = this.#random;
    if (call.kind === "http_error") return sendHttpStatus(stream, call.status, call.text);
    if (call.kind === "wrong_port") return this.#wrongPort(stream, connection, call.isProtobuf);
    if (call.method?.kind === "health") return this.#health(stream, call);
    const { gate } = this.#options;
    const verdict = gate?.check(rawHeaders, addressOf(session.socket), "ingest");
    if (verdict?.ok === false) {
      const reply = replies.refused(verdict);
      this.#countRefused(call.method, reply);
      sendStatus(stream, reply, random);
      if (verdict.isFlood) connection.drain();
      return;
    }
    if (call.kind === "refused") {
      this.#countRefused(call.method, call.reply);
      return sendStatus(stream, call.reply, random);
    }
    const { method, encoding, timeoutMs } = call;
    if (!this.#intake.isAccepting) {
      this.#countRefused(method, replies.notAccepting());
      return sendStatus(stream, replies.notAccepting(), random);
    }
    const client = verdict?.principal.name ?? connection.client;
    const format = "protobuf" as const;
    const request = { sender: connection, client, signal: method.signal, format, timeoutMs };
    new GrpcCall(stream, request, encoding, this.#intake, random).start();
  }

  /** Open to all, as probes show no token; of who might have shown one not even this body is read. */
  #health(stream: ServerHttp2Stream, call: CallOrRefused): void {
    const isServing = (): boolean => this.#intake.isAccepting;
    if (call.kind === "refused") return sendStatus(stream, call.reply, this.#random);
    if (this.#options.gate) return answerHealthUnread(stream, isServing());
    answerHealthCheck(stream, call.encoding, isServing, this.#random);
  }

  #wrongPort(stream: ServerHttp2Stream, connection: Connection, isProtobuf: boolean): void {
    const hint = hintOf(this.#port, "http1_on_grpc");
    this.#events.connectionEnded("http1_on_grpc", addressOf(connection.session.socket), hint);
    sendWrongPort(stream, hint, isProtobuf);
    connection.drain();
  }

  /** A request that was answered from its headers alone. */
  #countRefused(method: GrpcMethod | null, reply: Reply): void {
    if (method?.kind === "health") return;
    this.#intake.countRefused(method?.signal ?? null, reply);
  }
}

/** Also HTTP/1.1 is agreed to, so that its sender can be told where it belongs. */
function chooseProtocol({ protocols }: { protocols: readonly string[] }): string | undefined {
  return ["h2", "http/1.1"].find((protocol) => protocols.includes(protocol));
}
