/**
 * What is declared, told to the rules: workloads, namespaces, clusters and policies, each when something
 * that it was made of is different, and only then. All of it is made of objects and pods, so a restart
 * that has those back tells everything again. Judged while the cluster's object feed is heard.
 */
import { evidenceMax } from "../../model/changes.ts";
import type { Evidence, GraphChange, Observer } from "../../model/changes.ts";
import type { Entity, EntityType } from "../../model/entities.ts";
import { maskOf } from "../../model/coverage.ts";
import type { Us } from "../../model/time.ts";
import type { RoleWords } from "../container-role.ts";
import { contentHash } from "../content-hash.ts";
import type { Coverage } from "../coverage.ts";
import type { PodRecord } from "../identity.ts";
import type { NodeRecord, Nodes } from "../nodes.ts";
import type { ObjectRecord } from "../objects.ts";
import {
  clusterEntity,
  clusterEvidence,
  namesOf,
  namespaceEntity,
  objectEvidence,
  placeOf,
  policyEntity,
} from "./scope-entities.ts";
import { policiesOfType, Scopes } from "./scopes.ts";
import type { Affected, ClusterScope, NamespaceScope } from "./scopes.ts";
import type { Policy } from "./scopes.ts";
import { oldestFirst, workloadEntity } from "./workload-entity.ts";
import { Workloads, type Workload } from "./workloads.ts";

export interface DeclaredOptions {
  readonly nodes: Nodes;
  /** What a source (`kind|key`) tells of, as bits: a feed that is not heard tells what nobody can tell. */
  readonly bitsOf: (sourceId: string) => number;
  /** Where the mesh's own configuration is. */
  readonly meshNamespaces: readonly string[];
  /** What the mesh's own containers look like. */
  readonly words: RoleWords;
  readonly coverage: Pick<Coverage, "coverageOf" | "coverageOfNamespace">;
  /** Tables of which a workload lately filled its share. */
  readonly overflowsOf: (nodeId: number) => readonly string[];
}

/** A namespace as rules were told of it. */
export interface ToldNamespace {
  readonly entity: Entity<"namespace">;
  /** The object feed of its cluster was heard then. */
  readonly judged: boolean;
}

const objectsMask = maskOf(["objects"]);
/** Workloads told at a time: a policy for the whole mesh must not hold everything else up. */
const toldAtOnceMax = 1_000;

