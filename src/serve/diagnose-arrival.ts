/** Problems on the way in: nothing comes, it comes to the wrong port, or nobody understands it. */
import type { ApiProblem } from "../model/api-status.ts";
import { acceptedBySignal, seriesOf, sumOf, type Facts } from "./facts.ts";

/** With nothing accepted for so long, what came before has stopped. */
const stoppedAfterMs = 5 * 60_000;
/** Names that are shown as evidence. */
const namesMax = 3;

export function arrivalProblems(facts: Facts): ApiProblem[] {
  const wrongPorts = wrongPortProblems(facts);
  return [
    ...wrongPorts,
    ...nothingArrives(facts, wrongPorts.length > 0),
    ...unknownMetrics(facts),
    ...unknownRecords(facts),
    ...refusedRequests(facts),
  ];
}

const acceptedItems = (readings: Facts["totals"]): number =>
  Object.values(acceptedBySignal).reduce((sum, name) => sum + sumOf(readings, name), 0);

/** A sender that knocks at the wrong door explains why nothing arrives. */
function nothingArrives(facts: Facts, isExplained: boolean): ApiProblem[] {
  if (isExplained || facts.listening.grpc === "") return [];
  const seconds = Math.round((facts.nowMs - facts.startedMs) / 1_000);
  const { grpc, http } = facts.listening;
  if (acceptedItems(facts.totals) === 0) {
    const connections = sumOf(facts.totals, "receiver_connections_closed_total");
    return [
      {
        code: "no-telemetry",
        severity: "error",
        text: `Nothing arrives yet: no telemetry was accepted since the start ${seconds} s ago`,
        evidence: { seconds_since_start: seconds, items_accepted: 0, connections },
        remedy: `let your collector send here: exporters: { otlp_grpc/mesh-insights: { endpoint: "${grpc}", tls: { insecure: true } } }${http === "" ? "" : ` (OTLP/HTTP: ${http})`}, named in the exporters of its pipelines; from another host or pod, listen on an address it can reach (receivers.grpc.endpoint)`,
      },
    ];
  }
  if (facts.nowMs - facts.startedMs < stoppedAfterMs || acceptedItems(facts.recent) > 0) return [];
  return [
    {
      code: "telemetry-stopped",
      severity: "error",
      text: "Nothing arrives any more: no telemetry was accepted in the last 10 minutes",
      evidence: { items_accepted_before: acceptedItems(facts.totals) },
      remedy: `see whether your collector runs and what its log says about the exporter to ${grpc}; its otelcol_exporter_send_failed_* metrics count what it could not send`,
    },
  ];
}

const wrongPorts: Readonly<
  Record<string, { code: string; text: string; remedy: (facts: Facts) => string }>
> = {
  http1_on_grpc: {
    code: "http-on-grpc-port",
    text: "A sender speaks HTTP to the OTLP/gRPC port",
    remedy: ({ listening }) =>
      `at the sender, use OTLP/HTTP's port: exporters: { otlp_http: { endpoint: "http://${listening.http || "<host>:4318"}" } }, or its gRPC exporter (otlp_grpc) for this one`,
  },
  grpc_on_http: {
    code: "grpc-on-http-port",
    text: "A sender speaks gRPC to the OTLP/HTTP port",
    remedy: ({ listening }) =>
      `at the sender, use OTLP/gRPC's port: exporters: { otlp_grpc: { endpoint: "${listening.grpc}" } }, or its HTTP exporter (otlp_http) for this one`,
  },
  tls_on_plaintext: {
    code: "tls-on-plaintext-port",
    text: "A sender speaks TLS to a plaintext port",
    remedy: () =>
      "either at the sender: tls: { insecure: true } (gRPC) or http:// in the endpoint (HTTP); or here: receivers: { grpc: { tls: { cert_file: …, key_file: … } } }",
  },
  plaintext_on_tls: {
    code: "plaintext-on-tls-port",
    text: "A sender speaks plain text to a port with TLS",
    remedy: () =>
      "at the sender, remove tls: { insecure: true } (HTTP: write https://) and name our certificate's authority: tls: { ca_file: … }",
  },
};

