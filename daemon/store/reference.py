"""The marketplace's own codes as an account imported them, and the sales of the year (L4, consumer rule C3)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from daemon.model import AccountName, Item, Sale
from daemon.rules.listing import Category, Reference
from daemon.store.database import Database
from daemon.store.sales import judge_sales_anew, sales_of
from daemon.store.times import from_us, to_us


class ReferenceKind(StrEnum):
    """The lists of codes that can be imported."""

    CATEGORIES = "categories"
    ATTRIBUTES = "attributes"
    BRANDS = "brands"
    SALES = "sales"


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """One value of one attribute; an empty `value` says that the attribute takes any."""

    code: str
    label: str
    value: str = ""
    value_label: str = ""


@dataclass(frozen=True, slots=True)
class Brand:
    """One brand that the marketplace knows."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class ReferenceList:
    """One list that was imported: how many rows it has, and when that was."""

    kind: ReferenceKind
    size: int
    imported_at: datetime


Codes = Sequence[Category] | Sequence[AttributeValue] | Sequence[Brand] | Sequence[Sale]

_COLUMNS = {
    ReferenceKind.CATEGORIES: ("code", "label", "leaf", "required", "declines"),
    ReferenceKind.ATTRIBUTES: ("code", "label", "value", "value_label"),
    ReferenceKind.BRANDS: ("code", "label"),
    ReferenceKind.SALES: ("code", "label", "starts_at", "ends_at", "deadline"),
}
_INSTANTS = ("starts_at", "ends_at", "deadline")


class ReferenceData:
    """The lists of codes of every account; a list is always replaced whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, account: AccountName, kind: ReferenceKind, codes: Codes, at: datetime) -> None:
        """Put a whole list in the place of the one before; by other sales, promotions in force are judged anew."""
        rows = [(account, *_row(code)) for code in codes]
        marks = ", ".join("?" * (len(_COLUMNS[kind]) + 1))

        def work(db: sqlite3.Connection) -> None:
            db.execute(f"DELETE FROM reference_{kind} WHERE account = ?", (account,))  # noqa: S608 - our own enum
            db.executemany(f"INSERT INTO reference_{kind} VALUES ({marks})", rows)  # noqa: S608
            db.execute(
                "INSERT INTO reference_lists (account, kind, size, imported_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (account, kind) DO UPDATE SET size = excluded.size, imported_at = excluded.imported_at",
                (account, kind, len(rows), to_us(at)),
            )

            if kind is ReferenceKind.SALES:
                judge_sales_anew(db, account, at)

        await self._database.write(work)

    async def lists(self, account: AccountName) -> list[ReferenceList]:
        """The lists that were imported."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT kind, size, imported_at FROM reference_lists WHERE account = ? ORDER BY kind", (account,)
            ).fetchall()
        )
        return [
            ReferenceList(ReferenceKind(row["kind"]), row["size"], from_us(int(row["imported_at"]))) for row in rows
        ]

    async def codes(
        self, account: AccountName, kind: ReferenceKind, *, find: str = "", limit: int = 100, after: str = ""
    ) -> list[dict[str, object]]:
        """A page of one list by code: rows in whose codes or labels `find` stands; `after` is the last code before.

        A page never ends inside an attribute, so it may be longer than `limit`.
        """
        columns = _COLUMNS[kind]
        looked_in = " OR ".join(f"instr(lower({name}), lower(:find)) > 0" for name in columns if name != "leaf")
        mine = f"SELECT {', '.join(columns)} FROM reference_{kind} WHERE account = :account AND ({looked_in})"  # noqa: S608
        sql = (
            f"{mine} AND code IN (SELECT DISTINCT code FROM ({mine} AND code > :after) ORDER BY code LIMIT :limit)"  # noqa: S608
            f" ORDER BY {'code, value' if kind is ReferenceKind.ATTRIBUTES else 'code'}"
        )
        named = {"account": account, "find": find, "after": after, "limit": limit}
        rows = await self._database.read(lambda db: db.execute(sql, named).fetchall())
        return [_shown(row) for row in rows]

    async def sales(self, account: AccountName) -> dict[str, Sale]:
        """Every sale that was imported, by its code (C3)."""
        return await self._database.read(lambda db: sales_of(db, account))

    async def known(self, account: AccountName, items: Sequence[Item]) -> Reference:
        """What is known of the codes that these items name."""
        categories = {item.category for item in items}
        attributes = {attribute.code for item in items for attribute in item.attributes}
        brands = {item.brand for item in items}
        return await self._database.read(lambda db: _known(db, account, categories, attributes, brands))


def _row(code: Category | AttributeValue | Brand | Sale) -> tuple[object, ...]:
    match code:
        case Category():
            return code.code, code.label, int(code.leaf), json.dumps(code.required), json.dumps(code.declines)
        case AttributeValue():
            return code.code, code.label, code.value, code.value_label
        case Brand():
            return code.code, code.label
        case Sale():
            deadline = None if code.deadline is None else to_us(code.deadline)
            return code.code, code.label, to_us(code.starts_at), to_us(code.ends_at), deadline


def _shown(row: sqlite3.Row) -> dict[str, object]:
    shown = dict(row)
    if "leaf" in shown:
        shown |= {
            "leaf": bool(row["leaf"]),
            "required": json.loads(row["required"]),
            "declines": json.loads(row["declines"]),
        }
    return shown | {name: shown[name] and from_us(shown[name]).isoformat() for name in _INSTANTS if name in shown}


def _known(
    db: sqlite3.Connection, account: str, categories: set[str], attributes: set[str], brands: set[str]
) -> Reference:
    lists = {row["kind"] for row in db.execute("SELECT kind FROM reference_lists WHERE account = ?", (account,))}
    return Reference(
        categories=_categories(db, account, categories) if "categories" in lists else None,
        attributes=_attributes(db, account, attributes) if "attributes" in lists else None,
        brands=_brands(db, account, brands) if "brands" in lists else None,
    )


def _some(db: sqlite3.Connection, table: str, account: str, codes: set[str]) -> list[sqlite3.Row]:
    return db.execute(
        f"SELECT * FROM {table} WHERE account = ? AND code IN (SELECT value FROM json_each(?))",  # noqa: S608 - our names
        (account, json.dumps(sorted(codes))),
    ).fetchall()


def _categories(db: sqlite3.Connection, account: str, codes: set[str]) -> dict[str, Category]:
    return {
        row["code"]: Category(
            row["code"],
            row["label"],
            leaf=bool(row["leaf"]),
            required=tuple(json.loads(row["required"])),
            declines=tuple(json.loads(row["declines"])),
        )
        for row in _some(db, "reference_categories", account, codes)
    }


def _attributes(db: sqlite3.Connection, account: str, codes: set[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in _some(db, "reference_attributes", account, codes):
        values = found.setdefault(row["code"], {})
        if row["value"]:
            values[row["value"]] = row["value_label"]
    return found


def _brands(db: sqlite3.Connection, account: str, codes: set[str]) -> dict[str, str]:
    return {row["code"]: row["label"] for row in _some(db, "reference_brands", account, codes)}
