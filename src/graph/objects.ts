/**
 * Declared objects beside pods, as the cluster's object feed tells them: services, endpoint slices,
 * namespaces, policies, the mesh's configuration. The last word by event time stands, whatever the order
 * of arrival, and what the next complete list lacks is gone. It concludes nothing; those who do take the
 * changes or look objects up.
 */
import { countedKinds, objectKind } from "../model/objects.ts";
import type { ControllerObject, DeclaredObject } from "../model/objects.ts";
import type { ObjectSeen } from "../model/observations.ts";
import type { ObjectRow, Restored, WriteSet } from "../model/rows.ts";
import { forget } from "../model/rows.ts";
import { usPerMinute, type Us } from "../model/time.ts";
import { contentHash } from "./content-hash.ts";
import { isSelfEvident } from "./controlled.ts";
import { Holdings, type StoredHoldings } from "./holdings.ts";
import { ObjectLists } from "./object-lists.ts";

export interface ObjectsOptions {
  readonly objectsMax: number;
  /** Objects of one namespace, all types together: one tenant must not take the others' room. */
  readonly objectsPerNamespaceMax: number;
  /** Disorder that changes nothing about the result. */
  readonly latenessUs: Us;
}

export type ObjectType = DeclaredObject["type"];
/** The objects of a type; some kinds of one shape share theirs. */
export type ObjectOf<Type extends ObjectType, Any = DeclaredObject> = Any extends DeclaredObject
  ? Type extends Any["type"]
    ? Any
    : never
  : never;

/** One object and the last that was said of it. */
export interface ObjectRecord {
  /** `cluster/type/namespace/name`. */
  readonly key: string;
  readonly cluster: string;
  /** Known by metrics about it alone, which count for nothing once an object has come. */
  isInventory: boolean;
  /** The object by the last word that brought one; of one that is gone, what it was. */
  object: DeclaredObject;
  /** Event time of the last word. */
  atUs: Us;
  isGone: boolean;
  /** Event time of the last list that had it, 0 = none. */
  listedUs: Us;
  /** Of its JSON. */
  bytes: number;
  /** Decides between two words of one time, and shows whether one says anything new. */
  content: string;
  /**
   * Event times of words that say the same, with none between that said otherwise: the first is since
   * when the object is as it is. Late words may cut it, so the last ones within `lateness` are kept too.
   */
  saidUs: readonly Us[];
  /** Event time of the last word that said otherwise, 0 = none. */
  otherUs: Us;
  /** What it listed through time, where connections may ask for that; null for the others. */
  readonly holdings: Holdings | null;
  /** It left the table; whoever still knows it must let it go. */
  isForgotten: boolean;
}

/** When and how an object was told of. */
type Word = Pick<ObjectSeen, "timeUs" | "event" | "form">;

/** What a row keeps beside its columns. */
interface Detail {
  readonly object: DeclaredObject;
  readonly isGone: boolean;
  readonly isInventory?: true;
  readonly saidUs: readonly Us[];
  readonly otherUs: Us;
  readonly holdings?: StoredHoldings;
}

/** How long it is remembered that an object is gone: late words about it must not bring it back. */
const goneKeptUs = 20 * usPerMinute;
/** What metrics told of and tell of no more is gone so long after; each scrape tells of everything. */
const untoldUs = 30 * usPerMinute;
/** What has been gone for so long is looked for this often. */
const sweepUs = usPerMinute;
/** Times kept of the words about one object. */
const saidMax = 16;
/** An object with more JSON than this is not kept: no real one is so large. */
const contentMax = 512 * 1_024;
/** JSON of all kept objects, and of one namespace's: where it is full, policies are kept without their specs. */
const bytesMax = 64 << 20;
const bytesPerNamespaceMax = 16 << 20;

