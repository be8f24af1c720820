/**
 * The text of Istio's default access log, of every release since 1.0, in parts. One walk over the line,
 * without regular expressions: hostile text costs no more than honest text.
 *
 *     [time] "METHOD PATH PROTOCOL" code flags … received sent duration service
 *     "xff" "user agent" "request id" "authority" "upstream host" cluster local local remote SNI route
 *
 * Between flags and byte counts stand, by release: nothing, `"mixer"`, `"mixer" "failure"`, `"failure"`, or
 * (since 1.9) `details termination "failure"`. Operators append fields of their own behind the route.
 *
 * Envoy does not escape quotes, and path, user agent and request id are the caller's words (in old
 * releases the SNI too). Each of our fields holds exactly two quotes unless a caller wrote more: a line
 * without further quotes has one reading. With more, the part behind the quotes is where a cluster and
 * three addresses follow a quote; where that is so in two places, or two requests end, a caller has
 * written what looks like a line's end: the line `isForgeable`, and is believed no more than its caller.
 */
import { parseHostPort } from "../../lib/ip.ts";
import { known, type AccessLogLine } from "./access-log-line.ts";

/** Lines are cut off here. Envoy takes 60 KiB of headers, and a caller must not be able to hide his line. */
export const maxLineLength = 98_304;
const maxStartTime = 64;
const quote = '"';
/** Before the upstream's cluster: X-Forwarded-For, user agent, request id, authority, upstream host. */
const quotedFields = 5;
/** No honest line comes near; a line with more is its caller's text. */
const maxQuotes = 128;
/** A cluster's name or an address. */
const maxToken = 512;

/** Whether a text may be a line of the default format: cheap, and right about everything else's lines. */
export function looksLikeAccessLog(text: string): boolean {
  if (!text.startsWith("[")) return false;
  const close = text.indexOf("]", 1);
  return close > 1 && close <= maxStartTime + 1 && text.startsWith('] "', close);
}

/** A line that `looksLikeAccessLog`, or null; one of Envoy's own default format has no addresses. */
export function parseAccessLogText(text: string): AccessLogLine | null {
  if (text.length > maxLineLength) return null;
  const close = text.indexOf("]", 1);
  const request = readRequest(text, close + 3);
  if (request === null) return null;
  const numbers = readNumbers(text, request.end);
  if (numbers === null) return null;
  const quoted = readQuoted(text, numbers.end);
  const end = quoted?.isPlain === true ? quoted : readForgeable(text, request.end, numbers.end);
  if (end === null) return null;
  const tail = readTail(text, end.end, numbers.hasDetails);
  if (tail === null) return null;
  return {
    startTime: text.slice(1, close),
    method: request.method,
    protocol: request.protocol,
    responseCode: numbers.code,
    responseFlags: numbers.flags,
    responseCodeDetails: numbers.details,
    terminationDetails: numbers.termination,
    bytesReceived: numbers.received,
    bytesSent: numbers.sent,
    durationMs: numbers.duration,
    requestId: end.requestId,
    upstreamHost: end.upstreamHost,
    upstreamCluster: tail.upstreamCluster,
    upstreamLocal: tail.upstreamLocal,
    downstreamLocal: tail.downstreamLocal,
    downstreamRemote: tail.downstreamRemote,
    serverName: tail.serverName,
    traceparent: tail.traceparent,
    showsTls: tail.showsTls,
    isForgeable: end.isForgeable,
  };
}

interface Request {
  readonly method: string;
  readonly protocol: string;
  /** Behind the closing quote and a space. */
  readonly end: number;
}

/** `METHOD PATH PROTOCOL" `: a path may hold quotes, and in Envoys that let them pass spaces. */
function readRequest(text: string, start: number): Request | null {
  const methodEnd = text.indexOf(" ", start);
  if (methodEnd < 0) return null;
  const end = requestEnd(text, methodEnd + 1);
  if (end < 0) return null;
  const protocolStart = text.lastIndexOf(" ", end - 3) + 1;
  return {
    method: known(text.slice(start, methodEnd)),
    protocol: known(text.slice(protocolStart, end - 2)),
    end,
  };
}

