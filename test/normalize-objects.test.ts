/** Kubernetes and Istio objects beside pods: what is read of each, and what hostile ones cost. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { ObjectSeen } from "../src/model/observations.ts";
import { compact, NormalizeRun, toLines } from "./support/normalize-run.ts";
import { logsRequest, type LogRecord } from "./support/otlp-build.ts";

interface Fixture {
  readonly resource: string;
  readonly object: { readonly kind: string; readonly metadata: { readonly name: string } };
}

const lines = readFileSync(
  path.join(import.meta.dirname, "fixtures/vocabulary/k8s-objects.jsonl"),
  "utf8",
);
const fixtures = lines
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Fixture); // the file says so

const attributesOf = (resource: string) => ({ "k8s.resource.name": resource });

function seen(records: readonly LogRecord[], run = new NormalizeRun()): ObjectSeen[] {
  const { observations } = run.push("logs", logsRequest({}, records));
  return observations.filter((one) => one.kind === "object_seen");
}

function readOne(resource: string, object: object, run?: NormalizeRun): ObjectSeen["object"] {
  const [one] = seen([{ body: object, attributes: attributesOf(resource) }], run);
  if (!one) throw new Error("the object was not read");
  return one.object;
}

test("declared objects", async () => {
  const objects = seen(
    fixtures.map(({ resource, object }) => ({ body: object, attributes: attributesOf(resource) })),
  ).map(({ object }) => object);
  expect(objects).toHaveLength(fixtures.length);
  await expect(toLines(objects)).toMatchFileSnapshot("golden/normalize/k8s-declared.jsonl");
});

test("the same watched, watched with the type in an attribute, and without the resource's name", () => {
  for (const { resource, object } of fixtures) {
    const listed = readOne(resource, object);
    const [watched] = seen([
      { body: { type: "MODIFIED", object }, attributes: attributesOf(resource) },
    ]);
    expect(watched).toMatchObject({ event: "modified", object: listed });
    const attributes = { ...attributesOf(resource), "event.type": "DELETED" };
    expect(seen([{ body: object, attributes }])[0]).toMatchObject({
      event: "deleted",
      object: listed,
    });
    const scope = "otelcol/k8sobjectsreceiver";
    const unnamed = new NormalizeRun().push("logs", logsRequest({ scope }, [{ body: object }]));
    const told = unnamed.observations.find((one) => one.kind === "object_seen");
    expect(told?.object.type).toBe(listed.type);
  }
});

const meshMap = (mesh: unknown, name = "istio") => ({
  metadata: { name, namespace: "istio-system" },
  data: { mesh },
});

const half = (unit: string): string => unit.repeat(Math.floor(32_000 / unit.length));

/** Little text that would mean much, or take long: none of it may be parsed, or it must be cheap. */
test.each([
  ["aliases", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"],
  ["anchors without end", `a: ${half("&a ")}`],
  ["tags without end", `a: ${half("!!x ")}`],
  ["a tag", "a: !!js/function 'return 1'"],
  ["brackets", half("[")],
  ["braces", half("{")],
  ["too long", "a: 1\n".repeat(7_000)],
  ["no map", "- a\n- b\n"],
  ["broken", "a: [1\nb: }"],
  ["nothing", " "],
])("a mesh configuration of %s is counted and not read", (_name, mesh) => {
  const run = new NormalizeRun();
  const startMs = performance.now();
  expect(readOne("configmaps", meshMap(mesh), run).type).toBe("other");
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(run.counts()).toMatchObject({ "normalize_dropped_items_total k8sobjects:bad_line": 1 });
});

test("one request cannot have any number of configurations parsed", () => {
  const run = new NormalizeRun();
  const mesh = `accessLogFormat: ${"x ".repeat(14_000)}\n`;
  const records = Array.from({ length: 50 }, (_, index) => ({
    body: meshMap(mesh, `istio-${index}`),
    attributes: attributesOf("configmaps"),
  }));
  const types = seen(records, run).map(({ object }) => object.type);
  expect(types.filter((type) => type === "mesh_config")).toHaveLength(2);
  expect(run.counts()).toMatchObject({ "normalize_dropped_items_total k8sobjects:bad_line": 48 });
});

test("lists and specs are cut, and that is counted", () => {
  const run = new NormalizeRun();
  const metadata = { name: "big", namespace: "shop" };
  const many = (count: number, item: object) => Array.from({ length: count }, () => item);
  const slice = readOne(
    "endpointslices",
    { metadata, endpoints: many(1_500, { addresses: ["10.0.0.1"] }) },
    run,
  );
  expect(slice).toMatchObject({ type: "endpoint_slice" });
  expect(slice.type === "endpoint_slice" && slice.endpoints.length).toBe(1_000);
  const spec = { ingress: many(200, { from: [{ ipBlock: { cidr: "1".repeat(500) } }] }) };
  const policy = readOne("networkpolicies", { metadata, spec }, run);
  expect(policy).toMatchObject({ type: "network_policy", ingressRules: 200, spec: {} });
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total k8sobjects:capacity": 1,
    "normalize_dropped_items_total k8sobjects:too_long": 1,
  });
  expect(policy).toMatchObject({ specCut: true });
});

