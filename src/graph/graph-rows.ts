/** Between the graph's tables in memory and the rows of a commit, both ways. Judges nothing. */
import { FewSet } from "../lib/few-set.ts";
import { hexToIp, ipToHex } from "../lib/ip.ts";
import { makeEntity, type NodeEntity } from "../model/entities.ts";
import { forget, type NodeRow, type Restored, type WriteSet } from "../model/rows.ts";
import type { Coverage } from "./coverage.ts";
import { collectFacets, restoreFacets } from "./facet-rows.ts";
import type { Facets } from "./facets.ts";
import type { IdentityTables, PodRecord } from "./identity.ts";
import type { Claim } from "./ip-owners.ts";
import type { NodeRecord } from "./nodes.ts";
import { declaredOf } from "./workload-detail.ts";

/** Pod objects with more JSON than this are stored without the object. */
const podDetailMax = 32_768;

export function collectGraph(
  into: WriteSet,
  identity: IdentityTables,
  facets: Facets,
  coverage: Coverage,
): void {
  collectFacets(into, facets, identity.nodes);
  for (const key of identity.takeFormerKeys()) forget(into, "pods", key);
  const pods = identity.takeDirtyPods();
  for (const pod of pods) podRow(into, pod, identity);
  nodeRows(into, pods, identity, coverage);
  into.nodeAliases.push(...identity.nodes.takeNewAliases());
  for (const claim of identity.owners.takeDirty()) ownerRow(into, claim, identity);
}

export function restoreGraph(rows: Restored, identity: IdentityTables, facets: Facets): void {
  for (const row of rows.nodes) identity.nodes.restore(rowToNode(row));
  for (const { alias, nodeId } of rows.nodeAliases) identity.nodes.restoreAlias(alias, nodeId);
  for (const row of rows.pods) {
    const pod = JSON.parse(row.detail) as PodRecord | null; // by `podRow`
    if (pod) identity.restorePod(pod);
  }
  for (const row of rows.ipOwners) {
    const detail = JSON.parse(row.detail) as Omit<Claim, "id" | "cluster" | "ip">; // by `ownerRow`
    const { id, cluster } = row;
    identity.owners.restore({ id, cluster, ip: hexToIp(row.ip), ...detail });
  }
  restoreFacets(rows, facets);
  identity.restoreDone();
}

/** Nodes that are others than their rows say, also for what their pods declare. */
function nodeRows(
  into: WriteSet,
  changed: readonly PodRecord[],
  identity: IdentityTables,
  coverage: Coverage,
): void {
  const dirty = new Set(identity.nodes.takeDirty());
  const changedOf = new Map<NodeRecord, PodRecord>();
  for (const pod of changed) {
    const node = identity.nodes.get(pod.facts.nodeId);
    dirty.add(node);
    changedOf.set(node, pod);
  }
  for (const node of dirty) {
    const living = coverage.podsOf(node.id);
    // Of a workload whose last pod has ended, that one still says what it was.
    const last = changedOf.get(node);
    into.nodes.push(nodeToRow(node, living.length === 0 && last ? [last] : living));
  }
}

function nodeToRow(node: NodeRecord, pods: readonly PodRecord[]): NodeRow {
  const { entity, seenSigns, podSigns, uses } = node;
  return {
    id: node.id,
    key: node.key,
    cluster: entity.cluster,
    namespace: entity.namespace,
    name: entity.name,
    kind: entity.kind,
    mesh: entity.mesh,
    mode: entity.mode,
    external: entity.external,
    address: entity.address,
    resolved: entity.resolved,
    firstSeenUs: node.firstUs,
    lastSeenUs: node.lastUs,
    mergedInto: node.mergedInto || node.retiredInto,
    detail: JSON.stringify({
      entity,
      seenSigns,
      podSigns: [...podSigns],
      isMerged: node.mergedInto > 0,
      uses,
      ...shownOf(pods),
    }),
  };
}

/** What only readers need. A declaration of unlikely size is left out. */
function shownOf(pods: readonly PodRecord[]): Record<string, unknown> {
  if (pods.length === 0) return {};
  const declared = declaredOf(pods);
  return JSON.stringify(declared).length <= podDetailMax ? { declared } : {};
}

function rowToNode(row: NodeRow): NodeRecord {
  const detail = JSON.parse(row.detail) as {
    entity: NodeEntity;
    seenSigns: number;
    podSigns: [string, number][];
    isMerged: boolean;
  }; // by `nodeToRow`
  return {
    id: row.id,
    key: row.key,
    entity: { ...makeEntity("node"), ...detail.entity },
    firstUs: row.firstSeenUs,
    lastUs: row.lastSeenUs,
    mergedInto: detail.isMerged ? row.mergedInto : 0,
    retiredInto: detail.isMerged ? 0 : row.mergedInto,
    aliases: new FewSet(),
    uses: 0,
    isDirty: false,
    seenSigns: detail.seenSigns,
    podSigns: new Map(detail.podSigns),
  };
}

function podRow(into: WriteSet, pod: PodRecord, identity: IdentityTables): void {
  // By the node it is now: the row of one that has merged is removed some day.
  const facts = { ...pod.facts, nodeId: identity.nodes.get(pod.facts.nodeId).id };
  const whole = JSON.stringify({ ...pod, facts });
  into.pods.push({
    uid: pod.key,
    cluster: facts.cluster,
    namespace: facts.namespace,
    name: facts.name,
    nodeId: facts.nodeId,
    firstSeenUs: facts.fromUs,
    lastSeenUs: pod.lastUs,
    detail: whole.length <= podDetailMax ? whole : JSON.stringify({ ...pod, facts, object: null }),
  });
}

function ownerRow(into: WriteSet, claim: Claim, identity: IdentityTables): void {
  const { id, cluster, ip, ...detail } = claim;
  const pod = identity.podByKey(claim.pod);
  into.ipOwners.push({
    id,
    cluster,
    ip: ipToHex(ip),
    podUid: claim.pod,
    nodeId: pod ? identity.nodes.get(pod.facts.nodeId).id : 0,
    fromUs: claim.startUs || claim.firstUs,
    toUs: claim.endLoUs,
    detail: JSON.stringify(detail),
  });
}