export class ObjectTable {
  readonly #options: ObjectsOptions;
  readonly #records = new Map<string, ObjectRecord>();
  /** By cluster, type and namespace, then by name: those that are not gone. */
  readonly #living = new Map<string, Map<string, ObjectRecord>>();
  readonly #perNamespace = new Map<string, { objects: number; bytes: number }>();
  readonly #lists: ObjectLists<ObjectRecord>;
  readonly #gone = new Set<ObjectRecord>();
  /** When metrics told last of any object, by cluster. */
  readonly #inventoryUs = new Map<string, Us>();
  readonly #changed = new Set<ObjectRecord>();
  /** To be written whole, and those of which only the times have moved. */
  readonly #dirty = new Set<ObjectRecord>();
  readonly #moved = new Set<ObjectRecord>();
  #forgotten: string[] = [];
  #sweptUs: Us = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(options: ObjectsOptions) {
    this.#options = options;
    this.#lists = new ObjectLists(options.latenessUs);
  }

  /** Objects, and addresses in them, that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  get size(): number {
    return this.#records.size;
  }

  /** Takes in one word about one object; `cluster` is the cluster's own name, aliases resolved. */
  seen(seen: ObjectSeen, cluster: string): void {
    const { object, trust } = seen;
    if (isDeclared(object) && trust !== "claimed") this.#take(object, cluster, seen);
  }

  #take(told: DeclaredObject, cluster: string, word: Word): void {
    const { timeUs, event, form } = word;
    const key = objectKey(cluster, told.type, told.namespace, told.name);
    let record = this.#records.get(key);
    // A cluster keeps ten ReplicaSets of each Deployment.
    if (!record && isController(told) && isSelfEvident(told)) return;
    const isInventory = form === "inventory";
    if (isInventory) {
      if (record && !record.isInventory) return;
      this.#inventoryUs.set(cluster, Math.max(timeUs, this.#inventoryUs.get(cluster) ?? 0));
    }
    const { object, text } = this.#bounded(cluster, told, record?.bytes ?? 0);
    if (text.length > contentMax) {
      this.#dropped++;
      return;
    }
    const content = contentHash([text]);
    const isNew = record === undefined || (record.isInventory && !isInventory);
    const { latenessUs } = this.#options;
    record ??= this.#add(key, cluster, word, object);
    if (!record) return;
    if (isNew && record.isInventory && !isInventory) becomesObject(record);
    if (event === "listed") this.#listed(record, timeUs);
    const isGone = event === "deleted";
    if (record.holdings) this.#hold(record, record.holdings, isGone ? [] : heldBy(object), timeUs);
    const isSame = !isNew && record.content === content && record.isGone === isGone;
    if (!isNew && !isNewer(record, timeUs, isGone, content)) {
      if (saidAt(record, timeUs, isSame, latenessUs)) this.#changes(record);
      return;
    }
    if (!isSame) turned(record, timeUs);
    record.atUs = timeUs;
    if (isSame) {
      saidAt(record, timeUs, true, latenessUs);
      this.#moved.add(record);
      return;
    }
    this.#count(record, 0, text.length - record.bytes);
    record.object = object;
    record.bytes = text.length;
    record.content = content;
    this.#setGone(record, isGone);
    this.#changes(record);
  }

  /** Completes lists that are `lateness` old, and forgets what has been gone for long. */
  advance(nowUs: Us): void {
    for (const [record, listUs] of this.#lists.missing(nowUs)) {
      // Its last word may be about as old as the list: clocks differ, and the next list will tell.
      if (record.isGone || record.atUs > listUs - this.#options.latenessUs) continue;
      // Should the list turn out to have it after all, that is the later word.
      turned(record, listUs - 1);
      record.atUs = listUs - 1;
      record.holdings?.seen([], record.atUs);
      this.#setGone(record, true);
      this.#changes(record);
    }
    if (nowUs < this.#sweptUs + sweepUs) return;
    this.#sweptUs = nowUs;
    if (this.#inventoryUs.size > 0) this.#endUntold();
    for (const record of this.#gone) {
      if (record.atUs + goneKeptUs <= nowUs) this.#forget(record);
    }
  }

  #endUntold(): void {
    for (const record of this.#records.values()) {
      const { cluster, isInventory, isGone, atUs } = record;
      if (!isInventory || isGone) continue;
      if (atUs + untoldUs > (this.#inventoryUs.get(cluster) ?? 0)) continue;
      turned(record, atUs + untoldUs);
      record.atUs = atUs + untoldUs;
      record.holdings?.seen([], record.atUs);
      this.#setGone(record, true);
      this.#changes(record);
    }
  }

  /** Objects that appeared, are others now, are gone, or left the table, since the last call. */
  takeChanges(): readonly ObjectRecord[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** Undefined when there is no such object, or no longer. */
  find<Type extends ObjectType>(
    cluster: string,
    type: Type,
    namespace: string,
    name: string,
  ): ObjectOf<Type> | undefined {
    const record = this.#living.get(groupKey(cluster, type, namespace))?.get(name);
    return record?.object as ObjectOf<Type> | undefined; // a group holds one type
  }

  /** The living objects of one type in one namespace ("" = of the whole cluster), in no order. */
  *inNamespace<Type extends ObjectType>(
    cluster: string,
    type: Type,
    namespace: string,
  ): Iterable<ObjectOf<Type>> {
    for (const record of this.#living.get(groupKey(cluster, type, namespace))?.values() ?? []) {
      yield record.object as ObjectOf<Type>; // a group holds one type
    }
  }

  /** All that is known, also what is gone; looks at every object. */
  get records(): Iterable<ObjectRecord> {
    return this.#records.values();
  }

  collect(into: WriteSet): void {
    for (const key of this.#forgotten) forget(into, "objects", key);
    this.#forgotten = [];
    for (const record of this.#dirty) into.objects.push(toRow(record, true));
    for (const record of this.#moved) {
      if (!this.#dirty.has(record)) into.objects.push(toRow(record, false));
    }
    this.#dirty.clear();
    this.#moved.clear();
  }

  /** Takes rows back; every object counts as changed, so that who concludes from them starts anew. */
  restore(rows: Restored): void {
    for (const row of rows.objects) {
      const record = fromRow(row);
      const { key, object, isGone, listedUs } = record;
      this.#records.set(key, record);
      this.#count(record, 1, record.bytes);
      if (isGone) this.#gone.add(record);
      else this.#group(record).set(object.name, record);
      if (listedUs > 0) this.#lists.restore(record, listedUs, rows.lastCommitUs);
      this.#changed.add(record);
    }
  }

  #hold(record: ObjectRecord, holdings: Holdings, items: readonly string[], atUs: Us): void {
    const droppedBefore = holdings.dropped;
    if (holdings.seen(items, atUs)) this.#changes(record);
    this.#dropped += holdings.dropped - droppedBefore;
  }

  #listed(record: ObjectRecord, atUs: Us): void {
    if (this.#lists.add(record, atUs)) this.#allListed(record, atUs);
    if (atUs <= record.listedUs) return;
    record.listedUs = atUs;
    this.#moved.add(record);
  }

  /** All objects of its kind are told: where none is told, there is none. */
  #allListed({ cluster, object }: ObjectRecord, atUs: Us): void {
    if (!isCounted(object.type)) return;
    const name = countedKinds[object.type];
    if (this.find(cluster, "object_kind", "", name)) return;
    this.#take(objectKind(name), cluster, { timeUs: atUs, event: "modified" });
  }

  #changes(record: ObjectRecord): void {
    this.#changed.add(record);
    this.#dirty.add(record);
  }

  #setGone(record: ObjectRecord, isGone: boolean): void {
    record.isGone = isGone;
    const group = this.#group(record);
    if (isGone) {
      this.#gone.add(record);
      group.delete(record.object.name);
      if (group.size === 0) this.#living.delete(groupOf(record));
    } else {
      this.#gone.delete(record);
      group.set(record.object.name, record);
    }
  }

  #group(record: ObjectRecord): Map<string, ObjectRecord> {
    const key = groupOf(record);
    let group = this.#living.get(key);
    if (!group) this.#living.set(key, (group = new Map()));
    return group;
  }

  #add(
    key: string,
    cluster: string,
    { timeUs, event, form }: Word,
    object: DeclaredObject,
  ): ObjectRecord | undefined {
    const { objectsMax, objectsPerNamespaceMax } = this.#options;
    const isFull =
      this.#records.size >= objectsMax ||
      (this.#perNamespace.get(`${cluster}/${object.namespace}`)?.objects ?? 0) >=
        objectsPerNamespaceMax;
    if (isFull && !this.#forgetGone(cluster, object.namespace)) {
      this.#dropped++;
      return undefined;
    }
    const isGone = event === "deleted";
    const record: ObjectRecord = {
      key,
      cluster,
      isInventory: form === "inventory",
      object,
      atUs: timeUs,
      isGone,
      listedUs: 0,
      bytes: 0,
      content: "",
      saidUs: [],
      otherUs: 0,
      holdings: holdingsFor(object),
      isForgotten: false,
    };
    this.#records.set(key, record);
    this.#count(record, 1, 0);
    return record;
  }

  /** Makes room by forgetting something that is gone: of this namespace, or of any if all is full. */
  #forgetGone(cluster: string, namespace: string): boolean {
    const isAny = this.#records.size >= this.#options.objectsMax;
    for (const record of this.#gone) {
      const isOfNamespace = record.cluster === cluster && record.object.namespace === namespace;
      if (!isOfNamespace && !isAny) continue;
      this.#forget(record);
      return true;
    }
    return false;
  }

  #forget(record: ObjectRecord): void {
    this.#records.delete(record.key);
    this.#gone.delete(record);
    record.isForgotten = true;
    this.#changed.add(record);
    this.#lists.remove(record);
    this.#dirty.delete(record);
    this.#moved.delete(record);
    this.#count(record, -1, -record.bytes);
    this.#forgotten.push(record.key);
  }

  #count({ cluster, object }: ObjectRecord, objects: number, bytes: number): void {
    const key = `${cluster}/${object.namespace}`;
    const counts = this.#perNamespace.get(key) ?? { objects: 0, bytes: 0 };
    counts.objects += objects;
    counts.bytes += bytes;
    this.#bytes += bytes;
    if (counts.objects > 0) this.#perNamespace.set(key, counts);
    else this.#perNamespace.delete(key);
  }

  /** What is kept of an object, with its JSON; `before` is what it takes already. */
  #bounded(cluster: string, object: DeclaredObject, before: number): Bounded {
    const text = JSON.stringify(object);
    const more = text.length - before;
    const ofNamespace = this.#perNamespace.get(`${cluster}/${object.namespace}`)?.bytes ?? 0;
    const isFull = this.#bytes + more > bytesMax || ofNamespace + more > bytesPerNamespaceMax;
    if (!isFull || more <= 0 || !("spec" in object)) return { object, text };
    this.#dropped++;
    const cut: DeclaredObject = { ...object, spec: {}, specCut: true };
    return { object: cut, text: JSON.stringify(cut) };
  }
}

