import { expect, test } from "vitest";
import { loadConfig, type Config } from "./config.ts";
import { exposureOf } from "./access.ts";
import { formatConfigDiagnostic } from "./diagnostics.ts";

const faultsOf = (yaml: string): string[] => {
  const loaded = loadConfig([{ path: "c.yaml", text: `version: 1\n${yaml}\n` }], [], {});
  return loaded.ok ? [] : loaded.diagnostics.map(({ line, message }) => `${line} ${message}`);
};
const configOf = (yaml: string): Config => {
  const loaded = loadConfig([{ path: "c.yaml", text: `version: 1\n${yaml}\n` }], [], {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  return loaded.config;
};

const tls = "tls: { cert_file: c, key_file: k }";
const mutual = "tls: { cert_file: c, key_file: k, client_ca_file: a }";
const auth = "auth: { tokens: [{ name: gateway, token_file: t }] }";
const everywhere = 'endpoint: "0.0.0.0:9"';

test.each([
  [everywhere, "asks nobody who it is and speaks plain text"],
  [`${everywhere}, ${tls}`, "asks nobody who it is"],
  [`${everywhere}, ${auth}`, "speaks plain text"],
  [`${everywhere}, ${tls}, ${auth}`, ""],
  [`${everywhere}, ${mutual}`, ""],
  [`${everywhere}, insecure: true`, ""],
  [`${everywhere}, insecure: false`, "asks nobody who it is and speaks plain text"],
  ['endpoint: "127.0.0.1:9"', ""],
  ['endpoint: "127.9.9.9:9"', ""],
  ['endpoint: "[::1]:9"', ""],
  ['endpoint: "localhost:9"', ""],
  ['endpoint: "[::]:9"', "asks nobody who it is and speaks plain text"],
  ['endpoint: "10.0.0.7:9"', "asks nobody who it is and speaks plain text"],
  ['endpoint: "127.0.0.1.evil.example:9"', "asks nobody who it is and speaks plain text"],
  ['endpoint: "localhost.example:9"', "asks nobody who it is and speaks plain text"],
])("beyond loopback, by default nobody is let in: { %s }", (port, lacks) => {
  for (const [key, yaml] of [
    ["receivers.grpc", `receivers: { grpc: { ${port} } }`],
    ["receivers.http", `receivers: { http: { ${port} } }`],
    ["web", `web: { ${port} }`],
  ]) {
    const faults = faultsOf(yaml ?? "");
    expect(faults).toHaveLength(lacks === "" ? 0 : 1);
    if (lacks === "") continue;
    expect(faults[0]).toContain(
      `2 cannot use "${key}.endpoint": it can be reached from the network, and ${lacks}: set ${key}.tls`,
    );
    expect(faults[0]).toContain(`say ${key}.insecure: true`);
  }
});

test("what `insecure` leaves open is known at the start", () => {
  const of = (port: string): string => exposureOf(configOf(`web: { ${port} }`).web);
  expect(of(`${everywhere}, insecure: true`)).toBe("asks nobody who it is and speaks plain text");
  expect(of(`${everywhere}, ${auth}, insecure: true`)).toBe("speaks plain text");
  expect(of(`${everywhere}, ${mutual}, insecure: true`)).toBe("");
  expect(of("insecure: true")).toBe("");
});

test("scopes are those of the port unless said", () => {
  const config = configOf(`receivers: { grpc: { ${auth} } }\nweb: { ${auth} }`);
  expect(config.grpc.auth?.tokens).toMatchObject([{ scopes: ["ingest"], namespaces: [] }]);
  expect(config.web.auth?.tokens).toMatchObject([{ scopes: ["read"], namespaces: [] }]);
  expect(config.web.acknowledge).toBe(true);
  const open = configOf(`web: { ${everywhere}, insecure: true }`);
  expect(open.web.acknowledge).toBe(false);
});

test.each([
  ["receivers: { grpc: { auth: { tokens: [] } } }", "receivers.grpc.auth.tokens"],
  ["receivers: { grpc: { auth: { token: x } } }", 'did you mean "tokens"'],
  [
    "web: { auth: { tokens: [{ name: a, token_file: x }, { name: a, token_file: y }] } }",
    '"a" stands there twice',
  ],
  ["web: { auth: {} }", 'name somebody by "tokens" or "clients"'],
  ["web: { auth: { clients: [{ name: a }] } }", "certificates take web.tls.client_ca_file"],
  [
    `web: { ${everywhere}, ${tls}, auth: { anonymous: [metrics], tokens: [{ name: a, token_file: x }] } }`,
    "takes web.insecure",
  ],
  [
    "web: { auth: { tokens: [{ name: a, token_file: x, scopes: [read, admin], namespaces: [b] }] } }",
    'only the scope "read" can be limited',
  ],
  [
    "web: { auth: { tokens: [{ name: a, token_file: x, scopes: [metrics], namespaces: [b] }] } }",
    'only the scope "read" can be limited',
  ],
  ["web: { auth: { tokens: [{ name: a b, token_file: x }] } }", "expected a name without spaces"],
  [
    "web: { auth: { tokens: [{ name: a, token: s3cret-s3cret-s3cret }] } }",
    '"web.auth.tokens.0.tok',
  ],
  [
    `receivers: { grpc: { ${auth} }, trust: [{ client: other, level: attested }] }`,
    "a token of that name",
  ],
  [
    `receivers: { grpc: { ${auth} }, trust: [{ client: gateway, listener: http, level: attested }] }`,
    "a token of that name",
  ],
])("%s", (yaml, why) => {
  const faults = faultsOf(yaml);
  expect(faults.join("\n")).toContain(why);
  expect(faults.join("\n")).not.toContain("s3cret");
});

test("a secret that somebody writes where none may stand is not printed with the fault", () => {
  for (const text of [
    "version: 1\nweb: { auth: { tokens: [{ name: a, token: s3cret-s3cret }] } }\n",
    "version: 1\nreceivers:\n  grpc:\n    auth:\n      tokens: [s3cret-s3cret]\n",
    "version: 1\nweb:\n  password: s3cret-s3cret\n",
  ]) {
    const loaded = loadConfig([{ path: "c.yaml", text }], [], {});
    const shown = loaded.ok ? "" : loaded.diagnostics.map(formatConfigDiagnostic).join("\n");
    expect(shown).toContain("cannot use");
    expect(shown).not.toContain("s3cret");
  }
  const set = loadConfig([], ["web.auth.token=s3cret-s3cret"], {});
  expect(set.ok ? "" : set.diagnostics.map(formatConfigDiagnostic).join("\n")).toMatch(
    /^\[REDACTED\]:1:1 cannot use "web.auth.token": unknown key/,
  );
  const text = "version: 1\nweb: { auth: { tokens: 1, x: { token_file: /run/x } } }\n";
  const loaded = loadConfig([{ path: "c.yaml", text: text.replace("tokens: 1, ", "") }], [], {});
  const shown = loaded.ok ? "" : loaded.diagnostics.map(formatConfigDiagnostic).join("\n");
  expect(shown).toContain("token_file: /run/x");
});

test("a token's name is a client that may be trusted", () => {
  const trust = "trust: [{ client: gateway, level: verified }]";
  expect(faultsOf(`receivers: { grpc: { ${auth} }, ${trust} }`)).toEqual([]);
});