/** Where a request may end at or after `from`: behind `" ` and before a status; -1 = nowhere. */
function requestEnd(text: string, from: number): number {
  for (let at = text.indexOf('" ', from); at >= 0; at = text.indexOf('" ', at + 1)) {
    const status = text.indexOf(" ", at + 2);
    if (status - at - 2 > 3 || !isDigits(text, at + 2, status)) continue;
    const space = text.lastIndexOf(" ", at - 1);
    if (space >= from && isProtocol(text, space + 1, at)) return at + 2;
  }
  return -1;
}

/** `HTTP/1.1`, `HTTP/2`, `-`. */
function isProtocol(text: string, start: number, end: number): boolean {
  if (end - start === 1) return text[start] === "-";
  return end - start >= 6 && end - start <= 8 && text.startsWith("HTTP/", start);
}

interface Numbers {
  readonly code: string;
  readonly flags: string;
  readonly hasDetails: boolean;
  readonly details: string;
  readonly termination: string;
  readonly received: string;
  readonly sent: string;
  readonly duration: string;
  /** At the quote of the X-Forwarded-For. */
  readonly end: number;
}

/** Reads tokens that single spaces part. */
class Walk {
  readonly #text: string;
  readonly #end: number;
  at: number;

  constructor(text: string, at: number, end = text.length) {
    this.#text = text;
    this.#end = end;
    this.at = at;
  }

  /** Up to the next space, which is skipped; "" at the text's end. */
  token(): string {
    const space = this.#text.indexOf(" ", this.at);
    const end = space < 0 || space > this.#end ? this.#end : space;
    const token = this.#text.slice(this.at, end);
    this.at = end + 1;
    return token;
  }

  get isAtQuote(): boolean {
    return this.#text[this.at] === quote;
  }

  /** Skips `"…" `; false where there is none. */
  skipQuoted(): boolean {
    const close = this.#text.indexOf('" ', this.at + 1);
    if (!this.isAtQuote || close < 0) return false;
    this.at = close + 2;
    return true;
  }

  /** `name{why it broke}`: old releases wrote the reason with spaces. */
  details(): string {
    const start = this.at;
    const first = this.token();
    if (!first.includes("{") || first.endsWith("}")) return first;
    const close = this.#text.indexOf("} ", start);
    const before = this.#text.indexOf(quote, start);
    if (close < 0 || (before >= 0 && before < close)) return first;
    this.at = close + 2;
    return this.#text.slice(start, close + 1);
  }
}

function readNumbers(text: string, start: number): Numbers | null {
  const walk = new Walk(text, start);
  const code = walk.token();
  const flags = known(walk.token());
  let details = "";
  let termination = "";
  const hasDetails = !walk.isAtQuote && !isDigits(text, walk.at, text.indexOf(" ", walk.at));
  if (hasDetails) {
    details = known(walk.details());
    termination = known(walk.token());
    if (!walk.skipQuoted()) return null;
  } else {
    for (let count = 0; walk.isAtQuote && count < 2; count++) if (!walk.skipQuoted()) return null;
  }
  const received = known(walk.token());
  const sent = known(walk.token());
  const duration = known(walk.token());
  walk.token();
  if (!walk.isAtQuote) return null;
  const end = walk.at;
  return { code, flags, hasDetails, details, termination, received, sent, duration, end };
}

interface Quoted {
  readonly requestId: string;
  readonly upstreamHost: string;
  /** Behind the last quote. */
  readonly end: number;
  /** No quote but those of the format. */
  readonly isPlain: boolean;
  readonly isForgeable: boolean;
}

/** The quoted fields from the left, each ended by its next quote; null where that is not their form. */
function readQuoted(text: string, start: number): Quoted | null {
  let requestId = "";
  let upstreamHost = "";
  let at = start;
  for (let field = 0; field < quotedFields; field++) {
    const close = text.indexOf(quote, at + 1);
    if (text[at] !== quote || close < 0) return null;
    if (field === 2) requestId = text.slice(at + 1, close);
    if (field === quotedFields - 1) upstreamHost = text.slice(at + 1, close);
    at = close + 1;
    if (field === quotedFields - 1) break;
    if (text[at] !== " ") return null;
    at++;
  }
  const isPlain = !text.includes(quote, at);
  return {
    requestId: known(requestId),
    upstreamHost: known(upstreamHost),
    end: at,
    isPlain,
    isForgeable: false,
  };
}

