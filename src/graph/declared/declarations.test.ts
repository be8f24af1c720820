/** What labels, annotations, selectors and configurations declare. */
import { expect, test } from "vitest";
import type {
  MeshConfigObject,
  NamespaceObject,
  NetworkPolicyObject,
} from "../../model/objects.ts";
import {
  dataplaneModeOf,
  injectionOf,
  interceptionModeOf,
  isInjectionDeclared,
  isInjectionDeclined,
  isInMesh,
} from "./injection.ts";
import { meshFactsOf } from "./mesh.ts";
import { authorizes, deniedByDefault } from "./policies.ts";
import { selectsAll } from "./selectors.ts";

type Labels = Readonly<Record<string, string>>;

const named = { uid: "u", namespace: "", name: "shop", labels: {}, annotations: {} };
const namespace = (labels: Labels): NamespaceObject => ({ ...named, type: "namespace", labels });
const pod = (labels: Labels, rest: { annotations?: Labels; hostNetwork?: boolean } = {}) => ({
  labels,
  annotations: {},
  hostNetwork: false,
  ...rest,
});

test.each<[string, Labels, ReturnType<typeof pod>, boolean]>([
  ["nothing", {}, pod({}), false],
  ["the namespace", { "istio-injection": "enabled" }, pod({}), true],
  ["the namespace's revision", { "istio.io/rev": "1-28" }, pod({}), true],
  [
    "the namespace, but not this pod",
    { "istio-injection": "enabled" },
    pod({ "sidecar.istio.io/inject": "false" }),
    false,
  ],
  [
    "the namespace, but not this pod by its annotation",
    { "istio.io/rev": "1-28" },
    pod({}, { annotations: { "sidecar.istio.io/inject": "false" } }),
    false,
  ],
  [
    "a pod on the host's network",
    { "istio-injection": "enabled" },
    pod({}, { hostNetwork: true }),
    false,
  ],
  ["this pod alone", {}, pod({ "sidecar.istio.io/inject": "true" }), true],
  ["this pod's revision", {}, pod({ "istio.io/rev": "1-28" }), true],
  [
    "a pod where the namespace says no",
    { "istio-injection": "disabled", "istio.io/rev": "1-28" },
    pod({ "sidecar.istio.io/inject": "true" }),
    false,
  ],
])("injection is declared by %s", (_name, labels, of, expected) => {
  expect(isInjectionDeclared(of, namespace(labels))).toBe(expected);
});

test("the older of both labels names the injection of a namespace", () => {
  expect(injectionOf(undefined)).toBe("");
  expect(injectionOf(namespace({ "istio.io/rev": "canary" }))).toBe("canary");
  expect(injectionOf(namespace({ "istio.io/rev": "canary", "istio-injection": "enabled" }))).toBe(
    "enabled",
  );
});

test("a pod declines the sidecar of its namespace, not one that it would not get anyway", () => {
  const enabled = namespace({ "istio.io/rev": "1-28" });
  const declines = { "sidecar.istio.io/inject": "false" };
  expect(isInjectionDeclined(pod(declines), enabled)).toBe(true);
  expect(isInjectionDeclined(pod({}, { annotations: declines }), enabled)).toBe(true);
  expect(isInjectionDeclined(pod({}), enabled)).toBe(false);
  expect(isInjectionDeclined(pod(declines, { hostNetwork: true }), enabled)).toBe(false);
  expect(isInjectionDeclined(pod(declines), namespace({ "istio-injection": "disabled" }))).toBe(
    false,
  );
  expect(isInjectionDeclined(pod(declines), undefined)).toBe(false);
});

test("how traffic is intercepted stands in one annotation or in the proxy's configuration", () => {
  const mode = (annotations: Labels) => interceptionModeOf({ annotations });
  const config = (text: string) => mode({ "proxy.istio.io/config": text });
  expect(config("concurrency: 2\ninterceptionMode: NONE\n")).toBe("NONE");
  expect(config('{"interceptionMode":"TPROXY"}')).toBe("TPROXY");
  expect(config("concurrency: 2")).toBe("");
  const own = { "sidecar.istio.io/interceptionMode": "REDIRECT" };
  expect(mode({ ...own, "proxy.istio.io/config": "interceptionMode: NONE" })).toBe("REDIRECT");
});

