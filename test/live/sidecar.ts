/**
 * The configuration of a real Envoy as a sidecar: what istiod would send it for this mesh. Everything that
 * leaves the pod comes to port 15001, everything that enters to 15006; between sidecars mutual TLS;
 * the access log goes to the collector over OTLP in Istio's default text, with the labels that say whose it is.
 */
import { writeFileSync } from "node:fs";
import type { Identity } from "./certificates.ts";
import {
  cart,
  cartService,
  clusterName,
  collectorService,
  nodeIp,
  readyPort,
  type LivePod,
} from "./mesh.ts";

/** Of Istio's documentation (EnvoyFileAccessLog), %UPSTREAM_CLUSTER% as its newer name. */
const logLine =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% " +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% " +
  "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const passthrough = "PassthroughCluster";
const inboundPassthrough = "InboundPassthroughCluster";
const toCart = `outbound|${cartService.port}||${cartService.host}`;
const toCollector = `outbound|${collectorService.port}||${collectorService.host}`;
const serverName = `outbound_.${cartService.port}_._.${cartService.host}`;

/** Writes the configuration of a pod's sidecar to `path`. */
export function writeSidecar(path: string, pod: LivePod, identity: Identity): void {
  const { namespace, name, ip } = pod;
  const config = {
    node: {
      id: `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${pod.workload}.${namespace}`,
    },
    static_resources: {
      listeners: [...outboundListeners(pod), inboundListener(pod, identity), readyListener()],
      clusters: [...outboundClusters(identity), ...inboundClusters(pod), collectorCluster()],
    },
  };
  writeFileSync(path, JSON.stringify(config, null, 1));
}

const address = (ip: string, port: number): object => ({
  socket_address: { address: ip, port_value: port },
});

function accessLog(pod: LivePod): object[] {
  const labels = {
    pod: pod.name,
    namespace: pod.namespace,
    workload: pod.workload,
    cluster: clusterName,
    downstream_peer_uri_san: "%DOWNSTREAM_PEER_URI_SAN%",
    downstream_tls_version: "%DOWNSTREAM_TLS_VERSION%",
  };
  const values = Object.entries(labels).map(([key, text]) => ({
    key,
    value: { string_value: text },
  }));
  const config = {
    "@type": type("extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"),
    log_name: "otel_envoy_accesslog",
    grpc_service: { envoy_grpc: { cluster_name: toCollector } },
    disable_builtin_labels: true,
    body: { string_value: logLine },
    attributes: { values },
  };
  return [{ name: "envoy.access_loggers.open_telemetry", typed_config: config }];
}

