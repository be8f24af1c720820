/**
 * The nodes of the graph: integer ids, every name a node was known by, and what is known of it. Facts
 * are kept as sets and ranks, so the entity that rules see is the same whatever came first. It does not
 * decide which pod or address stands for which node; `identity.ts` does.
 */
import { FewSet } from "../lib/few-set.ts";
import { makeEntity, type NodeEntity } from "../model/entities.ts";
import { nodeKey } from "../model/keys.ts";
import type { Us } from "../model/time.ts";

/** Signs of a proxy, as bits; a node may show several. */
export const Sign = {
  sidecar: 1,
  ambient: 2,
  gateway: 4,
  waypoint: 8,
  /** It was a peer with a mesh identity. */
  principal: 16,
  /** A pod object shows no proxy. */
  noProxy: 32,
  /** A proxy reported for it, of whatever kind. */
  proxy: 64,
} as const;

export interface NodeRecord {
  readonly id: number;
  key: string;
  entity: NodeEntity;
  firstUs: Us;
  lastUs: Us;
  /** The node this one proved to be, 0 = none; lookups follow it. */
  mergedInto: number;
  /** Where the last facet of a node without uses went, 0 = none; lookups do not follow it. */
  retiredInto: number;
  readonly aliases: FewSet<string>;
  /** Facets and pods that refer to it; without any it is not part of the graph. */
  uses: number;
  isDirty: boolean;
  /** Signs that telemetry showed, and those of the living pods by pod key. */
  seenSigns: number;
  readonly podSigns: Map<string, number>;
}

/** What a source says of a node; the unnamed parts stay as they are. */
export interface NodeFacts {
  readonly kind?: string;
  readonly service?: string;
  readonly serviceAccount?: string;
  readonly principal?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  readonly resolved?: NodeEntity["resolved"];
  readonly signs?: number;
  readonly atUs?: Us;
}

const resolvedRanks: readonly NodeEntity["resolved"][] = [
  "none",
  "inferred",
  "claimed",
  "metrics",
  "object",
];
/** Names one node may have been known by; beyond it, names are looked up but not remembered. */
const aliasesMax = 64;

export class Nodes {
  readonly #nodesMax: number;
  /** By id - 1; nodes that were never stored leave holes after a restart. */
  readonly #records: (NodeRecord | undefined)[] = [];
  readonly #byAlias = new Map<string, NodeRecord>();
  readonly #dirty = new Set<NodeRecord>();
  /** Nodes whose entity is another one since it was last taken. */
  readonly #changed = new Set<NodeRecord>();
  #newAliases: { alias: string; node: NodeRecord }[] = [];
  #live = 0;
  #dropped = 0;

  constructor(nodesMax: number) {
    this.#nodesMax = nodesMax;
  }

  /** Nodes that take part in the graph. */
  get live(): number {
    return this.#live;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Ids start at 1; a merged id answers with the node it became. */
  get(id: number): NodeRecord {
    let record = this.#record(id);
    while (record.mergedInto !== 0) record = this.#record(record.mergedInto);
    return record;
  }

  has(id: number): boolean {
    return this.#records[id - 1] !== undefined;
  }

  byAlias(alias: string): NodeRecord | undefined {
    const record = this.#byAlias.get(alias);
    return record && this.get(record.id);
  }

  /** The node of that alias, or a new one with this identity. */
  intern(alias: string, identity: Partial<NodeEntity>): NodeRecord {
    const known = this.#byAlias.get(alias);
    if (known) return this.get(known.id);
    if (this.#records.length >= this.#nodesMax) {
      this.#dropped++;
      return this.#overflow();
    }
    return this.#add(alias, identity);
  }

  alias(record: NodeRecord, alias: string): void {
    if (this.#byAlias.has(alias) || record.aliases.size >= aliasesMax) return;
    record.aliases.add(alias);
    this.#byAlias.set(alias, record);
    this.#newAliases.push({ alias, node: record });
  }

  /** Adds facts; true when the entity changed. */
  learn(record: NodeRecord, facts: NodeFacts): boolean {
    if (facts.atUs !== undefined) this.seen(record, facts.atUs);
    const signs = record.seenSigns | (facts.signs ?? 0);
    const old = record.entity;
    if (signs === record.seenSigns && !addsTo(old, facts)) return false;
    record.seenSigns = signs;
    const isStronger = rankOf(facts.resolved ?? "none") > rankOf(old.resolved);
    this.#replace(record, {
      ...old,
      kind: facts.kind && (isStronger || old.kind === "") ? facts.kind : old.kind,
      service: smaller(old.service, facts.service),
      service_account: smaller(old.service_account, facts.serviceAccount),
      principal: smaller(old.principal, facts.principal),
      labels: facts.labels ?? old.labels,
      host_network: facts.hostNetwork ?? old.host_network,
      resolved: isStronger ? (facts.resolved ?? "none") : old.resolved,
    });
    return true;
  }

