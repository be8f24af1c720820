/**
 * The orders in which a story's requests may arrive, all with disorder under `lateness`, and the forms in
 * which the same telemetry may come: in pieces, twice, in the field order of SDKs or of collectors.
 */
import { Signal } from "../../src/model/stages.ts";
import { usPerMs, usPerSecond, type Us } from "../../src/model/time.ts";
import { startMs } from "../scenarios/pipeline-world.ts";
import { requestTypes, type SignalName } from "./otlp-oracle.ts";
import type { StoryStep } from "./story-sources.ts";
import { makeRandom, reorder } from "./wire.ts";

/** A request as the engine gets it. */
export interface Arrived {
  readonly receivedUs: Us;
  readonly signal: Signal;
  readonly body: Uint8Array;
  readonly trust: StoryStep["trust"];
}

/** When the step of that place, of so many, arrives; in seconds of the story. Infinity: never. */
export type Arrival = (step: StoryStep, index: number, count: number) => number;

/** Below the 60 s that the engine waits, with room for what stands behind it. */
const windowS = 25;

export const orders = {
  "in order": (step) => step.atS + 1,
  reversed: (step, index, count) =>
    (Math.floor(Math.max(0, step.atS) / windowS) + 1) * windowS + ((count - index) / count) * 2,
  delayed: (step, index) => step.atS + 1 + ((index * 7_919) % 440) / 10,
  "objects half a minute late": (step) => step.atS + (step.isObject ? 31 : 1),
  "objects nearly a minute late": (step) => step.atS + (step.isObject ? 55 : 1),
} as const satisfies Readonly<Record<string, Arrival>>;

/** Later than anybody waits. */
export const objectsTooLate: Readonly<Record<string, Arrival>> = {
  "objects too late": (step) => step.atS + (step.isObject ? 90 : 1),
  "objects never": (step) => (step.isObject ? Infinity : step.atS + 1),
};

export function arrive(steps: readonly StoryStep[], arrival: Arrival): Arrived[] {
  return inTime(
    steps.map((step, index) =>
      toArrived(step, step.arrivesS ?? arrival(step, index, steps.length)),
    ),
  );
}

function toArrived(step: StoryStep, atS: number): Arrived {
  return {
    receivedUs: startMs * usPerMs + Math.round(atS * usPerSecond),
    signal: step.request.signal,
    body: new Uint8Array(step.request.bytes),
    trust: step.trust,
  };
}

function inTime(requests: readonly Arrived[]): Arrived[] {
  return requests
    .filter(({ receivedUs }) => Number.isFinite(receivedUs))
    .toSorted((a, b) => a.receivedUs - b.receivedUs);
}

const signalNames: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: "traces",
  [Signal.metrics]: "metrics",
  [Signal.logs]: "logs",
};

/** The same bytes as a collector would write them: the fields of each message in descending order. */
export function asCollector(request: Arrived): Arrived {
  const type = requestTypes[signalNames[request.signal]];
  return { ...request, body: reorder(type, Buffer.from(request.body), "descending") };
}

/** Every log record and every metric in a request of its own, a second apart from its neighbour. */
export function split(requests: readonly Arrived[]): Arrived[] {
  return inTime(
    requests.flatMap((request) =>
      pieces(request).map((body, index) => ({
        ...request,
        receivedUs: request.receivedUs + index * usPerSecond,
        body,
      })),
    ),
  );
}

/** The names of lists within lists, down to what stands alone. */
const lists: Readonly<Record<SignalName, readonly string[]>> = {
  logs: ["resource_logs", "scope_logs", "log_records"],
  metrics: ["resource_metrics", "scope_metrics", "metrics"],
  traces: ["resource_spans", "scope_spans", "spans"],
};

type Message = Record<string, unknown>;

function pieces({ signal, body }: Arrived): Uint8Array[] {
  const name = signalNames[signal];
  const type = requestTypes[name];
  const message: Message = type.toObject(type.decode(body));
  const parts = single(message, lists[name]);
  return parts.length < 2
    ? [body]
    : parts.map((part) => type.encode(type.fromObject(part)).finish());
}

function single(message: Message, [list = "", ...inner]: readonly string[]): Message[] {
  if (list === "") return [message];
  const items = (message[list] ?? []) as readonly Message[]; // the lists above are lists of messages
  return items.flatMap((item) => single(item, inner).map((one) => ({ ...message, [list]: [one] })));
}

/** Each once more some seconds later: every other as the same bytes, the rest written by a collector. */
export function twice(requests: readonly Arrived[]): Arrived[] {
  return inTime(
    requests.flatMap((request, index) => {
      const again = {
        ...request,
        receivedUs: request.receivedUs + (3 + (index % 5)) * usPerSecond,
      };
      return [request, index % 2 === 0 ? again : asCollector(again)];
    }),
  );
}

/** Everything at random: delays, pieces, repetitions, field orders; and where to restart, -1 = nowhere. */
export function atRandom(
  steps: readonly StoryStep[],
  seed: number,
): { requests: Arrived[]; restartAt: number } {
  const random = makeRandom(seed);
  const late = arrive(steps, (step) => step.atS + 1 + random() * 44);
  const requests = inTime(
    late.flatMap((request) => {
      const parts = random() < 0.5 ? split([request]) : [request];
      return parts.flatMap((part) => {
        const one = random() < 0.5 ? asCollector(part) : part;
        const again = {
          ...part,
          receivedUs: part.receivedUs + Math.round(random() * 9 * usPerSecond),
        };
        return random() < 0.3 ? [one, again] : [one];
      });
    }),
  );
  const restartAt = random() < 0.5 ? Math.floor(random() * requests.length) : -1;
  return { requests, restartAt };
}
