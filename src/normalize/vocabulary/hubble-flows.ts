/**
 * Flows of Cilium's Hubble, one event per packet that its datapath reports, from the exporter's file or
 * from `hubble observe`. Packets that open or close a TCP connection and datagrams of whoever began are
 * flows on the wire; others tell nothing more, and with Cilium's aggregation only some of them come.
 *
 * One packet is told at each point that it passes. It counts where the sender's own machine handed it on:
 * connection tracking has judged it there, a service's address is already resolved, and no policy has
 * stopped it. What was dropped has reached nobody. A datagram that Cilium takes for the first of its
 * conversation may be a late answer, so of those only answers are believed to have a direction.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { Flow, PodName, SourceRef } from "../../model/observations.ts";
import {
  boolField,
  field,
  intField,
  isObject,
  type Json,
  listField,
  portField,
  textField,
} from "../json.ts";
import { JsonEvents } from "../json-events.ts";
import { maxNameLength, noPod } from "../names.ts";
import { isUsableTime, parseRfc3339, type ExactTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";

const vocabulary = "hubble-flows";

export const guides: readonly SourceGuide[] = [
  {
    id: "hubble-flows",
    title: "Hubble: exported flows",
    switchOn:
      "Cilium's chart with `hubble.enabled: true` and `hubble.export.static.enabled: true`, and " +
      "the export file (`hubble.export.static.filePath`) read with the collector's `file_log` " +
      "receiver. A field mask has to leave `time`, `verdict`, `IP`, `l4`, `source`, " +
      "`destination`, `Type`, `node_name`, `is_reply`, `event_type`, `traffic_direction` and " +
      "`trace_observation_point`.",
    gives: ["flows"],
    cannotTell:
      "Who opened a connection: the wire shows the pod's address for its proxy and its " +
      "application alike. Bytes are not counted. A connection that was open before the first " +
      "event is not seen, nor what Hubble lost (`lost_events`).",
    reference: "cilium/cilium: api/v1/flow/flow.proto",
  },
];

/** Where a packet was handed on; at the others it has only come in, and is told again when it goes. */
const handedOn: ReadonlySet<string> = new Set([
  "TO_ENDPOINT",
  "TO_STACK",
  "TO_OVERLAY",
  "TO_NETWORK",
  "TO_HOST",
  "TO_PROXY",
]);

/** Bits of TCP's header by Hubble's names for them. */
const flagBits = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20 } as const;
type FlagName = keyof typeof flagBits;
const finOrReset = flagBits.FIN | flagBits.RST;

const keys = [
  "flow",
  "node_name",
  "time",
  "lost_events",
  "node_status",
  "agent_event",
  "debug_event",
];

export class HubbleFlows implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #events: JsonEvents;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#events = new JsonEvents(
      { keys, marks: ["flow", "lost_events"], isOne: isHubble },
      interner,
    );
  }

  read(record: RecordAt<LogsView>): boolean {
    const read = this.#events.read(record);
    if (read === null) return false;
    if ("fault" in read) this.#workshop.tally.dropped(vocabulary, read.fault);
    else this.#event(read.event, record);
    return true;
  }

  #event(event: Json, record: RecordAt<LogsView>): void {
    const { batch, clusters, sources, tally } = this.#workshop;
    const flow = field(event, "flow");
    const { pairs } = record.resource;
    const cluster = clusters.nameOf((pairs.get("k8s.cluster.name") ?? "").slice(0, maxNameLength));
    const host = hostOf(flow, event) || (pairs.get("k8s.node.name") ?? "").slice(0, maxNameLength);
    const source = sources.nodeAgent(cluster, host);
    const exact = parseRfc3339(textField(flow, "time") || textField(event, "time"));
    const { receivedUs, trust } = record.context;
    const isTimed = isUsableTime(exact.us, receivedUs);
    const time = isTimed ? exact : { us: receivedUs, nanos: 0 };
    if (!isObject(flow) || !isCounted(flow)) {
      tally.dropped(vocabulary, "unused");
    } else {
      const packet = packetOf(flow, { cluster, host, source, trust }, time);
      if (packet === "unused" || packet === "missing_address") tally.dropped(vocabulary, packet);
      else batch.add(isTimed ? packet : { ...packet, clamped: true });
    }
    batch.alive(source, "flows", time.us);
  }
}

