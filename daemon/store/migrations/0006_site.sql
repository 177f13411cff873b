-- Jobs that belong to no account: the same rows with an empty account, so the reference to accounts goes.

CREATE TABLE jobs_of_all (
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  last_started_at INTEGER,
  last_ended_at INTEGER,
  last_succeeded_at INTEGER,
  failing_since INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  held_until INTEGER,
  PRIMARY KEY (account, job)
) STRICT;

INSERT INTO jobs_of_all (account, job, last_started_at, last_ended_at, last_succeeded_at, failing_since, failures,
  last_error, held_until)
SELECT account, job, last_started_at, last_ended_at, last_succeeded_at, failing_since, failures, last_error, held_until
FROM jobs;

DROP TABLE jobs;
ALTER TABLE jobs_of_all RENAME TO jobs;

CREATE TABLE job_runs_of_all (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'idle', 'held', 'failed', 'cut')),
  done INTEGER NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO job_runs_of_all (id, account, job, started_at, ended_at, outcome, done, note)
SELECT id, account, job, started_at, ended_at, outcome, done, note FROM job_runs;

DROP TABLE job_runs;
ALTER TABLE job_runs_of_all RENAME TO job_runs;
CREATE INDEX job_runs_by_start ON job_runs (account, job, started_at);
