/**
 * Who is who: pods and their workloads, addresses through time, names of services and hosts. It answers
 * `Identity` for the rest of the graph and tells which pods, addresses and nodes have changed, so that
 * what was recorded earlier can move. It keeps no edges.
 */
import { canonicalIp } from "../lib/ip.ts";
import type { NodeEntity } from "../model/entities.ts";
import type {
  ObjectSeen,
  PeerName,
  PodName,
  PodObject,
  SourceRef,
  Trust,
} from "../model/observations.ts";
import { usPerHour, type Us } from "../model/time.ts";
import { holesOf, revisionOf, type CaptureHoles } from "./capture-holes.ts";
import { isSameStarts, learnStarts } from "./container-starts.ts";
import type { Identity, Owner, PodFacts } from "./contracts.ts";
import { contradictionOf, type Contradicted } from "./contradictions.ts";
import { Controllers } from "./controllers.ts";
import { HostAddresses } from "./host-addresses.ts";
import { isPeerAddress } from "./address-scope.ts";
import { IpOwners, OwnerStrength, strengthOf, type Holder } from "./ip-owners.ts";
import { MeshSettings } from "./mesh-settings.ts";
import { Nodes, Sign, type NodeRecord } from "./nodes.ts";
import type { GraphOptions } from "./options.ts";
import { Peers } from "./peers.ts";
import { factsOfClaim, factsOfObject, type Beside } from "./pod-facts.ts";
import { describedBy } from "./pod-inventory.ts";
import { PodNames } from "./pod-names.ts";
import { endOf, makePodRecord, podName, Rank, withFacts, type PodRecord } from "./pod-record.ts";
import { VirtualAddresses } from "./virtual-addresses.ts";
import { signsOfMode, workloadOfPod, workloadOfPodName, type WorkloadName } from "./pods.ts";

export { podName } from "./pod-record.ts";
export type { PodRecord } from "./pod-record.ts";

/** What telemetry other than objects says of a pod. */
export interface PodSighting {
  readonly name: PodName;
  readonly atUs: Us;
  readonly trust: Trust;
  readonly strength: OwnerStrength;
  readonly mode: NodeEntity["mode"];
}

/** Everything that changed since it was last taken. */
export interface IdentityChanges {
  readonly pods: readonly PodRecord[];
  /** `cluster|ip`. */
  readonly addresses: readonly string[];
  /** Node ids: the second proved to be the first. */
  readonly merges: readonly (readonly [number, number])[];
  /** Sources (`kind|key`) that reported for a workload by its name. */
  readonly reports: readonly Report[];
  readonly contradictions: readonly Contradicted[];
}

export interface Report {
  readonly nodeId: number;
  readonly sourceId: string;
}

const noWorkload = { podUid: "", workload: "", workloadKind: "", address: "" } as const;