test.each([...new Set(fixtures.map(({ resource }) => resource))])(
  "%s of any other shape read as saying nothing",
  (resource) => {
    const metadata = { name: "odd", namespace: "shop", labels: [], annotations: 7 };
    for (const part of [null, 7, "x", [], [null], { ports: 1, endpoints: "x", rules: {} }]) {
      const object = { metadata, spec: part, ports: part, endpoints: part };
      expect(readOne(resource, object)).toMatchObject({ name: "odd", namespace: "shop" });
    }
  },
);

test("the same as JSON text, and what is no JSON is counted", () => {
  for (const { resource, object } of fixtures) {
    const text = JSON.stringify(object);
    expect(readOne(resource, text as unknown as object)).toEqual(readOne(resource, object)); // a body
    const event = JSON.stringify({ type: "DELETED", object });
    const [deleted] = seen([{ body: event, attributes: attributesOf(resource) }]);
    expect(deleted).toMatchObject({ event: "deleted", object: readOne(resource, object) });
  }
  const run = new NormalizeRun();
  for (const body of ["", "x", "[]", "7", '{"kind":"Pod"', `{"a":"${"b".repeat(2 << 20)}"}`]) {
    expect(seen([{ body, attributes: attributesOf("services") }], run)).toEqual([]);
  }
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total k8sobjects:missing_field": 6,
  });
});

/** No object comes with these: they say that the feed lives, and nothing of them is counted as lost. */
test.each<[string, LogRecord, string]>([
  ["the end of a pull", { body: { type: "PullEnd", object: { kind: "pods" } } }, ""],
  ["a bookmark", { body: { type: "BOOKMARK", object: { kind: "Pod", metadata: {} } } }, "pods"],
  ["an error", { body: { type: "ERROR", object: { kind: "Status", code: 410 } } }, "pods"],
  ["a secret", { body: { metadata: { name: "s" }, data: { token: "aGVsbG8=" } } }, "secrets"],
  ["an event", { body: { metadata: { name: "e" }, message: "Pulled" } }, "events"],
])("%s", (_name, record, resource) => {
  const run = new NormalizeRun();
  const attributes = resource === "" ? {} : attributesOf(resource);
  const { observations } = run.push("logs", logsRequest({}, [{ ...record, attributes }]));
  expect(observations).toMatchObject([{ kind: "heartbeat", capability: "objects" }]);
  const counted = Object.entries(run.counts()).filter(([, count]) => count > 0);
  expect(counted.map(([name]) => name)).toEqual(["observations_total heartbeat"]);
});

test("what only resembles the end of a pull is somebody else's", () => {
  const bodies: unknown[] = [
    { type: "PullEnd" },
    { type: "PullEnd", object: "pods" },
    { type: "PullEnd", object: { kind: "x".repeat(300) } },
    { type: "End", object: {} },
  ];
  const run = new NormalizeRun();
  const { observations } = run.push(
    "logs",
    logsRequest(
      {},
      bodies.map((body) => ({ body })),
    ),
  );
  expect(observations).toEqual([]);
});

test("a feed says of which kinds it tells all objects, once in a while", () => {
  const run = new NormalizeRun();
  const kinds = "networkpolicies, services,Not A Kind,services";
  const resource = { "k8s.cluster.name": "lab", "mesh_insights.object_kinds": kinds };
  const body = fixtures[0]?.object ?? {};
  const told = () =>
    run
      .push("logs", logsRequest({ resource }, [{ body, attributes: attributesOf("services") }]))
      .observations.filter((one) => one.kind === "object_seen" && one.object.type === "object_kind")
      .map((one) => one.kind === "object_seen" && [one.cluster, one.object.name]);
  expect(told()).toEqual([
    ["lab", "networkpolicies"],
    ["lab", "services"],
  ]);
  expect(told()).toEqual([]);
});

