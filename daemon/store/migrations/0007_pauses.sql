-- Jobs that a person has paused (D13). An empty `job` is every job of the account; without `until` it lasts until it is
-- resumed. A pause whose time is over is no pause any more; its row is taken away when somebody sees that.
CREATE TABLE pauses (
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  reason TEXT NOT NULL,
  paused_at INTEGER NOT NULL,
  until INTEGER,
  PRIMARY KEY (account, job)
) STRICT, WITHOUT ROWID;
