"""What came of a feed, put to its objects and their listings in sets: only what was sent is settled (L2, L6, L7, L17).

A batch of answers goes through the temporary table `applied`: the objects that its lines mean, and what each of them
changes. Every statement after that begins with it, and it has no more rows than the batch, so that none walks through
the feed: SQLite knows nothing of a table that was made a moment ago, so it is told by CROSS JOIN, and by a plus where
it could look up there. How many statements a batch takes does not depend on its size.

Nearly all lines of a long report are alike: a plain yes to a SKU. Those are handed over as one list of SKUs, and what
is done to the others finds them by an index (`alike`). Any other line is first laid down in the table `said`.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from daemon.model import AccountName, AnswerLine, ChannelStatus, FeedId, FeedKind, FeedState, Part
from daemon.store.codes import count_codes
from daemon.store.events import tell
from daemon.store.filling import fill
from daemon.store.prices import charged
from daemon.store.rejections import count_rejections
from daemon.store.times import to_us

_STATUS_ORDER = list(ChannelStatus)
#: what an answer changes in a listing, as bits of `applied.changes`: the part's state, the channel status, the number
_BITS = {part: 1 << place for place, part in enumerate(Part)}
_RISES, _RENUMBERS = 1 << 4, 1 << 5

#: what a line says of a listing
_SAID = ("accepted", "code", "text", "channel_item_id", "sku", "ean")
_words = attrgetter(*_SAID)
#: those of a line that says no more than yes
_PLAIN = "1 AS accepted, '' AS code, '' AS text, '' AS channel_item_id"
_OF_SKU = (
    "CROSS JOIN listings l ON l.account = :account AND l.sku = s.sku"
    " CROSS JOIN feed_objects o ON o.feed = :feed AND o.listing = l.id"
)
#: plain lines; in the place of each other line the list has null, which is nobody's SKU
_PLAINLY = f"(SELECT key AS n, {_PLAIN}, value AS sku FROM json_each(:skus)) s {_OF_SKU} WHERE true"  # noqa: S608
#: the ways in which a line may name listings of the feed, the surest first; the next is tried where one finds nothing
_BY_SKU = f"temp.said s {_OF_SKU} WHERE s.sku <> ''"
# The second condition of each is the partial index's own: without it each line walks through the whole feed.
_BY_EAN = (
    "temp.said s CROSS JOIN feed_objects o ON o.feed = :feed AND o.ean = s.ean AND o.ean <> ''"
    " CROSS JOIN listings l ON l.id = o.listing WHERE s.ean <> ''"
)
_BY_NUMBER = (
    "temp.said s CROSS JOIN feed_objects o ON o.feed = :feed AND o.channel_item_id = s.channel_item_id"
    " AND o.channel_item_id <> '' CROSS JOIN listings l ON l.id = o.listing WHERE s.channel_item_id <> ''"
)
#: an answer to the feed as a whole
_BY_FEED = (
    "temp.said s CROSS JOIN feed_objects o ON o.feed = :feed CROSS JOIN listings l ON l.id = o.listing"
    " WHERE s.sku = '' AND s.ean = '' AND s.channel_item_id = ''"
)
_BY_SILENCE = (
    "(SELECT 1 AS n, 1 AS accepted, 'silence' AS code, '' AS text, '' AS channel_item_id) s"
    " CROSS JOIN (SELECT * FROM feed_objects WHERE feed = :feed AND listing > :after AND state = 'sent'"
    " ORDER BY listing LIMIT :most) o CROSS JOIN listings l ON l.id = o.listing WHERE true"
)

#: the text as it was told; a rejection is never without a word
_REASON = "coalesce(nullif(a.text, ''), nullif(a.code, ''), 'rejected without a reason')"


@dataclass(frozen=True, slots=True)
class Settlement:
    """Answers to one feed: to all that it carried, or to one `part` of it; `delivery` is what they came in.

    The same rejection `block_after` times in a row blocks a part; 0 is never.
    """

    account: AccountName
    feed: FeedId
    kind: FeedKind
    at: datetime
    part: str = ""
    delivery: int | None = None
    block_after: int = 0

    @property
    def parts(self) -> list[Part]:
        """What may be settled."""
        return [Part(self.part)] if self.part else list(Part)

    @property
    def reached(self) -> ChannelStatus:
        """How far a listing is once the feed's answer is good (L3)."""
        return ChannelStatus.OFFER_INTEGRATED if self.kind is FeedKind.OFFER else ChannelStatus.PRODUCT_INTEGRATED

    def named(self, **more: Any) -> dict[str, Any]:
        """What the statements ask for."""
        return {
            "account": self.account,
            "feed": self.feed,
            "part": self.part,
            "delivery": self.delivery,
            "at": to_us(self.at),
            **more,
        }


