/**
 * Realistic OTLP load in a collector's wire order (every message's fields reversed): Istio counters of
 * many proxies as a scraper brings them, and Envoy span pairs. Each message differs from every other,
 * as scrapes do, so that no receipt can shorten the work.
 */

const varint = (value) => {
  const bytes = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
};
const field = (number, body) => Buffer.concat([varint(number * 8 + 2), varint(body.length), body]);
const text = (number, value) => field(number, Buffer.from(value));
const integer = (number, value) => Buffer.concat([varint(number * 8), varint(value)]);
const fixed = (number, bytes) => Buffer.concat([varint(number * 8 + 1), bytes]);
const time = (number, ns) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ns);
  return fixed(number, bytes);
};
const double = (number, value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return fixed(number, bytes);
};
/** KeyValue with a string, value before key. */
const attribute = (number, key, value) =>
  field(number, Buffer.concat([field(2, text(1, value)), text(1, key)]));

const workloads = 100;
const namespaceOf = (index) => `shop-${index % 10}`;
const workloadOf = (index) => `service-${index}-v1`;

/** The 24 labels of one Istio series, sorted as a scraper sorts them. */
function istioLabels(source, destination, reporter, code) {
  const [src, dst] = [workloadOf(source), workloadOf(destination)];
  const [srcNs, dstNs] = [namespaceOf(source), namespaceOf(destination)];
  return Object.entries({
    connection_security_policy: reporter === "destination" ? "mutual_tls" : "unknown",
    destination_app: `service-${destination}`,
    destination_canonical_revision: "v1",
    destination_canonical_service: `service-${destination}`,
    destination_cluster: "Kubernetes",
    destination_principal: `spiffe://cluster.local/ns/${dstNs}/sa/service-${destination}`,
    destination_service: `service-${destination}.${dstNs}.svc.cluster.local`,
    destination_service_name: `service-${destination}`,
    destination_service_namespace: dstNs,
    destination_version: "v1",
    destination_workload: dst,
    destination_workload_namespace: dstNs,
    reporter,
    request_protocol: "http",
    response_code: String(code),
    response_flags: "-",
    source_app: `service-${source}`,
    source_canonical_revision: "v1",
    source_canonical_service: `service-${source}`,
    source_cluster: "Kubernetes",
    source_principal: `spiffe://cluster.local/ns/${srcNs}/sa/service-${source}`,
    source_version: "v1",
    source_workload: src,
    source_workload_namespace: srcNs,
  });
}

const metricNames = [
  "istio_requests_total",
  "istio_tcp_sent_bytes_total",
  "istio_tcp_received_bytes_total",
  "istio_tcp_connections_opened_total",
];

/** Labels of a proxy's 200 series, encoded once. */
function proxySeries(proxy) {
  return metricNames.map((name, metric) =>
    Array.from({ length: 50 }, (_, index) => {
      const peer = (proxy * 7 + index) % workloads;
      const reporter = index % 2 === 0 ? "source" : "destination";
      const [source, destination] = reporter === "source" ? [proxy, peer] : [peer, proxy];
      const labels = istioLabels(source % workloads, destination, reporter, 200 + (index % 5));
      return Buffer.concat(labels.map(([key, value]) => attribute(7, key, value)));
    }).map((labels) => ({ name, metric, labels })),
  );
}

const proxiesPerMessage = 41;
export const pointsPerMessage = proxiesPerMessage * 200;

/** `batches` × `scrapes` messages of 8,200 points; every scrape moves every series. */
export function counterMessages(batches, scrapes, nowMs) {
  const proxies = Array.from({ length: batches * proxiesPerMessage }, (_, proxy) =>
    proxySeries(proxy),
  );
  const messages = [];
  for (let scrape = 0; scrape < scrapes; scrape++) {
    const atNs = BigInt(nowMs + scrape * 15_000) * 1_000_000n;
    for (let batch = 0; batch < batches; batch++) {
      const resources = [];
      for (let index = 0; index < proxiesPerMessage; index++) {
        const proxy = batch * proxiesPerMessage + index;
        resources.push(resourceMetrics(proxy, proxies[proxy], scrape, atNs));
      }
      messages.push(Buffer.concat(resources));
    }
  }
  return messages;
}

