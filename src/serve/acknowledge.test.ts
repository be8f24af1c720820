import { Hono } from "hono";
import { expect, test } from "vitest";
import type { EngineCommand } from "../model/commands.ts";
import type { Answer } from "../model/requests.ts";
import { addAcknowledge, isAcknowledgement } from "./acknowledge.ts";

const nowMs = Date.UTC(2026, 0, 5, 12);
const path = "/api/v1/insights/abc/acknowledge";
const accepted: Answer = { kind: "accepted", items: 0, rejectedItems: 0, message: "" };

function world(answer: Answer = accepted): { app: Hono; commands: EngineCommand[] } {
  const app = new Hono();
  const commands: EngineCommand[] = [];
  const command = async (told: EngineCommand): Promise<Answer> => {
    commands.push(told);
    return answer;
  };
  addAcknowledge(app, { command, clock: { nowUs: () => nowMs * 1_000 } });
  return { app, commands };
}

const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json", ...headers },
});

test("says who, why and until when", async () => {
  const { app, commands } = world();
  const body = JSON.stringify({ by: " jo ", note: "on it", until: "2026-01-06T00:00:00+01:00" });
  expect((await app.request(path, post(body))).status).toBe(204);
  expect((await app.request(path, { method: "DELETE" })).status).toBe(204);
  const untilUs = Date.UTC(2026, 0, 5, 23) * 1_000;
  const acknowledgement = { by: "jo", atUs: nowMs * 1_000, untilUs, note: "on it" };
  expect(commands).toEqual([
    { kind: "acknowledge", insightId: "abc", acknowledgement },
    { kind: "acknowledge", insightId: "abc", acknowledgement: null },
  ]);
});

const refused: readonly (readonly [string, RequestInit, number, string])[] = [
  ["nobody", post("{}"), 400, "by"],
  ["an empty name", post('{"by":"  "}'), 400, "by"],
  ["an unknown key", post('{"by":"jo","unti":"x"}'), 400, "unti"],
  ["no JSON", post("by=jo"), 400, "object"],
  ["a form", post("by=jo", { "content-type": "text/plain" }), 400, "application/json"],
  ["no time", post('{"by":"jo","until":"tomorrow"}'), 400, "until"],
  ["the past", post('{"by":"jo","until":"2026-01-05T11:59:59Z"}'), 400, "ahead"],
  ["years ahead", post('{"by":"jo","until":"2028-01-05T11:59:59Z"}'), 400, "ahead"],
  ["too much", post(`{"by":"jo","note":"${"x".repeat(20_000)}"}`), 400, "16384"],
];

test.for(refused)("refused: %s", async ([, request, status, says]) => {
  const { app, commands } = world();
  const response = await app.request(path, request);
  expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  expect(commands).toEqual([]);
});

test.for([
  ["no_such_insight", 404],
  ["not_active", 409],
] as const)("the engine's word %s is %i", async ([code, status]) => {
  const { app } = world({ kind: "invalid", code, message: "why" });
  expect((await app.request(path, { method: "DELETE" })).status).toBe(status);
});

test("what could not be made durable is told to come again", async () => {
  const { app } = world({ kind: "unavailable", reason: "storage", retryAfterMs: 1 });
  expect((await app.request(path, post('{"by":"jo"}'))).status).toBe(503);
});

test("only these two methods of this path", () => {
  expect(isAcknowledgement("POST", path)).toBe(true);
  expect(isAcknowledgement("PUT", path)).toBe(false);
  expect(isAcknowledgement("POST", "/api/v1/insights/abc")).toBe(false);
  expect(isAcknowledgement("DELETE", "/api/v1/insights/a/b/acknowledge")).toBe(false);
});
