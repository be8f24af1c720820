-- The waivers of the loaded rules, and what became of each: since when it is loaded, when it accepted
-- something last.
CREATE TABLE waiver (
  id         TEXT    NOT NULL PRIMARY KEY,
  rules      TEXT    NOT NULL, -- JSON: ids of rules
  condition  TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  owner      TEXT    NOT NULL,
  ticket     TEXT    NOT NULL,
  ends_us    INTEGER NOT NULL, -- engine times
  since_us   INTEGER NOT NULL,
  matched_us INTEGER NOT NULL  -- 0 = never
) STRICT, WITHOUT ROWID;
