/**
 * Tells a story to the whole pipeline on a virtual clock, restarted where asked, and says what stands at
 * its end: who is accused of what, and where the engine says that it cannot know.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readRuleFiles } from "../../src/cli/rules-folder.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { pipelineOptions } from "../../src/engine/options.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import type { StoredCoverage } from "../../src/model/api-coverage.ts";
import { mayBeMeshed, memberships, type Judgement } from "../../src/model/coverage.ts";
import { feedOf } from "../../src/model/keys.ts";
import { makeEntity } from "../../src/model/entities.ts";
import type {
  CoverageRow,
  EdgeRow,
  InsightRow,
  NodeRow,
  SourceRow,
  WriteSet,
} from "../../src/model/rows.ts";
import { usPerMinute, usPerMs, usPerSecond, type Us } from "../../src/model/time.ts";
import { loadRules } from "../../src/rules/load.ts";
import { coverageOf } from "../../src/serve/coverage.ts";
import { StoreWriter } from "../../src/store/writer.ts";
import { startMs } from "../scenarios/pipeline-world.ts";
import type { Arrived } from "./story-arrival.ts";
import type { Story } from "./story-file.ts";
import type { ExpectedInsight } from "./story-schema.ts";

const { rules } = loadRules(readRuleFiles(fileURLToPath(new URL("../../rules", import.meta.url))));
/** What says that something is not seen, and accuses nobody. */
const coverageRules: ReadonlySet<string> = new Set(
  rules.filter(({ meta }) => meta.category === "coverage").map(({ meta }) => meta.id),
);

const ownCluster = "demo";

/** Hundreds of stores, each synced: in memory where the system has such a folder. */
const storesFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** After the last request time goes on this long, so that verdicts fall that wait for late evidence. */
const settleUs = 2 * usPerMinute;

/** What stands at the end, one line each, sorted. */
export interface Findings {
  readonly accusations: readonly string[];
  /** `rule namespace/workload`, of coverage and of insights that became unknown. */
  readonly blindness: readonly string[];
  /** What rules cannot judge of the workloads in the end, or only in part. */
  readonly notJudged: readonly NotJudged[];
  /** The same of what they could judge at no time. */
  readonly neverJudged: readonly NotJudged[];
  /** Of the accusations, with what they rest on: the same for every order of arrival. */
  readonly evidence: readonly string[];
  /** `namespace/name > namespace/name`, an address where nobody has a name for an end. */
  readonly edges: readonly string[];
  /** `namespace layer status`, when the story ended. */
  readonly layers: readonly string[];
}

export interface NotJudged {
  readonly rule: string;
  /** `namespace/name`; `/` = of the cluster, whoever tells of its workloads. */
  readonly workload: string;
  readonly judgement: Judgement;
  /** What would have to be seen as well. */
  readonly missing: readonly string[];
}

/** A forger sends where everybody may. */
const trust = "receivers.trust=[{ listener: grpc, level: attested }]";
const listeners = { attested: "grpc", claimed: "http" } as const;

function configOf(story: Pick<Story, "name" | "settings">): Config {
  const loaded = loadConfig([], [`cluster.name=${ownCluster}`, trust, ...story.settings], {});
  if (!loaded.ok) throw new Error(`${story.name}.yaml: its settings are not valid`);
  return loaded.config;
}

/** `restartAt`: before the request of that place another process takes over; -1 = none does. */
export function tell(
  story: Pick<Story, "name" | "settings" | "untilS">,
  requests: readonly Arrived[],
  restartAt = -1,
): Findings {
  const run = new Run(configOf(story));
  for (const [index, request] of requests.entries()) {
    if (index === restartAt) run.restart();
    run.take(request);
  }
  const insights = run.finish(startMs * usPerMs + Math.round(story.untilS * usPerSecond));
  return { ...findingsOf(insights, run.stored), edges: run.edges, layers: run.layers };
}

