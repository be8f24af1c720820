/**
 * The OTLP/HTTP server, on `node:http`: connections, requests, draining. Sockets come from the `Listener`, and requests go the way that both transports share (`Intake`,
 * `ExportCall`). It does not decode.
 */
import http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from "node:tls";
import { replaceServerTls, serverTlsOptions, type ServerTls } from "../access/server-tls.ts";
import type { Clock } from "../lib/clock.ts";
import type { RequestHandler } from "../model/requests.ts";
import type { Signal } from "../model/stages.ts";
import type { ReceiverEvents } from "../self/events.ts";
import { replies, type Reply } from "./answers.ts";
import { makeGrpcAdviser } from "./grpc-adviser.ts";
import { HttpCall } from "./http-call.ts";
import { HttpConnection } from "./http-connection.ts";
import { readHttpHeaders } from "./http-headers.ts";
import type { HttpReceiverOptions } from "./http-options.ts";
import { rawAnswer, sendRefusal, sendReply, type Exchange } from "./http-send.ts";
import { Intake } from "./intake.ts";
import { addressOf, Listener } from "./listener.ts";
import { hintOf, type PortKind } from "./wrong-port.ts";

const maxHeaderBytes = 16 * 1024;
const checkClocksEveryMs = 1_000;

/** For the last answers to leave before their connections are cut. */
const lastAnswersMs = 200;

/** Errors of `node:http` that have an answer of their own. */
const answers: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/**
 * The sender is gone, maybe in the middle of a request, which then counts as cancelled; or it speaks
 * HTTP/2 and would not understand an answer.
 */
const hopeless: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "HPE_INVALID_EOF_STATE",
  "HPE_PAUSED_H2_UPGRADE",
]);

export class OtlpHttpReceiver implements AsyncDisposable {
  readonly #options: HttpReceiverOptions;
  readonly #events: ReceiverEvents;
  readonly #random: () => number;
  readonly #port: PortKind;
  readonly #intake: Intake;
  readonly #http: http.Server;
  readonly #tls: TlsServer | null;
  readonly #adviseGrpc: (socket: Socket) => void;
  readonly #listener: Listener;
  readonly #connections = new Map<Socket, HttpConnection>();
  #drained: Promise<void> | null = null;

