/** What the flows of all polled counters have in common: an export's time, and no more than it says. */
import type { Flow, PodName, SourceRef, Transport } from "../../model/observations.ts";
import type { PointAt } from "../vocabulary.ts";

export interface FlowEnd {
  /** "" and 0 where the agent does not say. */
  readonly ip: string;
  readonly port: number;
}

interface PolledEnds {
  readonly agent: string;
  readonly cluster: string;
  readonly host: string;
  readonly source: SourceRef;
  readonly transport: Transport;
  readonly src: FlowEnd;
  readonly dst: FlowEnd;
  readonly srcPod: PodName;
  readonly dstPod: PodName;
}

/** The flow of one point, and of what the agent says beside its ends. */
export function polledFlow(
  { timeUs, isDelta, context }: PointAt,
  ends: PolledEnds,
  more: Partial<Flow>,
): Flow {
  const { src, dst, srcPod, dstPod, agent, cluster, host, source, transport } = ends;
  return {
    kind: "flow",
    timeUs,
    nanos: 0,
    source,
    trust: context.trust,
    cluster,
    host,
    agent,
    srcIp: src.ip,
    srcPort: src.port,
    dstIp: dst.ip,
    dstPort: dst.port,
    transport,
    startUs: timeUs,
    endUs: timeUs,
    clamped: true,
    bytes: 0,
    packets: 0,
    tcpFlags: -1,
    closed: false,
    polled: isDelta ? "delta" : "total",
    ...(isNamed(srcPod) ? { srcPod } : {}),
    ...(isNamed(dstPod) ? { dstPod } : {}),
    ...more,
  };
}

function isNamed({ pod, workload }: PodName): boolean {
  return pod !== "" || workload !== "";
}
