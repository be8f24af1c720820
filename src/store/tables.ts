/** How insights, receipts, the outbox, the journal and history are written and read back. */
import type { ForgottenRow } from "../model/rows.ts";
import type { AnyTable, Table } from "./table.ts";
import {
  coverageTable,
  edgeTable,
  facetColumnTable,
  facetTable,
  ipOwnerTable,
  nodeAliasTable,
  nodeTable,
  objectTable,
  podTable,
  processTable,
  seriesPageTable,
  seriesTable,
  sourceTable,
} from "./graph-tables.ts";

const receiptTable: Table<"receipts"> = {
  name: "receipts",
  write: `
    INSERT INTO receipt (hash, signal, received_us)
    VALUES (unhex(@hash), @signal, @receivedUs)
    ON CONFLICT (hash, signal) DO UPDATE SET
      received_us = excluded.received_us`,
  read: `
    SELECT lower(hex(hash)) AS hash, signal, received_us AS receivedUs
    FROM receipt
    ORDER BY received_us, hash`,
};

const countTable: Table<"counts"> = {
  name: "counts",
  write: `
    INSERT INTO count (id, rule, version, detail)
    VALUES (@id, @rule, @version, @detail)
    ON CONFLICT (id) DO UPDATE SET
      rule = excluded.rule,
      version = excluded.version,
      detail = excluded.detail`,
  read: `
    SELECT id, rule, version, detail
    FROM count
    ORDER BY id`,
};

const insightTable: Table<"insights"> = {
  name: "insights",
  write: `
    INSERT INTO insight (
      id, fingerprint, episode, rule, rule_version, title, severity, confidence, state, reason,
      message, cluster, namespace, workload, kind, peer_namespace, peer_workload, peer_address,
      peer_port, first_seen_us, last_seen_us, active_us, fired_us, resolved_us, keep_since_us,
      occurrences, reopen_count, transitions, flapping, evidence, detail
    )
    VALUES (
      @id, @fingerprint, @episode, @rule, @ruleVersion, @title, @severity, @confidence, @state, @reason,
      @message, @cluster, @namespace, @workload, @kind, @peerNamespace, @peerWorkload, @peerAddress,
      @peerPort, @firstSeenUs, @lastSeenUs, @activeUs, @firedUs, @resolvedUs, @keepSinceUs,
      @occurrences, @reopenCount, @transitions, @flapping, @evidence, @detail
    )
    ON CONFLICT (id) DO UPDATE SET
      fingerprint = excluded.fingerprint,
      episode = excluded.episode,
      rule = excluded.rule,
      rule_version = excluded.rule_version,
      title = excluded.title,
      severity = excluded.severity,
      confidence = excluded.confidence,
      state = excluded.state,
      reason = excluded.reason,
      message = excluded.message,
      cluster = excluded.cluster,
      namespace = excluded.namespace,
      workload = excluded.workload,
      kind = excluded.kind,
      peer_namespace = excluded.peer_namespace,
      peer_workload = excluded.peer_workload,
      peer_address = excluded.peer_address,
      peer_port = excluded.peer_port,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      active_us = excluded.active_us,
      fired_us = excluded.fired_us,
      resolved_us = excluded.resolved_us,
      keep_since_us = excluded.keep_since_us,
      occurrences = excluded.occurrences,
      reopen_count = excluded.reopen_count,
      transitions = excluded.transitions,
      flapping = excluded.flapping,
      evidence = excluded.evidence,
      detail = excluded.detail`,
  read: `
    SELECT
      id, fingerprint, episode, rule,
      rule_version AS ruleVersion,
      title, severity, confidence, state, reason, message, cluster, namespace, workload, kind,
      peer_namespace AS peerNamespace,
      peer_workload AS peerWorkload,
      peer_address AS peerAddress,
      peer_port AS peerPort,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      active_us AS activeUs,
      fired_us AS firedUs,
      resolved_us AS resolvedUs,
      keep_since_us AS keepSinceUs,
      occurrences,
      reopen_count AS reopenCount,
      transitions, flapping, evidence, detail
    FROM insight
    ORDER BY id`,
  booleans: ["flapping"],
};

const insightEventTable: Table<"insightEvents"> = {
  name: "insightEvents",
  write: `
    INSERT INTO insight_event (
      insight_id, number, at_us, event_us, from_state, to_state, reason, message
    )
    VALUES (@insightId, @number, @atUs, @eventUs, @fromState, @toState, @reason, @message)
    ON CONFLICT (insight_id, number) DO UPDATE SET
      at_us = excluded.at_us,
      event_us = excluded.event_us,
      from_state = excluded.from_state,
      to_state = excluded.to_state,
      reason = excluded.reason,
      message = excluded.message`,
  read: null,
};

