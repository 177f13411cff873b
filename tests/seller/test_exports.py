"""Exports of orders as people and programs read them."""

import csv
import json
from collections.abc import AsyncIterator, Sequence
from io import StringIO
from typing import Any

import pytest

from daemon.seller.differences import decimal
from daemon.seller.exports import COLUMNS, ExportFormat, harmless, orders_as

CUSTOMER = {
    "name": "=cmd|'/c calc'!A1",
    "lines": ["Made Up Lane 5", "Floor 2"],
    "postcode": "01000",
    "city": "Nulle Part",
    "country": "FR",
    "phone": "+33 1 00 00 00 00",
    "email": "nobody@example.test",
    "instructions": "@home",
}
LINE = {
    "ref": "L1",
    "state": "to_ship",
    "quantity": 2,
    "shipped": 0,
    "cancelled": 0,
    "refunded": 0,
    "sku": None,
    "ean": "0712345678911",
    "channel_item_id": "",
    "title": "Lampe à poser, chêne",
    "price_minor": 4990,
    "currency": "EUR",
}
ORDER: dict[str, Any] = {
    "account": "redoute",
    "number": "O-1",
    "ordered_at": None,
    "received_at": "2026-03-02T12:00:00.000Z",
    "changed_at": "2026-03-02T12:00:00.000Z",
    "test": False,
    "incomplete": "",
    "shipping_method": "Standard",
    "payment_method": "",
    "shipping": CUSTOMER,
    "billing": None,
    "lines": [LINE, {**LINE, "ref": "L2"}],
}


async def pages(*orders: dict[str, Any]) -> AsyncIterator[Sequence[dict[str, Any]]]:
    for order in orders:
        yield [order]


async def text(form: ExportFormat, *orders: dict[str, Any]) -> str:
    return b"".join([piece async for piece in orders_as(form, pages(*orders))]).decode()


async def test_csv_has_a_row_for_each_line_and_no_formulas() -> None:  # S2
    written = await text(ExportFormat.CSV, ORDER)
    assert written.startswith("\ufeff")
    first, second = csv.DictReader(StringIO(written.removeprefix("\ufeff"), newline=""))
    assert (first["line"], second["line"]) == ("L1", "L2")
    assert (first["order"], first["unit_price"], first["ean"], first["sku"]) == ("O-1", "49.90", "0712345678911", "")
    assert first["shipping_postcode"] == "01000"
    assert first["shipping_lines"] == "Made Up Lane 5, Floor 2"
    assert first["shipping_name"] == "'=cmd|'/c calc'!A1"
    assert first["shipping_phone"] == "'+33 1 00 00 00 00"
    assert first["shipping_instructions"] == "'@home"
    assert {first[f"billing_{part}"] for part in CUSTOMER} == {""}


async def test_json_is_the_orders_as_they_are() -> None:  # S2
    assert json.loads(await text(ExportFormat.JSON, ORDER, ORDER)) == {"version": 1, "orders": [ORDER, ORDER]}
    assert json.loads(await text(ExportFormat.JSON)) == {"version": 1, "orders": []}


async def test_no_orders_leave_the_header() -> None:
    assert (await text(ExportFormat.CSV)).removeprefix("\ufeff").strip().split(",") == list(COLUMNS)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_every_start_of_a_formula_is_disarmed(start: str) -> None:  # S2
    assert harmless(f"{start}1") == f"'{start}1"
    assert harmless(f"1{start}") == f"1{start}"


def test_minor_units_as_decimals() -> None:
    assert [decimal(minor) for minor in (None, 0, 5, 4990)] == ["", "0.00", "0.05", "49.90"]