/**
 * With more quotes than the format has: the last place that reads as the end of a line. What stands
 * before it is read from there backwards, since a caller's words stand further left.
 */
function readForgeable(text: string, requestAt: number, quotedAt: number): Quoted | null {
  let last = -1;
  let places = 0;
  let quotes = 0;
  for (let at = text.indexOf(quote, requestAt); at >= 0; at = text.indexOf(quote, at + 1)) {
    if (++quotes > maxQuotes) return null;
    if (!isTail(text, at + 1)) continue;
    places++;
    last = at;
  }
  const hostStart = text.lastIndexOf(quote, last - 1);
  const authorityStart = text.lastIndexOf('" "', hostStart - 3);
  const requestIdStart = text.lastIndexOf('" "', authorityStart - 1);
  if (last < 0 || requestIdStart < quotedAt) return null;
  return {
    requestId: known(text.slice(requestIdStart + 3, authorityStart)),
    upstreamHost: known(text.slice(hostStart + 1, last)),
    end: last + 1,
    isPlain: false,
    isForgeable: places > 1 || requestEnd(text, requestAt) >= 0,
  };
}

/** Whether ` cluster address address address` stands there. */
function isTail(text: string, at: number): boolean {
  if (text[at] !== " ") return false;
  let start = at + 1;
  for (let field = 0; field < 4; field++) {
    const space = text.indexOf(" ", start);
    if (space <= start || space - start > maxToken) return false;
    if (field > 0 && !isAddress(text.slice(start, space))) return false;
    start = space + 1;
  }
  return true;
}

function isAddress(text: string): boolean {
  return text === "-" || text.startsWith("envoy://") || parseHostPort(text).ip !== "";
}

type Tail = Pick<
  AccessLogLine,
  | "upstreamCluster"
  | "upstreamLocal"
  | "downstreamLocal"
  | "downstreamRemote"
  | "serverName"
  | "traceparent"
  | "showsTls"
>;

/** Envoy's own default format ends with the upstream host. */
const noTail: Tail = {
  upstreamCluster: "",
  upstreamLocal: "",
  downstreamLocal: "",
  downstreamRemote: "",
  serverName: "",
  traceparent: "",
  showsTls: false,
};

/**
 * Null where the line was cut off: since the release that has details a route follows the SNI. Before
 * the route there was none, and a line cut off within the SNI looks whole: it does not show TLS.
 */
function readTail(text: string, at: number, hasRoute: boolean): Tail | null {
  const end = endOfText(text);
  if (at >= end) return hasRoute ? null : noTail;
  if (text[at] !== " ") return null;
  const walk = new Walk(text, at + 1, end);
  const cluster = walk.token();
  const upstreamLocal = known(walk.token());
  const downstreamLocal = known(walk.token());
  const downstreamRemote = known(walk.token());
  const sniAt = walk.at;
  const serverName = walk.token();
  const isWhole = walk.at <= end;
  if (sniAt >= end || (hasRoute && !isWhole)) return null;
  walk.token();
  return {
    upstreamCluster: known(cluster),
    upstreamLocal,
    downstreamLocal,
    downstreamRemote,
    serverName: known(serverName),
    traceparent: walk.at < end ? traceparentIn(text.slice(walk.at, end).split(" ", 32)) : "",
    showsTls: isWhole || serverName === "-",
  };
}

/** Before the newline that ends a line over OTLP. */
function endOfText(text: string): number {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) <= 32) end--;
  return end;
}

/** What operators append to the format: `… %REQ(TRACEPARENT)%`, quoted or not. */
function traceparentIn(tokens: readonly string[]): string {
  for (const token of tokens) {
    const text = token.startsWith(quote) ? token.slice(1, -1) : token;
    if (text.length === 55 && text.startsWith("00-")) return text;
  }
  return "";
}

function isDigits(text: string, start: number, end: number): boolean {
  if (end <= start) return false;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
