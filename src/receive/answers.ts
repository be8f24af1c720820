/**
 * The one table of what senders are told. A collector drops a request at once on any status that is not
 * retryable, so those are for requests that are bad in themselves; whatever is our trouble is
 * UNAVAILABLE with a hint when to come again.
 *
 * | condition                                     | gRPC               | HTTP | retry hint |
 * |-----------------------------------------------|--------------------|------|------------|
 * | accepted and committed                        | OK                 | 200  |            |
 * | some items bad                                | OK, partial success| 200  |            |
 * | cannot be read: framing, compression, content | INVALID_ARGUMENT   | 400  | no         |
 * | too big on the wire or inflated               | RESOURCE_EXHAUSTED | 413  | no         |
 * | no token, or one that is not good             | UNAUTHENTICATED    | 401  | no         |
 * | a token that does not allow sending           | PERMISSION_DENIED  | 403  | no         |
 * | unknown path or method                        | UNIMPLEMENTED      | 404  | no         |
 * | not POST                                      |                    | 405  | no         |
 * | unknown compression or content type           | UNIMPLEMENTED      | 415  | no         |
 * | too slow, or the sender's own deadline        | DEADLINE_EXCEEDED  | 503  | HTTP only  |
 * | no room, not ready, draining, store trouble   | UNAVAILABLE        | 503  | yes        |
 * | a fault of ours                               | UNAVAILABLE        | 503  | yes        |
 *
 * The retry hint is a RetryInfo, and over HTTP also a Retry-After. 408 would say "too slow" best, but a
 * collector drops the data on it and retries a 503.
 */
import type { Answer } from "../model/requests.ts";
import type { Refusal } from "../self/access-events.ts";
import type { Outcome } from "../self/events.ts";

export const GrpcStatus = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const;
export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];

/** An answer as the wire and the counters need it. */
export interface Reply {
  readonly outcome: Outcome;
  /** Over gRPC; over HTTP the code in the body of an answer that is not 200. */
  readonly status: GrpcStatus;
  readonly httpStatus: number;
  readonly message: string;
  /** When to come again; null where no hint is due. */
  readonly retryAfterMs: number | null;
  readonly items: number;
  readonly rejectedItems: number;
}

/** Reasons of an `unavailable` answer that are faults of ours: they count as failed, not as refused. */
const faultReasons: ReadonlySet<string> = new Set(["internal", "restarting"]);

const roomRetryMs = 2_000;
const drainRetryMs = 1_000;
const faultRetryMs = 5_000;
/** Somebody has to change a configuration first. */
const misdirectedRetryMs = 30_000;

export function answerToReply(answer: Answer): Reply {
  if (answer.kind === "invalid") {
    return refusal("invalid", GrpcStatus.invalidArgument, `${answer.message} (${answer.code})`);
  }
  if (answer.kind === "unavailable") {
    const outcome = faultReasons.has(answer.reason) ? "failed" : "refused";
    return comeAgain(outcome, `cannot take the request now: ${answer.reason}`, answer.retryAfterMs);
  }
  return {
    outcome: answer.rejectedItems > 0 ? "partial" : "accepted",
    status: GrpcStatus.ok,
    httpStatus: 200,
    message: answer.message,
    retryAfterMs: null,
    items: answer.items,
    rejectedItems: answer.rejectedItems,
  };
}

export const replies = {
  invalid: (why: string) =>
    refusal("invalid", GrpcStatus.invalidArgument, `cannot read the request: ${why}`),

  tooLarge: (what: string, limit: number) =>
    refusal(
      "too_large",
      GrpcStatus.resourceExhausted,
      `cannot take the request: ${what} is larger than the limit of ${limit} bytes; send smaller batches`,
    ),

  /** Not `isTurnedAway`: whoever is not known must not be able to make this engine look blind. */
  refused: ({ reason, message }: { readonly reason: Refusal; readonly message: string }) =>
    reason === "scope"
      ? refusal("permission_denied", GrpcStatus.permissionDenied, message)
      : refusal("unauthenticated", GrpcStatus.unauthenticated, message),

  /** `known` says what is served. */
  unknownPath: (path: string, known: string) =>
    refusal("unimplemented", GrpcStatus.unimplemented, `cannot serve "${path}": ${known}`),

  notPost: (method: string) =>
    refusal("unimplemented", GrpcStatus.unimplemented, `cannot serve ${method}: use POST`, 405),

  /** `header` names the encoding or the type, `advice` what to do instead. */
  unknownFormat: (header: string, format: string, advice: string) =>
    refusal(
      "unimplemented",
      GrpcStatus.unimplemented,
      `cannot read ${header} "${format}": ${advice}`,
      415,
    ),

  deadline: (why: string) =>
    refusal("deadline_exceeded", GrpcStatus.deadlineExceeded, `cannot answer in time: ${why}`),

  cancelled: () => refusal("cancelled", GrpcStatus.cancelled, "cancelled by the sender"),

  noRoom: () =>
    comeAgain("refused", "cannot take the request now: too much is in flight", roomRetryMs),

  notAccepting: () => comeAgain("refused", "cannot take the request now: not ready", drainRetryMs),

  draining: () => comeAgain("refused", "cannot take the request now: shutting down", drainRetryMs),

  /** A sender on the wrong port; `hint` says what to change. */
  misdirected: (hint: string) => comeAgain("refused", hint, misdirectedRetryMs),

  fault: () => comeAgain("failed", "cannot take the request now: a fault of ours", faultRetryMs),
} as const;

const httpStatusOf: Readonly<Record<GrpcStatus, number>> = {
  [GrpcStatus.ok]: 200,
  [GrpcStatus.cancelled]: 503, // nobody is there to read it
  [GrpcStatus.invalidArgument]: 400,
  [GrpcStatus.deadlineExceeded]: 503,
  [GrpcStatus.notFound]: 404,
  [GrpcStatus.resourceExhausted]: 413,
  [GrpcStatus.unimplemented]: 404,
  [GrpcStatus.permissionDenied]: 403,
  [GrpcStatus.unavailable]: 503,
  [GrpcStatus.unauthenticated]: 401,
};

/** What the request held is not with us, and its sender has it still or has given it up. */
export function isTurnedAway({ outcome }: Reply): boolean {
  return turnedAway.has(outcome);
}

const turnedAway: ReadonlySet<Reply["outcome"]> = new Set([
  "refused",
  "failed",
  "too_large",
  "deadline_exceeded",
  "cancelled",
]);

function refusal(
  outcome: Outcome,
  status: GrpcStatus,
  message: string,
  httpStatus = httpStatusOf[status],
): Reply {
  return { outcome, status, httpStatus, message, retryAfterMs: null, items: 0, rejectedItems: 0 };
}

function comeAgain(outcome: Outcome, message: string, retryAfterMs: number): Reply {
  const status = GrpcStatus.unavailable;
  return { ...refusal(outcome, status, message), retryAfterMs };
}
