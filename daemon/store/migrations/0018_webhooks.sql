-- Who is told of events by webhook: how far he has been told, and whether he can be reached. `seen_at` is when he was
-- last found in the configuration; `rests_until` is when he is tried again after a failure.
CREATE TABLE webhook_receivers (
  name TEXT PRIMARY KEY,
  last_event INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,
  rests_until INTEGER,
  last_error TEXT NOT NULL DEFAULT ''
) STRICT;

-- What is told, one row a receiver and event; no personal data is in it.
CREATE TABLE webhook_messages (
  id INTEGER PRIMARY KEY,
  receiver TEXT NOT NULL REFERENCES webhook_receivers (name) ON DELETE CASCADE,
  event INTEGER NOT NULL,
  message TEXT NOT NULL,
  type TEXT NOT NULL,
  account TEXT NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given_up')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  settled_at INTEGER,
  last_error TEXT NOT NULL DEFAULT '',
  UNIQUE (receiver, event)
) STRICT;

CREATE INDEX webhook_messages_pending ON webhook_messages (receiver, event) WHERE state = 'pending';
CREATE INDEX webhook_messages_settled ON webhook_messages (settled_at) WHERE settled_at IS NOT NULL;
