-- What came in and cannot be read may be closed by a person, who has seen it: it stays as it is, and is told no more.
ALTER TABLE deliveries ADD COLUMN closed_at INTEGER;
ALTER TABLE deliveries ADD COLUMN closed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN closed_why TEXT NOT NULL DEFAULT '';

-- The answer to an update that came and could not be applied: until it is, or a person says, its silence is no yes.
ALTER TABLE order_updates ADD COLUMN unread_answer INTEGER REFERENCES deliveries (id);
