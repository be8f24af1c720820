/**
 * Files, `--set` arguments and the environment become one frozen, validated `Config`, or diagnostics
 * with their places. Pure: it reads no file and no environment; the caller hands over both. Every fault
 * is reported, not the first.
 */
import type { z } from "zod";
import { isLoopback } from "../lib/loopback.ts";
import { nearest } from "../lib/nearest.ts";
import type { Us } from "../model/time.ts";
import {
  accessFaults,
  toAuth,
  toServerTls,
  toWebAuth,
  type AuthConfig,
  type ServerTlsConfig,
  type WebAuthConfig,
} from "./access.ts";
import type { ConfigDiagnostic } from "./diagnostics.ts";
import {
  fileToLayer,
  mergeLayers,
  setToLayer,
  type ConfigText,
  type Environment,
  type Layer,
  type Path,
} from "./layers.ts";
import { configSchema, promised, type ConfigFile } from "./schema.ts";
import type { Endpoint } from "./units.ts";

/** What a list of rules gets and loses. */
export interface ListChange {
  readonly add: readonly string[] | readonly number[];
  readonly remove: readonly string[] | readonly number[];
}

/** Which telemetry is believed how far; "" = any. */
export interface TrustConfig {
  readonly listener: "grpc" | "http" | "";
  readonly client: string;
  readonly origin: string;
  readonly level: "verified" | "attested" | "claimed";
}

export interface GrpcReceiverConfig {
  readonly endpoint: Endpoint;
  readonly tls: ServerTlsConfig | null;
  /** Null = no token is asked for. */
  readonly auth: AuthConfig | null;
  /** It may be reached from the network in plain text, or by anybody. */
  readonly insecure: boolean;
  readonly maxRequestBytes: number;
  readonly inFlightBytesMax: number;
  readonly maxConcurrentStreams: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

export interface HttpReceiverConfig {
  readonly endpoint: Endpoint;
  readonly tls: ServerTlsConfig | null;
  /** Null = no token is asked for. */
  readonly auth: AuthConfig | null;
  /** It may be reached from the network in plain text, or by anybody. */
  readonly insecure: boolean;
  readonly maxRequestBytes: number;
  readonly inFlightBytesMax: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** Insights as OTLP logs to one sink. Files are read when they are used, so that they can be rotated. */
export interface OtlpExporterConfig {
  readonly endpoint: Endpoint;
  readonly tls: {
    readonly insecure: boolean;
    /** "" = the system's authorities. */
    readonly caFile: string;
    /** "" = no certificate of our own. */
    readonly certFile: string;
    readonly keyFile: string;
    /** "" = the endpoint's host. */
    readonly serverName: string;
  };
  /** "" = none. */
  readonly headersFile: string;
  readonly compression: "gzip" | "none";
  readonly timeoutUs: Us;
  readonly retry: { readonly initialUs: Us; readonly maxUs: Us };
  readonly queue: {
    readonly batch: number;
    readonly maxRecords: number;
    readonly maxAgeUs: Us;
  };
  /** 0 = never. */
  readonly reminderUs: Us;
}

export interface ExpectedSource {
  readonly kind: "proxy" | "node_agent" | "objects" | "collector";
  /** "" = any of the kind. */
  readonly key: string;
  /** "" = of any namespace. */
  readonly namespace: string;
  readonly withinUs: Us;
}

export interface Config {
  readonly cluster: string;
  readonly grpc: GrpcReceiverConfig;
  readonly http: HttpReceiverConfig;
  /** The first that fits counts; [] = everybody is attested. */
  readonly trust: readonly TrustConfig[];
  readonly expectedSources: readonly ExpectedSource[];
  readonly exporters: { readonly otlp: OtlpExporterConfig | null };
  readonly store: {
    readonly path: string;
    readonly profile: "standard" | "large";
    readonly maxBytes: number;
  };
  readonly identity: {
    readonly proxyExecutables: readonly string[];
    readonly proxyImages: readonly string[];
    readonly clusterAliases: Readonly<Record<string, string>>;
    readonly clusterCidrs: readonly string[];
    /** [] = those that the mesh's own configuration names. */
    readonly trustDomains: readonly string[];
    readonly proxyDestinations: readonly string[];
    readonly dns: readonly string[];
  };
  readonly rules: {
    readonly paths: readonly string[];
    readonly enabled: readonly string[];
    readonly disabled: readonly string[];
    readonly lists: Readonly<Record<string, ListChange>>;
    /** Rule to name to value. */
    readonly params: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;
    /** As they are written: the loader of rules knows what they must hold. */
    readonly waivers: readonly Readonly<Record<string, unknown>>[];
    readonly waiverMaxUs: Us;
  };
  readonly insights: {
    readonly unknownTtlUs: Us;
    readonly reopenWithinUs: Us;
    readonly outageGraceUs: Us;
    readonly activeMax: number;
  };
  readonly web: {
    readonly endpoint: Endpoint;
    readonly tls: ServerTlsConfig | null;
    /** Null = nobody is asked who he is, but for a certificate that `tls` asks for. */
    readonly auth: WebAuthConfig | null;
    readonly insecure: boolean;
    readonly reload: boolean;
    readonly acknowledge: boolean;
  };
  readonly metrics: { readonly seriesMax: number; readonly namespacesMax: number };
  readonly limits: {
    readonly workloadsMax: number;
    readonly facetsMax: number;
    readonly seriesMax: number;
  };
  readonly telemetry: {
    readonly logLevel: "debug" | "info" | "warn" | "error";
    readonly logFormat: "text" | "json";
  };
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly diagnostics: readonly ConfigDiagnostic[] };

const profileLimits = {
  standard: { workloadsMax: 2_000, facetsMax: 20_000, seriesMax: 200_000 },
  large: { workloadsMax: 20_000, facetsMax: 200_000, seriesMax: 1_000_000 },
};

/** Later files and arguments win; without any file, the defaults. */
export function loadConfig(
  files: readonly ConfigText[],
  sets: readonly string[],
  env: Environment,
): LoadedConfig {
  const layers = [
    ...files.map((file) => fileToLayer(file, env)),
    ...sets.map((set) => setToLayer(set, env)),
  ];
  const broken = layers.flatMap((layer) => layer.diagnostics);
  if (broken.length > 0) return { ok: false, diagnostics: broken };
  const values = layers.map((layer) => layer.value);
  const merged = mergeLayers(files.length > 0 ? values : [{ version: 1 }, ...values]);
  const checked = configSchema.safeParse(merged);
  const faults = checked.success
    ? crossFaults(checked.data)
    : checked.error.issues.flatMap(issueToFaults);
  if (checked.success && faults.length === 0) {
    return { ok: true, config: deepFreeze(toConfig(checked.data)) };
  }
  return { ok: false, diagnostics: faults.map((fault) => locate(fault, layers)) };
}

interface Fault {
  readonly path: Path;
  readonly message: string;
}

function issueToFaults(issue: z.core.$ZodIssue): Fault[] {
  const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(path, key) }));
  }
  const name = path.length === 0 ? "the configuration" : `"${path.join(".")}"`;
  const isMissing = issue.code === "invalid_value" && path.join(".") === "version";
  if (isMissing) return [{ path, message: 'cannot use "version": expected version: 1' }];
  const why = issue.message.replace(/^Invalid input: /, "");
  return [{ path, message: `cannot use ${name}: ${why.charAt(0).toLowerCase()}${why.slice(1)}` }];
}

