/**
 * Alerts of Falco: its JSON by a file, or the spans that falcosidekick makes of them, which are nobody's
 * calls. An alert with enough of its fields tells of a process, of a socket that was connected, of a file
 * that was opened. falcosidekick's log records have lost the fields, and its metrics count alerts.
 *
 * Falco tells what its rules match. Only rules that are tagged as telling of everything prove, by being
 * heard, that nothing else has happened; of others neither speech nor silence says so.
 */
import type { LogsView, TracesView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import type { Observed } from "../../model/observations.ts";
import { anyValueToJson } from "../../decode/any-value.ts";
import { AttributeSlots } from "../attributes.ts";
import { field, isObject, textField, textList, textOf, type Json } from "../json.ts";
import { JsonEvents } from "../json-events.ts";
import { maxNameLength } from "../names.ts";
import type { Pairs } from "../resources.ts";
import { isUsableTime, noTime, parseRfc3339, type ExactTime } from "../times.ts";
import type {
  LogVocabulary,
  MetricPlan,
  MetricVocabulary,
  RecordAt,
  SourceGuide,
  SpanVocabulary,
  Workshop,
} from "../vocabulary.ts";
import { accessOf, fieldNames, processEvent, processOf, socketOf } from "./falco-event.ts";
import { falcoScope, readSpan } from "./span-record.ts";

const vocabulary = "falco";
/** Of falcosidekick's log records. */
const logScope = "falco";
/** On rules that tell of each process, or each connection, of every pod. */
const completeTag = "mesh_insights";

const completeRules =
  "Rules that tell of everything carry the tag `mesh_insights`: one with `evt.type in (execve, " +
  "execveat) and evt.dir=< and container` for processes, one with `evt.type=connect and " +
  "evt.dir=< and container` for sockets, whose `output` prints `%evt.type %proc.exepath " +
  "%proc.name %proc.pid %user.uid %group.gid %container.id %container.name %k8s.ns.name " +
  "%k8s.pod.name %fd.cip %fd.cport %fd.sip %fd.sport %fd.l4proto`.";

export const guides: readonly SourceGuide[] = [
  {
    id: "falco",
    title: "Falco: JSON alerts",
    switchOn:
      "Falco with `json_output: true` and `file_output` (or its standard output), read with the " +
      `collector's \`file_log\` receiver. ${completeRules}`,
    gives: ["processes", "sockets"],
    cannotTell:
      "What no rule matches, and each field that a rule's output does not print: without " +
      "`%group.gid` a process under the proxy's GID is not seen. Rules without the tag are " +
      "read, and prove nothing of what they did not match. Ids are those under which a " +
      "process acts, not the real ones.",
    reference: "https://falco.org/docs/reference/rules/supported-fields/",
  },
  {
    id: "falco-spans",
    title: "Falco: falcosidekick's OTLP traces",
    switchOn:
      "falcosidekick with `otlp.traces.endpoint`, since its OTLP logs and metrics do not carry " +
      `the fields of an alert. ${completeRules}`,
    gives: ["processes", "sockets"],
    cannotTell: "The same as Falco's JSON.",
    reference: "falcosecurity/falcosidekick: outputs/otlp_traces.go",
  },
];

const keys = ["output_fields", "output", "priority", "rule", "time", "hostname", "tags"];

/** An alert, wherever it came from. */
interface Alert {
  readonly fields: Json;
  readonly time: ExactTime;
  readonly host: string;
  readonly isComplete: boolean;
}

class Alerts {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  /** Of an alert whose fields were lost, or of which one of a process's is missing, nothing is left. */
  add(alert: Alert, { resource, context }: Pick<RecordAt<unknown>, "resource" | "context">): void {
    const { batch, clusters, sources, tally } = this.#workshop;
    const cluster = clusters.nameOf(named(resource.pairs, "k8s.cluster.name"));
    const { fields, host, isComplete } = alert;
    const isTimed = isUsableTime(alert.time.us, context.receivedUs);
    const observed: Observed = {
      timeUs: isTimed ? alert.time.us : context.receivedUs,
      nanos: isTimed ? alert.time.nanos : 0,
      source: sources.nodeAgent(cluster, host),
      trust: context.trust,
    };
    const process = processOf(fields, cluster);
    const { pod, podUid } = process.pod;
    const isNamed = pod !== "" || podUid !== "";
    const isKnown = process.exe !== "" || process.name !== "" || process.uid >= 0;
    const about = { ...observed, host, agent: vocabulary, process } as const;
    const selective = isComplete ? {} : { selective: true };
    const socket = socketOf(fields);
    if (socket && (isNamed || socket.srcIp !== "")) {
      batch.add({ ...about, ...selective, kind: "socket_opened", ...socket });
      return;
    }
    if (!isNamed || !isKnown) {
      tally.dropped(vocabulary, "missing_field");
      return;
    }
    const event = processEvent(fields);
    const isPart = event !== "exec" ? { selective: true } : selective;
    batch.add({ ...about, ...isPart, kind: "process_seen", event });
    const access = accessOf(fields);
    if (!access) return;
    batch.add({ ...about, kind: "file_access", ...access });
    if (isComplete) batch.alive(observed.source, "file_accesses", observed.timeUs);
  }

  dropped(reason: "bad_json" | "too_long" | "missing_field"): true {
    this.#workshop.tally.dropped(vocabulary, reason);
    return true;
  }
}

export class FalcoLogs implements LogVocabulary {
  readonly #alerts: Alerts;
  readonly #events: JsonEvents;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#alerts = new Alerts(workshop);
    const marks = ["output_fields", "output"];
    this.#events = new JsonEvents({ keys, marks, isOne: isFalco }, interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    // Whose fields falcosidekick has left out: a text, and in it whatever an attacker's process is called.
    if (record.scope === logScope) return this.#alerts.dropped("missing_field");
    const read = this.#events.read(record);
    if (read === null) return false;
    if ("fault" in read) return this.#alerts.dropped(read.fault);
    const { event } = read;
    const fields = field(event, "output_fields");
    const { pairs } = record.resource;
    const host =
      named(pairs, "k8s.node.name") ||
      textField(fields, "evt.hostname") ||
      textField(event, "hostname", maxNameLength);
    const time = timeOf(parseRfc3339(textField(event, "time")), fields);
    const isComplete = textList(event, "tags").includes(completeTag);
    this.#alerts.add({ fields, time, host, isComplete }, record);
    return true;
  }
}

