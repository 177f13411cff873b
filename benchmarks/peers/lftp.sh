#!/bin/sh
# lftp and SQLite's own command line: what people put together to fetch order files, or to see which are there.
#   lftp.sh mirror N SERVER FOLDER DATABASE   fetch everything, N files at a time, and import it joined, durably
#   lftp.sh list SERVER FOLDER                list everything
# SERVER is a folder with the files port, user, key and known_hosts.
set -eu
work=$1
shift
if [ "$work" = mirror ]; then
  parallel=$1
  shift
fi
server=$1 folder=$2
program="ssh -a -x -i $server/key -o IdentitiesOnly=yes -o UserKnownHostsFile=$server/known_hosts"
open="set net:max-retries 1; set sftp:connect-program '$program';
  open -u $(cat "$server/user"), -p $(cat "$server/port") sftp://127.0.0.1"
if [ "$work" = list ]; then
  exec lftp -c "$open; cls -1 $folder"
fi
database=$3
rm -rf "$database.files" "$database"
lftp -c "$open; mirror --parallel=$parallel $folder $database.files"
exec sh "$(dirname "$0")/orders_with_sqlite_cli.sh" "$database.files" "$database"
