/**
 * What is declared about the ends of an edge: the mode in force at the server's port for the traffic that
 * was seen, whose identity the caller showed, and whether its trust domain is ours.
 */
import { expect, test } from "vitest";
import type { EdgeEntity } from "../src/model/entities.ts";
import type { Observation, PodObject } from "../src/model/observations.ts";
import {
  appSelector,
  declaredSeen,
  makeMeshConfig,
  makePeerAuthentication,
} from "./support/declared-objects.ts";
import {
  atSecond,
  deployed,
  makeLeg,
  makeSamples,
  makeSeries,
  noPeer,
  podSeen,
  proxySource,
} from "./support/graph-observations.ts";
import { GraphWorld, makeBatch, testGraphOptions } from "./support/graph-world.ts";

const pod = (app: string, ip: string, parts: Partial<PodObject> = {}): Observation =>
  podSeen(
    0,
    deployed(app, ip, true, {
      labels: { app, "pod-template-hash": "6d8f5c9b7c" },
      serviceAccount: app,
      uid: `uid-${app}-${ip}`,
      ...parts,
    }),
  );
const pods = [pod("web", "10.1.0.1"), pod("cart", "10.1.0.2")];

/** The server's line of a call by web, with the caller's identity; "" = plaintext. */
const serverLine = (second: number, principal = "", port = 8080): Observation =>
  makeLeg(second, {
    side: "inbound",
    source: proxySource("cart-6d8f5c9b7c-l4q8z"),
    cluster: "lab",
    downstreamRemoteIp: "10.1.0.1",
    downstreamRemotePort: 41_000 + second,
    downstreamLocalIp: "10.1.0.2",
    downstreamLocalPort: port,
    upstreamHostIp: "10.1.0.2",
    upstreamHostPort: port,
    peerPrincipal: principal,
    serverName: "",
    lineId: `line-${second}-${principal}`,
    protocol: "http",
  });

const id = (account: string, domain = "cluster.local"): string =>
  `spiffe://${domain}/ns/shop/sa/${account}`;

function edgeOf(world: GraphWorld): EdgeEntity {
  world.flush();
  const edges = [...world.edges.values()].map(({ entity }) => entity);
  const edge = edges.find(({ dst, src }) => dst.name === "cart" && src.name === "web");
  if (!edge) throw new Error("the rules were not told of the edge");
  return edge;
}

/** The same in the order given, in reverse, and one at a time. */
function everyOrder(words: readonly Observation[], options = testGraphOptions): EdgeEntity[] {
  const orders = [words, words.toReversed(), [...words.slice(2), ...words.slice(0, 2)]];
  return orders.flatMap((order) => {
    const [together, apart] = [new GraphWorld(options), new GraphWorld(options)];
    together.observe(...order);
    for (const word of order) {
      apart.observe(word);
      apart.flush();
    }
    return [edgeOf(together), edgeOf(apart)];
  });
}

test("the mode in force at a server is that of the port", () => {
  const policy = makePeerAuthentication("shop", "strict", {
    selector: appSelector("cart"),
    portModes: { "8080": "disable" },
  });
  const at = (port: number) =>
    everyOrder([...pods, declaredSeen(0, policy), serverLine(1, id("web"), port)]).map(
      ({ declared_mode }) => declared_mode,
    );
  expect(new Set(at(8080))).toEqual(new Set(["disable"]));
  expect(new Set(at(9090))).toEqual(new Set(["strict"]));
});

test("a change of the policy is told of the edges that it concerns", () => {
  const world = new GraphWorld();
  world.observe(...pods, serverLine(1, id("web")));
  expect(edgeOf(world).declared_mode).toBe("unknown");
  world.observe(declaredSeen(2, makePeerAuthentication("shop", "strict")));
  expect(edgeOf(world).declared_mode).toBe("strict");
  world.commit();
  world.restart();
  expect(edgeOf(world).declared_mode).toBe("strict");
});

test("an account that the workload has had is its own, also when its node shows another", () => {
  const moved = pod("web", "10.1.0.3", { name: "web-6d8f5c9b7c-abcde", serviceAccount: "alpha" });
  for (const account of ["web", "alpha"]) {
    for (const edge of everyOrder([...pods, moved, serverLine(1, id(account))])) {
      expect([edge.src_principal, edge.src.service_account]).toEqual([id(account), account]);
    }
  }
});

