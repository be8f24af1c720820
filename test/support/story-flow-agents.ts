/** What Hubble, Caretta, Retina, Falco and the host metrics send, in their own words. */
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { Signal } from "../../src/model/stages.ts";
import {
  containerId,
  nameOf,
  startMs,
  type End,
  type Process,
  type Step,
} from "../scenarios/pipeline-world.ts";
import { endOf, podAt, podNamed, type Mesh, type StoryPod } from "./story-mesh.ts";
import { keyValues, metricsRequest, tracesRequest, type Attributes } from "./otlp-build.ts";
import type { EntryOf } from "./story-schema.ts";

const msOf = (atS: number): number => startMs + Math.round(atS * 1_000);

interface Packet {
  readonly atS: number;
  readonly from: End;
  readonly to: End;
  readonly flags: readonly string[] | null;
  readonly isReply: boolean;
}

/** A conversation's packets, each as every machine's Hubble on its way reports it. */
export function hubbleSteps(mesh: Mesh, entry: EntryOf<"hubble">, atS: number): Step[] {
  const [from, to] = [endOf(mesh, entry.src), endOf(mesh, entry.dst)];
  const request = { from, to, isReply: false };
  const reply = { from: to, to: from, isReply: true };
  const endS = atS + entry.lasts;
  if (entry.dropped) return [hubbleStep(mesh, [{ ...request, atS, flags: ["SYN"] }], true)];
  if (entry.udp) {
    const there = { ...request, atS, flags: null };
    const back = { ...reply, atS: atS + 0.001, flags: null };
    return [hubbleStep(mesh, [there, back], false)];
  }
  const opened: Packet[] = [
    { ...request, atS, flags: ["SYN"] },
    { ...reply, atS: atS + 0.001, flags: ["SYN", "ACK"] },
    { ...request, atS: atS + 0.002, flags: ["ACK"] },
  ];
  const closed: Packet[] = [
    { ...request, atS: endS, flags: ["FIN", "ACK"] },
    { ...reply, atS: endS + 0.001, flags: ["FIN", "ACK"] },
  ];
  const isWanted = ({ isReply }: Packet) => entry.packets === "both" || isReply;
  return [opened, closed].map((packets) => hubbleStep(mesh, packets.filter(isWanted), false));
}

/** Never empty: an exporter writes no empty batch. */
function hubbleStep(mesh: Mesh, packets: readonly Packet[], isDropped: boolean): Step {
  const events = packets.flatMap((packet) => sightings(mesh, packet, isDropped));
  const logs = events.map((event) => ({
    timeMs: msOf(packets[0]?.atS ?? 0),
    attributes: { "log.file.name": "events.log" },
    body: JSON.stringify(event),
  }));
  const request = encodeLogs({ "k8s.cluster.name": "demo" }, logs);
  return { atS: packets[0]?.atS ?? 0, isObject: false, request };
}

/** At the sender's machine, on its way out of it, and at the receiver's. */
function sightings(mesh: Mesh, packet: Packet, isDropped: boolean): object[] {
  const [source, target] = [podAt(mesh, packet.from.ip), podAt(mesh, packet.to.ip)];
  const tracked = { is_reply: packet.isReply };
  const out = packet.isReply ? "INGRESS" : "EGRESS";
  const into = packet.isReply ? "EGRESS" : "INGRESS";
  const sent = source ? [seen(mesh, packet, source, { id: "source", lateUs: 0 })] : [];
  if (isDropped) {
    return sent.map(({ flow, ...rest }) => ({
      flow: {
        ...flow,
        verdict: "DROPPED",
        drop_reason: 133,
        drop_reason_desc: "POLICY_DENIED",
        traffic_direction: out,
        event_type: { type: 1, sub_type: 133 },
      },
      ...rest,
    }));
  }
  return [
    ...sent.flatMap((event) => [
      traced(event, "TO_STACK", { ...tracked, traffic_direction: out }),
      // The machine's own program knows nothing of the pod's connections.
      traced(event, "TO_NETWORK", {}),
    ]),
    ...(target
      ? [
          traced(seen(mesh, packet, target, { id: "destination", lateUs: 300 }), "TO_ENDPOINT", {
            ...tracked,
            traffic_direction: into,
          }),
        ]
      : []),
  ];
}

interface Event {
  readonly flow: Readonly<Record<string, unknown>>;
  readonly node_name: string;
  readonly time: string;
}

