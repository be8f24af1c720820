/**
 * Who is seen by what: for every workload the capabilities that are live, silent or were never told of,
 * kept as bits. Sources are its witnesses: a proxy of its pod, the agents of the machines its pods run
 * on, the object feed of its cluster, and whoever names one of its pods. A change of one source or pod
 * touches what hangs on it and nothing else, and workloads are counted by namespace and mask, so that
 * nobody has to look through all of them. It judges nothing: what a rule can make of a mask is in
 * `model/coverage.ts`.
 */
import { FewSet } from "../lib/few-set.ts";
import {
  coverageCapabilities,
  coverageStates,
  memberships,
  type CoverageGroup,
  type CoverageState,
  type Membership,
} from "../model/coverage.ts";
import { inventoryKey } from "../model/keys.ts";
import { forget, type CoverageRow, type WriteSet } from "../model/rows.ts";
import type { Us } from "../model/time.ts";
import type { PodRecord } from "./identity.ts";
import { describedBy } from "./pod-inventory.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";

const bitCount = coverageCapabilities.length;
const liveMask = (1 << bitCount) - 1;

export interface CoverageOptions {
  /** What a source (`kind|key`) tells of: `live | heard << bitCount`; 0 = never heard, or gone. */
  readonly bitsOf: (sourceId: string) => number;
  readonly nodes: Nodes;
  /** Sources that report for workloads without a known pod, all together. */
  readonly reportersMax: number;
}

/** The same of one workload: its pods come and go, and only the newest of their proxies matter. */
const reportersPerWorkloadMax = 16;

interface Witness {
  readonly id: string;
  bits: number;
  readonly members: FewSet<Member>;
}

/** A living pod, or a source that reports for a workload of which no pod is known. */
interface Member {
  readonly workload: Workload;
  readonly pod: PodRecord | null;
  readonly witnesses: readonly Witness[];
  bits: number;
}

interface Workload {
  readonly nodeId: number;
  readonly members: FewSet<Member>;
  /** By source id; their members are not pods. Nearly always there are none. */
  reporters: Map<string, Member>;
  /** Members that are seen live, by capability. */
  readonly liveCounts: number[];
  namespace: NamespaceCounts;
  mesh: Membership;
  live: number;
  /** What was ever told of; it only grows, since a pod that was replaced was heard too. */
  heard: number;
}

interface NamespaceCounts {
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  /** `live | heard << bitCount | membership << 2 * bitCount` to the number of workloads. */
  readonly groups: Map<number, number>;
}

export class Coverage {
  readonly #options: CoverageOptions;
  readonly #workloads = new Map<number, Workload>();
  readonly #members = new Map<PodRecord, Member>();
  readonly #witnesses = new Map<string, Witness>();
  readonly #namespaces = new Map<string, NamespaceCounts>();
  readonly #dirty = new Set<number>();
  readonly #forgotten = new Set<number>();
  /** What rules were last told is not so any more. */
  readonly #changedNodes = new Set<number>();
  readonly #changedNamespaces = new Set<string>();
  #reporters = 0;
  #dropped = 0;

  constructor(options: CoverageOptions) {
    this.#options = options;
  }

