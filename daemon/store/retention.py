"""What is forgotten when its time is over, a bounded number of rows at a time, so that nobody waits (D7, D8, L16)."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from daemon.store.database import Database
from daemon.store.times import to_us

#: rows of one transaction
_BATCH = 2_000
#: transactions of one turn: what is left goes with the next. Five thousand accounts take more than four million turns a
#: day, and as many must be forgotten.
_MOST = 5_000
#: objects of feeds that are looked at in one read, and at most forgotten in one transaction
_PAGE = 2_000
#: behind the last object of all
_END = (0, -1)


class Retention:
    """The rows that only grow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_events(self, before: datetime) -> int:
        """Forget what happened before an instant; returns how many events."""
        return await self._by_and_by(partial(_events, before=before))

    async def forget_feed_objects(self, before: datetime) -> int:
        """Forget what feeds carried that were closed before an instant, but for the last that carried each listing.

        What the marketplace took last of each stays too, whatever was turned down or lost since. The feeds themselves
        stay, with their counts. Returns how many objects.
        """
        forgotten, place = 0, (0, 0)
        while place != _END and forgotten < _MOST * _BATCH:
            # They are looked for without the writer's lock, and each is looked at once: those that stay are many.
            found, place = await self._database.read(partial(_overtaken, before=before, after=place))
            if found:
                forgotten += await self._database.write(partial(_forget_objects, objects=found))
        return forgotten

    async def forget_decisions(self, before: datetime) -> int:
        """Forget what the change guard held in cases that were closed before an instant; returns how many holds."""
        return await self._by_and_by(partial(_decisions, before=before))

    async def forget_turns(self, before: datetime) -> int:
        """Forget turns that began before an instant and have ended; returns how many."""
        return await self._by_and_by(partial(_turns, before=before))

    async def forget_idle_turns(self, before: datetime) -> int:
        """Forget turns that began before an instant and found nothing to do; returns how many."""
        return await self._by_and_by(partial(_idle_turns, before=before))

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


def _idle_turns(db: sqlite3.Connection, before: datetime) -> int:
    return db.execute(
        "DELETE FROM job_runs WHERE id IN"
        " (SELECT id FROM job_runs WHERE outcome = 'idle' AND started_at < ? ORDER BY started_at LIMIT ?)",
        (to_us(before), _BATCH),
    ).rowcount


def _overtaken(
    db: sqlite3.Connection, before: datetime, after: tuple[int, int]
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Of the next objects of closed feeds, those that a newer one has overtaken, and the place of the last; or `_END`.

    What was accepted is overtaken by what was accepted since, anything else by anything newer.
    """
    newer = (
        "SELECT 1 FROM feed_objects n JOIN feeds g ON g.id = n.feed WHERE n.listing = o.listing AND n.feed > o.feed"
        " AND g.kind = f.kind AND (n.state = 'accepted' OR o.state <> 'accepted')"
    )
    rows = db.execute(
        f"SELECT o.feed, o.listing, EXISTS ({newer}) AS overtaken FROM feeds f JOIN feed_objects o ON o.feed = f.id"  # noqa: S608
        " WHERE f.closed_at < ? AND f.id >= ? AND (o.feed, o.listing) > (?, ?) ORDER BY o.feed, o.listing LIMIT ?",
        (to_us(before), after[0], *after, _PAGE),
    ).fetchall()
    place = (rows[-1]["feed"], rows[-1]["listing"]) if len(rows) == _PAGE else _END
    return [(row["feed"], row["listing"]) for row in rows if row["overtaken"]], place


def _forget_objects(db: sqlite3.Connection, objects: Sequence[tuple[int, int]]) -> int:
    return db.executemany("DELETE FROM feed_objects WHERE feed = ? AND listing = ?", objects).rowcount
