/**
 * Flows of agents that export a counter every so often. Such a point has no times of its own: a
 * conversation that one export shows and the export before does not was opened between the two. Here is
 * kept when each agent exported, and what each of its conversations is joined by; late exports move both.
 *
 * Nothing here is ever closed: a counter that stands still is a connection that ended or one that rests,
 * and a proxy logs TCP when it closes. So such flows show what left a pod, and never that a leg is missing.
 */
import type { Flow } from "../model/observations.ts";
import { usPerMinute, usPerSecond, type Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentText } from "./content-hash.ts";
import type { JoinedFlow } from "./flows.ts";
import { JoinTable } from "./join-table.ts";
import type { FlowRecord, SourceEnd } from "./source-ends.ts";

/** Exports of one agent that are remembered, and agents. */
const exportsMax = 128;
const agentsMax = 5_000;
/** Farther apart than this, two exports say nothing of what was opened between them. */
const longestGapUs = 3 * usPerMinute;
/** Points of one export may differ by some of a second. */
const apartS = 2;

interface Agent {
  /** Whole seconds, in order. */
  readonly exports: number[];
  /** Conversations by the second of the export that shows them first. */
  readonly byFirst: Map<number, Set<Conversation>>;
}

/** The flow grows with each export. */
interface Conversation extends FlowRecord {
  flow: JoinedFlow & { endUs: Us };
  readonly agent: Agent;
  /** Nothing of its workload was pushed out for want of room: that would look new when it comes again. */
  readonly isWhole: boolean;
  /** When it was last written down for a restart. */
  keptUs: Us;
}

/** What a point has changed: ends to judge again, and whether it must outlive a restart. */
export interface PolledNews {
  readonly ends: readonly SourceEnd[];
  readonly isNew: boolean;
  /** To be written down: the point itself, or the first one again before it is forgotten. */
  readonly keep: Flow | null;
}

const nothing: PolledNews = { ends: [], isNew: false, keep: null };

export class PolledFlows {
  readonly #options: BypassOptions;
  readonly #agents = new Map<string, Agent>();
  readonly #conversations: JoinTable<Conversation>;

  constructor(
    options: BypassOptions,
    onGone: (record: FlowRecord) => void,
    onFull: (owner: string) => void,
  ) {
    this.#options = options;
    const { flowsMax, workloadShare } = options;
    const onLeave = ({ value }: { value: Conversation }) => {
      leave(value);
      onGone(value);
    };
    this.#conversations = new JoinTable(flowsMax, workloadShare, onLeave, onFull);
  }

  get size(): number {
    return this.#conversations.size;
  }

  get evicted(): number {
    return this.#conversations.evicted;
  }

  expire(nowUs: Us): void {
    this.#conversations.expire(nowUs);
  }

  /** `endFor` and `ownerOf` are asked once per conversation; without room at its end it is left out. */
  see(
    flow: Flow,
    nowUs: Us,
    endFor: (flow: Flow) => SourceEnd | null,
    ownerOf: (flow: Flow) => string,
  ): PolledNews {
    const agent = this.#agent(flow);
    const moved = noteExport(agent, flow.timeUs);
    const keepAll = moved ? flow : null;
    const ends = moved ? this.#moveFirsts(agent, flow.timeUs) : [];
    if (flow.direction === "response")
      return moved ? { ends, isNew: false, keep: keepAll } : nothing;
    const id = conversationId(flow);
    const known = this.#conversations.get(id)?.value;
    if (known) return this.#go(known, flow, nowUs, ends, keepAll);
    const end = endFor(flow);
    if (!end) return { ends, isNew: false, keep: keepAll };
    const owner = ownerOf(flow);
    const isWhole = this.#conversations.horizonUs(owner) === 0;
    const joined = joinedBy(flow, flow.timeUs, agent, isWhole);
    const record: Conversation = { id, flow: joined, end, agent, isWhole, keptUs: nowUs };
    enter(record);
    end.flows.set(id, record);
    const expiresUs = nowUs + this.#options.retentionUs;
    this.#conversations.add({ id, owner, value: record, atUs: flow.timeUs, expiresUs });
    return { ends: [...ends, end], isNew: true, keep: flow };
  }

