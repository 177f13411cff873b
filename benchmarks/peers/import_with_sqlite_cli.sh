#!/bin/sh
# Stock rows into the listings of a database, as somebody would do it by hand: no checks, no events, no word of bad rows.
# $1 the database, $2 the file.
sqlite3 "$1" <<SQL
PRAGMA synchronous = FULL;
.mode csv
.import $2 given
UPDATE listings SET stock = g.stock, stock_state = 'pending', stock_error = '', stock_revision = stock_revision + 1,
  changed_at = 1772452800000000
FROM given g WHERE listings.account = 'redoute' AND listings.sku = g.sku AND listings.stock IS NOT CAST(g.stock AS INTEGER);
SQL
