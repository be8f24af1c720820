/**
 * What is declared of each workload that has running pods: the mode of mutual TLS its server is held to,
 * the policies that select it, its accounts. A change of a pod, of a policy or of a namespace makes the
 * workloads that it concerns dirty, and only those are looked at again.
 */
import { FewSet } from "../../lib/few-set.ts";
import type { NodeEntity } from "../../model/entities.ts";
import type { PeerAuthenticationObject } from "../../model/objects.ts";
import type { PodRecord } from "../identity.ts";
import { describedBy } from "../pod-inventory.ts";
import type { NodeRecord, Nodes } from "../nodes.ts";
import { peerModes, unknownModes, type PeerModes } from "./peer-mode.ts";
import { authorizes, governs } from "./policies.ts";
import {
  authorizationPoliciesOf,
  peerPoliciesOf,
  rootOf,
  selectingPoliciesOf,
  type NamespaceScope,
  type Policy,
  type Scopes,
} from "./scopes.ts";
import { isWide, selectsAll, type Selected } from "./selectors.ts";

type Labels = Readonly<Record<string, string>>;

export interface Workload {
  readonly nodeId: number;
  readonly namespace: NamespaceScope;
  readonly pods: FewSet<PodRecord>;
  /** Service accounts that its pods have or had, at most `accountsMax`. */
  readonly accounts: FewSet<string>;
  modes: PeerModes;
  authorization: readonly Policy[];
  network: readonly Policy[];
  peer: readonly Policy[];
  /** Objects of Istio and the Gateway API that select it. */
  settings: readonly Policy[];
  isMeshed: boolean;
  isIntermediary: boolean;
  /** No authorization policy selects it, not even perhaps. */
  isUnguarded: boolean;
  /** The id and content that rules know, "" = nothing. */
  toldAs: string;
  told: string;
}

/** Workloads of one namespace, in the numbers that its entity tells. */
export interface NamespaceWorkloads {
  readonly all: Set<Workload>;
  meshed: number;
  readonly unguarded: Set<Workload>;
}

const accountsMax = 16;
/** Different sets of labels of one workload that selectors are tried on. */
const labelSetsMax = 8;
/** Labels that every pod or every rollout has its own of. */
const volatileLabels: ReadonlySet<string> = new Set([
  "pod-template-hash",
  "controller-revision-hash",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
]);

export class Workloads {
  readonly #nodes: Nodes;
  readonly #scopes: Scopes;
  readonly #byNode = new Map<number, Workload>();
  readonly #ofPod = new Map<PodRecord, Workload>();
  readonly #byNamespace = new Map<NamespaceScope, NamespaceWorkloads>();
  readonly dirty = new Set<Workload>();
  /** What has to be told of them: namespaces with other numbers, policies with other matches. */
  readonly changedNamespaces = new Set<NamespaceScope>();
  readonly changedPolicies = new Set<Policy>();
  /** Servers of which another mode is in force, or other accounts are known. */
  readonly changedNodes = new Set<number>();
  /** Ids by which rules know workloads that have no pods any more, each with its node. */
  readonly ended = new Map<string, number>();
  readonly #intermediaries = new Map<string, Set<Workload>>();
  /** A gateway or waypoint has appeared, or has an account that was not known. */
  hasNewIntermediary = false;

  constructor(nodes: Nodes, scopes: Scopes) {
    this.#nodes = nodes;
    this.#scopes = scopes;
  }

  get(nodeId: number): Workload | undefined {
    return this.#byNode.get(nodeId);
  }

  inNamespace(namespace: NamespaceScope): NamespaceWorkloads | undefined {
    return this.#byNamespace.get(namespace);
  }

