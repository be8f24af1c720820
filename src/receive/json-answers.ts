/** What an OTLP server says in JSON: the twin of `otlp-wire.ts`, with the same limits. */
import { Signal } from "../model/stages.ts";
import type { Reply } from "./answers.ts";
import { cutMessage, retryInfoType } from "./otlp-wire.ts";

/** The count's name differs by signal, as in the protobuf messages. */
const rejectedName: Readonly<Record<Signal, string>> = {
  [Signal.traces]: "rejectedSpans",
  [Signal.metrics]: "rejectedDataPoints",
  [Signal.logs]: "rejectedLogRecords",
};

/** Empty on full success, so that partialSuccess is absent. */
export function exportJson(reply: Reply, signal: Signal | null): object {
  const { rejectedItems, message } = reply;
  if ((rejectedItems === 0 && message === "") || signal === null) return {};
  return {
    partialSuccess: {
      // A 64-bit integer is a string in the JSON of protobuf.
      ...(rejectedItems > 0 ? { [rejectedName[signal]]: String(rejectedItems) } : {}),
      ...(message === "" ? {} : { errorMessage: cutMessage(message) }),
    },
  };
}

/** A google.rpc.Status; null: without RetryInfo. */
export function statusJson(reply: Reply, retryAfterMs: number | null): object {
  const { status: code, message } = reply;
  const status = { code, message: cutMessage(message) };
  if (retryAfterMs === null) return status;
  const retryDelay = `${(retryAfterMs / 1_000).toFixed(3)}s`;
  return { ...status, details: [{ "@type": retryInfoType, retryDelay }] };
}