const waiverTable: Table<"waivers"> = {
  name: "waivers",
  write: `
    INSERT INTO waiver (
      id, rules, condition, reason, owner, ticket, ends_us, since_us, matched_us
    )
    VALUES (@id, @rules, @where, @reason, @owner, @ticket, @endsUs, @sinceUs, @matchedUs)
    ON CONFLICT (id) DO UPDATE SET
      rules = excluded.rules,
      condition = excluded.condition,
      reason = excluded.reason,
      owner = excluded.owner,
      ticket = excluded.ticket,
      ends_us = excluded.ends_us,
      since_us = excluded.since_us,
      matched_us = excluded.matched_us`,
  read: `
    SELECT
      id, rules,
      condition AS "where",
      reason, owner, ticket,
      ends_us AS endsUs,
      since_us AS sinceUs,
      matched_us AS matchedUs
    FROM waiver
    ORDER BY id`,
};

// A record that waits already is the same one: a uid says all.
const outboxTable: Table<"outbox"> = {
  name: "outbox",
  write: `
    INSERT INTO outbox (uid, insight_id, state, at_us, record)
    VALUES (@uid, @insightId, @state, @atUs, @record)
    ON CONFLICT (uid) DO NOTHING`,
  read: null,
};

const edgeEventTable: Table<"edgeEvents"> = {
  name: "edgeEvents",
  write: `
    INSERT INTO edge_event (at_us, facet_id, kind, value)
    VALUES (@atUs, @facetId, @kind, @value)
    ON CONFLICT (at_us, facet_id, kind) DO UPDATE SET
      value = excluded.value`,
  read: null,
};

// A row is what was added since the last commit: nobody reads a bucket back after a restart.
const rollupTable: Table<"rollups"> = {
  name: "rollups",
  write: `
    INSERT INTO rollup (
      width_us, bucket_us, facet_id, requests, errors, connections, bytes_sent, bytes_received
    )
    VALUES (
      @widthUs, @bucketUs, @facetId, @requests, @errors, @connections, @bytesSent, @bytesReceived
    )
    ON CONFLICT (width_us, bucket_us, facet_id) DO UPDATE SET
      requests = requests + excluded.requests,
      errors = errors + excluded.errors,
      connections = connections + excluded.connections,
      bytes_sent = bytes_sent + excluded.bytes_sent,
      bytes_received = bytes_received + excluded.bytes_received`,
  read: null,
};

const redoTable: Table<"redo"> = {
  name: "redo",
  write: `
    INSERT INTO redo (signal, received_us, listener, client, encoding, body)
    VALUES (@signal, @receivedUs, @listener, @client, @encoding, @body)`,
  read: `
    SELECT signal, received_us AS receivedUs, listener, client, encoding, body
    FROM redo
    ORDER BY id`,
};

const journalTable: Table<"journal"> = {
  name: "journal",
  write: `
    INSERT INTO journal (until_us, blob)
    VALUES (@untilUs, @blob)`,
  read: `
    SELECT until_us AS untilUs, blob
    FROM journal
    ORDER BY id`,
};

const blindTable: Table<"blind"> = {
  name: "blind",
  write: `
    INSERT INTO blind (from_us, to_us, reason)
    VALUES (@fromUs, @toUs, @reason)
    ON CONFLICT (from_us, reason) DO UPDATE SET
      to_us = excluded.to_us`,
  read: `
    SELECT from_us AS fromUs, to_us AS toUs, reason
    FROM blind
    ORDER BY from_us, reason`,
};

/** Every table of a write-set. */
export const tables: readonly AnyTable[] = [
  receiptTable,
  nodeTable,
  nodeAliasTable,
  podTable,
  ipOwnerTable,
  objectTable,
  coverageTable,
  sourceTable,
  seriesTable,
  seriesPageTable,
  edgeTable,
  facetTable,
  facetColumnTable,
  processTable,
  countTable,
  insightTable,
  insightEventTable,
  waiverTable,
  outboxTable,
  edgeEventTable,
  rollupTable,
  redoTable,
  journalTable,
  blindTable,
];

/** The tables that a commit under load fills, which is worth packing. */
export const packedTables = tables.filter(({ move }) => move).map(({ name }) => name);

/** Removes one row that a stage has given up. */
export const forgetSql: Readonly<Record<ForgottenRow["table"], string>> = {
  sources:
    "DELETE FROM source WHERE (kind, key) = (substr(@key, 1, instr(@key, '|') - 1), substr(@key, instr(@key, '|') + 1))",
  pods: "DELETE FROM pod WHERE uid = @key",
  objects: "DELETE FROM object WHERE key = @key",
  coverage: "DELETE FROM coverage WHERE node_id = @key",
  series: "DELETE FROM series WHERE id = @key",
  processes: "DELETE FROM process WHERE key = @key",
  counts: "DELETE FROM count WHERE id = @key",
  waivers: "DELETE FROM waiver WHERE id = @key",
};
