-- Turns that found nothing to do are nearly all turns, and are forgotten long before the others.
CREATE INDEX job_runs_idle ON job_runs (started_at) WHERE outcome = 'idle';