  #go(
    record: Conversation,
    flow: Flow,
    nowUs: Us,
    ends: readonly SourceEnd[],
    keepAll: Flow | null,
  ): PolledNews {
    const { retentionUs } = this.#options;
    this.#conversations.renew(record.id, nowUs + retentionUs);
    const isEarlier = flow.timeUs < record.flow.timeUs;
    const isLater = flow.timeUs > record.flow.endUs;
    if (isEarlier) {
      leave(record);
      record.flow = joinedBy(flow, record.flow.endUs, record.agent, record.isWhole);
      enter(record);
    } else if (isLater) record.flow.endUs = flow.timeUs;
    let keep = isEarlier ? flow : keepAll;
    if (!keep && nowUs - record.keptUs >= retentionUs / 2) {
      record.keptUs = nowUs;
      keep = { ...record.flow, endUs: record.flow.startUs };
    }
    const all = isEarlier || isLater ? [...ends, record.end] : ends;
    return { ends: all, isNew: false, keep };
  }

  /** An export that came late lies between the first sight of some and what was the export before. */
  #moveFirsts(agent: Agent, timeUs: Us): readonly SourceEnd[] {
    const fromS = secondOf(timeUs);
    if (agent.exports.at(-1) === fromS) return [];
    const ends: SourceEnd[] = [];
    for (const [firstS, conversations] of agent.byFirst) {
      if (firstS <= fromS || firstS - fromS > longestGapUs / usPerSecond) continue;
      for (const record of conversations) {
        const { flow } = record;
        const moved = joinedBy(flow, flow.endUs, agent, record.isWhole);
        if (moved.openedAfterUs === flow.openedAfterUs) continue;
        record.flow = moved;
        ends.push(record.end);
      }
    }
    return ends;
  }

  #agent({ source, agent, trust }: Flow): Agent {
    const key = `${source.key} ${agent} ${trust}`;
    let known = this.#agents.get(key);
    if (known) return known;
    if (this.#agents.size >= agentsMax) {
      for (const first of this.#agents.keys()) {
        this.#agents.delete(first);
        break;
      }
    }
    this.#agents.set(key, (known = { exports: [], byFirst: new Map() }));
    return known;
  }
}

function conversationId(flow: Flow): string {
  return contentText(
    "polled",
    flow.cluster,
    flow.source.key,
    flow.agent,
    flow.srcIp,
    flow.srcPort,
    flow.dstIp,
    flow.dstPort,
    flow.transport,
    flow.trust,
  );
}

const secondOf = (timeUs: Us): number => Math.floor(timeUs / usPerSecond);

/** True if the agent is not known to have exported then. */
function noteExport({ exports }: Agent, timeUs: Us): boolean {
  const second = secondOf(timeUs);
  let place = exports.length;
  while (place > 0 && (exports[place - 1] ?? 0) > second) place--;
  if (exports[place - 1] === second) return false;
  exports.splice(place, 0, second);
  if (exports.length > exportsMax) exports.shift();
  return true;
}

/** The export before this one, undefined where none is known that is near enough. */
function exportBefore({ exports }: Agent, timeUs: Us): Us | undefined {
  const second = secondOf(timeUs);
  const before = exports.findLast((one) => one <= second - apartS);
  if (before === undefined) return undefined;
  const beforeUs = before * usPerSecond;
  return timeUs - beforeUs <= longestGapUs ? beforeUs : undefined;
}

function joinedBy(first: Flow, endUs: Us, agent: Agent, isWhole: boolean): Conversation["flow"] {
  const { timeUs: startUs } = first;
  const openedAfterUs = isWhole ? exportBefore(agent, startUs) : undefined;
  const flow: Conversation["flow"] = { ...first, startUs, endUs };
  if (openedAfterUs === undefined) return flow;
  return { ...flow, openedAfterUs };
}

function enter(record: Conversation): void {
  const { byFirst } = record.agent;
  const second = secondOf(record.flow.timeUs);
  const firsts = byFirst.get(second);
  if (firsts) firsts.add(record);
  else byFirst.set(second, new Set([record]));
}

function leave(record: Conversation): void {
  const { byFirst } = record.agent;
  const second = secondOf(record.flow.timeUs);
  const firsts = byFirst.get(second);
  firsts?.delete(record);
  if (firsts?.size === 0) byFirst.delete(second);
}
