/**
 * Keeps what the engines were sent as recordings for the unit tests: of lists, which come again and again, the
 * first ones.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bytesToPlain } from "../support/otlp-oracle.ts";
import { root } from "../support/program.ts";
import type { Told } from "./world.ts";

interface Manifest {
  readonly files: Record<string, { signal: string; requests: number; bytes: number }>;
}

/** Until everything has been listed once. */
const listedMs = 10_000;
const folder = join(root, "test/fixtures/recordings/kubernetes");

const files: readonly {
  readonly name: string;
  readonly signal: Told["signal"];
  /** What a request of it holds. */
  readonly mark: string;
  /** Scrapes of the same are much alike. */
  readonly most?: number;
  readonly isWanted?: (one: Told, first: Told) => boolean;
}[] = [
  {
    name: "k8sobjects.bin.gz",
    signal: "logs",
    mark: "k8s.resource.name",
    isWanted: ({ message, atMs }, first) =>
      atMs - first.atMs < listedMs || message.includes("event.domain"),
  },
  { name: "kube-state-metrics.bin.gz", signal: "metrics", mark: "kube_pod_info", most: 2 },
  { name: "k8s-cluster.bin.gz", signal: "metrics", mark: "k8s.pod.phase", most: 1 },
];

export function writeRecordings(told: readonly Told[]): void {
  const manifestPath = join(folder, "manifest.json");
  const manifest = (JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest).files; // as written here
  for (const { name, signal, mark, most = Infinity, isWanted = () => true } of files) {
    const marked = told.filter((one) => one.signal === signal && one.message.includes(mark));
    const bodies = marked
      .filter((one) => isWanted(one, marked[0] ?? one))
      .slice(0, most)
      .map(({ message }) => message);
    if (bodies.length === 0) throw new Error(`nothing was told for ${name}`);
    for (const body of bodies) bytesToPlain(signal, body);
    const framed = Buffer.concat(bodies.flatMap((body) => [lengthOf(body), body]));
    writeFileSync(join(folder, name), gzipSync(framed, { level: 9 }));
    manifest[name] = { signal, requests: bodies.length, bytes: framed.length };
  }
  writeFileSync(manifestPath, `${JSON.stringify({ files: manifest }, null, 1)}\n`);
}

function lengthOf(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return length;
}
