-- The first schema. Times (`*_us`) are microseconds since the epoch, 0 = not yet or still; ids are
-- dense integers of the engine; hashes and addresses are bytes. `detail` is JSON text of the stage
-- that owns the table. Counts that telemetry moves are REAL: senders may send fractions, and a REAL
-- column keeps whole numbers exactly up to 2^53.
--
-- There are no foreign keys: the engine's memory is the truth and one writer copies it here, so a
-- broken reference would be our bug, and must not turn into a store that refuses every later commit.

-- One row, which every commit updates; without it the database is damaged.
CREATE TABLE meta (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  created_us     INTEGER NOT NULL,
  created_by     TEXT    NOT NULL, -- version of the program that made the database
  opened_by      TEXT    NOT NULL, -- version of the program that wrote last
  last_commit_us INTEGER NOT NULL, -- 0 = no commit yet
  last_seq       INTEGER NOT NULL, -- WriteSet.seq of the last commit, of that process
  clean          INTEGER NOT NULL  -- 1 = the last process closed it, 0 = running or killed
) STRICT;
INSERT INTO meta VALUES (1, 0, '', '', 0, 0, 1);

-- Requests whose effect is in this database, so that a retry is answered and not applied again.
CREATE TABLE receipt (
  hash        BLOB    NOT NULL, -- 16 bytes of the body's SHA-256
  signal      INTEGER NOT NULL, -- 1 traces, 2 metrics, 3 logs
  received_us INTEGER NOT NULL,
  PRIMARY KEY (hash, signal)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_received ON receipt (received_us);

-- Requests whose effect is not in the tables yet; emptied by every whole write-set.
CREATE TABLE redo (
  id          INTEGER PRIMARY KEY, -- in the order in which they were applied
  signal      INTEGER NOT NULL,
  received_us INTEGER NOT NULL,
  trust       TEXT    NOT NULL,
  encoding    TEXT    NOT NULL, -- of the body: identity, gzip, deflate, zstd
  body        BLOB    NOT NULL
) STRICT;

CREATE TABLE node (
  id            INTEGER PRIMARY KEY,
  key           TEXT    NOT NULL, -- cluster/namespace/name, external/…, unknown/…
  cluster       TEXT    NOT NULL,
  namespace     TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  kind          TEXT    NOT NULL, -- Deployment, StatefulSet, …
  mesh          TEXT    NOT NULL,
  mode          TEXT    NOT NULL,
  external      INTEGER NOT NULL,
  address       TEXT    NOT NULL,
  resolved      TEXT    NOT NULL, -- how its name is known
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL,
  merged_into   INTEGER NOT NULL, -- the node this one was found to be, 0 = none
  detail        TEXT    NOT NULL
) STRICT;
CREATE INDEX node_key ON node (key);
CREATE INDEX node_merged ON node (merged_into) WHERE merged_into <> 0;

-- Every name a node was known by.
CREATE TABLE node_alias (
  alias   TEXT    NOT NULL PRIMARY KEY,
  node_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pod (
  uid           TEXT    NOT NULL PRIMARY KEY,
  cluster       TEXT    NOT NULL,
  namespace     TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  node_id       INTEGER NOT NULL,
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL,
  detail        TEXT    NOT NULL
) STRICT;
CREATE INDEX pod_last_seen ON pod (last_seen_us);
CREATE INDEX pod_node ON pod (node_id);

-- Who held an address, and when.
CREATE TABLE ip_owner (
  id      INTEGER PRIMARY KEY,
  cluster TEXT    NOT NULL,
  ip      BLOB    NOT NULL, -- 16 bytes, IPv4 as ::ffff:a.b.c.d
  pod_uid TEXT    NOT NULL,
  node_id INTEGER NOT NULL,
  from_us INTEGER NOT NULL,
  to_us   INTEGER NOT NULL, -- 0 = still
  detail  TEXT    NOT NULL
) STRICT;
CREATE INDEX ip_owner_pod ON ip_owner (pod_uid);
CREATE INDEX ip_owner_ended ON ip_owner (to_us) WHERE to_us > 0;

-- What was declared beside pods: services, endpoint slices, namespaces, policies, the mesh's configuration.
CREATE TABLE object (
  key       TEXT    NOT NULL PRIMARY KEY, -- cluster/type/namespace/name
  cluster   TEXT    NOT NULL,
  type      TEXT    NOT NULL, -- service, endpoint_slice, network_policy, …
  namespace TEXT    NOT NULL, -- empty for objects of the whole cluster
  name      TEXT    NOT NULL,
  at_us     INTEGER NOT NULL, -- the last word about it
  listed_us INTEGER NOT NULL, -- the last list that had it, 0 = none
  detail    TEXT    NOT NULL  -- the object, and whether it is gone
) STRICT;
CREATE INDEX object_type ON object (cluster, type, namespace);

-- Which telemetry about a workload with living pods arrives. Bits: 1 proxy_metrics, 2 proxy_logs, 4 spans,
-- 8 flows, 16 sockets, 32 processes, 64 objects.
CREATE TABLE coverage (
  node_id   INTEGER PRIMARY KEY,
  cluster   TEXT    NOT NULL,
  namespace TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  meshed    INTEGER NOT NULL,
  pods      INTEGER NOT NULL,
  live      INTEGER NOT NULL, -- told of now
  heard     INTEGER NOT NULL, -- ever told of
  reporters TEXT    NOT NULL  -- JSON: sources that report for it without a known pod
) STRICT;

-- Senders of telemetry and their liveness.
CREATE TABLE source (
  kind          TEXT    NOT NULL,
  key           TEXT    NOT NULL,
  cluster       TEXT    NOT NULL,
  namespace     TEXT    NOT NULL,
  state         TEXT    NOT NULL,
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL,
  detail        TEXT    NOT NULL, -- learned intervals, skew, last seen per capability
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- Definitions of metric series. Their moving values are in series_page.
CREATE TABLE series (
  id       INTEGER PRIMARY KEY,
  hash     BLOB    NOT NULL, -- 16 bytes
  facet_id INTEGER NOT NULL,
  detail   TEXT    NOT NULL
) STRICT;

-- The last values of 256 consecutive series: one row to write instead of hundreds.
CREATE TABLE series_page (
  page    INTEGER PRIMARY KEY,
  triples BLOB NOT NULL -- little-endian float64 (start, last time, last value) per series
) STRICT;

CREATE TABLE edge (
  id            INTEGER PRIMARY KEY,
  src_id        INTEGER NOT NULL,
  dst_id        INTEGER NOT NULL,
  transport     TEXT    NOT NULL, -- tcp, udp
  first_seen_us INTEGER NOT NULL,
  last_seen_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX edge_src ON edge (src_id);
CREATE INDEX edge_dst ON edge (dst_id);

-- An application protocol and server port of an edge, with the merged view of its columns.
CREATE TABLE facet (
  id              INTEGER PRIMARY KEY,
  edge_id         INTEGER NOT NULL,
  protocol        TEXT    NOT NULL,
  port            INTEGER NOT NULL, -- 0 = not known
  security        TEXT    NOT NULL,
  plaintext_share REAL    NOT NULL, -- 0 to 1
  route           TEXT    NOT NULL,
  requests        REAL    NOT NULL,
  errors          REAL    NOT NULL,
  denied          REAL    NOT NULL,
  connections     REAL    NOT NULL,
  bytes_sent      REAL    NOT NULL, -- as the caller sees it
  bytes_received  REAL    NOT NULL,
  around_proxy    REAL    NOT NULL, -- connections found to go around a proxy
  shadowed        INTEGER NOT NULL, -- 1 = left out of totals: its workloads have facets of their own
  first_seen_us   INTEGER NOT NULL,
  last_seen_us    INTEGER NOT NULL,
  detail          TEXT    NOT NULL
) STRICT;
CREATE INDEX facet_edge ON facet (edge_id);
CREATE INDEX facet_gone ON facet (last_seen_us) WHERE detail = '{"gone":true}';

-- What one reporter said through one channel. Columns are views of the same traffic: never summed.
CREATE TABLE facet_column (
  facet_id       INTEGER NOT NULL,
  reporter       TEXT    NOT NULL,
  channel        TEXT    NOT NULL,
  requests       REAL    NOT NULL,
  errors         REAL    NOT NULL,
  denied         REAL    NOT NULL,
  connections    REAL    NOT NULL,
  bytes_sent     REAL    NOT NULL,
  bytes_received REAL    NOT NULL,
  latency_sum_ms REAL    NOT NULL,
  latency_count  REAL    NOT NULL,
  security       TEXT    NOT NULL,
  first_seen_us  INTEGER NOT NULL,
  last_seen_us   INTEGER NOT NULL,
  detail         TEXT    NOT NULL,
  PRIMARY KEY (facet_id, reporter, channel)
) STRICT, WITHOUT ROWID;

-- Nothing else names a facet that is forgotten.
CREATE TRIGGER facet_forgotten AFTER DELETE ON facet
BEGIN
  DELETE FROM facet_column
  WHERE facet_id = old.id;
  DELETE FROM edge
  WHERE id = old.edge_id
    AND NOT EXISTS (SELECT 1 FROM facet WHERE edge_id = old.edge_id);
END;

CREATE TABLE process (
  key                TEXT    NOT NULL PRIMARY KEY, -- node, container and executable
  node_id            INTEGER NOT NULL,
  container          TEXT    NOT NULL,
  exe                TEXT    NOT NULL,
  uid                INTEGER NOT NULL, -- -1 = not known
  gid                INTEGER NOT NULL, -- -1 = not known
  in_proxy_container INTEGER NOT NULL,
  first_seen_us      INTEGER NOT NULL,
  last_seen_us       INTEGER NOT NULL,
  occurrences        REAL    NOT NULL,
  detail             TEXT    NOT NULL
) STRICT;
CREATE INDEX process_node ON process (node_id);

-- The narrow columns stand first, so that filters need not read a row's overflow pages.
CREATE TABLE insight (
  id             TEXT    NOT NULL PRIMARY KEY,
  fingerprint    TEXT    NOT NULL, -- hash of rule and key; the same in every episode
  episode        INTEGER NOT NULL,
  rule           TEXT    NOT NULL,
  rule_version   TEXT    NOT NULL,
  title          TEXT    NOT NULL,
  severity       TEXT    NOT NULL,
  confidence     TEXT    NOT NULL,
  state          TEXT    NOT NULL, -- pending, firing, resolved, unknown, inactive
  reason         TEXT    NOT NULL,
  message        TEXT    NOT NULL,
  cluster        TEXT    NOT NULL, -- of the workload to fix
  namespace      TEXT    NOT NULL,
  workload       TEXT    NOT NULL,
  kind           TEXT    NOT NULL,
  peer_namespace TEXT    NOT NULL,
  peer_workload  TEXT    NOT NULL,
  peer_address   TEXT    NOT NULL,
  peer_port      INTEGER NOT NULL,
  first_seen_us  INTEGER NOT NULL, -- event times
  last_seen_us   INTEGER NOT NULL,
  active_us      INTEGER NOT NULL, -- engine times, as the next three
  fired_us       INTEGER NOT NULL,
  resolved_us    INTEGER NOT NULL,
  keep_since_us  INTEGER NOT NULL,
  occurrences    REAL    NOT NULL,
  reopen_count   INTEGER NOT NULL,
  transitions    INTEGER NOT NULL,
  flapping       INTEGER NOT NULL,
  evidence       TEXT    NOT NULL, -- JSON: at most 20 of model/changes.ts Evidence
  detail         TEXT    NOT NULL
) STRICT;
CREATE INDEX insight_newest ON insight (first_seen_us DESC, id DESC);
CREATE INDEX insight_closed ON insight (resolved_us) WHERE state IN ('resolved', 'inactive');

-- The history of an insight's states.
CREATE TABLE insight_event (
  insight_id TEXT    NOT NULL,
  number     INTEGER NOT NULL,
  at_us      INTEGER NOT NULL, -- engine time
  event_us   INTEGER NOT NULL, -- event time of the cause
  from_state TEXT    NOT NULL,
  to_state   TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  message    TEXT    NOT NULL,
  PRIMARY KEY (insight_id, number)
) STRICT, WITHOUT ROWID;

-- Insight records that wait to be delivered to a sink, in the order of their commits. AUTOINCREMENT: a
-- number is never given twice, also when the newest rows are gone.
CREATE TABLE outbox (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  uid        TEXT    NOT NULL UNIQUE, -- log.record.uid
  insight_id TEXT    NOT NULL,
  state      TEXT    NOT NULL, -- firing, resolved, unknown
  at_us      INTEGER NOT NULL, -- engine time of the transition or reminder
  record     TEXT    NOT NULL  -- JSON of model/insights.ts InsightRecord
) STRICT;
CREATE INDEX outbox_at ON outbox (at_us);
CREATE INDEX outbox_resolved ON outbox (seq) WHERE state = 'resolved';

-- History for time travel: something new or different about a facet.
CREATE TABLE edge_event (
  at_us    INTEGER NOT NULL,
  facet_id INTEGER NOT NULL,
  kind     TEXT    NOT NULL, -- appeared, security, around_proxy, gone
  value    TEXT    NOT NULL,
  PRIMARY KEY (at_us, facet_id, kind)
) STRICT, WITHOUT ROWID;

-- Traffic of one facet in one bucket of 5 minutes or an hour.
CREATE TABLE rollup (
  width_us       INTEGER NOT NULL,
  bucket_us      INTEGER NOT NULL, -- its start
  facet_id       INTEGER NOT NULL,
  requests       REAL    NOT NULL,
  errors         REAL    NOT NULL,
  connections    REAL    NOT NULL,
  bytes_sent     REAL    NOT NULL,
  bytes_received REAL    NOT NULL,
  PRIMARY KEY (width_us, bucket_us, facet_id)
) STRICT, WITHOUT ROWID;

-- Observations that still await a verdict: one blob of the graph per commit, read back in this order.
CREATE TABLE journal (
  id       INTEGER PRIMARY KEY,
  until_us INTEGER NOT NULL, -- not needed afterwards
  blob     BLOB    NOT NULL
) STRICT;
CREATE INDEX journal_until ON journal (until_us);

-- Times in which nothing was seen: no verdict may rest on silence inside one.
CREATE TABLE blind (
  from_us INTEGER NOT NULL,
  to_us   INTEGER NOT NULL,
  reason  TEXT    NOT NULL,
  PRIMARY KEY (from_us, reason)
) STRICT, WITHOUT ROWID;
