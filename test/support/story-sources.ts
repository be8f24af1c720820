/**
 * From the entries of a story to request bytes, in the exact form of each source. One function per
 * source; what is longer than some lines stands in `scenarios/pipeline-world.ts` and `story-agents.ts`.
 */
import {
  app,
  clientLine,
  access,
  connect,
  containerId,
  envoy,
  exec,
  object,
  rows,
  scrapes,
  run,
  serverLine,
  wire,
  type Process,
  type Row,
  type Step,
} from "../scenarios/pipeline-world.ts";
import { corootSteps, obiSteps, otelNetworkStep, ztunnelLine } from "./story-agents.ts";
import {
  carettaGauge,
  falcoStep,
  hostMetricsStep,
  hubbleSteps,
  linkSteps,
  retinaGauge,
} from "./story-flow-agents.ts";
import { inventorySteps } from "./story-inventory.ts";
import { carriedAs } from "./story-log-forms.ts";
import { endOf, podAt, podNamed, type Mesh } from "./story-mesh.ts";
import { otherObject } from "./story-objects.ts";
import type { Entry, EntryOf, ServiceFields, SourceName } from "./story-schema.ts";

/** One request of a story. */
export interface StoryStep extends Step {
  readonly source: SourceName;
  readonly trust: Entry["trust"];
  /** When it arrives whatever the order of the others, in seconds of the story. */
  readonly arrivesS?: number;
}

function envoyLogStep(mesh: Mesh, entry: EntryOf<"envoy_log">, atS: number): Step {
  const end = (text: string) => endOf(mesh, text);
  if (entry.side === "server") {
    const local = end(entry.local);
    const carry = carriedAs(entry.form, podAt(mesh, local.ip));
    const peer =
      entry.forwarded_for === undefined ? end(entry.peer) : end(`${entry.forwarded_for}:0`);
    return serverLine(atS, peer, local, entry.mtls, carry);
  }
  const own = end(entry.own);
  const carry = carriedAs(entry.form, podAt(mesh, own.ip));
  const [socket, service, upstream] = [end(entry.app), end(entry.service), end(entry.upstream)];
  return clientLine(atS, socket, service, own, upstream, entry.route, carry);
}

type Tetragon = EntryOf<"tetragon">;

/** Everything that the entry brings, each time that it is repeated. */
export function stepsOf(mesh: Mesh, entry: Entry): StoryStep[] {
  const { at, every = 0, until = at } = entry;
  const times = every > 0 ? Math.floor((until - at) / every) + 1 : 1;
  const { trust, skew, arrives } = entry;
  const fixed = arrives === undefined ? {} : { arrivesS: arrives };
  return Array.from({ length: times }, (_, index) => index).flatMap((index) =>
    onceAt(mesh, onward(entry, index), at + index * every + skew).map((step) => ({
      trust,
      source: sourceOf(entry),
      ...step,
      ...fixed,
      atS: step.atS - skew,
    })),
  );
}

/** Who tries one port after the other. */
function onward(entry: Entry, by: number): Entry {
  if (!("next_port" in entry) || !entry.next_port) return entry;
  const next = (text: string): string => text.replace(/\d+$/, (port) => `${Number(port) + by}`);
  if (entry.from === "tetragon") return { ...entry, port: entry.port + by, to: next(entry.to) };
  const { own, service, upstream } = entry;
  const ends = { own: next(own), service: next(service), upstream: next(upstream) };
  return { ...entry, ...ends, app: next(entry.app) };
}

const sourceOf = ({ from }: Entry): SourceName => (from === "everybody" ? "tetragon" : from);

type Made = Step & { readonly source?: SourceName };

