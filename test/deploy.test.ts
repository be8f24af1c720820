/**
 * What the shipped files say of each other and of the program, checked without the programs they are
 * for: metric names, runbooks, the pipelines of the collector's merged configuration.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../src/config/config.ts";
import { instruments } from "../src/self/instruments.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface AlertRule {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const rulesText = read("deploy/prometheus/rules.yaml");
const { groups } = parse(rulesText) as { groups: { rules: AlertRule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);

test("alert rules and their tests use metrics that the program publishes", () => {
  const texts = rulesText + read("deploy/prometheus/rules.test.yaml");
  const used = [...texts.matchAll(/\bmesh_insights_([a-z_]+)/g)].map((match) => match[1] ?? "");
  expect(used.length).toBeGreaterThan(20);
  expect(used.filter((name) => !Object.hasOwn(instruments, name))).toEqual([]);
});

const headings = [
  "What it means",
  "Why it matters",
  "How to confirm",
  "Likely benign causes",
  "How to fix",
  "How to silence or except",
];

test.for(alerts)("$alert: has severity, words, a unit test and a runbook", (rule) => {
  const { alert, labels, annotations } = rule;
  expect(["critical", "warning"]).toContain(labels["severity"]);
  const { rule_url: ruleUrl, ...others } = annotations;
  expect(Object.keys(others).toSorted()).toEqual(["description", "runbook_url", "summary"]);
  // Alerts on insights know which rule it is.
  const isOnInsights = /^MeshInsight(?!s)/.test(alert);
  expect(ruleUrl).toBe(isOnInsights ? "docs/rules/{{ $labels.rule }}.md" : undefined);
  expect(read("deploy/prometheus/rules.test.yaml")).toMatch(new RegExp(`\\b${alert}\\b`));
  expect(annotations["runbook_url"]).toBe(`docs/runbooks/${alert}.md`);
  const page = read(`docs/runbooks/${alert}.md`);
  expect(page).toMatch(new RegExp(`^# ${alert}\\n`));
  expect([...page.matchAll(/^## (.*)$/gm)].map((match) => match[1])).toEqual(headings);
});

test("there is no runbook without its alert", () => {
  const pages = readdirSync(join(root, "docs/runbooks")).map((name) => name.replace(/\.md$/, ""));
  expect(pages.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
});

test("what the engine's file says of an engine that others reach is a configuration that starts", () => {
  const shipped = read("deploy/mesh-insights.yaml");
  const others = shipped.replace(
    /^( +)# (?=endpoint: 0|tls:|auth:|  tokens:|    - \{ name)/gm,
    "$1",
  );
  const text = others.replace(/^ +endpoint: 127\.0\.0\.1:431[67]\n/gm, "");
  const loaded = loadConfig([{ path: "deploy/mesh-insights.yaml", text }], [], {});
  expect(loaded).toMatchObject({
    ok: true,
    config: {
      grpc: { endpoint: { host: "0.0.0.0" }, auth: { tokens: [{ scopes: ["ingest"] }] } },
      web: { auth: { tokens: [{ scopes: ["metrics"] }, { scopes: ["read", "admin"] }] } },
    },
  });
});

type Components = Readonly<Record<string, unknown>>;
interface CollectorConfig {
  readonly receivers: Components;
  readonly processors: Components;
  readonly exporters: Components;
  readonly service: {
    readonly pipelines: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  };
}

test("the collector's files together declare what their pipelines name; insights have no way back", () => {
  const [gateway, objects] = ["gateway", "kubernetes-objects"].map(
    (name) => parse(read(`deploy/collector/${name}.yaml`), { merge: true }) as CollectorConfig,
  );
  if (!gateway || !objects) throw new Error("two files");
  const pipelines = { ...gateway.service.pipelines, ...objects.service.pipelines };
  expect(Object.keys(pipelines)).toContain("logs/kubernetes");
  for (const pipeline of Object.values(pipelines)) {
    for (const kind of ["receivers", "processors", "exporters"] as const) {
      const declared = { ...gateway[kind], ...objects[kind] };
      for (const name of pipeline[kind] ?? []) expect(declared).toHaveProperty([name]);
    }
    const isReturn = (pipeline["receivers"] ?? []).includes("otlp/insights");
    expect((pipeline["exporters"] ?? []).includes("otlp_grpc/mesh-insights")).toBe(!isReturn);
  }
});