test("a namespace is in the mesh by its own labels", () => {
  expect(isInMesh(undefined)).toBe("unknown");
  expect(isInMesh(namespace({}))).toBe("no");
  expect(isInMesh(namespace({ "istio-injection": "disabled" }))).toBe("no");
  expect(isInMesh(namespace({ "istio.io/rev": "1-28" }))).toBe("yes");
  expect(isInMesh(namespace({ "istio.io/dataplane-mode": "ambient" }))).toBe("yes");
});

test("a pod's data plane is its own word, else its namespace's", () => {
  const ambient = namespace({ "istio.io/dataplane-mode": "ambient" });
  expect(dataplaneModeOf(pod({}), ambient)).toBe("ambient");
  expect(dataplaneModeOf(pod({ "istio.io/dataplane-mode": "none" }), ambient)).toBe("none");
});

const mesh = (changes: Partial<MeshConfigObject>): MeshConfigObject => ({
  ...named,
  type: "mesh_config",
  revision: "default",
  outboundMode: "allow_any",
  trustDomains: ["cluster.local"],
  rootNamespace: "istio-system",
  discoveryHost: "",
  discoveryPort: 0,
  providers: [],
  ...changes,
});

test("revisions that agree are one, and what they disagree on is not known", () => {
  expect(meshFactsOf([])).toEqual({
    isKnown: false,
    rootNamespace: "istio-system",
    outboundMode: "unknown",
    trustDomains: [],
  });
  const other = mesh({ trustDomains: ["a.example"], outboundMode: "registry_only" });
  expect(meshFactsOf([mesh({}), other])).toMatchObject({
    rootNamespace: "istio-system",
    outboundMode: "unknown",
    trustDomains: ["a.example", "cluster.local"],
  });
  expect(meshFactsOf([mesh({}), mesh({ rootNamespace: "mesh" })]).rootNamespace).toBe("");
});

test("a selector hits a workload surely only if it hits all its pods and holds no expression", () => {
  const selector = { labels: { app: "cart" }, hasExpressions: false };
  expect(selectsAll(selector, [{ app: "cart" }])).toBe("yes");
  expect(selectsAll(selector, [{ app: "web" }])).toBe("no");
  expect(selectsAll(selector, [{ app: "cart" }, {}])).toBe("maybe");
  expect(selectsAll({ ...selector, hasExpressions: true }, [{ app: "cart" }])).toBe("maybe");
  expect(selectsAll({ labels: {}, hasExpressions: false }, [{}])).toBe("yes");
});

test("a policy at a gateway or service may hit anybody behind it", () => {
  const selector = { labels: {}, hasExpressions: false };
  expect(authorizes({ selector, targetRefs: ["waypoint"] }, [{}])).toBe("maybe");
  expect(authorizes({ selector, targetRefs: [] }, [{}])).toBe("yes");
});

test("a namespace denies by default when a policy for all its pods lets not everything through", () => {
  const policy = (changes: Partial<NetworkPolicyObject>): NetworkPolicyObject => ({
    ...named,
    type: "network_policy",
    podSelector: { labels: {}, hasExpressions: false },
    isIngress: true,
    isEgress: false,
    ingressRules: 0,
    egressRules: 0,
    spec: {},
    ...changes,
  });
  expect(deniedByDefault([policy({})])).toEqual({ ingress: true, egress: false });
  expect(deniedByDefault([policy({ isEgress: true })])).toEqual({ ingress: true, egress: true });
  // What it lets through by name is let through, and the rest denied.
  expect(deniedByDefault([policy({ ingressRules: 1 })])).toEqual({ ingress: true, egress: false });
  const open = policy({ ingressRules: 1, ingressOpen: true });
  expect(deniedByDefault([open])).toEqual({ ingress: false, egress: false });
  expect(deniedByDefault([policy({ isEgress: true }), open])).toEqual({
    ingress: false,
    egress: true,
  });
  const narrow = { labels: { app: "db" }, hasExpressions: false };
  expect(deniedByDefault([policy({ podSelector: narrow })])).toEqual({
    ingress: false,
    egress: false,
  });
});
