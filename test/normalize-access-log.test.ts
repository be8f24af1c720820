/** Access-log lines to legs: sides, who wrote them, denials and TLS, one case per trap. */
import { expect, test } from "vitest";
import type { ProxyLeg } from "../src/model/observations.ts";
import { NormalizeRun } from "./support/normalize-run.ts";
import { logsRequest, type Attributes } from "./support/otlp-build.ts";

const ordinary: Attributes = {
  start_time: "2026-11-21T07:31:02.943Z",
  method: "GET",
  protocol: "HTTP/1.1",
  response_code: "200",
  upstream_cluster: "inbound|9080||",
  upstream_local_address: "127.0.0.6:50942",
  upstream_host: "10.1.0.52:9080",
  downstream_local_address: "10.1.0.52:9080",
  downstream_remote_address: "10.1.0.51:38072",
};

function legOf(labels: Attributes, resource: Attributes = {}): ProxyLeg | undefined {
  const body = logsRequest({ resource }, [{ attributes: { ...ordinary, ...labels } }]);
  const [leg] = new NormalizeRun().push("logs", body).observations;
  return leg?.kind === "proxy_leg" ? leg : undefined;
}

function check(labels: Attributes, expected: object, resource?: Attributes): void {
  expect(legOf(labels, resource)).toMatchObject(expected);
}

const none = { upstream_cluster: "-", upstream_local_address: "-", upstream_host: "-" };
const own = "outbound_.9080_._.reviews.bookinfo.svc.cluster.local";

test("the side of a line", () => {
  const cases: [Attributes, string][] = [
    [{}, "inbound"],
    [{ upstream_cluster: "outbound|9080||reviews.bookinfo.svc.cluster.local" }, "outbound"],
    [{ upstream_cluster: "InboundPassthroughCluster" }, "inbound"],
    [{ upstream_cluster: "BlackHoleCluster" }, "outbound"],
    [{ ...none, requested_server_name: own }, "inbound"],
    [{ ...none, upstream_local_address: "127.0.0.6:1" }, "inbound"],
    [{ ...none, requested_server_name: "example.com" }, "unknown"],
    [{ upstream_cluster: "prometheus_stats", upstream_local_address: "10.1.0.52:1" }, "unknown"],
  ];
  for (const [labels, side] of cases) check(labels, { side });
});

test("whose proxy wrote the line", () => {
  const node_name = "sidecar~10.1.0.52~r-1.bookinfo~bookinfo.svc.cluster.local";
  const k8s = {
    "k8s.pod.name": "r-2",
    "k8s.namespace.name": "ns",
    "k8s.pod.uid": "u",
    "k8s.pod.ip": "10.1.0.52",
  };
  const source = (key: string) => ({ source: { kind: "proxy", key } });
  const named = { pod: "r-1", namespace: "bookinfo", address: "10.1.0.52" };
  check({}, { pod: named, ...source("lab/bookinfo/r-1") }, { node_name });
  check({ pod: "r-1", namespace: "bookinfo" }, { pod: named, ...source("lab/bookinfo/r-1") });
  check(
    {},
    { pod: { pod: "r-2", podUid: "u", address: "10.1.0.52" }, ...source("lab/ns/r-2") },
    k8s,
  );
  check({}, { pod: { pod: "", address: "10.1.0.52" }, ...source("lab//10.1.0.52") });
  const agent = { ...k8s, "k8s.pod.ip": "10.1.0.200" };
  check(
    {},
    { pod: { pod: "", podUid: "", address: "10.1.0.52" }, ...source("lab//10.1.0.52") },
    agent,
  );
  check({ cluster: "east" }, { cluster: "east", ...source("east//10.1.0.52") });
  const virtual = { upstream_cluster: "inbound-vip|80|http|a.b.svc.cluster.local" };
  check(virtual, { side: "inbound", service: "a", pod: { address: "" }, ...source("lab//") });
  check({ ...none, requested_server_name: "-" }, { pod: { address: "" }, ...source("lab//") });
});

test("a denial is told by who denied, not by the code", () => {
  const cases: [Attributes, boolean, boolean][] = [
    [{ response_code: "403", response_code_details: "via_upstream" }, false, false],
    [
      { response_code: 403, response_code_details: "rbac_access_denied_matched_policy[x]" },
      false,
      true,
    ],
    [{ response_code: "403", response_flags: "UAEX" }, false, true],
    [
      { method: "-", response_code: "0", connection_termination_details: "rbac_access_denied" },
      false,
      true,
    ],
    [{ response_code: 503.0, response_flags: "UH" }, true, false],
    [{ response_code: "0", response_flags: "DC" }, false, false],
    [{ response_code: "0", response_flags: "UF" }, true, false],
  ];
  for (const [labels, isError, isDenied] of cases) check(labels, { isError, isDenied });
});

test("a variant without TLS fields does not show that there was none", () => {
  check({}, { showsTls: false, serverName: "", peerPrincipal: "" });
  check({ requested_server_name: "-" }, { showsTls: true, serverName: "" });
  check({ downstream_peer_uri_san: "spiffe://x" }, { showsTls: true, peerPrincipal: "spiffe://x" });
});

test("connections and requests, and a waypoint's inner address", () => {
  check({}, { isConnection: false, protocol: "http", servicePort: 9080 });
  check({ method: "-", protocol: "-" }, { isConnection: true, protocol: "tcp" });
  const upstream_host = "envoy://connect_originate/10.0.0.1:80";
  const host = { upstreamHostIp: "10.0.0.1", upstreamHostPort: 80 };
  check({ upstream_host }, { ...host, tunnelled: true });
  expect(legOf({})).not.toHaveProperty("tunnelled");
});

test("a waypoint says so by its node id, or by clusters that only it has", () => {
  const writer = "waypoint";
  check({ upstream_cluster: "inbound-vip|80|http|a.b.svc.cluster.local" }, { writer });
  const node_name = "waypoint~10.1.0.80~w-1.bookinfo~bookinfo.svc.cluster.local";
  check({}, { writer, pod: { pod: "w-1" } }, { node_name });
  for (const upstream_cluster of ["inbound|80||", "outbound|80||a.b.svc.cluster.local"]) {
    expect(legOf({ upstream_cluster })).not.toHaveProperty("writer");
  }
});

test("the same line has one id, other lines have others", () => {
  const id = (labels: Attributes) => legOf(labels)?.lineId;
  expect(id({ pod: "x", response_code: 200, duration: "5" })).toBe(id({}));
  const others: Attributes[] = [
    { start_time: "2026-11-21T07:31:02.944Z" },
    { request_id: "r-2" },
    { downstream_remote_address: "10.1.0.51:38073" },
    { upstream_local_address: "127.0.0.6:50943" },
  ];
  expect(new Set(others.map(id).concat(id({}))).size).toBe(5);
});