def settle_lines(db: sqlite3.Connection, settlement: Settlement, lines: Sequence[AnswerLine]) -> tuple[int, int]:
    """Settle what lines of a report say of the feed: how many objects that settled, and how many lines mean none."""
    _prepare(db)
    strangers = _gather(db, settlement, lines)
    return _settle(db, settlement), strangers


def settle_silent(db: sqlite3.Connection, settlement: Settlement, after: int, most: int) -> tuple[int, int | None]:
    """Accept the next objects of a feed; returns how many, and the last of them, None when there were no more."""
    _prepare(db)
    _gather_by(db, settlement, _BY_SILENCE, after=after, most=most)
    last: int | None = db.execute("SELECT max(listing) FROM temp.applied").fetchone()[0]
    return _settle(db, settlement), last


def close_feed(db: sqlite3.Connection, feed: int, state: FeedState, error: str, at: datetime) -> None:
    """Move a feed to a state in which it waits for nothing, or is in doubt; what stands so already stays untold."""
    row = db.execute("SELECT account, state FROM feeds WHERE id = ?", (feed,)).fetchone()
    if row["state"] == state:
        return
    closed = None if state is FeedState.IN_DOUBT else to_us(at)
    db.execute("UPDATE feeds SET state = ?, error = ?, closed_at = ? WHERE id = ?", (state, error, closed, feed))
    tell(db, at, row["account"], ("feed", feed), "moved", moved=(row["state"], state), why=error)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS said (n INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, code TEXT NOT NULL,"
        " text TEXT NOT NULL, channel_item_id TEXT NOT NULL, sku TEXT NOT NULL, ean TEXT NOT NULL)"
    )
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS applied (listing INTEGER PRIMARY KEY, n INTEGER NOT NULL,"
        " accepted INTEGER NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, channel_item_id TEXT NOT NULL,"
        " before TEXT NOT NULL, changes INTEGER NOT NULL, counts INTEGER NOT NULL, price_minor INTEGER,"
        " promotion INTEGER, alike INTEGER AS (accepted AND code = '' AND text = ''))"
    )
    db.execute("CREATE INDEX IF NOT EXISTS temp.applied_apart ON applied (listing) WHERE NOT alike")
    db.execute("DELETE FROM temp.said")
    db.execute("DELETE FROM temp.applied")


def _gather(db: sqlite3.Connection, settlement: Settlement, lines: Sequence[AnswerLine]) -> int:
    """Fill `temp.applied` with the objects that the lines mean; returns how many lines mean none."""
    others = _gather_plain(db, settlement, lines)
    if not others:
        return 0
    fill(db, "temp.said", ("n", *_SAID), [(n, *_words(lines[n])) for n in others])
    left = len(others)
    for way in (_BY_SKU, _BY_EAN, _BY_NUMBER, _BY_FEED):
        found = _gather_by(db, settlement, way)
        if way is _BY_SKU and found == left:
            # A SKU means one listing at most, so none of the lines is left.
            return 0
        # Those that a later line has overtaken too: what a line means, it means in the surest way alone.
        named = settlement.named()
        left -= db.execute(f"DELETE FROM temp.said WHERE n IN (SELECT s.n FROM {way})", named).rowcount  # noqa: S608
        if not left:
            return 0
    return left


def _gather_plain(db: sqlite3.Connection, settlement: Settlement, lines: Sequence[AnswerLine]) -> list[int]:
    """Put into `temp.applied` what lines mean that say a plain yes to a SKU; returns the places of the other lines."""
    others = [
        n
        for n, (accepted, _, _, sku, _, number, code, text, _) in enumerate(lines)
        if not accepted or not sku or number or code or text
    ]
    if len(others) == len(lines):
        return others
    skus: list[str | None] = [line.sku for line in lines]
    for n in others:
        skus[n] = None
    listed = json.dumps(skus)
    if _gather_by(db, settlement, _PLAINLY, skus=listed) + len(others) < len(lines):
        # Some name no listing of the feed by their SKU.
        others += [
            row[0]
            for row in db.execute(
                "SELECT s.key FROM json_each(:skus) s WHERE s.value IS NOT NULL AND NOT EXISTS (SELECT 1"
                " FROM listings l CROSS JOIN feed_objects o ON o.feed = :feed AND o.listing = l.id"
                " WHERE l.account = :account AND l.sku = s.value)",
                settlement.named(skus=listed),
            )
        ]
    return others


