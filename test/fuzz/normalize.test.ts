/** Whatever a decoded request holds, normalising it throws nothing and tells only what can be stored. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { ObservationBatch } from "../../src/model/observations.ts";
import { parseAccessLogText } from "../../src/normalize/vocabulary/access-log-text.ts";
import { parseNodeId, parseUpstreamCluster } from "../../src/normalize/vocabulary/envoy-names.ts";
import { NormalizeRun } from "../support/normalize-run.ts";
import { requestArbitrary } from "../support/otlp-arbitrary.ts";
import { logsRequest, metricsRequest, keyValues, tracesRequest } from "../support/otlp-build.ts";

const signals = ["metrics", "traces", "logs"] as const;

/** No NaN, no infinity, no undefined anywhere in what the graph and the store will hold. */
function expectStorable(value: unknown): void {
  if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
  else if (typeof value === "object" && value !== null)
    Object.values(value).forEach(expectStorable);
  else expect(["string", "boolean"]).toContain(typeof value);
}

function expectSound(batch: ObservationBatch): void {
  expectStorable(batch.observations);
  expectStorable(batch.series);
  expectStorable(batch.samples);
}

test("requests of every shape", () => {
  for (const signal of signals) {
    const run = new NormalizeRun();
    fc.assert(
      fc.property(requestArbitrary(signal), (body) => expectSound(run.push(signal, body))),
      { numRuns: 200 },
    );
  }
});

const json = fc.jsonValue({ maxDepth: 4 });
const names = fc.constantFrom(
  "process_exec",
  "process_kprobe",
  "process",
  "pod",
  "container",
  "args",
  "sock_arg",
  "daddr",
  "metadata",
  "spec",
  "status",
  "containers",
  "securityContext",
  "kind",
  "name",
  "data",
  "mesh",
  "values",
  "ports",
  "endpoints",
  "addresses",
  "rules",
  "from",
  "source",
  "mtls",
  "portLevelMtls",
  "podSelector",
  "extensionProviders",
  "labels",
  "type",
  "object",
  "upstream_cluster",
  "downstream_remote_address",
  "downstream_local_address",
  "start_time",
  "k8s.resource.name",
  "flow.type",
  "source.address",
  "destination.address",
  "flow.end",
  "time",
  "node_id",
  "upstream_cluster.name",
  "peer.address",
  "http.status_code",
  "reporter",
);
const texts = fc.oneof(
  fc.string(),
  fc.constantFrom(
    "10.1.2.3:80",
    "10.1.2.3",
    "::1",
    "-",
    "tcp_connect",
    "pods",
    "ADDED",
    "Service",
    "EndpointSlice",
    "NetworkPolicy",
    "PeerAuthentication",
    "AuthorizationPolicy",
    "ConfigMap",
    "istio",
    "istio-sidecar-injector",
    "extensionProviders: [{a: {service: b, port: 1}}]",
    "__proto__",
  ),
  fc.constantFrom(
    "sidecar~10.1.0.51~a.ns~x",
    "outbound|80||a.b.svc.cluster.local",
    "2026-11-21T07:31:02Z",
  ),
);
const leaves = fc.oneof(texts, json, fc.double(), fc.integer(), fc.constant(null));
const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: "medium" },
    leaves,
    fc.dictionary(names, tie("node"), { maxKeys: 6 }),
    fc.array(tie("node"), { maxLength: 4 }),
  ),
})).node;
const attributes = fc.dictionary(fc.oneof(names, fc.string()), tree, { maxKeys: 8 });
const scopes = fc.constantFrom("", "envoy", "otelcol/netflowreceiver", "x/k8sobjectsreceiver");

test("records that almost are what a vocabulary knows", () => {
  const run = new NormalizeRun();
  const bodies = fc.oneof(
    tree,
    tree.map((value) => JSON.stringify(value) ?? ""),
    tree.map((value) => JSON.stringify({ process_kprobe: value })),
    texts.map((text) => `[${text}] "${text}`),
  );
  fc.assert(
    fc.property(scopes, bodies, attributes, attributes, (scope, body, resource, labels) => {
      const records = [{ body, attributes: labels }];
      expectSound(run.push("logs", logsRequest({ scope, resource }, records)));
      const span = { kind: 3, attributes: keyValues(labels) };
      expectSound(run.push("traces", tracesRequest({ scope, resource }, [span])));
    }),
    { numRuns: 1_500 },
  );
});

test("points whose labels are anything", () => {
  const run = new NormalizeRun();
  fc.assert(
    fc.property(attributes, fc.double(), fc.maxSafeNat(), (labels, value, time) => {
      const data_points = [
        { attributes: keyValues(labels), as_double: value, time_unix_nano: `${time}` },
      ];
      const metric = { name: "istio_requests_total", sum: { data_points } };
      expectSound(run.push("metrics", metricsRequest({ resource: labels }, [metric])));
    }),
    { numRuns: 500 },
  );
});

test("texts in place of Envoy's", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("|", "~", ".", '"', "[", "] ", "-", " ", ":", "1", "a"),
        maxLength: 200,
      }),
      (text) => {
        parseAccessLogText(text);
        parseNodeId(text);
        parseUpstreamCluster(text);
      },
    ),
    { numRuns: 5_000 },
  );
});