class Run {
  readonly #config: Config;
  readonly #insights = new Map<string, InsightRow>();
  readonly #coverage = new Map<number, CoverageRow>();
  readonly #feeds = new Map<string, SourceRow>();
  readonly #nodes = new Map<number, NodeRow>();
  readonly #edges = new Map<number, EdgeRow>();
  layers: readonly string[] = [];
  #pipeline: Pipeline;
  #seq = 0;
  #nowUs: Us = 0;

  constructor(config: Config) {
    this.#config = config;
    this.#pipeline = this.#start();
  }

  take({ signal, body, receivedUs, trust: level }: Arrived): void {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    this.#pass(receivedUs);
    const sender = { listener: listeners[level], client: "" };
    const handled = this.#pipeline.handle({ signal, hash, body: bytes, receivedUs, sender });
    if (handled.kind === "invalid") throw new Error(`refused: ${handled.message}`);
  }

  /** As it was when the story ended, before its sources fell silent for want of a story. */
  get stored(): StoredCoverage {
    const rows = [...this.#coverage.values()].map((row) => ({
      ...row,
      mesh: memberships[row.mesh] ?? "unknown",
    }));
    return {
      groups: rows.map((row) => ({ ...row, workloads: 1 })),
      workloads: rows.filter(mayBeMeshed),
      feeds: [...this.#feeds.values()].map(({ key, state }) => ({
        ...feedOf(key),
        state: state === "silent" ? ("silent" as const) : ("live" as const),
      })),
    };
  }

  /** Of whoever an end was found to be in the end. */
  get edges(): string[] {
    const nameOf = (id: number): string => {
      const node = this.#nodes.get(id);
      if (!node) return "?";
      if (node.mergedInto !== 0) return nameOf(node.mergedInto);
      return node.name === "" ? node.address || node.kind : `${node.namespace}/${node.name}`;
    };
    const names = [...this.#edges.values()].map(
      ({ srcId, dstId }) => `${nameOf(srcId)} > ${nameOf(dstId)}`,
    );
    return [...new Set(names)].sort();
  }

  /** Through the store, as a new process would begin. */
  restart(): void {
    const folder = mkdtempSync(join(storesFolder, "mesh-insights-story-"));
    const path = join(folder, "insights.db");
    const writer = new StoreWriter({ path, programVersion: "1", nowUs: this.#nowUs });
    try {
      writer.commit(this.#collect(false));
      this.#pipeline = this.#start();
      this.#pipeline.restore(writer.load());
    } finally {
      writer.close();
      rmSync(folder, { recursive: true });
    }
  }

  /** The story goes on until then at least. */
  finish(untilUs: Us): readonly InsightRow[] {
    this.#pass(untilUs);
    this.#collect(false);
    this.layers = this.#pipeline
      .layers()
      .flatMap(({ namespace, layers }) =>
        layers.map(({ layer, status }) => `${namespace} ${layer} ${status}`),
      );
    // What fires only now would have turned unknown by the end, and be left out.
    for (const overUs = this.#nowUs + settleUs; this.#nowUs < overUs;) {
      this.#pass(this.#nowUs + usPerSecond);
      this.#collect(true);
    }
    return [...this.#insights.values()];
  }

  #start(): Pipeline {
    return new Pipeline(pipelineOptions(this.#config, rules), { push() {} });
  }

  /** A second at a time, as a running engine would notice what is due. */
  #pass(toUs: Us): void {
    if (this.#nowUs > 0) {
      for (let atUs = this.#nowUs + usPerSecond; atUs < toUs; atUs += usPerSecond) {
        this.#pipeline.advance(atUs);
      }
    }
    this.#nowUs = Math.max(this.#nowUs, toUs);
    // As the program says while all is well.
    this.#pipeline.health(makeEntity("engine"), this.#nowUs);
  }

  #collect(isOver: boolean) {
    const writeSet = this.#pipeline.collect(++this.#seq, this.#nowUs);
    for (const row of writeSet.insights) {
      // Sources fall silent because the story ends, which says nothing about them.
      const isOfEnd =
        row.state === "unknown" ||
        coverageRules.has(row.rule) ||
        (row.state === "pending" && !this.#insights.has(row.id));
      if (!isOver || !isOfEnd) this.#insights.set(row.id, row);
    }
    for (const row of writeSet.nodes) this.#nodes.set(row.id, row);
    for (const row of writeSet.edges) this.#edges.set(row.id, row);
    if (!isOver) this.#cover(writeSet);
    return writeSet;
  }

  #cover({ coverage, sources, forgotten = [] }: WriteSet): void {
    for (const { table, key } of forgotten)
      if (table === "coverage") this.#coverage.delete(Number(key));
    for (const row of coverage) this.#coverage.set(row.nodeId, row);
    for (const row of sources) if (row.kind === "objects") this.#feeds.set(row.key, row);
  }
}

/** What was taken back, or never got beyond waiting, is no accusation. */
function stands(row: InsightRow): boolean {
  if (row.state === "firing" || row.state === "unknown") return true;
  return row.state === "resolved" && row.reason !== "late_evidence" && row.reason !== "withdrawn";
}

function findingsOf(
  insights: readonly InsightRow[],
  stored: StoredCoverage,
): Omit<Findings, "edges" | "layers"> {
  const standing = insights.filter(stands);
  const accusing = standing.filter(({ rule }) => !coverageRules.has(rule));
  const blind = standing.filter(
    ({ rule, state }) => coverageRules.has(rule) || state === "unknown",
  );
  return {
    accusations: accusing.map(accusationOf).sort(),
    blindness: blind
      .map(({ rule, namespace, workload }) => `${rule} ${namespace}/${workload}`)
      .sort(),
    notJudged: notJudgedOf(stored),
    neverJudged: notJudgedOf(everHeard(stored)),
    evidence: accusing.map(({ fingerprint, evidence }) => `${fingerprint} ${evidence}`).sort(),
  };
}

/** As if whoever has told of a workload still did. */
function everHeard({ groups, feeds, workloads }: StoredCoverage): StoredCoverage {
  return {
    groups: groups.map((group) => ({ ...group, live: group.heard })),
    workloads: workloads.map((workload) => ({ ...workload, live: workload.heard })),
    feeds: feeds.map((feed) => ({ ...feed, state: "live" as const })),
  };
}

/** As the API says it: of workloads, then of clusters. */
function notJudgedOf(stored: StoredCoverage): NotJudged[] {
  const metas = rules.map(({ meta }) => meta);
  const { not_judged, clusters } = coverageOf(stored, metas, { limit: 1_000 }, { ownCluster });
  return [
    ...not_judged.flatMap(({ namespace, name, rules: open }) =>
      open.map((one) => ({ ...one, workload: `${namespace}/${name}` })),
    ),
    ...clusters.flatMap(({ rules: open }) => open.map((one) => ({ ...one, workload: "/" }))),
  ];
}

function accusationOf(row: InsightRow): string {
  const peer = row.peerWorkload ? `${row.peerNamespace}/${row.peerWorkload}` : row.peerAddress;
  return lineOf({ ...row, workload: `${row.namespace}/${row.workload}`, peer, port: row.peerPort });
}

interface Accusation {
  readonly rule: string;
  readonly workload: string;
  readonly peer: string;
  readonly port: number;
  readonly confidence?: string | undefined;
  readonly state: string;
}

/** One accusation in one line, expected or found; `*`: with any confidence. */
export function lineOf(accusation: Accusation): string {
  const { rule, workload, peer, port, confidence = "*", state } = accusation;
  const where = peer === "" && port === 0 ? "" : ` ${peer}:${port}`;
  return `${rule} ${workload}${where} ${confidence} ${state}`;
}

/** Whether that line is what the story expects. */
export function isExpected(insight: ExpectedInsight, line: string): boolean {
  const expected = lineOf(insight);
  if (insight.confidence !== undefined) return line === expected;
  return line.replace(/(high|medium|low) (\w+)$/, "* $2") === expected;
}