  /** Whether a gateway or waypoint has this identity (`namespace/account`): it speaks for others. */
  isIntermediary(identity: string): boolean {
    return (this.#intermediaries.get(identity)?.size ?? 0) > 0;
  }

  podChanged(pod: PodRecord): void {
    const known = this.#ofPod.get(pod);
    const node = this.#nodes.get(pod.facts.nodeId);
    const runs = pod.facts.endUs === 0;
    if (known && (!runs || known.nodeId !== node.id)) this.#leave(pod, known);
    if (!runs) return;
    const workload = this.#byNode.get(node.id) ?? this.#add(node);
    workload.pods.add(pod);
    this.#ofPod.set(pod, workload);
    const account = describedBy(pod)?.serviceAccount ?? "";
    if (account !== "" && !workload.accounts.has(account)) this.#addAccount(workload, account);
    this.dirty.add(workload);
  }

  /** After a restart a pod that has ended may have been the last of a workload that rules know. */
  podRestored(pod: PodRecord): void {
    if (pod.facts.endUs === 0) this.podChanged(pod);
    else this.ended.set(this.#nodes.get(pod.facts.nodeId).key, pod.facts.nodeId);
  }

  nodeChanged(node: NodeRecord): void {
    const workload = this.#byNode.get(node.id);
    if (workload) this.dirty.add(workload);
  }

  /** `loserId` proved to be another node, to which its pods point by now. */
  merged(loserId: number): void {
    const loser = this.#byNode.get(loserId);
    if (loser) for (const pod of loser.pods) this.podChanged(pod);
  }

  touchNamespace(namespace: NamespaceScope): void {
    for (const one of this.#byNamespace.get(namespace)?.all ?? []) this.dirty.add(one);
  }

  touchCluster(name: string): void {
    for (const namespace of this.#scopes.cluster(name).namespaces.values()) {
      this.touchNamespace(namespace);
    }
  }

  /** Looks again at what selects the workload and which mode is in force. */
  settle(workload: Workload): void {
    const { namespace, nodeId } = workload;
    const { entity } = this.#nodes.get(nodeId);
    const labels = labelsOf(workload.pods);
    const modes = labels.length > 0 ? peerModes(peerPoliciesOf(namespace), labels) : unknownModes;
    if (!isSameModes(workload.modes, modes)) this.changedNodes.add(nodeId);
    workload.modes = modes;
    const authorization = selecting(authorizationPoliciesOf(namespace), (policy) =>
      authorizes(policy.object, labels),
    );
    const network = selecting([...namespace.network.values()], (policy) =>
      governs(policy.object, labels),
    );
    const peer = selecting(peersOf(namespace), ({ object }) => selectsAll(object.selector, labels));
    const settings = selecting(selectingPoliciesOf(namespace), ({ object }) =>
      object.selector ? selectsAll(object.selector, labels) : "no",
    );
    this.#recount(workload, [...authorization, ...network, ...peer, ...settings]);
    workload.peer = peer;
    workload.settings = settings;
    workload.authorization = authorization;
    workload.network = network;
    this.#classify(workload, entity, authorization.length === 0 && labels.length > 0);
  }

  /** Policies that select no workload any more that they did. */
  #recount(workload: Workload, now: readonly Policy[]): void {
    const { authorization, network, peer, settings } = workload;
    const before = new Set<Policy>([...authorization, ...network, ...peer, ...settings]);
    for (const policy of now) {
      if (before.delete(policy)) continue;
      policy.matches++;
      this.changedPolicies.add(policy);
    }
    for (const policy of before) {
      policy.matches--;
      this.changedPolicies.add(policy);
    }
  }

  #classify(workload: Workload, entity: NodeEntity, isUnguarded: boolean): void {
    const isMeshed = entity.mesh === "yes";
    const { mode } = entity;
    this.#speaksForOthers(workload, mode === "gateway" || mode === "waypoint");
    const counts = this.#byNamespace.get(workload.namespace);
    if (!counts) return;
    if (isMeshed === workload.isMeshed && isUnguarded === workload.isUnguarded) return;
    if (isMeshed !== workload.isMeshed) counts.meshed += isMeshed ? 1 : -1;
    workload.isMeshed = isMeshed;
    workload.isUnguarded = isUnguarded;
    if (isMeshed && isUnguarded) counts.unguarded.add(workload);
    else counts.unguarded.delete(workload);
    this.changedNamespaces.add(workload.namespace);
  }

  #add(node: NodeRecord): Workload {
    const { cluster, namespace: name } = node.entity;
    const namespace = this.#scopes.namespace(cluster, name);
    const workload: Workload = {
      nodeId: node.id,
      namespace,
      pods: new FewSet(),
      accounts: new FewSet(),
      modes: unknownModes,
      authorization: [],
      network: [],
      peer: [],
      settings: [],
      isMeshed: false,
      isIntermediary: false,
      isUnguarded: false,
      toldAs: "",
      told: "",
    };
    this.#byNode.set(node.id, workload);
    let counts = this.#byNamespace.get(namespace);
    if (!counts) {
      counts = { all: new Set(), meshed: 0, unguarded: new Set() };
      this.#byNamespace.set(namespace, counts);
    }
    counts.all.add(workload);
    this.changedNamespaces.add(namespace);
    return workload;
  }

