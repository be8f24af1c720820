/**
 * The rule file format as one table: which keys there are, what they hold, which must be there. Loading
 * validates with it, and the JSON Schema for editors is generated from it, so the two cannot differ.
 */
import {
  entityFields,
  entityTraits,
  type EntityType,
  type FieldType,
  type RecordType,
} from "../model/entities.ts";
import type { RuleStatus, Severity } from "../model/insights.ts";
import type { Capability, SourceKind } from "../model/observations.ts";
import { layerNames } from "../model/layers.ts";
import { durationPattern } from "../model/durations.ts";

/** What a YAML node must be. Small on purpose: what needs more is checked where it is built. */
export type Shape =
  | { readonly kind: "text"; readonly pattern?: string; readonly like?: string }
  | { readonly kind: "int" | "number" | "bool" | "any" }
  | { readonly kind: "choice"; readonly values: readonly (string | number)[] }
  | { readonly kind: "list"; readonly of: Shape; readonly isNonEmpty?: true }
  | { readonly kind: "map"; readonly keys: string; readonly like: string; readonly of: Shape }
  /** `name`: it stands in several places, and the JSON Schema defines it once. */
  | { readonly kind: "record"; readonly keys: Keys; readonly name?: RecordType }
  /** The first that accepts the YAML node's kind. */
  | { readonly kind: "either"; readonly of: readonly Shape[] };

/** One key of a map in a rule file; `says` becomes the editor's hint. */
export interface Key {
  readonly shape: Shape;
  readonly isRequired?: true;
  /** Why there is no such key, for those who expect one. */
  readonly refusal?: string;
  readonly says: string;
}
export type Keys = Readonly<Record<string, Key>>;

// The words come from `model/`; `satisfies` makes a new one there fail here.
export const severities = [
  "info",
  "low",
  "medium",
  "high",
  "critical",
] as const satisfies readonly Severity[];
export const statuses = [
  "experimental",
  "test",
  "stable",
  "deprecated",
] as const satisfies readonly RuleStatus[];
export const confidences = ["low", "medium", "high"] as const;
const capabilities = [
  "proxy_metrics",
  "proxy_logs",
  "spans",
  "flows",
  "sockets",
  "processes",
  "objects",
  "attributed_flows",
  "inventory",
  "file_accesses",
] as const satisfies readonly Capability[];
const sourceKinds = [
  "proxy",
  "node_agent",
  "objects",
  "collector",
] as const satisfies readonly SourceKind[];
export const entityTypes = Object.keys(entityTraits) as readonly EntityType[]; // its keys are the types

/** What a param can be declared as. */
export const paramTypes = ["int", "double", "string", "bool", "duration"] as const;
export type ParamType = (typeof paramTypes)[number];

/** States that a test can ask for: those of the lifecycle, and that there is no insight. */
export const expectedStates = ["inactive", "pending", "firing", "resolved", "unknown"] as const;

/** What an insight is counted, routed and found by, in the words of its API. */
export const insightLabels = ["severity", "cluster", "namespace", "workload"] as const;

/** Of lists, macros and params: they become names in expressions, where case would mislead. */
export const namePattern = "^[a-z][a-z0-9_]{0,63}$";
export const text: Shape = { kind: "text" };
const texts: Shape = { kind: "list", of: text };
const any: Shape = { kind: "any" };
export const duration: Shape = {
  kind: "text",
  pattern: durationPattern,
  like: "a duration like 15m",
};
export const slug: Shape = {
  kind: "text",
  pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
  like: "lower-case words joined by '-'",
};
/** Which of them there are is in the tables. */
export const tagPattern = String.raw`^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+$`;
const fieldPath: Shape = {
  kind: "text",
  pattern: String.raw`^[a-z_]+(\.[a-z_]+)*$`,
  like: "a field path like edge.dst",
};
const capabilitySets: Shape = {
  kind: "list",
  of: { kind: "list", of: { kind: "choice", values: capabilities }, isNonEmpty: true },
};

const paramKeys: Keys = {
  type: {
    shape: { kind: "choice", values: paramTypes },
    isRequired: true,
    says: "Type of the param.",
  },
  default: { shape: any, isRequired: true, says: "Value unless an override sets another." },
  description: { shape: text, says: "What the number means and when to change it." },
};