  /** Sets or removes (signs 0) what one living pod shows. */
  podSigns(record: NodeRecord, pod: string, signs: number): void {
    const before = record.podSigns.get(pod) ?? 0;
    if (before === signs) return;
    if (signs === 0) record.podSigns.delete(pod);
    else record.podSigns.set(pod, signs);
    this.#replace(record, record.entity);
  }

  seen(record: NodeRecord, atUs: Us): void {
    if (atUs <= 0) return;
    if (record.firstUs === 0 || atUs < record.firstUs) record.firstUs = atUs;
    if (atUs > record.lastUs) record.lastUs = atUs;
  }

  use(record: NodeRecord, by: 1 | -1): void {
    record.uses += by;
    if (record.uses === 1 && by === 1) {
      this.#live++;
      record.retiredInto = 0;
      this.#mark(record);
    }
    if (record.uses === 0) {
      this.#live--;
      this.#mark(record);
    }
  }

  /** Says where the last facet of an unresolved node went; the node is history from then on. */
  retire(record: NodeRecord, intoId: number): void {
    if (record.uses > 0 || record.id === intoId) return;
    record.retiredInto = intoId;
    this.#mark(record);
  }

  /** `loser` proved to be `winner`: names and facts move. The caller has moved the edges. */
  merge(winner: NodeRecord, loser: NodeRecord): void {
    for (const alias of loser.aliases) {
      winner.aliases.add(alias);
      this.#byAlias.set(alias, winner);
      this.#newAliases.push({ alias, node: winner });
    }
    for (const [pod, signs] of loser.podSigns) winner.podSigns.set(pod, signs);
    this.seen(winner, loser.firstUs);
    this.seen(winner, loser.lastUs);
    winner.seenSigns |= loser.seenSigns;
    if (rankOf(loser.entity.resolved) > rankOf(winner.entity.resolved)) {
      this.#replace(winner, { ...loser.entity });
      winner.key = loser.key;
    } else this.#replace(winner, winner.entity);
    // Its pods are the winner's now; its edges have moved before.
    if (loser.uses > 0 && winner.uses > 0) this.#live--;
    winner.uses += loser.uses;
    loser.uses = 0;
    loser.mergedInto = winner.id;
    loser.key = `merged/${loser.id}`;
    this.#mark(loser);
  }

