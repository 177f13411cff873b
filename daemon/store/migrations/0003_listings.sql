-- Doubts about listings, rejections in a row, and the marketplace's codes as they were imported (L4, L5).

-- What is doubtful about an item that is sent all the same: JSON, a list of {field, rule, text, fix}.
ALTER TABLE listings ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';

CREATE INDEX listings_warned ON listings (account) WHERE warnings <> '[]';

-- How often in a row the marketplace has rejected one part of a listing at one revision with the same words; `feed` is
-- the last that was counted. A part that was rejected too often is blocked until it changes, which its revision shows.
CREATE TABLE rejections (
  listing INTEGER NOT NULL REFERENCES listings (id) ON DELETE CASCADE,
  part TEXT NOT NULL CHECK (part IN ('item', 'stock', 'price', 'end')),
  revision INTEGER NOT NULL,
  feed INTEGER NOT NULL,
  code TEXT NOT NULL,
  text TEXT NOT NULL,
  times INTEGER NOT NULL CHECK (times > 0),
  blocked_at INTEGER,
  PRIMARY KEY (listing, part)
) STRICT, WITHOUT ROWID;

-- Which lists of codes were imported: a list that is not here is not checked against.
CREATE TABLE reference_lists (
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('categories', 'attributes', 'brands')),
  size INTEGER NOT NULL,
  imported_at INTEGER NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE reference_categories (
  account TEXT NOT NULL REFERENCES accounts (name),
  code TEXT NOT NULL,
  label TEXT NOT NULL,
  leaf INTEGER NOT NULL CHECK (leaf IN (0, 1)),
  required TEXT NOT NULL,
  declines TEXT NOT NULL,
  PRIMARY KEY (account, code)
) STRICT, WITHOUT ROWID;

-- One value of one attribute a row; an attribute that takes any value has one row whose value is empty.
CREATE TABLE reference_attributes (
  account TEXT NOT NULL REFERENCES accounts (name),
  code TEXT NOT NULL,
  label TEXT NOT NULL,
  value TEXT NOT NULL,
  value_label TEXT NOT NULL,
  PRIMARY KEY (account, code, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE reference_brands (
  account TEXT NOT NULL REFERENCES accounts (name),
  code TEXT NOT NULL,
  label TEXT NOT NULL,
  PRIMARY KEY (account, code)
) STRICT, WITHOUT ROWID;
