"""Feed answers put to the feeds and listings that they speak of, one batch a transaction (L2, L6, L7, L17, J4)."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from daemon.model import AccountName, AnswerLine, FeedId, FeedKind, FeedState
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryId
from daemon.store.feed_fates import let_torn_lapse
from daemon.store.settling import Settlement, settle_lines


@dataclass(frozen=True, slots=True)
class Answered:
    """What one batch did. `orphans` speak of feeds that we do not know (yet), `strangers` of no listing in theirs."""

    settled: int = 0
    orphans: int = 0
    strangers: int = 0

    def __add__(self, other: "Answered") -> "Answered":
        return Answered(self.settled + other.settled, self.orphans + other.orphans, self.strangers + other.strangers)


class Answers:
    """What marketplaces said of our feeds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(
        self,
        account: AccountName,
        lines: Sequence[AnswerLine],
        at: datetime,
        delivery: DeliveryId | None = None,
        *,
        block_after: int = 3,
        tearable: Collection[FeedKind] = (),
    ) -> Answered:
        """Settle the parts that these lines of a delivery answer. The same lines again change nothing.

        Another verdict on the same object counts when its delivery came in after the one whose verdict stands; which
        bytes answered which feed is kept (L16). The same rejection `block_after` times in a row blocks a part; 0 is
        never. What is said of a feed of a `tearable` kind whose sending was cut is said of half a file, and settles
        nothing.
        """
        return await self._database.write(lambda db: _apply(db, account, lines, at, delivery, block_after, tearable))

    async def could_not_read(
        self, account: AccountName, feed_name: str, delivery: DeliveryId, *, remote_ref: str = ""
    ) -> None:
        """A delivery speaks of a feed, and what it says cannot be read: the feed's silence is no yes any more (J4).

        Where nobody knows of which feed it speaks, it may be any that is not answered yet.
        """

        def work(db: sqlite3.Connection) -> None:
            if feed_name or remote_ref:
                found = _find_feed(db, account, remote_ref, feed_name)
                feeds = [found[0]] if found else []
            else:
                feeds = [
                    FeedId(row["id"])
                    for row in db.execute(
                        "SELECT id FROM feeds WHERE account = ? AND state IN ('sending', 'sent', 'in_doubt')",
                        (account,),
                    ).fetchall()
                ]
            for feed in feeds:
                _link(db, feed, delivery, 0)

        await self._database.write(work)


def _link(db: sqlite3.Connection, feed: FeedId, delivery: DeliveryId, settled: int) -> None:
    """Keep which bytes spoke of which feed (L16)."""
    db.execute(
        "INSERT INTO feed_deliveries (feed, delivery, settled) VALUES (?, ?, ?)"
        " ON CONFLICT (feed, delivery) DO UPDATE SET settled = settled + excluded.settled",
        (feed, delivery, settled),
    )


def _apply(
    db: sqlite3.Connection,
    account: AccountName,
    lines: Sequence[AnswerLine],
    at: datetime,
    delivery: DeliveryId | None,
    block_after: int,
    tearable: Collection[FeedKind],
) -> Answered:
    feeds: dict[tuple[str, str], tuple[FeedId, FeedKind] | None] = {}
    total = Answered()
    groups: dict[tuple[FeedId, FeedKind, str], list[AnswerLine]] = {}
    # Lines of one feed stand together, mostly all of them.
    for (remote_ref, feed_name, part), together in groupby(lines, attrgetter("remote_ref", "feed_name", "part")):
        key = (remote_ref, feed_name)
        if key not in feeds:
            feeds[key] = _find_feed(db, account, *key)
        found = feeds[key]
        if found is None:
            total += Answered(orphans=len(list(together)))
        else:
            groups.setdefault((*found, part or ""), []).extend(together)
    for (feed, kind, part), group in groups.items():
        settled = strangers = 0
        if kind in tearable and _was_cut(db, feed):
            let_torn_lapse(db, feed, at)
        else:
            settlement = Settlement(account, feed, kind, at, part, delivery, block_after)
            settled, strangers = settle_lines(db, settlement, group)
        total += Answered(settled=settled, strangers=strangers)
        if delivery is not None:
            _link(db, feed, delivery, settled)
    return total


def _find_feed(db: sqlite3.Connection, account: str, remote_ref: str, name: str) -> tuple[FeedId, FeedKind] | None:
    # By the marketplace's own handle first; a feed in doubt has none, so then by the file name that we gave (L17).
    for column, value in (("remote_ref", remote_ref), ("name", name)):
        if not value:
            continue
        row = db.execute(
            # The last condition is the partial index's own: without it SQLite walks through every feed.
            f"SELECT id, kind FROM feeds WHERE account = ? AND {column} = ? AND {column} <> ''"  # noqa: S608
            " ORDER BY id DESC LIMIT 1",
            (account, value),
        ).fetchone()
        if row is not None:
            return FeedId(row["id"]), FeedKind(row["kind"])
    return None


def _was_cut(db: sqlite3.Connection, feed: FeedId) -> bool:
    """Whether nobody knows that this feed ever arrived whole."""
    row = db.execute("SELECT state, sent_at FROM feeds WHERE id = ?", (feed,)).fetchone()
    return row["sent_at"] is None and row["state"] in (FeedState.IN_DOUBT, FeedState.LAPSED)
