/** How the graph's rows are written and read back: nodes, addresses, sources, series and edges. */
import type { Table } from "./table.ts";

export const nodeTable: Table<"nodes"> = {
  name: "nodes",
  write: `
    INSERT INTO node (
      id, key, cluster, namespace, name, kind, mesh, mode, external, address, resolved,
      first_seen_us, last_seen_us, merged_into, detail
    )
    VALUES (
      @id, @key, @cluster, @namespace, @name, @kind, @mesh, @mode, @external, @address, @resolved,
      @firstSeenUs, @lastSeenUs, @mergedInto, @detail
    )
    ON CONFLICT (id) DO UPDATE SET
      key = excluded.key,
      cluster = excluded.cluster,
      namespace = excluded.namespace,
      name = excluded.name,
      kind = excluded.kind,
      mesh = excluded.mesh,
      mode = excluded.mode,
      external = excluded.external,
      address = excluded.address,
      resolved = excluded.resolved,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      merged_into = excluded.merged_into,
      detail = excluded.detail`,
  read: `
    SELECT
      id, key, cluster, namespace, name, kind, mesh, mode, external, address, resolved,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      merged_into AS mergedInto,
      detail
    FROM node
    ORDER BY id`,
  booleans: ["external"],
};

export const nodeAliasTable: Table<"nodeAliases"> = {
  name: "nodeAliases",
  write: `
    INSERT INTO node_alias (alias, node_id)
    VALUES (@alias, @nodeId)
    ON CONFLICT (alias) DO UPDATE SET
      node_id = excluded.node_id`,
  read: `
    SELECT alias, node_id AS nodeId
    FROM node_alias
    ORDER BY alias`,
};

export const podTable: Table<"pods"> = {
  name: "pods",
  write: `
    INSERT INTO pod (uid, cluster, namespace, name, node_id, first_seen_us, last_seen_us, detail)
    VALUES (@uid, @cluster, @namespace, @name, @nodeId, @firstSeenUs, @lastSeenUs, @detail)
    ON CONFLICT (uid) DO UPDATE SET
      cluster = excluded.cluster,
      namespace = excluded.namespace,
      name = excluded.name,
      node_id = excluded.node_id,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      detail = excluded.detail`,
  read: `
    SELECT
      uid, cluster, namespace, name,
      node_id AS nodeId,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      detail
    FROM pod
    ORDER BY uid`,
};

export const ipOwnerTable: Table<"ipOwners"> = {
  name: "ipOwners",
  write: `
    INSERT INTO ip_owner (id, cluster, ip, pod_uid, node_id, from_us, to_us, detail)
    VALUES (@id, @cluster, unhex(@ip), @podUid, @nodeId, @fromUs, @toUs, @detail)
    ON CONFLICT (id) DO UPDATE SET
      cluster = excluded.cluster,
      ip = excluded.ip,
      pod_uid = excluded.pod_uid,
      node_id = excluded.node_id,
      from_us = excluded.from_us,
      to_us = excluded.to_us,
      detail = excluded.detail`,
  read: `
    SELECT
      id, cluster,
      lower(hex(ip)) AS ip,
      pod_uid AS podUid,
      node_id AS nodeId,
      from_us AS fromUs,
      to_us AS toUs,
      detail
    FROM ip_owner
    ORDER BY id`,
};

export const objectTable: Table<"objects"> = {
  name: "objects",
  write: `
    INSERT INTO object (key, cluster, type, namespace, name, at_us, listed_us, detail)
    VALUES (@key, @cluster, @type, @namespace, @name, @atUs, @listedUs, @detail)
    ON CONFLICT (key) DO UPDATE SET
      at_us = excluded.at_us,
      listed_us = excluded.listed_us,
      detail = iif(excluded.detail = '', detail, excluded.detail)`,
  read: `
    SELECT
      key, cluster, type, namespace, name,
      at_us AS atUs,
      listed_us AS listedUs,
      detail
    FROM object
    ORDER BY key`,
};

