/**
 * Series of connections between two names that an agent counts by packets: what the metrics of Hubble and
 * Retina have in common. A packet that asks for a connection has a direction, all others may be answers.
 * Each point that a packet passes counts it, so the numbers are an upper bound.
 */
import type { Measure } from "../../model/observations.ts";
import { noPeer } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type { EdgePlan, PointAt, SeriesFacts, Workshop } from "../vocabulary.ts";
import { flowBetween, isSettled, peerAt, scrapedAgent } from "./flow-context.ts";

interface Counted {
  readonly vocabulary: string;
  readonly measure: Measure;
  readonly protocol: string;
  /** Whether the point counts towards the measure at all. */
  counts(labels: Pairs): boolean;
  isError(labels: Pairs): boolean;
}

/** The plan of a metric whose points are between `source` and `destination`, the first being the client. */
export function countsPlan(counted: Counted, workshop: Workshop): EdgePlan {
  const { vocabulary, measure } = counted;
  return {
    kind: "edge",
    vocabulary,
    measure,
    hasStart: true,
    proves: "workload_flows",
    observe: (point) => observe(counted, point, workshop),
    describe: (labels, resource) => describe(counted, labels, resource, workshop),
  };
}

/** True for what is no series between two names. */
function observe(counted: Counted, point: PointAt, workshop: Workshop): boolean {
  const { labels, resource, timeUs } = point;
  const { batch, tally } = workshop;
  const source = scrapedAgent(labels, resource, workshop);
  batch.alive(source, "workload_flows", timeUs);
  if (!counted.counts(labels)) return true;
  const src = peerAt(labels, "source", source.cluster);
  const dst = peerAt(labels, "destination", source.cluster);
  if (!src || !dst) {
    tally.dropped(counted.vocabulary, "missing_field");
    return true;
  }
  if (isSettled(src) && isSettled(dst)) return false;
  batch.add(flowBetween(point, counted.vocabulary, source, { src, dst, port: 0 }));
  return true;
}

function describe(
  counted: Counted,
  labels: Pairs,
  resource: Resource,
  workshop: Workshop,
): SeriesFacts {
  const source = scrapedAgent(labels, resource, workshop);
  return {
    measure: counted.measure,
    reporter: "flow",
    channel: "flows",
    src: peerAt(labels, "source", source.cluster) ?? noPeer,
    dst: peerAt(labels, "destination", source.cluster) ?? noPeer,
    port: 0,
    protocol: counted.protocol,
    transport: "tcp",
    security: "unknown",
    route: "unknown",
    isError: counted.isError(labels),
    isDenied: false,
    responseFlags: "",
    source,
  };
}
