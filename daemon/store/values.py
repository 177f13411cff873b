"""What an offer says of a listing (L6, L7, L9 to L11), for the claim's INSERT … SELECT.

`rules/stock.py` and `rules/rrp.py` are here once more as one SQL expression each; `tests/store/test_values.py` shows
that they agree. Besides: what goes into the rules, and what makes stock and price Pending by itself.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from daemon.model import (
    AccountName,
    ChannelStatus,
    Levies,
    Money,
    OfferTerms,
    Part,
    Promotion,
    Sale,
    Sku,
    StockKnobs,
    SyncState,
)
from daemon.rules import eco
from daemon.rules.due import Standing
from daemon.rules.promotions import Charged
from daemon.store.database import Database
from daemon.store.holds import held
from daemon.store.listing_columns import knobs_of, levies_of
from daemon.store.sales import sales_of
from daemon.store.standings import open_line
from daemon.store.times import from_us, to_us

_NO_CAP = 2**63 - 1
#: the terms that change a figure, as they are kept
_KEPT = ("safety_stock", "percentage", "cap", "threshold", "rrp_discount_bp", "less_eco", "vat_rate")

#: what customers are charged now, as far as is known
_CHARGED = "(SELECT c.price_minor FROM prices c WHERE c.listing = listings.id ORDER BY c.since DESC LIMIT 1)"

#: units of a listing's orders that are open and of which the seller has reported nothing yet; an update that was sent
#: has moved its lines already, and counts there alone; a refund is first of units that have left, which are not held
RESERVED = (
    "(SELECT coalesce(sum(max(0, w.quantity - w.shipped - w.cancelled"  # noqa: S608 - our own words
    " - coalesce((SELECT sum(CASE d.kind WHEN 'refund' THEN max(0, u.quantity - w.shipped + w.refunded)"
    " ELSE u.quantity END) FROM update_lines u"
    ' JOIN order_updates d ON d.id = u."update" WHERE u.line = w.id'
    " AND d.kind NOT IN ('acknowledgement', 'acceptance') AND d.state IN ('pending', 'sending', 'in_doubt')"
    "), 0))), 0) FROM order_lines w WHERE w.listing = listings.id"
    f" AND {open_line('w')} AND w.state IN ('new', 'accepted', 'to_ship'))"
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
    levies: Levies
    sales: Mapping[str, Sale]


class Values:
    """What the values of offers are made of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inputs(self, account: AccountName, sku: Sku, currency: str, *, less_eco: bool = False) -> Inputs | None:
        """What decides what is sent of one listing; None when there is none."""
        return await self._database.read(lambda db: _inputs(db, account, sku, currency, less_eco=less_eco))

    async def on_offer_since(self, account: AccountName, skus: Sequence[Sku]) -> dict[Sku, datetime]:
        """When customers were first charged a price for each of these listings, but for those without a history."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT l.sku, min(p.since) AS since FROM listings l JOIN prices p ON p.listing = l.id"
                " WHERE l.account = ? AND l.sku IN (SELECT value FROM json_each(?)) GROUP BY l.id",
                (account, json.dumps(skus)),
            ).fetchall()
        )
        return {Sku(row["sku"]): from_us(row["since"]) for row in rows}


def _inputs(db: sqlite3.Connection, account: AccountName, sku: Sku, currency: str, *, less_eco: bool) -> Inputs | None:
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
            held=frozenset(held(row)),
            eco=-eco.without(0, row["eco_minor"], included=less_eco),
            charged=bool(history),
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
        levies_of(row),
        sales_of(db, account),
    )


def _announced(row: sqlite3.Row, currency: str) -> Announced:
    price = Money(row["price_minor"], currency)
    window = (from_us(row["starts_at"]), from_us(row["ends_at"]))
    return Announced(Promotion(price, *window, row["nature"], row["sale"]), from_us(row["imported_at"]))


def offered(old: str = "") -> str:
    """The units that are offered; `old` is the prefix of the terms' names."""
    left = f"max(0, stock - stock_reserved - coalesce(safety_stock, :{old}safety_stock))"
    share = f"{left} * coalesce(stock_percentage, :{old}percentage) / 100"
    capped = f"min({share}, coalesce(stock_cap, :{old}cap, {_NO_CAP}))"
    threshold = f"coalesce(stock_threshold, :{old}threshold)"
    return (
        f"CASE WHEN ended = 1 THEN 0 WHEN stock IS NULL THEN NULL WHEN {capped} < {threshold} THEN 0 ELSE {capped} END"
    )


def less_eco(amount: str, old: str = "") -> str:
    """What is sent of an amount of a listing: the rule of `rules/eco.py`."""
    return f"({amount} - :{old}less_eco * coalesce(eco_minor, 0))"


def promoted() -> str:
    """The price of the promotion in force; null where there is none."""
    return less_eco("(SELECT p.price_minor FROM promotions p WHERE p.id = listings.promotion)")


def sold() -> str:
    """What the buyer pays: in a promotion its price, unless its reduction may not be announced.

    Where nothing of the price is left, the one that is charged now: no wrong figure may hold the stock back.
    """
    ordinary = less_eco("price_minor")
    return (
        f"CASE WHEN {ordinary} <= 0 THEN {_CHARGED}"
        f" ELSE coalesce(CASE WHEN price_blocked = 0 THEN {promoted()} END, {ordinary}) END"
    )


