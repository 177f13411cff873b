-- What was answered to requests that carry an Idempotency-Key, in the transaction that did what they asked: the same
-- request once more is answered with this and does nothing.
CREATE TABLE request_keys (
  account TEXT NOT NULL REFERENCES accounts (name),
  key TEXT NOT NULL,
  request TEXT NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT;

CREATE INDEX request_keys_by_age ON request_keys (at);