export class IdentityTables implements Identity {
  readonly nodes: Nodes;
  readonly owners: IpOwners;
  readonly virtual = new VirtualAddresses();
  readonly mesh: MeshSettings;
  readonly hosts = new HostAddresses();
  readonly controllers = new Controllers();
  readonly #peers: Peers;
  readonly #options: GraphOptions;
  readonly #pods = new Map<string, PodRecord>();
  /** Node ids to how many pods, living or not, were put under them. */
  readonly #podCounts = new Map<number, number>();
  readonly #podNames = new PodNames();
  readonly #changedPods = new Set<PodRecord>();
  readonly #dirtyPods = new Set<PodRecord>();
  /** Keys by which pods are known no more: they have got a UID, or were forgotten. */
  #formerKeys: string[] = [];
  #merges: (readonly [number, number])[] = [];
  #reports: Report[] = [];
  #contradictions: Contradicted[] = [];
  #dropped = 0;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.nodes = new Nodes(options.limits.nodesMax);
    this.#peers = new Peers(options, this.nodes);
    const { meshNamespaces, proxyDestinations } = options.identity;
    this.mesh = new MeshSettings(meshNamespaces, proxyDestinations, this.virtual.services);
    this.owners = new IpOwners({
      addressesMax: options.limits.addressesMax,
      latenessUs: options.latenessUs,
      ttlUs: options.ownerTtlUs,
      reachUs: options.unresolvedTtlUs,
    });
  }

  get dropped(): number {
    const parts = [this.#peers, this.owners, this.nodes, this.virtual, this.mesh, this.hosts];
    return parts.reduce((sum, { dropped }) => sum + dropped, this.#dropped);
  }

  get pods(): Iterable<PodRecord> {
    return this.#pods.values();
  }

  clusterOf(name: string): string {
    const { cluster, clusterAliases } = this.#options.identity;
    if (name === "") return cluster;
    return Object.hasOwn(clusterAliases, name) ? (clusterAliases[name] ?? name) : name;
  }

  // Identity

  ownerAt(cluster: string, ip: string, atUs: Us, skewUs: Us): Owner {
    const holder = this.owners.holderAt(this.clusterOf(cluster), ip, atUs, skewUs);
    if (holder.kind === "ambiguous") return { kind: "ambiguous" };
    const pod = holder.kind === "pod" ? this.#pods.get(holder.pod) : undefined;
    if (pod) return { kind: "pod", pod: pod.facts };
    const host = this.hosts.nameOf(this.clusterOf(cluster), ip);
    return host === undefined ? { kind: "none" } : { kind: "host", name: host };
  }

  podOf(name: PodName, atUs: Us): PodFacts | null {
    const record = this.#find(name, atUs);
    if (record) return record.facts;
    if (name.address === "" || name.pod !== "" || name.podUid !== "") return null;
    const owner = this.ownerAt(name.cluster, name.address, atUs, 0);
    return owner.kind === "pod" ? owner.pod : null;
  }

  nodeOfAddress(cluster: string, ip: string, atUs: Us): number {
    const known = this.#ownerNode(this.clusterOf(cluster), ip, atUs);
    return (known ?? this.#peers.unresolved(this.clusterOf(cluster), ip)).id;
  }

  node(nodeId: number): NodeEntity {
    return this.nodes.get(nodeId).entity;
  }

  endpointsOf(cluster: string, ip: string, port: number, atUs?: Us): readonly string[] {
    return this.virtual.endpointsOf(this.clusterOf(cluster), ip, port, atUs);
  }

  knowsMeshConfig(cluster: string): boolean {
    return this.mesh.configs(this.clusterOf(cluster)).length > 0;
  }

  isControlTraffic(cluster: string, destination: string, port: number, atUs: Us): boolean {
    return this.mesh.isControlTraffic(this.clusterOf(cluster), destination, port, atUs);
  }

  isEndpoint(
    cluster: string,
    ip: string,
    port: number,
    endpointIp: string,
    endpointPort: number,
    atUs: Us,
  ): boolean {
    const name = this.clusterOf(cluster);
    return this.virtual.isEndpoint(name, ip, port, endpointIp, endpointPort, atUs);
  }

  // Names of ends

  /** The node that a record's words for one end stand for, the most telling word first. */
  nodeOf(end: PeerName, atUs: Us): NodeRecord {
    const cluster = this.clusterOf(end.cluster);
    if (end.workload !== "") {
      const node = this.#peers.workload(cluster, end.namespace, end.workload);
      this.nodes.learn(node, {
        resolved: "metrics",
        principal: end.principal,
        signs: end.principal === "" ? 0 : Sign.principal,
      });
      return node;
    }
    if (end.pod !== "") {
      const pod = this.#podNames.find(podName(cluster, end.namespace, end.pod), atUs);
      if (pod) return this.nodes.get(pod.facts.nodeId);
    }
    const owner = end.address === "" ? null : this.#ownerNode(cluster, end.address, atUs);
    return owner ?? this.#namedPeer(cluster, end, atUs);
  }

  // What telemetry teaches

  /** A record names a pod (and perhaps its address): remembers it, returns it. */
  podSeen({ name: told, atUs, trust, strength, mode }: PodSighting): PodRecord | null {
    if (told.namespace === "" || told.pod === "") return null;
    // A forged UID must not become the pod's.
    const name = trust === "claimed" ? { ...told, podUid: "" } : told;
    const cluster = this.clusterOf(name.cluster);
    const pod = this.#find(name, atUs) ?? this.#newPod(cluster, name, atUs);
    if (!pod) return null;
    if (name.podUid !== "" && pod.facts.uid === "") this.#adopt(pod, name.podUid);
    if (pod.rank < Rank.named && name.workload !== "") {
      const workload = { name: name.workload, kind: name.workloadKind, isInferred: false };
      this.#home(pod, workload, Rank.named, trust === "claimed" ? "claimed" : "metrics");
    }
    if (pod.facts.mode === "unknown" && mode !== "unknown") this.#setFacts(pod, { mode });
    this.#seenAt(pod, atUs);
    if (pod.objectUs === 0 && atUs < pod.facts.fromUs) this.#setFacts(pod, { fromUs: atUs });
    this.#addressSeen(pod, name.address, atUs, strength, trust);
    this.nodes.seen(this.nodes.get(pod.facts.nodeId), atUs);
    return pod;
  }

  objectSeen(seen: ObjectSeen): void {
    const { object } = seen;
    if (object.type !== "pod") return;
    const cluster = this.clusterOf(seen.cluster);
    if (object.namespace === "" || object.name === "" || object.uid === "") return;
    // A forged object must not take a pod's proxy, address or life away.
    if (seen.trust === "claimed") return this.#objectClaimed(cluster, object, seen);
    const pod = this.#podOfObject(cluster, object, seen.timeUs);
    if (!pod) return;
    this.#compare(pod, object, seen);
    const end = endOf(seen, object);
    const isFirst = !pod.isAttested;
    const starts = learnStarts(isFirst ? undefined : pod.facts.starts, object, seen.timeUs);
    if (seen.timeUs >= pod.objectUs || isFirst) {
      const meshWideHoles = this.#holesOf(cluster, object);
      const fromUs = Math.min(pod.facts.fromUs, seen.timeUs);
      this.#applyObject(pod, object, seen.timeUs, { cluster, starts, meshWideHoles, fromUs });
    } else if (!isSameStarts(pod.facts.starts, starts)) this.#setFacts(pod, { starts });
    if (end.loUs > 0 && (pod.facts.endUs === 0 || end.loUs < pod.facts.endUs)) {
      this.#setFacts(pod, { endUs: end.loUs });
      this.nodes.podSigns(this.nodes.get(pod.facts.nodeId), pod.key, 0);
    }
    this.#hostTold(cluster, object);
    if (object.hostNetwork) return;
    for (const ip of object.ips) {
      if (!isPeerAddress(ip)) continue;
      this.owners.claim(cluster, ip, object.namespace, pod.key, OwnerStrength.object, {
        atUs: seen.timeUs,
        startUs: object.startUs,
        endLoUs: end.loUs,
        endHiUs: end.hiUs,
        isListed: seen.event === "listed",
      });
    }
  }

  /** What an inventory tells of a pod, which no object has described; null = not whose it is. */
  podLearned(pod: PodRecord, owned: PodObject | null, facts: Partial<PodFacts>, atUs: Us): void {
    this.#setFacts(pod, facts);
    if (!owned) return;
    const { serviceAccount, hostNetwork } = owned;
    this.#home(pod, this.#workloadOf(pod.facts.cluster, owned), Rank.object, "metrics");
    this.nodes.learn(this.nodes.get(pod.facts.nodeId), { serviceAccount, hostNetwork, atUs });
  }

  /** Injectors leave out other things than before: pods that one of them may have injected follow. */
  settleCapture(): void {
    const clusters = this.mesh.takeChangedClusters();
    if (clusters.length === 0) return;
    for (const pod of this.#pods.values()) {
      const { object, facts } = pod;
      if (!object || !pod.isAttested || !clusters.includes(facts.cluster)) continue;
      const holes = this.#holesOf(facts.cluster, object);
      if (JSON.stringify(holes) === JSON.stringify(facts.meshWideHoles ?? [])) continue;
      this.#setFacts(pod, { meshWideHoles: holes });
    }
  }

  /** Others control what controls pods than was known: those pods move. */
  settleControllers(): void {
    const isChanged = this.controllers.takeChanged();
    if (!isChanged) return;
    for (const pod of this.#pods.values()) {
      const { facts, isAttested } = pod;
      const object = isAttested || pod.inventory ? describedBy(pod) : null;
      const { ownerKind = "", ownerName = "" } = object ?? {};
      if (!object || !isChanged(facts.cluster, ownerKind, facts.namespace, ownerName)) continue;
      const resolved = isAttested ? "object" : "metrics";
      this.#home(pod, this.#workloadOf(facts.cluster, object), Rank.object, resolved);
    }
  }

  /** A proxy reported for this workload itself. */
  signSeen(node: NodeRecord, signs: number): void {
    this.nodes.learn(node, { signs });
  }

  /** A source reports for this workload, whether or not it names a pod. */
  reported(node: NodeRecord, { kind, key }: SourceRef): void {
    this.#reports.push({ nodeId: node.id, sourceId: `${kind}|${key}` });
  }

  advance(nowUs: Us): void {
    this.owners.advance(nowUs);
  }

  /** What is kept with the pod is other than before. */
  podTouched(pod: PodRecord): void {
    this.#changed(pod);
  }

  takeChanges(): IdentityChanges {
    const changes = {
      pods: [...this.#changedPods],
      addresses: [
        ...this.owners.takeChanged(),
        ...this.virtual.takeChanged(),
        ...this.hosts.takeChanged(),
      ],
      merges: this.#merges,
      reports: this.#reports,
      contradictions: this.#contradictions,
    };
    this.#changedPods.clear();
    this.#merges = [];
    this.#reports = [];
    this.#contradictions = [];
    return changes;
  }

  podByKey(key: string): PodRecord | undefined {
    return this.#pods.get(key);
  }

  /** The pod that bore the name (`cluster/namespace/pod`) then. */
  podNamed(name: string, atUs: Us): PodRecord | undefined {
    return this.#podNames.find(name, atUs);
  }

  takeFormerKeys(): string[] {
    const keys = this.#formerKeys;
    this.#formerKeys = [];
    return keys;
  }

  /** Pods that any source has seen at an address (`cluster|ip`). */
  podsOfAddress(address: string): PodRecord[] {
    return this.owners
      .podsAt(address)
      .map((key) => this.#pods.get(key))
      .filter((pod) => pod !== undefined);
  }

  takeDirtyPods(): PodRecord[] {
    const dirty = [...this.#dirtyPods];
    this.#dirtyPods.clear();
    return dirty;
  }

  restorePod(pod: PodRecord): void {
    pod.facts = withFacts(pod.facts, {});
    this.#pods.set(pod.key, pod);
    this.#countPod(pod.facts.nodeId, 1);
    this.nodes.use(this.nodes.get(pod.facts.nodeId), 1);
    this.#podNames.add(podName(pod.facts.cluster, pod.facts.namespace, pod.facts.name), pod);
    const { object } = pod;
    if (object && pod.isAttested) this.#hostTold(pod.facts.cluster, object);
  }

  /** Every pod names its machine's address; one on the machine's network has all of them. */
  #hostTold(cluster: string, { hostNetwork, ips, hostIp = "", node }: PodObject): void {
    if (hostNetwork) this.hosts.told(cluster, ips, node);
    else if (hostIp !== "" && node !== "") this.hosts.told(cluster, [hostIp], node);
  }

  restoreDone(): void {
    this.#peers.restored();
  }

  // Pods

  #find(name: PodName, atUs: Us): PodRecord | undefined {
    const byUid = name.podUid === "" ? undefined : this.#pods.get(name.podUid);
    if (byUid || name.pod === "") return byUid;
    const key = podName(this.clusterOf(name.cluster), name.namespace, name.pod);
    const named = this.#podNames.find(key, atUs);
    return named && (name.podUid === "" || named.facts.uid === "") ? named : undefined;
  }

  #podOfObject(cluster: string, object: PodObject, atUs: Us): PodRecord | undefined {
    const byUid = this.#pods.get(object.uid);
    if (byUid) return byUid;
    const named = this.#podNames.all(podName(cluster, object.namespace, object.name));
    const nameless = named.find((pod) => pod.facts.uid === "");
    if (nameless) {
      this.#adopt(nameless, object.uid);
      return nameless;
    }
    const name = { cluster, namespace: object.namespace, pod: object.name, podUid: object.uid };
    return this.#newPod(cluster, { ...noWorkload, ...name }, atUs);
  }

  #newPod(cluster: string, name: PodName, atUs: Us): PodRecord | undefined {
    const nameKey = podName(cluster, name.namespace, name.pod);
    if (this.#pods.size >= this.#options.limits.podsMax && !this.#evictEnded()) {
      this.#dropped++;
      return undefined;
    }
    const workload = workloadOfPodName(name.pod);
    const node = this.#peers.workload(cluster, name.namespace, workload.name);
    this.nodes.learn(node, { kind: workload.kind, resolved: "inferred" });
    this.nodes.use(node, 1);
    const pod = makePodRecord(cluster, name, node.id, atUs);
    this.#countPod(node.id, 1);
    this.#pods.set(pod.key, pod);
    this.#podNames.add(nameKey, pod);
    this.#changed(pod);
    return pod;
  }

  /** The UID of a pod that was known by name only. */
  #adopt(pod: PodRecord, uid: string): void {
    this.#pods.delete(pod.key);
    this.owners.renamePod(pod.facts.cluster, pod.facts.ips, pod.key, uid);
    const node = this.nodes.get(pod.facts.nodeId);
    const signs = node.podSigns.get(pod.key) ?? 0;
    this.nodes.podSigns(node, pod.key, 0);
    this.#formerKeys.push(pod.key);
    pod.key = uid;
    this.nodes.podSigns(node, uid, signs);
    this.#pods.set(uid, pod);
    this.#setFacts(pod, { uid });
  }

  #applyObject(pod: PodRecord, object: PodObject, timeUs: Us, beside: Beside): void {
    // Nothing counts beside the object: neither what an inventory told, nor the end that it concluded.
    if (pod.inventory) this.#setFacts(pod, { endUs: 0 });
    delete pod.inventory;
    pod.object = object;
    pod.objectUs = timeUs;
    pod.isAttested = true;
    this.#seenAt(pod, timeUs);
    this.#home(pod, this.#workloadOf(pod.facts.cluster, object), Rank.object, "object");
    this.#setFacts(pod, factsOfObject(object, this.#options.identity, beside));
    const node = this.nodes.get(pod.facts.nodeId);
    this.nodes.learn(node, {
      serviceAccount: object.serviceAccount,
      labels: object.labels,
      hostNetwork: object.hostNetwork,
      atUs: timeUs,
    });
  }

  /** By its name alone: a forged UID must not become the pod's, nor a forged object part it from itself. */
  #objectClaimed(cluster: string, object: PodObject, seen: ObjectSeen): void {
    const { timeUs } = seen;
    const key = podName(cluster, object.namespace, object.name);
    const name = { ...noWorkload, cluster, namespace: object.namespace, pod: object.name };
    const pod = this.#podNames.find(key, timeUs) ?? this.#newPod(cluster, name, timeUs);
    if (!pod) return;
    this.#compare(pod, object, seen);
    if (pod.isAttested) return;
    if (timeUs >= pod.objectUs) {
      pod.object = object;
      pod.objectUs = timeUs;
      this.#home(pod, this.#workloadOf(cluster, object), Rank.named, "claimed");
    }
    this.#seenAt(pod, timeUs);
    this.#setFacts(pod, factsOfClaim(object, this.#options.identity));
    if (object.hostNetwork) return;
    for (const ip of object.ips)
      this.#addressSeen(pod, ip, timeUs, OwnerStrength.object, "claimed");
  }

  #compare(pod: PodRecord, object: PodObject, { source, timeUs }: ObjectSeen): void {
    const text = pod.object ? contradictionOf(pod.object, object) : "";
    if (text === "") return;
    const { cluster, namespace, name } = pod.facts;
    const about = podName(cluster, namespace, name);
    this.#contradictions.push({ source, about, text, atUs: Math.max(timeUs, pod.objectUs) });
  }

  #workloadOf(cluster: string, object: PodObject): WorkloadName {
    const { ownerKind, ownerName, namespace } = object;
    const told = this.controllers.of(cluster, ownerKind, namespace, ownerName);
    return told ? { ...told, isInferred: false } : workloadOfPod(object);
  }

  #holesOf(cluster: string, object: PodObject): readonly CaptureHoles[] {
    return holesOf(object, this.mesh.injectorsFor(cluster, revisionOf(object)));
  }

  /** Puts the pod under its workload; an inferred workload that nothing else needs merges into it. */
  #home(
    pod: PodRecord,
    workload: WorkloadName,
    rank: Rank,
    resolved: NodeEntity["resolved"],
  ): void {
    if (rank < pod.rank) return;
    pod.rank = rank;
    const { cluster, namespace } = pod.facts;
    const node = this.#peers.workload(cluster, namespace, workload.name);
    this.nodes.learn(node, { kind: workload.kind, resolved });
    const before = this.nodes.get(pod.facts.nodeId);
    if (before === node) return;
    this.nodes.podSigns(before, pod.key, 0);
    this.nodes.use(node, 1);
    this.nodes.use(before, -1);
    this.#countPod(pod.facts.nodeId, -1);
    this.#countPod(node.id, 1);
    this.#setFacts(pod, { nodeId: node.id });
    const isLeft = before.entity.resolved === "inferred" && !this.#podCounts.has(before.id);
    // Two workloads that a forger calls one are two again when the true object comes.
    if (isLeft && resolved !== "claimed") this.#merges.push([node.id, before.id]);
  }

  #setFacts(pod: PodRecord, facts: Partial<PodFacts>): void {
    pod.facts = withFacts(pod.facts, facts);
    const isAlive = pod.facts.endUs === 0;
    const node = this.nodes.get(pod.facts.nodeId);
    this.nodes.podSigns(node, pod.key, isAlive ? signsOfMode(pod.facts.mode) : 0);
    this.#changed(pod);
  }

  /** A row that says when its pod was last seen is written again now and then, or it would be pruned. */
  #seenAt(pod: PodRecord, atUs: Us): void {
    if (atUs <= pod.lastUs) return;
    if (Math.floor(atUs / usPerHour) > Math.floor(pod.lastUs / usPerHour)) this.#dirtyPods.add(pod);
    pod.lastUs = atUs;
  }

  #changed(pod: PodRecord): void {
    this.#changedPods.add(pod);
    this.#dirtyPods.add(pod);
  }

  #addressSeen(pod: PodRecord, ip: string, atUs: Us, strength: OwnerStrength, trust: Trust): void {
    if (ip === "" || pod.facts.hostNetwork || !isPeerAddress(ip)) return;
    const sighting = { atUs, startUs: 0, endLoUs: 0, endHiUs: 0, isListed: false };
    const { cluster, namespace, ips } = pod.facts;
    this.owners.claim(cluster, ip, namespace, pod.key, strengthOf(trust, strength), sighting);
    // What a pod sends to its own addresses is nobody's business, so they are not anybody's to add to.
    if (trust === "claimed" || ips.includes(ip)) return;
    this.#setFacts(pod, { ips: [...ips, ip].sort() });
  }

  /** Makes room by forgetting a pod that has ended; false when all live. */
  #evictEnded(): boolean {
    for (const pod of this.#pods.values()) {
      if (pod.facts.endUs === 0) continue;
      this.#pods.delete(pod.key);
      this.#dirtyPods.delete(pod);
      this.#formerKeys.push(pod.key);
      const { cluster, namespace, name } = pod.facts;
      this.#podNames.remove(podName(cluster, namespace, name), pod);
      this.nodes.use(this.nodes.get(pod.facts.nodeId), -1);
      this.#countPod(pod.facts.nodeId, -1);
      return true;
    }
    return false;
  }

  #countPod(nodeId: number, by: 1 | -1): void {
    const count = (this.#podCounts.get(nodeId) ?? 0) + by;
    if (count > 0) this.#podCounts.set(nodeId, count);
    else this.#podCounts.delete(nodeId);
  }

  // Nodes

  #ownerNode(cluster: string, ip: string, atUs: Us): NodeRecord | null {
    const holder = this.owners.holderAt(cluster, ip, atUs, 0);
    const owner = this.#nodeOfHolder(holder);
    if (owner || holder.kind !== "none") return owner;
    const host = this.hosts.nameOf(cluster, ip);
    if (host !== undefined) return this.#peers.host(cluster, host);
    const virtual = this.virtual.serviceOf(cluster, ip, atUs);
    return virtual ? this.#peers.service(cluster, virtual.namespace, virtual.service) : null;
  }

  /** Inside a border still the workload, when every pod that may have held the address is of it. */
  #nodeOfHolder(holder: Holder): NodeRecord | null {
    if (holder.kind === "none") return null;
    const keys = holder.kind === "pod" ? [holder.pod] : holder.pods;
    const ids = new Set(keys.map((key) => this.#pods.get(key)?.facts.nodeId ?? 0));
    const [only] = ids;
    return ids.size === 1 && only ? this.nodes.get(only) : null;
  }

  #namedPeer(cluster: string, end: PeerName, atUs: Us): NodeRecord {
    const host = end.service;
    if (host !== "" && canonicalIp(host) === "") {
      if (end.serviceNamespace !== "" || !host.includes(".")) {
        return this.#peers.service(cluster, end.serviceNamespace || end.namespace, host);
      }
      return this.#peers.external(host, "");
    }
    const ip = end.address === "" ? canonicalIp(host) : end.address;
    if (ip !== "") return this.#ownerNode(cluster, ip, atUs) ?? this.#peers.unresolved(cluster, ip);
    const reason = end.principal === "" ? "unidentified" : end.principal;
    const node = this.#peers.unknown(cluster, reason, { name: reason, principal: end.principal });
    if (end.principal !== "") this.nodes.learn(node, { signs: Sign.principal });
    return node;
  }
}