  #leave(pod: PodRecord, workload: Workload): void {
    workload.pods.delete(pod);
    this.#ofPod.delete(pod);
    this.dirty.add(workload);
    if (workload.pods.size === 0) this.#end(workload);
  }

  #end(workload: Workload): void {
    const { nodeId, namespace, toldAs } = workload;
    this.#byNode.delete(nodeId);
    this.dirty.delete(workload);
    this.changedNodes.add(nodeId);
    this.#recount(workload, []);
    this.#speaksForOthers(workload, false);
    if (toldAs !== "") this.ended.set(toldAs, nodeId);
    const counts = this.#byNamespace.get(namespace);
    if (!counts) return;
    counts.all.delete(workload);
    counts.unguarded.delete(workload);
    if (workload.isMeshed) counts.meshed--;
    if (counts.all.size === 0) this.#byNamespace.delete(namespace);
    this.changedNamespaces.add(namespace);
  }

  #addAccount(workload: Workload, account: string): void {
    if (workload.accounts.size >= accountsMax) return;
    workload.accounts.add(account);
    this.changedNodes.add(workload.nodeId);
    if (!workload.isIntermediary) return;
    this.#speaksForOthers(workload, false);
    this.#speaksForOthers(workload, true);
  }

  #speaksForOthers(workload: Workload, is: boolean): void {
    if (workload.isIntermediary === is) return;
    workload.isIntermediary = is;
    for (const account of workload.accounts) {
      const identity = `${workload.namespace.name}/${account}`;
      const holders = this.#intermediaries.get(identity) ?? new Set();
      if (is) holders.add(workload);
      else holders.delete(workload);
      if (holders.size > 0) this.#intermediaries.set(identity, holders);
      else this.#intermediaries.delete(identity);
    }
    this.hasNewIntermediary = true;
  }
}

/** Policies on mutual TLS that could hold for workloads of the namespace. */
function peersOf(namespace: NamespaceScope): readonly Policy<PeerAuthenticationObject>[] {
  const root = rootOf(namespace.cluster);
  const wide = [...(root?.peer.values() ?? [])].filter(({ object }) => isWide(object.selector));
  return root === namespace ? wide : [...wide, ...namespace.peer.values()];
}

function selecting<Object extends Policy>(
  policies: readonly Object[],
  test: (policy: Object) => Selected,
): readonly Object[] {
  return policies.length === 0 ? policies : policies.filter((policy) => test(policy) !== "no");
}

/** The different sets of labels that the pods bear; [] while no object has told of any. */
function labelsOf(pods: FewSet<PodRecord>): readonly Labels[] {
  const sets = new Map<string, Labels>();
  for (const { object } of pods) {
    if (!object) continue;
    if (pods.size === 1) return [object.labels];
    if (sets.size < labelSetsMax) sets.set(signatureOf(object.labels), object.labels);
  }
  return [...sets.values()];
}

function signatureOf(labels: Labels): string {
  return Object.keys(labels)
    .filter((name) => !volatileLabels.has(name))
    .sort()
    .map((name) => `${name}=${labels[name]}`)
    .join("\n");
}

function isSameModes(a: PeerModes, b: PeerModes): boolean {
  if (a.mode !== b.mode || a.sinceUs !== b.sinceUs || a.ports.size !== b.ports.size) return false;
  for (const [port, mode] of a.ports) if (b.ports.get(port) !== mode) return false;
  return true;
}
