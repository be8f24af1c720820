-- The first schema. Times are microseconds since the epoch, ids are dense integers of the engine,
-- hashes and addresses are bytes. `detail` is JSON of the stage that owns the table.

CREATE TABLE receipt (
  hash        BLOB    NOT NULL,
  signal      INTEGER NOT NULL,
  received_us INTEGER NOT NULL,
  PRIMARY KEY (hash, signal)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_received ON receipt (received_us);
