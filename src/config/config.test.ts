import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadConfig, type Config } from "./config.ts";
import { formatConfigDiagnostic } from "./diagnostics.ts";
import type { Environment } from "./layers.ts";
import { configReference } from "./reference.ts";
import { configJsonSchema } from "./schema.ts";
import { parseDuration } from "../model/durations.ts";
import { parseEndpoint, parseSize } from "./units.ts";

function load(
  yaml: string | readonly string[],
  sets: string[] = [],
  env: Environment = {},
): Config {
  const texts = typeof yaml === "string" ? [yaml] : yaml;
  const files = texts.map((text, index) => ({ path: `f${index + 1}.yaml`, text }));
  const loaded = loadConfig(files, sets, env);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(formatConfigDiagnostic).join("\n"));
  return loaded.config;
}

test("the defaults bind to this machine alone", () => {
  const config = load([]);
  expect(config.grpc.endpoint).toEqual({ host: "127.0.0.1", port: 4317 });
  expect(config.web.endpoint).toEqual({ host: "127.0.0.1", port: 4316 });
  expect(load("version: 1")).toEqual(config);
  expect(config.insights.unknownTtlUs).toBe(86_400e6);
});

test("the configuration cannot be changed", () => {
  const config = load([]);
  expect(Object.isFrozen(config.grpc.endpoint)).toBe(true);
  expect(Object.isFrozen(config.identity.proxyExecutables)).toBe(true);
});

test("later files win: maps are merged, lists replaced; then --set", () => {
  const below = `
version: 1
cluster: { name: one }
identity:
  cluster_aliases: { a: one }
  images: [proxyv2, envoy]
`;
  const above = "version: 1\nidentity: { cluster_aliases: { b: one }, images: [mine] }";
  const config = load(
    [below, above],
    ["cluster.name=two", "insights.max_active=77", "rules.paths=[x, y]"],
  );
  expect(config.cluster).toBe("two");
  expect(config.identity).toMatchObject({
    clusterAliases: { a: "one", b: "one" },
    proxyImages: ["mine"],
  });
  expect(config.insights.activeMax).toBe(77);
  expect(config.rules.paths).toEqual(["x", "y"]);
});

test.each([
  ["a default", "${env:NAME:-other}", {}, "other"],
  ["a value", "x-${env:NAME:-other}-y", { NAME: "z" }, "x-z-y"],
  ["no structure", "${env:NAME}", { NAME: "{ uid: 3 }" }, "{ uid: 3 }"],
])("variables bring %s", (_name, text, env, expected) => {
  expect(load(`version: 1\ncluster:\n  name: ${text}`, [], env).cluster).toBe(expected);
});

test("an unquoted variable may be a number", () => {
  const quoted = "version: 1\nmetrics: { series: '${env:A}' }\n";
  expect(() => load(quoted, [], { A: "500" })).toThrow(/"metrics.series": expected number/);
  const unquoted = "version: 1\nmetrics:\n  series: ${env:A}";
  expect(load(unquoted, [], { A: "500" }).metrics.seriesMax).toBe(500);
});

test("human units and profiles", () => {
  const config = load(`
version: 1
store: { profile: large, max_size: 1GiB }
insights: { unknown_ttl: 7d }
limits: { facets: 5 }
receivers: { grpc: { tls: { cert_file: c.pem, key_file: k.pem }, limits: { request_size: 1MiB } } }
`);
  expect(config.store.maxBytes).toBe(2 ** 30);
  expect(config.insights.unknownTtlUs).toBe(7 * 86_400e6);
  expect(config.limits).toEqual({ workloadsMax: 20_000, facetsMax: 5, seriesMax: 1_000_000 });
  expect(config.grpc).toMatchObject({
    tls: { certFile: "c.pem", keyFile: "k.pem" },
    maxRequestBytes: 2 ** 20,
  });
});

interface Bad {
  name: string;
  yaml: string;
  sets?: string[];
  /** Lines of the one diagnostic, or its first line. */
  says: string;
}

