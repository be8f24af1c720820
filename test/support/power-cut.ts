/**
 * What a disk would hold if the power failed: made from the system calls of a running program as strace
 * tells them. A write is on the disk when its file was synced after it; what was written since is there
 * in any part, or not at all. Files appear, disappear and change their names at once.
 */

export type Call =
  | {
      readonly kind: "write";
      readonly path: string;
      readonly offset: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string }
  | { readonly kind: "unlink"; readonly path: string }
  /** Bytes that left over TCP. */
  | { readonly kind: "sent"; readonly bytes: Buffer };

/** Options of strace whose output `parseCalls` reads. */
export const straceOptions = [
  "-f",
  "-yy",
  "-xx",
  "--string-limit=33554432",
  "--seccomp-bpf",
  "--signal=none",
  "--trace=pwrite64,write,writev,fsync,fdatasync,ftruncate,unlink,rename",
] as const;

/** In the order in which they took effect: a sync when it was done, anything else when it began. */
export function parseCalls(trace: string): Call[] {
  const waiting = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of trace.split("\n")) {
    const [, thread = "", text = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (text.includes("resumed>")) {
      const begun = waiting.get(thread);
      waiting.delete(thread);
      if (begun !== undefined) calls.push({ kind: "sync", path: pathOf(begun) });
      continue;
    }
    const isSync = /^(fsync|fdatasync)\(/.test(text);
    if (isSync && text.endsWith("<unfinished ...>")) waiting.set(thread, text);
    else {
      const call = isSync ? ({ kind: "sync", path: pathOf(text) } as const) : parseCall(text);
      if (call) calls.push(call);
    }
  }
  return calls;
}

function parseCall(text: string): Call | null {
  const name = text.slice(0, text.indexOf("("));
  switch (name) {
    case "pwrite64": {
      const [, bytes = "", offset = ""] = /, "([^"]*)", \d+, (\d+)/.exec(text) ?? [];
      return { kind: "write", path: pathOf(text), offset: Number(offset), bytes: unescape(bytes) };
    }
    case "ftruncate":
      return { kind: "truncate", path: pathOf(text), size: Number(/, (\d+)/.exec(text)?.[1]) };
    case "rename": {
      const [, from = "", to = ""] = /^rename\("([^"]*)", "([^"]*)"/.exec(text) ?? [];
      return { kind: "rename", path: unescape(from).toString(), to: unescape(to).toString() };
    }
    case "unlink":
      return { kind: "unlink", path: unescape(/"([^"]*)"/.exec(text)?.[1] ?? "").toString() };
    case "write":
    case "writev": {
      if (!/^writev?\(\d+<TCP/.test(text)) return null;
      const parts = [...text.matchAll(/"([^"]*)"/g)].map(([, part = ""]) => unescape(part));
      return { kind: "sent", bytes: Buffer.concat(parts) };
    }
    default:
      return null;
  }
}

/** `pwrite64(24</path>, …`; a path's characters come in hex too. */
function pathOf(text: string): string {
  return unescape(/^\w+\(\d+<([^>]*)>/.exec(text)?.[1] ?? "").toString();
}

function unescape(text: string): Buffer {
  return Buffer.from(text.replaceAll("\\x", ""), "hex");
}

interface File {
  /** As programs see it. */
  seen: Buffer;
  /** As it was at the last sync, and what was written since. */
  synced: Buffer;
  since: (Call & { kind: "write" | "truncate" })[];
}

export class Disk {
  readonly #files = new Map<string, File>();

  apply(call: Call): void {
    if (call.kind === "sent") return;
    const file = this.#fileOf(call.path);
    switch (call.kind) {
      case "write":
      case "truncate":
        file.seen = changed(file.seen, call);
        file.since.push(call);
        return;
      case "sync":
        file.synced = file.seen;
        file.since = [];
        return;
      case "rename":
        this.#files.delete(call.path);
        this.#files.set(call.to, file);
        return;
      case "unlink":
        this.#files.delete(call.path);
    }
  }

  /** The files after a cut now; `survives` is asked for each write that was not synced. */
  cut(survives: () => boolean): Map<string, Buffer> {
    return new Map(
      [...this.#files].map(([path, { synced, since }]) => [
        path,
        since.filter(survives).reduce(changed, synced),
      ]),
    );
  }

  #fileOf(path: string): File {
    let file = this.#files.get(path);
    if (!file) {
      file = { seen: Buffer.alloc(0), synced: Buffer.alloc(0), since: [] };
      this.#files.set(path, file);
    }
    return file;
  }
}

/** A copy: what was synced stays as it was. */
function changed(bytes: Buffer, call: Call & { kind: "write" | "truncate" }): Buffer {
  const size = call.kind === "truncate" ? call.size : call.offset + call.bytes.length;
  const copy = Buffer.alloc(call.kind === "truncate" ? size : Math.max(bytes.length, size));
  bytes.copy(copy, 0, 0, Math.min(bytes.length, copy.length));
  if (call.kind === "write") call.bytes.copy(copy, call.offset);
  return copy;
}
