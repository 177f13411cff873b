"""Orders on their way out to the seller, as CSV for spreadsheets and as JSON, page by page (guide S2)."""

import csv
import json
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from io import StringIO
from typing import Any

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

#: the signs with which a formula begins, the wide ones of East Asian spreadsheets among them
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"


def orders_as(form: ExportFormat, pages: AsyncIterator[Sequence[Order]]) -> AsyncIterator[str]:
    """The text of an export in pieces; `pages` are those of `Views.export_orders`."""
    return _csv(pages) if form is ExportFormat.CSV else _json(pages)


def harmless(text: str) -> str:
    """A cell that a spreadsheet takes for a text: what it would take for a formula gets a ' before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def decimal(minor: int | None) -> str:
    """Minor units as a decimal text, empty for none: 4990 is 49.90."""
    return "" if minor is None else f"{minor // 100}.{minor % 100:02d}"


async def _csv(pages: AsyncIterator[Sequence[Order]]) -> AsyncIterator[str]:
    # The mark at the start tells spreadsheets that it is UTF-8.
    yield "\ufeff" + _rows([COLUMNS])
    async for page in pages:
        yield _rows([_cells(order, line) for order in page for line in order["lines"]])


def _rows(rows: Sequence[Sequence[str]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


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
    return [harmless("" if value is None else str(value)) for value in values]


def _customer(customer: Order | None) -> list[str]:
    if customer is None:
        return [""] * len(_CUSTOMER)
    return [", ".join(value) if isinstance(value := customer[part], list) else value for part in _CUSTOMER]


async def _json(pages: AsyncIterator[Sequence[Order]]) -> AsyncIterator[str]:
    yield '{"version": 1, "orders": ['
    before = "\n"
    async for page in pages:
        for order in page:
            yield before + json.dumps(order, ensure_ascii=False)
            before = ",\n"
    yield "\n]}\n"
