"""Customers erased on request: of one order all that says who got the goods, with a proof that says nothing (D12).

What is erased: the customer, the fields that we have no word for, reasons and tracking numbers of updates, and the kept
bytes of every delivery and update that names the order. Bytes of a reply that brings several orders go whole; their
hash and size stay, and so do the figures of the order.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.errors import NotAllowed
from daemon.model import AccountName, OrderNumber
from daemon.rules.quotes import unquoted
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.payloads import drop
from daemon.store.standings import open_line
from daemon.store.times import from_us, to_us

#: payloads of one question, so that nobody waits long
_PAGE = 50


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: whether the customer was still there, and the bytes of how many payloads."""

    customer: bool
    payloads: int


class Erasures:
    """Requests to forget a customer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(
        self, account: AccountName, number: OrderNumber, reason: str, at: datetime, *, although_open: bool = False
    ) -> Erasure:
        """Forget who got the goods of an order; raises NotAllowed where there is none, or while it is still open.

        The log of the database is folded back then, so that the disk holds none of it either.
        """
        order = await self._database.read(lambda db: _order(db, account, number, although_open=although_open))
        found = await self._naming(account, number, since=None)

        def work(db: sqlite3.Connection) -> Erasure:
            _order(db, account, number, although_open=although_open)
            customer = db.execute('DELETE FROM customers WHERE "order" = ?', (order,)).rowcount
            _forget_texts(db, order)
            payloads = drop(db, {*found, *_of_updates(db, order)})
            _forget_quotes(db, account, "payload IN (SELECT value FROM json_each(?))", json.dumps(found))
            db.execute(
                'INSERT INTO erasures ("order", account, at, reason, payloads, repeated_at) VALUES (?, ?, ?, ?, ?, ?)',
                (order, account, to_us(at), reason, payloads, to_us(at)),
            )
            tell(db, at, account, ("order", order), "customer erased", why=reason)
            return Erasure(customer > 0, payloads)

        erased = await self._database.write(work)
        await self._database.checkpoint()
        return erased

    async def repeat(self, account: AccountName, since: datetime, at: datetime) -> int:
        """Drop what a marketplace has said again of orders erased after `since`; returns of how many payloads."""
        rows = await self._database.read(
            lambda db: db.execute(
                'SELECT e.id, e."order", e.repeated_at, o.number FROM erasures e JOIN orders o ON o.id = e."order"'
                " WHERE e.account = ? AND e.at >= ?",
                (account, to_us(since)),
            ).fetchall()
        )
        dropped = 0
        for row in rows:
            found = await self._naming(account, OrderNumber(row["number"]), since=from_us(int(row["repeated_at"])))
            dropped += await self._database.write(
                partial(_repeat, erasure=row["id"], order=row["order"], found=found, at=at)
            )
        return dropped

    async def forget_quotes(self, account: AccountName, before: datetime) -> int:
        """Take out what the reasons of deliveries received before then quote of customers; returns of how many."""
        return await self._database.write(
            lambda db: _forget_quotes(db, account, "received_at < ? LIMIT 500", to_us(before))
        )

    async def _naming(self, account: AccountName, number: OrderNumber, since: datetime | None) -> list[int]:
        """The payloads of deliveries of orders that hold the number, kept since an instant."""
        found: list[int] = []
        after = 0
        while True:
            page = await self._database.read(partial(_page, account=account, number=number, since=since, after=after))
            if not page:
                return found
            found += [payload for payload, names_it in page if names_it]
            after = page[-1][0]


def _order(db: sqlite3.Connection, account: AccountName, number: OrderNumber, *, although_open: bool) -> int:
    row = db.execute("SELECT id FROM orders WHERE account = ? AND number = ?", (account, number)).fetchone()
    if row is None:
        raise NotAllowed(f"account {account} has no order {number}")
    still_open = db.execute(
        f'SELECT l.ref, l.state FROM order_lines l WHERE l."order" = ? AND {open_line("l")} LIMIT 1',  # noqa: S608 - our own words
        (row["id"],),
    ).fetchone()
    if still_open is not None and not although_open:
        raise NotAllowed(
            f"order {number} is open, its line {still_open['ref']} is {still_open['state']}: without the address it"
            " cannot be shipped or cared for; close it first, or say that it is to be erased although it is open"
        )
    return int(row["id"])


def _forget_texts(db: sqlite3.Connection, order: int) -> None:
    # Columns that we have no word for may hold anything, and a reason may say who called; a tracking number leads to
    # the person at the carrier. Parcels of updates that are still on their way are needed for them.
    db.execute("UPDATE orders SET extra = '{}' WHERE id = ?", (order,))
    db.execute("UPDATE order_lines SET extra = '{}' WHERE \"order\" = ?", (order,))
    db.execute(
        'UPDATE update_lines SET reason = \'\' WHERE "update" IN (SELECT id FROM order_updates WHERE "order" = ?)',
        (order,),
    )
    db.execute(
        "UPDATE order_updates SET parcel = NULL WHERE \"order\" = ? AND state IN ('succeeded', 'failed')", (order,)
    )
    db.execute("UPDATE claims SET reason = '', extra = '{}' WHERE \"order\" = ?", (order,))
    db.execute(
        "UPDATE claim_lines SET reason = '' WHERE claim IN (SELECT id FROM claims WHERE \"order\" = ?)", (order,)
    )


def _forget_quotes(db: sqlite3.Connection, account: str, which: str, value: object) -> int:
    rows = db.execute(
        "SELECT id, reason FROM deliveries WHERE account = ? AND kind = 'order' AND state = 'set_aside'"  # noqa: S608
        f" AND (reason LIKE '%\"_%\"%' OR reason LIKE '%''_%''%') AND reason NOT LIKE '%\"…\"%' AND {which}",
        (account, value),
    ).fetchall()
    plain = [(unquoted(row["reason"]), row["id"]) for row in rows if unquoted(row["reason"]) != row["reason"]]
    db.executemany("UPDATE deliveries SET reason = ? WHERE id = ?", plain)
    return len(plain)


def _of_updates(db: sqlite3.Connection, order: int) -> Iterable[int]:
    rows = db.execute(
        'SELECT payload FROM order_updates WHERE "order" = ? AND payload IS NOT NULL AND settled_at IS NOT NULL',
        (order,),
    ).fetchall()
    return [row["payload"] for row in rows]


def _page(
    db: sqlite3.Connection, account: str, number: str, since: datetime | None, after: int
) -> list[tuple[int, bool]]:
    rows = db.execute(
        "SELECT DISTINCT d.payload FROM deliveries d JOIN payloads p ON p.id = d.payload WHERE d.account = ?"
        # What is kept and not read yet is needed to read it.
        " AND d.kind = 'order' AND d.state NOT IN ('kept', 'waiting') AND d.payload > ? AND p.kept_at >= ?"
        " ORDER BY d.payload LIMIT ?",
        (account, after, 0 if since is None else to_us(since), _PAGE),
    ).fetchall()
    return [(row["payload"], _holds(db, row["payload"], number.encode())) for row in rows]


def _holds(db: sqlite3.Connection, payload: int, text: bytes) -> bool:
    """Whether the bytes of a payload hold a text, chunk by chunk, and across the edge of two."""
    rest = b""
    for (deflated,) in db.execute(
        "SELECT deflated FROM payload_chunks WHERE payload = ? ORDER BY position", (payload,)
    ).fetchall():
        content = rest + zlib.decompress(deflated)
        if text in content:
            return True
        rest = content[-len(text) :]
    return False


def _repeat(db: sqlite3.Connection, erasure: int, order: int, found: Sequence[int], at: datetime) -> int:
    # A request to cancel may have come since, and says in words what somebody wants.
    _forget_texts(db, order)
    dropped = drop(db, set(found))
    db.execute(
        "UPDATE erasures SET payloads = payloads + ?, repeated_at = ? WHERE id = ?", (dropped, to_us(at), erasure)
    )
    return dropped
