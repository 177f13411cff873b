-- Which payloads have lost their bytes to retention. Their hash and size stay for ever: whoever looks for bytes that are
-- past their time must not look through all those that are gone.
ALTER TABLE payloads ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1));
UPDATE payloads SET dropped = 1
WHERE sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM payload_chunks c WHERE c.payload = payloads.id);
CREATE INDEX payloads_kept ON payloads (kept_at) WHERE dropped = 0;
