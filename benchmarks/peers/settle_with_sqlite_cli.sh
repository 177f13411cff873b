#!/bin/sh
# A report into the listings of a database, as somebody would do it by hand: no feed objects, no events, no codes.
# $1 the database, $2 the report.
sqlite3 "$1" <<SQL
PRAGMA synchronous = FULL;
.mode csv
.separator ;
.import $2 report
UPDATE listings SET
  stock_state = CASE r.Status WHEN 'OK' THEN 'not_needed' ELSE 'error' END,
  stock_error = r.ErrorMessage,
  price_state = CASE r.Status WHEN 'OK' THEN 'not_needed' ELSE 'error' END,
  price_error = r.ErrorMessage,
  changed_at = 1772452800000000
FROM report r WHERE listings.account = 'redoute' AND listings.sku = r.SellerOfferID;
SQL
