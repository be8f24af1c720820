/** What ztunnel and the node agents beside Tetragon and NetFlow send, in their own words. */
import { encodeCounters, encodeLogs } from "../../src/cli/demo/otlp.ts";
import { Signal } from "../../src/model/stages.ts";
import { containerId, nameOf, startMs, type End, type Step } from "../scenarios/pipeline-world.ts";
import { keyValues, metricsRequest } from "./otlp-build.ts";
import { endOf, podAt, podNamed, type Mesh, type StoryPod } from "./story-mesh.ts";
import type { EntryOf } from "./story-schema.ts";

const msOf = (atS: number): number => startMs + Math.round(atS * 1_000);
const text = ({ ip, port }: End): string =>
  ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;

/** A line of ztunnel's access log, from its file: written when the connection ends. */
export function ztunnelLine(mesh: Mesh, entry: EntryOf<"ztunnel_log">, atS: number): Step {
  const [src, dst] = [endOf(mesh, entry.src), endOf(mesh, entry.dst)];
  const [client, target] = [podAt(mesh, src.ip), podAt(mesh, dst.ip)];
  const isBroken = entry.error !== undefined;
  const fields = [
    `src.addr=${text(src)}`,
    ...workloadFields("src", client, entry.hbone),
    `dst.addr=${text(entry.hbone ? { ...dst, port: 15_008 } : dst)}`,
    ...(entry.hbone ? [`dst.hbone_addr=${text(dst)}`] : []),
    ...(target ? [`dst.service="${target.workload}.${target.namespace}.svc.cluster.local"`] : []),
    ...workloadFields("dst", target, entry.hbone),
    `direction="${entry.direction}" bytes_sent=${isBroken ? 0 : 690} bytes_recv=${isBroken ? 0 : 241}`,
    `duration="4ms"${isBroken ? ` error="${entry.error}"` : ""}`,
  ];
  const time = new Date(msOf(atS)).toISOString().replace("Z", "000Z");
  const head = [time, isBroken ? "error" : "info", "access", "connection complete"];
  const line = [...head, fields.join(" ")].join("\t");
  const object = ztunnelObject(head, fields);
  const attributes = { "log.file.name": "0.log", ...(entry.form === "attributes" ? object : {}) };
  const body = entry.form === "text" ? line : JSON.stringify(object);
  const log = { timeMs: entry.form === "text" ? msOf(atS) : 0, attributes, body };
  return { atS, isObject: false, request: encodeLogs({ "k8s.cluster.name": "demo" }, [log]) };
}

