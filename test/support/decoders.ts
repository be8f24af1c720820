/** The three decoders behind one function, with their results as plain objects. */
import { isDeepStrictEqual } from "node:util";
import { LogsDecoder } from "../../src/decode/logs.ts";
import { MetricsDecoder } from "../../src/decode/metrics.ts";
import { TracesDecoder } from "../../src/decode/traces.ts";
import type { DecodeError } from "../../src/decode/views.ts";
import { bytesToPlain } from "./otlp-oracle.ts";
import type { Plain, SignalName } from "./otlp-oracle.ts";
import { logsToPlain, metricsToPlain, tracesToPlain } from "./view-to-plain.ts";

export type DecodedPlain = { readonly ok: true; readonly plain: () => Plain } | DecodeError;

/** Decoders are reused from request to request, as the engine does: leftovers would show. */
const decoders = {
  metrics: new MetricsDecoder(),
  traces: new TracesDecoder(),
  logs: new LogsDecoder(),
};

export function decodeToPlain(signal: SignalName, bytes: Buffer): DecodedPlain {
  switch (signal) {
    case "metrics": {
      const decoded = decoders.metrics.decode(bytes);
      return decoded.ok ? { ok: true, plain: () => metricsToPlain(decoded.view) } : decoded;
    }
    case "traces": {
      const decoded = decoders.traces.decode(bytes);
      return decoded.ok ? { ok: true, plain: () => tracesToPlain(decoded.view) } : decoded;
    }
    case "logs": {
      const decoded = decoders.logs.decode(bytes);
      return decoded.ok ? { ok: true, plain: () => logsToPlain(decoded.view) } : decoded;
    }
  }
}

/** "" when the decoder and protobufjs read the same from the request, else both, for a failure. */
export function differenceFromOracle(signal: SignalName, bytes: Buffer): string {
  const decoded = decodeToPlain(signal, bytes);
  const actual = decoded.ok ? decoded.plain() : decoded;
  const expected = bytesToPlain(signal, bytes);
  if (isDeepStrictEqual(actual, expected)) return "";
  return [bytes.toString("hex"), JSON.stringify(actual), JSON.stringify(expected)].join("\n");
}