function traced({ flow, ...rest }: Event, point: string, more: object): object {
  const known = { event_type: { type: 4, sub_type: 3 }, trace_observation_point: point };
  return { flow: { ...flow, ...known, ...more }, ...rest };
}

/** As the machine of one of the ends sees it: only its own endpoints have an id. */
function seen(
  mesh: Mesh,
  { atS, from, to, flags }: Packet,
  at: StoryPod,
  local: { readonly id: "source" | "destination"; readonly lateUs: number },
): Event {
  const us = String((Math.round(atS * 1_000_000) % 1_000) + local.lateUs).padStart(3, "0");
  const time = new Date(msOf(atS)).toISOString().replace("Z", `${us}Z`);
  const ports = { source_port: from.port, destination_port: to.port };
  const set = (flags ?? []).map((flag) => [flag, true]);
  const ends = [podAt(mesh, from.ip), podAt(mesh, to.ip)] as const;
  const flow = {
    time,
    uuid: "d54c1e24-8985-4710-b275-b19b15aed350",
    verdict: "FORWARDED",
    IP: { source: from.ip, destination: to.ip, ipVersion: from.ip.includes(":") ? "IPv6" : "IPv4" },
    l4: flags === null ? { UDP: ports } : { TCP: { ...ports, flags: Object.fromEntries(set) } },
    source: endpoint(ends[0], local.id === "source"),
    destination: endpoint(ends[1], local.id === "destination"),
    Type: "L3_L4",
    node_name: `demo/${at.node}`,
  };
  return { flow, node_name: `demo/${at.node}`, time };
}

function endpoint(pod: StoryPod | undefined, isLocal: boolean): object {
  if (!pod) return { identity: 2, labels: ["reserved:world"] };
  return {
    ...(isLocal ? { ID: 1312 } : {}),
    identity: 18_070,
    cluster_name: "demo",
    namespace: pod.namespace,
    labels: [`k8s:app=${pod.workload}`, `k8s:io.kubernetes.pod.namespace=${pod.namespace}`],
    pod_name: nameOf(pod),
    workloads: [{ name: pod.workload, kind: "Deployment" }],
  };
}

type Link = EntryOf<"caretta" | "retina">;

interface Gauge {
  readonly name: string;
  readonly attributes: Attributes;
}

/** A link as a scrape of the client's machine brings it, again and again. */
export function linkSteps(entry: Link, { name, attributes }: Gauge, atS: number): Step[] {
  const resource = { "service.name": entry.from, "k8s.node.name": "node-1" };
  return entry.totals.map((total, index) => {
    const scrapeS = atS + 10 * index;
    const time_unix_nano = `${msOf(scrapeS)}000000`;
    const point = { attributes: keyValues(attributes), time_unix_nano, as_double: total };
    const bytes = metricsRequest({ resource }, [{ name, gauge: { data_points: [point] } }]);
    return { atS: scrapeS, isObject: false, request: { signal: Signal.metrics, bytes } };
  });
}

export function carettaGauge(mesh: Mesh, { src, dst }: Link): Gauge {
  const server = endOf(mesh, dst);
  const attributes = {
    ...carettaEnd("client", podAt(mesh, endOf(mesh, src).ip), ""),
    ...carettaEnd("server", podAt(mesh, server.ip), server.ip),
    link_id: "2166136261",
    server_port: String(server.port),
    role: "1",
  };
  return { name: "caretta_links_observed", attributes };
}

function carettaEnd(side: string, pod: StoryPod | undefined, ip: string): Attributes {
  return {
    [`${side}_id`]: "1",
    [`${side}_name`]: pod?.workload ?? ip,
    [`${side}_namespace`]: pod?.namespace ?? "external",
    [`${side}_kind`]: pod ? "Deployment" : "external",
  };
}

export function retinaGauge(mesh: Mesh, { src, dst }: Link): Gauge {
  const attributes = {
    flag: "SYN",
    ...retinaEnd(mesh, "source", endOf(mesh, src).ip),
    ...retinaEnd(mesh, "destination", endOf(mesh, dst).ip),
    instance: "node-1",
  };
  return { name: "networkobservability_adv_tcpflags_count", attributes };
}

function retinaEnd(mesh: Mesh, side: string, ip: string): Attributes {
  const pod = podAt(mesh, ip);
  return {
    [`${side}_ip`]: ip,
    [`${side}_namespace`]: pod?.namespace ?? "unknown",
    [`${side}_pod`]: pod ? nameOf(pod) : "unknown",
    [`${side}_workload`]: pod?.workload ?? "unknown",
  };
}

