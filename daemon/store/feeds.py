"""Feeds from claim to answer, and the gate that they share (L2, L6-L9, L16; house laws 3, 4 and 6).

A feed is claimed by one transaction: the gate is asked and moved on, the feed stands as `sending`, its objects hold
the revisions they carry, and the parts turn Sent. Whatever happens after that, a crash included, the gate counts it.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import compress, product

from anyio import to_thread

from daemon.errors import StoreError
from daemon.model import (
    AccountName,
    ChannelStatus,
    Feed,
    FeedId,
    FeedKind,
    FeedObject,
    FeedRule,
    FeedState,
    GuardTerms,
    Moment,
    Money,
    OfferTerms,
    Part,
    PayloadId,
    Promotion,
    UsualRow,
)
from daemon.rules.gate import Gate, closed_for, nanoseconds, wait
from daemon.store.database import READERS, Database
from daemon.store.events import tell
from daemon.store.generation import count_send, restored_at
from daemon.store.guard import claimed, guard, not_held
from daemon.store.listings import extras_of, item_from_json, vat_rate_of
from daemon.store.prices import judge
from daemon.store.promotions import begin_and_end
from daemon.store.rows import RowForm, is_plain
from daemon.store.settling import Settlement, close_feed, settle_silent
from daemon.store.stock import follow_form
from daemon.store.times import from_us, to_us
from daemon.store.values import (
    follow_terms,
    named_terms,
    offered,
    promotion,
    reference,
    reserve,
    sellable,
    sold,
    withhold,
)

_PAGE = 2_000
#: pages that are looked for at once
_PAGES = 16
#: objects of one transaction where silence settles a feed: memory and the writer's time stay bounded
_SILENT = 5_000
_OPEN = "('sending', 'sent', 'in_doubt')"
#: the same words as the partial indexes of the schema, so that SQLite uses them
_DUE = {
    FeedKind.ITEM: "item_state = 'pending'",
    FeedKind.OFFER: "(stock_state = 'pending' OR price_state = 'pending' OR end_state = 'pending')",
}
_STATUS_ORDER = list(ChannelStatus)


@dataclass(frozen=True, slots=True)
class GateClosed:
    """Something is due, and no feed may leave before `until`; `reason` is a sentence for people."""

    until: datetime
    reason: str


class Feeds:
    """Every feed that was ever opened, and the gates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        account: AccountName,
        rule: FeedRule,
        now: Moment,
        terms: OfferTerms = OfferTerms(),  # noqa: B008 - frozen
        limits: GuardTerms = GuardTerms(),  # noqa: B008 - frozen
    ) -> Feed | GateClosed | None:
        """Claim the next feed of this kind: everything due, at the values of now; None when nothing is due (L8).

        Before that, promotions begin and end, what `terms` and open orders change is made Pending (L6, L10, L11), and
        what looks like a mistake by `limits` is held back (`store/guard.py`).
        The claim closes the gate until the send must be over and the interval has passed after it.
        """
        return await self._database.claim(lambda db: _open(db, account, rule, now, (terms, limits)))

    async def objects(self, feed: Feed, currency: str) -> AsyncIterator[list[FeedObject]]:
        """What the feed carries, in batches."""
        last = 0
        while True:
            rows = await self._database.read(partial(_page, feed=feed.id, after=last))
            if not rows:
                return
            last = rows[-1][0]
            yield [_object(row, currency) for row in rows]

    async def rows(
        self, feed: Feed, currency: str, usual: UsualRow | None, write: Callable[[Sequence[FeedObject]], bytes]
    ) -> AsyncIterator[bytes]:
        """The rows of everything that the feed carries, in pieces.

        Those of usual listings are written by the database as `usual` says, the others by `write`; nothing of it is
        done in the loop's own thread, so that a large feed does not keep it from its other accounts.
        """
        if usual is None:
            async for batch in self.objects(feed, currency):
                yield await to_thread.run_sync(write, batch)
            return
        form, after = RowForm(usual), 0
        while pages := await self._database.read(partial(_pages, feed=feed.id, after=after, page=form.page)):
            for start in range(0, len(pages), READERS):
                work = [
                    partial(_rows, feed=feed.id, page=page, form=form, currency=currency, write=write)
                    for page in pages[start : start + READERS]
                ]
                for piece in await self._database.read_each(work):
                    yield piece
            _, after = pages[-1]

    async def spooled(self, feed: Feed, name: str, payload: PayloadId, at: datetime) -> Feed:
        """The exact bytes are kept: from here on they may have left (house law 6)."""
        return await self._database.write(lambda db: _spooled(db, feed, name, payload, at))

    async def sent(self, feed: Feed, rule: FeedRule, remote_ref: str, now: Moment) -> None:
        """The marketplace has it: the interval counts from now (L8)."""
        await self._database.write(lambda db: _sent(db, feed, rule, remote_ref, now))

    async def in_doubt(self, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
        """It may have arrived. The gate stays as the claim set it: the far side may take it up to the deadline.

        Where the machine stood still in the middle of the send, that deadline is over: the interval counts from now.
        """

        def work(db: sqlite3.Connection) -> None:
            if _stands(db, feed.id, FeedState.SENDING):
                close_feed(db, feed.id, FeedState.IN_DOUBT, error, now.at)
            _hold_gate(db, feed, rule, now)

        await self._database.write(work)

    async def refused(self, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
        """The marketplace turned the whole feed down: its parts are Pending again, and the gate counts it as sent."""

        def work(db: sqlite3.Connection) -> None:
            if _stands(db, feed.id, FeedState.SENDING, FeedState.IN_DOUBT):
                _give_back(db, feed.id, "withdrawn", now.at)
                close_feed(db, feed.id, FeedState.REFUSED, error, now.at)
            _set_gate(db, feed.account, feed.kind, closed_for(rule.interval, now), feed.id)

        await self._database.write(work)

    async def withdrawn(self, feed: Feed, error: str, now: Moment) -> None:
        """Nothing left us: its parts are Pending again, and the gate is given back."""
        await self._database.write(lambda db: _withdraw(db, feed.id, error, now))

    async def recover(self, now: Moment) -> int:
        """After a start: what was being sent is in doubt; what was not even spooled never left (house law 6)."""

        def work(db: sqlite3.Connection) -> int:
            unsettled = f"state = 'sending' AND state IN {_OPEN}"
            rows = db.execute(f"SELECT id, spooled_at FROM feeds WHERE {unsettled}").fetchall()  # noqa: S608
            for row in rows:
                _abandon(db, row, "the daemon ended", now)
            return len(rows)

        return await self._database.write(work)

    async def lapse(self, account: AccountName, rule: FeedRule, now: Moment) -> list[Feed]:
        """Feeds whose answer did not come in its time: their parts are Pending again (L8)."""
        return await self._database.write(lambda db: _lapse(db, account, rule, now))

    async def settle_silent(self, account: AccountName, rule: FeedRule, now: Moment) -> int:
        """Where silence means yes: accept what stood unanswered for long enough (J4); returns how many objects."""
        if rule.silence_is_yes is None:
            return 0
        wait = rule.silence_is_yes
        settled = 0
        for feed in await self._database.read(lambda db: _silent(db, account, rule.kind, wait, now.at)):
            settlement = Settlement(account, FeedId(feed), rule.kind, now.at)
            after: int | None = 0
            while after is not None:
                work = partial(settle_silent, settlement=settlement, after=after, most=_SILENT)
                count, after = await self._database.write(work)
                settled += count
        return settled


def _statuses_from(needed: ChannelStatus) -> str:
    return ", ".join(f"'{status}'" for status in _STATUS_ORDER[_STATUS_ORDER.index(needed) :])


def _goes(part: Part) -> str:
    """Whether a part of a listing leaves with a feed that carries such parts."""
    return f"{part}_state = 'pending' AND {not_held(part)}"


def due_condition(rule: FeedRule) -> str:
    """Which rows of `listings` the next feed of an account takes, for a WHERE with `:account` and its terms."""
    parts = " OR ".join(f"({_goes(part)})" for part in sorted(rule.parts))
    status = (
        f"((ended = 0 AND channel_status IN ({_statuses_from(rule.needs)}))"
        f" OR (ended = 1 AND channel_status IN ({_statuses_from(rule.ended_needs)})))"
    )
    conditions = [f"account = :account AND {_DUE[rule.kind]}", f"({parts})", status]
    if Part.STOCK in rule.parts:
        conditions.append("(stock IS NOT NULL OR ended = 1)")
    if rule.needs_price:
        conditions.append(sellable())
    if rule.needs_channel_item_id:
        # With a plus, because SQLite would take the index of all article numbers for the best, and walk through it.
        conditions.append("+channel_item_id <> '' AND item_state <> 'error'")
    return " AND ".join(conditions)


def _open(
    db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment, said: tuple[OfferTerms, GuardTerms]
) -> Feed | GateClosed | None:
    terms, limits = said
    _lapse(db, account, rule, now)
    if rule.kind is FeedKind.OFFER:
        _bring_up_to_date(db, account, rule, now.at, terms)
        guard(db, account, rule.parts, terms, limits, now.at)
    closed = _closed(db, account, rule, now)
    due = due_condition(rule)
    named = {"account": account, **named_terms(terms)}
    if db.execute(f"SELECT 1 FROM listings WHERE {due} LIMIT 1", named).fetchone() is None:  # noqa: S608
        return None
    if closed is not None:
        return closed
    feed = FeedId(
        db.execute(
            "INSERT INTO feeds (account, kind, state, size, opened_at) VALUES (?, ?, 'sending', 0, ?) RETURNING id",
            (account, rule.kind, to_us(now.at)),
        ).fetchone()[0]
    )
    size = _claim_objects(db, feed, rule, due, named)
    if rule.kind is FeedKind.OFFER:
        claimed(db, account, feed)
    db.execute("UPDATE feeds SET size = ? WHERE id = ?", (size, feed))
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to")'
        " SELECT ?, ?, 'listing', listing, ?, 'pending', 'sent' FROM feed_objects WHERE feed = ?",
        (to_us(now.at), account, f"{rule.kind} feed {feed}", feed),
    )
    tell(db, now.at, account, ("feed", feed), "opened", moved=("", FeedState.SENDING), why=f"{size} listings")
    if rule.interval:
        _set_gate(db, account, rule.kind, closed_for(rule.deadline + rule.interval, now), feed)
    count_send(db)
    return Feed(feed, account, rule.kind, FeedState.SENDING, now.at, size)


def _bring_up_to_date(
    db: sqlite3.Connection, account: AccountName, rule: FeedRule, at: datetime, terms: OfferTerms
) -> None:
    """Make Pending what has changed by itself since the last turn, whether or not the gate is open."""
    priced = Part.PRICE in rule.parts
    follow_form(db, account, terms.stock_form, at)
    follow_terms(db, account, terms, at, price=priced)
    reserve(db, account, terms, at)
    if priced:
        begin_and_end(db, account, at)
        withhold(db, account, terms, at)
        judge(db, account, terms, at)


def _claim_objects(db: sqlite3.Connection, feed: FeedId, rule: FeedRule, due: str, named: Mapping[str, object]) -> int:
    revisions = ", ".join(
        f"CASE WHEN {_goes(part)} THEN {part}_revision END" if part in rule.parts else "NULL" for part in Part
    )
    size = db.execute(
        "INSERT INTO feed_objects (feed, listing, ean, channel_item_id, item_revision, stock_revision, price_revision,"  # noqa: S608
        " end_revision, stock, price_minor, rrp_minor, promotion, ended, item)"
        f" SELECT :feed, id, ean, channel_item_id, {revisions},"
        f" {offered()}, {sold()}, {reference()}, {promotion()}, ended, {'item' if Part.ITEM in rule.parts else 'NULL'}"
        # What is out of stock goes first, where not everything goes.
        f" FROM listings WHERE {due} ORDER BY {f'coalesce({offered()}, 1) = 0 DESC,' if rule.most else ''} id"
        " LIMIT :most",
        {"feed": feed, "most": -1 if rule.most is None else rule.most, **named},
    ).rowcount
    parts = ", ".join(
        f"{part}_state = CASE WHEN {_goes(part)} THEN 'sent' ELSE {part}_state END" for part in sorted(rule.parts)
    )
    db.execute(
        f"UPDATE listings SET {parts} WHERE id IN (SELECT listing FROM feed_objects WHERE feed = ?)",  # noqa: S608
        (feed,),
    )
    return size


def _closed(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> GateClosed | None:
    unanswered = db.execute(
        f"SELECT id, coalesce(sent_at, opened_at) AS since FROM feeds"  # noqa: S608
        f" WHERE account = ? AND kind = ? AND state IN {_OPEN} ORDER BY id DESC LIMIT 1",
        (account, rule.kind),
    ).fetchone()
    until = _gate_opens(db, account, rule, now)
    if rule.one_at_a_time and unanswered is not None:
        lapses = from_us(unanswered["since"]) + rule.patience
        reason = f"feed {unanswered['id']} is not answered yet; it lapses at {lapses:%Y-%m-%d %H:%M:%S} UTC"
        return GateClosed(max(lapses, until or lapses), reason)
    if until is not None:
        return GateClosed(until, f"the last {rule.kind} feed left less than {rule.interval} ago")
    return _name_taken(db, account, rule.kind, now.at)


def _name_taken(db: sqlite3.Connection, account: AccountName, kind: FeedKind, at: datetime) -> GateClosed | None:
    """A name tells the second in which its feed was opened, and no two feeds may have the same (Sell-R A7)."""
    second = at.replace(microsecond=0)
    following = second + timedelta(seconds=1)
    row = db.execute(
        "SELECT name FROM feeds WHERE account = ? AND kind = ? AND name <> '' AND opened_at >= ? AND opened_at < ?",
        (account, kind, to_us(second), to_us(following)),
    ).fetchone()
    return None if row is None else GateClosed(following, f"{row['name']} was opened in this very second")


def _gate_opens(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> datetime | None:
    if not rule.interval:
        return None
    row = db.execute("SELECT * FROM gates WHERE account = ? AND kind = ?", (account, rule.kind)).fetchone()
    if row is None:
        if restored_at(db) is None:
            return None
        # The database that this one replaced may have sent the first one (P29).
        _set_gate(db, account, rule.kind, closed_for(rule.interval, now), None)
        return now.at + rule.interval
    gate = read_gate(row)
    told = wait(gate, now)
    if told is not None and told <= timedelta():
        return None
    # A trusted wall clock may still have been set back by years between two boots; no claim reaches further than this.
    left = rule.interval if told is None else min(told, rule.deadline + rule.interval)
    if gate.boot_id != now.boot_id or left != told:
        # From here on it goes by the clock of this boot; otherwise a wrong wall clock would be asked again and again.
        _set_gate(db, account, rule.kind, closed_for(left, now), row["feed"])
    return now.at + left


def _hold_gate(db: sqlite3.Connection, feed: Feed, rule: FeedRule, now: Moment) -> None:
    """Keep the gate of a feed closed for the interval from now at least."""
    row = db.execute("SELECT * FROM gates WHERE account = ? AND kind = ?", (feed.account, feed.kind)).fetchone()
    left = None if row is None else wait(read_gate(row), now)
    if rule.interval and (left is None or left < rule.interval):
        _set_gate(db, feed.account, feed.kind, closed_for(rule.interval, now), feed.id)


def read_gate(row: sqlite3.Row) -> Gate:
    """The gate of a row."""
    return Gate(row["boot_id"], row["opens_boot_ns"], from_us(row["opens_at"]), bool(row["synchronised"]))


def _set_gate(db: sqlite3.Connection, account: str, kind: str, gate: Gate, feed: int | None) -> None:
    db.execute(
        "INSERT INTO gates (account, kind, boot_id, opens_boot_ns, opens_at, synchronised, feed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, kind) DO UPDATE SET boot_id = excluded.boot_id,"
        " opens_boot_ns = excluded.opens_boot_ns, opens_at = excluded.opens_at,"
        " synchronised = excluded.synchronised, feed = excluded.feed",
        (account, kind, gate.boot_id, gate.opens_boot_ns, to_us(gate.opens_at), int(gate.synchronised), feed),
    )


def _spooled(db: sqlite3.Connection, feed: Feed, name: str, payload: PayloadId, at: datetime) -> Feed:
    changed = db.execute(
        "UPDATE feeds SET name = ?, payload = ?, spooled_at = ? WHERE id = ? AND state = 'sending'",
        (name, payload, to_us(at), feed.id),
    ).rowcount
    if changed != 1:
        raise StoreError(f"feed {feed.id} is not being sent any more")
    return Feed(feed.id, feed.account, feed.kind, feed.state, feed.opened_at, feed.size, name)


def _sent(db: sqlite3.Connection, feed: Feed, rule: FeedRule, remote_ref: str, now: Moment) -> None:
    # Its report may have been faster than the reply; the handle is kept all the same, for what else names it (L17).
    db.execute("UPDATE feeds SET remote_ref = ?, sent_at = ? WHERE id = ?", (remote_ref, to_us(now.at), feed.id))
    if _stands(db, feed.id, FeedState.SENDING, FeedState.IN_DOUBT):
        before = db.execute("SELECT state FROM feeds WHERE id = ?", (feed.id,)).fetchone()[0]
        db.execute("UPDATE feeds SET state = 'sent', error = '' WHERE id = ?", (feed.id,))
        tell(db, now.at, feed.account, ("feed", feed.id), "sent", moved=(before, FeedState.SENT), why=remote_ref)
    if rule.interval:
        _set_gate(db, feed.account, feed.kind, closed_for(rule.interval, now), feed.id)


def _stands(db: sqlite3.Connection, feed: int, *states: FeedState) -> bool:
    """Whether a feed is in one of these states: what comes late never moves it back (house law 3)."""
    row = db.execute("SELECT state FROM feeds WHERE id = ?", (feed,)).fetchone()
    return row["state"] in states


def _abandon(db: sqlite3.Connection, row: sqlite3.Row, why: str, now: Moment) -> None:
    """Nobody sends this feed any more: unspooled it never left, spooled it is in doubt (house law 6)."""
    if row["spooled_at"] is None:
        _withdraw(db, row["id"], f"{why} before anything was sent", now)
    else:
        close_feed(db, row["id"], FeedState.IN_DOUBT, f"{why} while it was being sent", now.at)


def _give_back(db: sqlite3.Connection, feed: int, state: str, at: datetime) -> None:
    """Make the parts that a feed carried Pending again, where nothing newer has happened to them."""
    columns = ", ".join(
        f"{p}_state = CASE WHEN o.{p}_revision = listings.{p}_revision AND {p}_state = 'sent'"
        f" THEN 'pending' ELSE {p}_state END"
        for p in Part
    )
    db.execute(
        f"UPDATE listings SET {columns} FROM feed_objects o"  # noqa: S608 - names of our own enum
        " WHERE o.feed = ? AND o.state = 'sent' AND listings.id = o.listing",
        (feed,),
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
        " SELECT ?, f.account, 'listing', o.listing, f.kind || ' feed ' || f.id, 'sent', 'pending', ?"
        " FROM feed_objects o JOIN feeds f ON f.id = o.feed WHERE o.feed = ? AND o.state = 'sent'",
        (to_us(at), state, feed),
    )
    db.execute("UPDATE feed_objects SET state = ? WHERE feed = ? AND state = 'sent'", (state, feed))


def _withdraw(db: sqlite3.Connection, feed: int, error: str, now: Moment) -> None:
    if not _stands(db, feed, FeedState.SENDING, FeedState.IN_DOUBT):
        return
    _give_back(db, feed, "withdrawn", now.at)
    close_feed(db, feed, FeedState.WITHDRAWN, error, now.at)
    # The gate was open when this feed claimed it, and nothing has passed since.
    db.execute(
        "UPDATE gates SET boot_id = ?, opens_boot_ns = ?, opens_at = ?, synchronised = ? WHERE feed = ?",
        (now.boot_id, now.boot_ns - nanoseconds(timedelta(microseconds=1)), to_us(now.at), now.synchronised, feed),
    )


def _lapse(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> list[Feed]:
    # A send ends by its deadline; one that still stands long after could not record its end, and nobody else will.
    for row in _beyond(db, account, rule.kind, "state = 'sending'", 2 * rule.deadline, now.at):
        _abandon(db, row, "its turn ended", now)
    if rule.tearable:
        for row in db.execute(
            "SELECT id FROM feeds WHERE account = ? AND kind = ? AND state = 'in_doubt'", (account, rule.kind)
        ).fetchall():
            let_torn_lapse(db, row["id"], now.at)
    # Where silence is a yes, a feed that is known to be there never lapses; one in doubt does, and is said again.
    patience = rule.silence_is_yes or rule.patience
    states = "state = 'in_doubt'" if rule.silence_is_yes is not None else "state IN ('sent', 'in_doubt')"
    rows = _beyond(db, account, rule.kind, states, patience, now.at)
    for row in rows:
        _give_back(db, row["id"], "lapsed", now.at)
        close_feed(db, row["id"], FeedState.LAPSED, f"no answer within {patience}", now.at)
    if rule.silence_is_yes is not None:
        unread = _beyond(db, account, rule.kind, f"state = 'sent' AND {_UNREAD}", rule.patience, now.at)
        for row in unread:
            _give_back(db, row["id"], "lapsed", now.at)
            close_feed(db, row["id"], FeedState.LAPSED, f"no answer that can be read within {rule.patience}", now.at)
        rows += unread
    return [_feed(row) for row in rows]


def let_torn_lapse(db: sqlite3.Connection, feed: int, at: datetime) -> None:
    """Half of this feed may be there: its parts are Pending again, so that the next turn sends them whole (J3)."""
    if _stands(db, feed, FeedState.IN_DOUBT):
        _give_back(db, feed, "lapsed", at)
        close_feed(db, feed, FeedState.LAPSED, "its sending was cut; it is sent again whole", at)


def _beyond(
    db: sqlite3.Connection, account: str, kind: FeedKind, states: str, limit: timedelta, at: datetime
) -> list[sqlite3.Row]:
    """The open feeds that were sent `limit` ago or earlier, or so far ahead that the wall clock was set back since."""
    return db.execute(
        f"SELECT * FROM feeds WHERE account = ? AND kind = ? AND state IN {_OPEN} AND {states}"  # noqa: S608
        " AND coalesce(sent_at, opened_at) NOT BETWEEN ? AND ?",
        (account, kind, to_us(at - limit) + 1, to_us(at + limit)),
    ).fetchall()


# Something came that speaks of a feed and cannot be read, and nothing better came under its name.
_UNREAD = (
    "EXISTS (SELECT 1 FROM feed_deliveries r JOIN deliveries d ON d.id = r.delivery"
    " WHERE r.feed = feeds.id AND d.state = 'set_aside' AND NOT EXISTS (SELECT 1 FROM deliveries n"
    " WHERE n.account = d.account AND n.folder = d.folder AND n.name = d.name AND n.id > d.id AND n.state = 'applied'))"
)


def _silent(db: sqlite3.Connection, account: AccountName, kind: FeedKind, wait: timedelta, at: datetime) -> list[int]:
    return [row["id"] for row in _beyond(db, account, kind, f"state = 'sent' AND NOT {_UNREAD}", wait, at)]


#: in the order in which `_object` takes them apart: by name, each would be looked for among all
_OBJECT = (
    "l.sku, o.ean, o.channel_item_id, o.item_revision IS NOT NULL, o.stock_revision IS NOT NULL,"
    " o.price_revision IS NOT NULL, o.end_revision IS NOT NULL,"
    " CASE WHEN o.item_revision IS NULL THEN '{}' ELSE coalesce(o.item, l.item) END, coalesce(o.stock, 0),"
    " o.price_minor, o.rrp_minor, o.ended, l.handling_days, l.vat_bp, l.stock_extras, p.starts_at, p.ends_at, p.nature,"
    " p.sale"
)
#: what stands before those, where each row becomes an object
_UNWRITTEN = "0 AS usual, '' AS written, '' AS words"
_PARTS = {carried: frozenset(compress(Part, carried)) for carried in product((0, 1), repeat=len(Part))}


def _page(
    db: sqlite3.Connection, feed: int, after: int, limit: int = _PAGE, form: RowForm | None = None
) -> Sequence[sqlite3.Row]:
    return db.execute(
        f"SELECT o.listing, {form.columns if form else _UNWRITTEN}, {_OBJECT} FROM {RowForm.source}"  # noqa: S608
        " WHERE o.feed = :feed AND o.listing > :after ORDER BY o.listing LIMIT :limit",
        {"feed": feed, "after": after, "limit": limit, **(form.named if form else {})},
    ).fetchall()


def _pages(db: sqlite3.Connection, feed: int, after: int, page: int) -> list[tuple[int, int]]:
    """The next pages of a feed: after which listing each begins, and with which it ends."""
    pages: list[tuple[int, int]] = []
    for _ in range(_PAGES):
        last = db.execute(
            "SELECT max(listing) FROM (SELECT listing FROM feed_objects WHERE feed = ? AND listing > ?"
            " ORDER BY listing LIMIT ?)",
            (feed, after, page),
        ).fetchone()[0]
        if last is None:
            break
        pages.append((after, last))
        after = last
    return pages


def _rows(
    db: sqlite3.Connection,
    feed: int,
    page: tuple[int, int],
    form: RowForm,
    currency: str,
    write: Callable[[Sequence[FeedObject]], bytes],
) -> bytes:
    """The rows of one page as bytes."""
    after, last = page
    usual, written, words = db.execute(
        "SELECT min(usual), CAST(group_concat(written, '') AS BLOB), CAST(group_concat(words, '') AS BLOB) FROM ("  # noqa: S608 - our own words
        f" SELECT {form.columns} FROM {form.source}"
        " WHERE o.feed = :feed AND o.listing > :after AND o.listing <= :last ORDER BY o.listing LIMIT :limit)",
        {"feed": feed, "after": after, "last": last, "limit": form.page, **form.named},
    ).fetchone()
    if usual and is_plain(words):
        return bytes(written)
    # In order, each as it is to be written.
    return b"".join(
        row["written"].encode() if row["usual"] and is_plain(row["words"].encode()) else write([_object(row, currency)])
        for row in _page(db, feed, after, form.page, form)
    )


def _object(row: sqlite3.Row, currency: str) -> FeedObject:
    sku, ean, channel_item_id, *carried, item, stock, price_minor, rrp_minor = row[4:15]
    ended, days, vat_bp, extras, starts_at, ends_at, nature, sale = row[15:]
    price = None if price_minor is None else Money(price_minor, currency)
    return FeedObject(
        sku=sku,
        ean=ean,
        channel_item_id=channel_item_id,
        parts=_PARTS[tuple(carried)],
        item=item_from_json(item),
        stock=stock,
        price=price,
        rrp=None if rrp_minor is None else Money(rrp_minor, currency),
        ended=bool(ended),
        handling_days=days,
        promotion=None
        if price is None or starts_at is None
        else Promotion(price, from_us(starts_at), from_us(ends_at), nature, sale),
        vat_rate=vat_rate_of(vat_bp),
        extras=extras_of(extras),
    )


def _feed(row: sqlite3.Row) -> Feed:
    return Feed(
        FeedId(row["id"]),
        AccountName(row["account"]),
        FeedKind(row["kind"]),
        FeedState(row["state"]),
        from_us(row["opened_at"]),
        row["size"],
        row["name"],
        row["remote_ref"],
    )
