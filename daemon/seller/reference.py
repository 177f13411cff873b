"""The marketplace's own codes from CSV files, and the sales of the year (L4, consumer rule C3).

A file is the whole list and replaces the one before. It goes in whole or not at all: a category that is missing
because its row was bad would hold good listings back.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from anyio import to_thread

from daemon.errors import Unreadable
from daemon.model import AccountName, Sale
from daemon.rules.listing import Category
from daemon.rules.promotions import window_fault
from daemon.seller.cells import WrongCell, instant
from daemon.seller.columns import Column
from daemon.seller.imports import MOST_TOLD
from daemon.seller.judging import Rejudged, limits_of, rejudge
from daemon.seller.rows import BrokenRow, Fault, Row
from daemon.seller.sheets import open_table
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.reference import AttributeValue, Brand, ReferenceKind

_YES = frozenset({"yes", "y", "true", "1", "oui"})
_NO = frozenset({"no", "n", "false", "0", "non"})
_CODES = re.compile(r"[;,|\s]+")

_START = "2027-01-06T08:00"

#: The columns of each kind of file, by header name, in any order.
REFERENCE_COLUMNS: Mapping[ReferenceKind, tuple[Column, ...]] = {
    ReferenceKind.CATEGORIES: (
        Column("code", "the category, S and digits; other levels of the taxonomy may have other letters", "S001", True),
        Column("label", "its name in French", "Luminaires", required=True),
        Column("leaf", "yes where items may stand in it", "yes", required=True),
        Column("required", "the codes of the attributes that it asks for, separated by spaces", "A0100 A0200"),
        Column("declines", "the codes of those in which its variants differ: colour, size", "A0485 A1303"),
    ),
    ReferenceKind.ATTRIBUTES: (
        Column("code", "the attribute, A and digits", "A0485", required=True),
        Column("label", "its name in French", "Couleur", required=True),
        Column("value", "one of its values, V and digits, one a row; empty where it takes any", "V0001"),
        Column("value_label", "the value in French", "Rouge"),
    ),
    ReferenceKind.BRANDS: (
        Column("code", "the brand, B and digits", "B2041", required=True),
        Column("label", "its name", "Maison Exemple", required=True),
    ),
    ReferenceKind.SALES: (
        Column("code", "what the column sale of promotions calls it", "HIVER-2027", required=True),
        Column("label", "its name", "Soldes d'hiver 2027", required=True),
        Column("start", "its first instant, as UNIX timestamp or ISO 8601 (account's time zone)", _START, True),
        Column("end", "the first instant after it, in the same form", "2027-02-03T00:00", required=True),
        Column("deadline", "by when La Redoute wants to know what takes part; empty for none", "2026-12-14T23:59"),
    ),
}

_FORMS = {
    ReferenceKind.CATEGORIES: (re.compile(r"[A-Z]+[0-9]+"), "capital letters and digits, like S001"),
    ReferenceKind.ATTRIBUTES: (re.compile(r"A[0-9]+"), "A and digits, like A0485"),
    ReferenceKind.BRANDS: (re.compile(r"B[0-9]+"), "B and digits, like B2041"),
    ReferenceKind.SALES: (re.compile(r"[A-Z0-9][A-Z0-9_-]{0,29}"), "up to 30 capital letters, digits and hyphens"),
}
_ATTRIBUTE = _FORMS[ReferenceKind.ATTRIBUTES]
_VALUE = (re.compile(r"V[0-9]+"), "V and digits, like V0001")


@dataclass(slots=True)
class ReferenceReport:
    """What an import of codes did: rows read, what is wrong with them, and the listings judged anew when none was.

    Of the faults, the first 10,000 are told; `refused` counts the rows of all.
    """

    account: str
    kind: ReferenceKind
    rows: int = 0
    refused: int = 0
    ignored_columns: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    listings: Rejudged | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {"version": 1, **asdict(self)}


async def import_reference(
    store: Store, account: AccountSettings, kind: ReferenceKind, file: BinaryIO, at: datetime
) -> ReferenceReport:
    """Take a list of codes over and judge every listing by it; with one bad row, nothing is taken over.

    Raises Unreadable when the file is no such table or has no row, NotAllowed when the marketplace takes no items.
    """
    limits_of(account)
    codes, report = await to_thread.run_sync(_read, account, kind, file)
    if report.faults:
        return report
    if not codes:
        raise Unreadable(f"the file has no {kind}, and the list that is there would be lost; nothing was changed")
    await store.reference.replace(AccountName(account.name), kind, codes, at)
    if kind is not ReferenceKind.SALES:
        report.listings = await rejudge(store, account, at)
    return report


def _read(account: AccountSettings, kind: ReferenceKind, file: BinaryIO) -> tuple[list[Any], ReferenceReport]:
    columns = REFERENCE_COLUMNS[kind]
    required = [column.name for column in columns if column.required]
    codes, seen = [], dict[tuple[str, str], int]()
    with open_table(file, [column.name for column in columns], required) as table:
        report = ReferenceReport(account.name, kind, ignored_columns=table.ignored)
        for row in table:
            report.rows += 1
            sale = _sale(row, account.zone) if isinstance(row, Row) and kind is ReferenceKind.SALES else None
            faults = [row.fault] if isinstance(row, BrokenRow) else _faults(kind, row, seen)
            faults += sale if isinstance(sale, list) else []
            report.refused += bool(faults)
            report.faults += faults[: MOST_TOLD - len(report.faults)]
            if isinstance(row, Row) and not faults:
                codes.append(sale or _CODE[kind](row))
    return codes, report


def _faults(kind: ReferenceKind, row: Row, seen: dict[tuple[str, str], int]) -> list[Fault]:
    cells = row.cells
    key = (cells["code"], cells.get("value", ""))
    found = _of_form(row, "code", [cells["code"]], _FORMS[kind])
    if not cells["label"]:
        found.append(Fault(row.line, "the label is missing", "write the name that people read", "label"))
    if kind is ReferenceKind.CATEGORIES:
        if cells["leaf"].casefold() not in _YES | _NO:
            found.append(Fault(row.line, "this is neither yes nor no", "write yes or no", "leaf", cells["leaf"]))
        for column in ("required", "declines"):
            found += _of_form(row, column, _split(cells.get(column, "")), _ATTRIBUTE)
    if kind is ReferenceKind.ATTRIBUTES and key[1]:
        found += _of_form(row, "value", [key[1]], _VALUE)
    if not found and (line := seen.setdefault(key, row.line)) != row.line:
        told = " ".join(filter(None, key))
        found.append(Fault(row.line, f"{told} is on line {line} already", "keep one of the two rows", "code", key[0]))
    return found


def _of_form(row: Row, column: str, codes: list[str], form: tuple[re.Pattern[str], str]) -> list[Fault]:
    pattern, words = form
    return [
        Fault(row.line, "this is no such code", f"write {words}", column, code[:200])
        for code in codes
        if not pattern.fullmatch(code)
    ]


def _split(cell: str) -> list[str]:
    return list(filter(None, _CODES.split(cell)))


def _category(row: Row) -> Category:
    cells = row.cells
    required, declines = (tuple(_split(cells.get(column, ""))) for column in ("required", "declines"))
    return Category(cells["code"], cells["label"], cells["leaf"].casefold() in _YES, required, declines)


def _attribute(row: Row) -> AttributeValue:
    cells = row.cells
    return AttributeValue(cells["code"], cells["label"], cells.get("value", ""), cells.get("value_label", ""))


def _brand(row: Row) -> Brand:
    return Brand(row.cells["code"], row.cells["label"])


def _sale(row: Row, zone: ZoneInfo) -> Sale | list[Fault]:
    """A sale, or what is wrong with its instants."""
    start, end = (_instant(row, column, zone) for column in ("start", "end"))
    deadline = _instant(row, "deadline", zone) if row.cells.get("deadline") else None
    faults = [each for each in (start, end, deadline) if isinstance(each, Fault)]
    if isinstance(start, datetime) and isinstance(end, datetime) and (fault := window_fault(start, end)):
        faults.append(Fault(row.line, fault, "write the first instant after the sale", "end", row.cells["end"]))
    if isinstance(start, Fault) or isinstance(end, Fault) or isinstance(deadline, Fault) or faults:
        return faults
    return Sale(row.cells["code"], row.cells["label"], start, end, deadline)


def _instant(row: Row, column: str, zone: ZoneInfo) -> datetime | Fault:
    try:
        return instant(row.cells[column], zone)
    except WrongCell as wrong:
        return Fault(row.line, wrong.problem, wrong.fix, column, row.cells[column][:200])


_CODE: Mapping[ReferenceKind, Callable[[Row], Category | AttributeValue | Brand]] = {
    ReferenceKind.CATEGORIES: _category,
    ReferenceKind.ATTRIBUTES: _attribute,
    ReferenceKind.BRANDS: _brand,
}