/** An alert, whose rule prints the ids that the story gives and everything else. */
export function falcoStep(
  entry: EntryOf<"falco">,
  process: Process,
  to: End | null,
  atS: number,
): Step {
  const { pod, container, containerId: id, image, exe, uid, gid } = process;
  const [repository, tag] = image.split(":");
  const from = { ip: pod.ip, port: entry.event === "connect" ? entry.port : 0 };
  const fields = {
    "container.id": id.replace(/^.*:\/\//, "").slice(0, 12),
    "container.image.repository": repository,
    "container.image.tag": tag,
    "container.name": container,
    "evt.type": entry.event === "exec" ? "execve" : "connect",
    "k8s.ns.name": pod.namespace,
    "k8s.pod.name": nameOf(pod),
    "proc.exepath": exe,
    "proc.name": exe.slice(exe.lastIndexOf("/") + 1),
    "proc.pid": 4_000,
    ...(entry.uid === undefined ? {} : { "user.uid": uid }),
    ...(entry.gid === undefined ? {} : { "group.gid": gid }),
    ...(to === null
      ? {}
      : {
          "fd.cip": from.ip,
          "fd.cport": from.port,
          "fd.sip": to.ip,
          "fd.sport": to.port,
          "fd.l4proto": entry.event === "connect" && entry.udp ? "udp" : "tcp",
        }),
  };
  const alert = {
    hostname: pod.node,
    output: "A rule matched",
    output_fields: fields,
    priority: "Notice",
    rule: entry.event === "exec" ? "Process started" : "Connection opened",
    source: "syscall",
    tags: entry.tagged ? ["mesh_insights"] : ["T1059"],
    time: new Date(msOf(atS)).toISOString().replace("Z", "000000Z"),
  };
  const request = entry.by_way_of === "spans" ? falcoSpan(alert, atS) : falcoLine(alert, atS);
  return { atS, isObject: false, request };
}

function falcoLine(alert: object, atS: number): Step["request"] {
  const attributes = { "log.file.name": "falco.log" };
  const log = { timeMs: msOf(atS), attributes, body: JSON.stringify(alert) };
  return encodeLogs({ "k8s.cluster.name": "demo" }, [log]);
}

interface Alert {
  readonly rule: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly output_fields: object;
}

function falcoSpan({ rule, hostname, tags, output_fields }: Alert, atS: number): Step["request"] {
  const texts = Object.entries(output_fields).map(([name, value]) => [name, String(value)]);
  const span = {
    kind: 2,
    name: rule,
    attributes: keyValues({ rule, hostname, tags, ...Object.fromEntries(texts) }),
    start_time_unix_nano: `${msOf(atS)}000000`,
    end_time_unix_nano: `${msOf(atS) + 1_000}000000`,
  };
  const from = { resource: { "k8s.cluster.name": "demo" }, scope: "falco-event" };
  return { signal: Signal.traces, bytes: tracesRequest(from, [span]) };
}

/** One scrape of one process: who it runs as is a name of the collector's own machine. */
export function hostMetricsStep(mesh: Mesh, entry: EntryOf<"host_metrics">, atS: number): Step {
  const [podName = "", container = ""] = entry.by.split("/");
  const pod = podNamed(mesh, podName);
  const resource = {
    "process.pid": 4_711,
    "process.parent_pid": 1,
    "process.executable.name": entry.exe.slice(entry.exe.lastIndexOf("/") + 1),
    "process.executable.path": entry.exe,
    "process.command": entry.exe,
    ...(entry.owner === undefined ? {} : { "process.owner": entry.owner }),
    "k8s.namespace.name": pod.namespace,
    "k8s.pod.name": nameOf(pod),
    "k8s.container.name": container,
    "container.id": containerId(pod, container),
    "k8s.node.name": pod.node,
    "k8s.cluster.name": pod.cluster,
  };
  const scope =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/processscraper";
  const point = { time_unix_nano: `${msOf(atS)}000000`, as_int: "4096" };
  const sum = { aggregation_temporality: 2, is_monotonic: false, data_points: [point] };
  const metric = { name: "process.memory.usage", unit: "By", sum };
  const bytes = metricsRequest({ resource, scope }, [metric]);
  return { atS, isObject: false, request: { signal: Signal.metrics, bytes } };
}
