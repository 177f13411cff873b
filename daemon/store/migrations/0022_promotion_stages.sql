-- What begins or ends by itself is found by its instant, without a walk through the promotions that go on.

-- A promotion is running while the price of its listing was last made Pending for it; over is also what was taken back
-- or had ended before it was looked at.
ALTER TABLE promotions ADD COLUMN stage TEXT NOT NULL DEFAULT 'waiting'
  CHECK (stage IN ('waiting', 'running', 'over'));
UPDATE promotions SET stage = 'running' WHERE id IN (SELECT promotion FROM listings WHERE promotion IS NOT NULL);

DROP INDEX promotions_by_end;
CREATE INDEX promotions_by_start ON promotions (account, stage, starts_at) WHERE withdrawn_at IS NULL;
CREATE INDEX promotions_by_end ON promotions (account, stage, ends_at) WHERE withdrawn_at IS NULL;
CREATE INDEX promotions_taken_back ON promotions (account) WHERE withdrawn_at IS NOT NULL AND stage = 'running';
-- Nothing asks for all that run any more, and SQLite would choose it before the index of what is Pending.
DROP INDEX listings_promoted;
