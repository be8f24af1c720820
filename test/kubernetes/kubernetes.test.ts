/**
 * Objects of a real API server, brought by a real collector with the shipped configuration: each kind is read
 * from the list, what changes is followed by the watch, and what vanished while nobody watched is missed in the
 * next list. The same cluster by kube-state-metrics. Run it by `npm run test:kubernetes`.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientLine, execEvent, serverLine, type Call } from "../../src/cli/demo/sources.ts";
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiGraph, ApiInsight, ApiPage, ApiWorkload } from "../../src/model/api.ts";
import { getJson, until } from "../support/program.ts";
import { askStore, type ShippedEngine } from "../support/shipped-engine.ts";
import type { KubernetesObject } from "./api-server.ts";
import { meshKinds, meshObjects } from "./mesh-kinds.ts";
import { writeRecordings } from "./recordings.ts";
import { containerIdOf, createShop, nodeName, pods, type ShopPod } from "./shop.ts";
import { clusterName, World } from "./world.ts";

let started: World | null = null;

beforeAll(async () => {
  started = await World.start();
  for (const kind of meshKinds) await started.server.create(kind);
  await createShop(started.server);
  // A definition is served a moment after it was taken.
  for (const object of meshObjects) await until(() => create(object), Boolean, 30_000);
  await started.startCollector();
}, 240_000);

afterAll(async () => started?.[Symbol.asyncDispose](), 60_000);

function world(): World {
  if (!started) throw new Error("the cluster did not start");
  return started;
}

async function create(object: KubernetesObject): Promise<boolean> {
  await started?.server.create(object);
  return true;
}

interface StoredObject {
  readonly type: string;
  readonly name: string;
  readonly isGone: number;
}

function storedObjects(): StoredObject[] {
  return askStore<StoredObject>(
    world().engine.storePath,
    `SELECT type, ltrim(namespace || '/' || name, '/') AS name, detail ->> 'isGone' AS isGone
     FROM object WHERE type <> 'object_kind' ORDER BY type, name`,
  );
}

const livingObjects = async (): Promise<string[]> =>
  storedObjects()
    .filter(({ isGone }) => isGone === 0)
    .map(({ type, name }) => `${type} ${name}`);

const withoutOwn = (all: readonly string[]): string[] =>
  all.filter((one) => !/ (?:kube-|default)/.test(one) || one.includes("shop/default"));

const declaredObjects = [
  "authorization_policy shop/cart-from-web",
  "destination_rule shop/cart",
  "endpoint_slice shop/cart-x7k2p",
  "endpoint_slice shop/web-x7k2p",
  "envoy_filter shop/limits",
  "gateway shop/front",
  "grpc_route shop/cart",
  "http_route shop/cart",
  "injector istio-system/istio-sidecar-injector",
  "istio_gateway shop/public",
  "mesh_config istio-system/istio",
  "namespace istio-system",
  "namespace legacy",
  "namespace monitoring",
  "namespace shop",
  "network_policy shop/default-deny",
  "node node-1",
  "peer_authentication shop/cart",
  "proxy_config shop/cart",
  "reference_grant shop/cart",
  "request_authentication shop/tokens",
  "service shop/cart",
  "service shop/web",
  "service_account legacy/report",
  "service_account monitoring/agent",
  "service_account shop/cart",
  "service_account shop/db",
  "service_account shop/web",
  "service_entry shop/payments",
  "sidecar shop/default",
  "tcp_route shop/cart",
  "telemetry shop/logging",
  "tls_route shop/cart",
  "virtual_service shop/cart",
  "workload_entry shop/mainframe",
];

test("every kind of object is read from the first list", async () => {
  const isAll = (all: readonly string[]): boolean =>
    withoutOwn(all).length >= declaredObjects.length;
  await until(livingObjects, isAll, 40_000).catch(() => {});
  expect(withoutOwn(await livingObjects())).toEqual(declaredObjects);
});

async function workload({ namespace, app }: ShopPod): Promise<ApiWorkload> {
  return getJson(`${world().engine.web}/api/v1/workloads/${clusterName}/${namespace}/${app}`);
}

test("workloads are what their objects declare", async () => {
  const [web, cart, agent, db, report] = await Promise.all(
    [pods.web, pods.cart, pods.agent, pods.db, pods.report].map((pod) => workload(pod)),
  );
  const kinds = [web, cart, agent, db, report].map((one) => [one?.node.kind, one?.node.mode]);
  expect(kinds).toEqual([
    ["Deployment", "sidecar"],
    ["Deployment", "sidecar"],
    ["DaemonSet", "none"],
    ["StatefulSet", "none"],
    ["CronJob", "none"],
  ]);
  expect(web?.declared).toMatchObject({
    service_account: "web",
    fs_group: 2_000,
    supplemental_groups: [3_000],
    proxy: { container: "istio-proxy", uid: 1_337, gid: 1_337 },
    containers: [
      { name: "istio-init", init: true, capabilities_add: ["NET_ADMIN", "NET_RAW"] },
      { name: "istio-proxy", init: true, run_as_user: 1_337 },
      { name: "app", run_as_user: 1_000, ports: [8_080] },
    ],
  });
  expect(cart?.declared).toMatchObject({ excluded_outbound_ports: ["5432"] });
  expect(agent?.declared).toMatchObject({ host_network: true, host_pid: true });
});

/** `rule namespace/workload state`, of the test's own rules and others that are named. */
async function found(rule: string): Promise<string[]> {
  const url = `${world().engine.web}/api/v1/insights?limit=1000&rule=${rule}`;
  const { items } = await getJson<ApiPage<ApiInsight>>(url);
  return items.map(({ message, state }) => `${state}: ${message}`).toSorted();
}