function onceAt(mesh: Mesh, entry: Entry, atS: number): readonly Made[] {
  switch (entry.from) {
    case "tetragon":
      return [tetragonStep(mesh, entry, atS)];
    case "falco":
      return [
        falcoStep(entry, processOf(mesh, entry), "to" in entry ? endOf(mesh, entry.to) : null, atS),
      ];
    case "netflow":
      return [netflowStep(mesh, entry, atS)];
    case "envoy_log":
      return [envoyLogStep(mesh, entry, atS)];
    case "envoy_metrics":
    case "ztunnel_metrics":
      return rows(atS, rowOf(mesh, entry));
    case "envoy_stats":
      return envoyStatsSteps(mesh, entry, atS);
    case "ztunnel_log":
      return [ztunnelLine(mesh, entry, atS)];
    case "obi":
      return obiSteps(mesh, entry, atS);
    case "hubble":
      return hubbleSteps(mesh, entry, atS);
    case "caretta":
      return linkSteps(entry, carettaGauge(mesh, entry), atS);
    case "retina":
      return linkSteps(entry, retinaGauge(mesh, entry), atS);
    case "host_metrics":
      return [hostMetricsStep(mesh, entry, atS)];
    case "coroot":
      return corootSteps(mesh, entry, atS);
    case "otel_network":
      return [otelNetworkStep(mesh, entry, atS)];
    case "k8s":
      return [k8sStep(mesh, entry, atS)];
    case "kube_state_metrics":
      return inventorySteps(mesh, entry, atS);
    case "everybody":
      return callSteps(mesh, entry, atS);
  }
}

function envoyStatsSteps(mesh: Mesh, entry: EntryOf<"envoy_stats">, atS: number) {
  const labels = { http_conn_manager_prefix: `inbound_0.0.0.0_${entry.port}` };
  const { connections, tls } = entry;
  const name = "envoy_http_downstream_cx";
  return scrapes(atS, podNamed(mesh, entry.scraped), [
    { name: "istio_build", labels: { component: "proxy", tag: "1.29.1" }, values: [1, 1] },
    { name: `${name}_total`, labels, values: connections },
    ...(tls ? [{ name: `${name}_ssl_total`, labels, values: tls }] : []),
  ]);
}

function tetragonStep(mesh: Mesh, entry: Tetragon, atS: number): Step {
  const process = processOf(mesh, entry);
  if (entry.event === "exec") return exec(process, atS);
  if (entry.event === "access") return access(process, atS, entry.path, entry.write);
  return connect(process, atS, entry.port, endOf(mesh, entry.to), entry.udp);
}

/** What it does not say of itself is as usual in that container. */
function processOf(mesh: Mesh, entry: Tetragon | EntryOf<"falco">): Process {
  const [podName = "", container = ""] = entry.by.split("/");
  const pod = podNamed(mesh, podName);
  const isProxy = container === "istio-proxy";
  const usual = run(
    pod,
    container,
    entry.exe ?? (isProxy ? "/usr/local/bin/envoy" : "/usr/bin/python3"),
    entry.uid ?? (isProxy ? 1337 : 1_000),
  );
  const gid = entry.gid ?? usual.uid;
  const isKnown = pod.containers.some(({ name }) => name === container);
  return {
    ...usual,
    gid,
    euid: entry.euid ?? usual.uid,
    egid: entry.egid ?? gid,
    image: entry.image ?? usual.image,
    container: entry.names_container ? container : "",
    containerId: idOf(
      containerId(pod, container, entry.restarts),
      entry.container_id ?? (isKnown ? "full" : "none"),
    ),
  };
}

function idOf(id: string, form: NonNullable<Tetragon["container_id"]>): string {
  const forms = { full: `containerd://${id}`, bare: id, short: id.slice(0, 12), none: "" };
  return forms[form];
}

function netflowStep(mesh: Mesh, entry: EntryOf<"netflow">, atS: number): Step {
  const { udp, records: directions, exporter: sampler, lasts: seconds, flags, cluster } = entry;
  return wire(atS, endOf(mesh, entry.src), endOf(mesh, entry.dst), {
    udp,
    directions,
    sampler,
    seconds,
    flags,
    ...(cluster === undefined ? {} : { cluster }),
  });
}

