/**
 * Runs the tests that stand in rule files: a timeline of entities through the real evaluator and the real
 * lifecycle, on a virtual clock. All that a rule needs counts as received, unless the test's heartbeats
 * say otherwise; an entity's identity is its key.
 */
import type { Insight } from "../insights/insight.ts";
import { insightDefaults, Insights } from "../insights/insights.ts";
import type { AnyEntityChange, GraphChange, Observer } from "../model/changes.ts";
import { entityTraits, type EntityType } from "../model/entities.ts";
import type { Us } from "../model/time.ts";
import { insightLabels } from "../rules/keys.ts";
import { Evaluator } from "../rules/evaluator.ts";
import type {
  CompiledRule,
  RuleTest,
  TestExpect,
  TestGiven,
  TestHeartbeat,
} from "../rules/rule.ts";
import { durationUs, entityOf } from "./written-entities.ts";

export interface RuleTestResult {
  readonly rule: string;
  /** `file:line` of the test. */
  readonly place: string;
  readonly test: string;
  readonly isTodo: boolean;
  readonly passed: boolean;
  /** What was expected and what was found, one line each; of a todo, why it still fails. */
  readonly problems: readonly string[];
}

export function runRuleTests(rules: readonly CompiledRule[]): readonly RuleTestResult[] {
  return rules.flatMap((rule) => rule.tests.map((test) => runTest(rule, test)));
}

function runTest(rule: CompiledRule, test: RuleTest): RuleTestResult {
  const isTodo = test.todo === true;
  const problems = new Run(rule, test).run();
  const passes = problems.length === 0;
  const surprise = isTodo && passes ? ["it passes now: remove 'todo'"] : problems;
  return {
    rule: rule.meta.id,
    place: `${test.file}:${test.line}`,
    test: test.name,
    isTodo,
    passed: passes !== isTodo,
    problems: surprise,
  };
}

/** 2026-01-01: any time will do, as long as it is always the same. */
const repeatsMax = 2_000;
const startUs: Us = 1_767_225_600_000_000;

/** What happens, or what must hold, at one time of the test. */
type Step =
  | { readonly atUs: Us; readonly given: TestGiven; readonly repeat: number }
  | { readonly atUs: Us; readonly expect: TestExpect };

/** One test with an evaluator and a lifecycle of its own. */
class Run {
  readonly #rule: CompiledRule;
  readonly #test: RuleTest;
  readonly #insights: Insights;
  readonly #evaluator: Evaluator;
  /** Every source that the test names; they observe all of its entities. */
  readonly #observers: readonly Observer[];
  readonly #silent = new Set<string>();
  readonly #problems: string[] = [];

  constructor(rule: CompiledRule, test: RuleTest) {
    this.#rule = rule;
    this.#test = test;
    this.#insights = new Insights(insightDefaults, { push: () => {} });
    this.#insights.setRules([rule.meta]);
    this.#evaluator = new Evaluator([rule], this.#insights);
    const beats = test.given.flatMap(({ heartbeat }) => heartbeat ?? []);
    this.#observers = beats.map(heartbeatToObserver);
  }

  run(): readonly string[] {
    const given: Step[] = this.#test.given.flatMap(repeated);
    const expect: Step[] = this.#test.expect.map((step) => ({ atUs: toUs(step.at), expect: step }));
    // The sort is stable: at one time, what is given comes before what is expected.
    for (const step of [...given, ...expect].sort((a, b) => a.atUs - b.atUs)) {
      this.#advance(step.atUs);
      if ("given" in step) this.#evaluator.push(this.#changes(step));
      else this.#compare(step.expect);
    }
    const fault = this.#evaluator.firstError(this.#rule.meta.id);
    if (fault !== "" && this.#problems.length > 0) this.#problems.push(`a fault: ${fault}`);
    return this.#problems;
  }

  /** In steps, so that what an age changes happens when it would, and not when somebody looks. */
  #advance(atUs: Us): void {
    for (let next = this.#evaluator.dueUs; next < atUs; next = this.#evaluator.dueUs) {
      this.#evaluator.advance(next);
      this.#insights.advance(next);
    }
    this.#evaluator.advance(atUs);
    this.#insights.advance(atUs);
  }

  #changes({ given, atUs, repeat }: GivenStep): GraphChange[] {
    const changes: GraphChange[] = [];
    if (given.heartbeat) changes.push(this.#sourceChange(given.heartbeat, atUs));
    for (const type of Object.keys(entityTraits) as EntityType[]) {
      const fields = given[type];
      if (fields)
        changes.push(this.#entityChange(type, varied(fields, given, repeat), given, atUs));
    }
    return changes;
  }

  /** Without a state, a heartbeat is a sign of life. */
  #sourceChange(heartbeat: TestHeartbeat, atUs: Us): GraphChange {
    const observer = heartbeatToObserver(heartbeat);
    const state = heartbeat.state ?? "live";
    const name = `${observer.kind} ${observer.key}`;
    if (state === "live") this.#silent.delete(name);
    else this.#silent.add(name);
    return { kind: "source", observer, state, atUs };
  }

