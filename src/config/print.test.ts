import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig, type Config } from "./config.ts";
import { printConfig } from "./print.ts";
import { configJsonSchema } from "./schema.ts";

function load(text: string): Config {
  const loaded = loadConfig([{ path: "c.yaml", text }], [], {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  return loaded.config;
}

/** Every optional key, with values that differ from the defaults. */
const everything = `
version: 1
cluster: { name: "no" }
receivers:
  grpc: { endpoint: "[::1]:0", tls: { cert_file: "c: d", key_file: k, client_ca_file: a, min_version: "1.2" }, insecure: true, auth: { tokens: [{ name: "spiffe://a/b", token_file: t }] } }
  http: { endpoint: "localhost:4318", tls: { cert_file: c, key_file: k, client_ca_file: a }, auth: { tokens: [{ name: t, token_file: u, scopes: [ingest, read] }] }, limits: { request_size: 1537B } }
  trust:
    - { listener: grpc, client: "spiffe://a/b", origin: "~", level: verified }
    - { level: claimed }
store: { path: "x y #z.db", profile: large, max_size: 1025KiB }
expected_sources:
  - { kind: collector, key: "0123", namespace: "true", within: 90061001ms }
  - { kind: proxy }
exporters:
  otlp:
    endpoint: "collector:4317"
    tls: { ca_file: a, cert_file: b, key_file: c, server_name: d }
    headers_file: h
    reminder: 0s
web:
  tls: { cert_file: c, key_file: k, client_ca_file: a }
  auth:
    tokens: [{ name: t, token_file: v, namespaces: [shop] }]
    clients: [{ name: c, scopes: [metrics, admin] }]
    anonymous: [metrics]
    session: 1h
limits: { workloads: 7 }
rules:
  enabled: [a]
  disabled: [b]
  lists: { names: { add: [x, "1"] }, ports: { remove: [80] } }
  params: { some-rule: { most: 1, long: 5m, on: false } }
  waivers: [{ id: w, rules: [a], expires: 2027-01-31 }]
  waiver_max: 30d
`;

test("what is printed loads as the same configuration", () => {
  for (const text of ["version: 1\n", everything]) {
    const config = load(text);
    expect(load(printConfig(config))).toEqual(config);
  }
});

test("it is printed as people write it", () => {
  const printed = parse(printConfig(load(everything))) as Record<string, unknown>;
  expect(printed).toMatchObject({
    receivers: { grpc: { endpoint: "[::1]:0" }, http: { limits: { request_size: "1537B" } } },
    store: { max_size: "1025KiB" },
    expected_sources: [{ within: "1d1h1m1s1ms" }, { kind: "proxy", within: "5m" }],
    exporters: { otlp: { reminder: "0s", queue: { max_age: "3d" } } },
  });
});

const word = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.constantFrom(
      "true",
      "0x1f",
      "1e3",
      "~",
      "- a",
      "a: b",
      "${env:HOME}",
      "x${env:",
      "\n",
      "12",
    ),
  )
  .filter((text) => text !== "__proto__");
const ms = fc.integer({ min: 0, max: 90_000_000 });
/** The format has nine digits at most. */
const bytes = fc.integer({ min: 2, max: 999_999_999 });

test("any texts, times and sizes come through", () => {
  const base = load(everything);
  fc.assert(
    fc.property(word, fc.array(word), fc.dictionary(word, word), ms, bytes, (...parts) => {
      const [text, list, aliases, time, size] = parts;
      const otlp = base.exporters.otlp && { ...base.exporters.otlp, timeoutUs: time * 1_000 };
      const config: Config = {
        ...base,
        cluster: text,
        identity: { ...base.identity, proxyImages: list, clusterAliases: aliases },
        store: { ...base.store, path: text, maxBytes: size },
        exporters: { otlp },
      };
      expect(load(printConfig(config))).toEqual(config);
    }),
  );
});

/** `a.b` for every key that a file may hold; elements of lists are not numbered. */
function keysOf(schema: unknown, path = ""): string[] {
  const { properties, items } = schema as { properties?: Record<string, unknown>; items?: unknown };
  if (items !== undefined) return keysOf(items, path);
  if (properties === undefined) return [path];
  return Object.entries(properties).flatMap(([key, part]) =>
    keysOf(part, path === "" ? key : `${path}.${key}`),
  );
}

test("no key of the format is forgotten", () => {
  const printed: unknown = parse(printConfig(load(everything)));
  const has = (path: string): boolean => {
    let at: unknown = printed;
    for (const step of path.split(".")) {
      const from: unknown = Array.isArray(at) ? at[0] : at;
      at = (from as Record<string, unknown> | undefined)?.[step];
    }
    return at !== undefined;
  };
  const keys = keysOf(configJsonSchema());
  expect(keys.length).toBeGreaterThan(40);
  expect(keys.filter((key) => !has(key))).toEqual([]);
});

test("the format has no key that holds a secret, so there is nothing to redact", () => {
  const secret = /token|password|secret|credential|private|api_key/;
  const holding = keysOf(configJsonSchema()).filter(
    (key) => secret.test(key.split(".").at(-1) ?? "") && !key.endsWith("_file"),
  );
  expect(holding).toEqual([]);
});
