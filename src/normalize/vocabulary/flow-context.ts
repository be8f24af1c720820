/**
 * Who is at the ends of a flow's metric as Cilium's Hubble labels them, and Retina after it: with labels of
 * their own for address, namespace, pod and workload (`labelsContext`), or in one label whose meaning the
 * configuration chooses (`sourceContext`, `destinationContext`) and the label does not say.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type { Flow, PeerName, PodName, SourceRef } from "../../model/observations.ts";
import { maxNameLength, noPeer, noPod } from "../names.ts";
import type { Pairs, Resource } from "../resources.ts";
import type { PointAt, Workshop } from "../vocabulary.ts";
import { polledFlow } from "./polled-flow.ts";

export type Side = "source" | "destination";

/** What is written where nothing is known. */
const unknown = "unknown";
const hostName =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+\.?$/;
/** A pod of a Deployment: the template's hash and five letters of those that Kubernetes draws from. */
const drawn = "[bcdfghjklmnpqrstvwxz2456789]";
const deploymentPod = new RegExp(`-${drawn}{6,10}-${drawn}{5}$`);
/** A pod of a StatefulSet or DaemonSet, or a workload whose name ends so. */
const ambiguous = new RegExp(`-(?:\\d+|${drawn}{5})$`);

/** Null where the labels name nobody, or may mean two things. */
export function peerAt(labels: Pairs, side: Side, cluster: string): PeerName | null {
  const namespace = labelOf(labels, `${side}_namespace`);
  const workload = labelOf(labels, `${side}_workload`);
  const pod = labelOf(labels, `${side}_pod`);
  const address = canonicalIp(labelOf(labels, `${side}_ip`));
  const isNamed = namespace !== "" && (workload !== "" || pod !== "");
  if (isNamed) return { ...noPeer, cluster, namespace, workload, pod, address };
  if (address !== "") return { ...noPeer, cluster, address };
  return peerOfContext(labelOf(labels, side), cluster);
}

function peerOfContext(context: string, cluster: string): PeerName | null {
  const address = canonicalIp(context);
  if (address !== "") return { ...noPeer, cluster, address };
  const [namespace = "", name = "", ...rest] = context.split("/", 3);
  if (name === "") return hostName.test(context) ? hostPeer(context, cluster) : null;
  // An identity is a list of labels (`k8s:app=web,…`), whose names have slashes too.
  if (namespace === "" || rest.length > 0 || /[:=,]/.test(context)) return null;
  if (deploymentPod.test(name)) return { ...noPeer, cluster, namespace, pod: name };
  return ambiguous.test(name) ? null : { ...noPeer, cluster, namespace, workload: name };
}

/** A host beyond the cluster; DNS writes a dot after it. */
export function hostPeer(host: string, cluster: string): PeerName {
  return { ...noPeer, cluster, service: host.replace(/\.$/, "") };
}

function labelOf(labels: Pairs, name: string): string {
  const text = labels.get(name) ?? "";
  return text === unknown ? "" : text.slice(0, maxNameLength);
}

/** Nothing that arrives later can say that it is somebody else: only then is it an end of a series. */
export function isSettled({ workload, service }: PeerName): boolean {
  return workload !== "" || service !== "";
}

/** What a point says of two ends of which one is an address, or a pod without its workload. */
export function flowBetween(
  point: PointAt,
  agent: string,
  source: SourceRef,
  { src, dst, port }: { readonly src: PeerName; readonly dst: PeerName; readonly port: number },
): Flow {
  const ends = {
    agent,
    cluster: source.cluster,
    host: source.key.slice(source.cluster.length + 1),
    source,
    transport: "tcp",
    src: { ip: src.address, port: 0 },
    dst: { ip: dst.address, port },
    srcPod: podOf(src),
    dstPod: podOf(dst),
  } as const;
  return polledFlow(point, ends, { direction: "request" });
}

function podOf({ cluster, namespace, workload, pod, address }: PeerName): PodName {
  return { ...noPod, cluster, namespace, workload, pod, address };
}

/** The agent that was scraped, by its machine as far as the scrape tells. */
export function scrapedAgent(
  labels: Pairs,
  { pairs }: Resource,
  { clusters, sources }: Workshop,
): SourceRef {
  const host =
    labels.get("node") ??
    labels.get("node_name") ??
    pairs.get("k8s.node.name") ??
    pairs.get("host.name") ??
    labels.get("instance") ??
    pairs.get("service.instance.id") ??
    "";
  const named = pairs.get("k8s.cluster.name") ?? "";
  const cluster = clusters.nameOf(named.slice(0, maxNameLength));
  return sources.nodeAgent(cluster, host.slice(0, maxNameLength));
}
