/**
 * One world as nine clusters would tell it, each by the sources that it happens to run: a call through the
 * sidecars, a caller outside the mesh in plaintext, and a process under the proxy's UID that goes around
 * the sidecar. Each source tells what it can see of it, in its own words; `test/source-mixes.test.ts` compares.
 */
import { encodeSpans, type SimulatedSpan } from "../../src/cli/demo/otlp.ts";
import { Signal } from "../../src/model/stages.ts";
import { keyValues } from "../support/otlp-build.ts";
import { requestTypes } from "../support/otlp-oracle.ts";
import { makeMesh, podAt, type Mesh } from "../support/story-mesh.ts";
import { meshSchema, storySchema, type MeshFields } from "../support/story-schema.ts";
import { announcements, stepsOf, type StoryStep } from "../support/story-sources.ts";
import { endOf } from "../support/story-mesh.ts";
import { nameOf, startMs } from "./pipeline-world.ts";

/** An entry of a story as its file has it, without what has a default. */
type Written = Readonly<Record<string, unknown>>;

/** The calls come three times; the attacker once. */
const again = { every: "25s", until: "70s" };
const call = {
  app: "web:40001",
  service: "cart-service:80",
  own: "web:41001",
  upstream: "cart:8080",
};

const proxyLogs: readonly Written[] = [
  { at: "5s", ...again, from: "envoy_log", side: "client", ...call },
  {
    at: "5s",
    ...again,
    from: "envoy_log",
    side: "server",
    peer: "web:41001",
    local: "cart:8080",
    mtls: true,
  },
  {
    at: "6s",
    ...again,
    from: "envoy_log",
    side: "server",
    peer: "batch:50001",
    local: "cart:8080",
    mtls: false,
  },
];
const meshed = { source: "web", destination: "cart", identities: true };
const proxyMetrics: readonly Written[] = [
  {
    at: "5s",
    from: "envoy_metrics",
    reporter: "source",
    policy: "unknown",
    scraped: "web",
    ...meshed,
  },
  {
    at: "5s",
    from: "envoy_metrics",
    reporter: "destination",
    policy: "mutual_tls",
    scraped: "cart",
    ...meshed,
  },
  {
    at: "6s",
    from: "envoy_metrics",
    reporter: "destination",
    policy: "none",
    scraped: "cart",
    source: "unknown",
    destination: "cart",
  },
];
/** On the wire: the sidecar's call, the plaintext one, and the attacker's own socket. */
const conversations = [
  { at: "5s", ...again, src: "web:41001", dst: "cart:8080" },
  { at: "6s", ...again, src: "batch:50001", dst: "cart:8080" },
  { at: "20s", src: "web:45555", dst: "outside:443" },
] as const;
const attacker = { by: "web/app", exe: "/bin/bash", uid: 1_337, gid: 1_337 };
const processes: readonly Written[] = [
  { at: "19s", from: "tetragon", event: "exec", ...attacker },
  { at: "20s", from: "tetragon", event: "connect", ...attacker, port: 45_555, to: "outside:443" },
  {
    at: "5s",
    ...again,
    from: "tetragon",
    event: "connect",
    by: "web/app",
    port: 40_001,
    to: "cart-service:80",
  },
  {
    at: "5s",
    ...again,
    from: "tetragon",
    event: "connect",
    by: "web/istio-proxy",
    port: 41_001,
    to: "cart:8080",
  },
  {
    at: "6s",
    ...again,
    from: "tetragon",
    event: "connect",
    by: "batch/app",
    port: 50_001,
    to: "cart:8080",
  },
];
/** Who reached whom once address translation is resolved. */
const reached = [
  {
    at: "5s",
    by: "web/istio-proxy",
    process: "envoy",
    destination: "cart:8080",
    actual: "cart:8080",
  },
  {
    at: "6s",
    by: "batch/app",
    process: "python3",
    destination: "cart-service:80",
    actual: "cart:8080",
  },
  { at: "20s", by: "web/app", process: "bash", destination: "outside:443", actual: "outside:443" },
] as const;

