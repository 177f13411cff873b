"""The change guard: what looks like a mistake at machine speed is held back for a person.

It judges inside the transaction that opens a feed, after everything was made Pending and before anything is claimed, so
that nothing suspicious can leave whatever way it came in by. What is held is one part of one listing at one revision: a
change of that part is judged anew, and a correct one releases it by itself. While it waits, the other parts of the
listing go on, and carry in its place what the marketplace has.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from daemon.errors import NotAllowed
from daemon.model import AccountName, GuardTerms, OfferTerms, Part, Sku
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import from_us, to_us
from daemon.store.values import less_eco, named_terms, offered, promoted, rrp

#: the parts that can be held back
GUARDED = (Part.STOCK, Part.PRICE, Part.END)


class GuardRule(StrEnum):
    """What made a change suspicious."""

    PRICE_FALL = "price_fall"
    PRICE_RISE = "price_rise"
    PROMOTION_FALL = "promotion_fall"
    MASS_ZERO = "mass_zero"
    MASS_END = "mass_end"


#: what is not sold any more: held too long it is sold though it is not there, so these holds expire
VANISHING = (GuardRule.MASS_ZERO, GuardRule.MASS_END)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One case: how many parts it holds, of how many that it has ever held, and since when; `closed_at` once none."""

    id: int
    account: AccountName
    rule: GuardRule
    opened_at: datetime
    closed_at: datetime | None
    held: int
    total: int

    def as_dict(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "id": self.id,
            "account": self.account,
            "rule": self.rule.value,
            "opened_at": _iso(self.opened_at),
            "closed_at": None if self.closed_at is None else _iso(self.closed_at),
            "held": self.held,
            "total": self.total,
        }


