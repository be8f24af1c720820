/**
 * What an alert of Falco tells of a process: of its fields only those are there that the rule's output
 * prints, so that each may be missing. What rule matched, its priority and its text are Falco's own
 * judgement, and none of ours.
 */
import { canonicalIp } from "../../lib/ip.ts";
import type {
  FileAccess,
  PodName,
  ProcessRef,
  ProcessSeen,
  SocketOpened,
  Transport,
} from "../../model/observations.ts";
import {
  boolField,
  field,
  intOf,
  type Json,
  portField,
  portOf,
  textField,
  textOf,
} from "../json.ts";
import { maxNameLength, noPod } from "../names.ts";
import { bareContainerId } from "./container-id.ts";

/** The fields that are read. */
export const fieldNames = [
  "container.id",
  "container.image.repository",
  "container.image.tag",
  "container.name",
  "evt.arg.flags",
  "evt.failed",
  "evt.hostname",
  "evt.is_open_write",
  "evt.rawres",
  "evt.rawtime",
  "evt.time",
  "evt.time.iso8601",
  "evt.type",
  "fd.cip",
  "fd.cport",
  "fd.l4proto",
  "fd.name",
  "fd.sip",
  "fd.sport",
  "group.gid",
  "k8s.ns.name",
  "k8s.pod.name",
  "k8s.pod.uid",
  "proc.exepath",
  "proc.name",
  "proc.pexepath",
  "proc.pid",
  "user.name",
  "user.uid",
] as const;
type FieldName = (typeof fieldNames)[number];

/** What stands where Falco, or Go behind it, has no value. */
const nothing: ReadonlySet<string> = new Set(["<NA>", "<nil>", "null", "N/A"]);
const maxPathLength = 1_024;
/** The kernel's "no id". */
const unsetId = 0xffff_ffff;

const starts: ReadonlySet<string> = new Set(["execve", "execveat"]);
const opens: ReadonlySet<string> = new Set(["open", "openat", "openat2", "creat"]);
const writes = /(?:^|\|)O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)(?:\||$)/;
/** Kubernetes' own names. Docker's and those of sandboxes look otherwise, and an id names nothing. */
const containerName = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const containerId = /^[0-9a-f]{12,64}$/;

function textAt(fields: Json, name: FieldName, maxLength = maxNameLength): string {
  const text = textField(fields, name, maxLength);
  return nothing.has(text) ? "" : text;
}

/** The event's kind for an observation of the process. */
export function processEvent(fields: Json): ProcessSeen["event"] {
  const type = textAt(fields, "evt.type");
  if (starts.has(type)) return "exec";
  return type === "procexit" ? "exit" : "seen";
}

export function processOf(fields: Json, cluster: string): ProcessRef {
  const exe = textAt(fields, "proc.exepath", maxPathLength);
  const { uid, gid } = { uid: idAt(fields, "user.uid"), gid: idAt(fields, "group.gid") };
  const tag = textAt(fields, "container.image.tag");
  const repository = textAt(fields, "container.image.repository", maxPathLength);
  return {
    execId: "",
    pid: intOf(field(fields, "proc.pid")),
    exe,
    name: textAt(fields, "proc.name"),
    command: exe,
    // The ids under which it acts are all that Falco follows.
    uid,
    gid,
    euid: uid,
    egid: gid,
    user: textAt(fields, "user.name"),
    parentExe: textAt(fields, "proc.pexepath", maxPathLength),
    pod: podOf(fields, cluster),
    container: containerNameOf(fields),
    containerId: containerIdOf(fields),
    containerImage: repository === "" || tag === "" ? repository : `${repository}:${tag}`,
  };
}

function idAt(fields: Json, name: FieldName): number {
  const id = intOf(field(fields, name));
  return id >= unsetId ? -1 : id;
}

function podOf(fields: Json, cluster: string): PodName {
  return {
    ...noPod,
    cluster,
    namespace: textAt(fields, "k8s.ns.name"),
    pod: textAt(fields, "k8s.pod.name"),
    podUid: textAt(fields, "k8s.pod.uid"),
  };
}

/** As Kubernetes calls it; through Docker it stands within `k8s_app_web-6d4b75cb9d-x7k2p_shop_…_0`. */
function containerNameOf(fields: Json): string {
  const text = textAt(fields, "container.name");
  const name = text.startsWith("k8s_") ? (text.split("_", 2)[1] ?? "") : text;
  return containerName.test(name) && !containerId.test(name) ? name : "";
}

/** "" for the machine itself, which Falco calls `host`. */
function containerIdOf(fields: Json): string {
  const id = bareContainerId(textAt(fields, "container.id"));
  return containerId.test(id) ? id : "";
}

type SocketEnds = Pick<
  SocketOpened,
  "srcIp" | "srcPort" | "dstIp" | "dstPort" | "transport" | "mark"
>;

/** Of a connect: who connects is the client. Null where no address was reached for. */
export function socketOf(fields: Json): SocketEnds | null {
  if (textAt(fields, "evt.type") !== "connect") return null;
  const [from = "", to = ""] = textAt(fields, "fd.name", 256).split("->", 2);
  const [src, dst] = [endOf(from), endOf(to)];
  const dstIp = canonicalIp(textAt(fields, "fd.sip")) || dst.ip;
  if (dstIp === "") return null;
  const srcIp = canonicalIp(textAt(fields, "fd.cip")) || src.ip;
  return {
    srcIp,
    srcPort: portField(fields, "fd.cport") || src.port,
    dstIp,
    dstPort: portField(fields, "fd.sport") || dst.port,
    transport: transportOf(textAt(fields, "fd.l4proto")),
    mark: -1,
  };
}

/** `10.1.0.51:35520`, and IPv6 without brackets: `fd00::a:443` has its port after the last colon. */
function endOf(text: string): { readonly ip: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  const port = text.slice(colon + 1);
  const ip = colon < 0 ? "" : canonicalIp(text.slice(0, colon));
  return ip === "" || !/^\d{1,5}$/.test(port) ? { ip: "", port: 0 } : { ip, port: portOf(port) };
}

function transportOf(protocol: string): Transport {
  return protocol === "tcp" || protocol === "udp" || protocol === "icmp" ? protocol : "other";
}

type Access = Pick<FileAccess, "path" | "access">;

/** A file that was opened; null for what failed, or is no path. */
export function accessOf(fields: Json): Access | null {
  if (!opens.has(textAt(fields, "evt.type")) || hasFailed(fields)) return null;
  const path = textAt(fields, "fd.name", maxPathLength);
  if (!path.startsWith("/")) return null;
  const isWrite =
    boolField(fields, "evt.is_open_write") ||
    writes.test(textAt(fields, "evt.arg.flags")) ||
    textAt(fields, "evt.type") === "creat";
  return { path, access: isWrite ? "write" : "read" };
}

function hasFailed(fields: Json): boolean {
  return boolField(fields, "evt.failed") || textOf(field(fields, "evt.rawres")).startsWith("-");
}