function tcpProxy(pod: LivePod, cluster: string): object {
  const config = {
    "@type": type("extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    stat_prefix: cluster,
    cluster,
    access_log: accessLog(pod),
  };
  return { name: "envoy.filters.network.tcp_proxy", typed_config: config };
}

interface Route {
  readonly domain: string;
  readonly cluster: string;
}

function httpManager(pod: LivePod, statPrefix: string, routes: readonly Route[]): object {
  const hosts = routes.map(({ domain, cluster }) => ({
    name: domain,
    domains: domain === "*" ? ["*"] : [domain, `${domain}:${cartService.port}`],
    routes: [{ name: "default", match: { prefix: "/" }, route: { cluster } }],
  }));
  const router = { "@type": type("extensions.filters.http.router.v3.Router") };
  const config = {
    "@type": type("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: statPrefix,
    route_config: { name: statPrefix, virtual_hosts: hosts },
    http_filters: [{ name: "envoy.filters.http.router", typed_config: router }],
    access_log: accessLog(pod),
  };
  return { name: "envoy.filters.network.http_connection_manager", typed_config: config };
}

const originalDestination = {
  name: "envoy.filters.listener.original_dst",
  typed_config: { "@type": type("extensions.filters.listener.original_dst.v3.OriginalDst") },
};
const tlsInspector = {
  name: "envoy.filters.listener.tls_inspector",
  typed_config: { "@type": type("extensions.filters.listener.tls_inspector.v3.TlsInspector") },
};

/** What is captured lands on the first, which hands it to the listener of its original port, if there is one. */
function outboundListeners(pod: LivePod): object[] {
  const routes = [
    { domain: cartService.ip, cluster: toCart },
    { domain: cartService.host, cluster: toCart },
    { domain: "*", cluster: passthrough },
  ];
  return [
    {
      name: "virtualOutbound",
      traffic_direction: "OUTBOUND",
      address: address("0.0.0.0", 15_001),
      use_original_dst: true,
      filter_chains: [{ filters: [tcpProxy(pod, passthrough)] }],
    },
    {
      name: `0.0.0.0_${cartService.port}`,
      traffic_direction: "OUTBOUND",
      address: address("0.0.0.0", cartService.port),
      bind_to_port: false,
      filter_chains: [{ filters: [httpManager(pod, "outbound", routes)] }],
    },
  ];
}

/** Mutual TLS where the caller speaks TLS, and plaintext too, since nothing says STRICT. */
function inboundListener(pod: LivePod, identity: Identity): object {
  const cluster = `inbound|${pod.port}||`;
  const http = httpManager(pod, "inbound", [{ domain: "*", cluster }]);
  const match = { destination_port: pod.port };
  const chains = [
    { filter_chain_match: { ...match, transport_protocol: "tls" }, ...tlsServer(identity) },
    { filter_chain_match: { ...match, transport_protocol: "raw_buffer" } },
  ].map((chain) => ({ ...chain, filters: [http] }));
  return {
    name: "virtualInbound",
    traffic_direction: "INBOUND",
    address: address("0.0.0.0", 15_006),
    listener_filters: [originalDestination, tlsInspector],
    filter_chains: pod.port > 0 ? chains : [],
    default_filter_chain: { filters: [tcpProxy(pod, inboundPassthrough)] },
  };
}

/** Where the kubelet asks whether the proxy is ready. */
function readyListener(): object {
  const config = {
    "@type": type("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "ready",
    route_config: {
      virtual_hosts: [
        {
          name: "ready",
          domains: ["*"],
          routes: [{ match: { path: "/healthz/ready" }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": type("extensions.filters.http.router.v3.Router") },
      },
    ],
  };
  const filter = {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: config,
  };
  return {
    name: "ready",
    address: address("0.0.0.0", readyPort),
    filter_chains: [{ filters: [filter] }],
  };
}

function certificatesOf({ key, certificate, authority }: Identity): object {
  return {
    tls_certificates: [
      { private_key: { filename: key }, certificate_chain: { filename: certificate } },
    ],
    validation_context: { trusted_ca: { filename: authority } },
    alpn_protocols: ["istio", "http/1.1"],
  };
}

function tlsServer(identity: Identity): object {
  const config = {
    "@type": type("extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
    require_client_certificate: true,
    common_tls_context: certificatesOf(identity),
  };
  return { transport_socket: { name: "envoy.transport_sockets.tls", typed_config: config } };
}

function outboundClusters(identity: Identity): object[] {
  const tls = {
    "@type": type("extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
    sni: serverName,
    common_tls_context: certificatesOf(identity),
  };
  return [
    { name: passthrough, type: "ORIGINAL_DST", lb_policy: "CLUSTER_PROVIDED" },
    {
      ...staticCluster(toCart, cart.ip, cart.port),
      transport_socket: { name: "envoy.transport_sockets.tls", typed_config: tls },
    },
  ];
}

/** From 127.0.0.6, which the redirect rules let through to the application. */
function inboundClusters(pod: LivePod): object[] {
  return [`inbound|${pod.port}||`, inboundPassthrough].map((name) => ({
    name,
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    upstream_bind_config: {
      source_address: { address: "127.0.0.6", port_value: 0 },
    },
  }));
}

function collectorCluster(): object {
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  const options = { "@type": type("extensions.upstreams.http.v3.HttpProtocolOptions"), ...http2 };
  return {
    ...staticCluster(toCollector, nodeIp, collectorService.port),
    typed_extension_protocol_options: { [httpOptions]: options },
  };
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

function staticCluster(name: string, ip: string, port: number): object {
  const endpoint = { endpoint: { address: address(ip, port) } };
  const assignment = { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] };
  return { name, type: "STATIC", load_assignment: assignment };
}
