/**
 * A real API server on loopback: etcd and kube-apiserver, without controllers, scheduler and kubelet. What
 * is created is stored and told to who lists and watches; what those would do has to be done by the test.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { Disposer } from "../../src/lib/disposer.ts";
import { Peer } from "../support/peers.ts";
import { freePort } from "../support/program.ts";

export interface KubernetesTools {
  readonly etcd: string;
  readonly "kube-apiserver": string;
}

/** Any object; what of it matters the test knows. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

const token = "test-token";
const patchTypes = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
} as const;

/** The plural of a kind, where it is not the kind in small letters and an s. */
const plurals: Readonly<Record<string, string>> = {
  NetworkPolicy: "networkpolicies",
  AuthorizationPolicy: "authorizationpolicies",
  ServiceEntry: "serviceentries",
  WorkloadEntry: "workloadentries",
  Telemetry: "telemetries",
};

export const pluralOf = (kind: string): string => plurals[kind] ?? `${kind.toLowerCase()}s`;

/** Of the object, or of the list that it is in. */
function pathOf({ apiVersion, kind, metadata }: KubernetesObject, isList: boolean): string {
  const { namespace, name } = metadata;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `${root}${within}/${pluralOf(kind)}${isList ? "" : `/${name}`}`;
}

export class ApiServer implements AsyncDisposable {
  readonly #parts = new Disposer();
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #port: number;
  /** How its clients reach it. */
  readonly kubeconfig: string;

  private constructor(port: number, folder: string) {
    this.#port = port;
    this.kubeconfig = join(folder, "kubeconfig.yaml");
  }

  /** Resolves when it answers that it is ready. */
  static async start(tools: KubernetesTools, folder: string): Promise<ApiServer> {
    const port = await freePort();
    const server = new ApiServer(port, folder);
    try {
      await server.#start(tools, folder);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  async #start(tools: KubernetesTools, folder: string): Promise<void> {
    const [client, peer] = [this.#port + 1, this.#port + 2].map((one) => `http://127.0.0.1:${one}`);
    const keys = writeKeys(folder);
    const etcd = this.#parts.use(
      new Peer("etcd", tools.etcd, [
        `--data-dir=${join(folder, "etcd")}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        "--unsafe-no-fsync",
      ]),
    );
    const isHealthy = async (): Promise<boolean> => (await fetch(`${client}/health`)).ok;
    await etcd.becomes("ready", isHealthy, 30_000);
    const server = this.#parts.use(
      new Peer("kube-apiserver", tools["kube-apiserver"], [
        `--etcd-servers=${client}`,
        `--cert-dir=${join(folder, "certs")}`,
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        `--secure-port=${this.#port}`,
        "--service-cluster-ip-range=10.96.0.0/16",
        `--service-account-issuer=https://127.0.0.1:${this.#port}`,
        `--service-account-key-file=${keys}`,
        `--service-account-signing-key-file=${keys}`,
        "--authorization-mode=RBAC",
        "--allow-privileged",
        `--token-auth-file=${writeToken(folder)}`,
      ]),
    );
    const isReady = async (): Promise<boolean> =>
      (await this.#ask("GET", "/readyz").catch(() => ({ status: 0 }))).status === 200;
    await server.becomes("ready", isReady, 60_000);
    this.#writeKubeconfig();
  }

  async create(object: KubernetesObject): Promise<KubernetesObject> {
    return this.#expect("POST", pathOf(object, true), object);
  }

  /** `part` is what differs; `of` names a subresource. */
  async patch(
    object: KubernetesObject,
    part: object,
    {
      of = "",
      how = "merge",
    }: { readonly of?: string; readonly how?: keyof typeof patchTypes } = {},
  ): Promise<KubernetesObject> {
    const path = `${pathOf(object, false)}${of === "" ? "" : `/${of}`}`;
    return this.#expect("PATCH", path, part, patchTypes[how]);
  }

  /** Without a kubelet a pod that was asked to end ends only with `graceSeconds` 0. */
  async delete(object: KubernetesObject, graceSeconds?: number): Promise<void> {
    const options = { gracePeriodSeconds: graceSeconds };
    await this.#expect("DELETE", pathOf(object, false), options);
  }

  async get(path: string): Promise<KubernetesObject> {
    return this.#expect("GET", path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.#parts[Symbol.asyncDispose]();
  }

  async #expect(
    method: string,
    path: string,
    body?: object,
    type?: string,
  ): Promise<KubernetesObject> {
    const { status, text } = await this.#ask(method, path, body, type);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return JSON.parse(text) as KubernetesObject; // what the API answers
  }

  async #ask(
    method: string,
    path: string,
    body?: object,
    type = "application/json",
  ): Promise<{ status: number; text: string }> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": type,
      // Node does not say it of a deletion.
      "content-length": String(Buffer.byteLength(text)),
    };
    return new Promise((done, fail) => {
      const options = { host: "127.0.0.1", port: this.#port, method, path, headers };
      const asked = request({ ...options, agent: this.#agent }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", fail);
        answer.on("end", () =>
          done({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      asked.on("error", fail);
      asked.end(text);
    });
  }

  #writeKubeconfig(): void {
    const server = `https://127.0.0.1:${this.#port}`;
    const lines = [
      "apiVersion: v1",
      "kind: Config",
      "current-context: test",
      `clusters: [{ name: test, cluster: { server: "${server}", insecure-skip-tls-verify: true } }]`,
      `users: [{ name: test, user: { token: ${token} } }]`,
      "contexts: [{ name: test, context: { cluster: test, user: test } }]",
      "",
    ];
    writeFileSync(this.kubeconfig, lines.join("\n"), { mode: 0o600 });
  }
}

/** What it signs the accounts' tokens with, and checks them by. */
function writeKeys(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "accounts.pem");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  writeFileSync(path, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
  return path;
}

function writeToken(folder: string): string {
  const path = join(folder, "tokens.csv");
  writeFileSync(path, `${token},admin,1,"system:masters"\n`, { mode: 0o600 });
  return path;
}
