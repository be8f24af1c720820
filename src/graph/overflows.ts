/**
 * Workloads of which something was left out lately because their share of a table was full, and which
 * tables. What a verdict would have needed may be among it, so rules are told: noise that hides what
 * happens beside it is a finding itself. Kept in memory only: after a restart the tables are as empty as this.
 */
import { usPerMinute, type Us } from "../model/time.ts";

/** So long is a workload told of after its last overflow. */
const keepUs = 15 * usPerMinute;
const workloadsMax = 1_000;

const ownerPrefix = "workload ";

/** Whose share of a join table a record takes. */
export function workloadOwner(nodeId: number): string {
  return `${ownerPrefix}${nodeId}`;
}

/** The node of such an owner; 0 for one that is no workload. */
function ownerNode(owner: string): number {
  return owner.startsWith(ownerPrefix) ? Number(owner.slice(ownerPrefix.length)) : 0;
}

export class Overflows {
  /** By node: each table with the time of the last overflow. */
  readonly #tables = new Map<number, Map<string, Us>>();
  readonly #changed = new Set<number>();

  ofOwner(owner: string, table: string, nowUs: Us): void {
    this.ofNode(ownerNode(owner), table, nowUs);
  }

  ofNode(nodeId: number, table: string, nowUs: Us): void {
    let tables = this.#tables.get(nodeId);
    if (!tables) {
      if (nodeId === 0 || this.#tables.size >= workloadsMax) return;
      this.#tables.set(nodeId, (tables = new Map()));
    }
    if (!tables.has(table)) this.#changed.add(nodeId);
    tables.set(table, nowUs);
  }

  merged(winnerId: number, loserId: number): void {
    const tables = this.#tables.get(loserId);
    if (!tables) return;
    this.#tables.delete(loserId);
    for (const [table, atUs] of tables) this.ofNode(winnerId, table, atUs);
  }

  /** Sorted. */
  tablesOf(nodeId: number): readonly string[] {
    return [...(this.#tables.get(nodeId)?.keys() ?? [])].sort();
  }

  /** Nodes whose tables are others than at the last call. */
  takeChanged(nowUs: Us): readonly number[] {
    for (const [nodeId, tables] of this.#tables) {
      for (const [table, atUs] of tables) {
        if (nowUs - atUs < keepUs) continue;
        tables.delete(table);
        this.#changed.add(nodeId);
      }
      if (tables.size === 0) this.#tables.delete(nodeId);
    }
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }
}