test("of several identities the one that is not the source's own is shown", () => {
  const words = [...pods, serverLine(1, id("web")), serverLine(2, id("zoo"))];
  for (const edge of everyOrder(words)) expect(edge.src_principal).toBe(id("zoo"));
});

test("the identity of a gateway in between says nothing of the source", () => {
  const gateway = pod("gateway", "10.1.0.9", {
    containers: [],
    labels: { "gateway.istio.io/managed": "istio.io-gateway-controller" },
  });
  for (const edge of everyOrder([...pods, gateway, serverLine(1, id("gateway"))])) {
    expect(edge.src_principal).toBe("");
  }
});

test("an identity that a source showed elsewhere is said of no other edge", () => {
  const world = new GraphWorld();
  world.observe(...pods, serverLine(1));
  const src = {
    ...noPeer,
    cluster: "lab",
    namespace: "shop",
    workload: "web",
    principal: id("zoo"),
  };
  const samples = makeSamples([
    { series: 1, timeUs: atSecond(2), value: 1 },
    { series: 1, timeUs: atSecond(12), value: 5 },
  ]);
  world.push(makeBatch(atSecond(12), [], { series: [makeSeries(1, { src })], samples }));
  expect(edgeOf(world).src.principal).toBe(id("zoo"));
  expect(edgeOf(world).src_principal).toBe("");
});

test("a trust domain is foreign when neither the configuration nor the mesh names it", () => {
  const config = declaredSeen(
    0,
    makeMeshConfig({ trustDomains: ["cluster.local", "old.example"] }),
  );
  const foreign = (words: readonly Observation[], trustDomains: readonly string[] = []) => {
    const { identity, ...rest } = testGraphOptions;
    const edges = everyOrder(words, { ...rest, identity: { ...identity, trustDomains } });
    return new Set(edges.map(({ foreign_trust_domains: all }) => all.join()));
  };
  const elsewhere = serverLine(1, id("web", "elsewhere.example"));
  expect(foreign([...pods, elsewhere])).toEqual(new Set([""]));
  expect(foreign([...pods, config, elsewhere])).toEqual(new Set(["elsewhere.example"]));
  expect(foreign([...pods, config, serverLine(1, id("web", "old.example"))])).toEqual(
    new Set([""]),
  );
  expect(foreign([...pods, config, elsewhere], ["elsewhere.example"])).toEqual(new Set([""]));
  expect(foreign([...pods, elsewhere], ["cluster.local"])).toEqual(new Set(["elsewhere.example"]));
});

test("a ConfigMap of another namespace than the mesh's makes no trust domain ours", () => {
  const config = makeMeshConfig({ trustDomains: ["cluster.local"] });
  const forged = { ...config, namespace: "shop", trustDomains: ["elsewhere.example"] };
  const words = [declaredSeen(0, config), declaredSeen(0, forged)];
  const line = serverLine(1, id("web", "elsewhere.example"));
  for (const edge of everyOrder([...pods, ...words, line])) {
    expect(edge.foreign_trust_domains).toEqual(["elsewhere.example"]);
  }
});

test("nothing is said of a mode under which plaintext may not have been sent", () => {
  const strict = (generation: number, second: number) =>
    declaredSeen(second, makePeerAuthentication("shop", "strict", { generation }));
  const plaintext = (second: number): Observation =>
    makeLeg(second, {
      ...(serverLine(second) as object),
      writer: "ztunnel",
      security: "none",
      peerPod: { ...podName("web") },
      pod: { ...podName("cart") },
      timeUs: atSecond(second),
    });
  const mode = (...words: Observation[]) => {
    const world = new GraphWorld();
    world.observe(...pods, ...words);
    return edgeOf(world);
  };
  const old = mode(strict(1, 0), plaintext(1));
  expect([old.security, old.declared_mode]).toEqual(["none", "strict"]);
  expect(mode(strict(2, 0), plaintext(1)).declared_mode).toBe("unknown");
  expect(mode(strict(2, 0), plaintext(200)).declared_mode).toBe("unknown");
  expect(mode(strict(2, 0), plaintext(301)).declared_mode).toBe("strict");
});

const podName = (app: string) => ({
  cluster: "lab",
  namespace: "shop",
  pod: `${app}-6d8f5c9b7c-l4q8z`,
  podUid: "",
  workload: "",
  workloadKind: "",
  address: "",
});
