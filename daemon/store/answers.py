"""Feed answers put to the feeds and listings that they speak of, one batch a transaction (L2, L6, L7, L17, J4)."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName, AnswerLine, FeedId, FeedKind, FeedState
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryId
from daemon.store.feeds import let_torn_lapse, prepare, settle


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

    async def could_not_read(self, account: AccountName, feed_name: str, delivery: DeliveryId) -> None:
        """A delivery speaks of a feed, and what it says cannot be read: the feed's silence is no yes any more (J4)."""

        def work(db: sqlite3.Connection) -> None:
            if found := _find_feed(db, account, "", feed_name):
                _link(db, found[0], delivery, 0)

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
    prepare(db)
    feeds: dict[tuple[str, str], tuple[FeedId, FeedKind] | None] = {}
    total = Answered()
    groups: dict[tuple[FeedId, FeedKind, str], list[AnswerLine]] = {}
    for line in lines:
        key = (line.remote_ref, line.feed_name)
        if key not in feeds:
            feeds[key] = _find_feed(db, account, *key)
        found = feeds[key]
        if found is None:
            total += Answered(orphans=1)
        else:
            groups.setdefault((*found, line.part or ""), []).append(line)
    for (feed, kind, part), group in groups.items():
        if kind in tearable and _was_cut(db, feed):
            let_torn_lapse(db, feed, at)
            settled = 0
        else:
            gathered = sum(_gather(db, account, feed, part, line) for line in group)
            settled = settle(db, feed, kind, part, at, delivery, block_after)
            total += Answered(settled=settled, strangers=len(group) - gathered)
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


def _gather(db: sqlite3.Connection, account: str, feed: FeedId, part: str, line: AnswerLine) -> bool:
    """Put a line into `temp.settled` for each listing of the feed that it means; False when it means none."""
    named = {
        "feed": feed,
        "part": part,
        "account": account,
        "accepted": int(line.accepted),
        "code": line.code,
        "text": line.text,
        "id": line.channel_item_id,
        "sku": line.sku,
        "ean": line.ean,
    }
    insert = (
        "INSERT INTO temp.settled (feed, listing, part, accepted, code, text, channel_item_id)"
        " SELECT :feed, o.listing, :part, :accepted, :code, :text, :id FROM feed_objects o"
    )
    update = (
        " ON CONFLICT (feed, listing, part) DO UPDATE SET accepted = excluded.accepted, code = excluded.code,"
        " text = excluded.text, channel_item_id = excluded.channel_item_id"
    )
    ways = []
    if line.sku:
        ways.append(
            " JOIN listings l ON l.id = o.listing AND l.account = :account AND l.sku = :sku WHERE o.feed = :feed"
        )
    if line.ean:
        # The last condition of each is the partial index's own: without it each line walks through the whole feed.
        ways.append(" WHERE o.feed = :feed AND o.ean = :ean AND o.ean <> ''")
    if line.channel_item_id:
        ways.append(" WHERE o.feed = :feed AND o.channel_item_id = :id AND o.channel_item_id <> ''")
    if not ways:
        ways.append(" WHERE o.feed = :feed")  # the answer is to the feed as a whole
    return any(db.execute(insert + way + update, named).rowcount for way in ways)
