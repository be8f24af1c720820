/**
 * Kubernetes objects from the collector's k8sobjects receiver: pulled (the body is the object), watched
 * (the body is `{type, object}`), or watched by a revision that puts the type into an attribute; any of
 * them also as JSON text, which is what a pipeline makes of a body that it rewrites. What is read of which
 * kind is `declared-object.ts`.
 *
 * A revision marks the end of a pull (`PullEnd`). That is a sign of life and ends no list: it names neither
 * cluster nor namespace, and what belongs before it may still be under way.
 */
import { anyValueToJson } from "../../decode/any-value.ts";
import { ValueKind, type LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { objectKind } from "../../model/objects.ts";
import type { ObjectSeen, SourceRef } from "../../model/observations.ts";
import { usPerMinute, type Us } from "../../model/time.ts";
import { AttributeSlots } from "../attributes.ts";
import { field, isObject, parseJsonObject, textField, type Json } from "../json.ts";
import { halvesToNanos, halvesToUs, isUsableTime } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";
import { readObject } from "./declared-object.ts";
import { YamlTexts } from "./yaml-text.ts";

const vocabulary = "k8sobjects";
/** Kinds of which the feed tells all objects, by commas: who sets it knows what the feed reads. */
const kindsAttribute = "mesh_insights.object_kinds";
const kindsMax = 64;
/** What a sender says with every request is taken once in a while. */
const saidAgainUs = 5 * usPerMinute;
const sayersMax = 1_000;
const scopeEnding = "k8sobjectsreceiver";

const events: ReadonlyMap<string, ObjectSeen["event"]> = new Map([
  ["ADDED", "added"],
  ["MODIFIED", "modified"],
  ["DELETED", "deleted"],
]);

/** Marks of the feed itself: no object comes with them. */
const feedMarks: ReadonlySet<string> = new Set(["PullEnd", "BOOKMARK", "ERROR"]);
/** The mark of a pull's end comes without scope and attributes, and is this small. */
const pullEnd = "PullEnd";
const pullEndBytesMax = 256;

/** Not even opened: secrets are nobody's business, and events are no objects that anything rests on. */
const unread: ReadonlySet<string> = new Set(["secrets", "events"]);
/** Who set which field when: half of an object's bytes, and nothing to conclude from. */
const leftOut: ReadonlySet<string> = new Set(["managedFields"]);
/** etcd takes no larger object. */
const maxTextLength = 2 << 20;

export const guides: readonly SourceGuide[] = [
  {
    id: "k8sobjects",
    title: "Kubernetes objects by the collector's k8s_objects receiver",
    switchOn:
      "The receiver `k8s_objects` (`k8sobjects` before collector 0.152) with `mode: watch` " +
      "and `mode: pull` for pods, services, endpointslices, namespaces, nodes, replicasets, jobs, " +
      "service accounts, network policies, Istio's and the Gateway API's objects and Istio's ConfigMaps, with `k8s.cluster.name` set, " +
      "and `mesh_insights.object_kinds` to the kinds of which all are told: only there does none told mean none " +
      "(`deploy/collector/kubernetes-objects.yaml`).",
    gives: ["objects"],
    cannotTell:
      "What really happens: objects are declarations. What was declared while the watch was " +
      "broken shows with the next list, and that the last object of a kind was deleted meanwhile with none. " +
      "What templates of Deployments and others declare: their pods tell it.",
    reference:
      "open-telemetry/opentelemetry-collector-contrib: receiver/k8sobjectsreceiver/README.md",
  },
];

export class K8sObjects implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;
  readonly #interner: TextInterner;
  readonly #yaml = new YamlTexts();
  /** When who (by cluster, trust and words) last said of which kinds all objects are told. */
  readonly #kindsSaid = new Map<string, Us>();

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#interner = interner;
    this.#slots = new AttributeSlots(["k8s.resource.name", "event.type", "event.domain"], interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = record.view;
    const attrEnd = records.attrEnd[record.index] ?? 0;
    const slots = this.#slots;
    slots.read(bytes, attributes, records.attrStart[record.index] ?? 0, attrEnd);
    const isOurs = record.scope.endsWith(scopeEnding) || slots.has("k8s.resource.name");
    if (!isOurs && !isPullEnd(record)) return false;
    const { clusters, sources, batch, tally } = this.#workshop;
    const cluster = clusters.nameOf(record.resource.pairs.get("k8s.cluster.name") ?? "");
    const source = sources.objects(cluster);
    const time = observedTime(record);
    batch.alive(source, "objects", time.timeUs);
    this.#readKinds(record, source, cluster, time.timeUs);
    const resource = slots.internedText("k8s.resource.name");
    if (!isOurs || unread.has(resource)) return true;
    const body = bodyOf(record, this.#interner);
    const type = slots.internedText("event.type") || typeOf(body);
    if (feedMarks.has(type)) return true;
    const seen = readObject(objectOf(body), resource, {
      tally,
      parseYaml: (text) => this.#yaml.parse(text, record.context.receivedUs),
    });
    if (seen) {
      const event = type === "" ? "listed" : (events.get(type) ?? "modified");
      const { trust } = record.context;
      batch.add({ kind: "object_seen", ...time, source, trust, event, cluster, object: seen });
    } else {
      tally.dropped(vocabulary, "missing_field");
    }
    return true;
  }

  #readKinds(
    { resource, context }: RecordAt<LogsView>,
    source: SourceRef,
    cluster: string,
    timeUs: Us,
  ): void {
    const text = resource.pairs.get(kindsAttribute) ?? "";
    if (text === "") return;
    const { trust } = context;
    const sayer = `${cluster}|${trust}|${text}`;
    if (timeUs < (this.#kindsSaid.get(sayer) ?? 0) + saidAgainUs) return;
    if (this.#kindsSaid.size >= sayersMax) this.#kindsSaid.clear();
    this.#kindsSaid.set(sayer, timeUs);
    const { batch } = this.#workshop;
    for (const name of kindsOf(text)) {
      const object = objectKind(name);
      batch.add({
        kind: "object_seen",
        timeUs,
        nanos: 0,
        source,
        trust,
        event: "modified",
        cluster,
        object,
      });
    }
  }
}

function kindsOf(text: string): readonly string[] {
  const named = text.split(",", kindsMax).map((name) => name.trim());
  return [...new Set(named)].filter((name) => /^[a-z]{1,63}$/.test(name));
}

function bodyOf({ view, index }: RecordAt<LogsView>, keys: TextInterner | null = null): Json {
  const { records, bytes, bodies } = view;
  const body = records.body[index] ?? -1;
  if (body < 0) return null;
  const value = anyValueToJson(bytes, bodies, body, leftOut, keys);
  return typeof value === "string" ? parseJsonObject(value, maxTextLength) : value;
}

/** Only a small map is looked into: every record that nobody else knows comes by here. */
function isPullEnd(record: RecordAt<LogsView>): boolean {
  const { records, bodies } = record.view;
  const body = records.body[record.index] ?? -1;
  if (body < 0 || bodies.kind[body] !== ValueKind.kvlist) return false;
  if ((bodies.end[body] ?? 0) - (bodies.start[body] ?? 0) > pullEndBytesMax) return false;
  const value = bodyOf(record);
  return textField(value, "type") === pullEnd && isObject(field(value, "object"));
}

/** Watched bodies wrap the object; a kind that has a `type` of its own (Secret) has metadata beside it. */
function typeOf(body: Json): string {
  return isObject(field(body, "metadata")) ? "" : textField(body, "type");
}

/** The object itself in either shape. */
function objectOf(body: Json): Json {
  return isObject(field(body, "metadata")) ? body : field(body, "object");
}

/** The receiver gives only the time at which it saw the object. */
function observedTime(record: RecordAt<LogsView>): { timeUs: number; nanos: number } {
  const { records } = record.view;
  const at = record.index;
  const hasTime = (records.timeHigh[at] ?? 0) !== 0;
  const low = (hasTime ? records.timeLow[at] : records.observedLow[at]) ?? 0;
  const high = (hasTime ? records.timeHigh[at] : records.observedHigh[at]) ?? 0;
  const timeUs = halvesToUs(low, high);
  if (!isUsableTime(timeUs, record.context.receivedUs)) {
    return { timeUs: record.context.receivedUs, nanos: 0 };
  }
  return { timeUs, nanos: halvesToNanos(low, high) };
}