const ambientMeshed = { source: "web", destination: "cart", scraped: "ztunnel" };

type Tell = (mesh: Mesh) => readonly StoryStep[];
const written =
  (entries: readonly Written[]): Tell =>
  (mesh) =>
    entriesOf(entries).flatMap((entry) => stepsOf(mesh, entry));

/** Every source that some mix has. */
const sources = {
  "Istio metrics": written(proxyMetrics),
  "sink metrics": (mesh) => written(proxyMetrics)(mesh).map(throughSink),
  "OTLP access logs": (mesh) => written(proxyLogs)(mesh).map((step) => labelled(mesh, step)),
  "JSON access logs": (mesh) => written(proxyLogs)(mesh).map(asJson),
  spans: (mesh) => spansOf(mesh),
  "ztunnel logs": written([
    {
      at: "5s",
      ...again,
      from: "ztunnel_log",
      direction: "outbound",
      src: "web:40001",
      dst: "cart:8080",
      hbone: true,
    },
    {
      at: "5s",
      ...again,
      from: "ztunnel_log",
      direction: "inbound",
      src: "web:40001",
      dst: "cart:8080",
      hbone: true,
    },
    {
      at: "6s",
      ...again,
      from: "ztunnel_log",
      direction: "inbound",
      src: "batch:50001",
      dst: "cart:8080",
      hbone: false,
    },
  ]),
  "ztunnel metrics": written([
    {
      at: "5s",
      from: "ztunnel_metrics",
      reporter: "source",
      policy: "mutual_tls",
      identities: true,
      ...ambientMeshed,
    },
    {
      at: "5s",
      from: "ztunnel_metrics",
      reporter: "destination",
      policy: "mutual_tls",
      identities: true,
      ...ambientMeshed,
    },
    {
      at: "6s",
      from: "ztunnel_metrics",
      reporter: "destination",
      policy: "unknown",
      ...ambientMeshed,
      source: "batch",
    },
  ]),
  NetFlow: written(conversations.map((one) => ({ ...one, from: "netflow" }))),
  "OBI flows": written(
    conversations.map(({ at, src, dst }) => ({
      at,
      src,
      dst,
      from: "obi",
      bytes: [0, 4_000, 8_000],
    })),
  ),
  "Hubble flows": written(conversations.map((one) => ({ ...one, from: "hubble" }))),
  Caretta: written(conversations.map(({ at, src, dst }) => ({ at, src, dst, from: "caretta" }))),
  Retina: written(conversations.map(({ at, src, dst }) => ({ at, src, dst, from: "retina" }))),
  Tetragon: written(processes),
  // Falco tells what its rules match: what the attacker does, and no connection of anybody else.
  Falco: written(processes.slice(0, 2).map((one) => ({ ...one, from: "falco" }))),
  Coroot: written(
    reached.map(({ at, by, destination, actual }) => ({
      at,
      from: "coroot",
      by,
      destination,
      actual,
    })),
  ),
  "otel-network": written(
    reached.map(({ at, by, process, actual }) => ({
      at,
      ...again,
      from: "otel_network",
      by,
      process,
      dst: actual,
    })),
  ),
  k8sobjects: announcements,
  "kube-state-metrics": written([
    {
      at: "0s",
      every: "15s",
      until: "75s",
      from: "kube_state_metrics",
      pods: ["web", "cart", "batch"],
      services: ["cart-service"],
    },
  ]),
} as const satisfies Record<string, Tell>;
type Source = keyof typeof sources;

/** The same pods, captured by ztunnel instead of by sidecars. */
const redirected = { "ambient.istio.io/redirection": "enabled" };
const ambientTwin: MeshFields = meshSchema.parse({
  pods: {
    web: { ip: "10.244.1.10", containers: ["app"], annotations: redirected },
    cart: { ip: "10.244.1.20", containers: ["app"], annotations: redirected },
    ztunnel: { ip: "10.244.1.2", namespace: "istio-system", containers: ["proxy"] },
  },
});

