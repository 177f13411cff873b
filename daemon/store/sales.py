"""The statutory sales ("soldes") as an account imported them (consumer rule C3)."""

import sqlite3
from datetime import datetime

from daemon.model import AccountName, Sale
from daemon.store.times import from_us, to_us


def sales_of(db: sqlite3.Connection, account: AccountName) -> dict[str, Sale]:
    """Every sale that was imported, by its code."""
    rows = db.execute("SELECT * FROM reference_sales WHERE account = ? ORDER BY starts_at", (account,))
    return {
        row["code"]: Sale(
            row["code"],
            row["label"],
            from_us(row["starts_at"]),
            from_us(row["ends_at"]),
            None if row["deadline"] is None else from_us(row["deadline"]),
        )
        for row in rows
    }


def judge_sales_anew(db: sqlite3.Connection, account: AccountName, at: datetime) -> None:
    """Make the prices Pending whose promotion in force names a sale: the next offers turn judges them anew."""
    named = {"account": account, "at": to_us(at)}
    where = (
        "account = :account AND (price_state = 'not_needed' OR price_state = 'error' AND price_blocked = 1)"
        " AND id IN (SELECT listing FROM promotions WHERE account = :account AND withdrawn_at IS NULL"
        "  AND stage = 'running' AND sale <> '')"
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        " SELECT :at, account, 'listing', id, 'price', price_state, 'pending', 'other sales were imported'"
        f" FROM listings WHERE {where}",
        named,
    )
    db.execute(
        "UPDATE listings SET price_state = 'pending', price_error = '', price_revision = price_revision + 1,"  # noqa: S608
        f" changed_at = :at WHERE {where}",
        named,
    )
