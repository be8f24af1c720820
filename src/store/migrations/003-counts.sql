-- What counting rules have counted, so that a restart neither loses events nor counts them twice.
CREATE TABLE count (
  id      TEXT PRIMARY KEY, -- rule and group, or rule and entity
  rule    TEXT NOT NULL,
  version TEXT NOT NULL, -- of what the rule counts
  detail  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
