/**
 * Processes by OpenTelemetry's semantic conventions (`process.*`): of the collector's host metrics, and of
 * whoever writes such attributes. A process that says with numbers who it is, and whose pod and container
 * stand beside, was seen running. Names of users are those of the sender's own machine: the proxy's 1337 has
 * none there, and another user's may be anything, so by a name nobody is identified.
 *
 * A collector names pods on a resource by who connected to it, and that is the agent's own pod: there, only
 * a container's id shows that the process's own is meant. An SDK tells of itself, as whom it likes.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import type { ProcessSeen } from "../../model/observations.ts";
import type { Us } from "../../model/time.ts";
import { AttributeSlots } from "../attributes.ts";
import { intOf } from "../json.ts";
import { maxNameLength, noPod } from "../names.ts";
import type { Pairs } from "../resources.ts";
import { halvesToUs, isUsableTime } from "../times.ts";
import type {
  LogVocabulary,
  MetricPlan,
  MetricVocabulary,
  PointAt,
  RecordAt,
  RequestContext,
  SourceGuide,
  Workshop,
} from "../vocabulary.ts";
import { bareContainerId } from "./container-id.ts";

const vocabulary = "process-attributes";

export const guides: readonly SourceGuide[] = [
  {
    id: "host-metrics-processes",
    title: "Host metrics: processes",
    switchOn:
      "Nothing for this engine: the `process` scraper of the collector's `host_metrics` receiver " +
      "is understood, and proves nothing here.",
    gives: [],
    cannotTell:
      "Who a process runs as: it gives the user's name on the collector's own machine, and none " +
      "for the proxy's 1337. A process that is shorter than the scrape interval is never seen. " +
      "Attributes that say it with numbers (`process.user.id`, `process.real_user.id`) beside " +
      "`k8s.pod.name` and `container.id`, which no released agent is known to send, are read.",
    reference: "https://opentelemetry.io/docs/specs/semconv/registry/attributes/process/",
  },
];

/** One point per process is enough, and this metric has one. */
const perProcess = "process.memory.usage";
const others = /^(?:process|system)\.(?:[a-z_]+\.)*[a-z0-9_]+$/;

const realUser = ["process.real_user.id"] as const;
const effectiveUser = ["process.user.id", "process.effective_user.id"] as const;
const realGroup = ["process.real_group.id"] as const;
const effectiveGroup = [
  "process.group.id",
  "process.group_id",
  "process.effective_group.id",
] as const;
const idNames = [...realUser, ...effectiveUser, ...realGroup, ...effectiveGroup];
const names = [
  ...idNames,
  "process.pid",
  "process.executable.path",
  "process.executable.name",
  "k8s.namespace.name",
  "k8s.pod.name",
  "k8s.pod.uid",
  "k8s.container.name",
  "k8s.node.name",
  "k8s.cluster.name",
  "host.name",
  "container.id",
  "container.image.name",
];
const maxPathLength = 1_024;
const unsetId = 0xffff_ffff;

type Texts = Pick<Pairs, "get">;

export class ProcessMetrics implements MetricVocabulary {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  plan(name: string): MetricPlan | null {
    if (name !== perProcess) return others.test(name) ? { kind: "ignored" } : null;
    return { kind: "points", vocabulary, observe: (point) => this.#observe(point) };
  }

  #observe({ resource, context, timeUs }: PointAt): void {
    const { pairs } = resource;
    const isItsOwn = !pairs.has("telemetry.sdk.name") && pairs.has("container.id");
    const seen = isItsOwn ? processSeen(pairs, timeUs, context, this.#workshop) : null;
    if (seen) this.#workshop.batch.add(seen);
    else this.#workshop.tally.dropped(vocabulary, "unused");
  }
}

export class ProcessLogs implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #slots: AttributeSlots;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    this.#slots = new AttributeSlots(names, interner);
  }

  /** By attributes of the record itself: a resource has been named by others. */
  read({ view, index, context, resource }: RecordAt<LogsView>): boolean {
    const { records, bytes, attributes } = view;
    const slots = this.#slots;
    const attrEnd = records.attrEnd[index] ?? 0;
    slots.read(bytes, attributes, records.attrStart[index] ?? 0, attrEnd);
    if (!idNames.some((name) => slots.has(name))) return false;
    const texts = {
      get: (name: string) => (slots.has(name) ? slots.text(name) : machineOf(name, resource.pairs)),
    };
    const toldUs = halvesToUs(records.timeLow[index] ?? 0, records.timeHigh[index] ?? 0);
    const timeUs = isUsableTime(toldUs, context.receivedUs) ? toldUs : context.receivedUs;
    const seen = processSeen(texts, timeUs, context, this.#workshop);
    if (seen) this.#workshop.batch.add(seen);
    else this.#workshop.tally.dropped(vocabulary, "missing_field");
    return true;
  }
}

/** Cluster and machine are the resource's also where the record tells of many pods. */
function machineOf(name: string, pairs: Pairs): string | undefined {
  const isMachine = name === "k8s.cluster.name" || name === "k8s.node.name" || name === "host.name";
  return isMachine ? pairs.get(name) : undefined;
}

/** Null without a number that says who it is, or without its pod. */
function processSeen(
  texts: Texts,
  timeUs: Us,
  { trust }: RequestContext,
  { clusters, sources }: Workshop,
): ProcessSeen | null {
  const textAt = (name: string, most = maxNameLength): string =>
    (texts.get(name) ?? "").slice(0, most);
  const cluster = clusters.nameOf(textAt("k8s.cluster.name"));
  const pod = textAt("k8s.pod.name");
  const podUid = textAt("k8s.pod.uid");
  const euid = idOf(texts, effectiveUser);
  const egid = idOf(texts, effectiveGroup);
  const uid = idOf(texts, realUser);
  const gid = idOf(texts, realGroup);
  const hasIds = Math.max(uid, euid, gid, egid) >= 0;
  if (!hasIds || (pod === "" && podUid === "")) return null;
  const host = textAt("k8s.node.name") || textAt("host.name");
  const exe = textAt("process.executable.path", maxPathLength);
  return {
    kind: "process_seen",
    timeUs,
    nanos: 0,
    source: sources.nodeAgent(cluster, host),
    trust,
    event: "seen",
    host,
    agent: vocabulary,
    selective: true,
    process: {
      execId: "",
      pid: intOf(textAt("process.pid")),
      exe,
      name: textAt("process.executable.name") || exe.slice(exe.lastIndexOf("/") + 1),
      command: exe,
      uid: uid < 0 ? euid : uid,
      gid: gid < 0 ? egid : gid,
      euid: euid < 0 ? uid : euid,
      egid: egid < 0 ? gid : egid,
      user: "",
      parentExe: "",
      pod: { ...noPod, cluster, namespace: textAt("k8s.namespace.name"), pod, podUid },
      container: textAt("k8s.container.name"),
      containerId: bareContainerId(textAt("container.id")),
      containerImage: textAt("container.image.name", maxPathLength),
    },
  };
}

function idOf(texts: Texts, keys: readonly string[]): number {
  for (const key of keys) {
    const id = intOf(texts.get(key));
    if (id >= 0 && id < unsetId) return id;
  }
  return -1;
}
