"""What an offer says of a listing (L6, L7, L9 to L11), for the claim's INSERT … SELECT.

`rules/stock.py` and `rules/rrp.py` are here once more as one SQL expression each; `tests/store/test_values.py` shows
that they agree. Besides: what goes into the rules, and what makes stock and price Pending by itself.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from daemon.model import (
    AccountName,
    ChannelStatus,
    FeedKind,
    Money,
    OfferTerms,
    Part,
    Promotion,
    Sku,
    StockKnobs,
    SyncState,
)
from daemon.rules.due import Standing
from daemon.rules.promotions import Charged
from daemon.store.database import Database
from daemon.store.listings import knobs_of
from daemon.store.times import from_us, to_us

_NO_CAP = 2**63 - 1
#: the terms that change a figure, as they are kept
_KEPT = ("safety_stock", "percentage", "cap", "threshold", "rrp_discount_bp")

_PROMOTED = "(SELECT p.price_minor FROM promotions p WHERE p.id = listings.promotion)"

#: what the buyer pays: in a promotion its price, unless its reduction may not be announced
SOLD = f"coalesce(CASE WHEN price_blocked = 0 THEN {_PROMOTED} END, price_minor)"
#: the promotion that this is the price of
PROMOTION = "CASE WHEN price_blocked = 0 THEN promotion END"

#: units of a listing's orders that are open and of which the seller has reported nothing yet; an update that was sent
#: has moved its lines already, and counts there alone
RESERVED = (
    "(SELECT coalesce(sum(max(0, w.quantity - w.shipped - w.cancelled"
    " - coalesce((SELECT sum(u.quantity) FROM update_lines u"
    ' JOIN order_updates d ON d.id = u."update" WHERE u.line = w.id'
    " AND d.kind NOT IN ('acknowledgement', 'acceptance') AND d.state IN ('pending', 'sending', 'in_doubt')"
    "), 0))), 0) FROM order_lines w WHERE w.listing = listings.id AND w.state IN ('new', 'accepted', 'to_ship'))"
)


@dataclass(frozen=True, slots=True)
class Announced:
    """A promotion, and when we learnt of it: nothing was reduced before that."""

    promotion: Promotion
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides what is sent of one listing. `reserved` are the units of its open orders now."""

    standing: Standing
    errors: dict[Part, str]
    rrp: int | None
    knobs: StockKnobs
    reserved: int
    promotions: tuple[Announced, ...]
    history: tuple[Charged, ...]


class Values:
    """What the values of offers are made of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inputs(self, account: AccountName, sku: Sku, currency: str) -> Inputs | None:
        """What decides what is sent of one listing; None when there is none."""
        return await self._database.read(lambda db: _inputs(db, account, sku, currency))

    async def unanswered(self, account: AccountName, kind: FeedKind) -> tuple[int, datetime] | None:
        """The feed of this kind that is not answered yet: its number, and since when."""

        def work(db: sqlite3.Connection) -> tuple[int, datetime] | None:
            row = db.execute(
                "SELECT id, coalesce(sent_at, opened_at) AS since FROM feeds WHERE account = ? AND kind = ?"
                " AND state IN ('sending', 'sent', 'in_doubt') ORDER BY id DESC LIMIT 1",
                (account, kind),
            ).fetchone()
            return None if row is None else (row["id"], from_us(row["since"]))

        return await self._database.read(work)


def _inputs(db: sqlite3.Connection, account: AccountName, sku: Sku, currency: str) -> Inputs | None:
    row = db.execute(
        f"SELECT *, {RESERVED} AS reserved FROM listings WHERE account = ? AND sku = ?",  # noqa: S608 - our own words
        (account, sku),
    ).fetchone()
    if row is None:
        return None
    promotions = db.execute(
        "SELECT * FROM promotions WHERE listing = ? AND withdrawn_at IS NULL ORDER BY starts_at", (row["id"],)
    ).fetchall()
    history = db.execute("SELECT * FROM prices WHERE listing = ? ORDER BY since", (row["id"],)).fetchall()
    return Inputs(
        Standing(
            {part: SyncState(row[f"{part}_state"]) for part in Part},
            ChannelStatus(row["channel_status"]),
            row["channel_item_id"],
            ended=bool(row["ended"]),
            stock=row["stock"],
            price=row["price_minor"],
        ),
        {part: row[f"{part}_error"] for part in Part},
        row["rrp_minor"],
        knobs_of(row),
        row["reserved"],
        tuple(_announced(each, currency) for each in promotions),
        tuple(
            Charged(from_us(each["since"]), each["price_minor"], reduced=each["promotion"] is not None)
            for each in history
        ),
    )


def _announced(row: sqlite3.Row, currency: str) -> Announced:
    price = Money(row["price_minor"], currency)
    window = (from_us(row["starts_at"]), from_us(row["ends_at"]))
    return Announced(Promotion(price, *window, row["nature"]), from_us(row["imported_at"]))


def offered(old: str = "") -> str:
    """The units that are offered; `old` is the prefix of the terms' names."""
    left = f"max(0, stock - stock_reserved - coalesce(safety_stock, :{old}safety_stock))"
    share = f"{left} * coalesce(stock_percentage, :{old}percentage) / 100"
    capped = f"min({share}, coalesce(stock_cap, :{old}cap, {_NO_CAP}))"
    threshold = f"coalesce(stock_threshold, :{old}threshold)"
    return (
        f"CASE WHEN ended = 1 THEN 0 WHEN stock IS NULL THEN NULL WHEN {capped} < {threshold} THEN 0 ELSE {capped} END"
    )


