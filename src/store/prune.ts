/**
 * What history is dropped, and when. Never: open insights, receipts that a collector may still retry,
 * and the live graph, which only its own stage may forget. Bounded work per call, because a long
 * transaction would hold up a commit and with it the answers to senders.
 */
import type Database from "better-sqlite3";
import { usPerDay, usPerHour, usPerMinute } from "../model/time.ts";
import type { Us } from "../model/time.ts";

/** Rows that one call removes at most, all tables together. */
export const pruneRowsMax = 2_000;

export const receiptKeptUs = 15 * usPerMinute;
export const historyKeptUs = 30 * usPerDay;
export const fineRollupKeptUs = usPerDay;
/** As long as flows are kept: late ones ask who held an address then. */
export const ownerKeptUs = usPerDay;

interface PruneRule {
  readonly keptUs: Us;
  /** Deletes at most `@limit` rows that ended before `@beforeUs`. */
  readonly sql: string;
}

const rules: readonly PruneRule[] = [
  {
    keptUs: receiptKeptUs,
    sql: `
      DELETE FROM receipt
      WHERE (hash, signal) IN (
        SELECT hash, signal
        FROM receipt
        WHERE received_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    keptUs: 0,
    sql: `
      DELETE FROM journal
      WHERE id IN (
        SELECT id
        FROM journal
        WHERE until_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    keptUs: fineRollupKeptUs,
    sql: `
      DELETE FROM rollup
      WHERE (width_us, bucket_us, facet_id) IN (
        SELECT width_us, bucket_us, facet_id
        FROM rollup
        WHERE width_us = ${5 * usPerMinute}
          AND bucket_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM rollup
      WHERE (width_us, bucket_us, facet_id) IN (
        SELECT width_us, bucket_us, facet_id
        FROM rollup
        WHERE width_us = ${usPerHour}
          AND bucket_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM edge_event
      WHERE (at_us, facet_id, kind) IN (
        SELECT at_us, facet_id, kind
        FROM edge_event
        WHERE at_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    // Events go before their insight, so that a bounded call leaves no orphans.
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM insight_event
      WHERE (insight_id, number) IN (
        SELECT insight_event.insight_id, insight_event.number
        FROM insight
        JOIN insight_event ON insight_event.insight_id = insight.id
        WHERE insight.state IN ('resolved', 'inactive')
          AND insight.resolved_us < @beforeUs
          AND insight.last_seen_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM insight
      WHERE id IN (
        SELECT id
        FROM insight
        WHERE state IN ('resolved', 'inactive')
          AND resolved_us < @beforeUs
          AND last_seen_us < @beforeUs
          AND NOT EXISTS (SELECT 1 FROM insight_event WHERE insight_id = insight.id)
        LIMIT @limit
      )`,
  },
  {
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM blind
      WHERE (from_us, reason) IN (
        SELECT from_us, reason
        FROM blind
        WHERE to_us < @beforeUs
          AND from_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    // A facet that moved away or ended; a trigger takes its columns along, and its edge with the last.
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM facet
      WHERE id IN (
        SELECT id
        FROM facet
        WHERE detail = '{"gone":true}'
          AND last_seen_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    // A node that proved to be another, once nothing names it any more.
    keptUs: historyKeptUs,
    sql: `
      DELETE FROM node
      WHERE id IN (
        SELECT id
        FROM node AS loser
        WHERE merged_into <> 0
          AND key = 'merged/' || id
          AND last_seen_us < @beforeUs
          AND NOT EXISTS (SELECT 1 FROM edge WHERE src_id = loser.id)
          AND NOT EXISTS (SELECT 1 FROM edge WHERE dst_id = loser.id)
          AND NOT EXISTS (SELECT 1 FROM pod WHERE node_id = loser.id)
          AND NOT EXISTS (SELECT 1 FROM process WHERE node_id = loser.id)
          AND NOT EXISTS (SELECT 1 FROM node AS other WHERE other.merged_into = loser.id)
        LIMIT @limit
      )`,
  },
  {
    keptUs: ownerKeptUs,
    sql: `
      DELETE FROM ip_owner
      WHERE id IN (
        SELECT id
        FROM ip_owner
        WHERE to_us > 0
          AND to_us < @beforeUs
        LIMIT @limit
      )`,
  },
  {
    // A pod that held an address, all of whose times are over and forgotten by the rule above.
    keptUs: ownerKeptUs,
    sql: `
      DELETE FROM pod
      WHERE uid IN (
        SELECT uid
        FROM pod
        WHERE last_seen_us < @beforeUs
          AND NOT EXISTS (SELECT 1 FROM ip_owner WHERE pod_uid = pod.uid)
        LIMIT @limit
      )`,
  },
];

export class Pruner {
  readonly #steps: readonly { readonly keptUs: Us; readonly remove: Database.Statement }[];

  constructor(database: Database.Database) {
    this.#steps = rules.map(({ keptUs, sql }) => ({ keptUs, remove: database.prepare(sql) }));
  }

  /** Inside the caller's transaction; returns how many rows went. */
  prune(nowUs: Us): number {
    let removed = 0;
    for (const step of this.#steps) {
      const limit = pruneRowsMax - removed;
      if (limit === 0) break;
      removed += step.remove.run({ beforeUs: nowUs - step.keptUs, limit }).changes;
    }
    return removed;
  }
}
