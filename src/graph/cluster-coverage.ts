/**
 * What is told of each cluster as a whole, for the rules as `coverage`: whether its objects are, how many
 * workloads are seen of which nobody says whether they are in the mesh, and how many private addresses
 * nobody explains. Looked through once a minute, since neither makes haste.
 */
import { evidenceMax, type Evidence, type GraphChange } from "../model/changes.ts";
import { capabilitiesOf, coverageCapabilities, maskOf } from "../model/coverage.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import { contentHash } from "./content-hash.ts";
import type { Coverage } from "./coverage.ts";
import type { NodeRecord, Nodes } from "./nodes.ts";

const sweepUs = usPerMinute;
/** What was not seen for longer is perhaps no more: only objects tell of ends. */
const recentUs = 30 * usPerMinute;
const examplesMax = 5;
const objectsMask = maskOf(["objects"]);
const bitCount = coverageCapabilities.length;

export interface ClusterCoverageOptions {
  readonly nodes: Nodes;
  readonly coverage: Pick<Coverage, "seenOf">;
  /** What a source (`kind|key`) tells of: `live | heard << bitCount`. */
  readonly bitsOf: (sourceId: string) => number;
}

interface Seen {
  workloads: number;
  meshed: number;
  /** What was ever told of them, by node. */
  readonly unknown: Map<NodeRecord, number>;
  readonly unresolved: NodeRecord[];
}

export class ClusterCoverage {
  readonly #options: ClusterCoverageOptions;
  /** By cluster, as the rules know it. */
  readonly #told = new Map<string, string>();
  #sweptUs = 0;

  constructor(options: ClusterCoverageOptions) {
    this.#options = options;
  }

  /** Tells what is different from what was told. */
  tell(nowUs: Us, out: GraphChange[]): void {
    if (nowUs - this.#sweptUs < sweepUs) return;
    this.#sweptUs = nowUs;
    const clusters = this.#lookThrough(nowUs);
    for (const cluster of this.#told.keys()) {
      if (!clusters.has(cluster)) clusters.set(cluster, nothingSeen());
    }
    for (const [cluster, seen] of clusters) this.#tellOne(cluster, seen, nowUs, out);
  }

  #lookThrough(nowUs: Us): Map<string, Seen> {
    const { nodes, coverage } = this.#options;
    const clusters = new Map<string, Seen>();
    for (const node of nodes) {
      const { cluster, kind, address, mesh } = node.entity;
      if (cluster === "") continue;
      let seen = clusters.get(cluster);
      if (!seen) clusters.set(cluster, (seen = nothingSeen()));
      if (kind === "unknown") {
        if (address !== "" && nowUs - node.lastUs <= recentUs) seen.unresolved.push(node);
        continue;
      }
      const workload = coverage.seenOf(node.id);
      if (!workload) continue;
      seen.workloads++;
      if (mesh === "yes") seen.meshed++;
      // A claimed word alone is nobody's.
      const isTold = workload.heard !== 0 && nowUs - workload.lastUs <= recentUs;
      if (mesh === "unknown" && isTold) seen.unknown.set(node, workload.heard);
    }
    return clusters;
  }

  #tellOne(cluster: string, seen: Seen, nowUs: Us, out: GraphChange[]): void {
    const entity = this.#entityOf(cluster, seen);
    const { unknown_workloads, unresolved_addresses, objects } = entity;
    const told = JSON.stringify(entity);
    if (this.#told.get(cluster) === told) return;
    this.#told.set(cluster, told);
    out.push({
      kind: "entity",
      type: "coverage",
      id: cluster,
      entity,
      // Nothing may be unknown because nothing is told any more.
      judged: objects === "live" || unknown_workloads + unresolved_addresses > 0,
      atUs: nowUs,
      evidence: evidenceOf(cluster, seen),
      observers: [],
    });
  }

  #entityOf(cluster: string, { workloads, meshed, unknown, unresolved }: Seen): Entity<"coverage"> {
    const bits = this.#options.bitsOf(`objects|${cluster}`);
    const isHeard = ((bits >> bitCount) & objectsMask) !== 0;
    return {
      ...makeEntity("coverage"),
      cluster,
      objects: (bits & objectsMask) !== 0 ? "live" : isHeard ? "silent" : "never",
      workloads,
      meshed_workloads: meshed,
      unknown_workloads: unknown.size,
      unknown_examples: examplesOf([...unknown.keys()].map(nameOf)),
      unresolved_addresses: unresolved.length,
      unresolved_examples: examplesOf(unresolved.map(({ entity }) => entity.address)),
    };
  }
}

function nothingSeen(): Seen {
  return { workloads: 0, meshed: 0, unknown: new Map(), unresolved: [] };
}

const nameOf = ({ entity }: NodeRecord): string => `${entity.namespace}/${entity.name}`;

function examplesOf(names: readonly string[]): string {
  const some = names.toSorted().slice(0, examplesMax).join(", ");
  return names.length > examplesMax ? `${some}, …` : some;
}

/** By name, so that the same are shown whatever came first. */
function evidenceOf(cluster: string, { unknown, unresolved }: Seen): Evidence[] {
  const workloads = [...unknown]
    .toSorted(([a], [b]) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map(([node, heard]) => {
      const told = capabilitiesOf(heard).join(", ");
      const name = nameOf(node);
      const text = `${name} was seen (${told}), and no object tells of its pods`;
      return evidence(cluster, node, text, { namespace: node.entity.namespace, told });
    });
  const addresses = unresolved
    .toSorted((a, b) => (a.entity.address < b.entity.address ? -1 : 1))
    .map((node) => {
      const { address } = node.entity;
      return evidence(cluster, node, `nobody says whose address ${address} is`, { address });
    });
  return [...workloads, ...addresses].slice(0, evidenceMax);
}

function evidence(
  cluster: string,
  { key, firstUs }: NodeRecord,
  text: string,
  fields: Readonly<Record<string, string>>,
): Evidence {
  return {
    atUs: firstUs,
    nanos: 0,
    vantage: "node",
    source: cluster,
    text,
    fields: { cluster, ...fields },
    hash: contentHash(["coverage", cluster, key]),
  };
}