export const coverageTable: Table<"coverage"> = {
  name: "coverage",
  write: `
    INSERT INTO coverage (node_id, cluster, namespace, name, meshed, pods, live, heard, reporters)
    VALUES (@nodeId, @cluster, @namespace, @name, @mesh, @pods, @live, @heard, @reporters)
    ON CONFLICT (node_id) DO UPDATE SET
      cluster = excluded.cluster,
      namespace = excluded.namespace,
      name = excluded.name,
      meshed = excluded.meshed,
      pods = excluded.pods,
      live = excluded.live,
      heard = excluded.heard,
      reporters = excluded.reporters`,
  read: `
    SELECT node_id AS nodeId, cluster, namespace, name, meshed AS mesh, pods, live, heard, reporters
    FROM coverage
    ORDER BY node_id`,
};

export const sourceTable: Table<"sources"> = {
  name: "sources",
  write: `
    INSERT INTO source (kind, key, cluster, namespace, state, first_seen_us, last_seen_us, detail)
    VALUES (@kind, @key, @cluster, @namespace, @state, @firstSeenUs, @lastSeenUs, @detail)
    ON CONFLICT (kind, key) DO UPDATE SET
      cluster = excluded.cluster,
      namespace = excluded.namespace,
      state = excluded.state,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      detail = excluded.detail`,
  read: `
    SELECT
      kind, key, cluster, namespace, state,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      detail
    FROM source
    ORDER BY kind, key`,
};

export const seriesTable: Table<"series"> = {
  name: "series",
  write: `
    INSERT INTO series (id, hash, facet_id, detail)
    VALUES (@id, unhex(@hash), @facetId, @detail)
    ON CONFLICT (id) DO UPDATE SET
      hash = excluded.hash,
      facet_id = excluded.facet_id,
      detail = excluded.detail`,
  read: `
    SELECT id, lower(hex(hash)) AS hash, facet_id AS facetId, detail
    FROM series
    ORDER BY id`,
};

export const seriesPageTable: Table<"seriesPages"> = {
  name: "seriesPages",
  write: `
    INSERT INTO series_page (page, triples)
    VALUES (@page, @values)
    ON CONFLICT (page) DO UPDATE SET
      triples = excluded.triples`,
  read: `
    SELECT page, triples AS "values"
    FROM series_page
    ORDER BY page`,
};

export const edgeTable: Table<"edges"> = {
  name: "edges",
  write: `
    INSERT INTO edge (id, src_id, dst_id, transport, first_seen_us, last_seen_us)
    VALUES (@id, @srcId, @dstId, @transport, @firstSeenUs, @lastSeenUs)
    ON CONFLICT (id) DO UPDATE SET
      src_id = excluded.src_id,
      dst_id = excluded.dst_id,
      transport = excluded.transport,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us`,
  read: `
    SELECT
      id,
      src_id AS srcId,
      dst_id AS dstId,
      transport,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs
    FROM edge
    ORDER BY id`,
};

export const facetTable: Table<"facets"> = {
  name: "facets",
  write: `
    INSERT INTO facet (
      id, edge_id, protocol, port, security, plaintext_share, route, requests, errors, denied,
      connections, bytes_sent, bytes_received, around_proxy, shadowed, first_seen_us, last_seen_us,
      detail
    )
    VALUES (
      @id, @edgeId, @protocol, @port, @security, @plaintextShare, @route, @requests, @errors, @denied,
      @connections, @bytesSent, @bytesReceived, @aroundProxy, @shadowed, @firstSeenUs, @lastSeenUs,
      @detail
    )
    ON CONFLICT (id) DO UPDATE SET
      edge_id = excluded.edge_id,
      protocol = excluded.protocol,
      port = excluded.port,
      security = excluded.security,
      plaintext_share = excluded.plaintext_share,
      route = excluded.route,
      requests = excluded.requests,
      errors = excluded.errors,
      denied = excluded.denied,
      connections = excluded.connections,
      bytes_sent = excluded.bytes_sent,
      bytes_received = excluded.bytes_received,
      around_proxy = excluded.around_proxy,
      shadowed = excluded.shadowed,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      detail = CASE excluded.detail WHEN '' THEN detail ELSE excluded.detail END`,
  read: `
    SELECT
      id,
      edge_id AS edgeId,
      protocol, port, security,
      plaintext_share AS plaintextShare,
      route, requests, errors, denied, connections,
      bytes_sent AS bytesSent,
      bytes_received AS bytesReceived,
      around_proxy AS aroundProxy,
      shadowed,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      detail
    FROM facet
    ORDER BY id`,
  move: {
    sql: `
      UPDATE facet
      SET security = ?,
        plaintext_share = ?,
        route = ?,
        requests = ?,
        errors = ?,
        denied = ?,
        connections = ?,
        bytes_sent = ?,
        bytes_received = ?,
        around_proxy = ?,
        shadowed = ?,
        first_seen_us = ?,
        last_seen_us = ?
      WHERE id = ?`,
    fields: [
      "security",
      "plaintextShare",
      "route",
      "requests",
      "errors",
      "denied",
      "connections",
      "bytesSent",
      "bytesReceived",
      "aroundProxy",
      "shadowed",
      "firstSeenUs",
      "lastSeenUs",
      "id",
    ],
    unless: "detail",
  },
  booleans: ["shadowed"],
};

