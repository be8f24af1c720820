/**
 * The one table of what senders are told. A collector drops a request at once on any status that is not
 * retryable, so those are for requests that are bad in themselves; whatever is our trouble is
 * UNAVAILABLE with a RetryInfo.
 *
 * | condition                                     | status             | RetryInfo |
 * |-----------------------------------------------|--------------------|-----------|
 * | accepted and committed                        | OK                 |           |
 * | some items bad                                | OK, partial success|           |
 * | cannot be read: framing, compression, content | INVALID_ARGUMENT   | no        |
 * | too big on the wire or inflated               | RESOURCE_EXHAUSTED | no        |
 * | unknown method or compression                 | UNIMPLEMENTED      | no        |
 * | too slow, or the sender's own deadline        | DEADLINE_EXCEEDED  | no        |
 * | no room, not ready, draining, store trouble   | UNAVAILABLE        | yes       |
 * | a fault of ours                               | UNAVAILABLE        | yes       |
 */
import type { Answer } from "../model/requests.ts";
import type { Outcome } from "../self/events.ts";

export const GrpcStatus = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  unavailable: 14,
} as const;
export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];

/** An answer as the wire and the counters need it. */
export interface Reply {
  readonly outcome: Outcome;
  readonly status: GrpcStatus;
  readonly message: string;
  /** When to come again; null where no RetryInfo is due. */
  readonly retryAfterMs: number | null;
  readonly items: number;
  readonly rejectedItems: number;
}

/** Reasons of an `unavailable` answer that are faults of ours: they count as failed, not as refused. */
const faultReasons: ReadonlySet<string> = new Set(["internal", "restarting"]);

const roomRetryMs = 2_000;
const drainRetryMs = 1_000;
const faultRetryMs = 5_000;

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

  unknownMethod: (path: string) =>
    refusal(
      "unimplemented",
      GrpcStatus.unimplemented,
      `cannot serve "${path}": only OTLP Export of traces, metrics and logs and health checks are`,
    ),

  unknownEncoding: (encoding: string, known: string) =>
    refusal(
      "unimplemented",
      GrpcStatus.unimplemented,
      `cannot read grpc-encoding "${encoding}": use one of ${known}`,
    ),

  deadline: (why: string) =>
    refusal("deadline_exceeded", GrpcStatus.deadlineExceeded, `cannot answer in time: ${why}`),

  cancelled: () => refusal("cancelled", GrpcStatus.cancelled, "cancelled by the sender"),

  noRoom: () =>
    comeAgain("refused", "cannot take the request now: too much is in flight", roomRetryMs),

  notAccepting: () => comeAgain("refused", "cannot take the request now: not ready", drainRetryMs),

  draining: () => comeAgain("refused", "cannot take the request now: shutting down", drainRetryMs),

  fault: () => comeAgain("failed", "cannot take the request now: a fault of ours", faultRetryMs),
} as const;

function refusal(outcome: Outcome, status: GrpcStatus, message: string): Reply {
  return { outcome, status, message, retryAfterMs: null, items: 0, rejectedItems: 0 };
}

function comeAgain(outcome: Outcome, message: string, retryAfterMs: number): Reply {
  return {
    outcome,
    status: GrpcStatus.unavailable,
    message,
    retryAfterMs,
    items: 0,
    rejectedItems: 0,
  };
}