/** How often the condition must hold. */
const countKeys: Keys = {
  by: {
    shape: { kind: "list", of: fieldPath, isNonEmpty: true },
    says: "Of events: counted together are those that agree in these; the insight's key.",
  },
  within: { shape: duration, isRequired: true, says: "Length of the sliding window: 10s to 24h." },
  gte: {
    shape: {
      kind: "either",
      of: [
        { kind: "int" },
        { kind: "text", pattern: `^params\\.${namePattern.slice(1)}`, like: "params.name" },
      ],
    },
    isRequired: true,
    says: "Fires at so many: a number, or the name of an int param.",
  },
  distinct: {
    shape: { kind: "list", of: fieldPath, isNonEmpty: true },
    says: "Of events: those that agree in these count once.",
  },
  of: {
    shape: text,
    says: "Of state entities: a CEL int that only grows; its growth is counted.",
  },
};

const fixtureName: Shape = { kind: "text", pattern: namePattern, like: "lower_case" };

/** Entities under the names of their types. */
export function entityKeys(says: (type: EntityType) => string): Keys {
  return Object.fromEntries(
    entityTypes.map((type) => [type, { shape: recordShape(type), says: says(type) }]),
  );
}

/** Fixtures by name: entities that several tests of a file begin with. */
export const fixtures: Shape = {
  kind: "map",
  keys: namePattern,
  like: "lower_case",
  of: { kind: "record", keys: entityKeys((type) => `The ${type} that tests begin with.`) },
};

/** One step of a test's timeline. */
const givenKeys: Keys = {
  at: { shape: duration, isRequired: true, says: "When, from the start of the test." },
  event_time: { shape: duration, says: "Event time, when it differs from the arrival." },
  heartbeat: {
    shape: {
      kind: "record",
      keys: {
        kind: {
          shape: { kind: "choice", values: sourceKinds },
          isRequired: true,
          says: "Kind of the source.",
        },
        key: { shape: text, says: "Which source of the kind." },
        state: {
          shape: { kind: "choice", values: ["live", "silent", "gone"] },
          says: "live unless given.",
        },
      },
    },
    says: "A sign of life of a source, or its end. All sources named in a test observe its entities.",
  },
  repeat: {
    shape: {
      kind: "record",
      keys: {
        times: { shape: { kind: "int" }, isRequired: true, says: "How often, at most 2000." },
        every: { shape: duration, isRequired: true, says: "How long after each other." },
        vary: { shape: fieldPath, says: "An int field that is one more each time." },
      },
    },
    says: "The same again and again: for rules that count.",
  },
  fixture: { shape: fixtureName, says: "A fixture of the file, onto which the rest is merged." },
  ...entityKeys((type) => `The ${type} as it is from now on.`),
};

/** One question of a test. */
const expectKeys: Keys = {
  at: { shape: duration, isRequired: true, says: "When, from the start of the test." },
  state: {
    shape: { kind: "choice", values: expectedStates },
    isRequired: true,
    says: "State of an insight of this rule; inactive = there is none.",
  },
  reason: { shape: text, says: "Why it was closed." },
  message: { shape: text, says: "The rendered message, whole." },
  count: { shape: { kind: "int" }, says: "How many insights are in this state." },
  labels: {
    shape: {
      kind: "record",
      keys: Object.fromEntries(
        insightLabels.map((name) => [name, { shape: text, says: "" } satisfies Key]),
      ),
    },
    says: "What the insight is counted and routed by, as far as it is written.",
  },
};

export const testKeys: Keys = {
  name: { shape: text, isRequired: true, says: "What the test shows." },
  given: {
    shape: { kind: "list", of: { kind: "record", keys: givenKeys }, isNonEmpty: true },
    isRequired: true,
    says: "Timeline of what happens.",
  },
  expect: {
    shape: { kind: "list", of: { kind: "record", keys: expectKeys }, isNonEmpty: true },
    isRequired: true,
    says: "What must hold at which time.",
  },
  todo: { shape: { kind: "bool" }, says: "A known failure: the test must fail until it is fixed." },
};