/** A list of lists of lists …, by aliases: a few hundred characters that stand for millions. */
const bombNames = "abcdefghi".split("");
const bomb = bombNames.map((name, index) => {
  const below = `*${bombNames[index - 1] ?? ""},`.repeat(9);
  return `${name}: &${name} [${index === 0 ? "x" : below}]`;
});

const bad: Bad[] = [
  {
    name: "an unknown key, with its line and a caret",
    yaml: "version: 1\nstore:\n  pth: /data\n",
    says: `f1.yaml:3:3 cannot use "store.pth": unknown key (did you mean "path"?)
  3 |   pth: /data
    |   ^`,
  },
  {
    name: "an unknown key at the top",
    yaml: "version: 1\nrecievers: {}\n",
    says: 'f1.yaml:2:1 cannot use "recievers": unknown key (did you mean "receivers"?)',
  },
  {
    name: "a key below an optional one",
    yaml: "version: 1\nreceivers: { grpc: { tls: { cert_file: a, key_file: b, ca: c } } }",
    says: 'f1.yaml:2:56 cannot use "receivers.grpc.tls.ca": unknown key',
  },
  {
    name: "a key of a later version",
    yaml: "version: 1\nprivacy: { queries: hash }\n",
    says: 'f1.yaml:2:1 cannot use "privacy": not supported by this version',
  },
  {
    name: "a nested key of a later version",
    yaml: "version: 1\nweb:\n  { external_url: x }\n",
    says: 'f1.yaml:3:5 cannot use "web.external_url": not supported by this version',
  },
  {
    name: "a wrong type",
    yaml: "version: 1\nmetrics: { series: many }\n",
    says: 'f1.yaml:2:12 cannot use "metrics.series": expected number, received string',
  },
  {
    name: "a bad element of a list",
    yaml: "version: 1\nidentity:\n  cluster_cidrs:\n    - 10.0.0.0/8\n    - 10.0.0.0/99\n",
    says: 'f1.yaml:5:7 cannot use "identity.cluster_cidrs.1": expected a network such as "10.0.0.0/8"',
  },
  {
    name: "a length of time without a unit",
    yaml: "version: 1\ninsights: { outage_grace: '30' }\n",
    says: 'f1.yaml:2:13 cannot use "insights.outage_grace": expected a length of time such as "30s" or "1h30m"',
  },
  {
    name: "an endpoint without a host",
    yaml: "version: 1\nweb: { endpoint: ':4316' }\n",
    says: 'f1.yaml:2:8 cannot use "web.endpoint": expected host and port such as "127.0.0.1:4317" (0.0.0.0 listens on every address)',
  },
  {
    name: "no version",
    yaml: "cluster: { name: x }\n",
    says: 'f1.yaml:1:1 cannot use "version": expected version: 1',
  },
  {
    name: "another version",
    yaml: "cluster: { name: x }\nversion: 2\n",
    says: 'f1.yaml:2:1 cannot use "version": expected version: 1',
  },
  { name: "broken YAML", yaml: "version: 1\nstore: {", says: "f1.yaml:2:" },
  {
    name: "a key twice",
    yaml: "version: 1\nstore: {}\nstore: {}\n",
    says: "f1.yaml:3:1 bad YAML: ",
  },
  {
    name: "no map",
    yaml: "- version: 1",
    says: "f1.yaml:1:1 cannot use the configuration: expected",
  },
  {
    name: "a variable that is not set",
    yaml: "version: 1\ncluster:\n  name: ${env:NAME}\n",
    says: 'f1.yaml:3:9 cannot read "${env:NAME}": the variable is not set and has no default',
  },
  {
    name: "a bad --set",
    yaml: "version: 1",
    sets: ["store.profile=huge"],
    says: '--set store.profile=huge:1:1 cannot use "store.profile": invalid option',
  },
  {
    name: "a --set without a value",
    yaml: "version: 1",
    sets: ["store"],
    says: '--set store:1:1 cannot read "--set": expected key.key=value',
  },
  {
    name: "two listeners at one place",
    yaml: "version: 1\nweb:\n  endpoint: 127.0.0.1:4317\n",
    says: 'f1.yaml:3:3 cannot use "web.endpoint": "receivers.grpc.endpoint" is the same',
  },
  {
    name: "requests that could never be received",
    yaml: "version: 1\nreceivers: { grpc: { limits: { request_size: 128MiB } } }\n",
    says: 'f1.yaml:2:22 cannot use "receivers.grpc.limits.in_flight_size": not larger than "request_size"',
  },
  {
    name: "trust in a sender who is not asked who he is",
    yaml: "version: 1\nreceivers: { trust: [{ client: collector, level: attested }] }\n",
    says: 'f1.yaml:2:22 cannot use "receivers.trust.0": "client" takes "tls.client_ca_file" of its receiver, or a token of that name in its "auth"',
  },
  {
    name: "what nobody has verified",
    yaml: "version: 1\nreceivers: { trust: [{ level: claimed }, { origin: scrape, level: verified }] }\n",
    says: 'f1.yaml:2:42 cannot use "receivers.trust.1": "verified" takes a "client"',
  },
  {
    name: "a key that nothing reads yet",
    yaml: "version: 1\nstore: { retention: 7d }\n",
    says: 'f1.yaml:2:10 cannot use "store.retention": not supported by this version',
  },
  {
    name: "a key that is a trap for programs",
    yaml: "version: 1\n__proto__: { polluted: 1 }\n",
    says: 'f1.yaml:2:1 cannot use "__proto__": unknown key',
  },
  {
    name: "aliases without end",
    yaml: `version: 1\n${bomb.join("\n")}`,
    says: "f1.yaml:1:1 bad YAML: ",
  },
];