export const facetColumnTable: Table<"facetColumns"> = {
  name: "facetColumns",
  write: `
    INSERT INTO facet_column (
      facet_id, reporter, channel, requests, errors, denied, connections, bytes_sent,
      bytes_received, latency_sum_ms, latency_count, security, first_seen_us, last_seen_us, detail
    )
    VALUES (
      @facetId, @reporter, @channel, @requests, @errors, @denied, @connections, @bytesSent,
      @bytesReceived, @latencySumMs, @latencyCount, @security, @firstSeenUs, @lastSeenUs, @detail
    )
    ON CONFLICT (facet_id, reporter, channel) DO UPDATE SET
      requests = excluded.requests,
      errors = excluded.errors,
      denied = excluded.denied,
      connections = excluded.connections,
      bytes_sent = excluded.bytes_sent,
      bytes_received = excluded.bytes_received,
      latency_sum_ms = excluded.latency_sum_ms,
      latency_count = excluded.latency_count,
      security = excluded.security,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      detail = excluded.detail`,
  read: `
    SELECT
      facet_id AS facetId,
      reporter, channel, requests, errors, denied, connections,
      bytes_sent AS bytesSent,
      bytes_received AS bytesReceived,
      latency_sum_ms AS latencySumMs,
      latency_count AS latencyCount,
      security,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      detail
    FROM facet_column
    ORDER BY facet_id, reporter, channel`,
  move: {
    sql: `
      UPDATE facet_column
      SET requests = ?,
        errors = ?,
        denied = ?,
        connections = ?,
        bytes_sent = ?,
        bytes_received = ?,
        latency_sum_ms = ?,
        latency_count = ?,
        security = ?,
        first_seen_us = ?,
        last_seen_us = ?,
        detail = ?
      WHERE facet_id = ?
        AND reporter = ?
        AND channel = ?`,
    fields: [
      "requests",
      "errors",
      "denied",
      "connections",
      "bytesSent",
      "bytesReceived",
      "latencySumMs",
      "latencyCount",
      "security",
      "firstSeenUs",
      "lastSeenUs",
      "detail",
      "facetId",
      "reporter",
      "channel",
    ],
  },
};

export const processTable: Table<"processes"> = {
  name: "processes",
  write: `
    INSERT INTO process (
      key, node_id, container, exe, uid, gid, in_proxy_container, first_seen_us, last_seen_us,
      occurrences, detail
    )
    VALUES (
      @key, @nodeId, @container, @exe, @uid, @gid, @inProxyContainer, @firstSeenUs, @lastSeenUs,
      @occurrences, @detail
    )
    ON CONFLICT (key) DO UPDATE SET
      node_id = excluded.node_id,
      container = excluded.container,
      exe = excluded.exe,
      uid = excluded.uid,
      gid = excluded.gid,
      in_proxy_container = excluded.in_proxy_container,
      first_seen_us = excluded.first_seen_us,
      last_seen_us = excluded.last_seen_us,
      occurrences = excluded.occurrences,
      detail = excluded.detail`,
  read: `
    SELECT
      key,
      node_id AS nodeId,
      container, exe, uid, gid,
      in_proxy_container AS inProxyContainer,
      first_seen_us AS firstSeenUs,
      last_seen_us AS lastSeenUs,
      occurrences, detail
    FROM process
    ORDER BY key`,
  booleans: ["inProxyContainer"],
};
