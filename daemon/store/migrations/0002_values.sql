-- What an offer says of a listing: promotions, the prices that were charged, stock knobs, and what the last turn saw.

-- A promotion never changes: another one takes its place, and it stays for the feeds that carried it.
CREATE TABLE promotions (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  listing INTEGER NOT NULL REFERENCES listings (id),
  price_minor INTEGER NOT NULL CHECK (price_minor > 0),
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
  nature TEXT NOT NULL DEFAULT '',
  imported_at INTEGER NOT NULL,
  withdrawn_at INTEGER
) STRICT;

CREATE INDEX promotions_by_listing ON promotions (listing, starts_at);
CREATE INDEX promotions_by_end ON promotions (account, ends_at) WHERE withdrawn_at IS NULL;

-- What customers were charged: from `since` on, until the next row of the listing. In a promotion the reduced price.
CREATE TABLE prices (
  listing INTEGER NOT NULL REFERENCES listings (id),
  since INTEGER NOT NULL,
  price_minor INTEGER NOT NULL,
  promotion INTEGER REFERENCES promotions (id),
  PRIMARY KEY (listing, since)
) STRICT, WITHOUT ROWID;

-- The account's terms as the last turn applied them: where others give another figure, that is Pending.
CREATE TABLE offer_terms (
  account TEXT PRIMARY KEY REFERENCES accounts (name),
  terms TEXT NOT NULL
) STRICT;

-- The listing's own knobs; null is the account's.
ALTER TABLE listings ADD COLUMN safety_stock INTEGER CHECK (safety_stock >= 0);
ALTER TABLE listings ADD COLUMN stock_percentage INTEGER CHECK (stock_percentage BETWEEN 0 AND 100);
ALTER TABLE listings ADD COLUMN stock_cap INTEGER CHECK (stock_cap >= 0);
ALTER TABLE listings ADD COLUMN stock_threshold INTEGER CHECK (stock_threshold >= 0);
-- The reservation and the promotion that the stock and the price part were last made Pending for.
ALTER TABLE listings ADD COLUMN stock_reserved INTEGER NOT NULL DEFAULT 0 CHECK (stock_reserved >= 0);
ALTER TABLE listings ADD COLUMN promotion INTEGER REFERENCES promotions (id);
-- What is wrong with the promotion's reduction, and whether it is therefore not sent.
ALTER TABLE listings ADD COLUMN price_warning TEXT NOT NULL DEFAULT '';
ALTER TABLE listings ADD COLUMN price_blocked INTEGER NOT NULL DEFAULT 0 CHECK (price_blocked IN (0, 1));

CREATE INDEX listings_reserved ON listings (account) WHERE stock_reserved > 0;
CREATE INDEX listings_promoted ON listings (account) WHERE promotion IS NOT NULL;

-- The same words as in `store/values.py`, so that SQLite uses it.
CREATE INDEX order_lines_open ON order_lines (listing) WHERE state IN ('new', 'accepted', 'to_ship');

ALTER TABLE feed_objects ADD COLUMN promotion INTEGER REFERENCES promotions (id);
