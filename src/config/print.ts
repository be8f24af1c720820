/**
 * A configuration as the file that gives it again: every key with its effective value, nothing left to
 * defaults. It holds no secret, since secrets are only ever named by `*_file`; a test sees to that.
 */
import { stringify } from "yaml";
import type { z } from "zod";
import { durationToText } from "../model/durations.ts";
import type { WebAuthConfig } from "./access.ts";
import type { Config, OtlpExporterConfig } from "./config.ts";
import type { configSchema } from "./schema.ts";
import type { Endpoint } from "./units.ts";

type FileInput = z.input<typeof configSchema>;

/** YAML without comments; `loadConfig` makes the same `Config` of it. */
export function printConfig(config: Config): string {
  return stringify(escaped(configToFile(config)), { lineWidth: 0 });
}

function configToFile(config: Config): FileInput {
  const { identity, insights, limits, metrics, rules, store, telemetry, web } = config;
  const { otlp } = config.exporters;
  return {
    version: 1,
    cluster: { name: config.cluster },
    receivers: {
      grpc: {
        endpoint: endpointToText(config.grpc.endpoint),
        ...accessToFile(config.grpc),
        limits: {
          ...sharedLimits(config.grpc),
          streams_per_connection: config.grpc.maxConcurrentStreams,
        },
      },
      http: {
        endpoint: endpointToText(config.http.endpoint),
        ...accessToFile(config.http),
        limits: sharedLimits(config.http),
      },
      trust: config.trust.map(({ listener, client, origin, level }) => ({
        ...(listener === "" ? {} : { listener }),
        ...unlessEmpty("client", client),
        ...unlessEmpty("origin", origin),
        level,
      })),
    },
    store: {
      path: store.path,
      profile: store.profile,
      max_size: sizeToText(store.maxBytes),
    },
    identity: {
      proxy_executables: [...identity.proxyExecutables],
      images: [...identity.proxyImages],
      cluster_aliases: { ...identity.clusterAliases },
      cluster_cidrs: [...identity.clusterCidrs],
      trust_domains: [...identity.trustDomains],
      proxy_destinations: [...identity.proxyDestinations],
      dns: [...identity.dns],
    },
    rules: rulesToFile(rules),
    expected_sources: config.expectedSources.map(({ kind, key, namespace, withinUs }) => ({
      kind,
      ...unlessEmpty("key", key),
      ...unlessEmpty("namespace", namespace),
      within: durationToText(withinUs),
    })),
    exporters: otlp === null ? {} : { otlp: otlpToFile(otlp) },
    insights: {
      unknown_ttl: durationToText(insights.unknownTtlUs),
      reopen_within: durationToText(insights.reopenWithinUs),
      outage_grace: durationToText(insights.outageGraceUs),
      max_active: insights.activeMax,
    },
    web: webToFile(web),
    metrics: { series: metrics.seriesMax, namespaces: metrics.namespacesMax },
    limits: {
      workloads: limits.workloadsMax,
      facets: limits.facetsMax,
      series: limits.seriesMax,
    },
    telemetry: { log_level: telemetry.logLevel, log_format: telemetry.logFormat },
  };
}

function rulesToFile(rules: Config["rules"]) {
  const lists = Object.entries(rules.lists).map(([name, { add, remove }]) => [
    name,
    { add: [...add], remove: [...remove] },
  ]);
  return {
    paths: [...rules.paths],
    enabled: [...rules.enabled],
    disabled: [...rules.disabled],
    lists: Object.fromEntries(lists) as NonNullable<FileInput["rules"]>["lists"], // of its own entries
    params: { ...rules.params },
    waivers: [...rules.waivers],
    waiver_max: durationToText(rules.waiverMaxUs),
  };
}

/** What both receivers limit. */
function sharedLimits(receiver: Config["http"]) {
  return {
    request_size: sizeToText(receiver.maxRequestBytes),
    in_flight_size: sizeToText(receiver.inFlightBytesMax),
    connections: receiver.maxConnections,
    connections_per_address: receiver.maxConnectionsPerAddress,
  };
}

function accessToFile({ tls, auth, insecure }: Config["grpc"] | Config["http"]) {
  const tokens = auth?.tokens.map(({ name, tokenFile, scopes }) => {
    return { name, token_file: tokenFile, scopes: [...scopes] };
  });
  return { ...tlsToFile(tls), ...(tokens ? { auth: { tokens } } : {}), insecure };
}

function webToFile({ endpoint, tls, auth, insecure, reload, acknowledge }: Config["web"]) {
  return {
    endpoint: endpointToText(endpoint),
    ...tlsToFile(tls),
    ...(auth === null ? {} : { auth: webAuthToFile(auth) }),
    insecure,
    reload,
    acknowledge,
  };
}

function webAuthToFile(auth: WebAuthConfig) {
  return {
    tokens: auth.tokens.map(({ name, tokenFile, scopes, namespaces }) => {
      return { name, token_file: tokenFile, scopes: [...scopes], namespaces: [...namespaces] };
    }),
    clients: auth.clients.map(({ name, scopes, namespaces }) => {
      return { name, scopes: [...scopes], namespaces: [...namespaces] };
    }),
    anonymous: [...auth.anonymous],
    session: durationToText(auth.sessionUs),
  };
}

function tlsToFile(tls: Config["grpc"]["tls"]) {
  if (tls === null) return {};
  const { certFile, keyFile, clientCaFile, minVersion } = tls;
  return {
    tls: {
      cert_file: certFile,
      key_file: keyFile,
      ...unlessEmpty("client_ca_file", clientCaFile),
      min_version: minVersion,
    },
  };
}

function otlpToFile(otlp: OtlpExporterConfig) {
  const { tls, retry, queue } = otlp;
  return {
    endpoint: endpointToText(otlp.endpoint),
    tls: {
      insecure: tls.insecure,
      ...unlessEmpty("ca_file", tls.caFile),
      ...unlessEmpty("cert_file", tls.certFile),
      ...unlessEmpty("key_file", tls.keyFile),
      ...unlessEmpty("server_name", tls.serverName),
    },
    ...unlessEmpty("headers_file", otlp.headersFile),
    compression: otlp.compression,
    timeout: durationToText(otlp.timeoutUs),
    retry: {
      initial_interval: durationToText(retry.initialUs),
      max_interval: durationToText(retry.maxUs),
    },
    queue: {
      batch: queue.batch,
      max_records: queue.maxRecords,
      max_age: durationToText(queue.maxAgeUs),
    },
    reminder: durationToText(otlp.reminderUs),
  };
}

/** The empty text means "not given", which the format says by leaving the key out. */
function unlessEmpty<Key extends string>(key: Key, text: string): { [K in Key]?: string } {
  return text === "" ? {} : ({ [key]: text } as { [K in Key]: string }); // the one key
}

function endpointToText({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const sizeUnits = [
  ["TiB", 2 ** 40],
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
] as const;

/** In the largest unit that gives a whole number. */
function sizeToText(bytes: number): string {
  const unit = sizeUnits.find(([, size]) => bytes > 0 && bytes % size === 0);
  return unit === undefined ? `${bytes}B` : `${bytes / unit[1]}${unit[0]}`;
}

/**
 * The format has no escape for `${env:`, only variables with a default: one that is never set brings
 * the text through.
 */
function escaped(value: unknown): unknown {
  if (typeof value === "string") {
    return value.replaceAll("${env:", "${env:MESH_INSIGHTS_NEVER_SET:-$}{env:");
  }
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, escaped(part)]));
}
