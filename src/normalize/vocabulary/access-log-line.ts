/**
 * One access-log line in parts, from any of the shapes it arrives in: Istio's default text, or its field
 * names as attributes, as JSON text or as a key-value list. Absent parts, `-` and null read as "".
 *
 * Envoy does not escape quotes, and path, user agent and request id are the caller's words. So the text
 * is read from both ends: what stands left of the path and right of the request id cannot be moved by
 * anything that a caller writes in between.
 */
import { isObject, textField, type Json } from "../json.ts";

export interface AccessLogLine {
  readonly startTime: string;
  readonly method: string;
  readonly protocol: string;
  readonly responseCode: string;
  readonly responseFlags: string;
  readonly responseCodeDetails: string;
  readonly terminationDetails: string;
  readonly bytesReceived: string;
  readonly bytesSent: string;
  readonly durationMs: string;
  readonly requestId: string;
  readonly upstreamHost: string;
  readonly upstreamCluster: string;
  readonly upstreamLocal: string;
  readonly downstreamLocal: string;
  readonly downstreamRemote: string;
  readonly serverName: string;
}

/** What a field's name is in Istio's JSON format and in labels that follow it. */
const fieldNames: Readonly<Record<keyof AccessLogLine, string>> = {
  startTime: "start_time",
  method: "method",
  protocol: "protocol",
  responseCode: "response_code",
  responseFlags: "response_flags",
  responseCodeDetails: "response_code_details",
  terminationDetails: "connection_termination_details",
  bytesReceived: "bytes_received",
  bytesSent: "bytes_sent",
  durationMs: "duration",
  requestId: "request_id",
  upstreamHost: "upstream_host",
  upstreamCluster: "upstream_cluster",
  upstreamLocal: "upstream_local_address",
  downstreamLocal: "downstream_local_address",
  downstreamRemote: "downstream_remote_address",
  serverName: "requested_server_name",
};

export const accessLogFieldNames: readonly string[] = Object.values(fieldNames);

/** Lines are cut off here: Envoy's longest honest ones are long paths. */
export const maxLineLength = 16_384;

/** `[time] "METHOD PATH PROTOCOL" code flags details termination "failure" received sent duration service "xff"…` */
const head =
  /^\[([^\]]{1,64})\] "(\S+) (\S+) (\S+)" (\d{1,3}) (\S+) (\S+) (\S+) "(.*?)" (\d+|-) (\d+|-) (\d+|-) (\S+) "/;

/** Whether a text may be a line of the default format: cheap, and right about everything else's lines. */
export function looksLikeAccessLog(text: string): boolean {
  return text.startsWith("[") && text.includes('] "');
}

/** A line of Istio's default text format, or null. */
export function parseAccessLogText(text: string): AccessLogLine | null {
  const start = text.length > maxLineLength ? null : head.exec(text);
  if (!start) return null;
  const lastQuote = text.lastIndexOf('"');
  const quoted = quotedFromEnd(text, lastQuote);
  const tail = text
    .slice(lastQuote + 1)
    .trim()
    .split(" ");
  const [upstreamCluster, upstreamLocal, downstreamLocal, downstreamRemote, serverName] = tail;
  if (!quoted || serverName === undefined) return null;
  return {
    startTime: start[1] ?? "",
    method: known(start[2]),
    protocol: known(start[4]),
    responseCode: start[5] ?? "",
    responseFlags: known(start[6]),
    responseCodeDetails: known(start[7]),
    terminationDetails: known(start[8]),
    bytesReceived: known(start[10]),
    bytesSent: known(start[11]),
    durationMs: known(start[12]),
    requestId: known(quoted.requestId),
    upstreamHost: known(quoted.upstreamHost),
    upstreamCluster: known(upstreamCluster),
    upstreamLocal: known(upstreamLocal),
    downstreamLocal: known(downstreamLocal),
    downstreamRemote: known(downstreamRemote),
    serverName: known(serverName),
  };
}

/** The last three quoted fields: `"request id" "authority" "upstream host"`. */
function quotedFromEnd(
  text: string,
  lastQuote: number,
): { requestId: string; upstreamHost: string } | null {
  const hostStart = text.lastIndexOf('"', lastQuote - 1);
  const authorityStart = text.lastIndexOf('" "', hostStart - 3);
  const requestIdStart = text.lastIndexOf('" "', authorityStart - 1);
  if (hostStart < 0 || authorityStart < 0 || requestIdStart < 0) return null;
  return {
    requestId: text.slice(requestIdStart + 3, authorityStart),
    upstreamHost: text.slice(hostStart + 1, lastQuote),
  };
}

/** A line from named fields; null when it does not hold both of a connection's inner ends. */
export function accessLogFromFields(text: (name: string) => string): AccessLogLine | null {
  const line: AccessLogLine = {
    startTime: known(text(fieldNames.startTime)),
    method: known(text(fieldNames.method)),
    protocol: known(text(fieldNames.protocol)),
    responseCode: known(text(fieldNames.responseCode)),
    responseFlags: known(text(fieldNames.responseFlags)),
    responseCodeDetails: known(text(fieldNames.responseCodeDetails)),
    terminationDetails: known(text(fieldNames.terminationDetails)),
    bytesReceived: known(text(fieldNames.bytesReceived)),
    bytesSent: known(text(fieldNames.bytesSent)),
    durationMs: known(text(fieldNames.durationMs)),
    requestId: known(text(fieldNames.requestId)),
    upstreamHost: known(text(fieldNames.upstreamHost)),
    upstreamCluster: known(text(fieldNames.upstreamCluster)),
    upstreamLocal: known(text(fieldNames.upstreamLocal)),
    downstreamLocal: known(text(fieldNames.downstreamLocal)),
    downstreamRemote: known(text(fieldNames.downstreamRemote)),
    serverName: known(text(fieldNames.serverName)),
  };
  return line.downstreamRemote === "" || line.downstreamLocal === "" ? null : line;
}

export function accessLogFromObject(value: Json): AccessLogLine | null {
  return isObject(value) ? accessLogFromFields((name) => textField(value, name, 512)) : null;
}

function known(text: string | undefined): string {
  return text === undefined || text === "-" ? "" : text;
}
