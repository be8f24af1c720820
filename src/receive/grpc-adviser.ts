/**
 * Speaks just enough gRPC, on a port that does not serve it, to tell senders where they belong: every
 * request is answered UNAVAILABLE with the hint, which a collector logs and retries. Closing at once
 * would say nothing, and make clients connect again and again.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { replies } from "./answers.ts";
import { sendStatus } from "./grpc-send.ts";

/** Then the connection is closed, whatever it does. */
const lifeMs = 30_000;
const maxConcurrentStreams = 4;
const maxHeaderListSize = 16 * 1024;

/** Takes sockets of gRPC senders of which nothing was read; cutting them short is the caller's. */
export function makeGrpcAdviser(hint: string, random: () => number): (socket: Socket) => void {
  const settings = { maxConcurrentStreams, maxHeaderListSize, enablePush: false };
  const http2 = createServer({ settings });
  http2.on("session", (session) => {
    session.on("error", () => {});
    const timer = setTimeout(() => session.destroy(), lifeMs);
    session.once("close", () => clearTimeout(timer));
  });
  http2.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    sendStatus(stream, replies.misdirected(hint), random);
  });
  return (socket) => {
    http2.emit("connection", socket);
  };
}
