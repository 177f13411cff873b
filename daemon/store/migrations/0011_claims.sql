-- Requests of a marketplace about orders (J12), and updates that are said again from the record (J13).

-- `number` is the order as the marketplace named it; `order` is empty until that order is here. `doubt` says why a rule
-- must not accept it, `why` why it stands as it does; `repeats` is how often the same was asked again.
CREATE TABLE claims (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('cancel')),
  number TEXT NOT NULL,
  "order" INTEGER REFERENCES orders (id) ON DELETE CASCADE,
  state TEXT NOT NULL
    CHECK (state IN ('incomplete', 'waiting', 'open', 'accepted', 'answered', 'outrun', 'too_late', 'closed')),
  why TEXT NOT NULL DEFAULT '',
  doubt TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  extra TEXT NOT NULL DEFAULT '{}',
  delivery INTEGER REFERENCES deliveries (id),
  received_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  answer_by INTEGER,
  repeats INTEGER NOT NULL DEFAULT 0,
  repeated_at INTEGER
) STRICT;

CREATE INDEX claims_by_order ON claims ("order");
CREATE INDEX claims_by_number ON claims (account, number);
CREATE INDEX claims_unsettled ON claims (account)
  WHERE state IN ('incomplete', 'waiting', 'open', 'accepted', 'too_late');

-- Lines by the marketplace's reference: the order that they belong to may not be here yet.
CREATE TABLE claim_lines (
  claim INTEGER NOT NULL REFERENCES claims (id) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  channel_item_id TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (claim, ref)
) STRICT, WITHOUT ROWID;

-- The claim that an update answers, and the failed update that it says again.
ALTER TABLE order_updates ADD COLUMN claim INTEGER REFERENCES claims (id);
ALTER TABLE order_updates ADD COLUMN resends INTEGER REFERENCES order_updates (id);

CREATE INDEX updates_by_claim ON order_updates (claim) WHERE claim IS NOT NULL;
CREATE INDEX updates_failed ON order_updates (account) WHERE state = 'failed';
