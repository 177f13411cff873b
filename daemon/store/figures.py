"""Stock and prices of many listings at once: found, compared, changed and told in sets (L6, L7, D8)."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName, Part
from daemon.store.changes import Change
from daemon.store.filling import fill
from daemon.store.times import to_us

#: a SKU, and one or two figures
Given = tuple[str, int, int | None]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the figures of a part stand in a listing; the first is the one that events tell."""

    first: str
    second: str = ""

    @property
    def alike(self) -> str:
        """Whether a listing has these figures already."""
        same = f"l.{self.first} IS g.first"
        return f"{same} AND l.{self.second} IS g.second" if self.second else same

    @property
    def taken_over(self) -> str:
        """The assignments."""
        assigned = f"{self.first} = t.first"
        return f"{assigned}, {self.second} = t.second" if self.second else assigned


_COLUMNS = {Part.STOCK: _Columns("stock"), Part.PRICE: _Columns("price_minor", "rrp_minor")}


def put_figures(
    db: sqlite3.Connection, account: AccountName, part: Part, rows: Sequence[Given], at: datetime
) -> list[Change]:
    """Give listings new figures, which makes the part Pending; one that has them already stays as it is."""
    changes: list[Change] = []
    for some in _without_repeats(rows):
        changes += _put(db, account, part, some, at)
    return changes


def _without_repeats(rows: Sequence[Given]) -> Iterator[Sequence[Given]]:
    """The rows in their order, cut where a SKU comes once more: of those, each counts after the other."""
    seen: set[str] = set()
    start = 0
    for place, row in enumerate(rows):
        if row[0] in seen:
            yield rows[start:place]
            start = place
            seen.clear()
        seen.add(row[0])
    yield rows[start:]


def _put(db: sqlite3.Connection, account: AccountName, part: Part, rows: Sequence[Given], at: datetime) -> list[Change]:
    columns = _COLUMNS[part]
    named = {"account": account, "at": to_us(at)}
    _prepare(db)
    fill(db, "temp.given", ("sku", "first", "second"), rows)
    changes = [Change.CHANGED] * len(rows)
    # In this order, and with a plus below: SQLite knows nothing of tables that were made a moment ago.
    found = db.execute(
        f"INSERT INTO temp.found SELECT l.id, g.n, g.first, g.second, l.{columns.first}, {columns.alike}"  # noqa: S608
        " FROM temp.given g CROSS JOIN listings l ON l.account = :account AND l.sku = g.sku",
        named,
    ).rowcount
    if found < len(rows):
        missing = db.execute("SELECT n FROM temp.given WHERE n NOT IN (SELECT n FROM temp.found)").fetchall()
        for (n,) in missing:
            changes[n - 1] = Change.UNKNOWN
    for (n,) in db.execute("DELETE FROM temp.found WHERE alike RETURNING n").fetchall():
        changes[n - 1] = Change.UNCHANGED
    db.execute(
        f"UPDATE listings SET {columns.taken_over}, {part}_state = 'pending', {part}_error = '',"  # noqa: S608
        f" {part}_revision = {part}_revision + 1, changed_at = :at FROM temp.found t WHERE listings.id = +t.listing",
        named,
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to")'  # noqa: S608 - our own enum
        f" SELECT :at, :account, 'listing', listing, '{part}', coalesce(before, ''), first FROM temp.found",
        named,
    )
    return changes


def _prepare(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS given"
        " (n INTEGER PRIMARY KEY, sku TEXT NOT NULL, first INTEGER NOT NULL, second INTEGER)"
    )
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS found (listing INTEGER PRIMARY KEY, n INTEGER NOT NULL,"
        " first INTEGER NOT NULL, second INTEGER, before INTEGER, alike INTEGER NOT NULL)"
    )
    db.execute("DELETE FROM temp.given")
    db.execute("DELETE FROM temp.found")
