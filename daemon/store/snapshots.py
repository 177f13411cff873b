"""Listings as the seller gave them, whole: for exports, and for what an import would change (guide S1, S2)."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from daemon.model import AccountName, Item, Levies, Money, Promotion, Sku, StockExtras, StockKnobs
from daemon.store.database import Database
from daemon.store.listing_columns import extras_of, item_from_json, knobs_of, levies_of
from daemon.store.times import from_us

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One listing: what the seller wants of it, and how far it is at the marketplace.

    `promotions` are those that stand, the first to begin first; amounts are minor units in the account's currency.
    """

    sku: Sku
    item: Item
    channel_item_id: str
    channel_status: str
    stock: int | None
    price_minor: int | None
    rrp_minor: int | None
    ended: bool
    handling_days: int | None
    knobs: StockKnobs
    levies: Levies
    extras: StockExtras
    states: dict[str, str]
    promotions: tuple[Promotion, ...] = ()


class Snapshots:
    """Listings as they stand, page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, account: AccountName, *, after: str = "", limit: int = 1_000) -> list[Snapshot]:
        """Listings by SKU, behind `after`."""
        return await self._database.read(lambda db: _page(db, account, after, limit))

    async def pages(self, account: AccountName) -> AsyncIterator[list[Snapshot]]:
        """All listings by SKU, a page at a time."""
        after = ""
        while page := await self.page(account, after=after):
            yield page
            after = page[-1].sku


class Rehearsal(Database):
    """A database in which every change is made, looked at and taken back: what an import would do, by doing it.

    `before` and `after` are the listings of `skus` round the last change.
    """

    def __init__(self, real: Database, account: AccountName) -> None:
        super().__init__(real.path, None, [])
        self._real = real
        self._account = account
        self.skus: Sequence[Sku] = ()
        self.before: dict[Sku, Snapshot] = {}
        self.after: dict[Sku, Snapshot] = {}

    async def write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one whole transaction and take it back; raises StoreError when the database or the disk fails."""
        try:
            await self._real.write(partial(self._rehearse, work))
        except _TakenBack as taken_back:
            result: R = taken_back.result
            return result
        raise AssertionError  # a rehearsal never ends in a commit

    async def read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one short question."""
        return await self._real.read(work)

    def _rehearse(self, work: Callable[[sqlite3.Connection], R], db: sqlite3.Connection) -> None:
        self.before = _of(db, self._account, self.skus)
        result = work(db)
        self.after = _of(db, self._account, self.skus)
        raise _TakenBack(result)


class _TakenBack(Exception):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def _page(db: sqlite3.Connection, account: AccountName, after: str, limit: int) -> list[Snapshot]:
    rows = db.execute(
        "SELECT * FROM listings WHERE account = ? AND sku > ? ORDER BY sku LIMIT ?", (account, after, limit)
    ).fetchall()
    return _with_promotions(db, rows)


def _of(db: sqlite3.Connection, account: AccountName, skus: Sequence[Sku]) -> dict[Sku, Snapshot]:
    rows = db.execute(
        "SELECT * FROM listings WHERE account = ? AND sku IN (SELECT value FROM json_each(?))",
        (account, json.dumps(skus)),
    ).fetchall()
    return {snapshot.sku: snapshot for snapshot in _with_promotions(db, rows)}


def _with_promotions(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[Snapshot]:
    standing: dict[int, list[Promotion]] = {}
    for row in db.execute(
        "SELECT p.* FROM promotions p WHERE p.withdrawn_at IS NULL AND p.listing IN (SELECT value FROM json_each(?))"
        " ORDER BY p.starts_at",
        (json.dumps([row["id"] for row in rows]),),
    ).fetchall():
        # The currency is the account's, and not kept with each promotion.
        promotion = Promotion(
            Money(row["price_minor"], ""),
            from_us(int(row["starts_at"])),
            from_us(int(row["ends_at"])),
            row["nature"],
            row["sale"],
        )
        standing.setdefault(row["listing"], []).append(promotion)
    return [_snapshot(row, tuple(standing.get(row["id"], ()))) for row in rows]


def _snapshot(row: sqlite3.Row, promotions: tuple[Promotion, ...]) -> Snapshot:
    return Snapshot(
        sku=Sku(row["sku"]),
        item=item_from_json(row["item"]),
        channel_item_id=row["channel_item_id"],
        channel_status=row["channel_status"],
        stock=row["stock"],
        price_minor=row["price_minor"],
        rrp_minor=row["rrp_minor"],
        ended=bool(row["ended"]),
        handling_days=row["handling_days"],
        knobs=knobs_of(row),
        levies=levies_of(row),
        extras=extras_of(row["stock_extras"]),
        states={part: row[f"{part}_state"] for part in ("item", "stock", "price", "end")},
        promotions=promotions,
    )
