#!/bin/sh
# The order files joined and imported by SQLite's own command line, durably: no parsing of sections, no checks.
set -eu
folder=$1 database=$2
rm -f "$database"
cat "$folder"/*.txt > "$database.csv"
sqlite3 "$database" "PRAGMA journal_mode = WAL" "PRAGMA synchronous = FULL" \
  "CREATE TABLE lines (a,b,c,d,e,f,g,h,i,j,k)" ".mode csv" ".import $database.csv lines" >/dev/null 2>&1