  *[Symbol.iterator](): Iterator<NodeRecord> {
    for (const record of this.#records) if (record && record.uses > 0) yield record;
  }

  all(): NodeRecord[] {
    return this.#records.filter((record) => record !== undefined);
  }

  takeDirty(): NodeRecord[] {
    const dirty = [...this.#dirty].filter(isStored);
    for (const record of this.#dirty) record.isDirty = false;
    this.#dirty.clear();
    return dirty;
  }

  takeChanged(): NodeRecord[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** Names of nodes that have a row; an id without one may be given anew after a restart. */
  takeNewAliases(): { alias: string; nodeId: number }[] {
    const stored = this.#newAliases.filter(({ node }) => isStored(node));
    this.#newAliases = this.#newAliases.filter(({ node }) => !isStored(node));
    return stored.map(({ alias, node }) => ({ alias, nodeId: this.get(node.id).id }));
  }

  restore(record: NodeRecord): void {
    this.#records[record.id - 1] = record;
  }

  restoreAlias(alias: string, nodeId: number): void {
    const record = this.#records[nodeId - 1];
    if (!record) return;
    this.#byAlias.set(alias, record);
    record.aliases.add(alias);
  }

  #add(alias: string, identity: Partial<NodeEntity>): NodeRecord {
    const entity: NodeEntity = { ...makeEntity("node"), ...identity };
    const record: NodeRecord = {
      id: this.#records.length + 1,
      key: keyOf(entity),
      entity,
      firstUs: 0,
      lastUs: 0,
      mergedInto: 0,
      retiredInto: 0,
      aliases: new FewSet(),
      uses: 0,
      isDirty: false,
      seenSigns: 0,
      podSigns: new Map(),
    };
    this.#records.push(record);
    this.alias(record, alias);
    return record;
  }

  /** The node that stands for all that had no room. */
  #overflow(): NodeRecord {
    const alias = "unknown/capacity";
    const known = this.#byAlias.get(alias);
    return known ?? this.#add(alias, { name: "capacity", kind: "unknown" });
  }

  #record(id: number): NodeRecord {
    const record = this.#records[id - 1];
    if (!record) throw new Error(`assertion failed: node ${id} must exist`);
    return record;
  }

  #replace(record: NodeRecord, entity: NodeEntity): void {
    let podSigns = 0;
    for (const signs of record.podSigns.values()) podSigns |= signs;
    record.entity = { ...entity, ...meshOf(record.seenSigns, podSigns) };
    this.#changed.add(record);
    this.#mark(record);
  }

  #mark(record: NodeRecord): void {
    record.isDirty = true;
    this.#dirty.add(record);
  }
}

/** Nodes that were only looked up are not worth a row. */
function isStored(record: NodeRecord): boolean {
  return record.uses > 0 || record.mergedInto !== 0 || record.retiredInto !== 0;
}

/** The row's key. Services share names with workloads, so theirs says what they are. */
function keyOf(entity: NodeEntity): string {
  if (entity.kind === "service")
    return `${entity.cluster}/${entity.namespace}/service/${entity.name}`;
  return nodeKey(entity);
}

/**
 * Mode and membership. Pod objects say what runs now; what telemetry has shown counts beside them only
 * while no object is known, else a workload that lost its sidecar would stay meshed for ever.
 */
function meshOf(seenSigns: number, podSigns: number): Pick<NodeEntity, "mesh" | "mode"> {
  const signs = podSigns === 0 ? seenSigns : podSigns | (seenSigns & (Sign.principal | Sign.proxy));
  const mode =
    signs & Sign.gateway
      ? "gateway"
      : signs & Sign.waypoint
        ? "waypoint"
        : signs & Sign.sidecar
          ? "sidecar"
          : signs & Sign.ambient
            ? "ambient"
            : signs & Sign.noProxy
              ? "none"
              : "unknown";
  if (mode !== "none" && mode !== "unknown") return { mesh: "yes", mode };
  if (signs & (Sign.principal | Sign.proxy)) return { mesh: "yes", mode: "unknown" };
  return { mesh: mode === "none" ? "no" : "unknown", mode };
}

function rankOf(resolved: NodeEntity["resolved"]): number {
  return resolvedRanks.indexOf(resolved);
}

/** Of two names the smaller one, so that arrival order does not show. */
function smaller(have: string, more: string | undefined): string {
  if (!more) return have;
  return have === "" || more < have ? more : have;
}

function addsTo(entity: NodeEntity, facts: NodeFacts): boolean {
  return (
    rankOf(facts.resolved ?? "none") > rankOf(entity.resolved) ||
    (entity.kind === "" && Boolean(facts.kind)) ||
    smaller(entity.service, facts.service) !== entity.service ||
    smaller(entity.service_account, facts.serviceAccount) !== entity.service_account ||
    smaller(entity.principal, facts.principal) !== entity.principal ||
    (facts.labels !== undefined && facts.labels !== entity.labels) ||
    (facts.hostNetwork !== undefined && facts.hostNetwork !== entity.host_network)
  );
}