function unknownKey(path: Path, key: string): string {
  const full = [...path, key].join(".");
  if (promised.has(full)) return `cannot use "${full}": not supported by this version`;
  const meant = nearest(key, keysAt(path));
  return `cannot use "${full}": unknown key${meant === "" ? "" : ` (did you mean "${meant}"?)`}`;
}

/** The keys that are known at a path. */
function keysAt(path: Path): string[] {
  let schema: unknown = configSchema;
  for (const step of path) schema = shapeOf(schema)[String(step)];
  return Object.keys(shapeOf(schema));
}

/** The shape of an object schema below its defaults; empty for anything else. */
function shapeOf(schema: unknown): Record<string, unknown> {
  let current = schema as { shape?: Record<string, unknown>; unwrap?: () => unknown } | undefined; // zod's own
  while (current?.shape === undefined && current?.unwrap !== undefined) {
    current = current.unwrap() as typeof current; // zod's own
  }
  return current?.shape ?? {};
}

/** What no single key can get wrong. */
function crossFaults(file: ConfigFile): Fault[] {
  const faults: Fault[] = [];
  const { grpc, http } = file.receivers;
  const places = [
    { key: "receivers.grpc.endpoint", endpoint: grpc.endpoint },
    { key: "receivers.http.endpoint", endpoint: http.endpoint },
    { key: "web.endpoint", endpoint: file.web.endpoint },
  ];
  places.forEach(({ key, endpoint }, index) => {
    const same = places.slice(0, index).find((other) => isSamePlace(other.endpoint, endpoint));
    if (same === undefined) return;
    faults.push({
      path: key.split("."),
      message: `cannot use "${key}": "${same.key}" is the same`,
    });
  });
  for (const [name, { limits }] of Object.entries({ grpc, http })) {
    if (limits.in_flight_size > limits.request_size) continue;
    const path = ["receivers", name, "limits", "in_flight_size"];
    const message = `cannot use "${path.join(".")}": not larger than "request_size", which could never be received`;
    faults.push({ path, message });
  }
  faults.push(...accessFaults(file));
  const { otlp } = file.exporters;
  if (otlp && (otlp.tls.cert_file === undefined) !== (otlp.tls.key_file === undefined)) {
    const path = ["exporters", "otlp", "tls"];
    const message = `cannot use "${path.join(".")}": "cert_file" and "key_file" belong together`;
    faults.push({ path, message });
  }
  return faults;
}