const becomes = async (rule: string, line: string, timeoutMs = 30_000): Promise<unknown> =>
  until(
    () => found(rule),
    (lines) => lines.includes(line),
    timeoutMs,
  );

test("rules see policies and what pods declare", async () => {
  await becomes("test-host-network", "firing: monitoring/agent is on the machine's network");
  expect(await found("test-without-token")).toEqual(["firing: shop/db has no token"]);
  const policies = await found("test-policy");
  expect(policies).toHaveLength(19);
  expect(policies).toContain("firing: ReferenceGrant shop/cart");
});

/** As the simulated mesh has it, with the addresses and names of ours. */
const simulated = (pod: ShopPod): Call["server"] => ({
  namespace: pod.namespace,
  workload: pod.app,
  name: pod.name,
  uid: "",
  ip: pod.ip,
  host: nodeName,
  container: "app",
  exe: "/usr/bin/python3",
  userId: 1_000,
  port: 8_080,
  hasSidecar: true,
  isGateway: false,
});

test("addresses in access logs are who the objects say", async () => {
  const { server, collector, engine } = world();
  const { spec } = await server.get("/api/v1/namespaces/shop/services/cart");
  const { clusterIP } = spec as { clusterIP: string }; // of a Service
  const [client, cart] = [simulated(pods.web), simulated(pods.cart)];
  const call: Call = {
    atMs: Date.now(),
    durationMs: 12,
    client,
    clientIp: client.ip,
    appPort: 40_001,
    wirePort: 41_001,
    server: cart,
    service: { name: "cart", namespace: "shop", ip: clusterIP, port: 80, pods: [cart] },
    code: 200,
    isMutualTls: true,
    requestId: "7b2f5c1e-0000-4000-8000-000000000001",
  };
  using otlp = new OtlpClient(collector.otlp);
  const { signal, bytes } = encodeLogs({}, [clientLine(call), serverLine(call)]);
  expect(await otlp.send(signal, bytes)).toMatchObject({ ok: true });
  const edge = "demo/shop/web -> demo/shop/cart:8080 mutual_tls";
  await until(
    () => edgesOf(engine),
    (all) => all.includes(edge),
    20_000,
  );
});

async function edgesOf({ web }: ShippedEngine): Promise<string[]> {
  const { edges } = await getJson<ApiGraph>(`${web}/api/v1/graph`);
  return edges.map(
    ({ source, target, port, security }) => `${source} -> ${target}:${port} ${security}`,
  );
}

