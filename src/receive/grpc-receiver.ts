/**
 * The OTLP/gRPC server, on `node:http2`: connections, caps, one message per turn of the loop, draining.
 * It does not decode: bodies go to the `RequestHandler`, and its answers go back. Nothing that arrives
 * ends the process, and what senders can make it hold is bounded by `inFlightBytesMax`.
 */
import { createSecureServer, createServer, type Http2Server } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import net from "node:net";
import { assert } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import type { RequestHandler } from "../model/requests.ts";
import type { ReceiverEvents } from "../self/events.ts";
import { AddressCap } from "./address-cap.ts";
import { Admission } from "./admission.ts";
import { replies, type Reply } from "./answers.ts";
import { Connection } from "./connection.ts";
import { FairQueue } from "./fair-queue.ts";
import { GrpcCall, signalNameOf, type CallScope } from "./grpc-call.ts";
import { readCallHeaders, type GrpcMethod } from "./grpc-headers.ts";
import { mebibyte, type GrpcReceiverOptions } from "./grpc-options.ts";
import { sendHttpStatus, sendStatus } from "./grpc-send.ts";
import { answerHealthCheck } from "./health-call.ts";

/** The default windows of HTTP/2 allow 64 KiB per round trip; a batch is 10 MB. */
const streamWindowBytes = 4 * mebibyte;
const connectionWindowBytes = 32 * mebibyte;
const maxFrameBytes = mebibyte;
const maxHeaderListBytes = 16 * 1024;

/** For the last answers to leave before their connections are cut. */
const lingerMs = 200;

export class OtlpGrpcReceiver implements AsyncDisposable {
  readonly #options: GrpcReceiverOptions;
  readonly #events: ReceiverEvents;
  readonly #scope: CallScope;
  readonly #http2: Http2Server;
  /** Accepts sockets, so that caps hold before HTTP/2 or TLS costs anything. */
  readonly #listener: net.Server;
  readonly #connections = new Map<ServerHttp2Session, Connection>();
  /** Also those whose session has not begun. */
  readonly #sockets = new Set<net.Socket>();
  readonly #addresses: AddressCap;
  readonly #calls = new Set<GrpcCall>();
  readonly #queue = new FairQueue<GrpcCall>();
  #turnIsDue = false;
  #isAccepting = true;
  #hasListened = false;
  #drained: Promise<void> | null = null;

