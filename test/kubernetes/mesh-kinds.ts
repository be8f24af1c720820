/**
 * Istio's and the Gateway API's kinds as definitions that an API server takes, and one object of each. The
 * schemas say nothing: what is tested is what becomes of the objects, not who may write which.
 */
import { pluralOf, type KubernetesObject } from "./api-server.ts";

const preserve = { type: "object", "x-kubernetes-preserve-unknown-fields": true } as const;

/** Group, version and kinds, as Istio 1.29 and the Gateway API 1.4 serve them. */
const served: readonly (readonly [group: string, version: string, kinds: readonly string[]])[] = [
  [
    "security.istio.io",
    "v1",
    ["PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication"],
  ],
  [
    "networking.istio.io",
    "v1",
    ["Sidecar", "DestinationRule", "VirtualService", "Gateway", "ServiceEntry", "WorkloadEntry"],
  ],
  ["networking.istio.io", "v1beta1", ["ProxyConfig"]],
  ["networking.istio.io", "v1alpha3", ["EnvoyFilter"]],
  ["telemetry.istio.io", "v1", ["Telemetry"]],
  ["gateway.networking.k8s.io", "v1", ["Gateway", "HTTPRoute", "GRPCRoute"]],
  ["gateway.networking.k8s.io", "v1alpha2", ["TLSRoute", "TCPRoute"]],
  ["gateway.networking.k8s.io", "v1beta1", ["ReferenceGrant"]],
];

export const meshKinds: readonly KubernetesObject[] = served.flatMap(([group, version, kinds]) =>
  kinds.map((kind) => definition(group, version, kind)),
);

function definition(group: string, name: string, kind: string): KubernetesObject {
  const plural = pluralOf(kind);
  const schema = { openAPIV3Schema: { ...preserve, properties: { spec: preserve } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      // Without it no group of Kubernetes' own domain is served.
      annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
    },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name, served: true, storage: true, schema }],
    },
  };
}

const mesh = `
rootNamespace: istio-system
trustDomain: cluster.local
outboundTrafficPolicy:
  mode: REGISTRY_ONLY
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
extensionProviders:
- name: otel
  envoyOtelAls:
    service: otel-collector.monitoring.svc.cluster.local
    port: 4317
`;

function one(apiVersion: string, kind: string, name: string, spec: object): KubernetesObject {
  return { apiVersion, kind, metadata: { name, namespace: "shop" }, spec };
}

const selector = { matchLabels: { app: "cart" } };
const gatewayApi = "gateway.networking.k8s.io";
const parentRefs = [{ name: "front" }];
const toCart = [{ backendRefs: [{ name: "cart", port: 80 }] }];

/** The mesh's own configuration, then one object of each kind. */
export const meshObjects: readonly KubernetesObject[] = [
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "istio",
      namespace: "istio-system",
      labels: { "istio.io/rev": "default" },
    },
    data: { mesh, meshNetworks: "networks: {}" },
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "istio-sidecar-injector",
      namespace: "istio-system",
      labels: { "istio.io/rev": "default" },
    },
    data: {
      values: JSON.stringify({
        global: { proxy: { includeIPRanges: "*", excludeOutboundPorts: "9999" } },
      }),
    },
  },
  one("security.istio.io/v1", "PeerAuthentication", "cart", {
    selector,
    mtls: { mode: "PERMISSIVE" },
    portLevelMtls: { 8080: { mode: "PERMISSIVE" } },
  }),
  one("security.istio.io/v1", "AuthorizationPolicy", "cart-from-web", {
    selector,
    action: "ALLOW",
    rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }] }],
  }),
  one("security.istio.io/v1", "RequestAuthentication", "tokens", {
    selector,
    jwtRules: [{ issuer: "id.example", jwksUri: "https://id.example.com/keys" }],
  }),
  one("networking.istio.io/v1", "Sidecar", "default", {
    egress: [{ hosts: ["./*", "istio-system/*"] }],
  }),
  one("networking.istio.io/v1", "DestinationRule", "cart", {
    host: "cart.shop.svc.cluster.local",
    trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } },
  }),
  one("networking.istio.io/v1", "VirtualService", "cart", {
    hosts: ["cart.shop.svc.cluster.local"],
    http: [{ route: [{ destination: { host: "cart", port: { number: 80 }, subset: null } }] }],
  }),
  one("networking.istio.io/v1", "Gateway", "public", {
    selector: { istio: "ingressgateway" },
    servers: [
      {
        port: { number: 443, name: "https", protocol: "HTTPS" },
        hosts: ["shop.example.com"],
        tls: { mode: "SIMPLE", credentialName: "shop" },
      },
    ],
  }),
  one("networking.istio.io/v1", "ServiceEntry", "payments", {
    hosts: ["pay.example.com"],
    ports: [{ number: 443, name: "tls", protocol: "TLS" }],
    resolution: "DNS",
    location: "MESH_EXTERNAL",
  }),
  one("networking.istio.io/v1", "WorkloadEntry", "mainframe", {
    address: "10.77.0.9",
    labels: { app: "mainframe" },
    serviceAccount: "mainframe",
  }),
  one("networking.istio.io/v1beta1", "ProxyConfig", "cart", { selector, concurrency: 2 }),
  one("networking.istio.io/v1alpha3", "EnvoyFilter", "limits", {
    workloadSelector: { labels: { app: "cart" } },
    configPatches: [{ applyTo: "HTTP_FILTER", patch: { operation: "INSERT_BEFORE" } }],
  }),
  one("telemetry.istio.io/v1", "Telemetry", "logging", {
    accessLogging: [{ providers: [{ name: "otel" }] }],
    tracing: [{ randomSamplingPercentage: 12.5 }],
  }),
  one(`${gatewayApi}/v1`, "Gateway", "front", {
    gatewayClassName: "istio",
    listeners: [{ name: "http", hostname: "shop.example.com", port: 80, protocol: "HTTP" }],
  }),
  one(`${gatewayApi}/v1`, "HTTPRoute", "cart", {
    parentRefs,
    hostnames: ["shop.example.com"],
    rules: toCart,
  }),
  one(`${gatewayApi}/v1`, "GRPCRoute", "cart", {
    parentRefs,
    hostnames: ["grpc.example.com"],
    rules: toCart,
  }),
  one(`${gatewayApi}/v1alpha2`, "TLSRoute", "cart", {
    parentRefs,
    hostnames: ["tls.example.com"],
    rules: toCart,
  }),
  one(`${gatewayApi}/v1alpha2`, "TCPRoute", "cart", { parentRefs, rules: toCart }),
  one(`${gatewayApi}/v1beta1`, "ReferenceGrant", "cart", {
    from: [{ group: gatewayApi, kind: "HTTPRoute", namespace: "istio-system" }],
    to: [{ group: "", kind: "Service" }],
  }),
];
