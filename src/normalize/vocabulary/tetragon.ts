/**
 * Tetragon's JSON events, one per log record: as text in the body, or parsed into the body or into
 * attributes by the collector. Processes that start, end or act, sockets that they connect, and files that
 * they open.
 *
 * Arguments are never kept, since they hold secrets: the command is the executable alone. An id that
 * the event does not carry is -1, not 0, which is root.
 */
import type { LogsView } from "../../decode/views.ts";
import type { TextInterner } from "../../lib/interner.ts";
import { canonicalIp } from "../../lib/ip.ts";
import type { Observed, ProcessSeen, SocketOpened, Transport } from "../../model/observations.ts";
import { field, intField, isObject, listField, portField, textField } from "../json.ts";
import type { Json } from "../json.ts";
import { JsonEvents } from "../json-events.ts";
import { isUsableTime, parseRfc3339 } from "../times.ts";
import type { LogVocabulary, RecordAt, SourceGuide, Workshop } from "../vocabulary.ts";
import { readTetragonAccess } from "./tetragon-access.ts";
import { readTetragonProcess } from "./tetragon-process.ts";

const vocabulary = "tetragon";

/** The events that are read; an event is an object under one of these keys. */
const eventNames = [
  "process_exec",
  "process_exit",
  "process_kprobe",
  "process_connect",
  "process_listen",
  "process_accept",
  "process_close",
  "process_tracepoint",
  "process_lsm",
  "process_uprobe",
  "process_loader",
] as const;
type EventName = (typeof eventNames)[number];

/** Kernel functions that connect a socket; others that carry a socket only use one. */
const connects = /(^|_)connect$/;

/** `whole` carries node name and time, `body` is what stands under the event's key. */
interface TetragonEvent {
  readonly name: EventName;
  readonly body: Json;
  readonly whole: Json;
}

export const guides: readonly SourceGuide[] = [
  {
    id: "tetragon",
    title: "Tetragon: processes",
    switchOn:
      "Tetragon's chart with `tetragon.enableProcessCred: true`, which is off by default, and " +
      "its export file (`tetragon.exportFilename`), read with the collector's `file_log` " +
      "receiver. Its `tetragon.exportDenyList` leaves out `kube-system`, `cilium` and the host " +
      "by default: take out what is to be watched.",
    gives: ["processes"],
    cannotTell:
      "Connections and file accesses, which need a `TracingPolicy`; and with " +
      "`enableProcessCred` off, the group: a process under the proxy's GID is not seen " +
      "then.",
    reference: "https://tetragon.io/docs/concepts/events/",
  },
  {
    id: "tetragon-sockets",
    title: "Tetragon: connections, with a TracingPolicy",
    switchOn:
      "As for processes, and a `TracingPolicy` with a kprobe on `tcp_connect` whose " +
      "argument 0 has type `sock`. Every machine has to run it.",
    gives: ["processes", "sockets"],
    cannotTell:
      "Whether the packets were redirected: an application's socket shows its original " +
      "destination even when the proxy took the connection. UDP needs a policy of its own.",
    reference: "https://tetragon.io/docs/concepts/tracing-policy/hooks/",
  },
  {
    id: "tetragon-files",
    title: "Tetragon: files, with a TracingPolicy",
    switchOn:
      "As for processes, and a `TracingPolicy` with kprobes on `security_file_permission`, " +
      "`security_mmap_file` and `security_path_truncate` (Tetragon's example of file access), for the " +
      "prefixes `/var/run/secrets/tokens`, `/var/run/secrets/workload-spiffe-credentials` and " +
      "`/proc`, and, where debuggers matter, on `security_ptrace_access_check`.",
    gives: ["processes", "file_accesses"],
    cannotTell:
      "Files that the policy does not name. That any access is told of shows that there is such a " +
      "policy, not which paths it watches.",
    reference: "https://tetragon.io/docs/use-cases/filename-access/",
  },
];

export class Tetragon implements LogVocabulary {
  readonly #workshop: Workshop;
  readonly #events: JsonEvents;

  constructor(workshop: Workshop, interner: TextInterner) {
    this.#workshop = workshop;
    const keys = [...eventNames, "node_name", "time", "cluster_name"];
    this.#events = new JsonEvents({ keys, marks: eventNames, isOne: isTetragon }, interner);
  }

  read(record: RecordAt<LogsView>): boolean {
    const read = this.#events.read(record);
    if (read === null) return false;
    return "fault" in read ? this.#dropped(read.fault) : this.#whole(record, read.event);
  }

