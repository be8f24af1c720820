/**
 * Files, `--set` arguments and the environment become one frozen, validated `Config`, or diagnostics
 * with their places. Pure: it reads no file and no environment; the caller hands over both. Every fault
 * is reported, not the first.
 */
import type { z } from "zod";
import { nearest } from "../lib/nearest.ts";
import type { Us } from "../model/time.ts";
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

export interface GrpcReceiverConfig {
  readonly endpoint: Endpoint;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly maxRequestBytes: number;
  readonly inFlightBytesMax: number;
  readonly maxConcurrentStreams: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

export interface Config {
  readonly cluster: string;
  readonly grpc: GrpcReceiverConfig;
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
    readonly dns: readonly string[];
  };
  readonly rules: {
    readonly paths: readonly string[];
    readonly disabled: readonly string[];
  };
  readonly insights: {
    readonly unknownTtlUs: Us;
    readonly reopenWithinUs: Us;
    readonly outageGraceUs: Us;
    readonly activeMax: number;
  };
  readonly web: { readonly endpoint: Endpoint };
  readonly metrics: { readonly seriesMax: number };
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
  const { grpc } = file.receivers;
  const isSamePlace =
    grpc.endpoint.port === file.web.endpoint.port && grpc.endpoint.host === file.web.endpoint.host;
  if (isSamePlace && grpc.endpoint.port !== 0) {
    const message = 'cannot use "web.endpoint": "receivers.grpc.endpoint" is the same';
    faults.push({ path: ["web", "endpoint"], message });
  }
  if (grpc.limits.in_flight_size <= grpc.limits.request_size) {
    const path = ["receivers", "grpc", "limits", "in_flight_size"];
    const message = `cannot use "${path.join(".")}": not larger than "request_size", which could never be received`;
    faults.push({ path, message });
  }
  return faults;
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

function toConfig(file: ConfigFile): Config {
  const { identity, insights, limits, metrics, rules, store, telemetry, web } = file;
  const profile = profileLimits[store.profile];
  return {
    cluster: file.cluster.name,
    grpc: toGrpc(file.receivers.grpc),
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
      dns: identity.dns,
    },
    rules,
    insights: {
      unknownTtlUs: insights.unknown_ttl,
      reopenWithinUs: insights.reopen_within,
      outageGraceUs: insights.outage_grace,
      activeMax: insights.max_active,
    },
    web,
    metrics: { seriesMax: metrics.series },
    limits: {
      workloadsMax: limits.workloads ?? profile.workloadsMax,
      facetsMax: limits.facets ?? profile.facetsMax,
      seriesMax: limits.series ?? profile.seriesMax,
    },
    telemetry: { logLevel: telemetry.log_level, logFormat: telemetry.log_format },
  };
}

function toGrpc({ endpoint, tls, limits }: ConfigFile["receivers"]["grpc"]): GrpcReceiverConfig {
  return {
    endpoint,
    tls: tls === undefined ? null : { certFile: tls.cert_file, keyFile: tls.key_file },
    maxRequestBytes: limits.request_size,
    inFlightBytesMax: limits.in_flight_size,
    maxConcurrentStreams: limits.streams_per_connection,
    maxConnections: limits.connections,
    maxConnectionsPerAddress: limits.connections_per_address,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
