/**
 * The configuration's file format: every key, its form, default and meaning, once. The validator, the
 * JSON Schema and the reference page are made from it. Unknown keys are errors; keys that are promised
 * and not yet built are errors of their own (`promised`).
 */
import { z } from "zod";
import { parseDestination } from "../lib/destination.ts";
import { canonicalIp, parseCidr } from "../lib/ip.ts";
import { scopes, type Scope } from "../model/access.ts";
import { durationPattern, parseDuration } from "../model/durations.ts";
import { parseEndpoint, parseSize, sizePattern } from "./units.ts";

/** Text in, a number or record out; `null` from the parser is bad input. */
function parsed<T>(pattern: string | null, what: string, parse: (text: string) => T | null) {
  const text = z.string({ error: `expected ${what}` });
  return (pattern === null ? text : text.meta({ pattern })).transform((value, context): T => {
    const result = parse(value);
    if (result !== null) return result;
    context.issues.push({ code: "custom", input: value, message: `expected ${what}` });
    return z.NEVER;
  });
}

const duration = parsed(
  durationPattern,
  'a length of time such as "30s" or "1h30m"',
  parseDuration,
);
const size = parsed(sizePattern, 'a size such as "64MiB"', parseSize);
const endpoint = parsed(
  null,
  'host and port such as "127.0.0.1:4317" (0.0.0.0 listens on every address)',
  parseEndpoint,
);
const cidr = z.string().refine((text) => parseCidr(text) !== null, {
  message: 'expected a network such as "10.0.0.0/8"',
});
const address = z.string().refine((text) => canonicalIp(text) !== "", {
  message: 'expected an address such as "10.0.0.10"',
});
const destination = z.string().refine((text) => parseDestination(text) !== null, {
  message:
    'expected a destination such as "otel.monitoring.svc:4317", "10.0.0.7:4317", "10.0.0.0/8:4317" or "[2001:db8::/32]:4317"',
});
const count = (min: number) => z.int().min(min).max(100_000_000);
/** As in rule files, whose loader knows which there are. */
const name = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/);
const slug = z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
const items = z.union([z.array(z.string()), z.array(z.int())]).default([]);
const words = z.array(z.string().min(1)).max(1_000);

/** A group of keys; left out, every key of it has its default. */
function group<Shape extends z.ZodRawShape>(shape: Shape, about: string) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .describe(about); // {} is checked: all keys have defaults
}

/** A certificate and key to serve with. */
const serverTls = z
  .strictObject({
    cert_file: z.string().min(1).describe("PEM file with the certificate chain"),
    key_file: z.string().min(1).describe("PEM file with the private key"),
    client_ca_file: z
      .string()
      .min(1)
      .optional()
      .describe(
        "PEM file with the authorities of which every sender must show a certificate; at `web`, of which it may",
      ),
    min_version: z.enum(["1.2", "1.3"]).default("1.3").describe("Oldest version of TLS"),
  })
  .optional()
  .describe("Serve TLS; without it, plain text. Changed files are used within seconds");

/** A name that logs and `receivers.trust` show. */
const holder = z
  .string()
  .regex(/^[\x21-\x7e]{1,253}$/, { error: "expected a name without spaces" });

const tokenFields = {
  name: holder.describe("Whose it is: what logs show, and `client` in `receivers.trust`"),
  token_file: z
    .string()
    .min(1)
    .describe(
      "File with one token per line, or `sha256:` and the hex SHA-256 of one; `#` begins a comment. Each of them is accepted, so that old and new overlap; a changed file is used within seconds",
    ),
};
const scopesOf = (otherwise: Scope, about: string) =>
  z.array(z.enum(scopes)).min(1).max(scopes.length).default([otherwise]).describe(about);

const receiverAuth = z
  .strictObject({
    tokens: z
      .array(
        z.strictObject({
          ...tokenFields,
          scopes: scopesOf("ingest", "What it allows; to send telemetry takes `ingest`"),
        }),
      )
      .min(1)
      .max(1_000)
      .describe("Who may send, with `Authorization: Bearer <token>`"),
  })
  .optional()
  .describe("Ask senders for a token, before any of a request's body is read");

