"""Orders and listings on their way out to the seller: CSV and XLSX for spreadsheets, JSON for programs (guide S2).

They go page by page, so that memory does not grow with them.
"""

import csv
import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from typing import Any

from daemon.seller.columns import COLUMNS as IMPORT_COLUMNS
from daemon.seller.columns import ImportKind
from daemon.seller.differences import decimal, fields
from daemon.seller.rows import FORMULA
from daemon.seller.spreadsheets import XLSX, Cell, spreadsheet_blocks
from daemon.store.snapshots import Snapshot

Order = dict[str, Any]

_CUSTOMER = ("name", "lines", "postcode", "city", "country", "phone", "email", "instructions")

#: One row an order line; the columns of an order are the same in all its rows.
COLUMNS = (
    *("account", "order", "ordered_at", "received_at", "changed_at", "test", "incomplete"),
    *("line", "state", "quantity", "shipped", "cancelled", "refunded", "sku", "ean", "channel_item_id", "title"),
    *("unit_price", "currency"),
    *("shipping_method", "payment_method"),
    *(f"shipping_{part}" for part in _CUSTOMER),
    *(f"billing_{part}" for part in _CUSTOMER),
)

_GIVEN = tuple(column.name for column in IMPORT_COLUMNS[ImportKind.LISTINGS])

#: One row a listing: what the import files bring, by the same names, and how far it is at the marketplace.
LISTING_COLUMNS = (
    *(*_GIVEN, "stock", "price", "rrp"),
    *("channel_status", "item_state", "stock_state", "price_state", "end_state"),
)

#: the columns whose cells are numbers for a spreadsheet; everything else is text, EANs and postcodes above all
_NUMBERS = frozenset({"quantity", "shipped", "cancelled", "refunded", "stock", "handling_days"})
_NUMBERS_OF_KNOBS = frozenset({"safety_stock", "stock_percentage", "stock_cap", "stock_threshold"})
_AMOUNTS = frozenset({"unit_price", "price", "rrp"})


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


#: the media type of each
MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.XLSX: XLSX,
}


def orders_as(form: ExportFormat, pages: AsyncIterator[Sequence[Order]]) -> AsyncIterator[bytes]:
    """An export in pieces; `pages` are those of `Views.export_orders`."""
    if form is ExportFormat.JSON:
        return _json("orders", pages)
    return _table(form, "orders", COLUMNS, _order_rows(pages))


def listings_as(form: ExportFormat, pages: AsyncIterator[Sequence[Snapshot]]) -> AsyncIterator[bytes]:
    """An export in pieces; what is mended in it can be imported again."""
    rows = _listing_rows(pages)
    if form is ExportFormat.JSON:
        return _json("listings", _as_objects(rows))
    return _table(form, "listings", LISTING_COLUMNS, rows)


def harmless(text: str) -> str:
    """A cell that a spreadsheet takes for a text: what it would take for a formula gets a ' before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


async def _table(
    form: ExportFormat, title: str, columns: Sequence[str], pages: AsyncIterator[list[list[str]]]
) -> AsyncIterator[bytes]:
    if form is ExportFormat.XLSX:
        async for block in spreadsheet_blocks(title, columns, _typed(columns, pages)):
            yield block
        return
    # The mark at the start tells spreadsheets that it is UTF-8.
    yield b"\xef\xbb\xbf" + _rows([columns])
    async for page in pages:
        yield _rows([[harmless(cell) for cell in row] for row in page])


async def _typed(columns: Sequence[str], pages: AsyncIterator[list[list[str]]]) -> AsyncIterator[list[list[Cell]]]:
    async for page in pages:
        yield [[_cell(column, cell) for column, cell in zip(columns, row, strict=True)] for row in page]


def _cell(column: str, text: str) -> Cell:
    if text and column in _NUMBERS | _NUMBERS_OF_KNOBS:
        return int(text)
    return Decimal(text) if text and column in _AMOUNTS else text


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _listing_rows(pages: AsyncIterator[Sequence[Snapshot]]) -> AsyncIterator[list[list[str]]]:
    async for page in pages:
        yield [_listing(listing) for listing in page]


def _listing(listing: Snapshot) -> list[str]:
    told = {
        "sku": listing.sku,
        **fields(listing),
        "channel_status": listing.channel_status,
        **{f"{part}_state": state for part, state in listing.states.items()},
    }
    return [told.get(column, "") for column in LISTING_COLUMNS]


async def _as_objects(pages: AsyncIterator[list[list[str]]]) -> AsyncIterator[list[dict[str, str]]]:
    async for page in pages:
        yield [dict(zip(LISTING_COLUMNS, row, strict=True)) for row in page]


async def _order_rows(pages: AsyncIterator[Sequence[Order]]) -> AsyncIterator[list[list[str]]]:
    async for page in pages:
        yield [_cells(order, line) for order in page for line in order["lines"]]


def _cells(order: Order, line: Order) -> list[str]:
    values = [
        *(order["account"], order["number"], order["ordered_at"], order["received_at"], order["changed_at"]),
        *("yes" if order["test"] else "no", order["incomplete"]),
        *(line[name] for name in ("ref", "state", "quantity", "shipped", "cancelled", "refunded")),
        *(line[name] for name in ("sku", "ean", "channel_item_id", "title")),
        *(decimal(line["price_minor"]), line["currency"], order["shipping_method"], order["payment_method"]),
        *_customer(order["shipping"]),
        *_customer(order["billing"]),
    ]
    return ["" if value is None else str(value) for value in values]


def _customer(customer: Order | None) -> list[str]:
    if customer is None:
        return [""] * len(_CUSTOMER)
    return [", ".join(value) if isinstance(value := customer[part], list) else value for part in _CUSTOMER]


async def _json(name: str, pages: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[bytes]:
    yield f'{{"version": 1, "{name}": ['.encode()
    before = "\n"
    async for page in pages:
        for each in page:
            yield (before + json.dumps(each, ensure_ascii=False)).encode()
            before = ",\n"
    yield b"\n]}\n"