def sellable() -> str:
    """Whether there is a price that an offer can be sent with."""
    return f"price_minor IS NOT NULL AND ({less_eco('price_minor')} > 0 OR {_CHARGED} IS NOT NULL)"


def promotion() -> str:
    """The promotion that this is the price of."""
    return f"CASE WHEN price_blocked = 0 AND {less_eco('price_minor')} > 0 THEN promotion END"


def rrp(old: str = "") -> str:
    """The recommended price as it is sent."""
    price, recommended = less_eco("price_minor", old), less_eco("rrp_minor", old)
    cut = f"({recommended} - {price}) * 10000 > :{old}rrp_discount_bp * {recommended}"
    return (
        "CASE WHEN rrp_minor IS NULL THEN NULL"
        f" WHEN :{old}rrp_discount_bp IS NOT NULL AND {cut}"
        f" THEN max({price}, {price} * 10000 / (10000 - :{old}rrp_discount_bp))"
        f" ELSE max({price}, {recommended}) END"
    )


def reference() -> str:
    """What stands beside the price: the recommended price, in a promotion the ordinary one, where that is higher."""
    ordinary = less_eco("price_minor")
    return (
        f"CASE WHEN {ordinary} <= 0 THEN NULL WHEN promotion IS NULL THEN "
        f"{rrp()} WHEN price_blocked = 0 AND {ordinary} > {promoted()} THEN {ordinary} END"
    )


def named_terms(terms: OfferTerms, old: str = "") -> dict[str, int | str | None]:
    """The terms under the names that these expressions have for them."""
    return {f"{old}{name}": _plain(getattr(terms, name)) for name in _KEPT}


def _plain(value: int | Decimal | None) -> int | str | None:
    """As the database and JSON have it: a fraction is a text there, so that no digit changes."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _terms_of(text: str) -> OfferTerms:
    kept = json.loads(text)
    rate = kept.pop("vat_rate", None)
    return OfferTerms(**kept, vat_rate=None if rate is None else Decimal(rate))


def follow_terms(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime, *, price: bool) -> None:
    """Make Pending what the account's changed terms give another figure for, since they were last applied."""
    row = db.execute("SELECT terms FROM offer_terms WHERE account = ?", (account,)).fetchone()
    before = _terms_of(row["terms"]) if row else OfferTerms()
    now = named_terms(terms)
    if now == named_terms(before):
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
        f"account = :account AND stock IS NOT NULL AND {offered()} <> {offered('old_')}",
        figures,
        at,
        "the account's stock rules",
    )
    if price:
        for changed, why in _PRICE_CHANGES.items():
            _pend(db, Part.PRICE, f"account = :account AND price_minor IS NOT NULL AND {changed}", figures, at, why)


#: which changed terms give another price, or another figure beside it, and what is said of that; of a VAT rate that was
#: never kept before, nobody knows whether it is another one
_PRICE_CHANGES = {
    f"{less_eco('price_minor')} <> {less_eco('price_minor', 'old_')}": "the account's eco-contribution",
    f"{less_eco('price_minor')} = {less_eco('price_minor', 'old_')}"
    f" AND rrp_minor IS NOT NULL AND {rrp()} <> {rrp('old_')}": "the account's Discount RRP",
    "vat_bp IS NULL AND :vat_rate <> :old_vat_rate": "the account's VAT rate",
}


def withhold(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime) -> None:
    """Put Pending prices in Error of which nothing is left without the eco-contribution: they cannot be sent (C8).

    Stock goes out with the price that is charged now.
    """
    where = f"account = :account AND price_state = 'pending' AND {less_eco('price_minor')} <= 0"
    values = {"account": account, "at": to_us(at), "why": _NOTHING_LEFT, **named_terms(terms)}
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        f" SELECT :at, account, 'listing', id, 'price', 'pending', 'error', :why FROM listings WHERE {where}",
        values,
    )
    db.execute(f"UPDATE listings SET price_state = 'error', price_error = :why WHERE {where}", values)  # noqa: S608


_NOTHING_LEFT = "the price is no more than the eco-contribution that it includes; raise the one or lower the other"


def reserve(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime) -> None:
    """Make the stock Pending where other units are reserved for open orders than it was last made Pending for."""
    wanted = RESERVED if terms.reserve_open_orders else "0"
    # By two small indexes, and not by a walk through the account's listings.
    some = "SELECT r.id FROM listings r WHERE r.account = :account AND r.stock_reserved > 0"
    if terms.reserve_open_orders:
        # Some of them reserve nothing, which costs no more than a look.
        some += f" UNION SELECT w.listing FROM order_lines w WHERE {open_line('w')} AND w.listing IS NOT NULL"  # noqa: S608 - our own words
    _pend(
        db,
        Part.STOCK,
        f"+account = :account AND stock IS NOT NULL AND id IN ({some}) AND stock_reserved <> {wanted}",
        {"account": account},
        at,
        "units of open orders",
        also=f", stock_reserved = {wanted}",
    )


def _pend(
    db: sqlite3.Connection,
    part: Part,
    where: str,
    values: Mapping[str, object],
    at: datetime,
    why: str,
    also: str = "",
) -> None:
    values = {**values, "at": to_us(at), "why": why}
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
