/** Defence in depth, from facts and insights. */
import { expect, test } from "vitest";
import { makeRuleMeta } from "../../test/support/rule-meta.ts";
import { makeInsight, type Insight } from "../insights/insight.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import type { InsightState } from "../model/insights.ts";
import { layerInsightsMax, type LayerName } from "../model/layers.ts";
import type { CounterSample } from "../model/stages.ts";
import { layerCounters, layersOf } from "./layers.ts";

type Namespace = Entity<"namespace">;

const kinds = ["authorizationpolicies", "meshconfig", "networkpolicies", "peerauthentications"];
const everybody = { proxy_metrics: "live", flows: "live", objects: "live" };
/** Everything is declared and heard. */
const closed = {
  name: "shop",
  cluster: "lab",
  declared: true,
  told_kinds: kinds,
  injection: "enabled",
  workloads: 2,
  meshed_workloads: 2,
  network_policies: ["shop/default-deny"],
  default_deny_ingress: true,
  default_deny_egress: true,
  pod_security_enforce: "restricted",
  declared_mode: "strict",
  authorization_policies: ["shop/allow-nothing"],
  coverage: everybody,
} as const;

function namespace(parts: Partial<Namespace> = {}, judged = true) {
  return { entity: { ...makeEntity("namespace"), ...closed, ...parts }, judged };
}

/** Layer to status. */
function statuses(parts: Partial<Namespace>, judged = true, insights: readonly Insight[] = []) {
  const [one] = layersOf([namespace(parts, judged)], insights);
  return Object.fromEntries(one?.layers.map(({ layer, status }) => [layer, status]) ?? []);
}

interface Open {
  readonly id?: string;
  readonly layer?: LayerName | "";
  readonly state?: InsightState;
  readonly namespace?: string;
  readonly severity?: "low" | "critical";
}

function insight({ id = "one", namespace: at = "shop", state = "firing", ...rule }: Open): Insight {
  const subject = { ...makeEntity("node"), cluster: "lab", namespace: at, name: "web" };
  const match = {
    kind: "match",
    rule: makeRuleMeta({ id, ...rule }),
    entityId: "e",
    key: [id],
    atUs: 1,
    message: "",
    sample: () => "{}",
    waiver: "",
    confidence: "high",
    subject,
    peer: null,
    peerPort: 0,
    judged: true,
    evidence: [],
    observers: [],
    replaces: [],
  } as const;
  return { ...makeInsight(match, id, 1), state };
}

const ok = {
  network: "ok",
  pod_security: "ok",
  authentication_authorisation: "ok",
  monitoring: "ok",
};
const unknown = {
  network: "unknown",
  pod_security: "unknown",
  authentication_authorisation: "unknown",
  monitoring: "unknown",
};

test("everything that is asked for is declared and heard", () => {
  expect(statuses({})).toEqual(ok);
});

test("a namespace without telemetry is unknown in every layer", () => {
  expect(statuses({ coverage: {} }, false)).toEqual(unknown);
  const silent = { proxy_metrics: "silent", flows: "silent", objects: "silent" };
  expect(statuses({ coverage: silent })).toEqual(unknown);
});

test.each<[string, Partial<Namespace>, Partial<Record<LayerName, string>>]>([
  ["no policy", { network_policies: [] }, { network: "missing" }],
  ["one open direction", { default_deny_egress: false }, { network: "weak" }],
  [
    "no policy, and nobody says that any would be told of",
    { network_policies: [], told_kinds: [] },
    { network: "unknown", authentication_authorisation: "unknown" },
  ],
  [
    "a standard that refuses nothing",
    { pod_security_enforce: "privileged" },
    { pod_security: "missing" },
  ],
  ["no standard", { pod_security_enforce: "" }, { pod_security: "missing" }],
  [
    "labels that nobody told of",
    { pod_security_enforce: "", declared: false },
    { pod_security: "unknown" },
  ],
  [
    "plaintext beside policies",
    { declared_mode: "permissive" },
    { authentication_authorisation: "weak" },
  ],
  [
    "strict mutual TLS, and a workload without a policy",
    { workloads_without_policy: ["web"] },
    { authentication_authorisation: "weak" },
  ],
  [
    "plaintext, and no policy",
    {
      declared_mode: "unset",
      authorization_policies: [],
      workloads_without_policy: ["cart", "web"],
    },
    { authentication_authorisation: "missing" },
  ],
  [
    "a mode that is not known",
    { declared_mode: "unknown" },
    { authentication_authorisation: "unknown" },
  ],
  ["proxies alone", { coverage: { proxy_logs: "live", objects: "live" } }, { monitoring: "weak" }],
  ["node agents alone", { coverage: { sockets: "live", objects: "live" } }, { monitoring: "weak" }],
  ["objects alone", { coverage: { objects: "live" } }, { monitoring: "missing" }],
])("%s", (_name, parts, expected) => {
  expect(statuses(parts)).toEqual({ ...ok, ...expected });
});

test("an open insight makes its layer weak, one that nobody can judge makes it unknown", () => {
  const layer = "pod_security";
  expect(statuses({}, true, [insight({ layer })])).toEqual({ ...ok, pod_security: "weak" });
  const blind = insight({ layer, state: "unknown" });
  expect(statuses({}, true, [blind])).toEqual({ ...ok, pod_security: "unknown" });
  expect(statuses({ pod_security_enforce: "" }, true, [blind]).pod_security).toBe("missing");
  for (const other of [
    insight({ layer, state: "pending" }),
    insight({ layer, state: "resolved" }),
    insight({ layer, namespace: "books" }),
    insight({ layer, namespace: "" }),
    insight({ layer: "" }),
  ]) {
    expect(statuses({}, true, [other])).toEqual(ok);
  }
});

test("insights are listed, the gravest first, and counted beyond those that are", () => {
  const low = Array.from({ length: layerInsightsMax + 5 }, (_, index) =>
    insight({ id: `low-${index}`, layer: "network", severity: "low" }),
  );
  const grave = insight({ id: "grave", layer: "network", severity: "critical" });
  const [shop] = layersOf([namespace()], [...low, grave]);
  const network = shop?.layers.find(({ layer }) => layer === "network");
  expect(network?.insights[0]).toMatchObject({ rule: "grave", workload: "web", state: "firing" });
  expect(network?.insights).toHaveLength(layerInsightsMax);
  expect(network).toMatchObject({ status: "weak", insights_total: low.length + 1 });
  expect(network?.why).toBe(
    `both directions are denied by default; ${low.length + 1} open insights`,
  );
});

test("namespaces outside the mesh are left out, those of one name are counted together", () => {
  const told = [
    namespace({ cluster: "west", network_policies: [] }),
    namespace(),
    namespace({ name: "legacy", injection: "", meshed_workloads: 0 }),
    namespace({ name: "off", injection: "disabled", meshed_workloads: 0 }),
    namespace({ name: "ambient", injection: "", dataplane_mode: "ambient", meshed_workloads: 0 }),
  ];
  const layers = layersOf(told, []);
  expect(layers.map((one) => `${one.cluster}/${one.namespace}`)).toEqual([
    "lab/ambient",
    "lab/shop",
    "west/shop",
  ]);
  const samples: CounterSample[] = [];
  layerCounters(samples, layers);
  const of = (layer: string, status: string) =>
    samples.find(
      ({ labels }) =>
        labels["namespace"] === "shop" && labels["layer"] === layer && labels["status"] === status,
    )?.value;
  expect([of("network", "ok"), of("network", "missing"), of("pod_security", "ok")]).toEqual([
    1, 1, 2,
  ]);
});
