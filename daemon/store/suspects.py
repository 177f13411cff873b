"""Which changes look like a mistake: each against what the marketplace has, and many at once against what sells.

What is suspicious is laid down in the temporary table `suspects`, for as long as a feed is being opened: which part of
which listing, by which rule, the value that would be sent, and what stands in its place while it waits.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from daemon.model import GuardTerms, Part
from daemon.store.holds import GUARDED, GuardRule
from daemon.store.values import less_eco, offered, promoted, rrp

#: a suspect is new, or held already at another revision, or held as it is
NEW, CHANGED, SAME = 1, 0, -1

#: a change that a person has approved, or whose hold expired: at its revision, or one that is the same value once more
_FREE = (
    "EXISTS (SELECT 1 FROM guard_holds h WHERE h.listing = suspects.listing AND h.part = suspects.part"
    " AND h.state IN ('approved', 'expired', 'left')"
    " AND (h.revision = suspects.revision OR (h.state <> 'left' AND h.value = suspects.value)))"
)

# What was sent before is read from `main`, because what is only imagined (`store/imagined.py`) has a part of it.

#: what customers pay outside of promotions, as the marketplace last took it
_BASE = (
    "(SELECT p.price_minor FROM prices p WHERE p.listing = listings.id AND p.promotion IS NULL"
    " ORDER BY p.since DESC LIMIT 1)"
)
_BASE_RRP = (
    "(SELECT o.rrp_minor FROM main.feed_objects o WHERE o.listing = listings.id AND o.state = 'accepted'"
    " AND o.price_minor IS NOT NULL AND o.promotion IS NULL ORDER BY o.feed DESC LIMIT 1)"
)


@contextmanager
def suspected(
    db: sqlite3.Connection, parts: frozenset[Part], limits: GuardTerms, named: Mapping[str, object]
) -> Iterator[None]:
    """Inside, `temp.suspects` are the Pending changes of an account that look like a mistake and were not let go.

    `named` are the account, the instant, when the window began, the limits of prices and the account's terms.
    """
    db.execute(
        "CREATE TEMP TABLE suspects (listing INTEGER NOT NULL, part TEXT NOT NULL, rule TEXT NOT NULL,"
        " revision INTEGER NOT NULL, value TEXT NOT NULL, was_stock INTEGER, was_price_minor INTEGER,"
        " was_rrp_minor INTEGER, keeps_promotion INTEGER NOT NULL, age INTEGER NOT NULL,"
        " PRIMARY KEY (listing, part))"
    )
    try:
        _remember(db, limits, named)
        if Part.PRICE in parts:
            _suspect_prices(db, named)
        _suspect_absence(db, limits, named)
        db.execute(f"DELETE FROM temp.suspects WHERE age = {NEW} AND {_FREE}")  # noqa: S608 - our own words
        yield
    finally:
        db.execute("DROP TABLE temp.suspects")


def _remember(db: sqlite3.Connection, limits: GuardTerms, named: Mapping[str, object]) -> None:
    """What is held and has not changed since is suspicious still, unless its rule was switched off."""
    shares = {
        GuardRule.PRICE_FALL: limits.price_fall,
        GuardRule.PRICE_RISE: limits.price_rise,
        GuardRule.PROMOTION_FALL: limits.promotion_fall,
        GuardRule.MASS_ZERO: limits.zero_share,
        GuardRule.MASS_END: limits.end_share,
    }
    rules = ", ".join(f"'{rule}'" for rule, share in shares.items() if share)
    for part in GUARDED:
        db.execute(
            "INSERT INTO temp.suspects SELECT h.listing, h.part, c.rule, h.revision, h.value, h.was_stock,"  # noqa: S608
            f" h.was_price_minor, h.was_rrp_minor, h.keeps_promotion, {SAME} FROM listings l"
            f" JOIN guard_holds h ON h.listing = l.id AND h.part = '{part}' AND h.state = 'held'"
            " JOIN guard_cases c ON c.id = h.guard_case"
            " WHERE l.account = :account"
            " AND (l.stock_hold IS NOT NULL OR l.price_hold IS NOT NULL OR l.end_hold IS NOT NULL)"
            f" AND l.{part}_state = 'pending' AND l.{part}_revision = h.revision AND c.rule IN ({rules})",
            named,
        )


def _suspect_prices(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    """Prices that fall or rise by more than they may, against the last that was accepted; a first price has none."""
    ordinary = less_eco("price_minor")
    reduced = f"CASE WHEN price_blocked = 0 THEN {promoted()} END"
    # The base once in each, because SQLite looks for it as often as it is named.
    falls = ":price_fall > 0 AND base * (100 - :price_fall) > ordinary * 100"
    rises = ":price_rise > 0 AND base * (100 + :price_rise) < ordinary * 100"
    plunges = ":promotion_fall > 0 AND coalesce(base, ordinary) * (100 - :promotion_fall) > promoted * 100"
    db.execute(
        "INSERT INTO temp.suspects SELECT id, 'price', rule, price_revision, ordinary || '/' || coalesce(promoted, ''),"  # noqa: S608
        " NULL, CASE WHEN rule = 'promotion_fall' THEN ordinary ELSE base END,"
        f" CASE WHEN rule = 'promotion_fall' THEN rrp ELSE base_rrp END, NOT coalesce(plunges, 0), {NEW}"
        f" FROM (SELECT *, {plunges} AS plunges,"
        f"  CASE WHEN {falls} THEN 'price_fall' WHEN {rises} THEN 'price_rise' WHEN {plunges} THEN 'promotion_fall' END"
        "   AS rule"
        f"  FROM (SELECT id, price_revision, {ordinary} AS ordinary, {reduced} AS promoted, {rrp()} AS rrp,"
        f"    {_BASE} AS base, {_BASE_RRP} AS base_rrp FROM listings"
        "    WHERE account = :account AND price_state = 'pending' AND price_minor IS NOT NULL"
        "    AND price_revision IS NOT price_hold"
        "    AND (stock_state = 'pending' OR price_state = 'pending' OR end_state = 'pending')))"
        " WHERE rule IS NOT NULL",
        named,
    )


#: the units of a listing that the marketplace has, or may have
_AT_MARKETPLACE = (
    "(SELECT o.stock FROM main.feed_objects o WHERE o.listing = listings.id AND o.stock IS NOT NULL"
    " AND o.state IN ('accepted', 'sent') ORDER BY o.feed DESC LIMIT 1)"
)
#: listings that have left the shelf with the feeds of the last while, without having been approved
_RECENT = (
    "SELECT count(DISTINCT o.listing) FROM main.feeds f JOIN main.feed_objects o ON o.feed = f.id"
    " WHERE f.account = :account AND f.kind = 'offer' AND f.opened_at >= :window AND o.stock = 0"
    " AND o.state IN ('accepted', 'sent') AND o.ended = :ended"
    " AND coalesce((SELECT b.stock FROM main.feed_objects b WHERE b.listing = o.listing AND b.feed < o.feed"
    "  AND b.stock IS NOT NULL AND b.state IN ('accepted', 'sent') ORDER BY b.feed DESC LIMIT 1), 0) > 0"
    " AND NOT EXISTS (SELECT 1 FROM guard_holds h WHERE h.listing = o.listing AND h.state IN ('left', 'expired'))"
)

#: the listings that sell and are no suspects; those that do not sell are counted, because an index has them alone, and
#: in the words of that index, without which SQLite does not see it
_STAYING = (
    "SELECT (SELECT count(*) FROM listings WHERE account = :account)"
    " - (SELECT count(*) FROM listings WHERE account = :account"
    "  AND CASE WHEN ended = 1 THEN 1 ELSE ifnull(stock, 0) = 0 END)"
    " - (SELECT count(*) FROM listings WHERE id IN (SELECT listing FROM temp.suspects WHERE rule = :rule)"
    "  AND account = :account AND stock > 0 AND ended = 0)"
)


def _suspect_absence(db: sqlite3.Connection, limits: GuardTerms, named: Mapping[str, object]) -> None:
    """Stocks that go to zero, and listings that end, where they are too many of those that sell; a few go at once."""
    for ended, rule, share, least in (
        (0, GuardRule.MASS_ZERO, limits.zero_share, limits.zero_least),
        (1, GuardRule.MASS_END, limits.end_share, limits.end_least),
    ):
        if not share:
            continue
        given = {**named, "ended": ended, "rule": rule.value}
        for part in (Part.STOCK, Part.END):
            db.execute(
                f"INSERT INTO temp.suspects SELECT id, '{part}', :rule, {part}_revision, '0', there, NULL, NULL, 1,"  # noqa: S608
                f" {NEW} FROM (SELECT id, {part}_revision, {_AT_MARKETPLACE} AS there"
                f" FROM listings WHERE account = :account AND {part}_state = 'pending' AND ended = :ended"
                f" AND {part}_revision IS NOT {part}_hold"
                " AND (stock_state = 'pending' OR price_state = 'pending' OR end_state = 'pending')"
                f" AND channel_status = 'offer_integrated' AND {offered()} = 0) WHERE there > 0",
                given,
            )
        if not _too_many(db, given, share, least):
            db.execute("DELETE FROM temp.suspects WHERE rule = ?", (rule,))


def _too_many(db: sqlite3.Connection, named: Mapping[str, object], share: int, least: int) -> bool:
    going = db.execute("SELECT count(DISTINCT listing) FROM temp.suspects WHERE rule = :rule", named).fetchone()[0]
    if not going:
        return False
    gone = db.execute(_RECENT, named).fetchone()[0]
    if going + gone < least:
        return False
    staying = db.execute(_STAYING, named).fetchone()[0]
    # What a person has let go of an open case still counts: the rest of it is no less suspicious for that.
    return bool((going + gone) * 100 > share * (going + gone + staying)) or _is_partly_decided(db, named)


def _is_partly_decided(db: sqlite3.Connection, named: Mapping[str, object]) -> bool:
    found = db.execute(
        "SELECT 1 FROM guard_cases c WHERE c.account = :account AND c.rule = :rule AND c.closed_at IS NULL"
        " AND EXISTS (SELECT 1 FROM guard_holds h WHERE h.guard_case = c.id AND h.state IN ('approved', 'left'))",
        named,
    ).fetchone()
    return found is not None