  #whole(record: RecordAt<LogsView>, whole: Json): true {
    const name = eventNames.find((candidate) => isObject(field(whole, candidate)));
    if (!name) return this.#dropped("missing_field");
    const body = field(whole, name);
    if (!isObject(field(body, "process"))) return this.#dropped("missing_field");
    this.#event(record, { name, body, whole });
    return true;
  }

  #dropped(reason: "bad_json" | "missing_field" | "too_long"): true {
    this.#workshop.tally.dropped(vocabulary, reason);
    return true;
  }

  #event(record: RecordAt<LogsView>, event: TetragonEvent): void {
    const { batch, clusters, sources } = this.#workshop;
    const named = textField(event.whole, "cluster_name");
    const cluster = clusters.nameOf(named || (record.resource.pairs.get("k8s.cluster.name") ?? ""));
    const host = hostOf(event.whole, record);
    const { receivedUs, trust } = record.context;
    const time = parseRfc3339(textField(event.whole, "time"));
    const isTimed = isUsableTime(time.us, receivedUs);
    const observed: Observed = {
      timeUs: isTimed ? time.us : receivedUs,
      nanos: isTimed ? time.nanos : 0,
      source: sources.nodeAgent(cluster, host),
      trust,
    };
    const process = readTetragonProcess(event.body, cluster);
    const socket = socketOf(event);
    if (socket) {
      const opened: SocketOpened = {
        ...observed,
        kind: "socket_opened",
        host,
        agent: vocabulary,
        process,
        ...socket,
      };
      batch.add(opened);
      batch.alive(observed.source, "sockets", observed.timeUs);
    } else {
      const seen: ProcessSeen = {
        ...observed,
        kind: "process_seen",
        event: processEvent(event.name),
        host,
        agent: vocabulary,
        process,
      };
      batch.add(seen);
      const access = isStopped(event.body) ? null : readTetragonAccess(event.body);
      if (access) {
        const about = { ...observed, kind: "file_access", host, agent: vocabulary } as const;
        batch.add({ ...about, process, ...access });
        batch.alive(observed.source, "file_accesses", observed.timeUs);
      }
    }
    batch.alive(observed.source, "processes", observed.timeUs);
  }
}

function isTetragon(whole: Json): boolean {
  return isObject(whole) && eventNames.some((name) => Object.hasOwn(whole, name));
}

function hostOf(whole: Json, record: RecordAt<LogsView>): string {
  const { pairs } = record.resource;
  const named = textField(whole, "node_name");
  return named || (pairs.get("k8s.node.name") ?? pairs.get("host.name") ?? "").slice(0, 256);
}

/** Whatever a process does shows that it runs, and as whom. */
function processEvent(name: EventName): ProcessSeen["event"] {
  if (name === "process_exec") return "exec";
  return name === "process_exit" ? "exit" : "seen";
}

type SocketEnds = Pick<
  SocketOpened,
  "srcIp" | "srcPort" | "dstIp" | "dstPort" | "transport" | "mark"
>;

/** The socket that the event says was connected, or null when the event is about something else. */
function socketOf(event: TetragonEvent): SocketEnds | null {
  if (event.name === "process_connect") return oldConnect(event.body);
  if (event.name !== "process_kprobe" && event.name !== "process_lsm") return null;
  if (isStopped(event.body) || !connects.test(textField(event.body, "function_name"))) return null;
  for (const argument of listField(event.body, "args", 16)) {
    const ends = socketArgument(field(argument, "sock_arg")) ?? plainArgument(argument);
    if (ends) return ends;
  }
  return null;
}

/** The policy made the call fail: nothing was reached. */
function isStopped(body: Json): boolean {
  return textField(body, "action") === "KPROBE_ACTION_OVERRIDE";
}

/** A socket that is about to connect has no other end yet. */
function reached(address: string): string {
  const ip = canonicalIp(address);
  return ip === "0.0.0.0" || ip === "::" ? "" : ip;
}

/** `sock_arg`: both ends; the mark is left out of the JSON when it is 0. */
function socketArgument(socket: Json): SocketEnds | null {
  const dstIp = reached(textField(socket, "daddr"));
  if (dstIp === "") return null;
  return {
    srcIp: canonicalIp(textField(socket, "saddr")),
    srcPort: portField(socket, "sport"),
    dstIp,
    dstPort: portField(socket, "dport"),
    transport: transportOf(textField(socket, "protocol")),
    mark: Math.max(0, intField(socket, "mark")),
  };
}

/** `sockaddr_arg`: only where to, as `security_socket_connect` sees it before a port is bound. */
function plainArgument(argument: Json): SocketEnds | null {
  const address = field(argument, "sockaddr_arg");
  const dstIp = reached(textField(address, "addr"));
  if (dstIp === "") return null;
  const dstPort = portField(address, "port");
  return { srcIp: "", srcPort: 0, dstIp, dstPort, transport: "other", mark: -1 };
}

/** The event of older releases and of the enterprise edition. */
function oldConnect(body: Json): SocketEnds | null {
  const dstIp = canonicalIp(textField(body, "destination_ip"));
  if (dstIp === "") return null;
  return {
    srcIp: canonicalIp(textField(body, "source_ip")),
    srcPort: portField(body, "source_port"),
    dstIp,
    dstPort: portField(body, "destination_port"),
    transport: transportOf(textField(body, "protocol")),
    mark: -1,
  };
}

function transportOf(protocol: string): Transport {
  const name = protocol.replace(/^IPPROTO_/, "").toLowerCase();
  return name === "tcp" || name === "udp" || name === "icmp" ? name : "other";
}