  constructor(
    options: HttpReceiverOptions,
    handler: RequestHandler,
    clock: Clock,
    events: ReceiverEvents,
    random: () => number = Math.random,
  ) {
    const { tls, otherPort } = options;
    this.#options = options;
    this.#events = events;
    this.#random = random;
    this.#port = { transport: "http", isTls: tls !== null, otherPort };
    this.#intake = new Intake("http", options, handler, clock, events);
    this.#http = this.#makeHttp();
    this.#tls = tls && this.#makeTls(tls);
    this.#adviseGrpc = makeGrpcAdviser(hintOf(this.#port, "grpc_on_http"), random);
    this.#listener = new Listener(options, this.#port, events, random, (socket) => {
      if (this.#tls) this.#tls.emit("connection", socket);
      else this.#serve(socket);
    });
  }

  /** Resolves when senders can connect; rejects with what to do when they cannot. */
  listen(): Promise<{ host: string; port: number }> {
    return this.#listener.listen();
  }

  /** While false, requests are told to come again. */
  setAccepting(isAccepting: boolean): void {
    this.#intake.isAccepting = isAccepting;
  }

  /** For new connections; throws when it cannot be used, and then changes nothing. */
  setTls(tls: ServerTls): void {
    if (this.#tls) replaceServerTls(this.#tls, tls);
  }

  /** No new connections; resolves when what is in flight is answered or out of time. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain(): Promise<void> {
    if (this.#listener.hasListened) {
      this.#events.draining(this.#connections.size, this.#intake.openCalls);
    }
    const closed = this.#listener.close();
    for (const connection of this.#connections.values()) connection.close();
    let last: NodeJS.Timeout | undefined;
    const deadline = setTimeout(() => {
      this.#intake.endAll();
      last = setTimeout(() => this.#listener.destroySockets(), lastAnswersMs);
    }, this.#options.drainDeadlineMs);
    await closed;
    clearTimeout(deadline);
    clearTimeout(last);
    this.#http.close();
  }

  #makeTls(tls: ServerTls): TlsServer {
    const server = createTlsServer({
      ...serverTlsOptions(tls),
      handshakeTimeout: this.#options.firstMessageDeadlineMs,
      ALPNProtocols: ["http/1.1", "h2"], // HTTP/2 only to tell its sender where it belongs
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      socket.on("error", () => {}); // who serves it reports what matters
      if (socket.alpnProtocol !== "h2") return this.#serve(socket);
      this.#countGrpc(socket);
      this.#adviseGrpc(socket);
    });
    server.on("tlsClientError", (error, socket) =>
      this.#ended("protocol_error", socket, error.message),
    );
    return server;
  }

  #makeHttp(): http.Server {
    const { headersDeadlineMs, keepAliveMs } = this.#options;
    const server = http.createServer({
      headersTimeout: headersDeadlineMs,
      requestTimeout: 0, // a slow body is answered by its call
      connectionsCheckingInterval: Math.min(checkClocksEveryMs, headersDeadlineMs),
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
    });
    // The clock of headers starts with "listening", which never comes: the Listener listens.
    server.emit("listening");
    server.on("request", (request, response) => this.#requested({ request, response }, false));
    server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
      this.#requested({ request, response }, true),
    );
    server.on(
      "clientError",
      (error: NodeJS.ErrnoException, socket) => this.#failed(error, socket as Socket), // a stream in the types, for those who inject such
    );
    server.on("timeout", (socket: Socket) => this.#ended("idle", socket));
    return server;
  }

  #serve(socket: Socket): void {
    const address = addressOf(socket);
    const connection = new HttpConnection(socket, address);
    this.#connections.set(socket, connection);
    this.#events.connections(this.#connections.size);
    const age = setTimeout(
      () => {
        this.#events.connectionEnded("age", address, "");
        connection.close();
      },
      this.#options.ageMs * (0.9 + 0.2 * this.#random()),
    );
    socket.once("close", () => {
      clearTimeout(age);
      this.#connections.delete(socket);
      this.#events.connections(this.#connections.size);
    });
    this.#http.emit("connection", socket);
    if (this.#drained) connection.close();
  }

  #ended(reason: "idle" | "silent" | "protocol_error", socket: Socket, detail = ""): void {
    this.#events.connectionEnded(reason, addressOf(socket), detail);
    socket.destroy();
  }

  /** `isContinued`: the sender waits for leave to send the body. */
  #requested(exchange: Exchange, isContinued: boolean): void {
    const { request, response } = exchange;
    request.on("error", () => {}); // an early end: the response's "close" follows and is handled
    const connection = this.#connections.get(request.socket);
    if (!connection || !request.socket.writable) return; // it ends already
    const { requestsInLineMax } = this.#options;
    if (connection.requestsInLine >= requestsInLineMax) {
      const why = `more than ${requestsInLineMax} requests in line`;
      return this.#ended("protocol_error", request.socket, why);
    }
    response.once("close", () => connection.requestClosed(request));
    const { method = "", url = "", headers } = request;
    const read = readHttpHeaders(method, url, headers, this.#intake.maxRequestBytes);
    const { signal } = read;
    const verdict = this.#options.gate?.check(request.rawHeaders, connection.address, "ingest");
    if (verdict?.ok === false) {
      connection.requestOpened(request, null);
      this.#intake.countRefused(signal, replies.refused(verdict));
      return sendRefusal(exchange, replies.refused(verdict), verdict.isFlood, this.#random);
    }
    if (read.kind === "refused") return this.#refuse(exchange, connection, signal, read.reply);
    if (!this.#intake.isAccepting) {
      return this.#refuse(exchange, connection, signal, replies.notAccepting());
    }
    const sender = {
      sender: connection.address,
      client: verdict?.principal.name ?? connection.client,
      signal: read.signal,
      format: read.format,
      timeoutMs: null,
    };
    const call = new HttpCall(exchange, connection, sender, read, this.#intake, this.#random);
    connection.requestOpened(request, call);
    if (isContinued) response.writeContinue();
    call.start();
  }

  /** From the headers alone. */
  #refuse(
    exchange: Exchange,
    connection: HttpConnection,
    signal: Signal | null,
    reply: Reply,
  ): void {
    connection.requestOpened(exchange.request, null);
    this.#intake.countRefused(signal, reply);
    sendReply(exchange, reply, connection.isLast(exchange.request), this.#random);
  }

  /** What came is no HTTP/1, or no whole request in time. */
  #failed(error: NodeJS.ErrnoException, socket: Socket): void {
    const { code = "", message } = error;
    const connection = this.#connections.get(socket);
    if (code === "HPE_PAUSED_H2_UPGRADE") this.#countGrpc(socket); // inside TLS, without ALPN
    if (!connection || hopeless.has(code)) {
      socket.destroy();
      return;
    }
    const statusLine = answers[code] ?? "400 Bad Request";
    const why = `this is no request of HTTP: ${message}`;
    if (!connection.break(why, rawAnswer(statusLine, replies.invalid(why)))) return;
    const reason = code === "ERR_HTTP_REQUEST_TIMEOUT" ? "silent" : "protocol_error";
    this.#events.connectionEnded(reason, connection.address, message);
  }

  #countGrpc(socket: Socket): void {
    const hint = hintOf(this.#port, "grpc_on_http");
    this.#events.connectionEnded("grpc_on_http", addressOf(socket), hint);
  }
}
