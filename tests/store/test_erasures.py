"""A customer who asks to be forgotten is: in rows, in kept bytes, in the log, and when he is handed out again."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import NotAllowed, Unreadable
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
from daemon.store import Store, open_store
from daemon.store.erasures import Erasure
from tests.store.conftest import NOON, REDOUTE

DAY = timedelta(days=1)
SECRET, OTHER = "Made Up Lane 5", "Invented Street 9"


def order(number: str, state: LineState = LineState.SHIPPED, lane: str = SECRET) -> Order:
    return Order(
        OrderNumber(number),
        (OrderLine("L1", 1, state, title="Lampe", extra={"gift_message": lane}),),
        ordered_at=NOON,
        shipping=Customer(name="A. Nobody", lines=(lane,), postcode="01000"),
        extra={"Phone": lane},
    )


def reply(name: str, *orders: Order) -> Delivery[Order]:
    content = "".join(f"<Order id='{each.number}'>{json.dumps(dict(each.extra))}</Order>" for each in orders)
    return Delivery(RemoteFile("reply", name, len(content)), content.encode(), orders)


async def prepared(path: Path) -> None:
    async with open_store(path) as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        await store.orders.keep(REDOUTE, [reply("one", order("O-1"), order("O-2", lane=OTHER))], NOON)
        await store.orders.keep(REDOUTE, [reply("two", order("O-2", lane=OTHER))], NOON)


async def test_nothing_of_the_customer_is_left_and_the_figures_are(tmp_path: Path) -> None:  # D12
    path = tmp_path / "sellerd.db"
    await prepared(path)
    async with open_store(path) as store:
        await store.database.checkpoint()
        assert SECRET.encode() in path.read_bytes()

        erased = await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked on 2 March", NOON)

        assert erased == Erasure(customer=True, payloads=1)
        # In the file and in its log.
        assert SECRET.encode() not in path.read_bytes()
        assert SECRET.encode() not in path.with_name("sellerd.db-wal").read_bytes()
        view = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=True)
        assert view is not None
        assert (view["shipping"], view["extra"], view["lines"][0]["extra"]) == (None, {}, {})
        assert (view["lines"][0]["title"], view["lines"][0]["state"]) == ("Lampe", "shipped")
        assert view["erased"] == {"at": "2026-03-02T12:00:00.000Z", "reason": "asked on 2 March"}
        assert view["timeline"][-1]["what"] == "customer erased"
        # The other customer keeps his order; bytes that held both are gone, and known by their hash.
        other = await store.views.order(REDOUTE, OrderNumber("O-2"), personal=True)
        assert OTHER in json.dumps(other)
        assert await kept_bytes(store) == [2]


async def kept_bytes(store: Store) -> list[int]:
    rows = await store.database.read(
        lambda db: db.execute("SELECT DISTINCT payload FROM payload_chunks ORDER BY payload").fetchall()
    )
    return [row["payload"] for row in rows]


async def test_what_is_handed_out_again_is_dropped_again(tmp_path: Path) -> None:  # D12
    path = tmp_path / "sellerd.db"
    await prepared(path)
    async with open_store(path) as store:
        await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON)
        await store.orders.keep(REDOUTE, [reply("three", order("O-1"))], NOON + DAY)
        # The very bytes that were dropped come once more, too.
        await store.orders.keep(REDOUTE, [reply("one", order("O-1"), order("O-2", lane=OTHER))], NOON + DAY)
        assert await kept_bytes(store) == [1, 2, 3]

        assert await store.erasures.repeat(REDOUTE, NOON - DAY, NOON + 2 * DAY) == 2
        assert await store.erasures.repeat(REDOUTE, NOON - DAY, NOON + 3 * DAY) == 0
        assert await store.erasures.repeat(REDOUTE, NOON + DAY, NOON + 3 * DAY) == 0

        assert await kept_bytes(store) == [2]
        view = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=True)
        assert view is not None
        assert view["shipping"] is None


async def test_a_number_across_the_edge_of_two_chunks_is_found(tmp_path: Path) -> None:  # D12
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        for before in range(262_144 - 12, 262_144 + 2):
            content = b"x" * before + b"ORDER-4711" + b"y" * before
            delivery = Delivery(RemoteFile("reply", str(before), len(content)), content, (order("ORDER-4711"),))
            await store.orders.keep(REDOUTE, [delivery], NOON)
        assert (await store.erasures.erase(REDOUTE, OrderNumber("ORDER-4711"), "asked", NOON)).payloads == 14


async def test_an_open_order_keeps_its_customer_unless_it_is_said(tmp_path: Path) -> None:  # D12
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        await store.orders.keep(REDOUTE, [reply("one", order("O-1", LineState.TO_SHIP))], NOON)
        with pytest.raises(NotAllowed, match="its line L1 is to_ship"):
            await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON)
        with pytest.raises(NotAllowed, match="no order O-9"):
            await store.erasures.erase(REDOUTE, OrderNumber("O-9"), "asked", NOON)
        erased = await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON, although_open=True)
        assert erased.customer


async def test_what_a_reason_quotes_is_forgotten_too(tmp_path: Path) -> None:  # D12
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        await store.orders.keep(REDOUTE, [reply("one", order("O-1"))], NOON)
        for name in ("two", "three"):
            said = Unreadable(f'line 4, quantity: a number was expected, "{SECRET}" read')
            content = f"O-1 {name} {SECRET}".encode()
            await store.orders.keep(REDOUTE, [Delivery[Order](RemoteFile("in", name, 1), content, said)], NOON)
        assert SECRET not in json.dumps(await store.views.deliveries(REDOUTE))

        await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON)

        sql = "SELECT reason FROM deliveries WHERE state = 'set_aside'"
        rows = await store.database.read(lambda db: db.execute(sql).fetchall())
        assert {row["reason"] for row in rows} == {'line 4, quantity: a number was expected, "…" read'}


async def test_quotes_end_with_the_retention_of_personal_data(tmp_path: Path) -> None:  # D12
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        said = Unreadable(f"line 4: OrderDate '{SECRET}' is no time")
        await store.orders.keep(REDOUTE, [Delivery[Order](RemoteFile("in", "one", 1), b"x", said)], NOON)
        assert await store.erasures.forget_quotes(REDOUTE, NOON) == 0
        assert await store.erasures.forget_quotes(REDOUTE, NOON + DAY) == 1
        assert await store.erasures.forget_quotes(REDOUTE, NOON + DAY) == 0


async def test_who_was_erased_is_not_brought_back_by_a_corrected_file(tmp_path: Path) -> None:  # D12 J6
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        bad = replace(order("O-1", LineState.NEW), incomplete="a line is missing")
        await store.orders.keep(REDOUTE, [reply("one", bad)], NOON)
        await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON, although_open=True)
        await store.orders.keep(REDOUTE, [reply("two", order("O-1", LineState.NEW))], NOON + DAY)
        view = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=True)
        assert view is not None
        assert (view["incomplete"], view["lines"][0]["title"]) == ("", "Lampe")
        assert SECRET not in json.dumps(view)


async def test_a_request_that_comes_after_the_erasure_keeps_no_words(tmp_path: Path) -> None:  # D12 J12
    path = tmp_path / "sellerd.db"
    await prepared(path)
    async with open_store(path) as store:
        await store.erasures.erase(REDOUTE, OrderNumber("O-1"), "asked", NOON)
        request = CancellationRequest(
            OrderNumber("O-1"), (ClaimLine("L1", 1, reason=SECRET),), SECRET, extra={"x": SECRET}
        )
        file = RemoteFile("/live/incoming", "cancel-1.txt", 1, NOON)
        await store.claims.keep(REDOUTE, [Delivery(file, b"O-1", (request,))], NOON + DAY)
        await store.erasures.repeat(REDOUTE, NOON - DAY, NOON + 2 * DAY)
        claims = await store.views.claims(REDOUTE)
        assert (claims[0]["reason"], claims[0]["lines"][0]["reason"]) == ("", "")
        assert SECRET not in json.dumps(await store.views.claim(REDOUTE, claims[0]["id"], personal=True))