/** The same under `LOG_FORMAT=json`. */
function ztunnelObject(head: readonly string[], fields: readonly string[]): Record<string, string> {
  const [time = "", level = "", scope = "", message = ""] = head;
  const pairs = [...fields.join(" ").matchAll(/([a-z_.]+)=(?:"([^"]*)"|(\S+))/g)];
  const values = pairs.map(([, key = "", quoted, bare]) => [key, quoted ?? bare ?? ""] as const);
  return { level, time, scope, message, ...Object.fromEntries(values) };
}

function workloadFields(side: string, pod: StoryPod | undefined, hasIdentity: boolean): string[] {
  if (!pod) return [];
  const principal = `spiffe://cluster.local/ns/${pod.namespace}/sa/${pod.workload}`;
  return [
    `${side}.workload="${nameOf(pod)}"`,
    `${side}.namespace="${pod.namespace}"`,
    ...(hasIdentity ? [`${side}.identity="${principal}"`] : []),
  ];
}

/** OBI's flow counter at exports ten seconds apart: cumulative, with the SDK's start. */
export function obiSteps(mesh: Mesh, entry: EntryOf<"obi">, atS: number): Step[] {
  const [src, dst] = [endOf(mesh, entry.src), endOf(mesh, entry.dst)];
  const attributes = {
    ...ownerAttributes("src", podAt(mesh, src.ip)),
    ...ownerAttributes("dst", podAt(mesh, dst.ip)),
    "k8s.cluster.name": "demo",
    direction: "request",
    ...(entry.addresses
      ? {
          "src.address": src.ip,
          "dst.address": dst.ip,
          "src.port": src.port,
          "dst.port": dst.port,
          transport: entry.udp ? "UDP" : "TCP",
        }
      : {}),
  };
  const resource = {
    "service.name": "obi-network-flows",
    "service.instance.id": "6d6a7a5e-6f0c-4f0e-8a55-0c2d8b6f1a11",
    "host.id": "node-1",
    "host.name": "node-1",
  };
  return entry.bytes.map((bytes, index) => {
    const exportS = atS + 10 * index;
    const point = {
      attributes: keyValues(attributes),
      start_time_unix_nano: `${msOf(-600)}000000`,
      time_unix_nano: `${msOf(exportS)}000000`,
      as_int: String(bytes),
    };
    const sum = { aggregation_temporality: 2, is_monotonic: true, data_points: [point] };
    const metric = { name: "obi.network.flow.bytes", unit: "{bytes}", sum };
    const bytesOf = metricsRequest({ resource, scope: "network_ebpf_events" }, [metric]);
    return { atS: exportS, isObject: false, request: { signal: Signal.metrics, bytes: bytesOf } };
  });
}

function ownerAttributes(side: string, pod: StoryPod | undefined): Record<string, string> {
  if (!pod) return {};
  return {
    [`k8s.${side}.owner.name`]: pod.workload,
    [`k8s.${side}.owner.type`]: "Deployment",
    [`k8s.${side}.namespace`]: pod.namespace,
  };
}

/** Coroot's connection counter at two scrapes: it resolves NAT itself. */
export function corootSteps(mesh: Mesh, entry: EntryOf<"coroot">, atS: number): Step[] {
  const [podName = "", container = ""] = entry.by.split("/");
  const pod = podNamed(mesh, podName);
  const attributes = {
    container_id: `/k8s/${pod.namespace}/${nameOf(pod)}/${container}`,
    machine_id: pod.node,
    destination: text(endOf(mesh, entry.destination)),
    actual_destination: text(endOf(mesh, entry.actual)),
  };
  const resource = { "service.name": "coroot-node-agent", "k8s.cluster.name": pod.cluster };
  return [1, 2].map((value, index) => {
    const scrapeS = atS + 10 * index;
    const name = "container_net_tcp_successful_connects_total";
    const request = encodeCounters(resource, [{ name, attributes, value }], msOf(scrapeS));
    return { atS: scrapeS, isObject: false, request };
  });
}

/** A window of opentelemetry-network's reducer: deltas that name the process. */
export function otelNetworkStep(mesh: Mesh, entry: EntryOf<"otel_network">, atS: number): Step {
  const [podName = "", container = ""] = entry.by.split("/");
  const pod = podNamed(mesh, podName);
  const dst = endOf(mesh, entry.dst);
  const target = podAt(mesh, dst.ip);
  const attributes = {
    "source.resolution_type": "K8S_CONTAINER",
    "source.workload.name": pod.workload,
    "source.namespace.name": pod.namespace,
    "source.container.name": container,
    "source.process.name": entry.process,
    "source.pod": nameOf(pod),
    "source.id": containerId(pod, container),
    "source.ip": pod.ip,
    "dest.resolution_type": target ? "K8S_CONTAINER" : "IP",
    "dest.workload.name": target?.workload ?? dst.ip,
    "dest.namespace.name": target?.namespace ?? "-",
    "dest.ip": dst.ip,
    sf_product: "network-explorer",
  };
  const point = {
    attributes: keyValues(attributes),
    start_time_unix_nano: `${msOf(atS - 30)}000000`,
    time_unix_nano: `${msOf(atS)}000000`,
    as_int: "4000",
  };
  const sum = { aggregation_temporality: 1, is_monotonic: true, data_points: [point] };
  const from = {
    resource: { "service.name": "reducer", "telemetry.sdk.language": "rust" },
    scope: "reducer-ffi",
  };
  const bytes = metricsRequest(from, [{ name: "tcp.bytes", unit: "By", sum }]);
  return { atS, isObject: false, request: { signal: Signal.metrics, bytes } };
}