function rowOf(mesh: Mesh, entry: EntryOf<"envoy_metrics" | "ztunnel_metrics">): Row {
  const { reporter, policy, identities: principals, values, flags, counts } = entry;
  const more = {
    ...(entry.source_principal === undefined ? {} : { source_principal: entry.source_principal }),
    ...(entry.service === undefined ? {} : { destination_service_name: entry.service }),
    ...(entry.host === undefined ? {} : { destination_service: entry.host }),
    ...(flags === "-" ? {} : { response_flags: flags }),
    ...(entry.code === undefined ? {} : { response_code: entry.code }),
  };
  return {
    reporter,
    policy,
    principals,
    values,
    counts,
    collector: entry.collector ?? "",
    more,
    from: entry.source === "unknown" ? null : podNamed(mesh, entry.source),
    to: entry.destination === "unknown" ? null : podNamed(mesh, entry.destination),
    by: podNamed(mesh, entry.scraped),
  };
}

function k8sStep(mesh: Mesh, entry: EntryOf<"k8s">, atS: number): Step {
  if (entry.pod !== undefined) {
    const { ended: endS = 0, restarts } = entry;
    return object({ ...podNamed(mesh, entry.pod), endS, restarts }, atS);
  }
  if (entry.resource === undefined || entry.object === undefined) {
    throw new Error("k8s tells of a `pod`, or of a `resource` and its `object`");
  }
  return otherObject(atS, entry.resource, entry.object, {
    cluster: entry.cluster ?? "demo",
    event: entry.event,
  });
}

function callSteps(mesh: Mesh, { call }: EntryOf<"everybody">, atS: number): Made[] {
  const client = podNamed(mesh, call.by);
  const [service, target] = [endOf(mesh, call.service), endOf(mesh, call.to)];
  const [socket, own] = [call.app_port, call.proxy_port].map((port) => ({ ip: client.ip, port }));
  if (!socket || !own) throw new Error("a call has two ports");
  return [
    { ...connect(app(client, call.uid), atS, socket.port, service), source: "tetragon" },
    { ...connect(envoy(client), atS + 0.001, own.port, target), source: "tetragon" },
    { ...wire(atS + 0.001, own, target), source: "netflow" },
    { ...clientLine(atS, socket, service, own, target), source: "envoy_log" },
    { ...serverLine(atS, own, target, true), source: "envoy_log" },
  ];
}

/** The objects of the mesh as its watch first brings them. */
export function announcements(mesh: Mesh): StoryStep[] {
  const known = { source: "k8s", trust: "attested" } as const;
  const pods = [...mesh.pods.values()].flatMap((pod) =>
    pod.announcedS === null ? [] : [{ ...object(pod, pod.announcedS), ...known }],
  );
  const services = [...mesh.services.values()].flatMap((service) =>
    serviceObjects(mesh, service).map((step) => ({ ...step, ...known })),
  );
  return [...pods, ...services];
}

/** The service and the one slice of its endpoints. */
function serviceObjects(mesh: Mesh, service: ServiceFields & { readonly name: string }): Step[] {
  const { announced, name, namespace, ip, port } = service;
  if (announced === "never") return [];
  const pods = service.pods.map((pod) => podNamed(mesh, pod));
  const targetPort = pods[0]?.port ?? port;
  const spec = { clusterIP: ip, clusterIPs: [ip], ports: [{ port, targetPort }] };
  const labels = { "kubernetes.io/service-name": name };
  const slice = {
    metadata: { name: `${name}-x1`, namespace, labels },
    addressType: ip.includes(":") ? "IPv6" : "IPv4",
    endpoints: pods.map((pod) => ({ addresses: [pod.ip], conditions: { ready: true } })),
    ports: [{ port: targetPort, protocol: "TCP" }],
  };
  const metadata = { name, namespace };
  return [
    otherObject(announced, "services", { metadata, spec }),
    otherObject(announced, "endpointslices", slice),
  ];
}