export class Declared {
  readonly #options: DeclaredOptions;
  readonly #scopes: Scopes;
  readonly workloads: Workloads;
  readonly #affected: Affected = {
    clusters: new Set(),
    namespaces: new Set(),
    workloadsOf: new Set(),
    policies: new Set(),
    gonePolicies: new Set(),
    hasOtherTrust: false,
  };
  /** Settled, but not told since. */
  readonly #untold = new Set<Workload>();
  /** By `type|id`, what rules know of namespaces, clusters and policies. */
  readonly #told = new Map<string, string>();
  /** By id, as rules know them. */
  readonly #namespaces = new Map<string, ToldNamespace>();
  /** What was told while nobody could tell, by cluster: told again when somebody can. */
  readonly #deafClusters = new Set<string>();

  constructor(options: DeclaredOptions) {
    this.#options = options;
    this.#scopes = new Scopes(options.meshNamespaces);
    this.workloads = new Workloads(options.nodes, this.#scopes);
  }

  /** Trust domains of all meshes that have told theirs, sorted. */
  get trustDomains(): readonly string[] {
    const all = [...this.#scopes.clusters].flatMap(({ mesh }) => mesh.trustDomains);
    return [...new Set(all)].sort();
  }

  get namespaces(): Iterable<ToldNamespace> {
    return this.#namespaces.values();
  }

  objectChanged(record: ObjectRecord): void {
    this.#scopes.changed(record, this.#affected);
  }

  coverageChanged({ nodes, namespaces }: ReturnType<Coverage["takeChanged"]>): void {
    for (const id of nodes) {
      const workload = this.workloads.get(id);
      if (workload) this.workloads.dirty.add(workload);
    }
    for (const key of namespaces) {
      const slash = key.lastIndexOf("/");
      const cluster = this.#scopes.cluster(key.slice(0, slash));
      const namespace = cluster.namespaces.get(key.slice(slash + 1));
      if (namespace) this.#affected.namespaces.add(namespace);
    }
  }

  /** These workloads filled other tables than before. */
  overflowed(nodeIds: readonly number[]): void {
    for (const id of nodeIds) {
      const workload = this.workloads.get(id);
      if (workload) this.workloads.dirty.add(workload);
    }
  }

  nodesChanged(nodes: Iterable<NodeRecord>): void {
    for (const node of nodes) this.workloads.nodeChanged(node);
  }

  podChanged(pod: PodRecord): void {
    this.workloads.podChanged(pod);
  }

  podRestored(pod: PodRecord): void {
    this.workloads.podRestored(pod);
  }

  merged(loserId: number): void {
    this.workloads.merged(loserId);
  }

  /** Looks again at what changes concern: afterwards modes and policies are those of now. */
  settle(): void {
    const { workloadsOf } = this.#affected;
    for (const scope of workloadsOf) {
      if ("namespaces" in scope) this.workloads.touchCluster(scope.name);
      else this.workloads.touchNamespace(scope);
    }
    workloadsOf.clear();
    for (const workload of this.workloads.dirty) {
      this.workloads.settle(workload);
      this.#untold.add(workload);
    }
    this.workloads.dirty.clear();
  }

  /** Whether other trust domains are ours since the last call, or others speak for their callers. */
  takeChangedTrust(): boolean {
    const has = this.#affected.hasOtherTrust || this.workloads.hasNewIntermediary;
    this.#affected.hasOtherTrust = false;
    this.workloads.hasNewIntermediary = false;
    return has;
  }

  /** Nodes of which another mode is in force, or other accounts are known, since the last call. */
  takeChangedNodes(): readonly number[] {
    const { changedNodes } = this.workloads;
    const changed = [...changedNodes];
    changedNodes.clear();
    return changed;
  }

  /** Tells what is different from what was told. */
  tell(nowUs: Us, out: GraphChange[]): void {
    this.settle();
    this.#hearAgain();
    this.#tellWorkloads(nowUs, out);
    const { clusters, namespaces, policies, gonePolicies } = this.#affected;
    const { changedNamespaces, changedPolicies } = this.workloads;
    for (const one of changedNamespaces) namespaces.add(one);
    for (const one of changedPolicies) policies.add(one);
    for (const key of gonePolicies) this.#goneScope("policy", key, nowUs, out);
    for (const one of policies) this.#tellPolicy(one, nowUs, out);
    for (const one of namespaces) this.#tellNamespace(one, nowUs, out);
    for (const one of clusters) this.#tellCluster(one, nowUs, out);
    for (const set of [clusters, namespaces, policies, gonePolicies]) set.clear();
    changedNamespaces.clear();
    changedPolicies.clear();
  }

  #tellWorkloads(nowUs: Us, out: GraphChange[]): void {
    let left = toldAtOnceMax;
    for (const workload of this.#untold) {
      if (left-- === 0) break;
      this.#untold.delete(workload);
      if (workload.pods.size > 0) this.#tellWorkload(workload, nowUs, out);
    }
    const { ended } = this.workloads;
    for (const [id, nodeId] of ended) {
      const node = this.#options.nodes.get(nodeId);
      if (node.key === id && this.workloads.get(node.id)) continue;
      out.push({ kind: "gone", type: "workload", id, atUs: nowUs });
    }
    ended.clear();
  }

  #tellWorkload(workload: Workload, nowUs: Us, out: GraphChange[]): void {
    const { nodeId, namespace, toldAs } = workload;
    const node = this.#options.nodes.get(nodeId);
    const pods = [...workload.pods];
    const entity = workloadEntity(pods, {
      self: node.entity,
      place: placeOf(namespace),
      words: this.#options.words,
      namespace: namespace.object,
      accountsWithoutToken: namespace.accountsWithoutToken,
      declaredMode: workload.modes.mode,
      authorizationPolicies: namesOf(workload.authorization),
      networkPolicies: namesOf(workload.network),
      coverage: this.#options.coverage.coverageOf(nodeId),
      overCapacity: this.#options.overflowsOf(nodeId),
    });
    const { name: cluster } = namespace.cluster;
    const judged = this.#isJudged(cluster);
    const evidence = podEvidence(cluster, pods);
    const times = evidence.map(({ atUs }) => atUs);
    const told = contentHash([JSON.stringify(entity), String(judged), ...times]);
    const { key: id } = node;
    if (told === workload.told && id === toldAs) return;
    workload.told = told;
    workload.toldAs = id;
    const replaces = toldAs !== "" && toldAs !== id ? [toldAs] : [];
    const observers = observersOf(cluster);
    const change = { kind: "entity", id, judged, atUs: nowUs, evidence, observers } as const;
    out.push({ ...change, type: "workload", entity, replaces });
    // What it replaces goes after it, so that its insights have somewhere to go on.
    for (const former of replaces) this.workloads.ended.set(former, nodeId);
  }

  #tellNamespace(namespace: NamespaceScope, nowUs: Us, out: GraphChange[]): void {
    const { key: id, cluster, name, object } = namespace;
    const counts = this.workloads.inNamespace(namespace);
    if (!object && !counts) {
      this.#goneScope("namespace", id, nowUs, out);
      this.#scopes.drop(namespace);
      return;
    }
    const { nodes, coverage } = this.#options;
    const unguarded = [...(counts?.unguarded ?? [])];
    const entity = namespaceEntity(namespace, {
      workloads: counts?.all.size ?? 0,
      meshed: counts?.meshed ?? 0,
      withoutPolicy: unguarded.map(({ nodeId }) => nodes.get(nodeId).entity.name),
      coverage: coverage.coverageOfNamespace(cluster.name, name),
    });
    const evidence = object ? [objectEvidence(cluster.name, object, namespace.sinceUs)] : [];
    this.#tellScope({ type: "namespace", id, entity, evidence }, cluster, nowUs, out);
  }

  #tellCluster(cluster: ClusterScope, nowUs: Us, out: GraphChange[]): void {
    const entity = clusterEntity(cluster);
    const evidence = clusterEvidence(cluster);
    this.#tellScope({ type: "cluster", id: cluster.name, entity, evidence }, cluster, nowUs, out);
  }

  #tellPolicy(policy: Policy, nowUs: Us, out: GraphChange[]): void {
    const { key: id, object, sinceUs, namespace } = policy;
    if (!isThere(policy)) return;
    const entity = policyEntity(policy);
    const evidence = [objectEvidence(namespace.cluster.name, object, sinceUs)];
    this.#tellScope({ type: "policy", id, entity, evidence }, namespace.cluster, nowUs, out);
  }

  #tellScope(what: Told, { name: cluster }: ClusterScope, nowUs: Us, out: GraphChange[]): void {
    const judged = this.#isJudged(cluster);
    const key = `${what.type}|${what.id}`;
    if (what.type === "namespace") {
      this.#namespaces.set(what.id, { entity: what.entity, judged });
    }
    const told = contentHash([JSON.stringify(what.entity), String(judged)]);
    if (this.#told.get(key) === told) return;
    this.#told.set(key, told);
    const observers = observersOf(cluster);
    out.push({ ...what, kind: "entity", judged, atUs: nowUs, observers });
  }

  /** Also when nothing was told: before a restart something may have been. */
  #goneScope(type: EntityType, id: string, nowUs: Us, out: GraphChange[]): void {
    this.#told.delete(`${type}|${id}`);
    if (type === "namespace") this.#namespaces.delete(id);
    out.push({ kind: "gone", type, id, atUs: nowUs });
  }

  #isTold(cluster: string): boolean {
    return (this.#options.bitsOf(`objects|${cluster}`) & objectsMask) !== 0;
  }

  #isJudged(cluster: string): boolean {
    const isTold = this.#isTold(cluster);
    if (!isTold) this.#deafClusters.add(cluster);
    return isTold;
  }

  /** What was told while nobody could tell is told again when somebody can. */
  #hearAgain(): void {
    for (const name of this.#deafClusters) {
      if (!this.#isTold(name)) continue;
      this.#deafClusters.delete(name);
      const cluster = this.#scopes.cluster(name);
      this.#affected.clusters.add(cluster);
      for (const namespace of cluster.namespaces.values()) {
        this.#affected.namespaces.add(namespace);
        for (const policy of policiesOf(namespace)) this.#affected.policies.add(policy);
        for (const one of this.workloads.inNamespace(namespace)?.all ?? []) this.#untold.add(one);
      }
    }
  }
}

