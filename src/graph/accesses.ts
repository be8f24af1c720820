/**
 * Files and memory that processes of pods reached for, as their agents tell: each class of path once per
 * process, container and five minutes. What it means that somebody reads a file is the rules' to say; here
 * is said who it was, and whether he is the pod's proxy.
 */
import type { Evidence, GraphChange } from "../model/changes.ts";
import { makeEntity } from "../model/entities.ts";
import { nodeKey } from "../model/keys.ts";
import type { FileAccess } from "../model/observations.ts";
import type { CounterSample } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { contentHash, contentText } from "./content-hash.ts";
import type { Identity, Overflowed, PodFacts } from "./contracts.ts";
import { FirstSeen, podKey, type SeenEntry, type SeenEvent } from "./first-seen.ts";
import { nodeAs, processEntity } from "./processes.ts";
import { contradictsContainers, mayBeNewProxy, placeOf } from "./proxy-container.ts";

const accessesMax = 20_000;
/** Whose pods have a container of the proxy. */
const withProxy: ReadonlySet<string> = new Set(["sidecar", "gateway", "waypoint"]);

interface Access extends SeenEvent {
  readonly access: FileAccess;
  readonly path: string;
}

export class Accesses {
  readonly #identity: Identity;
  readonly #options: BypassOptions;
  readonly #seen: FirstSeen<Access>;
  #isRestoring = false;

  constructor(identity: Identity, options: BypassOptions, overflowed: Overflowed) {
    this.#identity = identity;
    this.#options = options;
    this.#seen = new FirstSeen(
      "accesses",
      accessesMax,
      identity,
      options,
      (entry, nowUs, out) => this.#judge(entry, nowUs, out),
      overflowed,
    );
  }

  /** True when the journal must hold it. */
  see(access: FileAccess, nowUs: Us, out: GraphChange[]): boolean {
    const { process, timeUs: atUs, nanos, trust } = access;
    const { pod } = process;
    if (podKey(pod) === "") return false;
    const path = pathClass(access.path);
    const container = process.container || process.containerId;
    const who = contentText(pod.cluster, podKey(pod), container, process.exe || process.name);
    const what = contentText(who, process.uid, process.gid, path, access.access, trust);
    const order = contentText(process.execId, process.pid, access.path);
    const entry = this.#seen.see(what, atUs, order, nowUs, () => ({
      event: { atUs, nanos, hash: order, pod, access, path },
      names: [],
    }));
    if (!entry) return false;
    if (this.#isRestoring) this.#seen.judgeLater(entry);
    else this.#judge(entry, nowUs, out);
    return true;
  }

  /** The journal's, at the start: judged when all is back. */
  replay(access: FileAccess, nowUs: Us): void {
    this.#isRestoring = true;
    this.see(access, nowUs, []);
    this.#isRestoring = false;
  }

  podsChanged(pods: readonly PodFacts[]): void {
    this.#seen.podsChanged(pods);
  }

  advance(nowUs: Us, out: GraphChange[]): void {
    this.#seen.advance(nowUs, out);
  }

  counters(into: CounterSample[]): void {
    this.#seen.counters(into);
  }

  /** What was told once is told again with the new facts: that is how a finding is taken back. */
  #judge(entry: SeenEntry<Access>, nowUs: Us, out: GraphChange[]): void {
    const { access, path, atUs } = entry.first;
    const { process } = access;
    const pod = this.#identity.podOf(process.pod, atUs);
    if (!pod || (pod.hostNetwork && entry.told === "")) return;
    const place = placeOf(process, pod, this.#options);
    if (place.container === "unknown" && withProxy.has(pod.mode)) {
      if (entry.told === "" && nowUs < entry.dueUs) return this.#seen.wait(entry);
      if (mayBeNewProxy(process, pod, atUs, this.#options)) return;
      if (contradictsContainers(process, pod)) return;
    }
    const entity = makeEntity("access");
    const node = nodeAs(this.#identity.node(pod.nodeId), pod.mode);
    entity.process = processEntity(access, pod, node);
    entity.process.is_proxy = place.isProxy === "yes";
    entity.process.in_proxy_container = place.container === "proxy";
    entity.process.before_proxy = place.beforeProxy;
    entity.process.confidence = place.container === "unknown" ? "medium" : "high";
    entity.path = path;
    entity.kind = access.access;
    entity.shares_processes = pod.sharesProcesses ?? false;
    const evidence = accessEvidence(access);
    const told = contentText(
      evidence.hash,
      nodeKey(node),
      node.mode,
      node.mesh,
      place.container,
      place.isProxy,
      place.beforeProxy ? 1 : 0,
      entity.shares_processes ? 1 : 0,
      pod.hostNetwork ? 1 : 0,
    );
    if (entry.told === told) return;
    entry.told = told;
    const { kind, key } = access.source;
    const about = { kind: "entity", type: "access", id: entry.id, entity, judged: true } as const;
    out.push({ ...about, atUs, evidence: [evidence], observers: [{ kind, key }] });
  }
}

/**
 * The path without what differs from one process and one renewal to the next: ids under `/proc`, and the
 * dated directories behind mounted secrets and tokens.
 */
export function pathClass(path: string): string {
  return path
    .replace(/^\/proc\/\d+(?:\/task\/\d+)?(?=\/|$)/, "/proc/<pid>")
    .replace(/\/\.\.(?:data|\d{4}_\d\d_\d\d_[\d_.]+)(?=\/)/g, "");
}

const verbs: Readonly<Record<FileAccess["access"], string>> = {
  read: "read",
  write: "wrote",
  memory: "reached into the memory of",
};

function accessEvidence(access: FileAccess): Evidence {
  const { process, path, timeUs: atUs, nanos, source, trust } = access;
  const who = process.exe || process.name || `process ${process.pid}`;
  const what = path === "" ? "another process" : path;
  return {
    atUs,
    nanos,
    vantage: "node",
    source: source.key,
    text: `${who} (uid ${process.uid}, gid ${process.gid}) ${verbs[access.access]} ${what}`,
    fields: {
      path,
      access: access.access,
      exe: process.exe,
      pid: process.pid,
      uid: process.uid,
      gid: process.gid,
      pod: process.pod.pod,
      container: process.container,
      agent: access.agent,
      trust,
    },
    hash: contentHash([
      "access",
      source.key,
      atUs,
      nanos,
      process.execId,
      process.pid,
      path,
      access.access,
      trust,
    ]),
  };
}