/** An event of Hubble's, of whatever kind; `flow` alone is a word that others use as well. */
function isHubble(event: Json): boolean {
  const flow = field(event, "flow");
  if (isObject(flow)) return isObject(field(flow, "IP")) || textField(flow, "verdict") !== "";
  return isObject(field(event, "lost_events")) && field(event, "node_name") !== undefined;
}

/** `<cluster>/<node>`, or the node alone where Cilium's cluster has its default name. */
function hostOf(flow: Json, event: Json): string {
  const name = textField(flow, "node_name") || textField(event, "node_name");
  return name.slice(name.lastIndexOf("/") + 1).slice(0, maxNameLength);
}

/** One of the sightings of a packet: the one that its sender's machine tells as it hands it on. */
function isCounted(flow: Json): boolean {
  const verdict = textField(flow, "verdict");
  if (verdict !== "FORWARDED" && verdict !== "REDIRECTED") return false;
  const type = textField(flow, "Type");
  if (type !== "" && type !== "L3_L4") return false;
  if (!handedOn.has(textField(flow, "trace_observation_point"))) return false;
  // Without connection tracking's word it is a sighting further on, told before by the pod's own program.
  const isTracked =
    field(flow, "is_reply") !== undefined || textField(flow, "traffic_direction") !== "";
  return isTracked && !boolField(flow, "is_reply") && isSenders(flow);
}

/** The sender's machine has an endpoint for it; nobody else tells of a sender that is no pod. */
function isSenders(flow: Json): boolean {
  const sender = field(flow, "source");
  return intField(sender, "ID") > 0 || textField(sender, "pod_name") === "";
}

interface Told {
  readonly cluster: string;
  readonly host: string;
  readonly source: SourceRef;
  readonly trust: Flow["trust"];
}

/** A packet by itself, or why it tells nothing. */
function packetOf(
  flow: Json,
  { cluster, host, source, trust }: Told,
  { us: timeUs, nanos }: ExactTime,
): Flow | "unused" | "missing_address" {
  const layers = field(flow, "l4");
  const tcp = field(layers, "TCP");
  const ports = isObject(tcp) ? tcp : field(layers, "UDP");
  if (!isObject(ports)) return "unused";
  const tcpFlags = isObject(tcp) ? flagsOf(tcp) : -1;
  if (isObject(tcp) && !tellsOfConnection(tcpFlags)) return "unused";
  const ip = field(flow, "IP");
  const srcIp = canonicalIp(textField(ip, "source"));
  const dstIp = canonicalIp(textField(ip, "destination"));
  if (srcIp === "" || dstIp === "") return "missing_address";
  const srcPod = podOf(field(flow, "source"), cluster, srcIp);
  const dstPod = podOf(field(flow, "destination"), cluster, dstIp);
  return {
    kind: "flow",
    timeUs,
    nanos,
    source,
    trust,
    cluster,
    host,
    agent: "hubble",
    srcIp,
    srcPort: portField(ports, "source_port"),
    dstIp,
    dstPort: portField(ports, "destination_port"),
    transport: isObject(tcp) ? "tcp" : "udp",
    startUs: timeUs,
    endUs: timeUs,
    clamped: false,
    bytes: 0,
    packets: 1,
    tcpFlags,
    closed: tcpFlags > 0 && (tcpFlags & finOrReset) !== 0,
    ...(isObject(tcp) ? { direction: "request" } : {}),
    ...(srcPod ? { srcPod } : {}),
    ...(dstPod ? { dstPod } : {}),
  };
}

function flagsOf(tcp: Json): number {
  const flags = field(tcp, "flags");
  let bits = 0;
  for (const name of Object.keys(flagBits) as FlagName[]) {
    if (boolField(flags, name)) bits |= flagBits[name];
  }
  return bits;
}

/** It opens or ends one. The answer to a handshake is told as a reply where tracking works at all. */
function tellsOfConnection(flags: number): boolean {
  if ((flags & flagBits.SYN) !== 0) return (flags & flagBits.ACK) === 0;
  return (flags & finOrReset) !== 0;
}

/** Null for what is no pod: the world beyond, a machine, the API server. */
function podOf(endpoint: Json, cluster: string, address: string): PodName | null {
  const pod = textField(endpoint, "pod_name", maxNameLength);
  if (pod === "") return null;
  const [workload] = listField(endpoint, "workloads", 1);
  return {
    ...noPod,
    cluster,
    namespace: textField(endpoint, "namespace", maxNameLength),
    pod,
    workload: textField(workload, "name", maxNameLength),
    workloadKind: textField(workload, "kind", maxNameLength),
    address,
  };
}
