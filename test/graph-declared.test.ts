/**
 * What is declared, as rules see it: workloads, namespaces, clusters and policies, told when something
 * about them is different and only then, the same in every order and after a restart.
 */
import { expect, test } from "vitest";
import type { GraphChange } from "../src/model/changes.ts";
import { entityTraits, type Entity, type EntityType } from "../src/model/entities.ts";
import type { Observation, PodObject } from "../src/model/observations.ts";
import {
  appSelector,
  declaredSeen,
  makeAuthorizationPolicy,
  makeController,
  makeMeshConfig,
  makeNamespace,
  makeNetworkPolicy,
  makeNode,
  makePeerAuthentication,
  makeRouting,
  makeServiceAccount,
} from "./support/declared-objects.ts";
import {
  atSecond,
  makeContainer,
  makeFlow,
  makePod,
  podSeen,
} from "./support/graph-observations.ts";
import { GraphWorld } from "./support/graph-world.ts";

const proxy = makeContainer({
  name: "istio-proxy",
  image: "docker.io/istio/proxyv2:1.28.0",
  runAsUser: 1337,
  runAsGroup: 1337,
});
const init = makeContainer({ name: "istio-init", init: true });

/** A pod of the deployment `app`, labelled so. */
function pod(app: string, index: number, parts: Partial<PodObject> = {}): PodObject {
  return makePod({
    name: `${app}-6d4b75cb9d-x7k2${index}`,
    ips: [`10.244.1.${index}`],
    labels: { app, "pod-template-hash": "6d4b75cb9d" },
    ownerKind: "ReplicaSet",
    ownerName: `${app}-6d4b75cb9d`,
    serviceAccount: app,
    containers: [init, makeContainer(), proxy],
    startUs: atSecond(-3_600),
    ...parts,
  });
}

type Told = { readonly [T in EntityType]?: ReadonlyMap<string, Entity<T>> };

/** What rules know at the end. */
function toldOf<T extends EntityType>(world: GraphWorld, type: T): Map<string, Entity<T>> {
  const known = new Map<string, Entity<T>>();
  for (const change of world.changes) {
    if (change.kind === "entity" && change.type === type) {
      known.set(change.id, change.entity as Entity<T>); // of that type
    }
    if (change.kind === "gone" && change.type === type) known.delete(change.id);
  }
  return known;
}

const types: readonly (keyof Told)[] = ["workload", "namespace", "cluster", "policy"];

function everything(world: GraphWorld): unknown {
  world.flush();
  return types.map((type) => [...toldOf(world, type)].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function worldOf(...observations: Observation[]): GraphWorld {
  const world = new GraphWorld();
  world.observe(...observations);
  world.flush();
  return world;
}

function changesOf(world: GraphWorld, act: () => void): GraphChange[] {
  const before = world.changes.length;
  act();
  world.flush();
  return world.changes
    .slice(before)
    .filter((change) => "type" in change && types.includes(change.type));
}

const mesh: readonly Observation[] = [
  declaredSeen(0, makeMeshConfig()),
  declaredSeen(0, makeNamespace("shop", { "istio-injection": "enabled" })),
  declaredSeen(0, makeNamespace("istio-system")),
  declaredSeen(0, makePeerAuthentication("istio-system", "strict")),
  podSeen(0, pod("web", 1)),
  podSeen(0, pod("cart", 2)),
];

test("a pod is given a token as it says itself, else as its account says, else it is", () => {
  const asks = { automountToken: true, automountSet: true } as const;
  const refuses = { automountToken: false, automountSet: true } as const;
  const world = worldOf(
    podSeen(0, pod("web", 1)),
    podSeen(0, pod("asks", 2, { ...asks, serviceAccount: "web" })),
    podSeen(0, pod("refuses", 3, refuses)),
    podSeen(0, pod("other", 4)),
    podSeen(0, pod("unnamed", 5, { serviceAccount: "" })),
  );
  const given = (): string[] =>
    [...toldOf(world, "workload")]
      .filter(([, entity]) => entity.automount_service_account_token)
      .map(([id]) => id.slice("lab/shop/".length))
      .toSorted();
  const tell = (second: number, name: string, hasToken: boolean, event?: "deleted"): string[] => {
    world.observe(declaredSeen(second, makeServiceAccount("shop", name, hasToken), event));
    world.flush();
    return given();
  };
  expect(given()).toEqual(["asks", "other", "unnamed", "web"]);
  expect(tell(1, "web", false)).toEqual(["asks", "other", "unnamed"]);
  expect(tell(2, "default", false)).toEqual(["asks", "other"]);
  world.commit();
  world.restart();
  expect(given()).toEqual(["asks", "other"]);
  expect(tell(3, "web", true)).toEqual(["asks", "other", "web"]);
  expect(tell(4, "default", false, "deleted")).toEqual(["asks", "other", "unnamed", "web"]);
});

test("Istio's and the Gateway API's objects are policies, with whom they select and which hosts they name", () => {
  const filter = makeRouting("shop", "envoy_filter", { selector: appSelector("web") });
  const route = makeRouting("shop", "virtual_service", { hosts: ["cart"], exportedTo: ["."] });
  const telemetry = makeRouting("istio-system", "telemetry", { selector: appSelector("cart") });
  const world = worldOf(...mesh, ...[filter, route, telemetry].map((one) => declaredSeen(0, one)));
  const policies = (): unknown[] =>
    [...toldOf(world, "policy").values()]
      .filter(({ kind }) => kind !== "PeerAuthentication")
      .map(({ kind, matches_workloads, hosts, exported_to }) => [
        kind,
        matches_workloads,
        hosts,
        exported_to,
      ])
      .toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1));
  const others = [
    ["Telemetry", 1, [], []],
    ["VirtualService", 0, ["cart"], ["."]],
  ];
  expect(policies()).toEqual([["EnvoyFilter", 1, [], []], ...others]);
  // It is attached to something else from now on.
  world.observe(declaredSeen(1, { ...filter, selector: null }, "modified"));
  world.flush();
  expect(policies()).toEqual([["EnvoyFilter", 0, [], []], ...others]);
  world.observe(declaredSeen(2, { ...filter, selector: null }, "deleted"));
  world.flush();
  expect(policies()).toEqual(others);
});