  /** Reporters for which there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The living pods of a workload. */
  podsOf(nodeId: number): PodRecord[] {
    const pods: PodRecord[] = [];
    for (const { pod } of this.#workloads.get(nodeId)?.members ?? []) if (pod) pods.push(pod);
    return pods;
  }

  /** Capability to state; all `never` of a workload without living pods. */
  coverageOf(nodeId: number): Record<string, CoverageState> {
    const { live, heard } = this.#workloads.get(nodeId) ?? { live: 0, heard: 0 };
    return coverageStates(live, heard);
  }

  /** What was ever told of a workload with living pods, as bits, and when one of them was last named; null = none. */
  seenOf(nodeId: number): { readonly heard: number; readonly lastUs: Us } | null {
    const workload = this.#workloads.get(nodeId);
    if (!workload) return null;
    let lastUs = 0;
    for (const { pod } of workload.members) if (pod && pod.lastUs > lastUs) lastUs = pod.lastUs;
    return { heard: workload.heard, lastUs };
  }

  /** Of the meshed workloads together: live where any is. */
  coverageOfNamespace(cluster: string, namespace: string): Record<string, CoverageState> {
    let [live, heard] = [0, 0];
    const known = this.#namespaces.get(namespaceKey(cluster, namespace));
    for (const group of known ? groupsOf(known) : []) {
      if (group.mesh !== "yes") continue;
      live |= group.live;
      heard |= group.heard;
    }
    return coverageStates(live, heard);
  }

  /** Every workload is in exactly one. */
  groups(): CoverageGroup[] {
    return [...this.#namespaces.values()].flatMap((one) => [...groupsOf(one)]);
  }

  /** Node ids and namespaces (`cluster/namespace`) whose coverage is another one since the last call. */
  takeChanged(): { readonly nodes: readonly number[]; readonly namespaces: readonly string[] } {
    const changed = { nodes: [...this.#changedNodes], namespaces: [...this.#changedNamespaces] };
    this.#changedNodes.clear();
    this.#changedNamespaces.clear();
    return changed;
  }

  /** A pod is new, has moved, ended or is told of by others than before. */
  podChanged(pod: PodRecord): void {
    const known = this.#members.get(pod);
    if (pod.facts.endUs > 0) {
      if (known) this.#leave(known);
      return;
    }
    const node = this.#options.nodes.get(pod.facts.nodeId);
    const ids = witnessesOf(pod);
    if (known?.workload.nodeId === node.id) {
      const isSame = known.witnesses.length === ids.length;
      if (isSame && known.witnesses.every(({ id }, index) => id === ids[index])) return;
    }
    // The new one first: a workload that has it does not end in between.
    const member = this.#join(node, pod, ids);
    if (known) this.#leave(known);
    this.#members.set(pod, member);
    for (const id of ids) {
      const reporter = member.workload.reporters.get(id);
      if (reporter) this.#dismiss(member.workload, id, reporter);
    }
  }

  /** A source reports for a workload, of which it may name no pod. */
  reported(node: NodeRecord, sourceId: string): void {
    const { bitsOf, reportersMax } = this.#options;
    const workload = this.#workloads.get(node.id);
    if (workload?.reporters.has(sourceId) === true || bitsOf(sourceId) === 0) return;
    for (const { workload: one } of this.#witnesses.get(sourceId)?.members ?? []) {
      if (one === workload) return;
    }
    const hasRoom = !workload || this.#makeRoom(workload);
    if (!hasRoom || this.#reporters >= reportersMax) {
      this.#dropped++;
      return;
    }
    const member = this.#join(node, null, [sourceId]);
    if (member.workload.reporters === noReporters) member.workload.reporters = new Map();
    member.workload.reporters.set(sourceId, member);
    // Without a pod or traffic it would have no row, and its id could become another's.
    this.#options.nodes.use(node, 1);
    this.#reporters++;
  }

  /** Sources tell of more, of less, or are gone. */
  sourcesChanged(ids: Iterable<string>): void {
    for (const id of ids) {
      const witness = this.#witnesses.get(id);
      if (!witness) continue;
      const bits = this.#options.bitsOf(id);
      if (bits === witness.bits) continue;
      witness.bits = bits;
      for (const member of witness.members) {
        this.#setBits(member, bitsOfAll(member.witnesses));
        if (bits === 0 && !member.pod) this.#dismiss(member.workload, id, member);
      }
    }
  }

  /** A node has joined or left the mesh. */
  nodeChanged(node: NodeRecord): void {
    const workload = this.#workloads.get(node.id);
    if (!workload) return;
    const { mesh } = node.entity;
    if (mesh !== workload.mesh) this.#count(workload, () => (workload.mesh = mesh));
  }

  /** `loser` proved to be `winner`, to which its pods point by now. */
  merged(winner: NodeRecord, loserId: number): void {
    const workload = this.#workloads.get(loserId);
    if (!workload) return;
    for (const member of workload.members) {
      if (member.pod) this.podChanged(member.pod);
    }
    for (const [id, member] of workload.reporters) {
      this.#dismiss(workload, id, member);
      this.reported(winner, id);
    }
    const heir = this.#workloads.get(winner.id);
    if (heir) this.#count(heir, () => (heir.heard |= workload.heard));
  }

  collect(into: WriteSet): void {
    for (const nodeId of this.#forgotten) forget(into, "coverage", nodeId);
    this.#forgotten.clear();
    for (const nodeId of this.#dirty) {
      const workload = this.#workloads.get(nodeId);
      if (workload) into.coverage.push(rowOf(workload, this.#options.nodes.get(nodeId)));
    }
    this.#dirty.clear();
  }

  /** After pods and sources: what only the rows know. */
  restore(rows: readonly CoverageRow[]): void {
    for (const { nodeId, heard, reporters } of rows) {
      if (!this.#options.nodes.has(nodeId)) continue;
      const node = this.#options.nodes.get(nodeId);
      for (const id of JSON.parse(reporters) as string[]) this.reported(node, id); // by `rowOf`
      const workload = this.#workloads.get(node.id);
      if (workload) this.#count(workload, () => (workload.heard |= heard));
      else this.#forgotten.add(nodeId);
    }
  }

  /** Gives up a reporter that is silent where there are too many; false when all are heard. */
  #makeRoom(workload: Workload): boolean {
    if (workload.reporters.size < reportersPerWorkloadMax) return true;
    for (const [id, reporter] of workload.reporters) {
      if ((reporter.bits & liveMask) !== 0) continue;
      this.#dismiss(workload, id, reporter);
      return true;
    }
    return false;
  }

  #join(node: NodeRecord, pod: PodRecord | null, ids: readonly string[]): Member {
    const workload = this.#workloads.get(node.id) ?? this.#newWorkload(node);
    const witnesses = ids.map((id) => this.#witness(id));
    const member: Member = { workload, pod, witnesses, bits: 0 };
    workload.members.add(member);
    for (const witness of witnesses) witness.members.add(member);
    this.#dirty.add(node.id);
    this.#setBits(member, bitsOfAll(witnesses));
    return member;
  }

  #leave(member: Member): void {
    const { workload, pod, witnesses } = member;
    this.#setBits(member, 0);
    workload.members.delete(member);
    if (pod && this.#members.get(pod) === member) this.#members.delete(pod);
    for (const witness of witnesses) {
      witness.members.delete(member);
      if (witness.members.size === 0) this.#witnesses.delete(witness.id);
    }
    if (workload.members.size === 0) this.#endWorkload(workload);
    else this.#dirty.add(workload.nodeId);
  }

  #dismiss(workload: Workload, id: string, reporter: Member): void {
    if (!workload.reporters.delete(id)) return;
    const { nodes } = this.#options;
    nodes.use(nodes.get(workload.nodeId), -1);
    this.#reporters--;
    this.#leave(reporter);
  }

  #witness(id: string): Witness {
    let witness = this.#witnesses.get(id);
    if (!witness) {
      witness = { id, bits: this.#options.bitsOf(id), members: new FewSet() };
      this.#witnesses.set(id, witness);
    }
    return witness;
  }

  #newWorkload(node: NodeRecord): Workload {
    const { cluster, namespace, mesh } = node.entity;
    const key = namespaceKey(cluster, namespace);
    let counts = this.#namespaces.get(key);
    if (!counts) {
      counts = { key, cluster, namespace, groups: new Map() };
      this.#namespaces.set(key, counts);
    }
    const workload: Workload = {
      nodeId: node.id,
      members: new FewSet(),
      reporters: noReporters,
      // Plain numbers: a typed list of seven takes twice as much.
      liveCounts: Array.from({ length: bitCount }, () => 0),
      namespace: counts,
      mesh,
      live: 0,
      heard: 0,
    };
    this.#workloads.set(node.id, workload);
    this.#forgotten.delete(node.id);
    this.#add(workload, 1);
    return workload;
  }

  #endWorkload(workload: Workload): void {
    this.#add(workload, -1);
    this.#workloads.delete(workload.nodeId);
    this.#dirty.delete(workload.nodeId);
    this.#forgotten.add(workload.nodeId);
  }

  #setBits(member: Member, bits: number): void {
    const { workload } = member;
    const [before, now] = [member.bits & liveMask, bits & liveMask];
    member.bits = bits;
    let { live } = workload;
    for (let turned = before ^ now; turned !== 0; turned &= turned - 1) {
      const bit = 31 - Math.clz32(turned & -turned);
      const count = (workload.liveCounts[bit] ?? 0) + ((now >> bit) & 1 ? 1 : -1);
      workload.liveCounts[bit] = count;
      live = count > 0 ? live | (1 << bit) : live & ~(1 << bit);
    }
    const heard = workload.heard | (bits >> bitCount);
    if (live === workload.live && heard === workload.heard) return;
    this.#count(workload, () => {
      workload.live = live;
      workload.heard = heard;
    });
  }

  /** Changes a workload's mask, and with it the group that it is counted in. */
  #count(workload: Workload, change: () => void): void {
    this.#add(workload, -1);
    change();
    this.#add(workload, 1);
    this.#dirty.add(workload.nodeId);
  }

