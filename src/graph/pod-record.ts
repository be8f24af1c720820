/** A pod as the identity keeps it: what is known of it, from whom, and when it ended. No tables here. */
import type { ObjectSeen, PodName, PodObject } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { PodFacts } from "./contracts.ts";
import type { Inventory } from "./pod-inventory.ts";
import { objectBorderUs } from "./options.ts";
import { unknownProxy } from "./pods.ts";

/** How sure the workload of a pod is: its name alone, a record that names it, its object. */
export const Rank = { inferred: 1, named: 2, object: 3 } as const;
export type Rank = (typeof Rank)[keyof typeof Rank];

export interface PodRecord {
  /** UID, or `cluster/namespace/name` until one is known. */
  key: string;
  facts: PodFacts;
  /** The last object by event time, null while none has come. */
  object: PodObject | null;
  objectUs: Us;
  /** Whether that object came from a believed sender. */
  isAttested: boolean;
  /** What an inventory has told of it; left out while none has. */
  inventory?: Inventory;
  rank: Rank;
  lastUs: Us;
  /** Other sources (`kind|key`) that tell of it; left out while none does. */
  toldBy?: readonly string[];
}

const never = Number.MAX_SAFE_INTEGER;

export function podName(cluster: string, namespace: string, pod: string): string {
  return `${cluster}/${namespace}/${pod}`;
}

/** A pod of which no more than a name is known; `cluster` is the cluster's own name. */
export function makePodRecord(cluster: string, name: PodName, nodeId: number, atUs: Us): PodRecord {
  return {
    key: name.podUid === "" ? podName(cluster, name.namespace, name.pod) : name.podUid,
    facts: withFacts(
      {
        uid: name.podUid,
        cluster,
        namespace: name.namespace,
        name: name.pod,
        nodeId,
        ips: [],
        hostNetwork: false,
        mode: "unknown",
        proxy: unknownProxy,
        containerNames: [],
        excludedOutboundPorts: null,
        excludedOutboundRanges: null,
        fromUs: atUs,
        endUs: 0,
      },
      {},
    ),
    object: null,
    objectUs: 0,
    isAttested: false,
    rank: Rank.inferred,
    lastUs: atUs,
  };
}

/**
 * The same pod with other facts. Written out, so that all pods' facts have the same fields in the same
 * order: put together from parts they are dictionaries, of 1,000 bytes each instead of 250.
 */
export function withFacts(before: PodFacts, facts: Partial<PodFacts>): PodFacts {
  const all: PodFacts = {
    uid: before.uid,
    cluster: before.cluster,
    namespace: before.namespace,
    name: before.name,
    nodeId: before.nodeId,
    ips: before.ips,
    node: before.node,
    hostNetwork: before.hostNetwork,
    hasOwnUserIds: before.hasOwnUserIds,
    sharesProcesses: before.sharesProcesses,
    mode: before.mode,
    proxy: before.proxy,
    containerNames: before.containerNames,
    starts: before.starts,
    initContainersBeforeProxy: before.initContainersBeforeProxy,
    excludedOutboundPorts: before.excludedOutboundPorts,
    excludedOutboundRanges: before.excludedOutboundRanges,
    meshWideHoles: before.meshWideHoles,
    includedOutbound: before.includedOutbound,
    fromUs: before.fromUs,
    endUs: before.endUs,
  };
  return Object.assign(all, facts);
}

/** The border in which an object's pod ended, zeros while it lives. A future deletion ends nothing. */
export function endOf(seen: ObjectSeen, object: PodObject): { loUs: Us; hiUs: Us } {
  const isDeleted = seen.event === "deleted";
  const deletedUs = object.deletionUs > 0 ? object.deletionUs : never;
  const candidates = [
    deletedUs <= seen.timeUs || isDeleted ? deletedUs : never,
    object.finishedUs > 0 ? object.finishedUs : never,
    isDeleted ? seen.timeUs : never,
  ];
  const loUs = Math.min(...candidates);
  if (loUs === never) return { loUs: 0, hiUs: 0 };
  return { loUs: loUs - objectBorderUs, hiUs: isDeleted ? seen.timeUs : never };
}
