/**
 * What a person or a sender gets wrong, with the built program: one clear message and the promised exit
 * code, nothing left running, nothing damaged. What the receiver answers to bad bytes in every form is
 * in test/receive-answers.test.ts; here only that it is counted and that the engine goes on.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { Simulation } from "../../src/cli/demo/simulation.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import { grpcFrame, sendRaw } from "../support/grpc-receiver.ts";
import { freePort, run, startEngine, TempFolder, type Finished } from "../support/program.ts";

const badUsage = 2;
const fatal = 1;

/** Settings that collide with nothing: free ports, a store of the test's own. */
function free(folder: string): string[] {
  return [
    ["web.endpoint", "127.0.0.1:0"],
    ["receivers.grpc.endpoint", "127.0.0.1:0"],
    ["store.path", join(folder, "store", "mesh.db")],
  ].flatMap(([key, value]) => ["--set", `${key}=${value}`]);
}

/** One message, with all of `says` in it, and no sign of a fault of ours. */
function expectRefusal(finished: Finished, code: number, says: readonly string[]): void {
  const { error, out } = finished;
  expect({ code: finished.code, error, out }).toEqual({ code, error, out: "" });
  expect(error.match(/^(error|fatal): /gm)).toEqual(["error: "]);
  expect(error).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(error).not.toMatch(/ENOENT|EADDRINUSE|SQLITE_/);
  for (const text of says) expect(error).toContain(text);
}

interface Mistake {
  readonly name: string;
  readonly files?: Readonly<Record<string, string>>;
  /** `@` stands for the test's folder. */
  readonly args: readonly string[];
  readonly says: readonly string[];
}

const ruleWithTypo = `version: 1
ruleset: mine
rules:
  - id: cleartext
    title: Cleartext
    severity: criticl
    confidence: high
    on: edge
    when: edge.dst.namespac == 'payments'
    message: "cleartext"
`;

const mistakes: readonly Mistake[] = [
  {
    name: "a rule file with typos: both, each with its place",
    files: { "rules/mine.yaml": ruleWithTypo },
    args: ["validate", "--set", "rules.paths=[@/rules]"],
    says: [
      "@/rules/mine.yaml:6:15 error RULE_KEY",
      "did you mean 'critical'?",
      "@/rules/mine.yaml:9:20 error RULE_CEL_TYPE",
      "did you mean 'namespace'?",
    ],
  },
  {
    name: "a folder of rules that is not there",
    args: ["serve", "--set", "rules.paths=[@/none]"],
    says: ["cannot read rules from", "@/none"],
  },
  {
    name: "a rule that cannot be disabled",
    args: ["serve", "--set", "rules.disabled=[plaintext-trafic]"],
    says: ['"plaintext-trafic"', "no such rule", 'did you mean "plaintext-traffic"?'],
  },
  {
    name: "an unknown key",
    files: { "c.yaml": "version: 1\nstore:\n  pth: /data\n" },
    args: ["serve", "--config", "@/c.yaml"],
    says: ['@/c.yaml:3:3 cannot use "store.pth": unknown key (did you mean "path"?)', "^"],
  },
  {
    name: "a configuration file that is not there",
    args: ["serve", "--config", "@/none.yaml"],
    says: ['cannot read the configuration from "@/none.yaml": no such file'],
  },
  {
    name: "a configuration that is a folder",
    args: ["validate", "--config", "@"],
    says: ["it is a folder"],
  },
  {
    name: "a certificate that is not there",
    files: {
      "c.yaml": "version: 1\nreceivers: { grpc: { tls: { cert_file: no, key_file: no } } }",
    },
    args: ["validate", "--config", "@/c.yaml"],
    says: ['"receivers.grpc.tls.cert_file" from "no"', "no such file"],
  },
  {
    name: "a certificate that is none",
    files: {
      "c.yaml":
        "version: 1\nreceivers: { grpc: { tls: { cert_file: '@/c.yaml', key_file: '@/c.yaml' } } }",
    },
    args: ["serve", "--config", "@/c.yaml"],
    says: ["cannot serve TLS with", "PEM"],
  },
  {
    name: "--set with a bad value",
    args: ["serve", "--set", "insights.outage_grace=30"],
    says: ["--set insights.outage_grace=30:1:1", 'expected a length of time such as "30s"'],
  },
  {
    name: "--set without a value",
    args: ["serve", "--set", "store.path"],
    says: ['cannot read "--set": expected key.key=value', "1 | store.path"],
  },
  {
    name: "an unknown command",
    args: ["srve"],
    says: ["unknown command 'srve'", "Did you mean serve?"],
  },
  {
    name: "an unknown option",
    args: ["serve", "--confg", "x"],
    says: ["unknown option '--confg'", "Did you mean --config?"],
  },
  {
    name: "an option's unknown value",
    args: ["graph", "--format", "svg"],
    says: ["'svg' is invalid", "table, json, dot"],
  },
  {
    name: "a port that cannot be",
    args: ["demo", "--port-base", "65535"],
    says: ["--port-base", "below 65535"],
  },
  {
    name: "a recording that is none",
    files: { "x.rec": "something else" },
    args: ["replay", "@/x.rec", "--eval"],
    says: ['"@/x.rec": at byte 0', 'begins neither with "MESHREC1"'],
  },
  {
    name: "a recording that is not there",
    args: ["replay", "@/none.rec"],
    says: ['"@/none.rec": no such file'],
  },
];

test.each(mistakes)("$name", async ({ files = {}, args, says }) => {
  using folder = new TempFolder();
  const inFolder = (text: string): string => text.replaceAll("@", folder.path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder.path, name, ".."), { recursive: true });
    writeFileSync(join(folder.path, name), inFolder(text));
  }
  expectRefusal(await run(args.map(inFolder)), badUsage, says.map(inFolder));
});

