/**
 * A small shop as Kubernetes has it: namespaces, a machine, accounts, controllers with their pods, services.
 * Controllers, scheduler and kubelet are missing, so what they would write (owners, the machine, states of
 * containers) is written here.
 */
import type { ApiServer, KubernetesObject } from "./api-server.ts";

export const nodeName = "node-1";
const nodeIp = "10.0.0.11";

type Fields = Readonly<Record<string, unknown>>;

export interface ShopPod {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly app: string;
  readonly owner: {
    readonly kind: "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job";
    name: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec: Fields & {
    readonly containers: readonly Fields[];
    readonly initContainers?: readonly Fields[];
  };
}

const proxyIds = { runAsUser: 1337, runAsGroup: 1337, runAsNonRoot: true };
const proxyImage = "docker.io/istio/proxyv2:1.29.1";
const proxy = {
  name: "istio-proxy",
  image: proxyImage,
  securityContext: {
    ...proxyIds,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
  },
};
const redirect = {
  name: "istio-init",
  image: proxyImage,
  securityContext: { runAsUser: 0, capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] } },
};

/** A native sidecar, a classic one, none with the host's network, one of a set, one of a scheduled job. */
export const pods = {
  web: {
    namespace: "shop",
    name: "web-6d4b75cb9d-x2x9z",
    ip: "10.244.1.10",
    app: "web",
    owner: { kind: "ReplicaSet", name: "web-6d4b75cb9d" },
    spec: {
      serviceAccountName: "web",
      automountServiceAccountToken: true,
      securityContext: { runAsUser: 1_000, fsGroup: 2_000, supplementalGroups: [3_000] },
      initContainers: [redirect, { ...proxy, restartPolicy: "Always" }],
      containers: [
        {
          name: "app",
          image: "registry.example/shop/web:1",
          ports: [{ name: "http", containerPort: 8_080 }],
        },
      ],
    },
  },
  cart: {
    namespace: "shop",
    name: "cart-7f9c8b6d54-k4m5n",
    ip: "10.244.1.20",
    app: "cart",
    owner: { kind: "ReplicaSet", name: "cart-7f9c8b6d54" },
    annotations: { "traffic.sidecar.istio.io/excludeOutboundPorts": "5432" },
    spec: {
      serviceAccountName: "cart",
      initContainers: [redirect],
      containers: [
        {
          name: "app",
          image: "registry.example/shop/cart:1",
          ports: [{ name: "http", containerPort: 8_080 }],
          securityContext: { privileged: true },
        },
        proxy,
      ],
    },
  },
  agent: {
    namespace: "monitoring",
    name: "agent-4xk7p",
    ip: nodeIp,
    app: "agent",
    owner: { kind: "DaemonSet", name: "agent" },
    spec: {
      serviceAccountName: "agent",
      hostNetwork: true,
      hostPID: true,
      containers: [{ name: "agent", image: "registry.example/agent:1" }],
    },
  },
  db: {
    namespace: "shop",
    name: "db-0",
    ip: "10.244.1.30",
    app: "db",
    owner: { kind: "StatefulSet", name: "db" },
    spec: {
      serviceAccountName: "db",
      containers: [{ name: "db", image: "registry.example/db:1" }],
    },
  },
  report: {
    namespace: "legacy",
    name: "report-29012345-8wq2d",
    ip: "10.244.1.40",
    app: "report",
    owner: { kind: "Job", name: "report-29012345" },
    spec: {
      serviceAccountName: "report",
      restartPolicy: "Never",
      containers: [{ name: "report", image: "registry.example/report:1" }],
    },
  },
} as const satisfies Readonly<Record<string, ShopPod>>;

/** As the container runtime would give it: the same for each run of the test. */
export function containerIdOf({ name: pod }: ShopPod, container: string): string {
  const text = Buffer.from(`${container}|${pod}`).toString("hex");
  return text.padEnd(64, "0").slice(0, 64);
}