function resourceMetrics(proxy, series, scrape, atNs) {
  const metrics = series.map((points) => {
    const body = points.map(({ labels }, index) =>
      field(1, Buffer.concat([double(4, 100 + scrape * (index + 3)), time(3, atNs), labels])),
    );
    const sum = Buffer.concat([integer(3, 1), integer(2, 2), ...body]);
    return field(2, Buffer.concat([field(7, sum), text(1, points[0].name)]));
  });
  const scope = field(1, Buffer.concat([text(2, "0.159.0"), text(1, "bench/scraper")]));
  return field(1, Buffer.concat([field(2, Buffer.concat([...metrics, scope])), resource(proxy)]));
}

function resource(proxy) {
  const name = workloadOf(proxy % workloads);
  const attributes = {
    "service.name": "kubernetes-pods",
    "service.instance.id": `10.${proxy >> 8}.${proxy & 255}.7:15020`,
    "server.port": "15020",
    "url.scheme": "http",
    "k8s.pod.name": `${name}-6d4b75cb9d-${String(proxy).padStart(5, "x")}`,
    "k8s.namespace.name": namespaceOf(proxy % workloads),
    "k8s.container.name": "istio-proxy",
    "k8s.node.name": `node-${proxy % 20}`,
  };
  const body = Object.entries(attributes).map(([key, value]) => attribute(1, key, value));
  return field(1, Buffer.concat(body));
}

export const spansPerMessage = 8_192;

/** Messages of 4,096 client and server span pairs of sidecars, 16 spans per resource. */
export function spanMessages(count, nowMs) {
  const messages = [];
  for (let message = 0; message < count; message++) {
    const resources = [];
    for (let group = 0; group < spansPerMessage / 16; group++) {
      resources.push(resourceSpans(message, group, nowMs));
    }
    messages.push(Buffer.concat(resources));
  }
  return messages;
}

function resourceSpans(message, group, nowMs) {
  const isServer = group % 2 === 1;
  const spans = [];
  for (let index = 0; index < 16; index++) {
    const pair = (message * 512 + (group >> 1)) * 16 + index;
    spans.push(field(2, span(pair, isServer, nowMs + pair / 100)));
  }
  const scope = field(1, Buffer.concat([text(2, "1.40.0"), text(1, "envoy")]));
  const self = (group >> 1) % workloads;
  const name = `service-${self}.${namespaceOf(self)}`;
  const resourceBody = field(1, attribute(1, "service.name", name));
  return field(1, Buffer.concat([field(2, Buffer.concat([...spans, scope])), resourceBody]));
}

function idBytes(length, ...numbers) {
  const bytes = Buffer.alloc(length, 0xa5);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number >>> 0, index * 4);
  return bytes;
}

function span(pair, isServer, atMs) {
  const source = (pair >> 4) % workloads;
  const destination = (source * 7 + (pair % 50)) % workloads;
  const self = isServer ? destination : source;
  const host = `service-${destination}.${namespaceOf(destination)}.svc.cluster.local`;
  const upstream = isServer ? "inbound|8080||" : `outbound|8080||${host}`;
  const attributes = {
    node_id: `sidecar~10.1.${self >> 8}.${self & 255}~${workloadOf(self)}-6d4b75cb9d-abcde.${namespaceOf(self)}~${namespaceOf(self)}.svc.cluster.local`,
    zone: "",
    "guid:x-request-id": `${pair.toString(16).padStart(8, "0")}-1111-4222-8333-444455556666`,
    "http.url": `http://service-${destination}:8080/api/v1/items/${pair % 1000}`,
    "http.method": "GET",
    downstream_cluster: "-",
    user_agent: "bench/1.0",
    "http.protocol": "HTTP/1.1",
    "peer.address": `10.1.${source >> 8}.${source & 255}`,
    request_size: "0",
    response_size: "1234",
    component: "proxy",
    upstream_cluster: upstream,
    "upstream_cluster.name": upstream,
    "http.status_code": "200",
    response_flags: "-",
    "istio.namespace": namespaceOf(self),
    "istio.canonical_service": `service-${self}`,
    "istio.canonical_revision": "v1",
    "istio.cluster_id": "Kubernetes",
  };
  const startNs = BigInt(Math.round(atMs * 1_000)) * 1_000n;
  const parts = Object.entries(attributes).map(([key, value]) => attribute(9, key, value));
  return Buffer.concat([
    ...parts,
    time(8, startNs + 5_000_000n),
    time(7, startNs),
    integer(6, isServer ? 2 : 3),
    text(5, `${host}:8080/*`),
    ...(isServer ? [field(4, idBytes(8, pair, 1))] : []),
    field(2, idBytes(8, pair, isServer ? 2 : 1)),
    field(1, idBytes(16, pair, 7)),
  ]);
}
