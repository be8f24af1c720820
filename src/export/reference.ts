/**
 * The reference page of the metrics, made from the table of instruments. `docs/metrics.md` is this text;
 * a test compares the two.
 */
import { instruments, type InstrumentSpec } from "../self/instruments.ts";

const head = `# Metrics

\`GET /metrics\` on the web endpoint (port 4316) answers in Prometheus' text format. A scrape reads what
the engine posted last, at most a second ago, and never waits for it. All names begin with
\`mesh_insights_\`; the defaults of Node's process (\`process_*\`, \`nodejs_*\`) stand beside them.

No pod name, address, path or insight id is ever a label. What could grow is limited:

- \`metrics.namespaces\` (200): so many namespaces have series of their own in \`namespace\`,
  \`src_namespace\` and \`dst_namespace\`. The first to come stay for the life of the process, of those that
  a start brings the busiest, and all others are \`_other\` together: sums stay right, and an alert by
  namespace says \`_other\`. \`exposition_namespaces_folded\` tells how many they are.
- \`metrics.series\` (5,000): of all series that the stages feed. Beyond it, what has a namespace goes to
  \`_other\`, for which a tenth is kept, and the rest is left out and counted in
  \`exposition_samples_dropped_total\`. A counter that gets its series later counts from there.
- Names of unknown metrics and scopes (200 each) and pairs of namespaces (500): the others are \`_other\`.

Counters of rules exist at 0 from the moment a rule is loaded, so that \`increase()\` sees the first one,
and stay when it is removed. Page from the gauge \`insights\`, which has one
\`{rule, severity, namespace="", state="firing"}\` at 0 for every rule. A gauge about what was never seen is
absent, as \`telemetry_last_received_timestamp_seconds\` of a kind of source that never sent.
\`edge_requests_total\` counts requests once, under the ends and the security they had at the time.

Not in this version, since what it would count does not exist yet: \`posture\`.

| name | kind | labels | meaning |
|---|---|---|---|
`;

/** The whole page. */
export function metricsReference(): string {
  const rows = Object.entries<InstrumentSpec>(instruments).map(
    ([name, { kind, labels, help }]) =>
      `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |\n`,
  );
  return head + rows.join("");
}