test("a spec that was too long to be kept says so", () => {
  const route = makeRouting("shop", "virtual_service", { spec: {}, specCut: true });
  const world = worldOf(declaredSeen(0, route));
  const told = world.changes.find((one) => one.kind === "entity" && one.type === "policy");
  expect(told?.kind === "entity" && told.evidence[0]?.text).toBe(
    "virtual service shop/default is declared, in a specification too long to be kept",
  );
});

test("a pod is of whom its ReplicaSet's object names, whichever comes first", () => {
  const owner = makeController("shop", "web-6d4b75cb9d", "Rollout", "front");
  const told = [podSeen(0, pod("web", 1)), declaredSeen(0, owner)];
  for (const observations of [told, told.toReversed()]) {
    const world = new GraphWorld();
    for (const one of observations) {
      world.observe(one);
      world.flush();
    }
    const workloads = [...toldOf(world, "workload").values()].map(({ self }) => self);
    expect(workloads).toMatchObject([{ name: "front", kind: "Rollout", mode: "sidecar" }]);
  }
});

test("a Node's addresses are the machine's, also of what was seen before it was told", () => {
  const call = makeFlow(1, { srcIp: "192.0.2.7", dstIp: "10.244.1.1" });
  const told = [call, declaredSeen(0, makeNode("node-7", ["192.0.2.7"]))];
  for (const observations of [told, told.toReversed()]) {
    const world = worldOf(podSeen(0, pod("web", 1)));
    for (const one of observations) {
      world.observe(one);
      world.flush();
    }
    const callers = [...toldOf(world, "edge").values()].map(({ src }) => src);
    expect(callers).toMatchObject([{ kind: "host", name: "node-7" }]);
  }
});

test("a workload is told with what its pods and the policies for it declare", () => {
  const world = worldOf(
    ...mesh,
    declaredSeen(0, makeAuthorizationPolicy("shop", "cart", { selector: appSelector("cart") })),
    declaredSeen(0, makeAuthorizationPolicy("istio-system", "everywhere")),
    declaredSeen(0, makeNetworkPolicy("shop", "default-deny", { isEgress: true })),
    declaredSeen(
      0,
      makePeerAuthentication("shop", "permissive", { name: "web", selector: appSelector("web") }),
    ),
  );
  const workloads = toldOf(world, "workload");
  expect([...workloads.keys()]).toEqual(["lab/shop/web", "lab/shop/cart"]);
  expect(workloads.get("lab/shop/cart")).toMatchObject({
    self: { namespace: "shop", name: "cart", mode: "sidecar" },
    pods: 1,
    injected: true,
    injection_declared: true,
    proxy_image: "docker.io/istio/proxyv2:1.28.0",
    declared_mode: "strict",
    authorization_policies: ["istio-system/everywhere", "shop/cart"],
    network_policies: ["shop/default-deny"],
    coverage: { objects: "live", flows: "never" },
  });
  expect(workloads.get("lab/shop/web")).toMatchObject({
    declared_mode: "permissive",
    authorization_policies: ["istio-system/everywhere"],
  });
  expect(toldOf(world, "namespace").get("lab/shop")).toMatchObject({
    name: "shop",
    injection: "enabled",
    default_deny_ingress: true,
    default_deny_egress: true,
    declared_mode: "strict",
    workloads: 2,
    meshed_workloads: 2,
    workloads_without_policy: [],
  });
  expect(toldOf(world, "cluster").get("lab")).toMatchObject({
    declared_mode: "strict",
    outbound_mode: "allow_any",
    trust_domains: ["cluster.local"],
    strict_anywhere: true,
    identity_policies: 0,
  });
  const matches = [...toldOf(world, "policy").values()].map(
    ({ kind, namespace, name, matches_workloads }) =>
      `${kind} ${namespace}/${name} ${matches_workloads}`,
  );
  expect(matches.toSorted()).toEqual([
    "AuthorizationPolicy istio-system/everywhere 2",
    "AuthorizationPolicy shop/cart 1",
    "NetworkPolicy shop/default-deny 2",
    "PeerAuthentication istio-system/default 2",
    "PeerAuthentication shop/web 1",
  ]);
});

