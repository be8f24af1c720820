/**
 * Certificates and tokens that change under load, in every order that people and Kubernetes change them:
 * no request is lost, new connections soon see the new certificate, and garbage changes nothing.
 */
import {
  readFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, type ClientHttp2Session } from "node:http2";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { expect, test } from "vitest";
import { FileWatch } from "../src/access/file-watch.ts";
import { loadConfig, type Config } from "../src/config/config.ts";
import { Credentials } from "../src/credentials.ts";
import { PrometheusRegistry } from "../src/export/prometheus.ts";
import { makeGrpcReceiver, makeHttpReceiver } from "../src/receivers.ts";
import { makeLog } from "../src/self/log.ts";
import { grpcFrame, RecordingHandler, sendOn } from "./support/grpc-receiver.ts";

const fixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, "fixtures/tls", name), "utf8");
const pairs = [
  { cert: fixture("cert.pem"), key: fixture("key.pem") },
  { cert: fixture("next.pem"), key: fixture("next-key.pem") },
] as const;
const tokens = ["the-first-of-two-tokens", "the-second-of-two-tokens"] as const;

/** Files in a folder as Kubernetes mounts a secret: links to `..data`, which is a link itself. */
class Secrets implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "mesh-insights-rotation-"));
  readonly #texts = { "tls.crt": "", "tls.key": "", token: "" };
  #version = 0;

  constructor() {
    this.swap({ "tls.crt": pairs[0].cert, "tls.key": pairs[0].key, token: tokens[0] });
    for (const name of Object.keys(this.#texts)) {
      symlinkSync(join("..data", name), join(this.folder, name));
    }
  }

  /** All at once. */
  swap(texts: Partial<Secrets["texts"]>): void {
    Object.assign(this.#texts, texts);
    const name = `..${++this.#version}`;
    mkdirSync(join(this.folder, name));
    for (const [file, text] of Object.entries(this.#texts)) {
      writeFileSync(join(this.folder, name, file), text);
    }
    symlinkSync(name, join(this.folder, "..data_tmp"));
    renameSync(join(this.folder, "..data_tmp"), join(this.folder, "..data"));
  }

  /** One file, in place, as an editor would. */
  write(name: keyof Secrets["texts"], text: string): void {
    this.#texts[name] = text;
    writeFileSync(join(this.folder, name), text);
  }

  get texts(): { "tls.crt": string; "tls.key": string; token: string } {
    return this.#texts;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

function configOf(folder: string): Config {
  const port = `
    endpoint: "127.0.0.1:0"
    tls: { cert_file: ${folder}/tls.crt, key_file: ${folder}/tls.key }
    auth: { tokens: [{ name: gateway, token_file: ${folder}/token }] }
    limits: { connections_per_address: 1000 }`;
  const text = `version: 1\nreceivers:\n  grpc:${port}\n  http:${port}\n`;
  const loaded = loadConfig([{ path: "c.yaml", text }], [], {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  return loaded.config;
}

const ca = pairs.map(({ cert }) => cert);

/** Sends until told to stop, on a new connection each time; what went wrong. */
class Load {
  readonly faults: string[] = [];
  sent = 0;
  isOver = false;
  token: string = tokens[0];
  readonly inFlight = new Map<string, number>();

  async run(send: (token: string) => Promise<string>): Promise<void> {
    while (!this.isOver) {
      const token = this.token;
      this.sent++;
      this.#count(token, 1);
      const fault = await send(token).catch((error: unknown) => String(error));
      this.#count(token, -1);
      await sleep(10);
      if (fault !== "") this.faults.push(fault);
    }
  }

  #count(token: string, by: number): void {
    const count = (this.inFlight.get(token) ?? 0) + by;
    if (count > 0) this.inFlight.set(token, count);
    else this.inFlight.delete(token);
  }
}

async function sendGrpc(port: number, token: string): Promise<string> {
  const session: ClientHttp2Session = connect(`https://localhost:${port}`, { ca });
  const failed = new Promise<string>((resolve) => session.on("error", (e) => resolve(String(e))));
  const headers = { authorization: `Bearer ${token}` };
  const sent = sendOn(session, { headers, frames: [grpcFrame(Buffer.alloc(0))] });
  const fault = await Promise.race([
    failed,
    sent.then(({ status, message }) => (status === 0 ? "" : `${status} ${message}`)),
  ]);
  session.destroy();
  return fault;
}

function sendHttps(port: number, token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/x-protobuf" };
  const options = { host: "localhost", port, path: "/v1/traces", method: "POST", ca, headers };
  return new Promise((resolve, reject) => {
    const request = https.request({ ...options, agent: false }, (response) => {
      response.resume();
      response.on("end", () =>
        resolve(response.statusCode === 200 ? "" : `${response.statusCode}`),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

async function certificateOf(port: number): Promise<string> {
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return `-----BEGIN CERTIFICATE-----\n${raw.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

const rounds = Number(process.env["ROTATIONS"] ?? 6);
/** The promise: new connections are served with what is new within this. */
const withinMs = 5_000;

async function soon(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}

test("certificates and tokens rotate under load, and no request fails", async () => {
  using secrets = new Secrets();
  const lines: string[] = [];
  const log = makeLog({ level: "info", format: "text", write: (line) => lines.push(line) });
  const metrics = new PrometheusRegistry();
  using credentials = new Credentials(metrics, log, new FileWatch(50));
  const handler = new RecordingHandler();
  const parts = { handler, metrics, log, credentials };
  const config = configOf(secrets.folder);
  await using grpc = makeGrpcReceiver(config, parts);
  await using http = makeHttpReceiver(config, parts);
  const { port: grpcPort } = await grpc.listen();
  const { port: httpPort } = await http.listen();

  const load = new Load();
  const senders = [
    load.run((token) => sendGrpc(grpcPort, token)),
    load.run((token) => sendHttps(httpPort, token)),
  ];
  const isKnown = async (token: string): Promise<boolean> => {
    const answers = [await sendGrpc(grpcPort, token), await sendHttps(httpPort, token)];
    return answers.every((answer) => answer === "");
  };
  for (let round = 1; round <= rounds; round++) {
    const pair = pairs[round % 2 === 0 ? 0 : 1];
    const [old = "", next = ""] = round % 2 === 0 ? tokens.toReversed() : tokens;
    // The overlap: both are accepted, the senders change, and the old one goes.
    secrets.swap({ token: `${old}\n${next} # the next one\n` });
    await soon("both tokens", async () => (await isKnown(next)) && (await isKnown(old)));
    load.token = next;
    await soon("nobody sends the old one", async () => !load.inFlight.has(old));
    const texts = { "tls.crt": pair.cert, "tls.key": pair.key, token: next };
    if (round % 3 === 0) {
      secrets.swap(texts);
    } else {
      // The key before the certificate, with garbage and an empty file in between.
      const told = lines.length;
      secrets.write("tls.key", round % 3 === 1 ? pair.key : "garbage");
      secrets.write("token", round % 3 === 1 ? "" : "no token!");
      await soon("both ports tell of both", async () => lines.length >= told + 4);
      await soon("the old ones stay", () => isKnown(old));
      secrets.write("tls.key", pair.key);
      secrets.write("tls.crt", pair.cert);
      secrets.write("token", next);
    }
    for (const port of [grpcPort, httpPort]) {
      await soon("the certificate", async () => (await certificateOf(port)) === pair.cert);
    }
    await soon("the old token is refused", async () => !(await isKnown(old)));
    expect(await sendGrpc(grpcPort, old)).toBe("16 the token is not known");
    expect(await sendHttps(httpPort, old)).toBe("401");
  }
  load.isOver = true;
  await Promise.all(senders);
  expect(load.faults).toEqual([]);
  expect(load.sent).toBeGreaterThan(100);
  expect(handler.requests.length).toBeGreaterThanOrEqual(load.sent);

  const text = lines.join("");
  expect(text).toContain("cannot use changed credentials");
  expect(text).toContain("there is no token in it");
  for (const { key } of pairs) expect(text).not.toContain(key.split("\n")[1]);
  for (const token of tokens) expect(text).not.toContain(token);
  const changes = await metrics.read("credential_changes_total");
  const used = changes.filter(({ labels }) => labels["port"] !== "web");
  expect(used).toHaveLength(4);
  expect(used.filter(({ value }) => value < rounds / 3)).toEqual([]);
});