type Told = {
  [T in "namespace" | "cluster" | "policy"]: {
    readonly type: T;
    readonly id: string;
    readonly entity: Entity<T>;
    readonly evidence: readonly Evidence[];
  };
}["namespace" | "cluster" | "policy"];

function* policiesOf(namespace: NamespaceScope): Iterable<Policy> {
  const { peer, authorization, network, selecting, routing } = namespace;
  for (const policies of [peer, authorization, network, selecting, routing]) {
    yield* policies.values();
  }
}

/** A policy that was deleted may still be known to workloads that it selected. */
function isThere(policy: Policy): boolean {
  const kept = policiesOfType(policy.namespace, policy.object);
  return kept.some((policies) => policies.get(policy.key) === policy);
}

function observersOf(cluster: string): readonly Observer[] {
  return [{ kind: "objects", key: cluster }];
}

/** One per pod whose start is told, since that alone is the same whatever was heard first. */
function podEvidence(cluster: string, pods: readonly PodRecord[]): readonly Evidence[] {
  return oldestFirst(pods)
    .filter(({ object }) => object.startUs > 0)
    .slice(0, evidenceMax)
    .map(({ pod, object }) => ({
      atUs: object.startUs,
      nanos: 0,
      vantage: "object",
      source: cluster,
      text: `pod ${object.namespace}/${object.name} is declared so`,
      fields: { cluster, namespace: object.namespace, pod: object.name },
      hash: contentHash(["declared", cluster, pod.key]),
    }));
}