const meta = (
  namespace: string | undefined,
  name: string,
  more: Fields = {},
): KubernetesObject["metadata"] => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  ...more,
});

function plain(
  apiVersion: string,
  kind: string,
  metadata: KubernetesObject["metadata"],
  more: Fields = {},
): KubernetesObject {
  return { apiVersion, kind, metadata, ...more };
}

const namespaces = [
  plain("v1", "Namespace", meta(undefined, "istio-system")),
  plain("v1", "Namespace", meta(undefined, "shop", { labels: { "istio-injection": "enabled" } })),
  plain("v1", "Namespace", meta(undefined, "legacy", { labels: { team: "old" } })),
  plain("v1", "Namespace", meta(undefined, "monitoring")),
];

const accounts = Object.values(pods).map(({ namespace, app }) =>
  plain(
    "v1",
    "ServiceAccount",
    meta(namespace, app, { annotations: { "example.com/role": app } }),
    app === "db" ? { automountServiceAccountToken: false } : {},
  ),
);

function templateOf({ app, annotations, spec }: ShopPod): Fields {
  return { metadata: { labels: { app }, annotations }, spec };
}

/** Those that are controlled by none. */
function topControllers(): KubernetesObject[] {
  const { web, cart, agent, db, report } = pods;
  const selects = (app: string): Fields => ({ selector: { matchLabels: { app } } });
  const deployment = (pod: ShopPod): KubernetesObject =>
    plain("apps/v1", "Deployment", meta(pod.namespace, pod.app, { labels: { app: pod.app } }), {
      spec: { replicas: 1, ...selects(pod.app), template: templateOf(pod) },
    });
  return [
    deployment(web),
    deployment(cart),
    plain("apps/v1", "DaemonSet", meta(agent.namespace, agent.app), {
      spec: { ...selects(agent.app), template: templateOf(agent) },
    }),
    plain("apps/v1", "StatefulSet", meta(db.namespace, db.app), {
      spec: { serviceName: "db", ...selects(db.app), template: templateOf(db) },
    }),
    plain("batch/v1", "CronJob", meta(report.namespace, report.app), {
      spec: { schedule: "0 3 * * *", jobTemplate: { spec: { template: templateOf(report) } } },
    }),
  ];
}

function ownedBy({ apiVersion, kind, metadata: { name, uid } }: KubernetesObject): Fields {
  return { ownerReferences: [{ apiVersion, kind, name, uid, controller: true }] };
}

const podMeta = ({ app, owner, annotations }: ShopPod): Fields => {
  const hash = owner.kind === "ReplicaSet" ? owner.name.slice(app.length + 1) : "";
  const labels = { app, ...(hash === "" ? {} : { "pod-template-hash": hash }) };
  return { labels, ...(annotations ? { annotations } : {}) };
};

export function podObject(pod: ShopPod, owner: KubernetesObject): KubernetesObject {
  const metadata = meta(pod.namespace, pod.name, { ...podMeta(pod), ...ownedBy(owner) });
  return plain("v1", "Pod", metadata, { spec: { nodeName, ...pod.spec } });
}

/** What a kubelet would say of it once it runs. */
export function runningStatus(pod: ShopPod): Fields {
  const startedAt = new Date(Date.now() - 5_000).toISOString().replace(/\.\d+Z$/, "Z");
  const running = { running: { startedAt } };
  const stateOf = ({ name, image }: Fields, state: Fields): Fields => ({
    name,
    image,
    imageID: `${String(image)}@sha256:${"0f".repeat(32)}`,
    containerID: `containerd://${containerIdOf(pod, String(name))}`,
    ready: true,
    restartCount: 0,
    state,
    lastState: {},
  });
  const done = { terminated: { exitCode: 0, startedAt, finishedAt: startedAt } };
  const { containers, initContainers = [] } = pod.spec;
  return {
    status: {
      phase: "Running",
      hostIP: nodeIp,
      hostIPs: [{ ip: nodeIp }],
      podIP: pod.ip,
      podIPs: [{ ip: pod.ip }],
      startTime: startedAt,
      containerStatuses: containers.map((one) => stateOf(one, running)),
      initContainerStatuses: initContainers.map((one) =>
        stateOf(one, "restartPolicy" in one ? running : done),
      ),
    },
  };
}

