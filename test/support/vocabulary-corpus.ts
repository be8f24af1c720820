/**
 * Every item that a test knows of a foreign source, one by one: the fixtures of `fixtures/vocabulary/`, in
 * each form in which they may come, and a share of every recording. A new fixture is found by itself.
 */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { requestTypes, type SignalName } from "./otlp-oracle.ts";
import {
  keyValues,
  logsRequest,
  metricsRequest,
  tracesRequest,
  type Attributes,
} from "./otlp-build.ts";
import { readSamples } from "./prometheus-text.ts";
import { readRecording, recordingPaths } from "./recordings.ts";

/** A part of a request as protobufjs reads it: numbers of 64 bits as text, bytes in base64. */
export type Plain = Record<string, unknown>;

/** One metric, span or log record with its surroundings. */
export interface CorpusItem {
  /** The file that it is of. */
  readonly from: string;
  readonly signal: SignalName;
  readonly resource: Plain;
  readonly scope: Plain;
  readonly item: Plain;
}

/** The lists in which a request of each signal holds its items. */
const listsOf = {
  metrics: ["resource_metrics", "scope_metrics", "metrics"],
  traces: ["resource_spans", "scope_spans", "spans"],
  logs: ["resource_logs", "scope_logs", "log_records"],
} as const satisfies Record<SignalName, readonly [string, string, string]>;

const folder = path.join(import.meta.dirname, "../fixtures/vocabulary");
const observedNs = 1_795_246_290_123_456_789n;
const k8sScope =
  "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sobjectsreceiver";

export function vocabularyCorpus(perRecording: number): CorpusItem[] {
  const fixtures = readdirSync(folder).flatMap((name) => fixtureItems(name));
  const recorded = recordingPaths().flatMap((recording) => {
    const all = readRecording(recording).flatMap(({ signal, body }) =>
      itemsOf(recording, signal, body),
    );
    const every = Math.max(1, Math.floor(all.length / perRecording));
    return all.filter((_, index) => index % every === 0);
  });
  return [...fixtures, ...recorded];
}

/** The items of a request. */
function itemsOf(from: string, signal: SignalName, body: Buffer): CorpusItem[] {
  const type = requestTypes[signal];
  const request = type.toObject(type.decode(body), { longs: String, bytes: String });
  const [resources, scopes, items] = listsOf[signal];
  return list(request, resources).flatMap((ofResource) =>
    list(ofResource, scopes).flatMap((ofScope) =>
      list(ofScope, items).map((item) => ({
        from,
        signal,
        resource: plain(ofResource["resource"]),
        scope: plain(ofScope["scope"]),
        item,
      })),
    ),
  );
}

/** A request of one item, and of those that stand beside it. */
export function requestOf(one: CorpusItem, beside: readonly CorpusItem[]): Buffer {
  const all = [one, ...beside];
  return encode(
    one.signal,
    all.map((item) => [item]),
  );
}

/** @public The bench's: a request of many, those of one resource and scope together. */
export function batchOf(items: readonly CorpusItem[]): Buffer {
  const alike = new Map<string, CorpusItem[]>();
  for (const item of items) {
    const key = JSON.stringify([item.resource, item.scope]);
    alike.set(key, [...(alike.get(key) ?? []), item]);
  }
  return encode(items[0]?.signal ?? "logs", [...alike.values()]);
}

function encode(signal: SignalName, groups: readonly (readonly CorpusItem[])[]): Buffer {
  const type = requestTypes[signal];
  const [resources, scopes, items] = listsOf[signal];
  const request = {
    [resources]: groups.map((group) => ({
      resource: group[0]?.resource,
      [scopes]: [{ scope: group[0]?.scope, [items]: group.map(({ item }) => item) }],
    })),
  };
  return Buffer.from(type.encode(type.fromObject(request)).finish());
}

const list = (within: Plain, name: string): Plain[] => (within[name] ?? []) as Plain[]; // lists of messages
const plain = (value: unknown): Plain => (value ?? {}) as Plain; // a message, or none

