/**
 * A sender that speaks another protocol than its port: told so in its own words where it has any, with
 * what to change. The mistake is in a configuration and not in the data, so the answers are those that
 * make a collector keep the data and try again.
 */
import type { Socket } from "node:net";
import type { TransportName } from "../model/requests.ts";
import type { ConnectionEnd } from "../self/events.ts";
import { replies } from "./answers.ts";
import type { FirstBytes } from "./first-bytes.ts";
import { statusMessage } from "./otlp-wire.ts";

export type WrongPort = Extract<
  ConnectionEnd,
  "http1_on_grpc" | "grpc_on_http" | "tls_on_plaintext" | "plaintext_on_tls"
>;

/** What a port of ours speaks. */
export interface PortKind {
  readonly transport: TransportName;
  readonly isTls: boolean;
  /** Where the other of OTLP/gRPC and OTLP/HTTP is received; null: not known, or nowhere. */
  readonly otherPort: number | null;
}

export const protobufType = "application/x-protobuf";
export const textType = "text/plain; charset=utf-8";

/** So long a sender may go on sending after its answer, so that no reset overtakes the answer. */
export const lingerMs = 1_000;

/** Of the raw answer; the same as gRPC senders get. */
const retryAfterSeconds = 30;

/** Null: the sender is where it belongs, or says nothing that can be recognized. */
export function wrongPortOf(port: PortKind, first: FirstBytes): WrongPort | null {
  if (first === "other") return null;
  if (first === "tls") return port.isTls ? null : "tls_on_plaintext";
  if (port.isTls) return "plaintext_on_tls";
  if (port.transport === "grpc") return first === "http1" ? "http1_on_grpc" : null;
  return first === "http2" ? "grpc_on_http" : null;
}

/** What the sender, or who reads our log, should change; options are those of a collector's exporter. */
export function hintOf(port: PortKind, reason: WrongPort): string {
  const { transport, otherPort } = port;
  const isGrpc = transport === "grpc";
  const where = otherPort === null ? "another port" : `port ${otherPort}`;
  switch (reason) {
    case "http1_on_grpc":
      return `this is OTLP/gRPC; OTLP/HTTP is on ${where}: change the exporter's \`endpoint\`, or use otlp_grpc instead of otlp_http`;
    case "grpc_on_http":
      return `this is OTLP/HTTP; OTLP/gRPC is on ${where}: change the exporter's \`endpoint\`, or use otlp_http instead of otlp_grpc`;
    case "tls_on_plaintext":
      return isGrpc
        ? "this port is plain text: set `tls: { insecure: true }` at the exporter, or configure receivers.grpc.tls here"
        : "this port is plain text: write http:// in the exporter's `endpoint`, or configure receivers.http.tls here";
    case "plaintext_on_tls":
      return isGrpc
        ? "this port speaks TLS: remove `tls: { insecure: true }` from the exporter, and set its `tls: { ca_file }`"
        : "this port speaks TLS: write https:// in the exporter's `endpoint`, and set its `tls: { ca_file }`";
  }
}

/** Answers a sender of HTTP/1 with the hint, and ends; `head` is the beginning of its request. */
export function turnAwayHttp1(socket: Socket, head: Buffer, hint: string): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.resume(); // what still comes is thrown away
  socket.end(http1Answer(head, hint));
}

/** A collector shows the message of a google.rpc.Status, and of a text nothing. */
export function hintBody(hint: string, isProtobuf: boolean): { type: string; body: Buffer } {
  return isProtobuf
    ? { type: protobufType, body: statusMessage(replies.misdirected(hint), null) }
    : { type: textType, body: Buffer.from(`${hint}\n`) };
}

function http1Answer(head: Buffer, hint: string): Buffer {
  const isProtobuf = /\r\ncontent-type: *application\/x-protobuf/i.test(head.toString("latin1"));
  const { type, body } = hintBody(hint, isProtobuf);
  const lines = [
    "HTTP/1.1 503 Service Unavailable",
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    `Retry-After: ${retryAfterSeconds}`,
    "Connection: close",
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]);
}
