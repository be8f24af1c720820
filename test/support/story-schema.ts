/**
 * What a story file may say: `test/scenarios/stories/<name>.yaml`. The README beside the stories shows
 * the format by an example. Everything has a default but what the story is about.
 */
import { z } from "zod";
import { layerNames, layerStatuses } from "../../src/model/layers.ts";

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const secondsPer: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds of the story; negative is before its beginning. */
const seconds = z.string().transform((text, context) => {
  const match = durationPattern.exec(text.replace(/^-/, ""));
  if (match) {
    const value = Number(match[1]) * (secondsPer[match[2] ?? ""] ?? 0);
    // Sums like 1 + 0.001 must not become 1.0009999.
    return Math.round((text.startsWith("-") ? -value : value) * 1e6) / 1e6;
  }
  context.addIssue({ code: "custom", message: `expected a time like 3s or 1.5m, not "${text}"` });
  return z.NEVER;
});

/** `web:8080`, `198.51.100.66:443`, `[2001:db8::1]:443`: a name of the mesh or an address, and a port. */
const end = z.string().regex(/^.+:\d{1,5}$/, "expected <name or address>:<port>");
const port = z.int().min(0).max(65_535);
const name = z.string().min(1);
const text = z.string();
const id = z.int().min(0);
/** `web/app`: the container of a pod. */
const container = z.string().regex(/^[^/]+\/[^/]+$/, "expected <pod>/<container>");

const everyEntry = {
  at: seconds,
  /** `claimed`: sent where everybody may send, by whoever likes. */
  trust: z.enum(["attested", "claimed"]).default("attested"),
  /** How far the sender's clock is ahead; negative: behind. */
  skew: seconds.default(0),
  /** When the request arrives, whatever the order of the others: a batch that was retried. */
  arrives: seconds.optional(),
  /** The same again and again, until then. */
  every: seconds.optional(),
  until: seconds.optional(),
};

const processFields = {
  by: container,
  exe: name.optional(),
  uid: id.optional(),
  gid: id.optional(),
  euid: id.optional(),
  egid: id.optional(),
  image: text.optional(),
  /** How the agent writes the container's id. */
  container_id: z.enum(["full", "bare", "short", "none"]).optional(),
  names_container: z.boolean().default(true),
  /** Of which start of the container the id is: 0 of its first one. */
  restarts: id.default(0),
};

const exec = z.strictObject({
  ...everyEntry,
  from: z.literal("tetragon"),
  event: z.literal("exec"),
  ...processFields,
});
const connect = z.strictObject({
  ...everyEntry,
  from: z.literal("tetragon"),
  event: z.literal("connect"),
  ...processFields,
  port,
  to: end,
  udp: z.boolean().default(false),
  /** Each time that it is repeated, the next port of both ends. */
  next_port: z.boolean().default(false),
});
const access = z.strictObject({
  ...everyEntry,
  from: z.literal("tetragon"),
  event: z.literal("access"),
  ...processFields,
  path: name,
  write: z.boolean().default(false),
});

/** An alert of Falco; `tagged`: of a rule that tells of everything. Its ids are printed if they are given. */
const falco = {
  ...everyEntry,
  from: z.literal("falco"),
  ...processFields,
  tagged: z.boolean().default(true),
  /** `spans`: as falcosidekick sends it. */
  by_way_of: z.enum(["file", "spans"]).default("file"),
};
const falcoExec = z.strictObject({ ...falco, event: z.literal("exec") });
const falcoConnect = z.strictObject({
  ...falco,
  event: z.literal("connect"),
  port,
  to: end,
  udp: z.boolean().default(false),
});

/** A process as the collector's host metrics tell of it, beside a pod's name that was added to it. */
const hostMetrics = z.strictObject({
  ...everyEntry,
  from: z.literal("host_metrics"),
  by: container,
  exe: name,
  owner: text.optional(),
});