interface Stranger {
  readonly name: string;
  readonly make: (path: string) => void;
  readonly says: readonly string[];
}

function makeDatabase(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

const strangers: readonly Stranger[] = [
  {
    name: "another program's database",
    make: (path) => makeDatabase(path, "CREATE TABLE precious (thing TEXT)"),
    says: ["a database of another program", "name another file in store.path"],
  },
  {
    name: "a text file",
    make: (path) => writeFileSync(path, "shopping list\n".repeat(20)),
    says: ["it is not an SQLite database", "name another file in store.path"],
  },
  {
    name: "an empty file",
    make: (path) => writeFileSync(path, ""),
    says: ["the file is empty", "restore a backup"],
  },
];

/** Contents, size and mode: everything of a file that a refusal must leave alone. */
function stateOf(path: string): string {
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  return `${digest} ${statSync(path).size} ${statSync(path).mode.toString(8)}`;
}

test.each(strangers)("$name as the store is refused and left alone", async ({ make, says }) => {
  using folder = new TempFolder();
  const path = join(folder.path, "mine.db");
  make(path);
  const before = stateOf(path);
  const finished = await run(["serve", ...free(folder.path), "--set", `store.path=${path}`]);
  expectRefusal(finished, fatal, [`cannot open the store "${path}"`, ...says]);
  expect(stateOf(path)).toBe(before);
});

test("a database of a newer version is refused and left alone", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await engine.program.kill("SIGTERM");
  const path = join(folder.path, "store", "mesh.db");
  makeDatabase(path, "PRAGMA user_version = 999");
  const before = stateOf(path);
  const finished = await run(["serve", "--config", engine.configPath]);
  expectRefusal(finished, fatal, [path, "version 999", "start the newer program"]);
  expect(stateOf(path)).toBe(before);
});

test("a second writer is refused, and the first goes on", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await using first = engine.program;
  const path = join(folder.path, "store", "mesh.db");
  const finished = await run(["serve", ...free(folder.path)]);
  expectRefusal(finished, fatal, [path, `pid ${first.child.pid}`, "stop that one"]);
  await sendSimulated(engine.grpc);
  expect((await first.kill("SIGTERM")).code).toBe(0);
});

test.each(["web.endpoint", "receivers.grpc.endpoint"])("a port in use: %s", async (key) => {
  using folder = new TempFolder();
  const occupant = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => occupant.once("listening", resolve));
  const { port } = occupant.address() as AddressInfo; // a TCP server that listens
  const settings = ["--set", `${key}=127.0.0.1:${port}`, "--log-level", "warn"];
  const finished = await run(["serve", ...free(folder.path), ...settings]);
  expectRefusal(finished, fatal, [`cannot listen on 127.0.0.1:${port}`, "already in use"]);
  occupant.close();
  // Nothing of the failed start holds the store.
  const engine = await startEngine(folder.path, await freePort());
  expect((await engine.program.kill("SIGTERM")).code).toBe(0);
});

test("a port in use leaves no empty recording behind", async () => {
  using folder = new TempFolder();
  const engine = await startEngine(folder.path, await freePort());
  await using _running = engine.program;
  const recording = join(folder.path, "x.rec");
  const setting = `receivers.grpc.endpoint=${engine.grpc}`;
  const finished = await run(["record", "--out", recording, "--set", setting]);
  expectRefusal(finished, fatal, [`cannot listen on ${engine.grpc}`, "already in use"]);
  expect(existsSync(recording)).toBe(false);
});

async function sendSimulated(address: string): Promise<void> {
  using client = new OtlpClient(address, 1);
  for (const { signal, bytes } of new Simulation(3).tick(Date.now())) {
    expect(await client.send(signal, bytes)).toMatchObject({ ok: true });
  }
}

test("bad bytes are answered and counted, and the engine goes on", async () => {
  using folder = new TempFolder();
  const port = await freePort();
  const engine = await startEngine(folder.path, port);
  await using program = engine.program;
  const gzip = { "grpc-encoding": "gzip" };
  const zipped = gzipSync(Buffer.from("some text ".repeat(500)));
  const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024));
  const answers = [
    await sendRaw(port + 1, { frames: [grpcFrame(Buffer.from([0x0a, 0x7f, 0x01]))] }),
    await sendRaw(port + 1, { headers: gzip, frames: [grpcFrame(zipped.subarray(0, -20), 1)] }),
    await sendRaw(port + 1, { headers: gzip, frames: [grpcFrame(bomb, 1)] }),
    await sendRaw(port + 1, { frames: [grpcFrame(Buffer.alloc(5), 0, 100 * 1024 * 1024)] }),
  ];
  const invalidArgument = 3;
  const resourceExhausted = 8;
  expect(answers.map((answer) => answer.status)).toEqual([
    invalidArgument,
    invalidArgument,
    resourceExhausted,
    resourceExhausted,
  ]);
  for (const { message } of answers) expect(message).toMatch(/^cannot (decode|read|take) /);

  await sendSimulated(engine.grpc);
  const metrics = await (await fetch(`${engine.web}/metrics`)).text();
  const traces = 'receiver_requests_total{transport="grpc",signal="traces"';
  for (const series of [
    `${traces},outcome="invalid"} 2`,
    `${traces},outcome="too_large"} 2`,
    'receiver_rejected_items_total{reason="undecodable"} 2',
    'receiver_rejected_items_total{reason="too_large"} 2',
  ]) {
    expect(metrics).toContain(`mesh_insights_${series}\n`);
  }
  const finished = await program.kill("SIGTERM");
  expect(finished.code).toBe(0);
  expect(finished.error).not.toMatch(/^\s+at .*:\d+:\d+/m);
});
