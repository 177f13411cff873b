-- How each file of an inbox looked the last time: one that looks the same the next time is complete.
CREATE TABLE folder_looks (
  account TEXT NOT NULL REFERENCES accounts (name),
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  modified_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  PRIMARY KEY (account, name)
) STRICT;

-- Every file that was taken from an inbox. Without `finished_at` it was being imported when the daemon ended, and is
-- imported once more with the same instant; with it, only its moving away is left to do.
CREATE TABLE folder_imports (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  modified_ns INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  finished_at INTEGER,
  report TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX folder_imports_by_content ON folder_imports (account, kind, sha256);

-- The orders that lie, or lay, in an outbox, each as of its last change that was written; and since when there is one.
CREATE TABLE folder_outboxes (
  account TEXT PRIMARY KEY REFERENCES accounts (name),
  since INTEGER NOT NULL
) STRICT;

CREATE TABLE folder_orders (
  "order" INTEGER PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
  changed_at INTEGER NOT NULL
) STRICT;
