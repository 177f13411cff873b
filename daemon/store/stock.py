"""What makes the stock of a whole account Pending: a full push, and another form of its rows (guide J3)."""

import sqlite3
from datetime import datetime

from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.times import to_us

#: has stock, and was not rejected so often that it is blocked
_SENDABLE = (
    "account = :account AND stock IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rejections r"
    " WHERE r.listing = listings.id AND r.part = 'stock' AND r.revision = listings.stock_revision"
    " AND r.blocked_at IS NOT NULL)"
)


class Stock:
    """The stock of an account as a whole; that of single listings is in `listings.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def push(self, account: AccountName, at: datetime) -> int:
        """Make the stock of every listing that has any Pending, whatever was sent before; returns of how many.

        Those that are blocked stay so: the marketplace has rejected them too often as they are.
        """
        return await self._database.write(lambda db: _push(db, account, at, "all stock is sent again"))


def follow_form(db: sqlite3.Connection, account: AccountName, form: str, at: datetime) -> None:
    """Make all stock Pending where the account now says something else in every row than it said before."""
    row = db.execute("SELECT stock_form FROM accounts WHERE name = ?", (account,)).fetchone()
    if row is None or row["stock_form"] == form:
        return
    db.execute("UPDATE accounts SET stock_form = ? WHERE name = ?", (form, account))
    if row["stock_form"]:
        # Without one before, what there is has either never been sent, or was sent by a version that kept none.
        _push(db, account, at, "the account says something else in every row of stock")


def _push(db: sqlite3.Connection, account: AccountName, at: datetime, why: str) -> int:
    named = {"account": account, "at": to_us(at), "why": why}
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        " SELECT :at, account, 'listing', id, 'stock', stock_state, 'pending', :why FROM listings"
        f" WHERE {_SENDABLE}",
        named,
    )
    return db.execute(
        "UPDATE listings SET stock_state = 'pending', stock_error = '', stock_revision = stock_revision + 1,"  # noqa: S608
        f" changed_at = :at WHERE {_SENDABLE}",
        named,
    ).rowcount
