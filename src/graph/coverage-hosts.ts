/**
 * The machines that pods run on, and which agents are heard from there: told to the rules as `host`, and
 * again when anything about it is different. A machine exists as long as a pod object says that a pod
 * runs on it. Nobody can tell where objects are silent, or have not been repeated for long.
 */
import type { Evidence, GraphChange } from "../model/changes.ts";
import {
  agentMask,
  capabilitiesOf,
  coverageCapabilities,
  coverageStates,
  maskOf,
} from "../model/coverage.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import { contentHash } from "./content-hash.ts";
import { agentId } from "./coverage.ts";
import type { PodRecord } from "./identity.ts";
import { describedBy } from "./pod-inventory.ts";

/** The shipped collector lists all pods every 15 minutes. */
const believedUs = 35 * usPerMinute;
/** How often machines are looked through for those of which nothing was repeated. */
const sweepUs = usPerMinute;
/** A machine has one address, or one of each family, and a few while objects disagree. */
const addressesMax = 4;
const objectsMask = maskOf(["objects"]);
const bitCount = coverageCapabilities.length;
const liveMask = (1 << bitCount) - 1;

interface Host {
  readonly key: string;
  readonly cluster: string;
  readonly name: string;
  readonly pods: Map<PodRecord, boolean>;
  readonly agentIds: Set<string>;
  meshedPods: number;
  /** The newest object of any of its pods, and the earliest start. */
  freshUs: Us;
  sinceUs: Us;
  /** As the rules know it, "" = they do not. */
  told: string;
}

export class CoverageHosts {
  readonly #bitsOf: (sourceId: string) => number;
  readonly #isHeard: (sourceId: string) => boolean;
  readonly #hosts = new Map<string, Host>();
  readonly #ofPod = new Map<PodRecord, Host>();
  /** Source ids of agents, by the machine's name and addresses. */
  readonly #ofAgent = new Map<string, Host>();
  readonly #dirty = new Set<Host>();
  #sweptUs = 0;

  /** `isHeard`: it has ever told anything, be it nothing that counts for `bitsOf`. */
  constructor(bitsOf: (sourceId: string) => number, isHeard: (sourceId: string) => boolean) {
    this.#bitsOf = bitsOf;
    this.#isHeard = isHeard;
  }

  /** Whether pods are known to run where this agent is. */
  isKnown(sourceId: string): boolean {
    return this.#ofAgent.has(sourceId);
  }

  podChanged(pod: PodRecord): void {
    const { facts, inventory } = pod;
    const object = describedBy(pod);
    const name = facts.endUs > 0 ? "" : (object?.node ?? "");
    const known = this.#ofPod.get(pod);
    const key = `${facts.cluster}/${name}`;
    if (known && (name === "" || known.key !== key)) this.#leave(pod, known);
    if (name === "") return;
    const host = this.#hosts.get(key) ?? this.#newHost(key, facts.cluster, name);
    const isMeshed = facts.mode !== "none" && facts.mode !== "unknown";
    const before = host.pods.get(pod);
    host.freshUs = Math.max(host.freshUs, pod.objectUs, inventory?.toldUs ?? 0);
    if (host.sinceUs === 0 || facts.fromUs < host.sinceUs) host.sinceUs = facts.fromUs;
    const address = object?.hostIp ?? "";
    if (address !== "") this.#addAgent(host, agentId(facts.cluster, address));
    if (before === isMeshed) return;
    host.pods.set(pod, isMeshed);
    this.#ofPod.set(pod, host);
    host.meshedPods += (isMeshed ? 1 : 0) - (before === true ? 1 : 0);
    this.#dirty.add(host);
  }

  sourcesChanged(ids: Iterable<string>): void {
    for (const id of ids) {
      const host = this.#ofAgent.get(id);
      if (host) this.#dirty.add(host);
      if (!id.startsWith("objects|")) continue;
      for (const one of this.#hosts.values())
        if (id.endsWith(`|${one.cluster}`)) this.#dirty.add(one);
    }
  }

  /** Tells what is different from what was told. */
  tell(nowUs: Us, out: GraphChange[]): void {
    if (nowUs - this.#sweptUs >= sweepUs) {
      this.#sweptUs = nowUs;
      for (const host of this.#hosts.values()) this.#dirty.add(host);
    }
    for (const host of this.#dirty) this.#tellOne(host, nowUs, out);
    this.#dirty.clear();
  }

  #tellOne(host: Host, nowUs: Us, out: GraphChange[]): void {
    const { key: id } = host;
    if (host.pods.size === 0) {
      this.#forget(host);
      if (host.told !== "") out.push({ kind: "gone", type: "host", id, atUs: nowUs });
      return;
    }
    const entity = this.#entityOf(host);
    const isFresh = nowUs - host.freshUs <= believedUs;
    const judged = isFresh && (this.#bitsOf(`objects|${host.cluster}`) & objectsMask) !== 0;
    const told = JSON.stringify([entity, judged]);
    if (told === host.told) return;
    host.told = told;
    const evidence = entity.agents.length > 0 ? [] : [evidenceOf(host)];
    const atUs = host.freshUs;
    out.push({ kind: "entity", type: "host", id, entity, judged, atUs, evidence, observers: [] });
  }

  #entityOf({ name, cluster, pods, meshedPods, agentIds }: Host): Entity<"host"> {
    let bits = 0;
    const agents: string[] = [];
    for (const id of agentIds) {
      const ofAgent = this.#bitsOf(id);
      if (this.#isHeard(id)) agents.push(id.slice(id.indexOf("|") + 1));
      bits |= ofAgent;
    }
    const self = { ...makeEntity("node"), cluster, name, kind: "host", host_network: true };
    const states = coverageStates(bits & liveMask, bits >> bitCount);
    const told = capabilitiesOf(agentMask);
    return {
      name,
      self: { ...self, resolved: "object" },
      pods: pods.size,
      meshed_pods: meshedPods,
      agents: agents.toSorted(),
      coverage: Object.fromEntries(told.map((one) => [one, states[one] ?? "never"])),
    };
  }

  #newHost(key: string, cluster: string, name: string): Host {
    const host: Host = {
      key,
      cluster,
      name,
      pods: new Map(),
      agentIds: new Set(),
      meshedPods: 0,
      freshUs: 0,
      sinceUs: 0,
      told: "",
    };
    this.#hosts.set(key, host);
    this.#addAgent(host, agentId(cluster, name));
    return host;
  }

  /** Of two machines that claim an address, the first has it. */
  #addAgent(host: Host, id: string): void {
    if (host.agentIds.has(id) || host.agentIds.size > addressesMax || this.#ofAgent.has(id)) return;
    host.agentIds.add(id);
    this.#ofAgent.set(id, host);
    this.#dirty.add(host);
  }

  #leave(pod: PodRecord, host: Host): void {
    if (host.pods.get(pod) === true) host.meshedPods--;
    host.pods.delete(pod);
    this.#ofPod.delete(pod);
    this.#dirty.add(host);
  }

  #forget(host: Host): void {
    this.#hosts.delete(host.key);
    for (const id of host.agentIds) this.#ofAgent.delete(id);
  }
}

/** A silent agent is the business of its source. */
function evidenceOf({ cluster, name, sinceUs }: Host): Evidence {
  return {
    atUs: sinceUs,
    nanos: 0,
    vantage: "object",
    source: cluster,
    text: `pods run on machine ${name}, from which no node agent was ever heard`,
    fields: { cluster, host: name },
    hash: contentHash(["host", cluster, name]),
  };
}