def _gather_by(db: sqlite3.Connection, settlement: Settlement, way: str, **more: Any) -> int:
    """Put into `temp.applied` what lines mean that name it in one way; of two that mean the same, the later counts."""
    # An object is answered once, but a fault that is told after silence had been taken for a yes still counts, and so
    # does another verdict in a delivery that came after the one whose verdict stands, or further on in that one (L17).
    # As a CASE, because SQLite asks no further there once it knows.
    counts = (
        "CASE WHEN o.state = 'sent' OR o.state = 'lapsed' OR o.state = 'withdrawn'"
        " OR (o.state = 'accepted' AND o.code = 'silence' AND NOT s.accepted)"
        " OR (:part <> '' AND o.answered_at IS NOT NULL)"
        " OR (o.state IN ('accepted', 'rejected') AND s.accepted <> (o.state = 'accepted')"
        " AND coalesce(:delivery >= o.delivery, 0)) THEN 1 ELSE 0 END"
    )
    return db.execute(
        "INSERT INTO temp.applied SELECT o.listing, s.n, s.accepted, s.code, s.text, s.channel_item_id, o.state,"  # noqa: S608
        f" {_changes(settlement)}, {counts}, o.price_minor, o.promotion FROM {way}"
        " ON CONFLICT (listing) DO UPDATE SET n = excluded.n, accepted = excluded.accepted, code = excluded.code,"
        " text = excluded.text, channel_item_id = excluded.channel_item_id, changes = excluded.changes,"
        " counts = excluded.counts WHERE excluded.n > n",
        settlement.named(newest=_is_newest(db, settlement), **more),
    ).rowcount


def _is_newest(db: sqlite3.Connection, settlement: Settlement) -> bool:
    """Whether the account has opened no feed after this one, as it mostly is: then no object has one to look for."""
    newer = db.execute(
        "SELECT 1 FROM feeds WHERE account = ? AND id > ? LIMIT 1", (settlement.account, settlement.feed)
    ).fetchone()
    return newer is None


def _changes(settlement: Settlement) -> str:
    """What the answer `s` to the object `o` changes in the listing `l`, as bits.

    A part is settled only while its revision is the one that was sent (house law 4), and not by an older feed once a
    newer one that carried the same revision was answered: the order in which answers come makes no difference.
    """
    conditions = {
        _BITS[p]: f"o.{p}_revision = l.{p}_revision AND (:newest OR NOT EXISTS (SELECT 1 FROM feed_objects n"  # noqa: S608
        f" WHERE n.listing = o.listing AND n.feed > o.feed AND n.{p}_revision = o.{p}_revision"
        " AND n.state IN ('accepted', 'rejected')))"
        for p in settlement.parts
    }
    conditions[_RISES] = f"s.accepted AND l.channel_status IN ({_statuses_below(settlement.reached)})"
    conditions[_RENUMBERS] = "s.accepted AND s.channel_item_id <> '' AND s.channel_item_id <> l.channel_item_id"
    return " + ".join(f"CASE WHEN {condition} THEN {bit} ELSE 0 END" for bit, condition in conditions.items())


def _settle(db: sqlite3.Connection, settlement: Settlement) -> int:
    """Do what `temp.applied` says; returns how many objects were settled."""
    db.execute("DELETE FROM temp.applied WHERE NOT counts")
    named = settlement.named(what=f"{settlement.kind} feed {settlement.feed}")
    settled = _answer_objects(db, named)
    if not settled:
        return 0
    changed = _change_listings(db, settlement)
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
        " SELECT :at, :account, 'listing', a.listing, :what, a.before,"
        " CASE WHEN a.accepted THEN 'accepted' ELSE 'rejected' END, trim(a.code || ' ' || a.text) FROM temp.applied a",
        named,
    )
    count_codes(db, settlement.feed, settlement.at)
    count_rejections(db, settlement.feed, changed, settlement.at, settlement.block_after)
    if settlement.kind is FeedKind.OFFER and settlement.part in ("", Part.PRICE):
        charged(db, settlement.feed, late=not _is_newest(db, settlement))
    _count(db, settlement.feed, settlement.at)
    return settled