/** With or without its text, which can be left out (`json_include_output_property`). */
function isFalco(event: Json): boolean {
  return (
    isObject(field(event, "output_fields")) &&
    textField(event, "rule") !== "" &&
    textField(event, "priority") !== ""
  );
}

export class FalcoSpans implements SpanVocabulary {
  readonly #alerts: Alerts;
  readonly #slots: AttributeSlots;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#alerts = new Alerts(workshop);
    this.#slots = new AttributeSlots([...fieldNames, "hostname", "tags", "rule"], interner);
  }

  read(record: RecordAt<TracesView>): boolean {
    if (record.scope !== falcoScope) return false;
    const { bytes, spans, attributes } = record.view;
    const start = spans.attrStart[record.index] ?? 0;
    this.#slots.read(bytes, attributes, start, spans.attrEnd[record.index] ?? 0);
    const fields: Record<string, unknown> = {};
    for (const name of fieldNames) {
      const index = this.#slots.index(name);
      if (index >= 0) fields[name] = anyValueToJson(bytes, attributes, index);
    }
    const tags = this.#slots.index("tags");
    const said = { tags: tags < 0 ? [] : anyValueToJson(bytes, attributes, tags) };
    const host = textField(fields, "evt.hostname") || this.#slots.text("hostname", maxNameLength);
    const { timeUs, nanos } = readSpan(record);
    this.#alerts.add(
      {
        fields,
        time: { us: timeUs, nanos },
        host,
        isComplete: textList(said, "tags").includes(completeTag),
      },
      record,
    );
    return true;
  }
}

/** What falcosidekick counts. */
export class FalcoMetrics implements MetricVocabulary {
  plan(name: string): MetricPlan | null {
    return /^falco(?:security|sidekick)?[._]\w+/.test(name) ? { kind: "ignored" } : null;
  }
}

/** The alert's own time, else the event's: nanoseconds, which a JSON number rounds to some hundred. */
function timeOf(told: ExactTime, fields: Json): ExactTime {
  if (told.us > 0) return told;
  for (const name of ["evt.rawtime", "evt.time", "evt.time.iso8601"]) {
    const text = textOf(field(fields, name));
    if (/^\d{19}$/.test(text)) return { us: Math.floor(Number(text) / 1_000), nanos: 0 };
    const time = parseRfc3339(text);
    if (time.us > 0) return time;
  }
  return noTime;
}

function named(pairs: Pairs, name: string): string {
  return (pairs.get(name) ?? "").slice(0, maxNameLength);
}