const serviceOf = ({ namespace, app, ip }: ShopPod): KubernetesObject[] => [
  plain("v1", "Service", meta(namespace, app), {
    spec: { selector: { app }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  }),
  plain(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    meta(namespace, `${app}-x7k2p`, { labels: { "kubernetes.io/service-name": app } }),
    {
      addressType: "IPv4",
      ports: [{ name: "http", port: 8_080, protocol: "TCP" }],
      endpoints: [{ addresses: [ip], conditions: { ready: true }, nodeName }],
    },
  ),
];

const policy = plain("networking.k8s.io/v1", "NetworkPolicy", meta("shop", "default-deny"), {
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [{}] },
});

/** Creates everything; returns the objects that pods are owned by, by `kind namespace/name`. */
export async function createShop(server: ApiServer): Promise<void> {
  const node = await server.create(plain("v1", "Node", meta(undefined, nodeName)));
  const addresses = [
    { type: "InternalIP", address: nodeIp },
    { type: "Hostname", address: nodeName },
  ];
  await server.patch(node, { status: { addresses } }, { of: "status", how: "strategic" });
  for (const object of [...namespaces, ...accounts]) await server.create(object);
  const owners = new Map<string, KubernetesObject>();
  for (const object of topControllers()) await created(server, object, owners);
  for (const pod of Object.values(pods)) {
    const between = controllerBetween(pod, owners);
    if (between) await created(server, between, owners);
  }
  for (const object of [...serviceOf(pods.web), ...serviceOf(pods.cart), policy]) {
    await server.create(object);
  }
  for (const pod of Object.values(pods)) await createPod(server, pod, ownerOf(pod, owners));
}

async function createPod(server: ApiServer, pod: ShopPod, owner: KubernetesObject): Promise<void> {
  const object = await server.create(podObject(pod, owner));
  await server.patch(object, runningStatus(pod), { of: "status", how: "strategic" });
}

const keyOf = (kind: string, namespace: string, name: string): string =>
  `${kind} ${namespace}/${name}`;

async function created(
  server: ApiServer,
  object: KubernetesObject,
  owners: Map<string, KubernetesObject>,
): Promise<void> {
  const { kind, metadata } = object;
  // Of answers to a creation the kind and its version are those of the question.
  const stored = { ...object, metadata: (await server.create(object)).metadata };
  owners.set(keyOf(kind, metadata.namespace ?? "", metadata.name), stored);
}

function ownerOf(pod: ShopPod, owners: ReadonlyMap<string, KubernetesObject>): KubernetesObject {
  const owner = owners.get(keyOf(pod.owner.kind, pod.namespace, pod.owner.name));
  if (!owner) throw new Error(`nobody owns ${pod.name}`);
  return owner;
}

/** A Deployment's ReplicaSet, a CronJob's Job. */
function controllerBetween(
  pod: ShopPod,
  owners: ReadonlyMap<string, KubernetesObject>,
): KubernetesObject | null {
  const { owner, namespace, app } = pod;
  const above = { ReplicaSet: "Deployment", Job: "CronJob", DaemonSet: "", StatefulSet: "" };
  const top = owners.get(keyOf(above[owner.kind], namespace, app));
  if (!top) return null;
  const metadata = meta(namespace, owner.name, ownedBy(top));
  const template = templateOf(pod);
  if (owner.kind === "Job") return plain("batch/v1", "Job", metadata, { spec: { template } });
  const { labels } = podMeta(pod);
  const selector = { matchLabels: labels };
  const spec = { replicas: 1, selector, template: { ...template, metadata: { labels } } };
  return plain("apps/v1", "ReplicaSet", metadata, { spec });
}
