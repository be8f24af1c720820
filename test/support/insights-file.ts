/** What the collector's file exporter wrote: OTLP logs as JSON lines. */
import { existsSync, readFileSync } from "node:fs";

/** One log record, attributes as a plain object. */
export interface WrittenLog {
  readonly eventName: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  readonly timeMs: number;
  readonly scope: string;
  readonly schemaUrl: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** [] while the file is not there yet. */
export function readInsights(path: string): WrittenLog[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => logsOf(JSON.parse(line) as WrittenRequest));
}

interface WrittenValue {
  readonly stringValue?: string;
  readonly intValue?: string;
  readonly boolValue?: boolean;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly WrittenValue[] };
}
type WrittenAttributes = readonly { readonly key: string; readonly value: WrittenValue }[];
interface WrittenRequest {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes?: WrittenAttributes };
    readonly scopeLogs: readonly {
      readonly scope: { readonly name?: string };
      readonly schemaUrl?: string;
      readonly logRecords: readonly {
        readonly eventName?: string;
        readonly severityNumber?: number;
        readonly severityText?: string;
        readonly timeUnixNano: string;
        readonly body: WrittenValue;
        readonly attributes?: WrittenAttributes;
      }[];
    }[];
  }[];
}

function logsOf(request: WrittenRequest): WrittenLog[] {
  return request.resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, schemaUrl, logRecords }) =>
      logRecords.map((record) => ({
        eventName: record.eventName ?? "",
        severityNumber: record.severityNumber ?? 0,
        severityText: record.severityText ?? "",
        body: record.body.stringValue ?? "",
        timeMs: Number(BigInt(record.timeUnixNano) / 1_000_000n),
        scope: scope.name ?? "",
        schemaUrl: schemaUrl ?? "",
        resource: plain(resource.attributes ?? []),
        attributes: plain(record.attributes ?? []),
      })),
    ),
  );
}

function plain(attributes: WrittenAttributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}

function plainValue(value: WrittenValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
