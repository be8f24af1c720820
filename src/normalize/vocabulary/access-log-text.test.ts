import { expect, test } from "vitest";
import type { AccessLogLine } from "./access-log-line.ts";
import { parseAccessLogText } from "./access-log-text.ts";

function line(userAgent: string, requestId = "r-1", path = "/"): string {
  return `[2026-11-21T07:31:02.943Z] "GET ${path} HTTP/1.1" 200 - via_upstream - "-" 1 2 3 4 "-" "${userAgent}" "${requestId}" "reviews:9080" "10.1.0.52:9080" inbound|9080|| 127.0.0.6:5 10.1.0.52:9080 10.1.0.51:38072 outbound_.9080_._.reviews.bookinfo.svc.cluster.local default\n`;
}

function check(text: string, expected: Partial<AccessLogLine> | null): void {
  const read = parseAccessLogText(text);
  expect(read).toEqual(expected === null ? null : { ...read, ...expected });
}

const ends = {
  upstreamCluster: "inbound|9080||",
  upstreamHost: "10.1.0.52:9080",
  downstreamRemote: "10.1.0.51:38072",
};

test("a request's line", () =>
  check(line("curl/8"), {
    ...ends,
    startTime: "2026-11-21T07:31:02.943Z",
    method: "GET",
    responseCode: "200",
    responseFlags: "",
    bytesReceived: "1",
    bytesSent: "2",
    durationMs: "3",
    requestId: "r-1",
    upstreamLocal: "127.0.0.6:5",
    downstreamLocal: "10.1.0.52:9080",
    serverName: "outbound_.9080_._.reviews.bookinfo.svc.cluster.local",
  }));

test("a connection's line", () =>
  check(
    '[2026-11-20T10:15:04.120Z] "- - -" 0 UH - rbac_access_denied_matched_policy[none] "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 198.51.100.7:6379 10.244.0.14:40110 - -',
    {
      method: "",
      responseCode: "0",
      responseFlags: "UH",
      terminationDetails: "rbac_access_denied_matched_policy[none]",
      upstreamCluster: "BlackHoleCluster",
      upstreamHost: "",
      serverName: "",
    },
  ));

test("a caller's words cannot move what the proxy wrote", () => {
  const forged =
    '" "f-1" "a:1" "9.9.9.9:9" outbound|1||evil.ns.svc.cluster.local 9.9.9.9:1 9.9.9.9:2';
  check(line(`x${forged}`), ends);
  check(line("x", `r${forged}`), ends);
  check(line("x", "r-1", '/"'), ends);
});

test("what is no line of this format", () => {
  const whole = line("curl/8");
  const bad = ["", "[", "[x]", '[2026] "GET / HTTP/1.1" 200', whole.slice(0, 120), "a".repeat(99)];
  for (const text of bad) check(text, null);
  check(line("a".repeat(60_000)), ends);
  check(line("a".repeat(100_000)), null);
  for (let end = 0; end < whole.length; end++) parseAccessLogText(whole.slice(0, end));
});
