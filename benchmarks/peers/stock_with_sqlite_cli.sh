#!/bin/sh
# The rows of a stock feed as SQLite's own command line writes them: no digest, no compression, nothing kept.
set -eu
database=$1
sqlite3 -readonly -csv -header "$database" "
  SELECT o.channel_item_id AS part_number, '' AS tradedCode,
    coalesce(l.handling_days, 1) + 3 AS current_lead_time_to_delivery_in_days, o.stock AS free_stock
  FROM feed_objects o JOIN listings l ON l.id = o.listing
  WHERE o.feed = (SELECT max(id) FROM feeds) ORDER BY o.listing" > "$database.csv"
