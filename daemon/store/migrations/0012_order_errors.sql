-- What is wrong with orders, for a person to see (J6). What is mended stays, with when that was.

CREATE TABLE order_errors (
  id INTEGER PRIMARY KEY,
  "order" INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL CHECK (kind IN ('incomplete', 'other_content', 'unknown_listing')),
  severity TEXT NOT NULL CHECK (severity IN ('high', 'medium')),
  text TEXT NOT NULL,
  raised_at INTEGER NOT NULL,
  mended_at INTEGER
) STRICT;

CREATE INDEX order_errors_by_order ON order_errors ("order");
CREATE UNIQUE INDEX order_errors_open ON order_errors ("order", line, kind) WHERE mended_at IS NULL;

-- Lines whose article no listing has yet: matched when it is imported.
CREATE INDEX order_lines_unmatched_channel_item_id ON order_lines (channel_item_id) WHERE listing IS NULL;
CREATE INDEX order_lines_unmatched_ean ON order_lines (ean) WHERE listing IS NULL;

-- What is incomplete or without a listing already.
INSERT INTO order_errors ("order", kind, severity, text, raised_at)
  SELECT id, 'incomplete', 'high', incomplete, changed_at FROM orders WHERE incomplete <> '';
INSERT INTO order_errors ("order", line, kind, severity, text, raised_at)
  SELECT l."order", l.ref, 'unknown_listing', 'medium',
    'no listing has ' || CASE WHEN l.channel_item_id <> '' THEN 'the channel item id ' || l.channel_item_id
      ELSE 'the EAN ' || l.ean END, o.received_at
  FROM order_lines l JOIN orders o ON o.id = l."order"
  WHERE l.listing IS NULL AND (l.channel_item_id <> '' OR l.ean <> '');