const readable = z
  .array(z.string().min(1).max(253))
  .max(1_000)
  .default([])
  .describe("What `read` is limited to; empty = everything");
const webScopes = scopesOf(
  "read",
  "`read`: page and API; `metrics`: /metrics; `admin`: acknowledge and reload. None includes another",
);

const webAuth = z
  .strictObject({
    tokens: z
      .array(z.strictObject({ ...tokenFields, scopes: webScopes, namespaces: readable }))
      .max(1_000)
      .default([])
      .describe("Who may ask, with `Authorization: Bearer <token>` or by logging in with it"),
    clients: z
      .array(
        z.strictObject({
          name: holder.describe("As `client` in `receivers.trust`"),
          scopes: webScopes,
          namespaces: readable,
        }),
      )
      .max(1_000)
      .default([])
      .describe("Who may ask by the certificate that `tls.client_ca_file` lets them show"),
    anonymous: z
      .array(z.enum(scopes))
      .max(scopes.length)
      .default([])
      .describe("What may be done by who shows nothing; beyond loopback it takes `insecure`"),
    session: duration.prefault("12h").describe("How long a login holds"),
  })
  .optional()
  .describe(
    "Ask who it is; without it everybody may who reaches the endpoint, or who shows a certificate that `tls.client_ca_file` asks for (`read` and `metrics`). Health is open",
  );

const insecure = z
  .boolean()
  .default(false)
  .describe(
    "May be reached from the network in plain text, or without token or certificate: something else protects it. Without this such an endpoint is refused",
  );

const grpc = group(
  {
    endpoint: endpoint.prefault("127.0.0.1:4317").describe("Where OTLP/gRPC is received"),
    tls: serverTls,
    auth: receiverAuth,
    insecure,
    limits: group(
      {
        request_size: size.prefault("64MiB").describe("One request, on the wire and inflated"),
        in_flight_size: size.prefault("128MiB").describe("All requests not answered yet"),
        streams_per_connection: count(1).default(16).describe("Concurrent requests of one sender"),
        connections: count(1).default(1_024).describe("Open connections"),
        connections_per_address: count(1)
          .default(64)
          .describe("Open connections of one address; loopback is exempt"),
      },
      "What one sender, and all of them, may take",
    ),
  },
  "OTLP over gRPC",
);

const http = group(
  {
    endpoint: endpoint.prefault("127.0.0.1:4318").describe("Where OTLP/HTTP is received"),
    tls: serverTls,
    auth: receiverAuth,
    insecure,
    limits: group(
      {
        request_size: size.prefault("64MiB").describe("One request, on the wire and inflated"),
        in_flight_size: size.prefault("128MiB").describe("All requests not answered yet"),
        connections: count(1).default(1_024).describe("Open connections"),
        connections_per_address: count(1)
          .default(64)
          .describe("Open connections of one address; loopback is exempt"),
      },
      "What one sender, and all of them, may take",
    ),
  },
  "OTLP over HTTP (protobuf)",
);

const trustEntry = z
  .strictObject({
    listener: z.enum(["grpc", "http"]).optional().describe("The receiver; without it, any"),
    client: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Name of the sender's token, where the receiver's `auth` asks for one; else the name in its certificate (its first URI name, else DNS name, else common name), which `tls.client_ca_file` asks for; without it, any sender",
      ),
    origin: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Resource attribute `mesh_insights.origin`, which the collector's pipelines must set whatever a sender claims; without it, any",
      ),
    level: z
      .enum(["verified", "attested", "claimed"])
      .describe("How far it is believed; `verified` takes a `client`"),
  })
  .describe("A way by which telemetry comes, and how far it is believed");

