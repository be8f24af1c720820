/**
 * The part of a Kubernetes API server that discovers pods: list, watch, and the newer watch that begins
 * with the list (`sendInitialEvents`) and says where the list ends by a bookmark. Plain HTTP on loopback.
 */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface DiscoveredPod {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: readonly {
    readonly name: string;
    readonly ports: readonly { readonly name: string; readonly number: number }[];
  }[];
}

const resourceVersion = "1000";

function podObject(pod: DiscoveredPod): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: pod.namespace,
      name: pod.name,
      uid: `${pod.namespace}/${pod.name}`,
      labels: pod.labels,
      resourceVersion,
    },
    spec: {
      nodeName: "node-0",
      containers: pod.containers.map(({ name, ports }) => ({
        name,
        image: `registry.example/${name}`,
        ports: ports.map((port) => ({ name: port.name, containerPort: port.number })),
      })),
    },
    status: { phase: pod.phase, podIP: pod.ip, podIPs: [{ ip: pod.ip }] },
  };
}

/** `app=ztunnel`; other operators are not spoken here. */
function isSelected(pod: DiscoveredPod, selector: string): boolean {
  if (selector === "") return true;
  const [name = "", value = ""] = selector.split("=");
  return pod.labels[name] === value;
}

export class KubernetesApi implements AsyncDisposable {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #pods: readonly DiscoveredPod[];

  constructor(pods: readonly DiscoveredPod[]) {
    this.#pods = pods;
  }

  /** Listens on a free port, and writes the kubeconfig that leads there into `folder`. */
  async start(folder: string): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    const { port } = this.#server.address() as AddressInfo; // it listens on a port
    const path = join(folder, "kubeconfig.yaml");
    const lines = [
      "apiVersion: v1",
      "kind: Config",
      "current-context: test",
      `clusters: [{ name: test, cluster: { server: "http://127.0.0.1:${port}" } }]`,
      "users: [{ name: test, user: {} }]",
      "contexts: [{ name: test, context: { cluster: test, user: test } }]",
      "",
    ];
    writeFileSync(path, lines.join("\n"));
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname !== "/api/v1/pods") {
      response.writeHead(404).end();
      return;
    }
    const { searchParams: query } = url;
    const pods = this.#pods.filter((pod) => isSelected(pod, query.get("labelSelector") ?? ""));
    const objects = pods.map(podObject);
    response.writeHead(200, { "content-type": "application/json" });
    if (query.get("watch") !== "true" && query.get("watch") !== "1") {
      const list = { apiVersion: "v1", kind: "PodList", metadata: { resourceVersion } };
      response.end(JSON.stringify({ ...list, items: objects }));
      return;
    }
    response.flushHeaders();
    if (query.get("sendInitialEvents") !== "true") return; // nothing changes: an open, silent watch
    const bookmark = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { resourceVersion, annotations: { "k8s.io/initial-events-end": "true" } },
    };
    const events = [
      ...objects.map((object) => ({ type: "ADDED", object })),
      { type: "BOOKMARK", object: bookmark },
    ];
    response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  }
}