const netflow = z.strictObject({
  ...everyEntry,
  from: z.literal("netflow"),
  src: end,
  dst: end,
  udp: z.boolean().default(false),
  records: z.enum(["both", "reply", "forward"]).default("both"),
  exporter: text.default("10.0.0.1"),
  lasts: seconds.default(0.04),
  /** TCP's flags that the record saw together: 24 of a connection that goes on, 27 of a whole one. */
  flags: id.default(27),
  cluster: name.optional(),
});

/** How the line comes here; `app_file`: from the output of the application beside the proxy. */
const form = z.enum(["text", "labels", "attributes", "json", "cri_text", "cri_json", "app_file"]);
export type LogForm = z.output<typeof form>;

const envoyLog = z.discriminatedUnion("side", [
  z.strictObject({
    ...everyEntry,
    from: z.literal("envoy_log"),
    side: z.literal("client"),
    form: form.default("text"),
    app: end,
    service: end,
    own: end,
    upstream: end,
    route: text.optional(),
    next_port: z.boolean().default(false),
  }),
  z.strictObject({
    ...everyEntry,
    from: z.literal("envoy_log"),
    side: z.literal("server"),
    form: form.default("text"),
    /** The address that a header of the caller's claims; the log then shows it instead of the caller's. */
    forwarded_for: text.optional(),
    peer: end,
    local: end,
    mtls: z.boolean(),
  }),
]);

const metricFields = {
  reporter: z.enum(["source", "destination", "waypoint"]),
  policy: z.enum(["mutual_tls", "none", "unknown"]),
  source: name,
  destination: name,
  scraped: name,
  identities: z.boolean().default(false),
  /** Instead of the principal that the source's pod would have. */
  source_principal: text.optional(),
  /** `destination_service_name` and `destination_service`, where they are not the destination's. */
  service: name.optional(),
  host: name.optional(),
  flags: text.default("-"),
  /** The response's, where it is not 200. */
  code: text.optional(),
  /** What is counted: requests of HTTP, or connections of TCP. */
  counts: z.enum(["requests", "connections"]).default("requests"),
  /** What the scraping collector adds to what it calls its target. */
  collector: name.optional(),
  /** The counter at two scrapes that lie ten seconds apart, or at one. */
  values: z.array(z.number()).min(1).max(2).default([3, 7]),
};
const envoyMetrics = z.strictObject({
  ...everyEntry,
  from: z.literal("envoy_metrics"),
  ...metricFields,
});
const ztunnelMetrics = z.strictObject({
  ...everyEntry,
  from: z.literal("ztunnel_metrics"),
  ...metricFields,
});

/** Envoy's own counters of one listener, at two scrapes that lie ten seconds apart. */
const envoyStats = z.strictObject({
  ...everyEntry,
  from: z.literal("envoy_stats"),
  scraped: name,
  port: port.default(8_080),
  connections: z.tuple([z.number(), z.number()]),
  /** Without it, that counter is left out. */
  tls: z.tuple([z.number(), z.number()]).optional(),
});

const ztunnelLog = z.strictObject({
  ...everyEntry,
  from: z.literal("ztunnel_log"),
  direction: z.enum(["inbound", "outbound"]),
  form: z.enum(["text", "json", "attributes"]).default("text"),
  src: end,
  /** What the connection was for; with `hbone` the wire's port is 15008. */
  dst: end,
  hbone: z.boolean(),
  error: name.optional(),
});

const obi = z.strictObject({
  ...everyEntry,
  from: z.literal("obi"),
  src: end,
  dst: end,
  /** Addresses and ports are off by default. */
  addresses: z.boolean().default(true),
  /** The counter at exports that lie ten seconds apart. */
  bytes: z.array(z.number()).min(1).default([4_000, 4_000, 4_000]),
  udp: z.boolean().default(false),
});

/** A conversation's packets as Hubble exports them, at every point that reports them. */
const hubble = z.strictObject({
  ...everyEntry,
  from: z.literal("hubble"),
  src: end,
  dst: end,
  udp: z.boolean().default(false),
  /** A policy stopped the first packet. */
  dropped: z.boolean().default(false),
  packets: z.enum(["both", "reply"]).default("both"),
  lasts: seconds.default(0.04),
});