const otlpExporter = z
  .strictObject({
    endpoint: endpoint.describe("OTLP/gRPC address of the sink, as of a collector"),
    tls: group(
      {
        insecure: z.boolean().default(false).describe("Send in plain text"),
        ca_file: z
          .string()
          .min(1)
          .optional()
          .describe("PEM file with the authorities to trust instead of the system's"),
        cert_file: z.string().min(1).optional().describe("PEM file with our own certificate"),
        key_file: z.string().min(1).optional().describe("PEM file with our own private key"),
        server_name: z
          .string()
          .min(1)
          .optional()
          .describe("Name that the sink's certificate must hold, if not that of the endpoint"),
      },
      "TLS towards the sink; on unless `insecure`",
    ),
    headers_file: z
      .string()
      .min(1)
      .optional()
      .describe("File with one `name: value` per line, sent with each request; read anew for each"),
    compression: z.enum(["gzip", "none"]).default("gzip").describe("Of requests"),
    timeout: duration.prefault("10s").describe("For one request"),
    retry: group(
      {
        initial_interval: duration.prefault("1s").describe("First pause after a failure"),
        max_interval: duration.prefault("30s").describe("Longest pause; there is no last attempt"),
      },
      "After a failure: the pause doubles, with jitter; a sink that names a time is obeyed",
    ),
    queue: group(
      {
        batch: count(1).default(100).describe("Records in one request"),
        max_records: count(1_000).default(100_000).describe("Records kept while the sink is down"),
        max_age: duration.prefault("72h").describe("How long a record is kept"),
      },
      "The outbox in the store",
    ),
    reminder: duration
      .prefault("24h")
      .describe("An insight that still fires is told again this often; 0s = never"),
  })
  .describe("Insights as OTLP logs");

const expectedSource = z
  .strictObject({
    kind: z
      .enum(["proxy", "node_agent", "objects", "collector"])
      .describe("What kind of source must be heard"),
    key: z
      .string()
      .min(1)
      .optional()
      .describe("Which one, as `GET /api/v1/sources` names it; without it, any of the kind"),
    namespace: z.string().min(1).optional().describe("One of this namespace; without it, of any"),
    within: duration
      .prefault("5m")
      .describe("Silent when it was not heard for this long, also after the start"),
  })
  .describe("A source without which this engine is blind");

const identity = group(
  {
    proxy_executables: words
      .default(["/usr/local/bin/envoy", "pilot-agent", "ztunnel"])
      .describe(
        "Executables that are the proxy, if they run in its container; without a slash, the last part of the path",
      ),
    images: words
      .default(["proxyv2", "istio-proxy", "ztunnel"])
      .describe("Texts of which the last part of the proxy's image must hold one"),
    cluster_aliases: z
      .record(z.string().min(1), z.string().min(1))
      .default({})
      .describe("Other names of clusters, each with the name used here"),
    cluster_cidrs: z
      .array(cidr)
      .max(1_000)
      .default([])
      .describe(
        "Networks inside the cluster, beside the private ones: peers there are not external",
      ),
    trust_domains: words
      .default([])
      .describe(
        "Trust domains that identities may be of; without any, those that the mesh's configuration names",
      ),
    proxy_destinations: z
      .array(destination)
      .max(1_000)
      .default([])
      .describe(
        "Where proxies connect to on their own account and log nothing, as to the collector, beside what the mesh's configuration names: a flow there is no connection without its line; a process that goes around its proxy to there still is one",
      ),
    dns: z
      .array(address)
      .max(1_000)
      .default(["169.254.20.10"])
      .describe("Addresses of name servers, beside kube-dns: to ask them is no bypass"),
  },
  "Who is who in this mesh",
);

const limits = group(
  {
    workloads: count(1).optional().describe("Workloads in the graph; default by the profile"),
    facets: count(1).optional().describe("Edges by protocol and port; default by the profile"),
    series: count(1).optional().describe("Metric series; default by the profile"),
  },
  "What the graph may hold: 2,000, 20,000, 200,000; profile large 20,000, 200,000, 1,000,000",
);

