/** Problems of the engine itself and on the way out: scrapes, sinks, rules, store, configuration. */
import type { ApiProblem } from "../model/api-status.ts";
import { storeTrouble } from "../self/store-trouble.ts";
import { seriesOf, sumOf, type Facts } from "./facts.ts";

const mebibyte = 1024 * 1024;

export function engineProblems(facts: Facts): ApiProblem[] {
  return [
    ...failingComponents(facts),
    ...notScraped(facts),
    ...failingRules(facts),
    ...fullStore(facts),
    ...notLoaded(facts),
  ];
}

function failingComponents(facts: Facts): ApiProblem[] {
  return facts.components
    .filter(({ ok }) => !ok)
    .map(({ name, text, isOptional }): ApiProblem => {
      const evidence = { component: name, says: text };
      if (isOptional === true) {
        return {
          code: "sink-down",
          severity: "error",
          text: `Insights cannot be delivered: ${name} to ${text}`,
          evidence,
          remedy:
            "see whether the sink runs and takes OTLP/gRPC at exporters.otlp.endpoint, with the right tls and headers_file; the records are kept (exporters.otlp.queue) and sent once it does",
        };
      }
      return {
        code: "component-failing",
        severity: "error",
        text: `The ${name} does not work: ${text}`,
        evidence,
        remedy: "see the engine's log; right after the start, wait a moment and ask again",
      };
    });
}

/** Insights that nobody collects page nobody. */
function notScraped({ nowMs, startedMs, scrape }: Facts): ApiProblem[] {
  const { lastMs, withinMs } = scrape;
  const pauseMs = nowMs - Math.max(lastMs, startedMs);
  if (pauseMs < withinMs) return [];
  const seconds = Math.round(pauseMs / 1_000);
  return [
    {
      code: "not-scraped",
      severity: "warning",
      text: `Nobody scrapes /metrics: ${lastMs === 0 ? "not once since the start" : "the last time"} ${seconds} s ago`,
      evidence: { seconds_without_scrape: seconds, expected_within_seconds: withinMs / 1_000 },
      remedy:
        "add a job to Prometheus: scrape_configs: [{ job_name: mesh-insights, static_configs: [{ targets: [<host>:4316] }] }], and load deploy/prometheus/rules.yaml, so that insights reach somebody",
    },
  ];
}

function failingRules(facts: Facts): ApiProblem[] {
  const failing = new Map<string, { errors: number; reasons: string[] }>();
  for (const { labels, value } of seriesOf(facts.recent, "rule_evaluation_errors_total")) {
    const { rule = "", reason = "" } = labels;
    const { errors, reasons } = failing.get(rule) ?? { errors: 0, reasons: [] };
    failing.set(rule, { errors: errors + value, reasons: [...reasons, reason] });
  }
  return [...failing].map(([rule, { errors, reasons }]): ApiProblem => {
    const fault = facts.ruleFaults.find((one) => one.rule === rule)?.text ?? "";
    const why = fault === "" ? reasons.join(", ") : fault;
    return {
      code: "rules-failing",
      severity: "error",
      text: `The rule ${rule} cannot be evaluated: ${why}`,
      evidence: { rule, errors, says: why },
      remedy: `mend its condition (guard a key with has() or a division with a comparison), check it with "mesh-insights rules test <folder>", or switch it off: rules: { disabled: [${rule}] }`,
    };
  });
}

function fullStore(facts: Facts): ApiProblem[] {
  const { path, freeBytes } = facts.store;
  const sizeBytes = sumOf(facts.totals, "store_size_bytes");
  const limitBytes = sumOf(facts.totals, "store_limit_bytes");
  const failedCommits = sumOf(facts.recent, "commits_failed_total");
  const inMebibytes = (bytes: number): number => Math.round((bytes / mebibyte) * 10) / 10;
  switch (storeTrouble({ sizeBytes, limitBytes, freeBytes, failedCommits })) {
    case "nearly_full":
      return [
        {
          code: "store-nearly-full",
          severity: "error",
          text: `The store has ${inMebibytes(sizeBytes)} of at most ${inMebibytes(limitBytes)} MiB: nothing more is taken once it is full`,
          evidence: {
            size_bytes: sizeBytes,
            limit_bytes: limitBytes,
            failed_commits: failedCommits,
          },
          remedy: "raise store.max_size (and the volume below it)",
        },
      ];
    case "disk_nearly_full":
      return [
        {
          code: "disk-nearly-full",
          severity: "error",
          text: `The disk of the store has ${inMebibytes(freeBytes ?? 0)} MiB left`,
          evidence: { free_bytes: freeBytes ?? 0, path, failed_commits: failedCommits },
          remedy: "make room on the volume, or enlarge it",
        },
      ];
    case "commits_failing":
      return [
        {
          code: "commits-failing",
          severity: "error",
          text: `${failedCommits} commits to the store failed in the last minutes`,
          evidence: { failed_commits: failedCommits, path },
          remedy:
            "see the engine's log for the disk's answer; senders are told to try again meanwhile",
        },
      ];
    case null:
      return [];
  }
}

/** A reload that failed leaves the old configuration in use, which nobody may notice. */
function notLoaded(facts: Facts): ApiProblem[] {
  const gauges = ["config_last_reload_successful", "rules_last_reload_successful"] as const;
  const failed = gauges.filter((name) =>
    seriesOf(facts.totals, name).some(({ value }) => value === 0),
  );
  if (failed.length === 0) return [];
  const { ruleErrors } = facts;
  const [first] = ruleErrors;
  const why = first && `${first.file}:${first.line}:${first.column} ${first.code} ${first.message}`;
  return [
    {
      code: "reload-failed",
      severity: "error",
      text: first
        ? "Rule files have errors: the rules from before are in use"
        : "The last reload failed: the configuration and rules from before it are in use",
      evidence: {
        failed: failed.join(", "),
        ...(why !== undefined && { errors: ruleErrors.length, first: why }),
      },
      remedy: `see what "mesh-insights validate --config …" says, mend it, and reload again (SIGHUP)`,
    },
  ];
}