test("a container's id tells the application from the proxy", async () => {
  const { server, folder } = world();
  const stored = await server.get(`/api/v1/namespaces/shop/pods/${pods.cart.name}`);
  const shell = { pod: { ...simulated(pods.cart), uid: stored.metadata.uid ?? "" } };
  const event = execEvent(
    { ...shell, container: "app", exe: "/bin/sh", uid: 1_337, pid: 77 },
    Date.now(),
  );
  const id = `containerd://${containerIdOf(pods.cart, "app")}`;
  const line = JSON.parse(String(event.body)) as TetragonExec; // one line of its file
  line.process_exec.process.pod.container = { ...line.process_exec.process.pod.container, id };
  appendFileSync(join(folder, "tetragon.log"), `${JSON.stringify(line)}\n`);
  const isFound = (lines: readonly string[]): boolean =>
    lines.some((one) => one.startsWith("firing:") && one.includes("shop/cart"));
  const lines = await until(() => found("proxy-uid-in-application"), isFound, 30_000);
  expect(lines).toHaveLength(1);
});

interface TetragonExec {
  process_exec: { process: { pod: { container: object } } };
}

test("the watch brings what is changed, added and deleted", async () => {
  const { server } = world();
  const [peer, db, agent] = await Promise.all([
    server.get("/apis/security.istio.io/v1/namespaces/shop/peerauthentications/cart"),
    server.get(`/api/v1/namespaces/shop/pods/${pods.db.name}`),
    server.get(`/api/v1/namespaces/monitoring/pods/${pods.agent.name}`),
  ]);
  await server.patch(peer, { spec: { mtls: { mode: "STRICT" }, portLevelMtls: null } });
  await becomes("test-strict-workload", "firing: shop/cart is strict");
  await server.create({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "cart-from-web", namespace: "shop" },
    spec: { podSelector: { matchLabels: { app: "cart" } }, ingress: [{}] },
  });
  await becomes("test-policy", "firing: NetworkPolicy shop/cart-from-web");

  const debug = { name: "debug", image: "busybox", targetContainerName: "db" };
  const part = { spec: { ephemeralContainers: [debug] } };
  await server.patch(db, part, { of: "ephemeralcontainers", how: "strategic" });
  await becomes("test-debugged", "firing: shop/db is being debugged");

  // First it is asked to end, then it has ended.
  await server.delete(agent, 30);
  await server.delete(agent, 0);
  await becomes("test-host-network", "resolved: monitoring/agent is on the machine's network");
  await server.delete(peer);
  await becomes("test-strict-workload", "resolved: shop/cart is strict");
  expect(await livingObjects()).not.toContain("peer_authentication shop/cart");
});

test("what was deleted while nobody watched is missed in the next list", async () => {
  const { server } = world();
  await world().stopCollector();
  const gone = "service shop/web";
  await server.delete(await server.get("/api/v1/namespaces/shop/services/web"));
  await server.create({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "late", labels: { "istio.io/dataplane-mode": "ambient" } },
  });
  expect(await livingObjects()).toContain(gone);
  await world().startCollector();
  const isFollowed = (all: readonly string[]): boolean =>
    !all.includes(gone) && all.includes("namespace late");
  // A list counts against what was said a minute before it, once nothing of it can come late any more.
  await until(livingObjects, isFollowed, 180_000);
  expect(await livingObjects()).toContain("service shop/cart");
}, 220_000);

test("kube-state-metrics tells the same of pods, calls and services", async () => {
  const { inventory } = world();
  const select = "SELECT namespace || '/' || name AS name FROM pod ORDER BY name";
  const names = askStore<{ name: string }>(inventory.storePath, select).map(({ name }) => name);
  const all = Object.values(pods).map(({ namespace, name }) => `${namespace}/${name}`);
  expect(names).toEqual(all.toSorted());
  expect(await edgesOf(inventory)).toEqual(await edgesOf(world().engine));
});

test("nothing of it was unknown or left out", async () => {
  const text = await (await fetch(`${world().engine.web}/metrics`)).text();
  const counted = text
    .split("\n")
    .filter((line) =>
      /^mesh_insights_(?:normalize_dropped|unrecognized|decode_\w*refused)/.test(line),
    )
    .filter((line) => !line.endsWith(" 0"));
  expect(counted).toEqual([]);
  if (process.env["RECORD"] === "1") writeRecordings(world().told);
});
