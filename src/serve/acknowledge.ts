/**
 * Acknowledging an insight over HTTP: the only thing besides a reload that changes anything. Whoever
 * acknowledges keeps a finding from paging, so it is offered where only this machine can ask, or where
 * the configuration says that whoever reaches the port may.
 */
import type { Context, Hono } from "hono";
import { z } from "zod";
import type { CommandHandler, EngineCommand } from "../model/commands.ts";
import { usPerDay, usPerMs, type Us } from "../model/time.ts";
import type { Clock } from "../lib/clock.ts";
import { readText } from "./body.ts";
import { problemResponse } from "./problem.ts";

export interface AcknowledgeParts {
  /** Null = not over HTTP. */
  readonly command: CommandHandler | null;
  readonly clock: Clock;
}

export const acknowledgePath = "/api/v1/insights/:id/acknowledge";
const pathPattern = /^\/api\/v1\/insights\/[^/]+\/acknowledge$/;

export function isAcknowledgement(method: string, path: string): boolean {
  return (method === "POST" || method === "DELETE") && pathPattern.test(path);
}

/** In bytes; the longest that the form allows is half of it. */
const bodyMax = 16_384;
/** As waivers: nothing is agreed to for ever. */
const aheadMaxUs: Us = 365 * usPerDay;

const bodyForm = z.strictObject({
  by: z.string().trim().min(1).max(200),
  note: z.string().max(1_000).default(""),
  until: z.iso.datetime({ offset: true }).optional(),
});

type Read =
  | { readonly ok: true; readonly command: EngineCommand }
  | { readonly ok: false; readonly detail: string };

export function addAcknowledge(app: Hono, { command, clock }: AcknowledgeParts): void {
  app.post(acknowledgePath, async (context) => {
    const read = await readBody(context, context.req.param("id"), clock.nowUs());
    if (!read.ok) {
      const { detail } = read;
      return problemResponse(context, { status: 400, title: "cannot use the body", detail });
    }
    return answer(context, command, read.command);
  });
  app.delete(acknowledgePath, (context) =>
    answer(context, command, {
      kind: "acknowledge",
      insightId: context.req.param("id"),
      acknowledgement: null,
    }),
  );
}

async function readBody(context: Context, insightId: string, nowUs: Us): Promise<Read> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json\b/i.test(type)) {
    return { ok: false, detail: "send JSON, with content-type application/json" };
  }
  const text = await readText(context, bodyMax);
  if (text === null) return { ok: false, detail: `send at most ${bodyMax} bytes` };
  const parsed = bodyForm.safeParse(parseJson(text));
  if (!parsed.success) return { ok: false, detail: z.prettifyError(parsed.error) };
  const { by, note, until } = parsed.data;
  const untilUs = until === undefined ? 0 : Date.parse(until) * usPerMs;
  if (until !== undefined && (untilUs <= nowUs || untilUs > nowUs + aheadMaxUs)) {
    return { ok: false, detail: '"until" must lie ahead, by a year at most' };
  }
  const acknowledgement = { by, atUs: nowUs, untilUs, note };
  return { ok: true, command: { kind: "acknowledge", insightId, acknowledgement } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function answer(
  context: Context,
  command: CommandHandler | null,
  what: EngineCommand,
): Promise<Response> {
  const done = await command?.(what);
  if (done?.kind === "accepted") return context.body(null, 204);
  if (done?.kind === "invalid") {
    const status = done.code === "no_such_insight" ? 404 : 409;
    return problemResponse(context, { status, title: "not acknowledged", detail: done.message });
  }
  return problemResponse(context, {
    status: 503,
    title: "cannot acknowledge now",
    detail: "the engine could not make it durable; try again in a few seconds",
  });
}
