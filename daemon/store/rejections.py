"""Rejections in a row of one part of a listing: counted as answers are settled, and too many of them block it.

What is counted is the same code and text for the same values: a part that changes begins anew, because its revision
does. A blocked part stays in Error, and another try does not send it (guide, life cycle).
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from daemon.model import FeedId, Part
from daemon.store.times import to_us


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
