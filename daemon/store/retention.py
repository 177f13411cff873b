"""What is forgotten when its time is over, a bounded number of rows at a time, so that nobody waits (D7, D8, L16)."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial

from daemon.store.database import Database
from daemon.store.times import to_us

#: rows of one transaction
_BATCH = 2_000
#: transactions of one turn: what is left goes with the next
_MOST = 500


class Retention:
    """The rows that only grow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_events(self, before: datetime) -> int:
        """Forget what happened before an instant; returns how many events."""
        return await self._by_and_by(partial(_events, before=before))

    async def forget_feed_objects(self, before: datetime) -> int:
        """Forget what feeds carried that were closed before an instant, but for the last that carried each listing.

        The feeds themselves stay, with their counts. Returns how many objects.
        """
        return await self._by_and_by(partial(_feed_objects, before=before))

    async def forget_decisions(self, before: datetime) -> int:
        """Forget what the change guard held in cases that were closed before an instant; returns how many holds."""
        return await self._by_and_by(partial(_decisions, before=before))

    async def forget_turns(self, before: datetime) -> int:
        """Forget turns that began before an instant and have ended; returns how many."""
        return await self._by_and_by(partial(_turns, before=before))

    async def _by_and_by(self, work: Callable[[sqlite3.Connection], int]) -> int:
        forgotten = 0
        for _ in range(_MOST):
            count = await self._database.write(work)
            forgotten += count
            if count == 0:
                break
        return forgotten


def _events(db: sqlite3.Connection, before: datetime) -> int:
    # They are numbered as they happen: the oldest stand first, and only those are looked at.
    return db.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?) AND at < ?", (_BATCH, to_us(before))
    ).rowcount


def _decisions(db: sqlite3.Connection, before: datetime) -> int:
    forgotten = db.execute(
        "DELETE FROM guard_holds WHERE id IN (SELECT h.id FROM guard_cases c JOIN guard_holds h ON h.guard_case = c.id"
        " WHERE c.closed_at < ? AND h.state <> 'rejected' LIMIT ?)",
        (to_us(before), _BATCH),
    ).rowcount
    db.execute(
        "DELETE FROM guard_cases WHERE closed_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM guard_holds h WHERE h.guard_case = guard_cases.id)",
        (to_us(before),),
    )
    return forgotten


def _turns(db: sqlite3.Connection, before: datetime) -> int:
    return db.execute(
        "DELETE FROM job_runs WHERE id IN (SELECT id FROM job_runs ORDER BY id LIMIT ?) AND started_at < ?"
        " AND outcome <> 'running'",
        (_BATCH, to_us(before)),
    ).rowcount


def _feed_objects(db: sqlite3.Connection, before: datetime) -> int:
    overtaken = (
        "EXISTS (SELECT 1 FROM feed_objects n JOIN feeds g ON g.id = n.feed WHERE n.listing = o.listing"
        " AND n.feed > o.feed AND g.kind = f.kind)"
    )
    rows = db.execute(
        "SELECT o.feed, o.listing FROM feeds f JOIN feed_objects o ON o.feed = f.id"  # noqa: S608 - our own words
        f" WHERE f.closed_at < ? AND {overtaken} ORDER BY o.feed, o.listing LIMIT ?",
        (to_us(before), _BATCH),
    ).fetchall()
    return db.executemany(
        "DELETE FROM feed_objects WHERE feed = ? AND listing = ?", [tuple(row) for row in rows]
    ).rowcount
