/** What the health endpoints, the status page and a diagnosis are told of the engine's parts. */
import type { ApiRuleError } from "../model/api-status.ts";
import type { RuleFault } from "../model/insights.ts";

export interface ComponentStatus {
  readonly name: string;
  readonly ok: boolean;
  /** One line for a person: an address, a count, or what is wrong. */
  readonly text: string;
  /** Without it the engine still does its work, so it does not count for readiness. */
  readonly isOptional?: boolean;
}

export interface EngineStatus {
  readonly version: string;
  readonly startedAt: string;
  /** Ready: migrated, rules loaded, receivers listening, not draining, store writable. */
  readonly ready: boolean;
  readonly components: readonly ComponentStatus[];
  /** Where the receivers listen, `host:port`; "" = not (yet). */
  readonly listening: { readonly grpc: string; readonly http: string };
  /** Rules that could not be evaluated, since they were loaded. */
  readonly ruleFaults: readonly RuleFault[];
  /** Why the rule files as they were last read are not in use; [] = they are. */
  readonly ruleErrors: readonly ApiRuleError[];
  readonly store: {
    readonly path: string;
    /** What the file system has left for us; null = not known. */
    readonly freeBytes: number | null;
  };
}

export interface StatusSource {
  status(): EngineStatus;
}
