"""Which keys a file that is being read has had before: on disk, so that a file of any length takes no more memory.

A set of a million SKUs takes a hundred MiB, and whoever asks Python for each of them holds the interpreter meanwhile.
"""

import json
import sqlite3
from collections.abc import Sequence

from daemon.errors import StoreError


class Seen:
    """The keys of the rows already taken, and their lines; of use to any thread, one at a time, until it is closed."""

    def __init__(self) -> None:
        # What has no name is kept in memory until it outgrows its cache, then in a file that goes when it is closed.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Nobody opens it once more, so that nothing has to last or to be taken back.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2048"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER NOT NULL) STRICT, WITHOUT ROWID")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def repeated(self, keys: Sequence[str], lines: Sequence[int]) -> dict[int, int]:
        """Those of the keys, by their places, that came before, here or earlier: on which line each came first.

        The others are noted to have come on their lines. Keys are cells, without control characters. Raises StoreError
        when the disk fails.
        """
        firsts = dict(zip(reversed(keys), reversed(lines), strict=True))
        given = {"firsts": json.dumps(firsts)}
        try:
            new = self._db.execute(
                "INSERT OR IGNORE INTO seen SELECT key, value FROM json_each(:firsts)", given
            ).rowcount
            if new == len(keys):
                return {}
            firsts |= self._db.execute(
                "SELECT s.key, s.line FROM json_each(:firsts) g JOIN seen s ON s.key = g.key", given
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the temporary file of an import: {error}") from error
        return {place: firsts[key] for place, key in enumerate(keys) if firsts[key] != lines[place]}