/** What one workload sent another: names, and a port of the server. */
const link = {
  ...everyEntry,
  src: end,
  dst: end,
  /** The gauge at scrapes that lie ten seconds apart. */
  totals: z.array(z.number()).min(1).default([4_000, 9_000, 9_000]),
};
const caretta = z.strictObject({ ...link, from: z.literal("caretta") });
const retina = z.strictObject({ ...link, from: z.literal("retina") });

const coroot = z.strictObject({
  ...everyEntry,
  from: z.literal("coroot"),
  by: container,
  destination: end,
  actual: end,
});

const otelNetwork = z.strictObject({
  ...everyEntry,
  from: z.literal("otel_network"),
  by: container,
  process: name,
  dst: end,
});

const k8s = z.strictObject({
  ...everyEntry,
  from: z.literal("k8s"),
  /** A pod of the mesh, as it is then. */
  pod: name.optional(),
  /** When its life ended: the watch says DELETED. */
  ended: seconds.optional(),
  /** How often its containers were started again. */
  restarts: z.record(name, id).default({}),
  /** Any other object: its resource (`services`) and what the API server holds. */
  resource: name.optional(),
  object: z.record(z.string(), z.unknown()).optional(),
  /** As a watch tells it; without it, as a list does. */
  event: z.enum(["ADDED", "MODIFIED", "DELETED"]).optional(),
  cluster: name.optional(),
});

/** A scrape of kube-state-metrics: what it does not name is not in the cluster then. */
const kubeStateMetrics = z.strictObject({
  ...everyEntry,
  from: z.literal("kube_state_metrics"),
  pods: z.array(name).min(1),
  /** Services of the mesh that are told of too, with what stands behind them. */
  services: z.array(name).default([]),
  /** Deployments and DaemonSets, with their pods that are wanted and that are available. */
  workloads: z
    .array(
      z.strictObject({
        kind: z.enum(["deployment", "daemonset"]),
        namespace: name,
        name,
        desired: id,
        available: id,
      }),
    )
    .default([]),
  /** Which of several instances was scraped. */
  instance: name.default("10.244.1.90:8080"),
  /** Whether its operator allows the annotations of pods. */
  annotations: z.boolean().default(true),
  honor_labels: z.boolean().default(false),
  /** Metrics that are dropped on the way. */
  without: z.array(name).default([]),
});

/** One call through the client's sidecar, as five sources tell it. */
const everybody = z.strictObject({
  ...everyEntry,
  from: z.literal("everybody"),
  call: z.strictObject({
    by: name,
    service: end.default("cart-service:80"),
    to: end.default("cart:8080"),
    app_port: port,
    proxy_port: port,
    uid: id.default(1_000),
  }),
});

const entry = z.discriminatedUnion("from", [
  z.discriminatedUnion("event", [exec, connect, access]),
  z.discriminatedUnion("event", [falcoExec, falcoConnect]),
  netflow,
  envoyLog,
  envoyMetrics,
  ztunnelMetrics,
  envoyStats,
  ztunnelLog,
  obi,
  hubble,
  caretta,
  retina,
  hostMetrics,
  coroot,
  otelNetwork,
  k8s,
  kubeStateMetrics,
  everybody,
]);
export type Entry = z.output<typeof entry>;
/** The entries of one source. */
export type EntryOf<From extends Entry["from"]> = Extract<Entry, { from: From }>;

const containerFields = z.union([
  z.enum(["app", "proxy", "init", "native-proxy"]),
  z.strictObject({
    name,
    image: text.default("registry.example/app:1.0"),
    user: id.optional(),
    init: z.boolean().default(false),
    native: z.boolean().default(false),
  }),
]);
export type ContainerFields = z.output<typeof containerFields>;

