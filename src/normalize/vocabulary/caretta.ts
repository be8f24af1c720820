/**
 * Caretta's links, scraped: a gauge that holds the bytes which one end of a link has sent since Caretta was
 * started, by client, server and server port. Each end of a link inside the cluster is a row of its own.
 *
 * Not read: its other numbers, and ends that are machines, which it knows by their names alone.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { PeerName } from "../../model/observations.ts";
import { portOf } from "../json.ts";
import { maxNameLength, noPeer } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type {
  EdgePlan,
  MetricPlan,
  MetricVocabulary,
  PointAt,
  SeriesFacts,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { flowBetween, hostPeer, isSettled, scrapedAgent } from "./flow-context.ts";

const vocabulary = "caretta";

export const guides: readonly SourceGuide[] = [
  {
    id: "caretta",
    title: "Caretta",
    switchOn: "Caretta on every machine and a scrape of its port 7117 at `/metrics`.",
    gives: ["workload_flows"],
    cannotTell:
      "Addresses of pods, source ports and times of connections, so that nothing here proves " +
      "or disproves a bypass: it shows who talks to whom and how much. A row counts what its " +
      "own end sent.",
    reference: "groundcover-com/caretta: pkg/caretta/caretta.go",
  },
];

const names = /^caretta_\w+$/;
/** Whose row it is: the bytes are those that this end sent. */
const ofClient = "1";
const ofServer = "2";

type Side = "client" | "server";

export class Caretta implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (!names.test(name)) return null;
    return name === "caretta_links_observed" ? this.#plan() : { kind: "ignored" };
  }

  #plan(): EdgePlan {
    return {
      kind: "edge",
      vocabulary,
      measure: "bytes_sent",
      hasStart: false,
      proves: "workload_flows",
      observe: (point) => this.#observe(point),
      describe: (labels, resource) => this.#describe(labels, resource),
    };
  }

  /** True for what is no series between two names. */
  #observe(point: PointAt): boolean {
    const { labels, resource, timeUs } = point;
    const { batch, tally } = this.#workshop;
    const source = scrapedAgent(labels, resource, this.#workshop);
    batch.alive(source, "workload_flows", timeUs);
    const src = peerOf(labels, "client", source.cluster);
    const dst = peerOf(labels, "server", source.cluster);
    const role = labels.get("role");
    const isOriented = role === ofClient || role === ofServer;
    if (!src || !dst || !isOriented) {
      tally.dropped(vocabulary, isOriented ? "missing_field" : "unoriented");
      return true;
    }
    if (isSettled(src) && isSettled(dst)) return false;
    const port = portOf(labels.get("server_port") ?? "");
    batch.add(flowBetween(point, vocabulary, source, { src, dst, port }));
    return true;
  }

  #describe(labels: Pairs, resource: Resource): SeriesFacts {
    const source = scrapedAgent(labels, resource, this.#workshop);
    return {
      measure: labels.get("role") === ofServer ? "bytes_received" : "bytes_sent",
      reporter: "flow",
      channel: "flows",
      src: peerOf(labels, "client", source.cluster) ?? noPeer,
      dst: peerOf(labels, "server", source.cluster) ?? noPeer,
      port: portOf(labels.get("server_port") ?? ""),
      protocol: "",
      transport: "tcp",
      security: "unknown",
      route: "unknown",
      isError: false,
      isDenied: false,
      responseFlags: "",
      source,
    };
  }
}

/** Null for a machine, and for what has no name. */
function peerOf(labels: Pairs, side: Side, cluster: string): PeerName | null {
  const name = (labels.get(`${side}_name`) ?? "").slice(0, maxNameLength);
  const namespace = (labels.get(`${side}_namespace`) ?? "").slice(0, maxNameLength);
  if (name === "" || namespace === "") return null;
  switch (labels.get(`${side}_kind`) ?? "") {
    case "external": {
      const address = canonicalIp(name);
      return address === "" ? hostPeer(name, cluster) : { ...noPeer, cluster, address };
    }
    case "Service":
      return { ...noPeer, cluster, service: name, serviceNamespace: namespace };
    case "Pod":
      return { ...noPeer, cluster, namespace, pod: name };
    case "node":
    case "Node":
    case "":
      return null;
    default:
      return { ...noPeer, cluster, namespace, workload: name };
  }
}