class Guard:
    """Everything that was ever held back, and what was decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cases(
        self, account: AccountName | None = None, *, closed: bool = False, limit: int = 100
    ) -> list[Suspicion]:
        """The cases, the newest first: those that wait for a person, or all."""
        return await self._database.read(lambda db: _cases(db, account, closed=closed, limit=limit))

    async def case(
        self, case: int, *, limit: int = 100, after: int = 0
    ) -> tuple[Suspicion, list[dict[str, Any]]] | None:
        """One case with a page of what it holds or held, by number behind `after`; None when there is none."""

        def work(db: sqlite3.Connection) -> tuple[Suspicion, list[dict[str, Any]]] | None:
            found = _case(db, case)
            return None if found is None else (found, _holds(db, case, limit, after))

        return await self._database.read(work)

    async def approve(self, case: int, skus: Sequence[Sku] | None, by: str, why: str, at: datetime) -> int:
        """What a case holds is meant: it leaves with the next feed. Returns how many parts.

        `skus` are those of it that are meant, None all. Raises NotAllowed where it holds nothing of the kind.
        """
        return await self._database.write(lambda db: _decide(db, case, skus, "approved", (by, why), at))

    async def reject(self, case: int, skus: Sequence[Sku] | None, by: str, why: str, at: datetime) -> int:
        """What a case holds is a mistake: its parts are in Error until other values come. Otherwise as `approve`."""
        return await self._database.write(lambda db: _decide(db, case, skus, "rejected", (by, why), at))


def guard(
    db: sqlite3.Connection,
    account: AccountName,
    parts: frozenset[Part],
    terms: OfferTerms,
    limits: GuardTerms,
    at: datetime,
) -> None:
    """Judge every Pending change of an account: hold back what is suspicious, release what is not any more."""
    held_before = db.execute(
        "SELECT 1 FROM guard_holds WHERE account = ? AND state = 'held' AND state IN ('held', 'rejected') LIMIT 1",
        (account,),
    ).fetchone()
    if not limits.on and held_before is None:
        return
    named = {
        "account": account,
        "at": to_us(at),
        "window": to_us(at - limits.window),
        **named_terms(terms),
        **{name: getattr(limits, name) for name in ("price_fall", "price_rise", "promotion_fall")},
    }
    db.execute(
        "CREATE TEMP TABLE suspects (listing INTEGER NOT NULL, part TEXT NOT NULL, rule TEXT NOT NULL,"
        " revision INTEGER NOT NULL, value TEXT NOT NULL, was_stock INTEGER, was_price_minor INTEGER,"
        " was_rrp_minor INTEGER, keeps_promotion INTEGER NOT NULL, age INTEGER NOT NULL,"
        " PRIMARY KEY (listing, part))"
    )
    try:
        _expire(db, account, limits, at)
        _remember(db, account, limits)
        if Part.PRICE in parts:
            _suspect_prices(db, named)
        _suspect_absence(db, named, limits)
        db.execute(f"DELETE FROM temp.suspects WHERE age = {_NEW} AND {_FREE}")  # noqa: S608 - our own words
        _take_over(db, named)
    finally:
        db.execute("DROP TABLE temp.suspects")


def claimed(db: sqlite3.Connection, account: AccountName, feed: int) -> None:
    """Put what the marketplace has in the place of what is held or was rejected; what was approved has left now."""
    if _any(db, account):
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


#: a suspect is new, or held already at another revision, or held as it is
_NEW, _CHANGED, _SAME = 1, 0, -1

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


def _remember(db: sqlite3.Connection, account: AccountName, limits: GuardTerms) -> None:
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
            f" h.was_price_minor, h.was_rrp_minor, h.keeps_promotion, {_SAME} FROM listings l"
            f" JOIN guard_holds h ON h.listing = l.id AND h.part = '{part}' AND h.state = 'held'"
            " JOIN guard_cases c ON c.id = h.guard_case"
            " WHERE l.account = ? AND (l.stock_hold IS NOT NULL OR l.price_hold IS NOT NULL OR l.end_hold IS NOT NULL)"
            f" AND l.{part}_state = 'pending' AND l.{part}_revision = h.revision AND c.rule IN ({rules})",
            (account,),
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
        f" CASE WHEN rule = 'promotion_fall' THEN rrp ELSE base_rrp END, NOT coalesce(plunges, 0), {_NEW}"
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


def _suspect_absence(db: sqlite3.Connection, named: Mapping[str, object], limits: GuardTerms) -> None:
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
                f" {_NEW} FROM (SELECT id, {part}_revision, {_AT_MARKETPLACE} AS there"
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


def _expire(db: sqlite3.Connection, account: AccountName, limits: GuardTerms, at: datetime) -> None:
    """Let go of zeros that were held for too long: what is not there must not be sold for ever."""
    if not limits.zero_expiry:
        return
    rows = db.execute(
        "SELECT h.id, h.listing, h.part FROM guard_holds h JOIN guard_cases c ON c.id = h.guard_case"
        " WHERE h.account = ? AND h.state = 'held' AND h.state IN ('held', 'rejected')"
        " AND c.rule IN ('mass_zero', 'mass_end') AND h.held_at <= ?",
        (account, to_us(at - limits.zero_expiry)),
    ).fetchall()
    why = "nobody decided in time"
    for row in rows:
        db.execute(
            "UPDATE guard_holds SET state = 'expired', decided_at = ?, decided_why = ? WHERE id = ?",
            (to_us(at), why, row["id"]),
        )
        tell(db, at, account, ("listing", row["listing"]), row["part"], moved=("held", "pending"), why=why)


def _take_over(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    """Make the holds what the suspects are: those that are there go on, others are released, new ones begin."""
    gone = (
        "account = :account AND state = 'held' AND state IN ('held', 'rejected') AND NOT EXISTS"
        " (SELECT 1 FROM temp.suspects s WHERE s.listing = guard_holds.listing AND s.part = guard_holds.part)"
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        f" SELECT :at, account, 'listing', listing, part, 'held', 'released', 'not suspicious any more'"
        f" FROM guard_holds WHERE {gone}",
        named,
    )
    db.execute(
        "UPDATE guard_holds SET state = 'released', decided_at = :at,"  # noqa: S608 - our own words
        f" decided_why = 'not suspicious any more' WHERE {gone}",
        named,
    )
    # What goes on as it was is not written again: a mass of holds is judged every quarter of an hour.
    db.execute(
        f"UPDATE temp.suspects SET age = {_CHANGED} WHERE age = {_NEW} AND EXISTS (SELECT 1 FROM guard_holds h"  # noqa: S608
        " WHERE h.listing = suspects.listing AND h.part = suspects.part AND h.state = 'held')"
    )
    db.execute(
        "UPDATE guard_holds SET revision = s.revision, value = s.value, was_stock = s.was_stock,"  # noqa: S608
        " was_price_minor = s.was_price_minor, was_rrp_minor = s.was_rrp_minor, keeps_promotion = s.keeps_promotion"
        " FROM temp.suspects s WHERE guard_holds.account = :account AND guard_holds.state = 'held'"
        f" AND guard_holds.listing = s.listing AND guard_holds.part = s.part AND s.age = {_CHANGED}",
        named,
    )
    db.execute(
        "INSERT INTO guard_cases (account, rule, opened_at)"  # noqa: S608 - our own numbers
        f" SELECT DISTINCT :account, s.rule, :at FROM temp.suspects s WHERE s.age = {_NEW} AND NOT EXISTS"
        " (SELECT 1 FROM guard_cases c WHERE c.account = :account AND c.rule = s.rule AND c.closed_at IS NULL)",
        named,
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        f" SELECT :at, :account, 'listing', s.listing, s.part, 'pending', 'held', {_TEXT}"
        f" FROM temp.suspects s WHERE s.age = {_NEW}",
        named,
    )
    db.execute(
        "INSERT INTO guard_holds (guard_case, account, listing, part, revision, value, was_stock, was_price_minor,"  # noqa: S608
        " was_rrp_minor, keeps_promotion, held_at)"
        " SELECT c.id, :account, s.listing, s.part, s.revision, s.value, s.was_stock, s.was_price_minor,"
        " s.was_rrp_minor, s.keeps_promotion, :at FROM temp.suspects s JOIN guard_cases c"
        f" ON c.account = :account AND c.rule = s.rule AND c.closed_at IS NULL WHERE s.age = {_NEW}",
        named,
    )
    _mark(db, named)
    _close(db, str(named["account"]), int(str(named["at"])))


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
            f" WHERE listings.id = s.listing AND s.part = '{part}' AND s.age <> {_SAME}"
        )


def _close(db: sqlite3.Connection, account: str, at: int) -> None:
    db.execute(
        "UPDATE guard_cases SET closed_at = ? WHERE account = ? AND closed_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM guard_holds h WHERE h.guard_case = guard_cases.id AND h.state = 'held')",
        (at, account),
    )


def _decide(
    db: sqlite3.Connection, case: int, skus: Sequence[Sku] | None, state: str, said: tuple[str, str], at: datetime
) -> int:
    found = _case(db, case)
    if found is None:
        raise NotAllowed(f"there is no case {case}; see: sellerd guard list")
    rows = db.execute(
        "SELECT h.id, h.listing, h.part, l.sku FROM guard_holds h JOIN listings l ON l.id = h.listing"
        " WHERE h.guard_case = ? AND h.state = 'held'",
        (case,),
    ).fetchall()
    chosen = [row for row in rows if skus is None or row["sku"] in set(skus)]
    missing = [] if skus is None else [sku for sku in skus if sku not in {row["sku"] for row in rows}]
    if missing:
        raise NotAllowed(f"case {case} does not hold {', '.join(missing)}; see: sellerd guard show {case}")
    if not chosen:
        raise NotAllowed(f"case {case} holds nothing any more")
    by, why = said
    text = f"held back by the guard, and rejected by {by}" + (f": {why}" if why else "")
    for row in chosen:
        part = row["part"]
        db.execute(
            "UPDATE guard_holds SET state = ?, decided_at = ?, decided_by = ?, decided_why = ? WHERE id = ?",
            (state, to_us(at), by, why, row["id"]),
        )
        became = "pending" if state == "approved" else "error"
        db.execute(
            f"UPDATE listings SET {part}_hold = NULL, {part}_state = ?, {part}_error = ? WHERE id = ?",  # noqa: S608
            (became, text if state == "rejected" else "", row["listing"]),
        )
        tell(
            db,
            at,
            found.account,
            ("listing", row["listing"]),
            part,
            moved=("held", became),
            why=f"{state} by {by}: {why}",
        )
    tell(
        *(db, at, found.account, ("account", 0), f"guard case {case}"),
        moved=("held", state),
        why=f"{len(chosen)} parts ({found.rule}) by {by}: {why}",
    )
    _close(db, found.account, to_us(at))
    return len(chosen)


def _any(db: sqlite3.Connection, account: AccountName) -> bool:
    found = db.execute(
        "SELECT 1 FROM guard_holds WHERE account = ? AND state IN ('held', 'rejected') LIMIT 1", (account,)
    ).fetchone()
    return found is not None


_CASES = (
    "SELECT c.*, (SELECT count(*) FROM guard_holds h WHERE h.guard_case = c.id AND h.state = 'held') AS held,"
    " (SELECT count(*) FROM guard_holds h WHERE h.guard_case = c.id) AS total FROM guard_cases c"
)


def _cases(db: sqlite3.Connection, account: AccountName | None, *, closed: bool, limit: int) -> list[Suspicion]:
    rows = db.execute(
        f"{_CASES} WHERE (:account IS NULL OR c.account = :account) AND (:closed OR c.closed_at IS NULL)"
        " ORDER BY c.id DESC LIMIT :limit",
        {"account": account, "closed": closed, "limit": limit},
    ).fetchall()
    return [_suspicion(row) for row in rows]


def _case(db: sqlite3.Connection, case: int) -> Suspicion | None:
    row = db.execute(f"{_CASES} WHERE c.id = ?", (case,)).fetchone()
    return None if row is None else _suspicion(row)


def _suspicion(row: sqlite3.Row) -> Suspicion:
    return Suspicion(
        *(row["id"], AccountName(row["account"]), GuardRule(row["rule"])),
        *(from_us(row["opened_at"]), from_us(row["closed_at"]), row["held"], row["total"]),
    )


def _holds(db: sqlite3.Connection, case: int, limit: int, after: int) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT h.*, l.sku, l.stock, l.price_minor, l.ended FROM guard_holds h JOIN listings l ON l.id = h.listing"
        " WHERE h.guard_case = ? AND h.id > ? ORDER BY h.id LIMIT ?",
        (case, after, limit),
    ).fetchall()
    return [
        {
            **{name: row[name] for name in ("id", "sku", "part", "state", "decided_by", "decided_why")},
            "was": row["was_price_minor"] if row["part"] == "price" else row["was_stock"],
            "becomes": _becomes(row),
            "held_at": _iso(from_us(row["held_at"])),
            "decided_at": _iso(from_us(row["decided_at"])) if row["decided_at"] is not None else None,
        }
        for row in rows
    ]


def _becomes(row: sqlite3.Row) -> int:
    """What would be sent: units, or minor units of money."""
    ordinary, _, reduced = str(row["value"]).partition("/")
    return int(reduced or ordinary)


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
