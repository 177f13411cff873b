"""What nobody foresaw is the doing of one thing that came in: that is set aside, and all else goes on (P12, D9).

Nothing of the daemon is replaced: a marketplace gives what no reader of ours gives, or reads by a time zone of its own.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from daemon.errors import StoreError, Unforeseen
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.marketplaces import Inbox
from daemon.marketplaces.edge.marketplace import Edge
from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.marketplaces.sellr.marketplace import Sellr
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.model import (
    AccountName,
    AnswerLine,
    CancellationRequest,
    Delivery,
    Order,
    OrderNumber,
    RemoteFile,
    Sku,
    UpdateAnswer,
)
from daemon.store.deliveries import DeliveryId, Kept
from daemon.store.orders import Orders
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene

#: half of a character: no file that can be decoded holds it, and the database cannot keep it
HALF = "\ud83d"
#: a day on which the zone below knows no time, and one on which it does
ODD_DAY, DAY = "2026-03-01", "2026-03-02"
RUG, RUG_NUMBER = Sku("RUG-1"), "87654321"


class OddZone(ZoneInfo):
    """A time zone that fails for one day."""

    def utcoffset(self, at: datetime | None, /) -> timedelta | None:
        if at is not None and at.date().isoformat() == ODD_DAY:
            raise LookupError("Ms Nobody, 1 Nowhere Road")
        return super().utcoffset(at)


class OddEdgeSettings(EdgeSettings):
    @property
    def zone(self) -> ZoneInfo:
        return OddZone(self.time_zone)


class OddSellrSettings(SellrSettings):
    @property
    def zone(self) -> ZoneInfo:
        return OddZone(self.time_zone)


class OddEdge(Edge):
    """A way into John Lewis that gives things which the store cannot keep, and reads some reports to no end."""

    odd = ""

    async def orders(self, inbox: Inbox, since: datetime, now: datetime) -> AsyncGenerator[Delivery[Order], None]:
        async with aclosing(super().orders(inbox, since, now)) as found:
            async for each in found:
                (order,) = each.body if isinstance(each.body, tuple) else ()
                assert isinstance(order, Order)
                shipping = replace(order.shipping, name=HALF) if order.number == self.odd else order.shipping
                yield replace(each, body=(replace(order, shipping=shipping),))

    async def claims(self, inbox: Inbox) -> AsyncGenerator[Delivery[CancellationRequest], None]:
        async with aclosing(super().claims(inbox)) as found:
            async for each in found:
                (request,) = each.body if isinstance(each.body, tuple) else ()
                assert isinstance(request, CancellationRequest)
                yield replace(each, body=(replace(request, reason=HALF),)) if request.order == self.odd else each

    async def update_answers(self, inbox: Inbox) -> AsyncGenerator[Delivery[UpdateAnswer], None]:
        async with aclosing(super().update_answers(inbox)) as found:
            async for each in found:
                (answer,) = each.body if isinstance(each.body, tuple) else ()
                assert isinstance(answer, UpdateAnswer)
                yield replace(each, body=(replace(answer, text=HALF),)) if answer.update_name == self.odd else each

    async def read_report(
        self, file: RemoteFile, chunks: AsyncIterator[bytes]
    ) -> AsyncGenerator[list[AnswerLine], None]:
        if file.name == self.odd:
            raise ZeroDivisionError
        async with aclosing(super().read_report(file, chunks)) as read:
            async for lines in read:
                yield [line._replace(text=HALF) if line.channel_item_id == self.odd else line for line in lines]


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        assert isinstance(each.account, EdgeSettings)
        each.marketplace = OddEdge(each.account)
        yield each
        await each.marketplace.aclose()


def finds_odd(each: Scene, what: str) -> None:
    assert isinstance(each.marketplace, OddEdge)
    each.marketplace.odd = what


async def aside(each: Scene) -> list[tuple[Any, ...]]:
    return await each.all("deliveries WHERE state = 'set_aside' ORDER BY id", "name", "reason")


async def test_an_order_that_the_store_stumbles_over_holds_up_no_other(lewis: Scene) -> None:  # D9 J5
    orders = [lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, units) for units in (1, 2, 3)]
    finds_odd(lewis, orders[1].number)
    with pytest.raises(Unforeseen, match=r"UnicodeEncodeError in daemon/store/\w+\.py, line \d+$"):
        await lewis.turn(download_orders, 10 * MINUTE)
    assert await lewis.all("orders ORDER BY id", "number") == [(orders[0].number,), (orders[2].number,)]
    ((name, reason),) = await aside(lewis)
    assert "a fault of sellerd's own, please report it: UnicodeEncodeError" in reason
    assert (lewis.sandbox.johnlewis.files / "live" / "incoming" / name).exists()
    # It is told once, and the marketplace hears of the others as if nothing had been.
    assert (await lewis.turn(download_orders, 20 * MINUTE)).note == ""
    assert (await lewis.turn(send_updates, 21 * MINUTE)).done == 2
    # A later sellerd copes with it: somebody asks for another try.
    finds_odd(lewis, "")
    ((number,),) = await lewis.all("deliveries WHERE state = 'set_aside'", "id")
    await lewis.store.deliveries.try_again(DeliveryId(number))
    assert (await lewis.turn(download_orders, 30 * MINUTE)).done == 1
    assert len(await lewis.all("orders", "number")) == 3


async def test_an_order_that_the_reader_stumbles_over_holds_up_no_other(tmp_path: Path) -> None:  # D9 J5
    async with scene(tmp_path, "edge") as lewis:
        incoming = lewis.sandbox.johnlewis.files / "live" / "incoming"
        for number, day in enumerate((ODD_DAY, DAY), 1):
            name = f"order-2024011510150000000{number}.txt"
            (incoming / name).write_text(
                f'"order_number","order_date"\n"Y10000000{number}","{day}T10:01:13"\n'
                f'"line_ref","part_number","quantity"\n"1","{STOCK_NUMBER}","2"\n"4"\n'
            )
            (incoming / f"{name}.DONE").touch()
        odd = Edge(OddEdgeSettings.model_construct(**dict(lewis.account)))
        await lewis.marketplace.aclose()
        lewis.marketplace = odd
        with pytest.raises(Unforeseen, match=r"LookupError in daemon/marketplaces/edge/orders\.py"):
            await lewis.turn(download_orders, HOUR)
        await odd.aclose()
        assert await lewis.all("orders", "number") == [("Y100000002",)]
        ((name, reason),) = await aside(lewis)
        assert name == "order-20240115101500000001.txt"
        # What was raised may quote a customer: its words are not told.
        assert "Nobody" not in reason


async def test_one_order_of_many_in_a_reply_holds_up_no_other(tmp_path: Path) -> None:  # D9 L12
    async with scene(tmp_path, "sellr") as redoute:
        far = redoute.sandbox.laredoute
        far.place_order([(EAN, 2)], "2000000001", placed_at=NOON - 24 * HOUR)
        far.place_order([(EAN, 1)], "2000000002", placed_at=NOON)
        odd = Sellr(OddSellrSettings.model_construct(**dict(redoute.account)))
        await redoute.marketplace.aclose()
        redoute.marketplace = odd
        with pytest.raises(Unforeseen, match=r"LookupError in daemon/marketplaces/sellr/"):
            await redoute.turn(download_orders, MINUTE)
        await odd.aclose()
        assert await redoute.all("orders", "number") == [("2000000002",)]
        assert [name for name, _ in await aside(redoute)] == ["RetrieveByStatus"]


async def test_a_request_to_cancel_holds_up_no_other(lewis: Scene) -> None:  # D9 J12
    far = lewis.sandbox.johnlewis
    orders = [far.place_order(STOCK_NUMBER, 2) for _ in range(3)]
    await lewis.turn(download_orders, 10 * MINUTE)
    for order in orders:
        far.request_cancellation(order.number, {"1": 1})
    finds_odd(lewis, orders[0].number)
    with pytest.raises(Unforeseen, match="UnicodeEncodeError"):
        await lewis.turn(read_claims, 20 * MINUTE)
    assert await lewis.all("claims ORDER BY id", "number") == [(orders[1].number,), (orders[2].number,)]
    assert len(await aside(lewis)) == 1


async def two_rejected(lewis: Scene) -> list[str]:
    """Two stock feeds that were sent one after the other, each with an error that lies there; the names of those."""
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.want(sku=RUG, ean="3701234567884", stock_number=RUG_NUMBER)
    await lewis.turn(send_offers, 2 * MINUTE)
    names = [f"{name}.err" for (name,) in await lewis.all("feeds ORDER BY id", "name")]
    errors = lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors"
    for name, number in zip(names, (STOCK_NUMBER, RUG_NUMBER), strict=True):
        (errors / name).write_text(f"part_number,error\n{number},not in our range\n")
    return names


@pytest.mark.parametrize("where", ["reader", "store"])
async def test_a_report_holds_up_no_other_and_its_silence_is_no_yes(lewis: Scene, where: str) -> None:  # D9 J4
    names = await two_rejected(lewis)
    finds_odd(lewis, names[0] if where == "reader" else STOCK_NUMBER)
    kind = "ZeroDivisionError" if where == "reader" else "UnicodeEncodeError"
    with pytest.raises(Unforeseen, match=kind):
        await lewis.turn(read_reports, 3 * MINUTE)
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("error",)]
    assert [name for name, _ in await aside(lewis)] == names[:1]
    # Half an hour is over, in which a feed that nothing speaks of has been accepted.
    assert (await lewis.turn(read_reports, HOUR)).note == ""
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("error",)]
    assert "feed 1 lapsed" in (await lewis.turn(read_reports, 3 * HOUR)).note
    # Tried again, it settles what it speaks of: the newer feed has not carried it yet.
    finds_odd(lewis, "")
    ((number,),) = await lewis.all("deliveries WHERE state = 'set_aside'", "id")
    await lewis.store.deliveries.try_again(DeliveryId(number))
    assert (await lewis.turn(read_reports, 3 * HOUR + MINUTE)).done == 1
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("error",), ("error",)]
    assert await aside(lewis) == []


async def test_a_line_of_a_report_holds_up_no_other(lewis: Scene) -> None:  # D9 J4
    await lewis.want()
    await lewis.want(sku=RUG, ean="3701234567884", stock_number=RUG_NUMBER)
    await lewis.turn(send_offers, MINUTE)
    ((name,),) = await lewis.all("feeds", "name")
    error = lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors" / f"{name}.err"
    error.write_text(f"part_number,error\n{STOCK_NUMBER},not in our range\n{RUG_NUMBER},not in our range\n")
    finds_odd(lewis, STOCK_NUMBER)
    with pytest.raises(Unforeseen, match="UnicodeEncodeError"):
        await lewis.turn(read_reports, 2 * MINUTE)
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("error",)]


async def test_where_many_lines_of_a_report_raise_they_are_not_looked_for_one_by_one(lewis: Scene) -> None:  # D9 J4
    await lewis.want()
    await lewis.want(sku=RUG, ean="3701234567884", stock_number=RUG_NUMBER)
    await lewis.turn(send_offers, MINUTE)
    ((name,),) = await lewis.all("feeds", "name")
    error = lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors" / f"{name}.err"
    odd = f"{STOCK_NUMBER},not in our range\n" * 64
    error.write_text(f"part_number,error\n{odd}{RUG_NUMBER},not in our range\n")
    finds_odd(lewis, STOCK_NUMBER)
    with pytest.raises(Unforeseen, match="UnicodeEncodeError"):
        await lewis.turn(read_reports, 2 * MINUTE)
    # The good line at the end is left out with what stands beside it, and says nothing for the feed's silence either.
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("sent",)]
    assert (await lewis.turn(read_reports, HOUR)).done == 0
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("sent",)]


async def test_an_answer_to_an_update_holds_up_no_other_and_its_silence_is_no_yes(lewis: Scene) -> None:  # D9 J13
    orders = [lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, units) for units in (1, 2)]
    lewis.sandbox.johnlewis.faults.add("reject_file", error="closed", times=2)
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    await lewis.answer()
    ((odd,), _) = await lewis.all("order_updates ORDER BY id", "name")
    finds_odd(lewis, odd)
    with pytest.raises(Unforeseen, match="UnicodeEncodeError"):
        await lewis.turn(send_updates, 20 * MINUTE)
    assert await lewis.all("order_updates ORDER BY id", "state") == [("in_doubt",), ("failed",)]
    # To ask would only tell that it was sent; half an hour of silence would then be a yes.
    for hours in (1, 2, 3):
        await lewis.turn(send_updates, hours * HOUR)
    assert await lewis.all("order_updates ORDER BY id", "state") == [("in_doubt",), ("failed",)]
    finds_odd(lewis, "")
    ((number,),) = await lewis.all("deliveries WHERE state = 'set_aside'", "id")
    await lewis.store.deliveries.try_again(DeliveryId(number))
    await lewis.turn(send_updates, 4 * HOUR)
    assert await lewis.all("order_updates ORDER BY id", "state", "error") == [("failed", "closed")] * 2
    assert await lewis.all("order_lines", "state") == [("new",)] * len(orders)


async def test_a_person_settles_an_update_whose_answer_cannot_be_applied(lewis: Scene) -> None:  # J13
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    lewis.sandbox.johnlewis.faults.add("reject_file", error="closed")
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    await lewis.answer()
    finds_odd(lewis, (await lewis.all("order_updates", "name"))[0][0])
    with pytest.raises(Unforeseen):
        await lewis.turn(send_updates, 20 * MINUTE)
    await lewis.store.updates.resolve(lewis.name, OrderNumber(placed.number), arrived=False, at=NOON + HOUR)
    await lewis.turn(send_updates, HOUR + MINUTE)
    assert await lewis.all("order_updates", "state", "unread_answer") == [("sent", None)]


class FailingOrders(Orders):
    """The orders of a store whose disk fails the first time that it is to keep some."""

    failed = False

    async def keep(self, account: AccountName, deliveries: Sequence[Delivery[Order]], at: datetime) -> Kept:
        if not self.failed:
            self.failed = True
            raise StoreError("disk I/O error")
        return await super().keep(account, deliveries, at)


async def test_a_disk_that_fails_is_not_the_doing_of_a_file(lewis: Scene) -> None:  # D9
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    lewis.store.orders = FailingOrders(lewis.store.database)
    with pytest.raises(StoreError, match="disk I/O error"):
        await lewis.turn(download_orders, 10 * MINUTE)
    assert await lewis.all("deliveries", "id") == []
    assert (await lewis.turn(download_orders, 20 * MINUTE)).done == 1
