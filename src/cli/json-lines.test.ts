import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Signal } from "../model/stages.ts";
import { readRequests } from "./json-lines.ts";

const folder = mkdtempSync(path.join(tmpdir(), "json-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The requests before the first bad line, and what is said of it. */
async function read(text: string): Promise<{ requests: object[]; error: string }> {
  const file = path.join(folder, "lines.json");
  writeFileSync(file, text);
  const requests: object[] = [];
  try {
    for await (const { receivedUs, signal, body } of readRequests(file)) {
      requests.push({ receivedUs, signal, hex: Buffer.from(body).toString("hex") });
    }
  } catch (error) {
    return { requests, error: error instanceof Error ? error.message.replace(file, "FILE") : "" };
  }
  return { requests, error: "" };
}

const spans = (time: string) =>
  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"1","endTimeUnixNano":${time}}]}]}]}`;

test("a request arrives at its newest time, and never before the one above it", async () => {
  const lines = [spans('"5000000"'), '{"resourceLogs":[]}', "", spans("9000999"), spans('"2"')];
  const { requests, error } = await read(`${lines.join("\r\n")}\n`);
  expect(error).toBe("");
  expect(requests).toMatchObject([
    { receivedUs: 5_000, signal: Signal.traces },
    { receivedUs: 5_000, signal: Signal.logs, hex: "" },
    { receivedUs: 9_000, signal: Signal.traces },
    { receivedUs: 9_000, signal: Signal.traces },
  ]);
});

test.each([
  ['{"resourceMetrics":[{}]', "line 2: the request at byte 23 of the JSON"],
  ['{"insights":[]}', "line 2: no OTLP request: its first key is none of resource"],
  ['{"resourceLogs":[{"scopeLogs":3}]}', "line 2: resourceLogs[0].scopeLogs at byte"],
])("%s is told with its line", async (line, says) => {
  const { requests, error } = await read(`${spans("1")}\n${line}\n${spans("2")}`);
  expect(requests).toHaveLength(1);
  expect(error).toContain(`cannot read "FILE": ${says}`);
});

test("a file that is not there, or is a folder", async () => {
  await expect(readRequests(path.join(folder, "none")).next()).rejects.toThrow(/no such file/);
  await expect(readRequests(folder).next()).rejects.toThrow(/cannot read .*folder|directory/);
});