test.each(bad)("says what is wrong: $name", ({ yaml, sets = [], says }) => {
  const loaded = loadConfig([{ path: "f1.yaml", text: yaml }], sets, {});
  const said = loaded.ok ? [] : loaded.diagnostics.map(formatConfigDiagnostic);
  expect(said).toHaveLength(1);
  expect(said[0]?.slice(0, says.length)).toBe(says);
});

test("every fault is reported, each in the file that is to blame", () => {
  const files = [
    { path: "a.yaml", text: "version: 1\nstore: { pfad: x }\nmetrics: { series: 500 }" },
    { path: "b.yaml", text: "metrics: { series: -1 }" },
  ];
  const loaded = loadConfig(files, [], {});
  const places = loaded.ok ? [] : loaded.diagnostics.map(({ file, line }) => `${file}:${line}`);
  expect(places.toSorted()).toEqual(["a.yaml:2", "b.yaml:1"]);
});

test("a caret stands below its character behind tabs", () => {
  const place = { file: "f", line: 3, column: 3, source: "\t\tkey", message: "bad" };
  expect(formatConfigDiagnostic(place)).toBe("f:3:3 bad\n  3 | \t\tkey\n    | \t\t^");
});

test.each([
  ["1h30m", 5_400e6],
  ["500ms", 500e3],
  ["0s", 0],
  ["30", null],
  ["", null],
  ["-1s", null],
])("duration %s", (text, us) => {
  expect(parseDuration(text)).toBe(us);
});

test.each([
  ["64MiB", 64 * 2 ** 20],
  ["1B", 1],
  ["64MB", null],
  ["1.5GiB", null],
])("size %s", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ["[::1]:4317", { host: "::1", port: 4317 }],
  ["localhost:0", { host: "localhost", port: 0 }],
  ["1.2.3.4:65536", null],
  ["::1:4317", null],
])("endpoint %s", (text, endpoint) => {
  expect(parseEndpoint(text)).toEqual(endpoint);
});

/** `UPDATE_GENERATED=1` writes what the test compares. */
test.each([
  ["schema/config.v1.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`],
  ["docs/configuration.md", configReference()],
])("%s is what the code says", (path, text) => {
  const url = new URL(`../../${path}`, import.meta.url);
  if (process.env["UPDATE_GENERATED"] === "1") writeFileSync(url, text);
  expect(readFileSync(url, "utf8")).toBe(text);
});