function fixtureItems(name: string): CorpusItem[] {
  if (name.endsWith(".md")) return [];
  const text = readFileSync(path.join(folder, name), "utf8").trim();
  if (name.endsWith(".prom")) return sampleItems(name, text);
  if (!name.endsWith(".json")) {
    const items = name.startsWith("k8s-") ? objectItems : lineItems;
    return text.split("\n").flatMap((line) => items(name, line));
  }
  const parsed = JSON.parse(text) as Fixture | readonly Fixture[]; // of this folder
  return (Array.isArray(parsed) ? (parsed as readonly Fixture[]) : [parsed as Fixture]).flatMap(
    (one) => {
      if ("metrics" in one) return metricItems(name, one as MetricFixture); // of this folder
      return "spans" in one
        ? spanItems(name, one as SpanFixture)
        : objectItems(name, JSON.stringify(one));
    },
  );
}

type Fixture = MetricFixture | SpanFixture | Attributes;

/** Each sample of a page that is scraped. */
function sampleItems(from: string, text: string): CorpusItem[] {
  const metrics = readSamples(text).map(({ name, labels, value }) => ({
    name,
    temporality: "gauge",
    points: [{ value, attributes: labels }],
  }));
  const resource = { "service.name": from, "service.instance.id": "10.244.1.90:8080" };
  return metricItems(from, { scope: "otelcol/prometheusreceiver", resource, metrics });
}

/** As the receiver lists it, as it watches it, and with the type in an attribute. */
function objectItems(from: string, line: string): CorpusItem[] {
  const parsed = JSON.parse(line) as Attributes; // an object, or one with the name of its resource
  const body = parsed["object"] ?? parsed;
  const attributes = { "k8s.resource.name": parsed["resource"] ?? "pods" };
  const forms = [
    { body, attributes },
    { body: JSON.stringify(body), attributes },
    { body: { type: "MODIFIED", object: body }, attributes },
    { body, attributes: { ...attributes, "event.type": "DELETED" } },
  ];
  const request = logsRequest(
    { scope: k8sScope },
    forms.map((form) => ({ ...form, observedNs })),
  );
  return itemsOf(from, "logs", request);
}

interface SpanFixture {
  readonly scope: string;
  readonly resource: Attributes;
  readonly spans: readonly { readonly kind: number; readonly attributes: Attributes }[];
}

function spanItems(from: string, { scope, resource, spans }: SpanFixture): CorpusItem[] {
  const made = spans.map(({ kind, attributes }, index) => ({
    kind,
    span_id: Buffer.from(`span-${index}`.padEnd(8)),
    start_time_unix_nano: String(observedNs),
    end_time_unix_nano: String(observedNs),
    attributes: keyValues(attributes),
  }));
  return itemsOf(from, "traces", tracesRequest({ scope, resource }, made));
}

/** As a file's line, and, of JSON, parsed into the body or into attributes. */
function lineItems(from: string, line: string): CorpusItem[] {
  const parsed = line.startsWith("{") ? [JSON.parse(line) as Attributes] : [];
  if (parsed[0] && "what" in parsed[0]) return recordItems(from, parsed[0]);
  const records = [
    { body: line, observedNs },
    ...parsed.flatMap((body) => [
      { body, observedNs },
      { attributes: body, observedNs },
    ]),
  ];
  return itemsOf(from, "logs", logsRequest({ resource: { "k8s.node.name": "node-1" } }, records));
}

/** A record as its carrier sends it, which says what it shows. */
function recordItems(from: string, { resource = {}, attributes = {}, body }: Attributes) {
  const record = { attributes: attributes as Attributes, body, observedNs }; // of this folder
  return itemsOf(from, "logs", logsRequest({ resource: resource as Attributes }, [record]));
}

interface MetricFixture {
  readonly scope: string;
  readonly resource: Attributes;
  readonly metrics: readonly {
    readonly name: string;
    readonly temporality?: string;
    readonly type?: string;
    readonly points: readonly { readonly value?: number; readonly attributes?: Attributes }[];
  }[];
}

function metricItems(from: string, fixture: MetricFixture): CorpusItem[] {
  const metrics = fixture.metrics.flatMap(({ name, temporality, type, points }) =>
    points.map(({ value = 1, attributes = {} }) => {
      const point = {
        attributes: keyValues(attributes),
        time_unix_nano: String(observedNs),
        as_double: value,
      };
      const kind = (temporality ?? type) === "gauge" ? "gauge" : "sum";
      const more =
        kind === "sum" ? { aggregation_temporality: temporality === "delta" ? 1 : 2 } : {};
      return { name, [kind]: { ...more, data_points: [point] } };
    }),
  );
  return itemsOf(from, "metrics", metricsRequest(fixture, metrics));
}
