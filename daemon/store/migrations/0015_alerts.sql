-- What is wrong and since when, what was told of it, and to whom (guide D5, D11).

-- One row for each appearance of a cause. It is open until it was away for long enough, and a cause that comes back
-- before that is the same alert once more: `times` counts. `told` is what was put into a notice last.
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  cause TEXT NOT NULL,
  kind TEXT NOT NULL,
  account TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('warning', 'critical')),
  text TEXT NOT NULL,
  times INTEGER NOT NULL DEFAULT 1 CHECK (times > 0),
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  away_since INTEGER,
  resolved_at INTEGER,
  told TEXT NOT NULL DEFAULT '' CHECK (told IN ('', 'open', 'resolved')),
  told_at INTEGER,
  acknowledged_at INTEGER,
  acknowledged_by TEXT NOT NULL DEFAULT '',
  acknowledged_why TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX alerts_open ON alerts (cause) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_start ON alerts (first_seen_at);
CREATE INDEX alerts_untold ON alerts (id) WHERE resolved_at IS NOT NULL AND told = 'open';

-- What is told outwards: one notice groups what changed, and waits for each way out by itself.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY,
  made_at INTEGER NOT NULL,
  entries TEXT NOT NULL
) STRICT;

CREATE TABLE notice_deliveries (
  notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  way TEXT NOT NULL CHECK (way IN ('mail', 'webhook')),
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  ended_at INTEGER,
  error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (notice, way)
) STRICT;

CREATE INDEX notices_waiting ON notice_deliveries (way, next_at) WHERE state = 'waiting';

-- When the daemon last found itself able to work: the ping outwards goes by it.
CREATE TABLE vigil (one INTEGER PRIMARY KEY CHECK (one = 1), well_at INTEGER) STRICT;
INSERT INTO vigil VALUES (1, NULL);
