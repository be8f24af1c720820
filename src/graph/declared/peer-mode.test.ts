/** The mode of mutual TLS in force, as Istio composes it from several policies. */
import { expect, test } from "vitest";
import type { DeclaredMode, PeerAuthenticationObject } from "../../model/objects.ts";
import { modeAtPort, peerModes, type PeerPolicies, type PeerPolicy } from "./peer-mode.ts";

interface Given {
  readonly app?: string;
  readonly ports?: Readonly<Record<string, DeclaredMode>>;
  readonly createdUs?: number;
  readonly name?: string;
  readonly hasExpressions?: boolean;
  readonly generation?: number;
  readonly sinceUs?: number;
}

function policy(mode: DeclaredMode, given: Given = {}): PeerPolicy {
  const { app, ports = {}, createdUs = 1, name = "default", generation = 1 } = given;
  const labels: Record<string, string> = app === undefined ? {} : { app };
  const object: PeerAuthenticationObject = {
    type: "peer_authentication",
    uid: name,
    namespace: "shop",
    name,
    labels: {},
    annotations: {},
    selector: { labels, hasExpressions: given.hasExpressions ?? false },
    mode,
    portModes: ports,
    createdUs,
    generation,
    spec: {},
  };
  return { object, sinceUs: given.sinceUs ?? 50 };
}

const policies = (
  mesh: readonly PeerPolicy[],
  namespace: readonly PeerPolicy[],
  rest: Partial<PeerPolicies> = {},
): PeerPolicies => ({ isKnown: true, mesh, namespace, goneUs: 0, ...rest });
const cart = [{ app: "cart" }];

test.each<[string, PeerPolicies, string]>([
  ["nothing declared", policies([], []), "unset"],
  ["nothing told", policies([], [], { isKnown: false }), "unknown"],
  ["the mesh's", policies([policy("strict")], []), "strict"],
  [
    "the namespace's over the mesh's",
    policies([policy("strict")], [policy("permissive")]),
    "permissive",
  ],
  [
    "unset inherits",
    policies([policy("strict")], [policy("unset"), policy("unset", { app: "cart" })]),
    "strict",
  ],
  [
    "the workload's over the namespace's",
    policies([], [policy("permissive"), policy("strict", { app: "cart" })]),
    "strict",
  ],
  ["another workload's", policies([], [policy("disable", { app: "web" })]), "unset"],
  ["a selector in the root namespace", policies([policy("strict", { app: "cart" })], []), "unset"],
  [
    "the namespace's although the root is not known",
    policies([], [policy("strict")], { isKnown: false }),
    "strict",
  ],
  [
    "the older of two",
    policies(
      [],
      [
        policy("strict", { createdUs: 9, name: "a" }),
        policy("disable", { createdUs: 5, name: "b" }),
      ],
    ),
    "disable",
  ],
  [
    "the first by name of two as old",
    policies([], [policy("strict", { name: "b" }), policy("disable", { name: "a" })]),
    "disable",
  ],
  [
    "an older one that says nothing",
    policies(
      [policy("strict")],
      [policy("unset", { createdUs: 1 }), policy("disable", { createdUs: 2, name: "later" })],
    ),
    "strict",
  ],
  [
    "an expression",
    policies([policy("strict")], [policy("disable", { app: "cart", hasExpressions: true })]),
    "unknown",
  ],
])("the mode in force: %s", (_name, given, expected) => {
  expect(peerModes(given, cart).mode).toBe(expected);
  const turned = { ...given, namespace: given.namespace.toReversed() };
  expect(peerModes(turned, cart).mode).toBe(expected);
});

test("pods of one workload with different labels have no common mode", () => {
  const given = policies([], [policy("strict", { app: "cart" })]);
  expect(peerModes(given, [{ app: "cart" }, { app: "cart-canary" }]).mode).toBe("unknown");
});

test("a port has its own mode, and a port that is not known one only where all are the same", () => {
  const own = policy("strict", {
    app: "cart",
    ports: { "8080": "disable", "9090": "unset", "9443": "strict" },
  });
  const modes = peerModes(policies([], [own]), cart);
  expect([8080, 9090, 9443, 80, 0].map((port) => modeAtPort(modes, port))).toEqual([
    "disable",
    "strict",
    "strict",
    "strict",
    "unknown",
  ]);
  const plain = peerModes(policies([policy("strict")], []), cart);
  expect(modeAtPort(plain, 0)).toBe("strict");
});

test("ports of a policy for the whole namespace do not count", () => {
  const modes = peerModes(policies([], [policy("strict", { ports: { "8080": "disable" } })]), cart);
  expect(modeAtPort(modes, 8080)).toBe("strict");
});

test("it stands since the newest thing that was read for it", () => {
  const old = policy("strict", { createdUs: 10, sinceUs: 80 });
  const setAgain = policy("permissive", { createdUs: 10, sinceUs: 80, generation: 2 });
  expect(peerModes(policies([old], []), cart).sinceUs).toBe(10);
  expect(peerModes(policies([old], [setAgain]), cart).sinceUs).toBe(80);
  expect(peerModes(policies([old], [], { goneUs: 95 }), cart).sinceUs).toBe(95);
});
