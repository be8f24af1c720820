/** Gates with tokens that a test knows. */
import { FailureLimit } from "../../src/access/failure-limit.ts";
import { TokenGate } from "../../src/access/gate.ts";
import { digestOf, TokenTable } from "../../src/access/tokens.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { PortName, Scope } from "../../src/model/access.ts";
import { PrometheusRegistry } from "../../src/export/prometheus.ts";
import { AccessEvents } from "../../src/self/access-events.ts";
import { makeLog } from "../../src/self/log.ts";

export const tokens = {
  old: "an-old-token-of-the-gateway",
  new: "the-new-token-of-the-gateway",
  /** Known, but it may not send. */
  reader: "a-token-that-may-only-read",
} as const;

export interface TestGate {
  readonly gate: TokenGate;
  readonly log: string[];
  /** As `missing` to how many; without zeros. */
  readonly refused: () => Promise<Record<string, number>>;
}

export function makeTable(gateway: readonly string[]): TokenTable {
  const holder = (name: string, scope: Scope, ...texts: readonly string[]) => ({
    principal: { name, scopes: new Set([scope]), namespaces: [] },
    digests: texts.map(digestOf),
  });
  return new TokenTable([
    holder("gateway", "ingest", ...gateway),
    holder("reader", "read", tokens.reader),
  ]);
}

export function makeGate(port: PortName): TestGate {
  const registry = new PrometheusRegistry();
  const log: string[] = [];
  const events = new AccessEvents(
    port,
    registry,
    makeLog({ level: "debug", format: "text", write: (line) => log.push(line) }),
    systemClock,
  );
  const table = makeTable([tokens.old, tokens.new]);
  return {
    gate: new TokenGate(table, new FailureLimit(systemClock), events),
    log,
    refused: async () => {
      const readings = await registry.read("access_refused_total");
      const counted = readings.filter(({ value }) => value > 0);
      return Object.fromEntries(
        counted.map(({ labels, value }) => [labels["reason"] ?? "", value]),
      );
    },
  };
}
