-- Which received bytes answered what (L16), and every error that a marketplace told, verbatim and counted (L17).

-- The delivery whose verdict stands: only a later one may say otherwise.
ALTER TABLE feed_objects ADD COLUMN delivery INTEGER REFERENCES deliveries (id);

CREATE TABLE feed_deliveries (
  feed INTEGER NOT NULL REFERENCES feeds (id) ON DELETE CASCADE,
  delivery INTEGER NOT NULL REFERENCES deliveries (id),
  settled INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (feed, delivery)
) STRICT;

CREATE INDEX feed_deliveries_by_delivery ON feed_deliveries (delivery);

-- Answers that settled something, by what they said. Whether a code is known is asked of the catalogue of now.
CREATE TABLE answer_codes (
  account TEXT NOT NULL REFERENCES accounts (name),
  code TEXT NOT NULL,
  text TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (account, code, text)
) STRICT;

-- Is a part carried by a newer feed as well? Asked for every listing that is settled, so by listing and feed.
DROP INDEX feed_objects_by_listing;
CREATE INDEX feed_objects_by_listing ON feed_objects (listing, feed);