export const configSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this file format"),
    cluster: group(
      {
        name: z
          .string()
          .min(1)
          .max(253)
          .default("default")
          .describe("The cluster's name where telemetry gives none"),
      },
      "The cluster that is observed",
    ),
    receivers: group(
      {
        grpc,
        http,
        trust: z
          .array(trustEntry)
          .max(1_000)
          .default([])
          .describe(
            "Who is believed how far: the first entry that fits counts, and what fits none is only claimed: it raises insights, but withdraws, resolves and proves nothing. Without any entry everybody is attested (`open-trust`)",
          ),
      },
      "What telemetry is received by",
    ),
    store: group(
      {
        path: z.string().min(1).default("data/mesh-insights.db").describe("The database file"),
        profile: z.enum(["standard", "large"]).default("standard").describe("Size of the mesh"),
        max_size: size.prefault("8GiB").describe("The database refuses to grow beyond"),
      },
      "Where everything is kept",
    ),
    identity,
    rules: group(
      {
        paths: words.default([]).describe("Folders of rules beside the shipped ones"),
        enabled: words.default([]).describe("Ids of rules to switch on that are off by themselves"),
        disabled: words.default([]).describe("Ids of rules to switch off"),
        lists: z
          .record(name, z.strictObject({ add: items, remove: items }))
          .default({})
          .describe("Lists of rules: what each gets and loses, for every rule that uses it"),
        params: z
          .record(slug, z.record(name, z.union([z.string(), z.number(), z.boolean()])))
          .default({})
          .describe("Params of rules, by rule and name"),
        waivers: z
          .array(z.record(z.string(), z.unknown()))
          .max(1_000)
          .default([])
          .describe("Accepted findings, as in a rule file (docs/rules.md)"),
        waiver_max: duration.prefault("365d").describe("How far ahead a waiver may end"),
      },
      "What is looked for",
    ),
    expected_sources: z
      .array(expectedSource)
      .max(1_000)
      .default([])
      .describe("Sources that must be heard: `source-silent` fires also when they never were"),
    exporters: group({ otlp: otlpExporter.optional() }, "Where insights are sent"),
    insights: group(
      {
        unknown_ttl: duration.prefault("24h").describe("In state unknown, then archived"),
        reopen_within: duration.prefault("24h").describe("True again: the same episode goes on"),
        outage_grace: duration
          .prefault("10m")
          .describe("How much of an outage of the engine counts toward a rule's `for`"),
        max_active: count(1)
          .optional()
          .describe("Active insights of one rule; default as many as there may be workloads"),
      },
      "The life of insights",
    ),
    web: group(
      {
        endpoint: endpoint.prefault("127.0.0.1:4316").describe("Page, API, /metrics and health"),
        tls: serverTls,
        auth: webAuth,
        insecure,
        reload: z
          .boolean()
          .default(false)
          .describe("Answer `POST /-/reload`; SIGHUP reloads whatever this says"),
        acknowledge: z
          .boolean()
          .optional()
          .describe(
            "Let insights be acknowledged through the API, which takes the scope `admin` where `auth` is set; default where it is, or on loopback",
          ),
      },
      "What people and Prometheus see",
    ),
    metrics: group(
      {
        series: count(100).default(5_000).describe("Most series of /metrics"),
        namespaces: count(1)
          .default(200)
          .describe("Namespaces with series of their own; the others are `_other` together"),
      },
      "Limits of /metrics",
    ),
    limits,
    telemetry: group(
      {
        log_level: z
          .enum(["debug", "info", "warn", "error"])
          .default("info")
          .describe("Least severe lines that are written"),
        log_format: z
          .enum(["text", "json"])
          .default("text")
          .describe("Form of the engine's own log"),
      },
      "What the engine says about itself",
    ),
  })
  .describe("mesh-insights configuration, version 1");

/** Effective values in the file's own names. */
export type ConfigFile = z.output<typeof configSchema>;

/** Keys of later versions: refused with a reason of their own, since ignoring them would be a lie. */
export const promised: ReadonlySet<string> = new Set([
  "privacy",
  "exporters.alertmanager",
  "store.retention",
  "identity.uid",
  "identity.gid",
  "identity.external_groups",
  "metrics.tempo_names",
  "metrics.kiali_names",
  "web.external_url",
]);

/** The JSON Schema of a configuration file as people write it. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input" });
}