interface Bounded {
  readonly object: DeclaredObject;
  readonly text: string;
}

function isDeclared(object: ObjectSeen["object"]): object is DeclaredObject {
  return object.type !== "pod" && object.type !== "pod_inventory" && object.type !== "other";
}

function isController(object: DeclaredObject): object is ControllerObject {
  return object.type === "replica_set" || object.type === "job";
}

function isCounted(type: ObjectType): type is keyof typeof countedKinds {
  return Object.hasOwn(countedKinds, type);
}

export function objectKey(
  cluster: string,
  type: ObjectType,
  namespace: string,
  name: string,
): string {
  return `${cluster}/${type}/${namespace}/${name}`;
}

function groupKey(cluster: string, type: ObjectType, namespace: string): string {
  return `${cluster}/${type}/${namespace}`;
}

function groupOf({ cluster, object }: ObjectRecord): string {
  return groupKey(cluster, object.type, object.namespace);
}

/** What metrics said of it is as if it had never been said. */
function becomesObject(record: ObjectRecord): void {
  record.isInventory = false;
  record.holdings?.unsay();
  record.saidUs = [];
  record.otherUs = 0;
  record.listedUs = 0;
}

/** The object is another one from here on, as far as anybody has said yet. */
function turned(record: ObjectRecord, atUs: Us): void {
  record.otherUs = record.saidUs.length === 0 ? 0 : record.atUs;
  record.saidUs = [atUs];
}

