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
});

test.each(["services", "endpointslices", "namespaces", "networkpolicies", "peerauthentications"])(
  "%s of any other shape read as saying nothing",
  (resource) => {
    const metadata = { name: "odd", namespace: "shop", labels: [], annotations: 7 };
    for (const part of [null, 7, "x", [], [null], { ports: 1, endpoints: "x", rules: {} }]) {
      const object = { metadata, spec: part, ports: part, endpoints: part };
      expect(readOne(resource, object)).toMatchObject({ name: "odd", namespace: "shop" });
    }
  },
);

test("a name with a slash is no name, and a prototype is no label", () => {
  const run = new NormalizeRun();
  const attributes = attributesOf("services");
  expect(seen([{ body: { metadata: { name: "a/b" } }, attributes }], run)).toEqual([]);
  const labels = JSON.parse('{"__proto__":"a"}') as Record<string, string>;
  const service = readOne("services", { metadata: { name: "x", labels } });
  expect(compact(service)).toMatchObject({ name: "x" });
  expect(service.type === "service" && Object.keys(service.labels)).toEqual(["__proto__"]);
});