function wrongPortProblems(facts: Facts): ApiProblem[] {
  const seen = seriesOf(facts.recent, "receiver_connections_closed_total");
  return Object.entries(wrongPorts).flatMap(([reason, { code, text, remedy }]) =>
    seen
      .filter(({ labels }) => labels["reason"] === reason)
      .map(({ labels, value }): ApiProblem => {
        const transport = labels["transport"] ?? "";
        const port = transport === "http" ? facts.listening.http : facts.listening.grpc;
        const evidence = { transport, port, connections: value };
        return {
          code,
          severity: "error",
          text: `${text} ${port}`.trimEnd(),
          evidence,
          remedy: remedy(facts),
        };
      }),
  );
}

/** The largest names by what they counted. */
function topNames(facts: Facts, name: "unrecognized_metrics_total" | "unrecognized_records_total") {
  const series = seriesOf(facts.recent, name).toSorted((a, b) => b.value - a.value);
  const names = series.slice(0, namesMax).map(({ labels }) => Object.values(labels).join(""));
  const items = series.reduce((sum, { value }) => sum + value, 0);
  return { names: names.join(", "), kinds: series.length, items };
}

/** Unknown names beside known ones are ordinary: a collector may send everything it has. */
function unknownMetrics(facts: Facts): ApiProblem[] {
  const { names, kinds, items } = topNames(facts, "unrecognized_metrics_total");
  if (items === 0 || sumOf(facts.totals, "observations_total", { kind: "edge_sample" }) > 0) {
    return [];
  }
  const isBlind = sumOf(facts.totals, "observations_total") === 0;
  return [
    {
      code: "unknown-metrics",
      severity: isBlind ? "error" : "warning",
      text: `Metrics arrive, but none that this engine knows: ${names}${kinds > namesMax ? ", …" : ""}`,
      evidence: { points: items, names: kinds, most_frequent: names },
      remedy:
        "send Istio's standard metrics under their own names (istio_requests_total, istio_tcp_*): scrape port 15020 or 15090 of the proxies, and remove what renames metrics on the way (metric_relabel_configs, a metricstransform or transform processor, a namespace or prefix)",
    },
  ];
}

/** Spans and log records: only when nothing at all was understood. */
function unknownRecords(facts: Facts): ApiProblem[] {
  const { names, items } = topNames(facts, "unrecognized_records_total");
  if (items === 0 || sumOf(facts.totals, "observations_total") > 0) return [];
  return [
    {
      code: "unknown-records",
      severity: "error",
      text: `Spans or log records arrive, but none that this engine knows, of the scopes: ${names}`,
      evidence: { records: items, scopes: names },
      remedy:
        "send Envoy's access logs and spans, Tetragon's events, flow records or Kubernetes objects; deploy/collector/gateway.yaml shows the receivers for each",
    },
  ];
}

const refusals: Readonly<Record<string, string>> = {
  refused:
    "the engine cannot keep up, or its store takes no commit; the sender tries again: see the engine's log, and give it more CPU or a faster disk",
  failed: "this is a fault of ours, see the engine's log; the sender tries again",
  invalid:
    "a sender's requests cannot be read: it must send OTLP as protobuf; the engine's log has the reason",
  too_large:
    "lower the sender's batch (send_batch_max_size of its batch processor) or raise receivers.grpc.limits.request_size",
  unauthenticated:
    'a sender shows no token, or one that is not known, and loses what it sends: at its exporter, headers: { authorization: "Bearer <token>" } with a token that stands in a file of receivers.grpc.auth or receivers.http.auth; mesh_insights_access_refused_total says why, the log from where',
  permission_denied:
    "a sender's token does not allow sending, and it loses what it sends: give it one with the scope ingest, or that scope to its token, in receivers.grpc.auth or receivers.http.auth",
  unimplemented:
    "a sender calls a service or uses a compression that OTLP does not have; see the engine's log",
};

function refusedRequests(facts: Facts): ApiProblem[] {
  return Object.entries(refusals).flatMap(([outcome, remedy]) => {
    const requests = sumOf(facts.recent, "receiver_requests_total", { outcome });
    if (requests === 0) return [];
    const code = `requests-${outcome.replace("_", "-")}`;
    const all = sumOf(facts.recent, "receiver_requests_total");
    const text = `${requests} of ${all} requests of the last minutes were not taken: ${outcome}`;
    return [{ code, severity: "warning", text, evidence: { requests, of: all, outcome }, remedy }];
  });
}