/** True when the object is known to be as it is since another time than before. */
function saidAt(record: ObjectRecord, atUs: Us, isSame: boolean, latenessUs: Us): boolean {
  if (atUs <= record.otherUs || record.saidUs.includes(atUs)) return false;
  const [before] = record.saidUs;
  if (isSame) record.saidUs = [...record.saidUs, atUs].sort((a, b) => a - b);
  else {
    record.otherUs = atUs;
    record.saidUs = record.saidUs.filter((one) => one > atUs);
  }
  const fromUs = record.atUs - latenessUs;
  const kept = record.saidUs.filter((one, index) => index === 0 || one >= fromUs);
  record.saidUs = kept.length > saidMax ? kept.toSpliced(1, 1) : kept;
  return record.saidUs[0] !== before;
}

/** Of two words of one time a deletion is the later one, else the greater by content: no order decides. */
function isNewer(record: ObjectRecord, atUs: Us, isGone: boolean, content: string): boolean {
  if (atUs !== record.atUs) return atUs > record.atUs;
  if (isGone !== record.isGone) return isGone;
  return content > record.content;
}

function toRow(record: ObjectRecord, isWhole: boolean): ObjectRow {
  const { key, cluster, object, atUs, listedUs, isGone } = record;
  const { type, namespace, name } = object;
  const stored = isWhole ? record.holdings?.toStored() : undefined;
  const { saidUs, otherUs } = record;
  const detail: Detail = {
    object,
    isGone,
    ...(record.isInventory ? { isInventory: true } : {}),
    saidUs,
    otherUs,
    ...(stored ? { holdings: stored } : {}),
  };
  return {
    key,
    cluster,
    type,
    namespace,
    name,
    atUs,
    listedUs,
    detail: isWhole ? JSON.stringify(detail) : "",
  };
}

function fromRow(row: ObjectRow): ObjectRecord {
  const detail = JSON.parse(row.detail) as Detail; // by `toRow`
  const { object, isGone, isInventory = false, saidUs, otherUs, holdings: stored } = detail;
  const { key, cluster, atUs, listedUs } = row;
  const text = JSON.stringify(object);
  const content = contentHash([text]);
  const bytes = text.length;
  const holdings = holdingsFor(object);
  if (stored) holdings?.restore(stored);
  // The times of a row move on while what it holds stays.
  holdings?.seen(isGone ? [] : heldBy(object), atUs);
  const times = { atUs, listedUs, saidUs, otherUs };
  return {
    key,
    cluster,
    isInventory,
    object,
    ...times,
    isGone,
    bytes,
    content,
    holdings,
    isForgotten: false,
  };
}

function holdingsFor({ type }: DeclaredObject): Holdings | null {
  return type === "service" || type === "endpoint_slice" ? new Holdings() : null;
}

/** Addresses that an object lists. */
function heldBy(object: DeclaredObject): readonly string[] {
  if (object.type === "service") return object.clusterIps;
  if (object.type !== "endpoint_slice") return [];
  return object.endpoints.flatMap(({ addresses }) => addresses);
}