  #add({ nodeId, namespace, mesh, live, heard }: Workload, by: 1 | -1): void {
    const { key, groups } = namespace;
    const group = live | (heard << bitCount) | (memberships.indexOf(mesh) << (2 * bitCount));
    const count = (groups.get(group) ?? 0) + by;
    if (count === 0) groups.delete(group);
    else groups.set(group, count);
    if (groups.size === 0) this.#namespaces.delete(key);
    else this.#namespaces.set(key, namespace);
    this.#changedNodes.add(nodeId);
    this.#changedNamespaces.add(key);
  }
}

/** Shared by all that have none; nothing is put into it. */
const noReporters = new Map<string, Member>();

const namespaceKey = (cluster: string, namespace: string): string => `${cluster}/${namespace}`;

function* groupsOf({ cluster, namespace, groups }: NamespaceCounts): Iterable<CoverageGroup> {
  for (const [group, workloads] of groups) {
    const mesh = memberships[group >> (2 * bitCount)] ?? "unknown";
    const heard = (group >> bitCount) & liveMask;
    yield { cluster, namespace, mesh, live: group & liveMask, heard, workloads };
  }
}

function bitsOfAll(witnesses: readonly Witness[]): number {
  let bits = 0;
  for (const witness of witnesses) bits |= witness.bits;
  return bits;
}

