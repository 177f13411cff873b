-- After a start, the turns that the last process never ended are looked for among all that are kept.
CREATE INDEX job_runs_running ON job_runs (account, job) WHERE outcome = 'running';
