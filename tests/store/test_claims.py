"""Claims in the store: what is forgotten of them, and when."""

from datetime import timedelta
from typing import Any

from daemon.model import (
    CancellationRequest,
    ClaimLine,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.store.claims import Claims
from daemon.store.database import Database
from daemon.store.orders import Orders
from tests.store.conftest import LEWIS, NOON

NUMBER = OrderNumber("Y100000001")
DAY = timedelta(days=1)


async def asked(database: Database, order: OrderNumber) -> None:
    lines = (ClaimLine("1", 1, "12345678", reason="A. Nobody moved house"),)
    request = CancellationRequest(order, lines, reason="A. Nobody moved house", extra={"note": "Made Up Lane 5"})
    file = RemoteFile("/live/incoming", f"cancel-{order}.txt", 1, NOON)
    await Claims(database).keep(LEWIS, [Delivery(file, order.encode(), (request,))], NOON, answer_within=DAY)


async def words(database: Database) -> list[tuple[Any, ...]]:
    return await database.read(
        lambda db: [
            tuple(row)
            for row in db.execute(
                "SELECT c.number, c.reason, c.extra, l.reason, l.quantity FROM claims c"
                " JOIN claim_lines l ON l.claim = c.id ORDER BY c.id"
            ).fetchall()
        ]
    )


async def test_what_a_request_says_in_words_is_forgotten_with_its_customer(database: Database) -> None:  # D12 J12
    order = Order(NUMBER, (OrderLine("1", 1, LineState.SHIPPED),))
    file = RemoteFile("/live/incoming", "order-1.txt", 1, NOON)
    await Orders(database).keep(LEWIS, [Delivery(file, b"1", (order,))], NOON)
    for number in (NUMBER, OrderNumber("Y-NEVER-CAME")):
        await asked(database, number)
    await Orders(database).erase_customers(LEWIS, NOON)
    assert all("Nobody" in reason for _, reason, _, _, _ in await words(database))
    await Orders(database).erase_customers(LEWIS, NOON + DAY)
    assert await words(database) == [(NUMBER, "", "{}", "", 1), ("Y-NEVER-CAME", "", "{}", "", 1)]


async def test_a_request_about_an_order_whose_customer_is_gone_is_forgotten_in_its_turn(
    database: Database,
) -> None:  # D12 J12
    order = Order(NUMBER, (OrderLine("1", 1, LineState.SHIPPED),))
    file = RemoteFile("/live/incoming", "order-1.txt", 1, NOON - 9 * DAY)
    await Orders(database).keep(LEWIS, [Delivery(file, b"1", (order,))], NOON - 9 * DAY)
    assert await Orders(database).erase_customers(LEWIS, NOON - 8 * DAY) == 1
    await asked(database, NUMBER)
    await Orders(database).erase_customers(LEWIS, NOON)
    assert "Nobody" in (await words(database))[0][1]
    await Orders(database).erase_customers(LEWIS, NOON + DAY)
    assert await words(database) == [(NUMBER, "", "{}", "", 1)]
