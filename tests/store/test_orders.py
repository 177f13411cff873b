"""Orders are kept once, whatever repeats; lines follow the marketplace forward and never back."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from daemon.errors import Unreadable
from daemon.model import Customer, Delivery, Item, LineState, Money, Order, OrderLine, OrderNumber, RemoteFile, Sku
from daemon.store.database import Database
from daemon.store.deliveries import Deliveries, Kept
from daemon.store.listings import ItemRow, Listings
from daemon.store.orders import Orders
from daemon.store.views import Views
from tests.store.conftest import LEWIS, NOON, REDOUTE
from tests.store.steps import steps_of

DAY = timedelta(days=1)


def an_order(number: str = "Y100000001", state: LineState = LineState.NEW, incomplete: str = "") -> Order:
    return Order(
        OrderNumber(number),
        (OrderLine("1", 2, state, channel_item_id="12345678", unit_price=Money(1999, "GBP")),),
        ordered_at=NOON,
        shipping=Customer(name="Test Recipient", postcode="01000"),
        incomplete=incomplete,
    )


def a_file(*orders: Order | Unreadable, name: str = "order-1.txt", content: bytes = b"one") -> Delivery[Order]:
    return Delivery(RemoteFile("/live/incoming", name, len(content), NOON), content, orders)


async def lines(database: Database) -> list[tuple[Any, ...]]:
    return await database.read(
        lambda db: [
            tuple(row)
            for row in db.execute(
                "SELECT o.number, l.ref, l.state, l.quantity, l.shipped FROM order_lines l"
                ' JOIN orders o ON o.id = l."order" ORDER BY o.id, l.position'
            ).fetchall()
        ]
    )


async def test_the_same_delivery_twice_is_kept_once(database: Database) -> None:  # D9 J14
    orders = Orders(database)
    assert await orders.keep(LEWIS, [a_file(an_order())], NOON) == Kept(new=1)
    assert await orders.keep(LEWIS, [a_file(an_order())], NOON) == Kept()
    assert await lines(database) == [("Y100000001", "1", "new", 2, 0)]


async def test_one_order_in_two_files_is_one_order(database: Database) -> None:  # D9
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order()), a_file(an_order(), name="order-2.txt", content=b"two")], NOON)
    assert len(await lines(database)) == 1


async def test_a_kept_file_is_not_read_again_and_a_changed_one_is(database: Database) -> None:  # D9
    await Orders(database).keep(LEWIS, [a_file(an_order())], NOON)
    inbox = Deliveries(database).inbox(LEWIS)
    same = RemoteFile("/live/incoming", "order-1.txt", 3, NOON)
    newer = RemoteFile("/live/incoming", "order-1.txt", 3, NOON + DAY)
    other = RemoteFile("/live/incoming", "order-2.txt", 3, NOON)
    assert await inbox.unread([same, newer, other]) == [newer, other]
    assert await Deliveries(database).inbox(REDOUTE).unread([same]) == [same]


async def test_the_same_name_with_other_content_is_set_aside(database: Database) -> None:  # J14
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order())], NOON)
    kept = await orders.keep(LEWIS, [a_file(an_order("Y100000002"), content=b"another")], NOON)
    assert kept == Kept(set_aside=("order-1.txt: a file of this name with other content was kept before",))
    assert [row[0] for row in await lines(database)] == ["Y100000001"]


async def test_what_cannot_be_read_is_set_aside_and_blocks_nothing(database: Database) -> None:  # D9
    good = a_file(an_order(), name="order-2.txt", content=b"good")
    bad = Delivery[Order](RemoteFile("/live/incoming", "order-1.txt", 3, NOON), b"bad", Unreadable("line 2: no number"))
    assert await Orders(database).keep(LEWIS, [bad, good], NOON) == Kept(
        new=1, set_aside=("order-1.txt: line 2: no number",)
    )
    assert [entry.file.name for entry in await Deliveries(database).unconfirmed(LEWIS)] == ["order-2.txt"]


async def test_one_unreadable_order_in_a_reply_does_not_hide_the_others(database: Database) -> None:  # D9 L12
    delivery = Delivery(RemoteFile("reply", "RetrieveByStatus", 3), b"xml", (Unreadable("no OrderID"), an_order()))
    kept = await Orders(database).keep(REDOUTE, [delivery], NOON)
    assert kept == Kept(new=1, set_aside=("RetrieveByStatus: no OrderID",))


async def test_replies_differ_each_time_and_are_no_contradiction(database: Database) -> None:  # L1 L12
    orders = Orders(database)
    first = Delivery(RemoteFile("reply", "RetrieveByStatus", 3), b"1", (an_order(),))
    second = Delivery(RemoteFile("reply", "RetrieveByStatus", 3), b"2", (an_order(state=LineState.TO_SHIP),))
    assert await orders.keep(REDOUTE, [first], NOON) == Kept(new=1)
    assert await orders.keep(REDOUTE, [second], NOON) == Kept(moved=1)
    assert await lines(database) == [("Y100000001", "1", "to_ship", 2, 0)]


async def test_lines_follow_the_marketplace_forward_and_never_back(database: Database) -> None:  # L12
    orders = Orders(database)
    for content, state in ((b"1", LineState.TO_SHIP), (b"2", LineState.NEW), (b"3", LineState.SHIPPED)):
        delivery = Delivery(RemoteFile("reply", "RetrieveByStatus", 1), content, (an_order(state=state),))
        await orders.keep(REDOUTE, [delivery], NOON)
    assert await lines(database) == [("Y100000001", "1", "shipped", 2, 2)]


async def test_an_incomplete_order_is_completed_by_its_corrected_file(database: Database) -> None:  # J6
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order(incomplete="4 lines expected, 3 read"))], NOON)
    assert await orders.keep(LEWIS, [a_file(an_order(), content=b"whole")], NOON) == Kept(moved=1)
    row = await database.read(lambda db: db.execute("SELECT incomplete FROM orders").fetchone())
    assert row["incomplete"] == ""


async def errors(database: Database) -> list[tuple[Any, ...]]:
    """Severity, kind, line and whether it is mended, of every order error."""
    return await database.read(
        lambda db: [
            tuple(row)
            for row in db.execute("SELECT severity, kind, line, mended_at IS NOT NULL FROM order_errors ORDER BY id")
        ]
    )


async def a_listing(database: Database, stock_number: str = "12345678", ean: str = "") -> None:
    row = ItemRow(Sku("LAMP-1"), Item(ean=ean), channel_item_id=stock_number)
    await Listings(database).put_items(LEWIS, [row], NOON, [""], item_feed=False)


async def test_an_incomplete_order_is_a_serious_error_until_it_is_completed(database: Database) -> None:  # J6
    orders = Orders(database)
    await a_listing(database)
    await orders.keep(LEWIS, [a_file(an_order(incomplete="4 lines expected, 3 read"))], NOON)
    assert await errors(database) == [("high", "incomplete", "", 0)]
    assert await Views(database).order_errors() == {
        ("lewis", "high"): 1,
        ("lewis", "medium"): 0,
        ("redoute", "high"): 0,
        ("redoute", "medium"): 0,
    }
    assert await orders.keep(LEWIS, [a_file(an_order(), name="order-2.txt", content=b"whole")], NOON + DAY) == Kept(
        moved=1
    )
    assert await errors(database) == [("high", "incomplete", "", 1)]
    assert (await Views(database).order_errors())["lewis", "high"] == 0
    order = await Views(database).order(LEWIS, OrderNumber("Y100000001"), personal=False)
    assert order is not None
    told = [(event["what"], event["from"], event["to"]) for event in order["timeline"]]
    assert ("error incomplete", "", "high") in told
    assert ("error incomplete", "high", "mended") in told


async def test_an_order_that_stays_incomplete_shows_its_newest_file(database: Database) -> None:  # J6
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(replace(an_order(incomplete="3 read"), sent_once=True))], NOON)
    more = replace(an_order(incomplete="4 read"), sent_once=True)
    more = replace(more, lines=(*more.lines, OrderLine("2", 1, LineState.NEW, channel_item_id="87654321")))
    assert await orders.keep(LEWIS, [a_file(more, name="order-2.txt", content=b"2")], NOON) == Kept(moved=1)
    assert await orders.keep(LEWIS, [a_file(more, name="order-3.txt", content=b"3")], NOON) == Kept()
    assert [line[1] for line in await lines(database)] == ["1", "2"]
    found = await Views(database).orders(errors=True)
    assert [(each["severity"], each["text"]) for each in found[0]["errors"] if each["kind"] == "incomplete"] == [
        ("high", "4 read")
    ]


async def test_an_article_that_no_listing_has_is_flagged_until_one_has_it(database: Database) -> None:  # J5 J2
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order())], NOON)
    assert await errors(database) == [("medium", "unknown_listing", "1", 0)]
    (order,) = await Views(database).orders(errors=True)
    assert order["errors"][0]["text"] == "no listing has the channel item id 12345678"
    await a_listing(database, "87654321")
    assert await errors(database) == [("medium", "unknown_listing", "1", 0)]
    await a_listing(database, "12345678")
    assert await errors(database) == [("medium", "unknown_listing", "1", 1)]
    (order,) = await Views(database).orders()
    assert order["lines"][0]["sku"] == "LAMP-1"
    assert await Views(database).orders(errors=True) == []


async def test_a_line_is_matched_by_its_ean_too(database: Database) -> None:  # L12
    orders = Orders(database)
    order = Order(OrderNumber("1"), (OrderLine("1", 1, LineState.NEW, ean="3701234567891"),))
    closed = Order(OrderNumber("2"), (OrderLine("1", 1, LineState.SHIPPED, ean="3701234567891"),))
    await orders.keep(LEWIS, [a_file(order), a_file(closed, name="order-2.txt", content=b"2")], NOON)
    assert await errors(database) == [("medium", "unknown_listing", "1", 0)]
    await a_listing(database, "", "3701234567891")
    assert await errors(database) == [("medium", "unknown_listing", "1", 1)]
    assert [line["sku"] for each in await Views(database).orders() for line in each["lines"]] == ["LAMP-1", "LAMP-1"]


async def test_an_order_that_is_done_with_waits_for_nobody(database: Database) -> None:  # J5
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order())], NOON)
    await orders.keep(LEWIS, [a_file(an_order(state=LineState.CANCELLED), name="order-2.txt", content=b"2")], NOON)
    (order,) = await Views(database).orders()
    assert [error["open"] for error in order["errors"]] == [False]
    assert (await Views(database).order_errors())["lewis", "medium"] == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"quantity": 3}, "line 1: quantity 2 here, 3 there"),
        ({"channel_item_id": "87654321"}, "line 1: channel item id 12345678 here, 87654321 there"),
        ({"ref": "2"}, "line 1 is not in it; line 2 is new"),
        ({"title": "Rug"}, "another field"),
    ],
)
async def test_another_content_of_an_order_under_another_name_changes_nothing(
    database: Database, changed: dict[str, Any], told: str
) -> None:  # J14
    orders = Orders(database)
    first = replace(an_order(), sent_once=True)
    await orders.keep(LEWIS, [a_file(first)], NOON)
    again = replace(first, lines=(first.lines[0]._replace(**changed),))
    kept = await orders.keep(LEWIS, [a_file(again, name="order-2.txt", content=b"2")], NOON)
    assert (kept.new, kept.moved) == (0, 0)
    assert kept.set_aside == (
        f"order-2.txt: order Y100000001: it came again and says something else, which changes nothing: {told}",
    )
    assert await lines(database) == [("Y100000001", "1", "new", 2, 0)]
    assert ("high", "other_content", "", 0) in await errors(database)


async def test_another_recipient_is_told_without_saying_who(database: Database) -> None:  # J14 D12
    orders = Orders(database)
    first = replace(an_order(), sent_once=True)
    await orders.keep(LEWIS, [a_file(first)], NOON)
    again = replace(first, shipping=Customer(name="Somebody Else"))
    kept = await orders.keep(LEWIS, [a_file(again, name="order-2.txt", content=b"2")], NOON)
    assert "another recipient or address" in kept.set_aside[0]
    assert "Else" not in str(await Views(database).orders())


async def test_a_bad_copy_of_a_whole_order_is_set_aside(database: Database) -> None:  # J6 J14
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(replace(an_order(), sent_once=True))], NOON)
    bad = replace(an_order(incomplete="3 lines were read"), sent_once=True)
    kept = await orders.keep(LEWIS, [a_file(bad, name="order-2.txt", content=b"2")], NOON)
    assert kept.set_aside == (
        "order-2.txt: order Y100000001 is kept whole already, and this is not: 3 lines were read",
    )
    row = await database.read(lambda db: db.execute("SELECT incomplete FROM orders").fetchone())
    assert row["incomplete"] == ""


@pytest.mark.parametrize("later", [timedelta(), DAY], ids=["put back", "written anew"])
async def test_the_same_file_that_lies_there_again_is_confirmed_again(
    database: Database, later: timedelta
) -> None:  # J14
    orders, deliveries = Orders(database), Deliveries(database)
    first = a_file(an_order())
    await orders.keep(LEWIS, [first], NOON)
    (kept,) = await deliveries.unconfirmed(LEWIS)
    await deliveries.confirmed([kept.id], NOON)
    again = replace(first, file=replace(first.file, modified_at=NOON + later))
    assert await orders.keep(LEWIS, [again], NOON + DAY) == Kept()
    assert [entry.file for entry in await deliveries.unconfirmed(LEWIS)] == [again.file]


async def test_a_reply_that_is_the_same_again_is_not_confirmed_again(database: Database) -> None:  # L12
    orders, deliveries = Orders(database), Deliveries(database)
    reply = replace(a_file(an_order()), file=RemoteFile("reply", "RetrieveByStatus", 3))
    await orders.keep(REDOUTE, [reply], NOON)
    (kept,) = await deliveries.unconfirmed(REDOUTE)
    await deliveries.confirmed([kept.id], NOON)
    await orders.keep(REDOUTE, [reply], NOON + DAY)
    assert await deliveries.unconfirmed(REDOUTE) == []


async def test_customers_of_closed_orders_are_erased_and_figures_stay(database: Database) -> None:  # D12
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order(state=LineState.SHIPPED))], NOON)
    await orders.keep(LEWIS, [a_file(an_order("Y100000002"), name="order-2.txt", content=b"2")], NOON)
    assert await orders.erase_customers(LEWIS, NOON) == 0
    assert await orders.erase_customers(LEWIS, NOON + DAY) == 1
    left = await database.read(
        lambda db: [
            row["number"] for row in db.execute('SELECT * FROM customers JOIN orders ON id = "order"').fetchall()
        ]
    )
    assert left == ["Y100000002"]
    assert len(await lines(database)) == 2


async def test_an_order_that_cannot_be_kept_takes_no_other_with_it(database: Database) -> None:  # D9
    huge = Order(OrderNumber("Y100000001"), (OrderLine("1", 10**20, LineState.NEW),))
    double = Order(OrderNumber("Y100000002"), (OrderLine("1", 1, LineState.NEW), OrderLine("1", 1, LineState.NEW)))
    good = an_order("Y100000003")
    kept = await Orders(database).keep(
        LEWIS,
        [
            a_file(huge, name="order-1.txt", content=b"1"),
            a_file(double, name="order-2.txt", content=b"2"),
            a_file(good, name="order-3.txt", content=b"3"),
        ],
        NOON,
    )
    assert kept.new == 1
    assert [reason.split(":")[0] for reason in kept.set_aside] == ["order-1.txt", "order-2.txt"]
    assert [row[0] for row in await lines(database)] == ["Y100000003"]


async def test_what_is_listed_is_looked_up_whatever_came_before(database: Database) -> None:  # D9
    deliveries = [a_file(name=f"order-{number}.txt", content=str(number).encode()) for number in range(1_001)]
    await Orders(database).keep(LEWIS, deliveries, NOON)
    listed = [RemoteFile("/live/incoming", f"order-{number}.txt", 9, NOON) for number in range(1_100)]
    assert len(await Deliveries(database).inbox(LEWIS).unread(listed)) == 1_100
    listed = [replace(delivery.file, size=delivery.file.size) for delivery in deliveries] + listed[-3:]
    assert await Deliveries(database).inbox(LEWIS).unread(listed) == listed[-3:]


async def test_a_short_listing_is_looked_up_without_reading_what_came_before(database: Database) -> None:  # D9
    async def steps(known: int) -> int:
        files = [a_file(name=f"{number}.txt", content=str(number).encode()) for number in range(known)]
        await Orders(database).keep(LEWIS, files, NOON)
        return await steps_of(database, lambda: Deliveries(database).inbox(LEWIS).unread([files[0].file]))

    few = await steps(100)
    assert await steps(2_000) < 2 * few + 100


async def test_finding_the_listing_of_a_line_does_not_grow_with_the_listings(database: Database) -> None:  # L12
    async def steps(count: int) -> int:
        def fill(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT INTO listings (account, sku, ean, channel_item_id, created_at, changed_at)"
                " VALUES (?, ?, ?, ?, 0, 0)",
                [(LEWIS, f"{count} S{i}", f"{count} E{i}", f"{count} C{i}") for i in range(count)],
            )

        await database.write(fill)
        order = Order(OrderNumber(str(count)), (OrderLine("1", 1, LineState.NEW, ean=f"{count} E7"),))
        file = a_file(order, name=f"{count}.txt", content=str(count).encode())
        return await steps_of(database, lambda: Orders(database).keep(LEWIS, [file], NOON))

    few = await steps(100)
    assert await steps(3_000) < 2 * few


async def test_whoever_goes_on_from_the_last_change_misses_none(database: Database) -> None:  # S2
    orders = Orders(database)
    await orders.keep(LEWIS, [a_file(an_order("Y100000001"))], NOON + DAY)
    # A turn that began earlier keeps its last orders only now.
    await orders.keep(LEWIS, [a_file(an_order("Y100000002"), name="order-2.txt", content=b"2")], NOON)
    pages = [page async for page in Views(database).export_orders(LEWIS, NOON + DAY)]
    assert [order["number"] for page in pages for order in page] == ["Y100000001", "Y100000002"]
