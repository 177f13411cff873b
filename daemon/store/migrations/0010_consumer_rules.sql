-- What the law has sellers say and keep to: sales, VAT rates, eco-contributions (consumer rules C3, C4, C8).

-- The listing's own VAT rate in hundredths of a percent (null is the account's), its eco-contribution, and the EPR
-- category of that.
ALTER TABLE listings ADD COLUMN vat_bp INTEGER CHECK (vat_bp BETWEEN 0 AND 9999);
ALTER TABLE listings ADD COLUMN eco_minor INTEGER CHECK (eco_minor >= 0);
ALTER TABLE listings ADD COLUMN epr_code TEXT NOT NULL DEFAULT '';

-- The sale that a promotion belongs to, by its code; empty for none.
ALTER TABLE promotions ADD COLUMN sale TEXT NOT NULL DEFAULT '';

-- A CHECK cannot be widened: the table of lists is made anew, with one kind more.
ALTER TABLE reference_lists RENAME TO reference_lists_before;
CREATE TABLE reference_lists (
  account TEXT NOT NULL REFERENCES accounts (name),
  kind TEXT NOT NULL CHECK (kind IN ('categories', 'attributes', 'brands', 'sales')),
  size INTEGER NOT NULL,
  imported_at INTEGER NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO reference_lists SELECT account, kind, size, imported_at FROM reference_lists_before;
DROP TABLE reference_lists_before;

-- `deadline` is by when the marketplace wants to know what takes part in the sale; null is none.
CREATE TABLE reference_sales (
  account TEXT NOT NULL REFERENCES accounts (name),
  code TEXT NOT NULL,
  label TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
  deadline INTEGER,
  PRIMARY KEY (account, code)
) STRICT, WITHOUT ROWID;
