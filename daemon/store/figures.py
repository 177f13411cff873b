"""Stock and prices of many listings at once: found, compared, changed and told in sets (L6, L7, D8)."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName, Part
from daemon.store.changes import Change
from daemon.store.times import to_us

#: what a listing gets: its stock, or its price and what stands beside that
Figure = int | tuple[int, int | None]


class Figures:
    """New figures by SKU, none of which comes twice, made ready for SQLite: one text, whatever their number.

    SQLite takes JSON apart without the interpreter. A parameter for each figure takes longer, and hands the interpreter
    to and fro with every statement of some hundreds: a thread that reads the next rows meanwhile gets in between each
    time.
    """

    __slots__ = ("skus", "text")

    def __init__(self, figures: Mapping[str, Figure]) -> None:
        self.skus = list(figures)
        self.text = _JSON.encode(figures)


_JSON = json.JSONEncoder(check_circular=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the figures of a part stand in a listing, and in the JSON; the first is the one that events tell."""

    first: str
    given: str
    second: str = ""
    given_second: str = "NULL"

    @property
    def alike(self) -> str:
        """Whether a listing has these figures already."""
        same = f"l.{self.first} IS {self.given}"
        return f"{same} AND l.{self.second} IS {self.given_second}" if self.second else same

    @property
    def taken_over(self) -> str:
        """The assignment; `id` is the listing's."""
        columns, values = (f"({self.first}, {self.second})", "first, second") if self.second else (self.first, "first")
        return f"{columns} = (SELECT {values} FROM temp.differing WHERE listing = id)"  # noqa: S608 - our own words


_COLUMNS = {
    Part.STOCK: _Columns("stock", "g.value"),
    Part.PRICE: _Columns(
        *("price_minor", "json_extract(g.value, '$[0]')"), *("rrp_minor", "json_extract(g.value, '$[1]')")
    ),
}
#: the figures with their listings; in this order, because SQLite knows nothing of what the JSON holds
_FOUND = "json_each(:figures) g CROSS JOIN listings l ON l.account = :account AND l.sku = g.key"


def without_repeats(rows: Iterable[tuple[str, Figure]]) -> Iterator[Figures]:
    """The rows in their order, cut where a SKU comes once more: of those, each counts after the other."""
    some: dict[str, Figure] = {}
    for sku, figure in rows:
        if sku in some:
            yield Figures(some)
            some = {}
        some[sku] = figure
    yield Figures(some)


def put_figures(
    db: sqlite3.Connection, account: AccountName, part: Part, figures: Figures, at: datetime
) -> list[Change]:
    """Give listings new figures, which makes the part Pending; one that has them already stays as it is.

    Returns what each figure did, in their order.
    """
    columns = _COLUMNS[part]
    named = {"account": account, "at": to_us(at), "figures": figures.text}
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS differing (listing INTEGER PRIMARY KEY, first INTEGER NOT NULL,"
        " second INTEGER, before INTEGER)"
    )
    differing = db.execute(
        f"INSERT INTO temp.differing SELECT l.id, {columns.given}, {columns.given_second}, l.{columns.first}"  # noqa: S608 - our own words
        f" FROM {_FOUND} WHERE NOT ({columns.alike})",
        named,
    ).rowcount
    alike = len(figures.skus) - differing
    others = _others(db, columns, named, alike) if alike else {}
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to")'  # noqa: S608 - our own enum
        f" SELECT :at, :account, 'listing', listing, '{part}', coalesce(before, ''), first FROM temp.differing",
        named,
    )
    # By the listings' own order, in which the pages are: any other takes twice as long.
    db.execute(
        f"UPDATE listings SET {columns.taken_over}, {part}_state = 'pending', {part}_error = '',"  # noqa: S608
        f" {part}_revision = {part}_revision + 1, changed_at = :at WHERE id IN (SELECT listing FROM temp.differing)",
        named,
    )
    db.execute("DELETE FROM temp.differing")
    return [others.get(sku, Change.CHANGED) for sku in figures.skus] if others else [Change.CHANGED] * differing


def _others(db: sqlite3.Connection, columns: _Columns, named: Mapping[str, object], count: int) -> dict[str, Change]:
    """What the SKUs do that change nothing, by name: asked for only where there are any, as one text too."""
    unchanged = _skus(db, f"SELECT json_group_array(l.sku) FROM {_FOUND} WHERE {columns.alike}", named)  # noqa: S608
    others = dict.fromkeys(unchanged, Change.UNCHANGED)
    if len(unchanged) == count:
        return others
    unknown = (
        "SELECT json_group_array(g.key) FROM json_each(:figures) g"
        " WHERE NOT EXISTS (SELECT 1 FROM listings l WHERE l.account = :account AND l.sku = g.key)"
    )
    return others | dict.fromkeys(_skus(db, unknown, named), Change.UNKNOWN)


def _skus(db: sqlite3.Connection, question: str, named: Mapping[str, object]) -> list[str]:
    found: list[str] = json.loads(db.execute(question, named).fetchone()[0])
    return found