test("what a NetworkPolicy lets through is everything only without peers and ports", () => {
  const openOf = (egress: object) =>
    readOne("networkpolicies", {
      metadata: { namespace: "shop", name: "p" },
      spec: { policyTypes: ["Egress"], egress: [egress] },
    });
  const [everywhere, dns] = [{ ipBlock: { cidr: "0.0.0.0/0" } }, { port: 53, protocol: "UDP" }];
  for (const open of [{}, { to: [] }, { to: [{ podSelector: {} }, everywhere] }]) {
    expect(openOf(open)).toMatchObject({ egressOpen: true });
  }
  const except = { ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] } };
  for (const closed of [{ ports: [dns] }, { to: [{ podSelector: {} }] }, { to: [except] }]) {
    expect(openOf(closed)).not.toHaveProperty("egressOpen");
  }
});

test("secrets and configuration of others leave nothing behind, whatever calls them what", () => {
  const data = { password: "hunter2", mesh: "accessLogFile: hunter2" };
  for (const [resource, kind] of [
    ["secrets", "Secret"],
    ["configmaps", "ConfigMap"],
    ["", "Secret"],
  ] as const) {
    const object = { apiVersion: "v1", kind, metadata: { name: "s", namespace: "shop" }, data };
    const run = new NormalizeRun();
    const scope = "otelcol/k8sobjectsreceiver";
    const record = { body: object, attributes: resource === "" ? {} : attributesOf(resource) };
    const batch = run.push("logs", logsRequest({ scope }, [record]));
    expect(JSON.stringify(batch.observations)).not.toContain("hunter2");
  }
});

test("a number that JSON cannot hold is left out of a spec", () => {
  const text = '{"metadata":{"name":"x","namespace":"n"},"spec":{"a":1e999,"b":[-1e999,2]}}';
  const [one] = seen([{ body: text, attributes: attributesOf("virtualservices") }]);
  expect(one).toMatchObject({ object: { spec: { b: [2] } } });
});

test("who set which field is stepped over, in either order of a message's fields", () => {
  const managedFields = Array.from({ length: 70_000 }, (_, index) => ({ [`f:${index}`]: {} }));
  const metadata = { managedFields, name: "web", namespace: "shop", labels: { app: "web" } };
  const service = readOne("services", { metadata, spec: { clusterIP: "10.96.0.7" } });
  // More parts than a value may have stand before what matters.
  expect(service).toMatchObject({ name: "web", labels: { app: "web" }, clusterIps: ["10.96.0.7"] });
});

test("hostile objects are cut, cheaply", () => {
  const run = new NormalizeRun();
  const labels = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`l${at}`, "v"]));
  const annotations = { big: "a".repeat(10 << 20) };
  const metadata = { name: "big", namespace: "shop", labels, annotations };
  const ownerReferences = [{ kind: "ReplicaSet", name: "big", controller: true }];
  for (const resource of ["pods", "services", "virtualservices"]) {
    const read = readOne(resource, { metadata: { ...metadata, ownerReferences } }, run);
    expect(JSON.stringify(read).length).toBeLessThan(16_384);
  }
  const containers = Array.from({ length: 10_000 }, (_, at) => ({ name: `c${at}`, image: "i" }));
  const pod = readOne("pods", { metadata: { name: "p", uid: "u" }, spec: { containers } });
  expect(pod.type === "pod" && pod.containers.length).toBe(64);
  // Its own owner: one step is taken, and no more.
  expect(readOne("replicasets", { metadata: { ...metadata, ownerReferences } })).toMatchObject({
    type: "replica_set",
    ownerKind: "ReplicaSet",
    ownerName: "big",
  });
});

test("a name with a slash is no name, and a prototype is no label", () => {
  const run = new NormalizeRun();
  const attributes = attributesOf("services");
  expect(seen([{ body: { metadata: { name: "a/b" } }, attributes }], run)).toEqual([]);
  const labels = JSON.parse('{"__proto__":"a"}') as Record<string, string>;
  const service = readOne("services", { metadata: { name: "x", labels } });
  expect(compact(service)).toMatchObject({ name: "x" });
  expect(service.type === "service" && Object.keys(service.labels)).toEqual(["__proto__"]);
});