def _answer_objects(db: sqlite3.Connection, named: dict[str, Any]) -> int:
    settled, first, last = db.execute("SELECT count(*), min(listing), max(listing) FROM temp.applied").fetchone()
    named = {**named, "first": first, "last": last, "most": settled + 1}
    # What most objects get is one and the same: SQLite changes those in half the time, without a table of new values.
    these = "listing IN (SELECT listing FROM temp.applied WHERE alike)"
    if _is_a_stretch(db, settled, named):
        # They are changed as they are come by, in half of that again, and the few that are not alike once more.
        these = "listing BETWEEN :first AND :last"
    db.execute(
        "UPDATE feed_objects SET state = 'accepted', code = '', text = '', answered_at = :at, delivery = :delivery"  # noqa: S608
        f" WHERE feed = :feed AND {these}",
        named,
    )
    db.execute(
        "UPDATE feed_objects SET state = CASE WHEN a.accepted THEN 'accepted' ELSE 'rejected' END,"
        " code = a.code, text = a.text, answered_at = :at, delivery = :delivery"
        " FROM temp.applied a WHERE feed_objects.feed = :feed AND feed_objects.listing = +a.listing AND NOT +a.alike",
        named,
    )
    return int(settled)


def _is_a_stretch(db: sqlite3.Connection, settled: int, named: dict[str, Any]) -> bool:
    """Whether nearly all are alike, and the feed carried nothing between them, as in a report in the feed's order."""
    apart: int = db.execute("SELECT count(*) FROM temp.applied WHERE NOT alike").fetchone()[0]
    if settled < 2 * apart:
        return False
    carried: int = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM feed_objects WHERE feed = :feed AND listing BETWEEN :first AND :last"
        " LIMIT :most)",
        named,
    ).fetchone()[0]
    return carried == settled


def _change_listings(db: sqlite3.Connection, settlement: Settlement) -> list[Part]:
    """Change the listings, all of them at once that change alike: only their columns are written and checked.

    Returns the parts that were settled in any of them.
    """
    settled = 0
    for accepted, changes in db.execute("SELECT DISTINCT accepted, changes FROM temp.applied").fetchall():
        settled |= changes
        columns = ["changed_at = :at"]
        state, error = ("not_needed", "''") if accepted else ("error", _REASON)
        for part in settlement.parts:
            if changes & _BITS[part]:
                columns += [f"{part}_state = '{state}'", f"{part}_error = {error}"]
        if changes & _RISES:
            columns.append(f"channel_status = '{settlement.reached}'")
        if changes & _RENUMBERS:
            columns.append("channel_item_id = a.channel_item_id")
        these = "accepted = :accepted AND changes = :changes"
        if accepted and not changes & _RENUMBERS:
            where = f" WHERE id IN (SELECT listing FROM temp.applied WHERE {these})"  # noqa: S608 - our own words
        else:
            where = f" FROM temp.applied a WHERE listings.id = +a.listing AND {these}"
        named = settlement.named(accepted=accepted, changes=changes)
        db.execute(f"UPDATE listings SET {', '.join(columns)}{where}", named)  # noqa: S608 - names of our own enums
    return [part for part in settlement.parts if settled & _BITS[part]]


def _statuses_below(reached: ChannelStatus) -> str:
    return ", ".join(f"'{status}'" for status in _STATUS_ORDER[: _STATUS_ORDER.index(reached)])


def _count(db: sqlite3.Connection, feed: int, at: datetime) -> None:
    # By what changed: to count the feed again for each batch would make a long report quadratic.
    whole = db.execute(
        "UPDATE feeds SET accepted = feeds.accepted + c.accepted, rejected = feeds.rejected + c.rejected"
        " FROM (SELECT sum(accepted - (before = 'accepted')) AS accepted,"
        " sum((1 - accepted) - (before = 'rejected')) AS rejected FROM temp.applied) c"
        " WHERE feeds.id = ? RETURNING feeds.accepted + feeds.rejected = feeds.size",
        (feed,),
    ).fetchone()[0]
    if whole:
        close_feed(db, feed, FeedState.ANSWERED, "", at)
