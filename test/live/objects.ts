/**
 * The objects of the live mesh as the collector's k8s_objects receiver brings them. There is no API server
 * behind them: a small sender plays it, with the pods and services that are really there.
 */
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import {
  cart,
  cartService,
  collectorService,
  containerId,
  nodeIp,
  nodeName,
  otlpPort,
  pods,
  proxyContainer,
  type LivePod,
} from "./mesh.ts";

const everyMs = 5_000;

/** Lists all objects now and every few seconds. */
export class ObjectFeed implements AsyncDisposable {
  readonly #client: OtlpClient;
  readonly #startedMs = Date.now();
  readonly #timer: NodeJS.Timeout;
  #last: Promise<void>;

  /** `otlp`: the collector's receiver, `host:port`. */
  constructor(otlp: string) {
    this.#client = new OtlpClient(otlp);
    this.#last = this.#list();
    this.#timer = setInterval(() => {
      this.#last = this.#list();
    }, everyMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#last;
    this.#client[Symbol.dispose]();
  }

  async #list(): Promise<void> {
    const timeMs = Date.now();
    const logs = allObjects(this.#startedMs).map(([resource, body]) => ({
      timeMs,
      attributes: { "k8s.resource.name": resource },
      body,
    }));
    const { signal, bytes } = encodeLogs({}, logs);
    await this.#client.send(signal, bytes);
  }
}

function allObjects(startedMs: number): [string, object][] {
  const cartPorts = [{ name: "http", port: cart.port }];
  const otlpPorts = [{ name: "grpc", port: otlpPort }];
  return [
    ...pods.map((pod): [string, object] => ["pods", podObject(pod, startedMs)]),
    ...serviceObjects("shop", "cart", cartService.ip, cartPorts, cart.ip),
    ...serviceObjects("observability", "otel-collector", collectorService.ip, otlpPorts, nodeIp),
    ["configmaps", meshConfig()],
  ];
}

function podObject(pod: LivePod, startedMs: number): object {
  const replicaSet = pod.name.split("-").slice(0, -1).join("-");
  const isProxy = (name: string): boolean => name === proxyContainer.name;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      namespace: pod.namespace,
      uid: pod.uid,
      labels: pod.labels,
      ownerReferences: [{ kind: "ReplicaSet", name: replicaSet, controller: true }],
    },
    spec: {
      nodeName,
      serviceAccountName: pod.workload,
      containers: pod.containers.map(({ name, image, userId }) => ({
        name,
        image,
        securityContext: { runAsUser: userId, runAsGroup: userId },
        ports: isProxy(name) || pod.port === 0 ? [] : [{ containerPort: pod.port }],
      })),
    },
    status: {
      phase: "Running",
      hostIP: nodeIp,
      podIP: pod.ip,
      podIPs: [{ ip: pod.ip }, { ip: pod.ip6 }],
      startTime: new Date(startedMs).toISOString(),
      containerStatuses: pod.containers.map(({ name }) => ({
        name,
        containerID: `containerd://${containerId(pod, name)}`,
      })),
    },
  };
}

interface ServicePort {
  readonly name: string;
  readonly port: number;
}

/** A service and the one slice of its one endpoint. */
function serviceObjects(
  namespace: string,
  name: string,
  clusterIP: string,
  ports: readonly ServicePort[],
  endpoint: string,
): [string, object][] {
  const metadata = { namespace, name, uid: `service-${name}` };
  const slice = {
    namespace,
    name: `${name}-1`,
    uid: `slice-${name}`,
    labels: { "kubernetes.io/service-name": name },
  };
  const endpoints = [{ addresses: [endpoint], conditions: { ready: true } }];
  return [
    ["services", { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP, ports } }],
    [
      "endpointslices",
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: slice,
        ports,
        endpoints,
      },
    ],
  ];
}

/** It says where the sidecars send their access log: that connection is their own. */
function meshConfig(): object {
  const mesh = [
    "extensionProviders:",
    "- name: otel",
    "  envoyOtelAls:",
    `    service: ${collectorService.host}`,
    `    port: ${collectorService.port}`,
    "",
  ];
  const metadata = { namespace: "istio-system", name: "istio", uid: "configmap-istio" };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { mesh: mesh.join("\n") } };
}
