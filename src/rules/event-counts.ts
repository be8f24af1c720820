/**
 * What counting rules on events have counted: their groups by rule and key. Groups live on their own:
 * what a full window holds goes on to the insights event by event, each under its own id, so that
 * evidence, repeats and withdrawals work as they do without counting. Durable, one row per group, and a
 * row of another version of the rule's count is of no use.
 *
 * Bounded as a whole and per workload: whoever would fill the table loses the groups that he touched
 * longest ago, and those alone.
 */
import type { AnyEntityChange, NodeRenamed } from "../model/changes.ts";
import type { NodeEntity } from "../model/entities.ts";
import type { RuleEvent } from "../model/insights.ts";
import { nodeKey } from "../model/keys.ts";
import { forget, type CountRow, type WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { fromSample, toSample } from "../model/samples.ts";
import type { Us } from "../model/time.ts";
import type { WaiverJudge } from "../model/waivers.ts";
import { CountGroup, countText, type Added, type CountedEvent } from "./count-group.ts";
import type { CompiledCount, CompiledRule } from "./rule.ts";

export interface EventCountOptions {
  readonly groupsMax: number;
  readonly eventsMax: number;
  /** The part of both that one workload may fill. */
  readonly workloadShare: number;
}

export const eventCountDefaults: EventCountOptions = {
  groupsMax: 20_000,
  eventsMax: 60_000,
  workloadShare: 0.1,
};

export interface CountingRule extends CompiledRule {
  readonly count: CompiledCount;
}

/** What people read of the newest event, which stands for the group. */
interface Face {
  readonly atUs: Us;
  readonly message: string;
  readonly subject: NodeEntity | null;
  readonly peer: NodeEntity | null;
  readonly peerPort: number;
  /** Of the event itself (`toSample`). */
  readonly sample: string;
}

interface Group {
  readonly rule: CountingRule;
  readonly key: readonly string[];
  readonly id: string;
  readonly owner: string;
  readonly counted: CountGroup;
  face: Face;
  /** The newest entity of this push: the message says how many there are, which is known at its end. */
  newest: AnyEntityChange | null;
}

/** Writes a rule's message about an entity; `count` is what it says of how many there are. */
export type Wording = (rule: CountingRule, entity: unknown, count: string) => string;

export class EventCounts {
  readonly #options: EventCountOptions;
  readonly #wording: Wording;
  readonly #waivers: WaiverJudge;
  /** By id, in the order in which they were last touched. */
  readonly #groups = new Map<string, Group>();
  readonly #ofOwner = new Map<string, { events: number; readonly groups: Set<Group> }>();
  /** The group that each event of a rule counts in. */
  readonly #placeOf = new Map<string, Group>();
  readonly #dirty = new Set<Group>();
  readonly #changed = new Set<Group>();
  readonly #forgotten = new Set<string>();
  /** Of what was told in one group and counts in another now. */
  readonly #moved: RuleEvent[] = [];
  readonly #dropped = { late: 0, full: 0, capacity: 0 };
  #nextOverUs: Us = Infinity;

  constructor(
    wording: Wording,
    waivers: WaiverJudge,
    options: EventCountOptions = eventCountDefaults,
  ) {
    this.#wording = wording;
    this.#waivers = waivers;
    this.#options = options;
  }

  /** The rule's condition holds for this event. */
  add(rule: CountingRule, change: AnyEntityChange): void {
    const { id, entity, atUs, judged, evidence, observers } = change;
    const key = rule.key(entity);
    const group = this.#groupOf(rule, key, change);
    const before = this.#placeOf.get(placeId(rule, id));
    if (before && before !== group) {
      const told = this.#remove(before, id);
      // Whether it counts here as well is another question.
      if (told?.isTold) this.#moved.push(missOf(rule, told));
    }
    const event: CountedEvent = {
      id,
      atUs,
      value: rule.count.distinct?.(entity) ?? id,
      confidence: rule.confidence(entity),
      judged,
      waiver: this.#waivers.waiverFor(rule.meta.id, entity),
      evidence,
      observers,
      isTold: false,
      isNews: true,
    };
    const added = this.#take(group, event);
    if (added !== "added") this.#dropped[added]++;
    const { newest, face } = group;
    const isNewest = atUs >= (newest?.atUs ?? face.atUs) || (!newest && face.message === "");
    if (isNewest) group.newest = change;
    if (group.counted.size === 0) this.#drop(group);
    else this.#touched(group);
  }

  /** The event was taken back. */
  remove(rule: CountingRule, entityId: string): void {
    const group = this.#placeOf.get(placeId(rule, entityId));
    if (group) this.#remove(group, entityId);
  }

  /** A node has another name: what was counted under both is counted together. */
  renamed({ from, to }: NodeRenamed): void {
    for (const group of Array.from(this.#groups.values())) {
      if (!group.key.includes(from)) continue;
      const key = group.key.map((value) => (value === from ? to : value));
      const { rule, face, counted } = group;
      const owner = group.owner === from ? to : group.owner;
      const events = [...counted.events()];
      this.#drop(group);
      const into = this.#groups.get(groupId(rule, key)) ?? this.#make(rule, key, owner, face);
      for (const event of events) this.#take(into, event);
      if (face.atUs > into.face.atUs) into.face = face;
      this.#touched(into);
    }
  }

  /** Says what has become of the groups that were touched since the last call. */
  settle(out: RuleEvent[]): void {
    out.push(...this.#moved.splice(0));
    for (const group of this.#dirty) {
      if (!this.#groups.has(group.id)) continue;
      const { count, fresh, takenBack } = group.counted.settle();
      const { newest, rule } = group;
      if (newest && count > 0) group.face = this.#faceOf(rule, newest, countText(count));
      group.newest = null;
      for (const event of takenBack) out.push(missOf(rule, event));
      for (const event of fresh) out.push(matchOf(group, event));
      group.counted.forgetEvidence();
    }
    this.#dirty.clear();
  }

  /** Groups that nothing can add to any more leave; what they told stands. */
  advance(nowUs: Us): void {
    if (nowUs < this.#nextOverUs) return;
    this.#nextOverUs = Infinity;
    for (const group of this.#groups.values()) {
      const { overUs } = group.counted;
      if (overUs <= nowUs) this.#drop(group);
      else this.#nextOverUs = Math.min(this.#nextOverUs, overUs);
    }
  }

  collect(into: WriteSet): void {
    for (const id of this.#forgotten) forget(into, "counts", id);
    this.#forgotten.clear();
    for (const group of this.#changed) into.counts.push(groupToRow(group, this.#waivers));
    this.#changed.clear();
  }

  /** Takes one row back, unless it was counted by another version of the rule. */
  restore(row: CountRow, rule: CountingRule): void {
    const stored = readGroup(row.detail);
    if (!stored || row.version !== rule.count.version) {
      this.#forgotten.add(row.id);
      return;
    }
    const group = this.#make(rule, stored.key, stored.owner, stored.face);
    for (const event of this.#waived(rule, stored)) this.#take(group, event);
    this.#touched(group);
    this.#changed.delete(group);
  }

  counters(into: CounterSample[]): void {
    into.push({ name: "rule_groups", labels: {}, value: this.#groups.size });
    for (const [reason, value] of Object.entries(this.#dropped)) {
      into.push({ name: "rule_uncounted_total", labels: { reason }, value });
    }
  }

  /** With other waivers than before, the newest event stands for all. */
  #waived(rule: CountingRule, { waivers, face, events }: StoredGroup): readonly CountedEvent[] {
    const { id, on } = rule.meta;
    if (waivers === this.#waivers.versionFor(id)) return events;
    const waiver =
      face.sample === "" ? "" : this.#waivers.waiverFor(id, fromSample(on, face.sample));
    return events.map((event) => ({ ...event, waiver }));
  }

  #groupOf(rule: CountingRule, key: readonly string[], change: AnyEntityChange): Group {
    const known = this.#groups.get(groupId(rule, key));
    if (known) return known;
    const subject = rule.subject(change.entity);
    const face: Face = { atUs: 0, message: "", subject, peer: null, peerPort: 0, sample: "" };
    return this.#make(rule, key, subject ? nodeKey(subject) : "", face);
  }

  #make(rule: CountingRule, key: readonly string[], owner: string, face: Face): Group {
    const { groupsMax, workloadShare } = this.#options;
    const share = this.#ofOwner.get(owner);
    if (share && share.groups.size >= groupsMax * workloadShare) this.#evict(share.groups);
    else if (this.#groups.size >= groupsMax) this.#evict(this.#groups.values());
    const gone = (eventId: string): void => this.#left(group, placeId(rule, eventId));
    const counted = new CountGroup(rule.count.withinUs, rule.count.gte, gone);
    const group: Group = { rule, key, id: groupId(rule, key), owner, counted, face, newest: null };
    this.#groups.set(group.id, group);
    this.#forgotten.delete(group.id);
    const mine = this.#ofOwner.get(owner);
    if (mine) mine.groups.add(group);
    else this.#ofOwner.set(owner, { events: 0, groups: new Set([group]) });
    return group;
  }

  #take(group: Group, event: CountedEvent): Added {
    const added = group.counted.add(event);
    if (added !== "added") return added;
    const place = placeId(group.rule, event.id);
    const share = this.#ofOwner.get(group.owner);
    if (share && this.#placeOf.get(place) !== group) share.events++;
    this.#placeOf.set(place, group);
    this.#makeRoom(group);
    return added;
  }

  #remove(group: Group, id: string): CountedEvent | undefined {
    const removed = group.counted.remove(id);
    this.#left(group, placeId(group.rule, id));
    this.#touched(group);
    return removed;
  }

  #left(group: Group, place: string): void {
    if (!this.#placeOf.delete(place)) return;
    const share = this.#ofOwner.get(group.owner);
    if (share) share.events--;
  }

  #makeRoom(group: Group): void {
    const { eventsMax, workloadShare } = this.#options;
    const share = this.#ofOwner.get(group.owner);
    if (share && share.events > eventsMax * workloadShare) this.#evict(share.groups, group);
    else if (this.#placeOf.size > eventsMax) this.#evict(this.#groups.values(), group);
  }

  #evict(groups: Iterable<Group>, except?: Group): void {
    for (const group of groups) {
      if (group === except) continue;
      this.#dropped.capacity += group.counted.size;
      this.#drop(group);
      return;
    }
  }

  #touched(group: Group): void {
    this.#groups.delete(group.id);
    this.#groups.set(group.id, group);
    const share = this.#ofOwner.get(group.owner);
    share?.groups.delete(group);
    share?.groups.add(group);
    this.#dirty.add(group);
    this.#changed.add(group);
    this.#nextOverUs = Math.min(this.#nextOverUs, group.counted.overUs);
  }

  #drop(group: Group): void {
    for (const { id } of group.counted.events()) this.#placeOf.delete(placeId(group.rule, id));
    this.#groups.delete(group.id);
    const share = this.#ofOwner.get(group.owner);
    if (share) {
      share.events -= group.counted.size;
      share.groups.delete(group);
      if (share.groups.size === 0) this.#ofOwner.delete(group.owner);
    }
    this.#dirty.delete(group);
    this.#changed.delete(group);
    this.#forgotten.add(group.id);
  }

  #faceOf(rule: CountingRule, { type, entity, atUs }: AnyEntityChange, count: string): Face {
    return {
      atUs,
      message: this.#wording(rule, entity, count),
      subject: rule.subject(entity),
      peer: rule.peer(entity),
      peerPort: rule.peerPort(entity),
      sample: toSample(type, entity),
    };
  }
}

function placeId(rule: CountingRule, eventId: string): string {
  return `${rule.meta.id} ${eventId}`;
}

function groupId(rule: CountingRule, key: readonly string[]): string {
  return `${rule.meta.id} ${JSON.stringify(key)}`;
}

function matchOf({ rule, key, face }: Group, event: CountedEvent): RuleEvent {
  const { message, subject, peer, peerPort } = face;
  const { id: entityId, atUs, confidence, judged, waiver, evidence, observers } = event;
  const about = { kind: "match", rule: rule.meta, entityId, key, atUs, message } as const;
  const of = { ...about, confidence, subject, peer, peerPort, judged, evidence, observers };
  return { ...of, waiver, sample: () => face.sample };
}

function missOf({ meta }: CountingRule, { id: entityId, atUs }: CountedEvent): RuleEvent {
  return { kind: "miss", rule: meta, entityId, atUs, judged: true, withdrawn: true };
}

interface StoredGroup {
  readonly key: readonly string[];
  readonly owner: string;
  readonly face: Face;
  readonly events: readonly CountedEvent[];
  /** Which waivers the events were asked of. */
  readonly waivers: string;
}

function groupToRow(
  { rule, key, id, owner, counted, face }: Group,
  waivers: WaiverJudge,
): CountRow {
  const version = waivers.versionFor(rule.meta.id);
  const stored: StoredGroup = { key, owner, face, events: [...counted.events()], waivers: version };
  return { id, rule: rule.meta.id, version: rule.count.version, detail: JSON.stringify(stored) };
}

/** Our own JSON, but a damaged row must not keep the engine from starting. */
function readGroup(detail: string): StoredGroup | null {
  try {
    const stored = JSON.parse(detail) as Partial<StoredGroup> | null; // looked at below
    const { key, owner, face, events, waivers } = stored ?? {};
    const isWhole =
      Array.isArray(key) && typeof owner === "string" && face && Array.isArray(events);
    if (!isWhole || typeof waivers !== "string" || !events.every(isEvent)) return null;
    return { key, owner, face, events, waivers };
  } catch {
    return null;
  }
}

function isEvent(event: unknown): event is CountedEvent {
  const maybe = event as Partial<CountedEvent> | null; // only looked at
  const isTimed = typeof maybe?.id === "string" && typeof maybe.atUs === "number";
  return isTimed && Array.isArray(maybe.evidence) && Array.isArray(maybe.observers);
}