  /** The entity as the graph would tell it; silence of any source makes it unjudged. */
  #entityChange(
    type: EntityType,
    fields: Readonly<Record<string, unknown>>,
    given: TestGiven,
    atUs: Us,
  ): GraphChange {
    const { on } = this.#rule.meta;
    if (type !== on) this.#problems.push(`at ${given.at}: gives '${type}' to a rule on '${on}'`);
    const entity = entityOf(type, fields, atUs);
    const eventUs = given.event_time === undefined ? atUs : toUs(given.event_time);
    const id = type === on ? this.#idOf(entity, eventUs) : "";
    const change = {
      kind: "entity",
      type,
      id,
      entity,
      judged: this.#silent.size === 0,
      atUs: eventUs,
      evidence: [],
      observers: this.#observers,
    };
    return change as unknown as AnyEntityChange; // the entity was made for this very type
  }

  /** Its key; of a rule that counts events also what tells them apart, which is their time if nothing is. */
  #idOf(entity: unknown, eventUs: Us): string {
    const { count, key, meta } = this.#rule;
    const parts = [...key(entity)];
    if (count && meta.lifecycle === "event") parts.push(count.distinct?.(entity) ?? `${eventUs}`);
    return parts.join("\n");
  }

  /** Notes what differs; with several insights, one that fits is enough unless `count` is given. */
  #compare(expect: TestExpect): void {
    this.#insights.settle();
    const all = [...this.#insights.current()].filter(({ state }) => state !== "inactive");
    const found = all.length === 0 ? "inactive" : all.map(({ state }) => state).join(", ");
    const say = (what: string): void => {
      this.#problems.push(`at ${expect.at}: ${what}`);
    };
    if (expect.state === "inactive") {
      if (all.length > 0) say(`expected no insight, found ${found}: "${all[0]?.message}"`);
      return;
    }
    const inState = all.filter(({ state }) => state === expect.state);
    if (inState.length === 0) say(`expected ${expect.state}, found ${found}`);
    if (expect.count !== undefined && expect.count !== inState.length) {
      say(`expected ${expect.count} in state ${expect.state}, found ${inState.length}`);
    }
    for (const field of ["reason", "message"] as const) {
      const wanted = expect[field];
      if (wanted === undefined || inState.length === 0) continue;
      if (inState.some((insight) => insight[field] === wanted)) continue;
      say(`expected the ${field} "${wanted}", found "${inState[0]?.[field]}"`);
    }
    if (expect.labels && inState.length > 0) this.#compareLabels(expect.labels, inState, say);
  }

  #compareLabels(
    wanted: NonNullable<TestExpect["labels"]>,
    insights: readonly Insight[],
    say: (what: string) => void,
  ): void {
    const found = insights.map(labelsOf);
    const names = insightLabels.filter((name) => wanted[name] !== undefined);
    if (found.some((labels) => names.every((name) => labels[name] === wanted[name]))) return;
    const toText = (labels: TestExpect["labels"] = {}): string =>
      names.map((name) => `${name}=${labels[name]}`).join(", ");
    say(`expected the labels ${toText(wanted)}, found ${toText(found[0])}`);
  }
}

function labelsOf({ rule, subject }: Insight): Required<NonNullable<TestExpect["labels"]>> {
  const { cluster, namespace, workload } = subject;
  return { severity: rule.severity, cluster, namespace, workload };
}

type GivenStep = Extract<Step, { readonly given: TestGiven }>;

function repeated(given: TestGiven): readonly GivenStep[] {
  const { repeat } = given;
  const times = Math.min(repeat?.times ?? 1, repeatsMax);
  const everyUs = repeat ? durationUs(repeat.every) : 0;
  return Array.from({ length: times }, (_, at) => {
    return { atUs: toUs(given.at) + at * everyUs, given, repeat: at };
  });
}

/** The fields with the varied one so much more. */
function varied(
  fields: Readonly<Record<string, unknown>>,
  { repeat }: TestGiven,
  by: number,
): Readonly<Record<string, unknown>> {
  const [, name = ""] = repeat?.vary?.split(".") ?? [];
  return name === "" ? fields : { ...fields, [name]: Number(fields[name] ?? 0) + by };
}

function heartbeatToObserver({ kind, key }: TestHeartbeat): Observer {
  return { kind, key: key ?? "" };
}

/** Times in tests count from their start. */
function toUs(text: string): Us {
  return startUs + durationUs(text);
}