test("the pods of a workload are united: the one that differs is not hidden by its siblings", () => {
  const plain = pod("web", 1);
  const shell = makeContainer({ name: "shell", runAsUser: 1337, ephemeral: true });
  const odd = pod("web", 2, {
    startUs: atSecond(-1_800),
    containers: [makeContainer(), shell],
    annotations: { "traffic.sidecar.istio.io/excludeOutboundPorts": "6379" },
    hostPid: true,
    supplementalGroups: [1337],
  });
  for (const pods of [
    [plain, odd],
    [odd, plain],
  ]) {
    const world = worldOf(...pods.map((one) => podSeen(0, one)));
    expect(toldOf(world, "workload").get("lab/shop/web")).toMatchObject({
      pods: 2,
      injected: false,
      excluded_outbound_ports: ["6379"],
      host_pid: true,
      supplemental_groups: [1337],
    });
    const names = toldOf(world, "workload")
      .get("lab/shop/web")
      ?.containers.map(({ name, run_as_user, mode }) => `${name} ${run_as_user} ${mode}`);
    expect(names?.sort()).toEqual([
      "app -1 none",
      "app -1 sidecar",
      "istio-init -1 sidecar",
      "istio-proxy 1337 sidecar",
      "shell 1337 none",
    ]);
  }
});

test("a pod that is only claimed hides nothing of those that are attested", () => {
  const attested = pod("web", 1, { hostPid: true });
  const forged = pod("web", 2, {
    startUs: atSecond(-60),
    containers: [makeContainer()],
    annotations: { "sidecar.istio.io/interceptionMode": "NONE" },
  });
  const world = worldOf(podSeen(0, attested), { ...podSeen(1, forged), trust: "claimed" });
  expect(toldOf(world, "workload").get("lab/shop/web")).toMatchObject({
    injected: true,
    host_pid: true,
    interception_mode: "",
  });
  const alone = worldOf({ ...podSeen(1, forged), trust: "claimed" });
  expect(toldOf(alone, "workload").get("lab/shop/web")).toMatchObject({
    interception_mode: "NONE",
  });
});

test("a pod that waits is not the one that is not redirected", () => {
  const redirected = { "ambient.istio.io/redirection": "enabled" };
  const redirectionOf = (...pods: PodObject[]) =>
    toldOf(worldOf(...pods.map((one) => podSeen(0, one))), "workload").get("lab/shop/web")
      ?.redirection;
  const running = pod("web", 1, { annotations: redirected, phase: "Running" });
  const waiting = pod("web", 2, { phase: "Pending" });
  const missed = pod("web", 3, { phase: "Running" });
  expect(redirectionOf(waiting)).toBe("pending");
  expect(redirectionOf(running, waiting)).toBe("enabled");
  expect(redirectionOf(running, waiting, missed)).toBe("");
});

test("a workload goes with its last pod", () => {
  const world = worldOf(...mesh, podSeen(0, pod("web", 3)));
  const ended = (index: number) => podSeen(5, pod("web", index), "deleted");
  expect(changesOf(world, () => world.observe(ended(1)))).toMatchObject([
    { kind: "entity", id: "lab/shop/web", entity: { pods: 1 } },
  ]);
  expect(changesOf(world, () => world.observe(ended(3)))).toMatchObject([
    { kind: "gone", type: "workload", id: "lab/shop/web" },
    { kind: "entity", type: "policy", entity: { matches_workloads: 1 } },
    { kind: "entity", type: "namespace", entity: { workloads: 1 } },
  ]);
});

