-- The change guard: what looks like a mistake at machine speed waits for a person.

-- One suspicion, with everything that raised it while it was open.
CREATE TABLE guard_cases (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  rule TEXT NOT NULL CHECK (rule IN ('price_fall', 'price_rise', 'promotion_fall', 'mass_zero', 'mass_end')),
  opened_at INTEGER NOT NULL,
  closed_at INTEGER
) STRICT;

CREATE UNIQUE INDEX guard_cases_open ON guard_cases (account, rule) WHERE closed_at IS NULL;

-- One part of one listing, at one revision. `was_…` is what is sent in its place when other parts of the listing leave;
-- `keeps_promotion` that a promotion in force is not what is suspicious. An approved one has `left` once a feed took it.
CREATE TABLE guard_holds (
  id INTEGER PRIMARY KEY,
  guard_case INTEGER NOT NULL REFERENCES guard_cases (id),
  account TEXT NOT NULL REFERENCES accounts (name),
  listing INTEGER NOT NULL REFERENCES listings (id) ON DELETE CASCADE,
  part TEXT NOT NULL CHECK (part IN ('stock', 'price', 'end')),
  revision INTEGER NOT NULL,
  value TEXT NOT NULL,
  was_stock INTEGER,
  was_price_minor INTEGER,
  was_rrp_minor INTEGER,
  keeps_promotion INTEGER NOT NULL DEFAULT 1 CHECK (keeps_promotion IN (0, 1)),
  state TEXT NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'approved', 'rejected', 'expired', 'released', 'left')),
  held_at INTEGER NOT NULL,
  decided_at INTEGER,
  decided_by TEXT NOT NULL DEFAULT '',
  decided_why TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX guard_holds_held ON guard_holds (listing, part) WHERE state = 'held';
CREATE INDEX guard_holds_by_case ON guard_holds (guard_case, state);
CREATE INDEX guard_holds_by_listing ON guard_holds (listing, part, state);
CREATE INDEX guard_holds_by_account ON guard_holds (account) WHERE state IN ('held', 'rejected');

-- The revision at which a part is held back; it is not due while it is the part's own.
ALTER TABLE listings ADD COLUMN stock_hold INTEGER;
ALTER TABLE listings ADD COLUMN price_hold INTEGER;
ALTER TABLE listings ADD COLUMN end_hold INTEGER;

CREATE INDEX listings_held ON listings (account)
  WHERE stock_hold IS NOT NULL OR price_hold IS NOT NULL OR end_hold IS NOT NULL;
-- How large the catalogue is that sells: the same words as in store/guard.py.
CREATE INDEX listings_on_sale ON listings (account) WHERE stock > 0 AND ended = 0;
