/** RFC 9457 problem documents: the one shape of every error that the HTTP API answers. */
import type { Context } from "hono";

export interface Problem {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 500 | 503;
  readonly title: string;
  /** What to do about it, or which part of the request is at fault. */
  readonly detail: string;
}

export function problemResponse(context: Context, problem: Problem): Response {
  return context.body(JSON.stringify({ type: "about:blank", ...problem }), problem.status, {
    "content-type": "application/problem+json",
  });
}
