/** Spans of every writer, from OTLP bytes to halves; and what hostile ones cost. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { ObservationBatch, SpanHalf } from "../src/model/observations.ts";
import { NormalizeRun, receivedUs, toLines } from "./support/normalize-run.ts";
import { keyValues, tracesRequest, type Attributes } from "./support/otlp-build.ts";

/** One writer's spans, as `spans.json` holds them; times are milliseconds after the fixture's beginning. */
interface Form {
  readonly form: string;
  readonly resource: Attributes;
  readonly scope: string;
  readonly spans: readonly {
    readonly kind: number;
    readonly traceId: string;
    readonly spanId: string;
    readonly parentSpanId: string;
    readonly startMs: number;
    readonly lastsMs: number;
    readonly status: number;
    readonly attributes: Attributes;
  }[];
}

const file = path.join(import.meta.dirname, "fixtures/vocabulary/spans.json");
const forms = JSON.parse(readFileSync(file, "utf8")) as readonly Form[]; // of this folder
const beginNs = BigInt(receivedUs) * 1_000n - 30_000_000_000n;

function requestOf({ resource, scope, spans }: Form): Buffer {
  return tracesRequest(
    { resource, scope },
    spans.map(({ kind, traceId, spanId, parentSpanId, startMs, lastsMs, status, attributes }) => ({
      kind,
      trace_id: Buffer.from(traceId, "hex"),
      span_id: Buffer.from(spanId, "hex"),
      parent_span_id: Buffer.from(parentSpanId, "hex"),
      name: "x",
      start_time_unix_nano: String(beginNs + BigInt(startMs) * 1_000_000n),
      end_time_unix_nano: String(beginNs + BigInt(startMs + lastsMs) * 1_000_000n),
      status: { code: status },
      attributes: keyValues(attributes),
    })),
  );
}

function halvesOf(batch: ObservationBatch): SpanHalf[] {
  return batch.observations.filter((item) => item.kind === "span_half");
}

test("every form of spans", async () => {
  const run = new NormalizeRun();
  const told = forms.flatMap((form) => [
    form.form,
    ...run.push("traces", requestOf(form)).observations,
  ]);
  const golden = path.join(import.meta.dirname, "golden/normalize/spans.jsonl");
  await expect(toLines(told)).toMatchFileSnapshot(golden);
  expect(run.counts()).toMatchObject({
    "normalize_dropped_items_total sdk-spans:not_a_call": 3, // a message, within the process, localhost
    "normalize_dropped_items_total sdk-spans:missing_field": 2, // nobody's resource, a Zipkin library's
  });
});

test("only proxies live by their spans, and an application's are claimed whoever hands them on", () => {
  const run = new NormalizeRun();
  for (const form of forms) {
    const batch = run.push("traces", requestOf(form));
    const beats = batch.observations.filter(({ kind }) => kind === "heartbeat");
    for (const { proxyRole, trust } of halvesOf(batch)) {
      expect([form.form, trust]).toEqual([form.form, proxyRole === "" ? "claimed" : "attested"]);
      expect(beats.length > 0).toBe(proxyRole !== "");
    }
  }
});

test("equal words are equal objects, by which the graph knows them", () => {
  const run = new NormalizeRun();
  for (const form of forms) {
    const [first, again] = [0, 1].map(() => halvesOf(run.push("traces", requestOf(form))));
    for (const [index, half] of (first ?? []).entries()) {
      expect(again?.[index]?.self).toBe(half.self);
      expect(again?.[index]?.peer).toBe(half.peer);
      expect(again?.[index]?.caller).toBe(half.caller);
    }
  }
});

const pod = { "k8s.namespace.name": "shop", "k8s.pod.name": "web-1" };
const long = "x".repeat(100_000);

function oneHalf(attributes: Attributes, resource: Attributes = pod, kind = 3): SpanHalf[] {
  const span = { kind, name: "x", attributes: keyValues(attributes) };
  return halvesOf(new NormalizeRun().push("traces", tracesRequest({ resource }, [span])));
}

test("hosts that are none, or many things at once, name nobody", () => {
  const hosts: [string, object][] = [
    [long, {}],
    [`a.${long}.com`, {}],
    ["..", {}],
    [".svc", {}],
    ["svc.svc.svc", { service: "svc", serviceNamespace: "svc" }],
    ["a b.example.com", {}],
    ["<script>.x.y", {}],
    ["__proto__", {}],
    ["constructor", { service: "constructor", serviceNamespace: "shop" }],
    ["[::1", {}],
    ["999.1.1.1", {}],
    ["Cart.", { service: "cart", serviceNamespace: "shop" }],
    ["cart.shop", { service: "cart", serviceNamespace: "shop" }],
    ["example.com", {}],
  ];
  for (const [host, named] of hosts) {
    const [half] = oneHalf({ "server.address": host });
    const { service, serviceNamespace, address } = half?.peer ?? {};
    const expected = { service: "", serviceNamespace: "", ...named, address: "" };
    expect([host.slice(0, 20), { service, serviceNamespace, address }]).toEqual([
      host.slice(0, 20),
      expected,
    ]);
  }
});

test("addresses that are nobody's in particular are no peer", () => {
  for (const address of ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "224.0.0.1"]) {
    expect([address, oneHalf({ "server.address": address })]).toEqual([address, []]);
    const [served] = oneHalf({ "network.peer.address": address }, pod, 2);
    expect(served?.peer.address).toBe("");
  }
  const [half] = oneHalf({ "url.full": `http://[2001:db8::1]:8080/${long}` });
  expect(half?.peer.address).toBe("2001:db8::1");
});

test("ports, codes and systems of any kind are read or left out", () => {
  const cases: [Attributes, Partial<SpanHalf>][] = [
    [{ "server.port": 65_536 }, { port: 0 }],
    [{ "server.port": -1 }, { port: 0 }],
    [{ "server.port": 80.5 }, { port: 0 }],
    [{ "server.port": "8080" }, { port: 8080 }],
    [{ "server.port": [80] }, { port: 0 }],
    [{ "http.response.status_code": "599999" }, { isError: false }],
    [{ "http.response.status_code": 500 }, { isError: true }],
    [{ "http.status_code": { code: 500 } }, { isError: false }],
    [{ "rpc.grpc.status_code": 7 }, { isDenied: true, isError: false }],
    [{ "db.system": "<b>" }, { protocol: "" }],
    [{ "db.system": long }, { protocol: "" }],
  ];
  for (const [attributes, expected] of cases) {
    const [half] = oneHalf({ "server.address": "cart", ...attributes });
    expect(half).toMatchObject(expected);
  }
});

test("names of a writer are bounded, and only Kubernetes' own kind stand for a workload", () => {
  const [half] = oneHalf({ "server.address": "cart" }, { ...pod, "k8s.pod.name": long });
  expect(half?.self.pod.length).toBe(253);
  const services: [string, string, number][] = [
    ["shop", "web", 1],
    ["", "web", 0],
    ["shop", "", 0],
    ["My Shop", "web", 0],
    ["shop", "unknown_service:java", 0],
  ];
  for (const [namespace, service, count] of services) {
    const resource = { "service.namespace": namespace, "service.name": service };
    expect(oneHalf({ "server.address": "cart" }, resource)).toHaveLength(count);
  }
});
