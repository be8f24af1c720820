/**
 * Accepts the sockets of one receiver before any protocol costs anything: caps on connections, the clock
 * of silent ones, senders on the wrong port. Good sockets are handed on with nothing read from them.
 */
import net from "node:net";
import type { ReceiverEvents } from "../self/events.ts";
import { AddressCap } from "./address-cap.ts";
import { lookAtFirstBytes, type FirstBytes } from "./first-bytes.ts";
import { makeGrpcAdviser } from "./grpc-adviser.ts";
import { hintOf, turnAwayHttp1, wrongPortOf, type PortKind } from "./wrong-port.ts";

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly maxConnections: number;
  /** Loopback is exempt. */
  readonly maxConnectionsPerAddress: number;
  /** Until the sender says anything, and from then until its first request begins. */
  readonly firstMessageDeadlineMs: number;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #port: PortKind;
  readonly #events: ReceiverEvents;
  readonly #take: (socket: net.Socket) => void;
  readonly #server: net.Server;
  readonly #addresses: AddressCap;
  /** All that are open, whether handed on or not. */
  readonly #sockets = new Set<net.Socket>();
  /** Those that were not handed on: silent so far, or on the wrong port. */
  readonly #unserved = new Set<net.Socket>();
  readonly #adviseGrpc: (socket: net.Socket) => void;
  #hasListened = false;
  #isClosed = false;

  /** `take` is given each good socket once. */
  constructor(
    options: ListenerOptions,
    port: PortKind,
    events: ReceiverEvents,
    random: () => number,
    take: (socket: net.Socket) => void,
  ) {
    this.#options = options;
    this.#port = port;
    this.#events = events;
    this.#take = take;
    this.#adviseGrpc = makeGrpcAdviser(hintOf(port, wrongForGrpc(port)), random);
    this.#addresses = new AddressCap(options.maxConnectionsPerAddress);
    // `node:http` expects sockets made so, and ends its side itself.
    const allowHalfOpen = port.transport === "http";
    this.#server = net.createServer({ noDelay: true, allowHalfOpen }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = options.maxConnections;
    this.#server.on("drop", (dropped) =>
      events.connectionEnded("too_many", dropped?.remoteAddress ?? "", ""),
    );
  }

  get hasListened(): boolean {
    return this.#hasListened;
  }

  /** Resolves when senders can connect; rejects with what to do when they cannot. */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      // Stays for the life of the listener: an accept that fails later must not end the process.
      this.#server.on("error", (error: NodeJS.ErrnoException) => {
        if (this.#hasListened) this.#events.listenFailed(error.message);
        reject(new Error(listenError(host, port, error), { cause: error }));
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address() as net.AddressInfo; // a TCP server that listens
        this.#hasListened = true;
        this.#events.listening(address.address, address.port);
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  /** No new sockets; resolves when the last is gone, at once when it never listened. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#unserved) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: net.Socket): void {
    socket.on("error", () => {}); // who serves it reports what matters
    const address = addressOf(socket);
    if (!this.#addresses.enter(address)) {
      this.#events.connectionEnded("too_many_from_address", address, "");
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#unserved.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#unserved.delete(socket);
      this.#addresses.leave(address);
    });
    lookAtFirstBytes(socket, this.#options.firstMessageDeadlineMs, (first, head) => {
      this.#begin(socket, first, head);
    });
  }

  #begin(socket: net.Socket, first: FirstBytes | "silent", head: Buffer): void {
    if (first === "silent" || this.#isClosed) {
      if (first === "silent") this.#events.connectionEnded("silent", addressOf(socket), "");
      socket.destroy();
      return;
    }
    const wrong = wrongPortOf(this.#port, first);
    if (wrong === null) {
      this.#unserved.delete(socket);
      return this.#take(socket);
    }
    const hint = hintOf(this.#port, wrong);
    this.#events.connectionEnded(wrong, addressOf(socket), hint);
    if (first === "http1") turnAwayHttp1(socket, head, hint);
    else if (first === "http2") this.#adviseGrpc(socket);
    else socket.destroy(); // TLS, which has no words for it
  }
}

/** What is wrong with plain gRPC here, where it is. */
const wrongForGrpc = ({ isTls }: PortKind): "plaintext_on_tls" | "grpc_on_http" =>
  isTls ? "plaintext_on_tls" : "grpc_on_http";

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

/** The sender's address, without the IPv6 form of an IPv4 one; "" when the socket is gone. */
export function addressOf(socket: { remoteAddress?: string | undefined } | undefined): string {
  return socket?.remoteAddress?.replace(/^::ffff:/, "") ?? "";
}