/** One rule. Texts that people read may be missing here; the shipped rules' test demands them. */
export const ruleKeys: Keys = {
  id: {
    shape: slug,
    isRequired: true,
    says: "Identity everywhere; stable, never used for another rule.",
  },
  title: { shape: text, isRequired: true, says: "One line for people." },
  description: { shape: text, says: "Why it matters." },
  confirm: { shape: text, says: "How to see for oneself that it is so, with commands." },
  layer: {
    shape: { kind: "choice", values: layerNames },
    says: "The layer of defence in depth that its insights weaken in their namespace.",
  },
  remediation: { shape: text, says: "What to do about it, with commands." },
  references: { shape: texts, says: "Links." },
  false_positives: { shape: texts, says: "Known innocent causes." },
  status: {
    shape: { kind: "choice", values: statuses },
    says: "Maturity; experimental rules never page. Default experimental.",
  },
  severity: {
    shape: { kind: "choice", values: severities },
    isRequired: true,
    says: "One per rule.",
  },
  confidence: {
    shape: { kind: "either", of: [{ kind: "choice", values: confidences }, fieldPath] },
    isRequired: true,
    says: "A word, or the path of a field that holds one.",
  },
  needs: {
    shape: capabilitySets,
    says: "Sets of capabilities; with any whole set a workload can be judged.",
  },
  partly: { shape: capabilitySets, says: "Sets with which only a part can be judged." },
  subject: { shape: fieldPath, says: "The workload to fix." },
  peer: { shape: fieldPath, says: "The other end." },
  on: {
    shape: { kind: "choice", values: entityTypes },
    isRequired: true,
    says: "The entity type; sets the variable of the same name.",
  },
  params: {
    shape: {
      kind: "map",
      keys: namePattern,
      like: "lower_case",
      of: { kind: "record", keys: paramKeys },
    },
    says: "The numbers that can be tuned, as params.name in CEL.",
  },
  when: { shape: text, isRequired: true, says: "CEL condition over one entity." },
  absent: {
    shape: any,
    refusal:
      "a missing report is judged by the graph, which knows who would have told of it: read flow.rung, flow.outcome, source.state, workload.coverage",
    says: "",
  },
  count: {
    shape: { kind: "record", keys: countKeys },
    says: "Fires when there are so many within a window.",
  },
  for: { shape: duration, says: "How long the condition holds before it fires. Default 0s." },
  keep_firing_for: {
    shape: duration,
    says: "How long it keeps firing after the condition held last. Default 15m.",
  },
  key: {
    shape: { kind: "list", of: fieldPath, isNonEmpty: true },
    says: "Field paths that identify an insight; the entity's default key unless given.",
  },
  message: { shape: text, isRequired: true, says: "Text with {{ CEL string }} parts." },
  tags: {
    shape: {
      kind: "list",
      of: { kind: "text", pattern: tagPattern, like: "a tag like attack.t1040" },
    },
    says: "Techniques and controls, like attack.t1040 or nist-800-53.sc-8.",
  },
  tests: {
    shape: { kind: "list", of: { kind: "record", keys: testKeys } },
    says: "Embedded tests, run by `rules test`.",
  },
  enabled: { shape: { kind: "bool" }, says: "false: checked, but not evaluated." },
};

/** An entity in a test: any of its fields; the rest keep their zero value. */
function recordShape(record: RecordType): Shape {
  const keys: Record<string, Key> = {};
  for (const [name, type] of Object.entries(entityFields[record])) {
    keys[name] = { shape: fieldShape(type), says: "" };
  }
  return { kind: "record", keys, name: record };
}

/** How a test writes a field of this type: durations and ages as text, the rest as it is. */
function fieldShape(type: FieldType): Shape {
  if (typeof type === "object") return { kind: "choice", values: type.values };
  switch (type) {
    case "string":
      return text;
    case "int":
    case "id":
    case "proxy_id":
      return { kind: "int" };
    case "double":
      return { kind: "number" };
    case "bool":
      return { kind: "bool" };
    case "duration":
    case "age":
      return duration;
    case "dyn":
      return any;
    case "list<string>":
      return texts;
    case "list<int>":
      return { kind: "list", of: { kind: "int" } };
    case "list<container>":
      return { kind: "list", of: recordShape("container") };
    case "map<string, string>":
      return { kind: "map", keys: "", like: "", of: text };
    case "map<string, double>":
      return { kind: "map", keys: "", like: "", of: { kind: "number" } };
    case "node":
    case "process":
      return recordShape(type);
  }
}
