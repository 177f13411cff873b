"""Many orders kept at once: the same as one after the other, by few statements however many they are."""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import StoreError, Unreadable
from daemon.model import (
    CancellationRequest,
    ClaimLine,
    Customer,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.store.claims import Claims
from daemon.store.database import Database, open_database
from daemon.store.orders import Orders
from tests.store.conftest import LEWIS, NOON

TABLES = {
    "deliveries": "SELECT name, size, state, reason, confirmed_at FROM deliveries ORDER BY name, payload",
    "orders": "SELECT number, ordered_at, incomplete, extra FROM orders ORDER BY number",
    "customers": 'SELECT o.number, c.shipping FROM customers c JOIN orders o ON o.id = c."order" ORDER BY 1',
    "lines": (
        "SELECT o.number, l.ref, l.position, l.quantity, l.state, l.since, l.channel_item_id, l.ean, x.sku"
        ' FROM order_lines l JOIN orders o ON o.id = l."order" LEFT JOIN listings x ON x.id = l.listing ORDER BY 1, 3'
    ),
    "errors": (
        "SELECT o.number, e.line, e.kind, e.severity, e.text, e.mended_at IS NULL FROM order_errors e"
        ' JOIN orders o ON o.id = e."order" ORDER BY 1, 3, 2, 5'
    ),
    "events": (
        'SELECT o.number, e.what, e."from", e."to", e.why FROM events e JOIN orders o ON o.id = e.subject_id'
        " WHERE e.subject = 'order' ORDER BY o.number, e.id"
    ),
    "claims": 'SELECT c.number, c.state, o.number FROM claims c LEFT JOIN orders o ON o.id = c."order" ORDER BY c.id',
    "bytes": "SELECT p.sha256, p.size, count(c.payload) FROM payloads p"
    " LEFT JOIN payload_chunks c ON c.payload = p.id GROUP BY p.id ORDER BY 1",
}


def an_order(number: str, *articles: str, quantity: int = 1, incomplete: str = "") -> Order:
    lines = [OrderLine(str(place), quantity, LineState.NEW, channel_item_id=it) for place, it in enumerate(articles)]
    named = Customer(name="Test Recipient", lines=("1 Test St",))
    return Order(OrderNumber(number), tuple(lines), NOON, named, incomplete=incomplete, sent_once=True)


def a_file(name: str, *orders: Order | Unreadable, content: bytes = b"") -> Delivery[Order]:
    return Delivery(RemoteFile("/in", name, 3, NOON), content or name.encode(), orders)


BY_EAN = Order(OrderNumber("E1"), (OrderLine("1", 1, LineState.NEW, channel_item_id="none", ean="3701234567890"),))
DELIVERIES = [
    a_file("a", an_order("A1", "10000001", "10000002")),
    a_file("b", an_order("B1", "former"), an_order("B2", "unknown", "10000001")),
    a_file("c", an_order("A1", "10000001", "10000002", quantity=7)),
    a_file("d", Unreadable("line 3: torn"), an_order("D1", "10000002")),
    a_file("e", BY_EAN),
    a_file("f", an_order("F1", "10000001", incomplete="4 lines were expected, 3 were read")),
    a_file("f", an_order("F1", "10000001", "10000002"), content=b"whole"),
    a_file("g", an_order("G1", "10000001"), an_order("G1", "10000001")),
    a_file("a", an_order("H1", "10000001"), content=b"another"),
    a_file("i", an_order("I1", "10000001"), content=b"a"),
    Delivery(RemoteFile("/in", "j", 3, NOON), b"j", Unreadable("no order")),
]
NEVER = a_file("n", an_order("N1", "10000001", quantity=10**20))


async def prepared(database: Database) -> None:
    def fill(db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT INTO listings (id, account, sku, ean, channel_item_id, created_at, changed_at)"
            " VALUES (?, ?, ?, ?, ?, 0, 0)",
            [
                (1, LEWIS, "SKU-1", "", "10000001"),
                (2, LEWIS, "SKU-2", "", "10000002"),
                (3, LEWIS, "SKU-2-AGAIN", "", "10000002"),
                (4, LEWIS, "SKU-4", "3701234567890", ""),
            ],
        )
        db.execute(
            "INSERT INTO former_numbers (account, listing, channel_item_id, until) VALUES (?, 1, 'former', 9)", (LEWIS,)
        )

    await database.write(fill)
    request = CancellationRequest(OrderNumber("A1"), (ClaimLine("0", 1, "10000001"),))
    await Claims(database).keep(LEWIS, [Delivery(RemoteFile("/in", "cancel-1", 1, NOON), b"c", (request,))], NOON)


async def kept(path: Path, batches: Sequence[Sequence[Delivery[Order]]]) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables say after these were kept, a batch after the other."""
    async with open_database(path) as database:
        await database.write(
            lambda db: (
                db.execute(
                    "INSERT INTO accounts (name, marketplace, fingerprint) VALUES (?, 'x', 'f')", (LEWIS,)
                ).rowcount
            )
        )
        await prepared(database)
        for batch in batches:
            await Orders(database).keep(LEWIS, batch, NOON)
        return {
            table: [tuple(row) for row in await database.read(lambda db, sql=sql: db.execute(sql).fetchall())]  # type: ignore[misc]
            for table, sql in TABLES.items()
        }


async def test_a_batch_is_the_same_as_one_after_the_other(tmp_path: Path) -> None:  # D9 J14
    deliveries = [*DELIVERIES, NEVER]
    at_once = await kept(tmp_path / "at_once.db", [deliveries])
    singly = await kept(tmp_path / "singly.db", [[delivery] for delivery in deliveries])
    without = await kept(tmp_path / "without.db", [DELIVERIES])
    assert at_once == singly
    assert [row[0] for row in without["orders"]] == [row[0] for row in at_once["orders"]]
    assert [row[0] for row in at_once["orders"]] == ["A1", "B1", "B2", "D1", "E1", "F1", "G1", "I1"]
    assert [(row[0], row[1], row[8]) for row in at_once["lines"]] == [
        *[("A1", "0", "SKU-1"), ("A1", "1", "SKU-2"), ("B1", "0", "SKU-1"), ("B2", "0", None), ("B2", "1", "SKU-1")],
        *[("D1", "0", "SKU-2"), ("E1", "1", "SKU-4"), ("F1", "0", "SKU-1"), ("F1", "1", "SKU-2")],
        *[("G1", "0", "SKU-1"), ("I1", "0", "SKU-1")],
    ]
    assert at_once["claims"] == [("A1", "open", "A1")]


async def test_whatever_order_they_come_in_a_batch_is_the_same_as_one_after_the_other(tmp_path: Path) -> None:  # D9
    some = [DELIVERIES[0], DELIVERIES[2], DELIVERIES[8]]
    for number, order in enumerate(permutations(some)):
        at_once = await kept(tmp_path / f"at_once-{number}.db", [order])
        assert at_once == await kept(tmp_path / f"singly-{number}.db", [[delivery] for delivery in order])


async def statements(database: Database, deliveries: Sequence[Delivery[Order]]) -> int:
    """How many statements SQLite runs to keep these; one that is run for each of some rows counts as often."""
    ran: list[str] = []
    await database.write(lambda db: db.set_trace_callback(ran.append))
    await Orders(database).keep(LEWIS, deliveries, NOON + timedelta(days=1))
    await database.write(lambda db: db.set_trace_callback(None))
    return len(ran)


def numbered(first: int, count: int, articles: Sequence[str]) -> list[Delivery[Order]]:
    return [a_file(f"x{number}", an_order(f"X{number}", *articles)) for number in range(first, first + count)]


async def test_two_hundred_new_orders_cost_a_statement_for_each_two_hundred_rows(database: Database) -> None:  # D9
    await prepared(database)
    articles = [str(10_000_001 + place % 2) for place in range(10)]
    few = await statements(database, numbered(0, 200, articles))
    many = await statements(database, numbered(200, 400, articles))
    # Bytes and their name, delivery, order, customer, what happened, and ten lines.
    assert many - few == 6 + 10
    assert few < 6 + 10 + 40


async def test_a_few_new_orders_cost_a_statement_for_each_row_and_no_other(database: Database) -> None:  # D9
    await prepared(database)
    few = await statements(database, numbered(0, 1, ["10000001"]))
    many = await statements(database, numbered(1, 11, ["10000001"]))
    assert many - few == 10 * (6 + 1)


async def test_articles_without_a_listing_cost_what_is_told_of_them_and_no_more(database: Database) -> None:  # J5
    unknown = [str(number) for number in range(10)]
    few = await statements(database, numbered(0, 200, unknown))
    many = await statements(database, numbered(200, 400, unknown))
    # What is wrong with each line, and that it was told.
    assert many - few == 6 + 10 + 2 * 10


async def test_a_full_disk_is_told_as_one(database: Database) -> None:
    files = [a_file(f"x{number}", an_order(f"X{number}", "1", "2", "3")) for number in range(500)]
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StoreError, match="disk is full"):
        await Orders(database).keep(LEWIS, files, NOON)
    assert "disk is full" in database.fault