  constructor(
    options: GrpcReceiverOptions,
    handler: RequestHandler,
    clock: Clock,
    events: ReceiverEvents,
    random: () => number = Math.random,
  ) {
    assert(
      options.inFlightBytesMax > options.maxRequestBytes,
      "inFlightBytesMax has room for the largest request",
    );
    this.#options = options;
    this.#events = events;
    this.#addresses = new AddressCap(options.maxConnectionsPerAddress);
    this.#scope = {
      handler,
      clock,
      events,
      random,
      admission: new Admission(options.inFlightBytesMax, (bytes) => {
        events.inFlightBytes(bytes);
        this.#scheduleTurn();
      }),
      maxRequestBytes: options.maxRequestBytes,
      readDeadlineMs: options.readDeadlineMs,
      queueDeadlineMs: options.queueDeadlineMs,
      trust: options.trust,
      enqueue: (call) => {
        this.#queue.add(call.connection, call);
        this.#scheduleTurn();
      },
      ended: (call) => {
        this.#calls.delete(call);
        this.#queue.remove(call.connection, call);
      },
    };
    this.#http2 = this.#makeHttp2();
    this.#listener = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#listener.maxConnections = options.maxConnections;
    this.#listener.on("drop", (dropped) =>
      events.connectionEnded("too_many", dropped?.remoteAddress ?? "", ""),
    );
  }

  /** Resolves when senders can connect; rejects with what to do when they cannot. */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      // Stays for the life of the listener: an accept that fails later must not end the process.
      this.#listener.on("error", (error: NodeJS.ErrnoException) => {
        if (this.#hasListened) this.#events.listenFailed(error.message);
        reject(new Error(listenError(host, port, error), { cause: error }));
      });
      this.#listener.listen(port, host, () => {
        const address = this.#listener.address() as net.AddressInfo; // a TCP server that listens
        this.#hasListened = true;
        this.#events.listening(address.address, address.port);
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  /** While false, requests are told to come again and health checks say "not serving". */
  setAccepting(isAccepting: boolean): void {
    this.#isAccepting = isAccepting;
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
    if (this.#hasListened) this.#events.draining(this.#connections.size, this.#calls.size);
    const closed = new Promise<void>((resolve) => {
      this.#listener.close(() => resolve()); // also when it never listened
    });
    for (const connection of this.#connections.values()) connection.drain();
    let last: NodeJS.Timeout | undefined;
    const deadline = setTimeout(() => {
      for (const call of this.#calls) call.end(replies.draining());
      last = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, lingerMs);
    }, this.#options.drainDeadlineMs);
    await closed;
    clearTimeout(deadline);
    clearTimeout(last);
  }

  #makeHttp2(): Http2Server {
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
      ? createSecureServer({ ...options, ...tls, handshakeTimeout })
      : createServer(options);
    http2.on("session", (session) => this.#sessionOpened(session));
    http2.on("tlsClientError", (error: Error) =>
      this.#events.connectionEnded("protocol_error", "", error.message),
    );
    http2.on("stream", (stream, headers) => this.#streamOpened(stream, headers));
    return http2;
  }

  #accept(socket: net.Socket): void {
    socket.on("error", () => {}); // its session reports what matters
    const address = addressOf(socket);
    if (!this.#addresses.enter(address)) {
      this.#events.connectionEnded("too_many_from_address", address, "");
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#addresses.leave(address);
    });
    this.#http2.emit("connection", socket);
  }

  #sessionOpened(session: ServerHttp2Session): void {
    if (session.destroyed) return; // a destroyed session throws on almost every call
    const address = addressOf(session.socket);
    const connection = new Connection(session, this.#options, this.#scope.random, (reason) =>
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

  #streamOpened(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
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
    if (call.kind === "http_error") return sendHttpStatus(stream, call.status);
    const { random } = this.#scope;
    if (call.kind === "refused") {
      this.#countRefused(call.method, call.reply);
      return sendStatus(stream, call.reply, random);
    }
    if (call.method.kind === "health") {
      return answerHealthCheck(stream, call.encoding, () => this.#isAccepting, random);
    }
    if (!this.#isAccepting) {
      this.#countRefused(call.method, replies.notAccepting());
      return sendStatus(stream, replies.notAccepting(), random);
    }
    this.#calls.add(
      new GrpcCall(stream, connection, { ...call, signal: call.method.signal }, this.#scope),
    );
  }

  /** A request that was answered from its headers alone. */
  #countRefused(method: GrpcMethod | null, reply: Reply): void {
    if (method?.kind === "health") return;
    this.#events.answered({
      signal: method ? signalNameOf[method.signal] : "unknown",
      outcome: reply.outcome,
      seconds: 0,
      items: 0,
      rejectedItems: 0,
      message: reply.message,
    });
  }

  #scheduleTurn(): void {
    if (this.#turnIsDue || !this.#queue.peek()) return;
    this.#turnIsDue = true;
    setImmediate(() => this.#turn());
  }

  /** One message, so that answers, pings and scrapes come through between two. */
  #turn(): void {
    this.#turnIsDue = false;
    const next = this.#queue.peek();
    if (!next?.fits) return; // the next change of what is in flight looks again
    this.#queue.take()?.run();
    this.#scheduleTurn();
  }
}

const listenTroubles: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use; stop the program that uses it or configure another port",
  EADDRNOTAVAIL: "this machine has no such address; configure one of its own or 0.0.0.0",
  EACCES: "not permitted; configure a port above 1023",
};

function listenError(host: string, port: number, error: NodeJS.ErrnoException): string {
  const where = `cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port}`;
  const why = listenTroubles[error.code ?? ""] ?? error.message;
  return `${where}: ${why}`;
}

function addressOf(socket: { remoteAddress?: string | undefined } | undefined): string {
  return socket?.remoteAddress?.replace(/^::ffff:/, "") ?? "";
}
