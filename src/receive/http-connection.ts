/**
 * One sender's HTTP/1 connection: its requests in line, and its end, which comes behind an answer where
 * there is one to come. Clocks of headers and of idling are those of `node:http`.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { clientNameOf } from "../access/server-tls.ts";
import { lingerMs } from "./wrong-port.ts";

/** What a connection must know of a request's call. */
export interface CallInLine {
  /** Its body cannot be read on. */
  broken(why: string): void;
}

export class HttpConnection {
  readonly address: string;
  /** `RequestSender.client` */
  readonly client: string;
  readonly #socket: Socket;
  /** Those whose answer has not left, in the order in which they came; null: answered from its headers. */
  readonly #line = new Map<IncomingMessage, CallInLine | null>();
  #isClosing = false;
  #isBroken = false;

  constructor(socket: Socket, address: string) {
    this.#socket = socket;
    this.address = address;
    this.client = clientNameOf(socket);
  }

  get requestsInLine(): number {
    return this.#line.size;
  }

  requestOpened(request: IncomingMessage, call: CallInLine | null): void {
    this.#line.set(request, call);
  }

  /** Its answer has left, or nobody is there to take it. */
  requestClosed(request: IncomingMessage): void {
    this.#line.delete(request);
    if (this.#isClosing && this.#line.size === 0) this.#end();
  }

  /** Whether the connection is to be closed behind the answer to this request. */
  isLast(request: IncomingMessage): boolean {
    return this.#isClosing && [...this.#line.keys()].at(-1) === request;
  }

  /** At once when no answer is due. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#line.size === 0) this.#end();
  }

  /**
   * What came is no HTTP. The request whose body it was is told so, answers that are due still go out,
   * and `answer` goes to a sender that waits for none. False: it was broken before.
   */
  break(why: string, answer: Buffer): boolean {
    if (this.#isBroken) return false;
    this.#isBroken = true;
    const last = [...this.#line].at(-1);
    const isReading = last !== undefined && !last[0].complete;
    if (last === undefined) this.#end(answer);
    this.close();
    if (isReading) last[1]?.broken(why);
    return true;
  }

  /** A sender that does not close its side either is cut. */
  #end(answer?: Buffer): void {
    const socket = this.#socket;
    if (socket.writableEnded) return;
    if (answer) socket.end(answer);
    else socket.end();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(timer));
  }
}
