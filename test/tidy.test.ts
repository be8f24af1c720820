/**
 * Style and layering as a test: who imports whom, no cycles, file length, foreign names only in
 * vocabularies, and purity of the stages that must be pure. Each failure names file and line.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const everything = "*";

/** Folder of src/ to what it may import: folders of src/ and packages. Node's own modules: see below. */
const imports: Readonly<Record<string, readonly string[]>> = {
  lib: ["ipaddr.js"],
  model: ["lib"],
  config: ["lib", "model", "zod", "yaml"],
  decode: ["lib"],
  normalize: ["lib", "model", "decode", "yaml"],
  graph: ["lib", "model"],
  insights: ["lib", "model"],
  rules: ["lib", "model", "@marcbachmann/cel-js", "re2js", "yaml"],
  store: ["lib", "model", "better-sqlite3"],
  access: ["lib", "model", "self"],
  receive: ["lib", "model", "self", "access"],
  export: [
    "lib",
    "model",
    "self",
    "prom-client",
    "@grpc/grpc-js",
    "@opentelemetry/otlp-transformer",
  ],
  serve: ["lib", "model", "self", "access", "hono", "@hono/node-server", "zod"],
  self: ["lib", "pino"],
  engine: ["lib", "model", "config", "decode", "normalize", "graph", "rules", "insights"],
  threads: [everything],
  cli: [everything],
  "app.ts": [everything],
  "credentials.ts": [everything],
  "engine-health.ts": [everything],
  "exporters.ts": [everything],
  "receivers.ts": [everything],
  "main.ts": [everything],
};

/** Stages that do no I/O; of Node they may use only what computes. */
const pureFolders = ["decode", "normalize", "graph", "rules", "insights", "model"];
const pureNodeModules = ["node:buffer", "node:crypto", "node:v8"];

/** Files that may pass 600 lines, each with its reason. */
const longFiles: Readonly<Record<string, string>> = {};

const impure: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "async", pattern: /\basync\b|\bawait\b|\bnew Promise\b/ },
  { what: "a clock", pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b/ },
  { what: "a timer", pattern: /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/ },
  { what: "the environment", pattern: /\bprocess\.(env|argv|exit|stdout|stderr)\b|\bconsole\./ },
];

/** Names that belong to one foreign source; whole words in quotes outside comments. */
const foreignName =
  /["'`](istio_[a-z_]+|istiocustom\.[a-z_.]*|node_id|upstream_cluster(\.name)?|downstream_[a-z_]+|process_(exec|exit|kprobe|connect)|k8s\.[a-z_.]+|flow\.(io|type|tcp_flags|sampler_address)[a-z_.]*|guid:x-request-id|http\.[a-z_.]+|service\.name|PassthroughCluster|BlackHoleCluster|InboundPassthroughCluster)["'`]/;

interface Source {
  readonly path: string;
  readonly folder: string;
  readonly lines: readonly string[];
  readonly imports: readonly { readonly from: string; readonly line: number }[];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : [];
  });
}

function readSource(path: string): Source {
  const text = readFileSync(path, "utf8");
  const found: { from: string; line: number }[] = [];
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g;
  for (const match of text.matchAll(pattern)) {
    const from = match[1] ?? match[2] ?? match[3] ?? "";
    found.push({ from, line: text.slice(0, match.index + match[0].length).split("\n").length });
  }
  const inSrc = relative(join(root, "src"), path).split("/");
  return {
    path: relative(root, path),
    folder: inSrc[0] ?? "",
    lines: text.split("\n"),
    imports: found,
  };
}

const sources = filesBelow(join(root, "src")).map(readSource);
const product = sources.filter((source) => !source.path.endsWith(".test.ts"));
const tests = filesBelow(join(root, "test")).map(readSource);

/** A line without its comment; good enough for the patterns here, which no string of ours holds. */
function isComment(line: string): boolean {
  return /^\s*(\/\/|\/?\*)/.test(line);
}

function packageOf(from: string): string {
  return from
    .split("/")
    .slice(0, from.startsWith("@") ? 2 : 1)
    .join("/");
}