def rrp(old: str = "") -> str:
    """The recommended price as it is sent."""
    cut = f"(rrp_minor - price_minor) * 10000 > :{old}rrp_discount_bp * rrp_minor"
    return (
        "CASE WHEN rrp_minor IS NULL THEN NULL"
        f" WHEN :{old}rrp_discount_bp IS NOT NULL AND {cut}"
        f" THEN max(price_minor, price_minor * 10000 / (10000 - :{old}rrp_discount_bp))"
        " ELSE max(price_minor, rrp_minor) END"
    )


def reference() -> str:
    """What stands beside the price: the recommended price, in a promotion the ordinary one, where that is higher."""
    return (
        "CASE WHEN promotion IS NULL THEN "
        f"{rrp()} WHEN price_blocked = 0 AND price_minor > {_PROMOTED} THEN price_minor END"
    )


def named_terms(terms: OfferTerms, old: str = "") -> dict[str, int | None]:
    """The terms under the names that these expressions have for them."""
    return {f"{old}{name}": getattr(terms, name) for name in _KEPT}


def follow_terms(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime, *, price: bool) -> None:
    """Make Pending what the account's changed terms give another figure for, since they were last applied."""
    row = db.execute("SELECT terms FROM offer_terms WHERE account = ?", (account,)).fetchone()
    before = OfferTerms(**json.loads(row["terms"])) if row else OfferTerms()
    now = {name: getattr(terms, name) for name in _KEPT}
    if now == {name: getattr(before, name) for name in _KEPT}:
        return
    db.execute(
        "INSERT INTO offer_terms (account, terms) VALUES (?, ?)"
        " ON CONFLICT (account) DO UPDATE SET terms = excluded.terms",
        (account, json.dumps(now)),
    )
    figures = {"account": account, **named_terms(terms), **named_terms(before, "old_")}
    _pend(
        db,
        Part.STOCK,
        f"stock IS NOT NULL AND {offered()} <> {offered('old_')}",
        figures,
        at,
        "the account's stock rules",
    )
    if price:
        changed = f"rrp_minor IS NOT NULL AND {rrp()} <> {rrp('old_')}"
        _pend(db, Part.PRICE, changed, figures, at, "the account's Discount RRP")


def reserve(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime) -> None:
    """Make the stock Pending where other units are reserved for open orders than it was last made Pending for."""
    wanted = RESERVED if terms.reserve_open_orders else "0"
    open_ones = (
        "id IN (SELECT w.listing FROM order_lines w WHERE w.state IN ('new', 'accepted', 'to_ship'))"
        if terms.reserve_open_orders
        else "0"
    )
    _pend(
        db,
        Part.STOCK,
        f"stock IS NOT NULL AND (stock_reserved > 0 OR {open_ones}) AND stock_reserved <> {wanted}",
        {"account": account},
        at,
        "units of open orders",
        also=f", stock_reserved = {wanted}",
    )


def _pend(
    db: sqlite3.Connection,
    part: Part,
    condition: str,
    values: Mapping[str, object],
    at: datetime,
    why: str,
    also: str = "",
) -> None:
    values = {**values, "at": to_us(at), "why": why}
    where = f"account = :account AND {condition}"
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        f" SELECT :at, account, 'listing', id, '{part}', {part}_state, 'pending', :why FROM listings WHERE {where}",
        values,
    )
    db.execute(
        f"UPDATE listings SET {part}_state = 'pending', {part}_error = '',"  # noqa: S608 - our own words
        f" {part}_revision = {part}_revision + 1, changed_at = :at{also} WHERE {where}",
        values,
    )
