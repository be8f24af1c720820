/** What the health endpoints and the status page tell of the engine's parts. */

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
}

export interface StatusSource {
  status(): EngineStatus;
}
