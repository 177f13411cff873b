-- What a retailer's stock file wants beside the units, and the article numbers that a listing had before (J2, J3).

-- JSON by the names of `StockExtras` in `daemon/model.py`; only what was said.
ALTER TABLE listings ADD COLUMN stock_extras TEXT NOT NULL DEFAULT '{}';

-- Orders may still name an old number, so it leads to its listing, unless another one has it now.
CREATE TABLE former_numbers (
  listing INTEGER NOT NULL REFERENCES listings (id) ON DELETE CASCADE,
  account TEXT NOT NULL REFERENCES accounts (name),
  channel_item_id TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (listing, channel_item_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX former_numbers_by_number ON former_numbers (account, channel_item_id, until);

-- What of the account goes into each row of stock, as the last turn sent it: where it changes, all stock is Pending.
ALTER TABLE accounts ADD COLUMN stock_form TEXT NOT NULL DEFAULT '';
