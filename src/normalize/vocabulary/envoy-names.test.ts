import { expect, test } from "vitest";
import { isDenial, isFailure, parseNodeId, parseUpstreamCluster } from "./envoy-names.ts";
import { withoutInternalAddress } from "./envoy-names.ts";

test("node ids", () => {
  const cases: [string, string][] = [
    [
      "sidecar~10.1.0.51~a-b-1.bookinfo~bookinfo.svc.cluster.local",
      "sidecar 10.1.0.51 a-b-1 bookinfo",
    ],
    ["router~fd00::1~gw.v2-0.istio-system~x", "router fd00::1 gw.v2-0 istio-system"],
    ["waypoint~nonsense~w.ns~x", "waypoint  w ns"],
    ["sidecar~10.1.0.51~noNamespace~x", "   "],
    ["sidecar~10.1.0.51~a.b", "   "],
    ["~~~", "   "],
    ["", "   "],
  ];
  for (const [text, expected] of cases) {
    const { role, address, pod, namespace } = parseNodeId(text);
    expect(`${role} ${address} ${pod} ${namespace}`).toBe(expected);
  }
});

test("upstream clusters", () => {
  const cases: [string, string][] = [
    [
      "outbound|9080|v1|reviews.bookinfo.svc.cluster.local",
      "outbound declared 9080 reviews/bookinfo",
    ],
    ["outbound|443||api.example.com", "outbound declared 443 api.example.com/"],
    ["inbound|9080||", "inbound declared 9080 /"],
    ["inbound-vip|80|http|a.b.svc.cluster.local", "inbound declared 80 a/b"],
    ["PassthroughCluster", "outbound passthrough 0 /"],
    ["PassthroughCluster;", "outbound passthrough 0 /"],
    ["outbound|443||api.example.com;", "outbound declared 443 api.example.com/"],
    ["inbound|9080||;", "inbound declared 9080 /"],
    [";", "unknown unknown 0 /"],
    ["BlackHoleCluster", "outbound blackhole 0 /"],
    ["InboundPassthroughClusterIpv6", "inbound inbound_passthrough 0 /"],
    ["outbound|99999||x", "outbound declared 0 x/"],
    ["xds-grpc", "unknown unknown 0 /"],
    ["__proto__|1", "unknown unknown 1 /"],
    ["", "unknown unknown 0 /"],
    ["||||||", "unknown unknown 0 /"],
  ];
  for (const [text, expected] of cases) {
    const { direction, route, port, service } = parseUpstreamCluster(text);
    expect(`${direction} ${route} ${port} ${service.service}/${service.namespace}`).toBe(expected);
  }
});

test("response flags", () => {
  const cases: [string, boolean, boolean][] = [
    ["", false, false],
    ["DC", false, false],
    ["UF,URX", true, false],
    ["DC,UF", true, false],
    ["UAEX", false, true],
    ["DENY", false, true],
    ["TLS_FAILURE", true, false],
  ];
  for (const [flags, failure, denial] of cases) {
    expect([flags, isFailure(flags), isDenial(flags)]).toEqual([flags, failure, denial]);
  }
});

test("a waypoint's inner upstream address", () => {
  expect(withoutInternalAddress("envoy://connect_originate/10.0.0.1:80")).toBe("10.0.0.1:80");
  expect(withoutInternalAddress("10.0.0.1:80")).toBe("10.0.0.1:80");
});