function rowOf({ members, reporters, ...rest }: Workload, { entity }: NodeRecord): CoverageRow {
  const { nodeId, mesh, live, heard } = rest;
  return {
    nodeId,
    cluster: entity.cluster,
    namespace: entity.namespace,
    name: entity.name,
    mesh: memberships.indexOf(mesh),
    pods: members.size - reporters.size,
    live,
    heard,
    reporters: JSON.stringify([...reporters.keys()]),
  };
}

/**
 * Who would tell of a pod: its proxy by name or address, the agents of its machine by name or address,
 * its cluster's feed if it has told of this one, and sources that have named it.
 */
function witnessesOf(pod: PodRecord): string[] {
  const { facts, isAttested, inventory, toldBy } = pod;
  const { cluster, namespace, name, ips } = facts;
  const object = describedBy(pod);
  const ids = new Set([`proxy|${cluster}/${namespace}/${name}`]);
  if (isAttested) ids.add(`objects|${cluster}`);
  if (inventory) ids.add(`objects|${inventoryKey(cluster)}`);
  for (const ip of ips) ids.add(`proxy|${cluster}//${ip}`);
  for (const host of [object?.node, object?.hostIp]) if (host) ids.add(agentId(cluster, host));
  for (const id of toldBy ?? []) ids.add(id);
  return [...ids];
}

/** The source id of the agents of a machine, by its name or address. */
export const agentId = (cluster: string, host: string): string => `node_agent|${cluster}/${host}`;