/** Port 0 is any free port, so two of them never meet. */
function isSamePlace(a: Endpoint, b: Endpoint): boolean {
  return a.port !== 0 && a.port === b.port && a.host === b.host;
}

/** In the last layer that says it; of a key that is missing, where its nearest parent stands. */
function locate({ path, message }: Fault, layers: readonly Layer[]): ConfigDiagnostic {
  for (let length = path.length; length > 0; length--) {
    for (const layer of layers.toReversed()) {
      const found = layer.at(path.slice(0, length), message);
      if (found !== null) return found;
    }
  }
  const first = layers[0]?.at([], message);
  return first ?? { file: "defaults", line: 1, column: 1, source: "", message };
}

function toRules({ waiver_max: waiverMaxUs, ...rules }: ConfigFile["rules"]): Config["rules"] {
  return { ...rules, waiverMaxUs };
}

function toConfig(file: ConfigFile): Config {
  const { identity, insights, limits, metrics, rules, store, telemetry, web } = file;
  const profile = profileLimits[store.profile];
  return {
    cluster: file.cluster.name,
    grpc: toGrpc(file.receivers.grpc),
    http: toHttp(file.receivers.http),
    trust: file.receivers.trust.map(({ listener, client, origin, level }) => ({
      listener: listener ?? "",
      client: client ?? "",
      origin: origin ?? "",
      level,
    })),
    expectedSources: file.expected_sources.map(({ kind, key, namespace, within }) => ({
      kind,
      key: key ?? "",
      namespace: namespace ?? "",
      withinUs: within,
    })),
    exporters: { otlp: file.exporters.otlp === undefined ? null : toOtlp(file.exporters.otlp) },
    store: {
      path: store.path,
      profile: store.profile,
      maxBytes: store.max_size,
    },
    identity: {
      proxyExecutables: identity.proxy_executables,
      proxyImages: identity.images,
      clusterAliases: identity.cluster_aliases,
      clusterCidrs: identity.cluster_cidrs,
      trustDomains: identity.trust_domains,
      proxyDestinations: identity.proxy_destinations,
      dns: identity.dns,
    },
    rules: toRules(rules),
    insights: {
      unknownTtlUs: insights.unknown_ttl,
      reopenWithinUs: insights.reopen_within,
      outageGraceUs: insights.outage_grace,
      // One of each workload: when the engine is new, nobody has been heard of yet.
      activeMax: insights.max_active ?? limits.workloads ?? profile.workloadsMax,
    },
    web: toWeb(web),
    metrics: { seriesMax: metrics.series, namespacesMax: metrics.namespaces },
    limits: {
      workloadsMax: limits.workloads ?? profile.workloadsMax,
      facetsMax: limits.facets ?? profile.facetsMax,
      seriesMax: limits.series ?? profile.seriesMax,
    },
    telemetry: { logLevel: telemetry.log_level, logFormat: telemetry.log_format },
  };
}

function toGrpc({
  endpoint,
  tls,
  auth,
  insecure,
  limits,
}: ConfigFile["receivers"]["grpc"]): GrpcReceiverConfig {
  return {
    endpoint,
    tls: toServerTls(tls),
    auth: toAuth(auth),
    insecure,
    maxRequestBytes: limits.request_size,
    inFlightBytesMax: limits.in_flight_size,
    maxConcurrentStreams: limits.streams_per_connection,
    maxConnections: limits.connections,
    maxConnectionsPerAddress: limits.connections_per_address,
  };
}

function toHttp({
  endpoint,
  tls,
  auth,
  insecure,
  limits,
}: ConfigFile["receivers"]["http"]): HttpReceiverConfig {
  return {
    endpoint,
    tls: toServerTls(tls),
    auth: toAuth(auth),
    insecure,
    maxRequestBytes: limits.request_size,
    inFlightBytesMax: limits.in_flight_size,
    maxConnections: limits.connections,
    maxConnectionsPerAddress: limits.connections_per_address,
  };
}

function toWeb({ tls, auth, acknowledge, ...web }: ConfigFile["web"]): Config["web"] {
  const isAsked = auth !== undefined || isLoopback(web.endpoint.host);
  return {
    ...web,
    tls: toServerTls(tls),
    auth: toWebAuth(auth),
    acknowledge: acknowledge ?? isAsked,
  };
}

function toOtlp(file: NonNullable<ConfigFile["exporters"]["otlp"]>): OtlpExporterConfig {
  const { endpoint, tls, compression, queue, retry } = file;
  return {
    endpoint,
    tls: {
      insecure: tls.insecure,
      caFile: tls.ca_file ?? "",
      certFile: tls.cert_file ?? "",
      keyFile: tls.key_file ?? "",
      serverName: tls.server_name ?? "",
    },
    headersFile: file.headers_file ?? "",
    compression,
    timeoutUs: file.timeout,
    retry: { initialUs: retry.initial_interval, maxUs: retry.max_interval },
    queue: { batch: queue.batch, maxRecords: queue.max_records, maxAgeUs: queue.max_age },
    reminderUs: file.reminder,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
