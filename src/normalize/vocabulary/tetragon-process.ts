/** The process of a Tetragon event, with its ids, its pod and its container. */
import type { PodName, ProcessRef } from "../../model/observations.ts";
import { field, intField, isObject, textField, type Json } from "../json.ts";
import { noPod } from "../names.ts";
import { bareContainerId } from "./container-id.ts";

const maxPathLength = 1_024;
/** 4294967295: the kernel's "no id". */
const unsetId = 0xffff_ffff;

/** `body` is what stands under the event's name; it holds `process` and, mostly, `parent`. */
export function readTetragonProcess(body: Json, cluster: string): ProcessRef {
  const process = field(body, "process");
  const pod = field(process, "pod");
  const container = field(pod, "container");
  const image = field(container, "image");
  const exe = textField(process, "binary", maxPathLength);
  return {
    execId: textField(process, "exec_id"),
    pid: intField(process, "pid"),
    exe,
    name: exe.slice(exe.lastIndexOf("/") + 1),
    command: exe,
    ...idsOf(process),
    user: textField(field(process, "user"), "name"),
    parentExe: textField(field(body, "parent"), "binary", maxPathLength),
    pod: podOf(pod, cluster),
    container: textField(container, "name"),
    containerId: bareContainerId(textField(container, "id") || textField(process, "docker")),
    containerImage: textField(image, "name", maxPathLength),
  };
}

type Ids = Pick<ProcessRef, "uid" | "gid" | "euid" | "egid">;

/** `process.uid` alone is the effective id; with the credentials flag real and effective ones are given. */
function idsOf(process: Json): Ids {
  const effective = idField(process, "uid");
  const credentials = field(process, "process_credentials");
  if (!isObject(credentials)) return { uid: effective, gid: -1, euid: effective, egid: -1 };
  const euid = idField(credentials, "euid");
  const uid = idField(credentials, "uid");
  return {
    uid: uid < 0 ? effective : uid,
    gid: idField(credentials, "gid"),
    euid: euid < 0 ? effective : euid,
    egid: idField(credentials, "egid"),
  };
}

function idField(value: Json, name: string): number {
  const id = intField(value, name);
  return id >= unsetId ? -1 : id;
}

function podOf(pod: Json, cluster: string): PodName {
  return {
    ...noPod,
    cluster,
    namespace: textField(pod, "namespace"),
    pod: textField(pod, "name"),
    podUid: textField(pod, "uid"),
    workload: textField(pod, "workload"),
    workloadKind: textField(pod, "workload_kind"),
  };
}
