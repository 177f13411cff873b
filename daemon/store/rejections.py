"""Rejections in a row of one part of a listing: counted as answers are settled, and too many of them block it.

What is counted is the same code and text for the same values: a part that changes begins anew, because its revision
does. A blocked part stays in Error, and another try does not send it (guide, life cycle), until a person unblocks it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName, FeedId, Part, Sku, SyncState
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import to_us

#: the condition that a rejection `r` is of its part as the listing stands now
AS_IT_STANDS = (
    "r.revision = CASE r.part WHEN 'item' THEN item_revision WHEN 'stock' THEN stock_revision"
    " WHEN 'price' THEN price_revision ELSE end_revision END"
)


@dataclass(frozen=True, slots=True)
class Retried:
    """What another try did: the parts that are sent again, those that are blocked, and the item if it is held back."""

    again: tuple[Part, ...] = ()
    blocked: tuple[Part, ...] = ()
    held_back: bool = False


class Rejections:
    """Another try of what the marketplace has rejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def retry(self, account: AccountName, sku: Sku, at: datetime) -> Retried:
        """Make the parts of a listing that the marketplace rejected Pending again, but for those that are blocked."""
        return await self._database.write(lambda db: _retry(db, account, sku, at))

    async def unblock(self, account: AccountName, sku: Sku, at: datetime) -> tuple[Part, ...]:
        """Make the blocked parts of a listing Pending, and count their rejections from the start again."""
        return await self._database.write(lambda db: _unblock(db, account, sku, at))


def rejected(db: sqlite3.Connection, listing: int) -> dict[Part, bool]:
    """The parts that the marketplace has rejected as they stand now, and whether so often that they are blocked."""
    rows = db.execute(
        "SELECT r.part, r.blocked_at IS NOT NULL AS blocked FROM rejections r"  # noqa: S608 - our own words
        f" JOIN listings ON listings.id = r.listing WHERE r.listing = ? AND {AS_IT_STANDS}",
        (listing,),
    ).fetchall()
    return {Part(row["part"]): bool(row["blocked"]) for row in rows}


def _retry(db: sqlite3.Connection, account: AccountName, sku: Sku, at: datetime) -> Retried:
    kept = _find(db, account, sku)
    if kept is None:
        return Retried()
    is_blocked = rejected(db, kept["id"])
    failed = [part for part in Part if kept[f"{part}_state"] == SyncState.ERROR]
    # An item in Error that nobody rejected is held back by our own rules, and a feed would do it no good.
    held_back = Part.ITEM in failed and Part.ITEM not in is_blocked
    blocked = tuple(part for part in failed if is_blocked.get(part))
    again = tuple(part for part in failed if part not in blocked and not (held_back and part is Part.ITEM))
    _try_again(db, kept, again, at, "another try was asked for")
    return Retried(again, blocked, held_back)


def _unblock(db: sqlite3.Connection, account: AccountName, sku: Sku, at: datetime) -> tuple[Part, ...]:
    kept = _find(db, account, sku)
    if kept is None:
        return ()
    is_blocked = rejected(db, kept["id"])
    blocked = tuple(part for part in Part if is_blocked.get(part))
    for part in blocked:
        db.execute("DELETE FROM rejections WHERE listing = ? AND part = ?", (kept["id"], part))
    _try_again(db, kept, blocked, at, "unblocked by a person")
    return blocked


def _find(db: sqlite3.Connection, account: AccountName, sku: Sku) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT id, account, item_state, stock_state, price_state, end_state FROM listings"
        " WHERE account = ? AND sku = ?",
        (account, sku),
    ).fetchone()
    return row


def _try_again(db: sqlite3.Connection, kept: sqlite3.Row, parts: Iterable[Part], at: datetime, why: str) -> None:
    for part in parts:
        db.execute(
            f"UPDATE listings SET {part}_state = 'pending', {part}_error = '' WHERE id = ?",  # noqa: S608 - our own names
            (kept["id"],),
        )
        tell(db, at, kept["account"], ("listing", kept["id"]), part, moved=("error", "pending"), why=why)


def count_rejections(
    db: sqlite3.Connection, feed: FeedId, parts: Sequence[Part], at: datetime, block_after: int
) -> None:
    """Count what `temp.applied` has just done to the listings of a feed; `block_after` 0 blocks nothing.

    One feed counts once, however often its report comes.
    """
    named = {"feed": feed, "at": to_us(at), "block_after": block_after}
    answered, rejected = db.execute("SELECT count(*), count(*) - sum(accepted) FROM temp.applied").fetchone()
    # In this order, and in no other: SQLite knows nothing of a table that was made a moment ago.
    of_the_feed = " CROSS JOIN feed_objects o ON o.feed = :feed AND o.listing = a.listing"
    for part in parts:
        as_sent = f" CROSS JOIN listings l ON l.id = a.listing AND l.{part}_revision = o.{part}_revision"
        if answered > rejected:
            # Silence is no word of the marketplace, so it does not end a row of rejections. Few listings have one, so
            # those are found first.
            db.execute(
                f"DELETE FROM rejections WHERE part = '{part}' AND listing IN (SELECT a.listing FROM temp.applied a"  # noqa: S608
                f" CROSS JOIN rejections r ON r.listing = a.listing AND r.part = '{part}'{of_the_feed}{as_sent}"
                f" WHERE a.accepted AND a.code <> 'silence' AND l.{part}_state = 'not_needed')",
                named,
            )
        if rejected:
            _count_again(db, part, f"{of_the_feed}{as_sent}", named)


def _count_again(db: sqlite3.Connection, part: Part, sent: str, named: dict[str, int]) -> None:
    """Count the rejections of one part, and block what has too many."""
    db.execute(
        "INSERT INTO rejections (listing, part, revision, feed, code, text, times)"  # noqa: S608
        f" SELECT a.listing, '{part}', o.{part}_revision, :feed, a.code, a.text, 1 FROM temp.applied a{sent}"
        f" WHERE NOT a.alike AND NOT a.accepted AND l.{part}_state = 'error'"
        " ON CONFLICT (listing, part) DO UPDATE SET revision = excluded.revision, feed = excluded.feed,"
        " code = excluded.code, text = excluded.text, blocked_at = NULL,"
        " times = CASE WHEN (revision, code, text) = (excluded.revision, excluded.code, excluded.text)"
        " THEN times + 1 ELSE 1 END WHERE excluded.feed > rejections.feed",
        named,
    )
    these = "(SELECT listing FROM temp.applied WHERE NOT alike AND NOT accepted)"
    db.execute(
        f"UPDATE rejections SET blocked_at = :at WHERE part = '{part}' AND feed = :feed AND blocked_at IS NULL"  # noqa: S608
        f" AND :block_after > 0 AND times >= :block_after AND listing IN {these}",
        named,
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608
        f" SELECT :at, l.account, 'listing', l.id, '{part}', 'error', 'blocked',"
        " 'rejected ' || r.times || ' times in a row: ' || trim(r.code || ' ' || r.text)"
        " FROM rejections r JOIN listings l ON l.id = r.listing"
        f" WHERE r.part = '{part}' AND r.feed = :feed AND r.blocked_at = :at AND r.listing IN {these}",
        named,
    )