export const mixes: readonly { readonly sources: readonly Source[]; readonly isAmbient?: true }[] =
  [
    { sources: ["Istio metrics", "OTLP access logs", "Tetragon", "NetFlow", "k8sobjects"] },
    { sources: ["sink metrics", "JSON access logs", "Falco", "Hubble flows", "k8sobjects"] },
    { sources: ["ztunnel logs", "ztunnel metrics", "k8sobjects"], isAmbient: true },
    { sources: ["OBI flows", "Tetragon", "kube-state-metrics"] },
    { sources: ["spans", "NetFlow", "k8sobjects"] },
    { sources: ["Coroot", "OTLP access logs"] },
    { sources: ["otel-network", "Istio metrics"] },
    { sources: ["Caretta", "Retina", "k8sobjects"] },
    { sources: ["Coroot", "k8sobjects"] },
  ];

/** What the mix tells. `standard`: the pods that every story has. */
export function tellMix(
  { sources: names, isAmbient }: (typeof mixes)[number],
  standard: MeshFields,
): StoryStep[] {
  const mesh = makeMesh(standard, ...(isAmbient ? [ambientTwin] : []));
  return names.flatMap((name) => [...sources[name](mesh)]);
}

const about = "An entry of a mix, read as a story's";
function entriesOf(telemetry: readonly Written[]) {
  return storySchema.parse({ about, family: "attack", telemetry }).telemetry;
}

type Message = Record<string, unknown>;

/** The same request with its message changed. */
function changed(step: StoryStep, change: (message: Message) => unknown): StoryStep {
  const { signal, bytes } = step.request;
  const type = requestTypes[signal === Signal.logs ? "logs" : "metrics"];
  const message = type.toObject(type.decode(Buffer.from(bytes)), { longs: String });
  const made = type.encode(type.fromObject(change(message) as Message)).finish(); // as it was read
  return { ...step, request: { signal, bytes: Buffer.from(made) } };
}

/** Every message in the value that has this field, changed in its place. */
function each(value: unknown, field: string, change: (holder: Message) => Message): unknown {
  if (Array.isArray(value)) return value.map((one) => each(one, field, change));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const inner = Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, each(one, field, change)]),
  );
  return field in inner ? change(inner) : inner;
}

type Attribute = { readonly key: string; readonly value: Message };

/** Envoy's sink prefixes names and counts in whole numbers; a collector says whose pod it was. */
function throughSink(step: StoryStep): StoryStep {
  let target: readonly Attribute[] = [];
  const targetNames = new Map([
    ["pod", "k8s.pod.name"],
    ["namespace", "k8s.namespace.name"],
  ]);
  return changed(step, (message) => {
    const points = each(message, "as_double", ({ as_double, attributes, ...point }) => {
      const labels = attributes as readonly Attribute[]; // a point's
      target = labels.flatMap((one) => ({ ...one, key: targetNames.get(one.key) ?? "" }));
      target = target.filter(({ key }) => key !== "");
      return {
        ...point,
        as_int: String(as_double),
        attributes: labels.filter(({ key }) => !targetNames.has(key)),
      };
    });
    const named = each(points, "sum", (metric) => ({
      ...metric,
      name: `istiocustom.${String(metric["name"])}`,
    }));
    return each(named, "scope_metrics", (whole) => ({
      ...whole,
      resource: { attributes: target },
    }));
  });
}

/** With the labels by which the guide has Istio say whose proxy it is. */
function labelled(mesh: Mesh, step: StoryStep): StoryStep {
  return changed(step, (message) =>
    each(message, "body", (record) => {
      const pod = podAt(mesh, ownerOf(record["body"]));
      if (!pod) throw new Error("a line is of a pod");
      const labels = { pod: nameOf(pod), namespace: pod.namespace };
      return { ...record, attributes: keyValues(labels) };
    }),
  );
}

