/**
 * What stands around a line on its way here: the container runtime's prefix or wrapper, and the file it
 * lay in. A file tells whose container wrote the line. That matters twice: it names the proxy's pod where
 * nothing better does, and an application that prints lines like a proxy's is not believed.
 */
import type { AttributeSlots } from "../attributes.ts";
import type { Pairs, Resource } from "../resources.ts";

/** Attribute of the collector's file_log receiver, on the record or its resource. */
export const filePathName = "log.file.path";
/** Other attributes by which a record shows that it was read from a file. */
export const fileNames = [filePathName, "log.file.name", "log.iostream"] as const;

const maxPath = 1_024;
/** Containers of Istio's: of sidecars, gateways and waypoints, and of ztunnel (which has the same name). */
const proxyContainers: ReadonlySet<string> = new Set(["istio-proxy", "ztunnel"]);

/** A line without what its container runtime wrote around it. */
export interface BareLine {
  readonly text: string;
  /** The runtime cut it: it goes on in another record, which no one can join here. */
  readonly isPart: boolean;
}

/** CRI's `2026-11-21T07:31:02.943943943Z stdout F `, Docker's `{"log":"…\n","stream":…}`, or nothing. */
export function bareLine(text: string): BareLine {
  if (isDockerStart(text)) return dockerLine(text) ?? { text, isPart: false };
  const space = text.indexOf(" ");
  if (space < 20 || space > 40 || text[10] !== "T") return { text, isPart: false };
  const isStream = text.startsWith("stdout ", space + 1) || text.startsWith("stderr ", space + 1);
  const tagAt = space + 8;
  const tagEnd = text[tagAt + 1] === ":" ? text.indexOf(" ", tagAt) : tagAt + 1;
  const tag = text[tagAt];
  if (!isStream || text[tagEnd] !== " " || (tag !== "F" && tag !== "P")) {
    return { text, isPart: false };
  }
  return { text: text.slice(tagEnd + 1), isPart: tag === "P" };
}

/** Docker writes the line first. */
export function isDockerStart(text: string): boolean {
  return text.startsWith('{"log":"');
}

function dockerLine(text: string): BareLine | null {
  try {
    const wrapper: unknown = JSON.parse(text);
    if (typeof wrapper !== "object" || wrapper === null || !("log" in wrapper)) return null;
    const { log } = wrapper;
    return typeof log === "string" ? { text: log, isPart: !log.endsWith("\n") } : null;
  } catch {
    return null; // not Docker's: whoever knows the text reads it
  }
}

/** Whose file a line lay in. */
export interface LogFile {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
}

/** Whose files records lay in; those of one file come in runs, and its path is read once. */
export class LogFiles {
  #path = "";
  #file: LogFile | null = null;

  /**
   * `/var/log/pods/<namespace>_<pod>_<uid>/<container>/0.log`, or what the collector's container parser
   * made of it. Null where nothing says that the record came from a file, or whose file it was.
   */
  of({ pairs }: Resource, slots: AttributeSlots): LogFile | null {
    const path = slots.internedText(filePathName) || (pairs.get(filePathName) ?? "");
    if (path !== "" && path !== this.#path) {
      this.#path = path.length > maxPath ? "" : path;
      this.#file = parsePodPath(path);
    }
    const found = path === "" ? null : this.#file;
    const container = pairs.get("k8s.container.name") ?? "";
    if (found !== null || container === "") return found;
    const isFromFile = fileNames.some((name) => slots.has(name) || pairs.has(name));
    return isFromFile ? parsedFile(pairs, container) : null;
  }
}

function parsedFile(pairs: Pairs, container: string): LogFile {
  return {
    namespace: (pairs.get("k8s.namespace.name") ?? "").slice(0, 63),
    pod: (pairs.get("k8s.pod.name") ?? "").slice(0, 253),
    podUid: (pairs.get("k8s.pod.uid") ?? "").slice(0, 64),
    container,
  };
}

function parsePodPath(path: string): LogFile | null {
  if (path === "" || path.length > maxPath) return null;
  const at = path.lastIndexOf("/pods/");
  if (at < 0) return null;
  const [folder = "", container = ""] = path.slice(at + 6).split("/", 2);
  const [namespace = "", pod = "", podUid = "", ...more] = folder.split("_", 4);
  if (namespace === "" || pod === "" || container === "" || more.length > 0) return null;
  return { namespace: namespace.slice(0, 63), pod: pod.slice(0, 253), podUid, container };
}

/** Whether the container that wrote into the file may be a proxy's. */
export function isProxyFile(file: LogFile): boolean {
  return proxyContainers.has(file.container);
}
