"""The change guard: what looks like a mistake at machine speed is held back for a person.

It judges inside the transaction that opens a feed, after everything was made Pending and before anything is claimed, so
that nothing suspicious can leave whatever way it came in by. What is held is one part of one listing at one revision: a
change of that part is judged anew, and a correct one releases it by itself. While it waits, the other parts of the
listing go on, and carry in its place what the marketplace has.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from daemon.model import AccountName, GuardTerms, OfferTerms, Part
from daemon.store.holds import GUARDED, HELD, VANISHING, close_cases, end_holds
from daemon.store.suspects import CHANGED, NEW, SAME, suspected
from daemon.store.times import to_us
from daemon.store.values import named_terms


def guard(
    db: sqlite3.Connection,
    account: AccountName,
    parts: frozenset[Part],
    terms: OfferTerms,
    limits: GuardTerms,
    at: datetime,
) -> None:
    """Judge every Pending change of an account: hold back what is suspicious, release what is not any more."""
    if not limits.on and not _any(db, account, HELD):
        return
    named = {
        "account": account,
        "at": to_us(at),
        "window": to_us(at - limits.window),
        **named_terms(terms),
        **{name: getattr(limits, name) for name in ("price_fall", "price_rise", "promotion_fall")},
    }
    _expire(db, limits, at, named)
    with suspected(db, parts, limits, named):
        _take_over(db, named)


def claimed(db: sqlite3.Connection, account: AccountName, feed: int) -> None:
    """Put what the marketplace has in the place of what is held or was rejected; what was approved has left now."""
    if _any(db, account, "state IN ('held', 'rejected')"):
        waiting = (
            " FROM guard_holds h JOIN listings l ON l.id = h.listing"
            " WHERE feed_objects.feed = :feed AND feed_objects.listing = h.listing AND h.account = :account"
            " AND h.state IN ('held', 'rejected')"
        )
        named = {"feed": feed, "account": account}
        db.execute(
            "UPDATE feed_objects SET stock = h.was_stock,"  # noqa: S608 - our own words
            " ended = CASE WHEN h.part = 'end' THEN 0 ELSE feed_objects.ended END"
            f"{waiting} AND h.was_stock IS NOT NULL AND (h.part = 'stock' AND h.revision = l.stock_revision"
            " OR h.part = 'end' AND h.revision = l.end_revision)",
            named,
        )
        kept = "feed_objects.promotion IS NOT NULL AND h.keeps_promotion"
        db.execute(
            f"UPDATE feed_objects SET rrp_minor = CASE WHEN {kept}"  # noqa: S608
            " THEN CASE WHEN h.was_price_minor > feed_objects.price_minor THEN h.was_price_minor END"
            " ELSE h.was_rrp_minor END,"
            f" price_minor = CASE WHEN {kept} THEN feed_objects.price_minor ELSE h.was_price_minor END,"
            f" promotion = CASE WHEN {kept} THEN feed_objects.promotion END"
            f"{waiting} AND h.part = 'price' AND h.revision = l.price_revision",
            named,
        )
    db.execute(
        "UPDATE guard_holds SET state = 'left' WHERE account = ? AND state IN ('approved', 'expired')"
        " AND listing IN (SELECT listing FROM feed_objects WHERE feed = ?)",
        (account, feed),
    )


def not_held(part: Part) -> str:
    """Whether a part of a row of `listings` may leave as far as the guard is concerned."""
    return f"{part}_revision IS NOT {part}_hold" if part in GUARDED else "1"


def _any(db: sqlite3.Connection, account: AccountName, which: str) -> bool:
    found = db.execute(f"SELECT 1 FROM guard_holds WHERE account = ? AND {which} LIMIT 1", (account,))  # noqa: S608
    return found.fetchone() is not None


def _expire(db: sqlite3.Connection, limits: GuardTerms, at: datetime, named: Mapping[str, object]) -> None:
    """Let go of zeros that were held for too long: what is not there must not be sold for ever."""
    if not limits.zero_expiry:
        return
    rules = ", ".join(f"'{rule}'" for rule in VANISHING)
    end_holds(
        db,
        f"account = :account AND {HELD} AND held_at <= :overdue"  # noqa: S608 - our own words
        f" AND guard_case IN (SELECT id FROM guard_cases WHERE rule IN ({rules}))",
        {**named, "overdue": to_us(at - limits.zero_expiry)},
        state="expired",
        became="pending",
        why="nobody decided in time",
    )


def _take_over(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    """Make the holds what the suspects are: those that are there go on, others are released, new ones begin."""
    end_holds(
        db,
        f"account = :account AND {HELD} AND NOT EXISTS"  # noqa: S608 - our own words
        " (SELECT 1 FROM temp.suspects s WHERE s.listing = guard_holds.listing AND s.part = guard_holds.part)",
        named,
        state="released",
        became="released",
        why="not suspicious any more",
    )
    # What goes on as it was is not written again: a mass of holds is judged every quarter of an hour.
    db.execute(
        f"UPDATE temp.suspects SET age = {CHANGED} WHERE age = {NEW} AND EXISTS (SELECT 1 FROM guard_holds h"  # noqa: S608
        " WHERE h.listing = suspects.listing AND h.part = suspects.part AND h.state = 'held')"
    )
    db.execute(
        "UPDATE guard_holds SET revision = s.revision, value = s.value, was_stock = s.was_stock,"  # noqa: S608
        " was_price_minor = s.was_price_minor, was_rrp_minor = s.was_rrp_minor, keeps_promotion = s.keeps_promotion"
        " FROM temp.suspects s WHERE guard_holds.account = :account AND guard_holds.state = 'held'"
        f" AND guard_holds.listing = s.listing AND guard_holds.part = s.part AND s.age = {CHANGED}",
        named,
    )
    db.execute(
        "INSERT INTO guard_cases (account, rule, opened_at)"  # noqa: S608 - our own numbers
        f" SELECT DISTINCT :account, s.rule, :at FROM temp.suspects s WHERE s.age = {NEW} AND NOT EXISTS"
        " (SELECT 1 FROM guard_cases c WHERE c.account = :account AND c.rule = s.rule AND c.closed_at IS NULL)",
        named,
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        f" SELECT :at, :account, 'listing', s.listing, s.part, 'pending', 'held', {_TEXT}"
        f" FROM temp.suspects s WHERE s.age = {NEW}",
        named,
    )
    db.execute(
        "INSERT INTO guard_holds (guard_case, account, listing, part, revision, value, was_stock, was_price_minor,"  # noqa: S608
        " was_rrp_minor, keeps_promotion, held_at)"
        " SELECT c.id, :account, s.listing, s.part, s.revision, s.value, s.was_stock, s.was_price_minor,"
        " s.was_rrp_minor, s.keeps_promotion, :at FROM temp.suspects s JOIN guard_cases c"
        f" ON c.account = :account AND c.rule = s.rule AND c.closed_at IS NULL WHERE s.age = {NEW}",
        named,
    )
    _mark(db, named)
    close_cases(db, named)


#: what is said of a new hold: money in the value is `ordinary/promoted`, in minor units
_TEXT = (
    "CASE s.rule WHEN 'mass_zero' THEN 'the stock goes to zero, as too many do at once'"
    " WHEN 'mass_end' THEN 'the listing ends, as too many do at once'"
    " WHEN 'promotion_fall' THEN 'the promotion takes more than ' || :promotion_fall || ' % off'"
    " ELSE printf('the price goes from %d.%02d to %d.%02d, by more than %d %%', s.was_price_minor / 100,"
    " s.was_price_minor % 100, CAST(s.value AS INTEGER) / 100, CAST(s.value AS INTEGER) % 100,"
    " CASE s.rule WHEN 'price_fall' THEN :price_fall ELSE :price_rise END) END"
)


def _mark(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    """Write into the listings what is held, so that the claim need not look for it."""
    for part in GUARDED:
        db.execute(
            f"UPDATE listings SET {part}_hold = NULL WHERE account = :account AND {part}_hold IS NOT NULL"  # noqa: S608
            " AND (stock_hold IS NOT NULL OR price_hold IS NOT NULL OR end_hold IS NOT NULL)"
            f" AND id NOT IN (SELECT listing FROM temp.suspects WHERE part = '{part}')",
            named,
        )
        db.execute(
            f"UPDATE listings SET {part}_hold = s.revision FROM temp.suspects s"  # noqa: S608 - our own words
            f" WHERE listings.id = s.listing AND s.part = '{part}' AND s.age <> {SAME}"
        )