/** Whose line it is: the client's of an outbound one, the server's of an inbound one. */
function ownerOf(body: unknown): string {
  const { string_value } = body as { readonly string_value: string }; // a line
  const words = string_value.trim().split(" ").slice(-7);
  const [upstream = "", cluster = "", , , remote = ""] = words;
  const end = cluster.startsWith("inbound") ? upstream.replaceAll('"', "") : remote;
  return end.replace(/:\d+$/, "");
}

/** Istio's default order of fields; the first is in brackets, some are in quotes. */
const textFields =
  "start_time request response_code response_flags response_code_details connection_termination_details upstream_transport_failure_reason bytes_received bytes_sent duration upstream_service_time x_forwarded_for user_agent request_id authority upstream_host upstream_cluster upstream_local_address downstream_local_address downstream_remote_address requested_server_name route_name".split(
    " ",
  );

/** The same line as `accessLogEncoding: JSON` writes it, from the containers' output. */
function asJson(step: StoryStep): StoryStep {
  return changed(step, (message) =>
    each(message, "body", (record) => {
      const { string_value } = record["body"] as { readonly string_value: string }; // a line
      const words = [...string_value.matchAll(/\[([^\]]*)\](?= )|"([^"]*)"|(\S+)/g)].map(
        ([, time, quoted, word]) => time ?? quoted ?? word ?? "",
      );
      const fields = Object.fromEntries(
        textFields.map((name, index) => [name, words[index] ?? "-"]),
      );
      const [method, path, protocol] = (fields["request"] ?? "").split(" ");
      delete fields["request"];
      const line = { ...fields, method, path, protocol };
      return { ...record, body: { string_value: JSON.stringify(line) } };
    }),
  );
}

/** What Envoys trace of the calls that they log; plaintext from outside makes a span like any other. */
function spansOf(mesh: Mesh): StoryStep[] {
  return entriesOf(proxyLogs).flatMap((entry) => {
    if (entry.from !== "envoy_log") return [];
    const times = Array.from({ length: 3 }, (_, index) => entry.at + index * 25);
    return times.map((atS, index) => ({
      source: "envoy_log" as const,
      trust: "attested" as const,
      isObject: false,
      atS,
      request: encodeSpans({}, [spanOf(mesh, entry, atS, index)]),
    }));
  });
}

type LogEntry = Extract<ReturnType<typeof entriesOf>[number], { from: "envoy_log" }>;

function spanOf(mesh: Mesh, entry: LogEntry, atS: number, index: number): SimulatedSpan {
  const isServer = entry.side === "server";
  const end = (text: string) => endOf(mesh, text);
  const self = podAt(mesh, end(isServer ? entry.local : entry.app).ip);
  const peer = end(isServer ? entry.peer : entry.app).ip;
  if (!self) throw new Error("a span is of a pod");
  const isMeshed = isServer && entry.mtls;
  const cluster = isServer ? "inbound|8080||" : "outbound|80||cart.shop.svc.cluster.local";
  const id = (text: string) => Buffer.from(`${text}${index}`.padEnd(8, "0")).toString("hex");
  return {
    name: "cart.shop.svc.cluster.local:80/*",
    isServer,
    traceId: `${id(isServer && !isMeshed ? "alone" : "trace")}${"0".repeat(16)}`,
    spanId: id(isServer ? "server" : "client"),
    parentSpanId: isMeshed ? id("client") : "",
    startMs: startMs + atS * 1_000,
    endMs: startMs + atS * 1_000 + 8,
    attributes: {
      node_id: `sidecar~${self.ip}~${nameOf(self)}.${self.namespace}~${self.namespace}.svc.cluster.local`,
      component: "proxy",
      "http.method": "GET",
      "http.protocol": "HTTP/1.1",
      "http.status_code": "200",
      "peer.address": peer,
      upstream_cluster: cluster,
      "upstream_cluster.name": cluster,
      response_flags: "-",
    },
  };
}
