/**
 * What columns of span halves must hold, by the plainest reading: each half is placed on its own, after
 * everything has arrived. No groups, no moves, no time: the graph's way must come to the same.
 */
import type { PeerName, SpanHalf } from "../../src/model/observations.ts";

export interface SpanColumn {
  facet: string;
  reporter: string;
  requests: number;
  errors: number;
  denied: number;
  latencySumMs: number;
  latencyCount: number;
  firstSeenUs: number;
  lastSeenUs: number;
}

/** Columns by the keys of their ends; `nodeOf` says which node a record's words stand for. */
export function spanColumns(
  halves: readonly SpanHalf[],
  nodeOf: (peer: Partial<PeerName>) => string,
): SpanColumn[] {
  const columns = new Map<string, SpanColumn>();
  for (const half of halves) {
    const { src, dst, port } = endsOf(half, halves);
    const facet = `${nodeOf(src)} > ${nodeOf(dst)} ${half.protocol} ${port}`;
    const reporter = `${half.side}_span`;
    const key = `${facet} ${reporter}`;
    const before = columns.get(key);
    const latencyMs = half.durationUs / 1_000;
    columns.set(key, {
      facet,
      reporter,
      requests: (before?.requests ?? 0) + 1,
      errors: (before?.errors ?? 0) + (half.isError ? 1 : 0),
      denied: (before?.denied ?? 0) + (half.isDenied ? 1 : 0),
      latencySumMs: (before?.latencySumMs ?? 0) + latencyMs,
      latencyCount: (before?.latencyCount ?? 0) + 1,
      firstSeenUs: Math.min(before?.firstSeenUs ?? Infinity, half.timeUs),
      lastSeenUs: Math.max(before?.lastSeenUs ?? 0, half.timeUs),
    });
  }
  return [...columns.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export function keyOf({ facet, reporter }: SpanColumn): string {
  return `${facet} ${reporter}`;
}

interface Ends {
  readonly src: Partial<PeerName>;
  readonly dst: Partial<PeerName>;
  readonly port: number;
}

function endsOf(half: SpanHalf, all: readonly SpanHalf[]): Ends {
  const inTrace = all.filter((one) => one.traceId === half.traceId && one.side !== half.side);
  if (half.side === "server") {
    const client = inTrace.find((one) => one.spanId === half.parentSpanId);
    return { src: client?.self ?? half.peer, dst: half.self, port: half.port };
  }
  const [server] = inTrace
    .filter((one) => one.parentSpanId === half.spanId)
    .sort((a, b) => (a.spanId < b.spanId ? -1 : 1));
  return { src: half.self, dst: server?.self ?? half.peer, port: server?.port || half.port };
}
