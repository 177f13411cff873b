"""A store whose changes never reach the database: what would be sent is found by doing it there (`sellerd plan`).

The file is opened for reading alone. The tables that work on an account's feeds and updates writes to are hidden behind
temporary ones of the same names, which hold that account's rows as they are at one instant and end with the connection.
So the very code that sends works on them unchanged, beside a daemon that goes on.
"""

import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from anyio import CancelScope

from daemon.model import AccountName, FeedKind, Item, Sku
from daemon.store import Store
from daemon.store.database import Database, connect_imagining
from daemon.store.listing_columns import item_from_json
from daemon.store.standings import open_line
from daemon.store.times import from_us

R = TypeVar("R")

_OPEN_FEED = "feeds.state IN ('sending', 'sent', 'in_doubt')"
# As far back as the guard of an account looks, a day at most.
_LATELY = "feeds.opened_at >= (SELECT max(opened_at) FROM main.feeds WHERE account = :account) - 86400000000"
_DUE = "'pending' IN (item_state, stock_state, price_state, end_state)"
_HAS_OPEN_LINE = f'EXISTS (SELECT 1 FROM main.order_lines l WHERE l."order" = orders.id AND {open_line("l")})'  # noqa: S608
_HAS_OPEN_UPDATE = (
    'EXISTS (SELECT 1 FROM main.order_updates u WHERE u."order" = orders.id'
    " AND u.state IN ('pending', 'sending', 'sent', 'in_doubt'))"
)
_OF_ORDERS = '"order" IN (SELECT id FROM temp.orders)'

#: what is hidden, in this order, and which of its rows are taken over
_HIDDEN: dict[str, str] = {
    "generation": "true",
    "accounts": "name = :account",
    "listings": "account = :account",
    "promotions": "account = :account",
    "gates": "account = :account",
    "offer_terms": "account = :account",
    "events": "false",
    # The newest of all, so that numbers go on from it.
    "feeds": "id = (SELECT max(id) FROM main.feeds) OR account = :account",
    # What the change guard compares with as well: what these listings were sent, and what left within its window.
    "feed_objects": f"feed IN (SELECT id FROM temp.feeds WHERE account = :account AND ({_OPEN_FEED} OR {_LATELY}))"  # noqa: S608
    f" OR listing IN (SELECT id FROM temp.listings WHERE {_DUE})",
    "guard_cases": "account = :account",
    "guard_holds": "account = :account",
    "orders": f"account = :account AND ({_HAS_OPEN_LINE} OR {_HAS_OPEN_UPDATE})",
    "order_lines": _OF_ORDERS,
    "order_updates": _OF_ORDERS,
    "claims": _OF_ORDERS,
    "claim_lines": "claim IN (SELECT id FROM temp.claims)",
    "order_errors": _OF_ORDERS,
    "update_lines": '"update" IN (SELECT id FROM temp.order_updates)',
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a listing was sent last: the figures, by which feed, and when that was opened; money in minor units.

    `item` is None for an offer feed, and for an item feed of a version that did not keep it.
    """

    feed: int
    opened_at: datetime
    stock: int | None
    price_minor: int | None
    rrp_minor: int | None
    ended: bool
    item: Item | None


class _ImaginedDatabase(Database):
    """One connection that can read the file and write only what is temporary."""

    async def write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        return await self._run(lambda connection: _in_savepoint(connection, work))

    async def claim(self, work: Callable[[sqlite3.Connection], R]) -> R:
        return await self.write(work)

    async def checkpoint(self) -> bool:
        """There is nothing to fold back."""
        return True


class ImaginedStore(Store):
    """A store of one account in which everything can be tried."""

    async def open_gate(self, account: AccountName, kind: FeedKind) -> None:
        """Imagine that the gate is open and that nothing is unanswered, so that the next feed leaves now."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM temp.gates WHERE account = ? AND kind = ?", (account, kind))
            db.execute("UPDATE temp.generation SET restored_at = NULL")
            db.execute(
                f"UPDATE temp.feeds SET state = 'answered', name = '' WHERE account = ? AND kind = ? AND {_OPEN_FEED}",  # noqa: S608
                (account, kind),
            )

        await self.database.write(work)

    async def last_sent(self, account: AccountName, kind: FeedKind, skus: Sequence[Sku]) -> dict[Sku, Sent]:
        """What these listings were sent last by a feed of this kind that left; those that never were are left out."""

        def work(db: sqlite3.Connection) -> dict[Sku, Sent]:
            found = ((sku, _last_sent(db, account, kind, sku)) for sku in skus)
            return {sku: sent for sku, sent in found if sent is not None}

        return await self.database.read(work)


@asynccontextmanager
async def imagined_store(path: Path, account: AccountName) -> AsyncIterator[ImaginedStore]:
    """Open the database at `path` as it is now for trying things out on one account; raises StoreError."""
    connection = await connect_imagining(path)
    database = _ImaginedDatabase(path, connection, [connection])
    try:
        await connection.call(lambda db: _hide(db, account))
        yield ImaginedStore(database)
    finally:
        with CancelScope(shield=True):
            await connection.close()


def _hide(db: sqlite3.Connection, account: AccountName) -> None:
    # All of it is read at one instant, and the transaction stays open until the end.
    db.execute("BEGIN")
    for table, rows in _HIDDEN.items():
        (text,) = db.execute(
            "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        db.execute(re.sub(r'^CREATE TABLE "?\w+"?', f"CREATE TABLE temp.{table}", text, count=1))
        db.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table} WHERE {rows}", {"account": account})  # noqa: S608
        for (index,) in db.execute(
            "SELECT sql FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
        ).fetchall():
            db.execute(re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX temp.", index, count=1))


def _in_savepoint(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], R]) -> R:
    db.execute("SAVEPOINT imagined")
    try:
        return work(db)
    except BaseException:
        db.execute("ROLLBACK TO imagined")
        raise
    finally:
        db.execute("RELEASE imagined")


def _last_sent(db: sqlite3.Connection, account: str, kind: FeedKind, sku: str) -> Sent | None:
    row = db.execute(
        "SELECT o.*, f.opened_at FROM main.listings l JOIN main.feed_objects o ON o.listing = l.id"
        " JOIN main.feeds f ON f.id = o.feed WHERE l.account = ? AND l.sku = ? AND f.kind = ? AND o.state <>"
        " 'withdrawn' ORDER BY o.feed DESC LIMIT 1",
        (account, sku, kind),
    ).fetchone()
    if row is None:
        return None
    figures = (row["stock"], row["price_minor"], row["rrp_minor"], bool(row["ended"]))
    item = None if row["item"] is None else item_from_json(row["item"])
    return Sent(row["feed"], from_us(int(row["opened_at"])), *figures, item)
