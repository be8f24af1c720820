/** istiod's and the CNI agent's own numbers, from scraped bytes to insights, and what must not raise one. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { encodeCounters } from "../src/cli/demo/otlp.ts";
import { Evaluator } from "../src/cli/evaluate.ts";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { usPerMs } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";

const folder = fileURLToPath(new URL("../rules/health", import.meta.url));
const { rules } = loadRules(readRuleFiles(folder));
const startMs = 1_795_300_000_000;
const dayS = 86_400;

interface Told {
  readonly pod: string;
  readonly metric: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** At scrapes that lie fifteen seconds apart; the last one goes on. */
  readonly values: readonly number[];
}

/** What stands after so many seconds of scrapes, and as many of silence while others go on. */
function standing(
  told: readonly Told[],
  { seconds = 240, silentSeconds = 0, state = "firing" } = {},
): string[] {
  const loaded = loadConfig([], ["cluster.name=demo"], {});
  if (!loaded.ok) throw new Error("the test's settings are valid");
  const evaluator = new Evaluator(loaded.config, rules, () => {});
  for (let at = 0; at * 15 <= seconds; at++) {
    const timeMs = startMs + at * 15_000;
    for (const { pod, metric, labels, values } of told) {
      const target = { pod, namespace: "istio-system" };
      const value = values[at] ?? values.at(-1) ?? 0;
      const component = pod.startsWith("istiod") ? "pilot" : "cni";
      const counters = [
        { name: "istio_build", attributes: { ...target, component, tag: "1.29.1" }, value: 1 },
        { name: metric, attributes: { ...target, ...labels }, value },
      ];
      const { signal, bytes } = encodeCounters({ "service.name": "istio" }, counters, timeMs);
      evaluator.take({ receivedUs: timeMs * usPerMs, signal, body: new Uint8Array(bytes) });
    }
  }
  for (let at = 0; at < silentSeconds; at += 60) {
    const timeMs = startMs + (seconds + at) * 1_000;
    const other = { name: "up", attributes: { job: "another" }, value: 1 };
    const { signal, bytes } = encodeCounters({ "service.name": "another" }, [other], timeMs);
    evaluator.take({ receivedUs: timeMs * usPerMs, signal, body: new Uint8Array(bytes) });
  }
  return evaluator
    .finish()
    .insights.filter((one) => one.state === state)
    .map(({ rule, namespace, workload }) => `${rule} ${namespace}/${workload}`);
}

const istiod = "istiod-7d5c8b9f6-abcde";
const agent = "istio-cni-node-x7k2p";
const rejects = { pod: istiod, metric: "pilot_total_xds_rejects", labels: { type: "cds" } };
const endOf = { pod: istiod, metric: "citadel_server_root_cert_expiry_timestamp" };
const plugin = { pod: agent, metric: "istio_cni_plugin_requests_total" };
const nowS = startMs / 1_000;

test.each<[string, readonly Told[], readonly string[]]>([
  [
    "configuration is rejected",
    [{ ...rejects, values: [4, 4, 6] }],
    ["xds-rejected istio-system/istiod"],
  ],
  ["it was, before anybody watched", [{ ...rejects, values: [4] }], []],
  [
    "the root certificate ends soon",
    [{ ...endOf, values: [nowS + 20 * dayS] }],
    ["certificate-expiring istio-system/istiod"],
  ],
  ["it ends in a year", [{ ...endOf, values: [nowS + 365 * dayS] }], []],
  ["there is none", [{ ...endOf, values: [0] }], []],
  ["its end is no time at all", [{ ...endOf, values: [1e300] }], []],
  [
    "pods could not be set up",
    [{ ...plugin, labels: { response_code: "500" }, values: [0, 0, 3] }],
    ["istio-cni-failing istio-system/istio-cni-node"],
  ],
  ["pods were set up", [{ ...plugin, labels: { response_code: "200" }, values: [0, 0, 30] }], []],
])("%s", (_, told, expected) => {
  expect(standing(told)).toEqual(expected);
});

test("what a silent istiod told last does not go on to be so", () => {
  const told = [{ ...endOf, values: [nowS + 20 * dayS] }];
  const silence = { silentSeconds: 1_200 };
  expect(standing(told, silence)).toEqual([]);
  const expected = ["certificate-expiring istio-system/istiod"];
  expect(standing(told, { ...silence, state: "unknown" })).toEqual(expected);
});
