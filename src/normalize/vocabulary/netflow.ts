/**
 * Flow records of the collector's NetFlow receiver: one per direction of a conversation, seen on a node's
 * wire. Their exporters' clocks are often days off, so times that cannot be are replaced by the time at
 * which the collector received them. The sampler's address is the only sign of the node.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { Flow, Transport } from "../../model/observations.ts";
import { usPerDay, usPerHour, usPerSecond, type Us } from "../../model/time.ts";
import { AttributeSlots } from "../attributes.ts";
import { portOf } from "../json.ts";
import { isUsableTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";

const vocabulary = "netflow";
const scopeEnding = "netflowreceiver";

const names = [
  "source.address",
  "source.port",
  "destination.address",
  "destination.port",
  "network.transport",
  "flow.io.bytes",
  "flow.io.packets",
  "flow.type",
  "flow.time_received",
  "flow.start",
  "flow.end",
  "flow.sampler_address",
  "flow.tcp_flags",
  "flow.sampling_rate",
];

/** An exporter's clock may be a little ahead; a flow is reported within minutes of its end. */
const maxAheadUs = 5 * usPerSecond;
const maxBehindUs = usPerHour;
/** Of the OR over the flow: either ends the conversation. */
const finOrReset = 0x01 | 0x04;

const samplingRateMax = 1_000_000;

/** Names and spellings of IANA's protocol numbers as the receiver writes them. */
const transports: ReadonlyMap<string, Transport> = new Map([
  ["tcp", "tcp"],
  ["udp", "udp"],
  ["icmp", "icmp"],
  ["ipv6-icmp", "icmp"],
  ["icmpv6", "icmp"],
]);

interface FlowTimes {
  readonly startUs: Us;
  readonly endUs: Us;
  readonly clamped: boolean;
}

export const guides: readonly SourceGuide[] = [
  {
    id: "netflow",
    title: "NetFlow or IPFIX of the machines",
    switchOn:
      "An exporter on every machine that sees the pods' interfaces before the machine's own " +
      "address translation (softflowd, pmacct, Open vSwitch), and the collector's `netflow` " +
      "receiver (`scheme: netflow`, `port: 2055`). Unsampled, with short active and " +
      "inactive timeouts.",
    gives: ["flows"],
    cannotTell:
      "Who opened a connection: the wire shows the pod's address for its proxy and its " +
      "application alike. Times may be off by days and are replaced; the exporter's address " +
      "is the only sign of the machine; a flow is told when it ends or times out.",
    reference: "open-telemetry/opentelemetry-collector-contrib: receiver/netflowreceiver/README.md",
  },
];

export class Netflow implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots(names, interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = record.view;
    const attrEnd = records.attrEnd[record.index] ?? 0;
    const slots = this.#slots;
    slots.read(bytes, attributes, records.attrStart[record.index] ?? 0, attrEnd);
    if (!record.scope.endsWith(scopeEnding) && !slots.has("flow.type")) return false;
    const srcIp = canonicalIp(slots.internedText("source.address"));
    const dstIp = canonicalIp(slots.internedText("destination.address"));
    if (srcIp === "" || dstIp === "") {
      this.#workshop.tally.dropped(vocabulary, "missing_address");
      return true;
    }
    const flow = this.#flow(record, srcIp, dstIp);
    this.#workshop.batch.add(flow);
    this.#workshop.batch.alive(flow.source, "flows", flow.timeUs);
    return true;
  }

  #flow(record: RecordAt<LogsView>, srcIp: string, dstIp: string): Flow {
    const { clusters, sources } = this.#workshop;
    const slots = this.#slots;
    const { pairs } = record.resource;
    const cluster = clusters.nameOf((pairs.get("k8s.cluster.name") ?? "").slice(0, 253));
    const host = canonicalIp(slots.internedText("flow.sampler_address"));
    const times = this.#times(record.context.receivedUs);
    const tcpFlags = slots.number("flow.tcp_flags");
    // Of a sample; 0 = not given, and none is believed that would make one packet a million.
    const rate = slots.number("flow.sampling_rate");
    const each = rate >= 1 && rate <= samplingRateMax ? rate : 1;
    const transport =
      transports.get(slots.internedText("network.transport").toLowerCase()) ?? "other";
    return {
      kind: "flow",
      timeUs: times.endUs,
      nanos: 0,
      source: sources.nodeAgent(cluster, host),
      trust: record.context.trust,
      cluster,
      host,
      agent: vocabulary,
      srcIp,
      srcPort: portOf(slots.number("source.port")),
      dstIp,
      dstPort: portOf(slots.number("destination.port")),
      transport,
      ...times,
      bytes: Math.max(0, slots.number("flow.io.bytes")) * each,
      packets: Math.max(0, slots.number("flow.io.packets")) * each,
      tcpFlags,
      closed: transport === "tcp" && tcpFlags > 0 && (tcpFlags & finOrReset) !== 0,
    };
  }

  /** Judged against the collector's own clock: a flow may have waited in its queue for hours. */
  #times(receivedUs: Us): FlowTimes {
    const slots = this.#slots;
    const collectedUs = slots.nanosToUs("flow.time_received");
    const nowUs = isUsableTime(collectedUs, receivedUs) ? collectedUs : receivedUs;
    const startUs = slots.nanosToUs("flow.start");
    const endUs = slots.nanosToUs("flow.end");
    const isPossible =
      endUs <= nowUs + maxAheadUs &&
      endUs >= nowUs - maxBehindUs &&
      startUs <= endUs &&
      startUs >= endUs - usPerDay;
    if (isPossible) return { startUs, endUs, clamped: false };
    return { startUs: nowUs, endUs: nowUs, clamped: true };
  }
}
