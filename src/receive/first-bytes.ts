/**
 * Looks at the first bytes of a connection, without taking them from whoever serves it: once per
 * connection, before any protocol is spoken. Clients of TLS, HTTP/1 and HTTP/2 all speak first, so nobody
 * waits for us meanwhile.
 */
import type { Socket } from "node:net";

/** `other`: noise, for whoever serves the port to refuse. */
export type FirstBytes = "tls" | "http1" | "http2" | "other";

/** Enough to tell `PRI * HTTP/2.0` from methods of HTTP/1. */
const enough = 4;

const http1Starts: ReadonlySet<string> = new Set([
  "GET ",
  "HEAD",
  "POST",
  "PUT ",
  "PATC",
  "DELE",
  "OPTI",
  "TRAC",
  "CONN",
]);

/** Null: too few bytes to tell. */
export function recognize(head: Buffer): FirstBytes | null {
  // A TLS record: handshake, and the major version 3 that all versions keep.
  if (head[0] === 0x16 && (head.length === 1 || head[1] === 3)) return head[1] ? "tls" : null;
  if (head.length < enough) return null;
  const start = head.toString("latin1", 0, enough);
  if (start === "PRI ") return "http2";
  return http1Starts.has(start) ? "http1" : "other";
}

/**
 * Tells what a connection begins with, or `silent` when too little comes in time; nothing when it ends
 * before. The bytes are still to be read from the socket; `head` is a view for a closer look.
 */
export function lookAtFirstBytes(
  socket: Socket,
  deadlineMs: number,
  tell: (first: FirstBytes | "silent", head: Buffer) => void,
): void {
  let head: Buffer = Buffer.alloc(0);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", giveUp).off("close", stop);
  };
  const giveUp = (): void => {
    stop();
    socket.destroy();
  };
  const look = (): void => {
    const chunk = socket.read() as Buffer | null; // no encoding is set
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const first = recognize(head);
    if (first === null) return;
    stop();
    socket.unshift(head);
    tell(first, head);
  };
  const timer = setTimeout(() => {
    stop();
    tell("silent", head);
  }, deadlineMs);
  socket.on("readable", look).on("end", giveUp).on("close", stop);
}