test("every folder imports only what the table allows", () => {
  const bad: string[] = [];
  for (const source of product) {
    const allowed = imports[source.folder];
    if (!allowed) {
      bad.push(`${source.path}: the folder is not in the import table`);
      continue;
    }
    if (allowed.includes(everything)) continue;
    for (const { from, line } of source.imports) {
      if (from.startsWith("node:")) continue;
      const target = from.startsWith(".")
        ? (relative(join(root, "src"), resolve(root, dirname(source.path), from)).split("/")[0] ??
          "")
        : packageOf(from);
      if (target !== source.folder && !allowed.includes(target)) {
        bad.push(`${source.path}:${line} imports ${from}`);
      }
    }
  }
  expect(bad).toEqual([]);
});

test("imports name the file with its extension, and Node's modules by their scheme", () => {
  const bad = [...sources, ...tests].flatMap((source) =>
    source.imports
      .filter(({ from }) =>
        from.startsWith(".") ? !/\.(ts|json)$/.test(from) : builtinModules.includes(from),
      )
      .map(({ from, line }) => `${source.path}:${line} ${from}`),
  );
  expect(bad).toEqual([]);
});

test("there is no import cycle", () => {
  const byPath = new Map(product.map((source) => [source.path, source]));
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  function visit(path: string, trail: readonly string[]): void {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    state.set(path, "open");
    for (const { from } of byPath.get(path)?.imports ?? []) {
      if (from.startsWith(".")) {
        visit(relative(root, resolve(root, dirname(path), from)), [...trail, path]);
      }
    }
    state.set(path, "done");
  }
  for (const source of product) visit(source.path, []);
  expect(cycles).toEqual([]);
});

test("files stay short enough to read", () => {
  const bad = [...sources, ...tests]
    .filter((source) => source.lines.length > 601 && !(source.path in longFiles))
    .map((source) => `${source.path}: ${source.lines.length} lines, the limit is 600`);
  expect(bad).toEqual([]);
});

test("file names are kebab-case, and there are no barrels or drawers for everything", () => {
  const bad = [...sources, ...tests]
    .map((source) => source.path)
    .filter((path) => {
      const name = path.split("/").at(-1) ?? "";
      return (
        !/^[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(name) || /^(index|utils|helpers?)\.ts$/.test(name)
      );
    });
  expect(bad).toEqual([]);
});

test("foreign names stand only in normalize/vocabulary", () => {
  const bad = product
    .filter((source) =>
      ["graph", "rules", "insights", "normalize", "engine"].includes(source.folder),
    )
    .filter((source) => !source.path.startsWith("src/normalize/vocabulary/"))
    .flatMap((source) =>
      source.lines.flatMap((line, index) =>
        !isComment(line) && foreignName.test(line)
          ? [`${source.path}:${index + 1} ${foreignName.exec(line)?.[1]}`]
          : [],
      ),
    );
  expect(bad).toEqual([]);
});

test("pure stages have no async, clock, timer or I/O", () => {
  const bad: string[] = [];
  for (const source of product.filter(({ folder }) => pureFolders.includes(folder))) {
    for (const [index, line] of source.lines.entries()) {
      if (isComment(line)) continue;
      for (const { what, pattern } of impure) {
        if (pattern.test(line)) bad.push(`${source.path}:${index + 1} uses ${what}`);
      }
    }
    for (const { from, line } of source.imports) {
      if (from.startsWith("node:") && !pureNodeModules.includes(from)) {
        bad.push(`${source.path}:${line} imports ${from}`);
      }
    }
  }
  expect(bad).toEqual([]);
});

test("only named exports; no code names a rule", () => {
  const ruleIds = filesBelowWith(join(root, "rules"), ".yaml").flatMap((path) =>
    [...readFileSync(path, "utf8").matchAll(/^ {2}- id: ([a-z0-9-]+)/gm)].map(
      (match) => match[1] ?? "",
    ),
  );
  const bad = product.flatMap((source) =>
    source.lines.flatMap((line, index) => {
      if (/^export default\b/.test(line)) return [`${source.path}:${index + 1} default export`];
      const named = isComment(line) ? undefined : ruleIds.find((id) => line.includes(`"${id}"`));
      return named ? [`${source.path}:${index + 1} names the rule ${named}`] : [];
    }),
  );
  expect(bad).toEqual([]);
});

function filesBelowWith(folder: string, ending: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelowWith(path, ending);
    return path.endsWith(ending) ? [path] : [];
  });
}
