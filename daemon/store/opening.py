"""Open a feed: all that is due, at the values of now, claimed in one transaction (L2, L6-L9; house laws 1 and 3).

The gate is asked and moved on, the feed stands as `sending`, its objects hold the revisions that they carry, and the
parts turn Sent. Whatever happens after that, a crash included, the gate counts it.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from daemon.model import (
    AccountName,
    ChannelStatus,
    Feed,
    FeedId,
    FeedKind,
    FeedRule,
    FeedState,
    GuardTerms,
    Moment,
    OfferTerms,
    Part,
)
from daemon.store.events import tell
from daemon.store.feed_fates import lapse
from daemon.store.gates import GateClosed, close_gate, gate_closed
from daemon.store.generation import count_send
from daemon.store.guard import claimed, guard, not_held
from daemon.store.prices import judge
from daemon.store.promotions import begin_and_end
from daemon.store.stock import follow_form
from daemon.store.times import to_us
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

#: the same words as the partial indexes of the schema, so that SQLite uses them
_DUE = {
    FeedKind.ITEM: "item_state = 'pending'",
    FeedKind.OFFER: "(stock_state = 'pending' OR price_state = 'pending' OR end_state = 'pending')",
}
_STATUS_ORDER = list(ChannelStatus)


def open_feed(
    db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment, terms: OfferTerms, limits: GuardTerms
) -> Feed | GateClosed | None:
    """Claim the next feed of this kind; None when nothing is due.

    The claim closes the gate until the send must be over and the interval has passed after it (L8).
    """
    lapse(db, account, rule, now)
    if rule.kind is FeedKind.OFFER:
        _bring_up_to_date(db, account, rule, now.at, terms)
        guard(db, account, rule.parts, terms, limits, now.at)
    closed = gate_closed(db, account, rule, now)
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
    close_gate(db, account, rule, rule.deadline + rule.interval, now, feed)
    count_send(db)
    return Feed(feed, account, rule.kind, FeedState.SENDING, now.at, size)


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


def _goes(part: Part) -> str:
    """Whether a part of a listing leaves with a feed that carries such parts."""
    return f"{part}_state = 'pending' AND {not_held(part)}"


def _statuses_from(needed: ChannelStatus) -> str:
    return ", ".join(f"'{status}'" for status in _STATUS_ORDER[_STATUS_ORDER.index(needed) :])