test("a change is told of whom it concerns, and what is said again is not told again", () => {
  const world = worldOf(...mesh, podSeen(0, pod("db", 9, { namespace: "data" })));
  expect(changesOf(world, () => world.observe(...mesh))).toEqual([]);
  const policy = makePeerAuthentication("shop", "permissive");
  const told = changesOf(world, () => world.observe(declaredSeen(5, policy, "added")));
  expect(told.map((one) => ("id" in one ? one.id : ""))).toEqual([
    "lab/shop/web",
    "lab/shop/cart",
    "lab/peer_authentication/shop/default",
    "lab/shop",
  ]);
  const gone = changesOf(world, () => world.observe(declaredSeen(6, policy, "deleted")));
  expect(gone.map(({ kind }) => kind)).toEqual(["entity", "entity", "gone", "entity"]);
  expect(toldOf(world, "workload").get("lab/shop/cart")?.declared_mode).toBe("strict");
});

test("policies of one name in two clusters are two, and so are their insights", () => {
  const seen = declaredSeen(1, makePeerAuthentication("shop", "permissive"));
  const world = worldOf(seen, { ...seen, cluster: "other" });
  const fields = entityTraits.policy.key.map((path) => path.replace(/^policy\./, ""));
  const keys = [...toldOf(world, "policy").values()].map((policy) =>
    fields.map((field) => String(Reflect.get(policy, field))).join(),
  );
  expect(new Set(keys).size).toBe(2);
});

test("workloads that no policy selects are listed, those that one may select are not", () => {
  const world = worldOf(
    ...mesh,
    declaredSeen(0, makeAuthorizationPolicy("shop", "cart", { selector: appSelector("cart") })),
  );
  const without = () => toldOf(world, "namespace").get("lab/shop")?.workloads_without_policy;
  expect(without()).toEqual(["web"]);
  const attached = makeAuthorizationPolicy("shop", "waypoint", { targetRefs: ["waypoint"] });
  world.observe(declaredSeen(5, attached));
  world.flush();
  expect(without()).toEqual([]);
});

test("nothing is known of the mesh's mode while nobody tells of the mesh", () => {
  const world = worldOf(podSeen(0, pod("web", 1)));
  expect(toldOf(world, "workload").get("lab/shop/web")?.declared_mode).toBe("unknown");
  expect(toldOf(world, "cluster").size).toBe(0);
  world.observe(declaredSeen(1, makeMeshConfig()));
  world.flush();
  expect(toldOf(world, "workload").get("lab/shop/web")?.declared_mode).toBe("unset");
  expect(toldOf(world, "cluster").get("lab")?.declared_mode).toBe("unset");
});

test("what was told while the object feed was silent is told again, judged, when it speaks", () => {
  const world = worldOf(...mesh);
  world.pass(2_200);
  world.flush();
  const last = () =>
    world.changes.findLast((one) => one.kind === "entity" && one.id === "lab/shop/cart");
  expect(last()).toMatchObject({ judged: false, observers: [{ kind: "objects", key: "lab" }] });
  world.observe(podSeen(2_201, pod("web", 1)));
  world.flush();
  expect(last()).toMatchObject({ judged: true });
});

test("any order of what was said gives the same", () => {
  const words = [
    ...mesh,
    podSeen(2, pod("cart", 2, { annotations: { "sidecar.istio.io/interceptionMode": "NONE" } })),
    declaredSeen(3, makeAuthorizationPolicy("shop", "cart", { selector: appSelector("cart") })),
    declaredSeen(4, makePeerAuthentication("shop", "disable"), "added"),
    declaredSeen(5, makePeerAuthentication("shop", "disable"), "deleted"),
    podSeen(6, pod("web", 1), "deleted"),
    podSeen(6, pod("cart", 4)),
  ];
  const expected = everything(worldOf(...words));
  for (let turn = 1; turn < words.length; turn++) {
    const turned = [...words.slice(turn), ...words.slice(0, turn)];
    for (const order of [turned, turned.toReversed()]) {
      const world = new GraphWorld();
      for (const word of order) {
        world.observe(word);
        world.flush();
      }
      expect(everything(world)).toEqual(expected);
    }
  }
});

test("after a restart everything is told again as it was, and what ended is gone", () => {
  const world = worldOf(...mesh, declaredSeen(0, makeNetworkPolicy("shop", "old")));
  const before = everything(world);
  world.commit();
  world.changes.length = 0;
  world.restart();
  expect(everything(world)).toEqual(before);
  world.observe(podSeen(5, pod("web", 1), "deleted"));
  world.observe(declaredSeen(5, makeNetworkPolicy("shop", "old"), "deleted"));
  world.commit();
  world.changes.length = 0;
  world.restart();
  const gone = world.changes.flatMap((one) => (one.kind === "gone" ? [one.id] : []));
  expect(gone.toSorted()).toEqual(["lab/network_policy/shop/old", "lab/shop/web"]);
  expect([...toldOf(world, "workload").keys()]).toEqual(["lab/shop/cart"]);
});
