-- How often something was recorded that was then sent. A file beside the database holds the number as well, so that an
-- older database put in its place is noticed: what was sent after that was made is not known there (promise P29).
CREATE TABLE generation (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sends INTEGER NOT NULL,
  restored_at INTEGER
) STRICT;
INSERT INTO generation VALUES (1, 0, NULL);

-- 1 for an update that the database which was replaced may have sent: it is asked about before it is sent from here.
ALTER TABLE order_updates ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0 CHECK (doubtful IN (0, 1));

CREATE INDEX updates_doubtful ON order_updates (account) WHERE doubtful = 1;
