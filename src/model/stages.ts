/**
 * The contracts between stages. Data goes one way: receive, decode, normalize, graph, rules, insights,
 * export. No stage imports the next; it is handed a `Sink` by the composition root.
 */

/**
 * The next stage. `push` is synchronous; the batch belongs to the callee for the length of the call
 * only, unless the batch's own type says otherwise. It throws on a programmer error alone: bad input has
 * been counted and left out before.
 */
export interface Sink<Batch> {
  push(batch: Batch): void;
}

/** The three OTLP signals; the numbers are stored (receipts, recordings) and never change. */
export const Signal = { traces: 1, metrics: 2, logs: 3 } as const;
export type Signal = (typeof Signal)[keyof typeof Signal];

/** One cumulative number of a pure stage. io turns these into Prometheus series at a scrape. */
export interface CounterSample {
  /** Without the `mesh_insights_` prefix: `observations_total`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A pure stage's own numbers, all cumulative since the process started (gauges: now). */
export interface Counted {
  counters(into: CounterSample[]): void;
}