const pod = z.strictObject({
  ip: z.string(),
  /** Of a dual stack; a name with `-6` stands for the first of them: `web-6:443`. */
  other_ips: z.array(z.string()).default([]),
  workload: name.optional(),
  namespace: name.default("shop"),
  cluster: name.default("demo"),
  containers: z.array(containerFields).default(["init", "app", "proxy"]),
  port: port.default(8_080),
  suffix: name.default("x7k2p"),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  host_network: z.boolean().default(false),
  /** False: it has user ids of its own. */
  host_users: z.boolean().optional(),
  share_processes: z.boolean().default(false),
  node: name.default("node-1"),
  started: seconds.default(-3_600),
  /** When its object is first seen. */
  announced: z.union([z.literal("never"), seconds]).default(0),
});
export type PodFields = z.output<typeof pod>;

const service = z.strictObject({
  ip: z.string(),
  namespace: name.default("shop"),
  port,
  pods: z.array(name).default([]),
  announced: z.union([z.literal("never"), seconds]).default("never"),
});
export type ServiceFields = z.output<typeof service>;

export const meshSchema = z.strictObject({
  pods: z.record(name, pod).default({}),
  services: z.record(name, service).default({}),
  /** Names for addresses beyond the mesh. */
  hosts: z.record(name, z.string()).default({}),
});
export type MeshFields = z.output<typeof meshSchema>;

const insight = z.strictObject({
  rule: name,
  workload: text,
  peer: text.default(""),
  port: port.default(0),
  /** Without it, any. */
  confidence: z.enum(["high", "medium", "low"]).optional(),
  state: z.enum(["firing", "unknown", "resolved"]).default("firing"),
});
export type ExpectedInsight = z.output<typeof insight>;

/** The engine says that it does not know: by a rule on coverage, or of a rule that lacks telemetry. */
const blindness = z.strictObject({
  rule: name,
  workload: text.default(""),
  /** What a rule would need to see as well, or at least some of it. */
  lacks: z.array(name).default([]),
});
export type ExpectedBlindness = z.output<typeof blindness>;

const expectation = z.strictObject({
  insights: z.array(insight).default([]),
  /** Rules that must not fire beyond `insights`; without the list, none may but those on coverage. */
  silent: z.array(name).optional(),
  /** Defence in depth when the story ends, by namespace. */
  layers: z.record(name, z.partialRecord(z.enum(layerNames), z.enum(layerStatuses))).default({}),
  /** Rules on coverage that must not fire. */
  quiet: z.array(name).default([]),
  unknown: z.array(blindness).default([]),
});

export const sourceNames = [
  "tetragon",
  "falco",
  "netflow",
  "envoy_log",
  "envoy_metrics",
  "ztunnel_metrics",
  "envoy_stats",
  "ztunnel_log",
  "obi",
  "hubble",
  "caretta",
  "retina",
  "host_metrics",
  "coroot",
  "otel_network",
  "k8s",
  "kube_state_metrics",
] as const;
export type SourceName = (typeof sourceNames)[number];

export const storySchema = z.strictObject({
  about: z.string().min(10).max(200),
  /** Whether somebody is guilty, nobody is, or the engine cannot know. */
  family: z.enum(["attack", "innocent", "blind"]),
  /** What the engine lacks to tell it: the story must fail until then. */
  pending: z
    .string()
    .regex(/^needs ./, 'expected "needs <what>"')
    .optional(),
  /** `key=value` of the configuration. */
  settings: z.array(z.string()).default([]),
  mesh: meshSchema.prefault({}),
  telemetry: z.array(entry).min(1),
  /** How long the story goes on; without it, until its last entry. */
  until: seconds.default(0),
  expect: expectation.prefault({}),
  /** Objects that come too late or never may make the engine say more about the innocent. */
  needs_objects: z.boolean().default(false),
  /** Why a restart at random, in the midst of disorder, still changes what is found. */
  restart_changes: z
    .string()
    .regex(/^needs ./, 'expected "needs <what>"')
    .optional(),
});
export type StoryFields = z.output<typeof storySchema>;
