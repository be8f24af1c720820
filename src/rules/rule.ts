/** What a loaded rule is: everything the evaluator and the test runner need of it, ready to run. */
import type { EntityType, NodeEntity } from "../model/entities.ts";
import type { Confidence, RuleMeta } from "../model/insights.ts";
import type { SourceKind } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import type { Node } from "./ast.ts";
import type { CompileContext, Expression } from "./compile.ts";
import type { expectedStates, insightLabels } from "./keys.ts";
import type { MacroText, Param } from "./scope.ts";
import type { Template } from "./template.ts";

export interface KeyPath {
  readonly text: string;
  /** What its value in a key was: a node's key, or the text of one value. */
  readonly is: "node" | "text" | "value";
}

export interface CompiledRule {
  readonly meta: RuleMeta;
  /** Path of its file and the line of its first key. */
  readonly file: string;
  readonly line: number;
  /** Paths below the entity that condition and message read: `src.name`. */
  readonly reads: readonly string[];
  /** True, false, or a `Fault` thrown. */
  readonly when: Expression;
  readonly message: Template;
  readonly confidence: (entity: unknown) => Confidence;
  readonly subject: (entity: unknown) => NodeEntity | null;
  readonly peer: (entity: unknown) => NodeEntity | null;
  /** The peer's own port; 0 where it is the caller, whose port means nothing. */
  readonly peerPort: (entity: unknown) => number;
  readonly key: (entity: unknown) => readonly string[];
  /** Whose values the subject and the key are; "" = no subject. */
  readonly paths: { readonly subject: string; readonly key: readonly KeyPath[] };
  /** Null = fires as soon as `when` holds. */
  readonly count: CompiledCount | null;
  readonly tests: readonly RuleTest[];
  readonly written: WrittenRule;
}

/** How it is written, overrides in place: for those who explain it. */
export interface WrittenRule {
  readonly when: string;
  /** The checked tree of `when`, macros in their names' places. */
  readonly condition: Node;
  /** What its names stand for. */
  readonly context: CompileContext;
  readonly macros: ReadonlyMap<Node, MacroText>;
  /** Of lists and macros, those that the rule uses. */
  readonly names: readonly string[];
  readonly params: ReadonlyMap<string, Param>;
  /** A path; "" = there is no other end. */
  readonly peer: string;
  /** A word, or the path of a field. */
  readonly confidence: string;
}

/** How often `when` must hold within a window, or how much a number must grow. */
export interface CompiledCount {
  readonly withinUs: Us;
  readonly gte: number;
  /** Of what is counted: what was counted under another one is of no use. */
  readonly version: string;
  /** Events of one value count once; null = each counts. */
  readonly distinct: ((entity: unknown) => string) | null;
  /** The number of a state entity that grows; null = events are counted. */
  readonly of: Expression | null;
}

/** A rule of a file, whether it is on or not. */
export interface BuiltRule {
  readonly rule: CompiledRule;
  readonly isEnabled: boolean;
  /** Lists and macros that it uses. */
  readonly names: readonly string[];
}

/** A test as it is written, with its fixtures; its shape was validated, durations are still text. */
export interface RuleTest {
  readonly name: string;
  readonly given: readonly TestGiven[];
  readonly expect: readonly TestExpect[];
  readonly todo?: boolean;
  /** Where it begins. */
  readonly file: string;
  readonly line: number;
}

export interface TestHeartbeat {
  readonly kind: SourceKind;
  readonly key?: string;
  readonly state?: "live" | "silent" | "gone";
}

/** One step: either a heartbeat, or one or more entities under the names of their types. */
export type TestGiven = {
  readonly at: string;
  readonly event_time?: string;
  readonly heartbeat?: TestHeartbeat;
  readonly repeat?: { readonly times: number; readonly every: string; readonly vary?: string };
} & { readonly [T in EntityType]?: Readonly<Record<string, unknown>> };

export interface TestExpect {
  readonly at: string;
  readonly state: (typeof expectedStates)[number];
  readonly reason?: string;
  readonly message?: string;
  readonly labels?: Partial<Readonly<Record<(typeof insightLabels)[number], string>>>;
  readonly count?: number;
}
