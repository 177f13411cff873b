"""The questions that people ask, against a real database."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import StoreError
from daemon.model import (
    AccountName,
    Customer,
    Delivery,
    FeedId,
    Item,
    LegalMoves,
    LineState,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    Parcel,
    Part,
    RemoteFile,
    Sku,
    UpdateKind,
)
from daemon.store import Store, read_store
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, moment
from tests.store.steps import steps_of

EAN = "3701234567891"
SECRET = "Made Up Lane 5"
TO_SHIP = frozenset({LineState.TO_SHIP})


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


async def listings(store: Store, *skus: str, account: AccountName = REDOUTE, fault: str = "") -> None:
    rows = [ItemRow(Sku(sku), Item(ean=EAN, title="Lampe")) for sku in skus]
    await store.listings.put_items(account, rows, NOON, [fault] * len(rows), item_feed=True)


def an_order(number: str, *lines: OrderLine) -> Order:
    return Order(
        number=OrderNumber(number),
        lines=lines or (OrderLine("L1", 2, LineState.NEW, ean=EAN, title="Lampe", unit_price=Money(4990, "EUR")),),
        ordered_at=NOON,
        shipping=Customer(name="A. Nobody", lines=(SECRET,), postcode="01000", city="Nulle Part", country="FR"),
        extra={"Floor": SECRET},
    )


async def deliver(store: Store, order: Order, after: timedelta = timedelta()) -> None:
    content = order.number.encode()
    file = RemoteFile("orders", f"{order.number}.xml", len(content))
    await store.orders.keep(REDOUTE, [Delivery(file, content, (order,))], NOON + after)


async def test_a_listing_has_its_item_timeline_and_feeds(store: Store) -> None:  # D8
    await listings(store, "LAMP-1")
    feed = await store.feeds.open(REDOUTE, ITEM_RULE, moment())
    assert feed is not None
    found = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert found is not None
    assert found["item"]["title"] == "Lampe"
    assert found["parts"]["item"] == {
        "state": "sent",
        "error": "",
        "error_name": "Update Item Error",
        "blocked": "",
    }
    assert found["timeline"][0]["what"] == "imported"
    assert found["timeline"][0]["at"] == "2026-03-02T12:00:00.000Z"
    assert [(carried["kind"], carried["parts"]) for carried in found["feeds"]] == [("item", ["item"])]
    assert await store.views.listing(LEWIS, Sku("LAMP-1")) is None
    json.dumps(found)


async def test_listings_are_paged_by_sku_and_found_by_state(store: Store) -> None:  # S3
    await listings(store, "B-2", "A-1", "B-1")
    await listings(store, "B-3", fault="the EAN is missing")
    await listings(store, "A-1", account=LEWIS)
    page = await store.views.listings(REDOUTE, limit=2)
    assert [row["sku"] for row in page] == ["A-1", "B-1"]
    page = await store.views.listings(REDOUTE, limit=2, after=page[-1]["sku"])
    assert [row["sku"] for row in page] == ["B-2", "B-3"]
    assert [row["sku"] for row in await store.views.listings(REDOUTE, sku="B-")] == ["B-1", "B-2", "B-3"]
    assert [row["sku"] for row in await store.views.listings(REDOUTE, state="error")] == ["B-3"]
    assert await store.views.listings(REDOUTE, state="error", part=Part.STOCK) == []


async def test_known_listings_alone(store: Store) -> None:
    await listings(store, "A", "B")
    known = await store.views.known(REDOUTE, [Sku("A"), Sku("C")])
    assert set(known) == {"A"}
    assert known[Sku("A")].item.title == "Lampe"


async def test_a_feed_with_what_it_carried(store: Store) -> None:  # L16
    await listings(store, "A", "B", "C")
    feed = await store.feeds.open(REDOUTE, ITEM_RULE, moment())
    assert feed is not None
    whole = await store.views.feed(FeedId(1), limit=2)
    assert whole is not None
    assert (whole["kind"], whole["state"], whole["size"]) == ("item", "sending", 3)
    assert [carried["sku"] for carried in whole["objects"]] == ["A", "B"]
    rest = await store.views.feed(FeedId(1), limit=2, after=Sku("B"))
    assert rest is not None
    assert [carried["sku"] for carried in rest["objects"]] == ["C"]
    assert await store.views.feed(FeedId(9)) is None
    assert await store.views.feed_payload(FeedId(1)) is None
    assert [row["id"] for row in await store.views.feeds(REDOUTE)] == [1]
    assert await store.views.feeds(LEWIS) == await store.views.feeds(REDOUTE, before=FeedId(1)) == []


async def test_a_gate_says_until_when_it_is_closed_and_why(store: Store) -> None:  # L8
    await listings(store, "A")
    await store.listings.put_stock(REDOUTE, Figures({"A": 3}), NOON)
    await store.database.write(
        lambda db: (
            db.execute(
                "UPDATE listings SET channel_status = 'offer_integrated', price_minor = 100, item_state = 'not_needed'"
            ).rowcount
        )
    )
    assert await store.feeds.open(REDOUTE, OFFER_RULE, moment()) is not None
    (gate,) = await store.views.gates(moment())
    assert (gate["account"], gate["kind"], gate["open"], gate["until"]) == (
        *("redoute", "offer", False),
        "2026-03-02T13:10:00.000Z",
    )
    assert "feed 1 is sending" in gate["why"]
    (later,) = await store.views.gates(moment(timedelta(hours=2)))
    assert (later["open"], later["until"], later["why"]) == (True, None, "")
    (rebooted,) = await store.views.gates(moment(boot="boot-2", synchronised=False))
    assert (rebooted["open"], rebooted["until"]) == (False, None)
    assert "started anew" in rebooted["why"]


async def test_orders_show_no_personal_data_unless_asked(store: Store) -> None:  # D12 C12
    await deliver(store, an_order("O-1"))
    (row,) = await store.views.orders(REDOUTE)
    plain = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=False)
    whole = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=True)
    assert SECRET not in json.dumps([row, plain])
    assert whole is not None
    assert whole["shipping"]["lines"] == [SECRET]
    assert whole["shipping"]["postcode"] == "01000"
    assert whole["billing"] is None
    assert whole["extra"] == {"Floor": SECRET}


async def test_an_order_with_its_updates_and_timeline(store: Store) -> None:  # D8
    await deliver(store, an_order("O-1", OrderLine("L1", 2, LineState.TO_SHIP)))
    parcel = Parcel("Colis", "T1", "https://carrier.example.test/T1", NOON)
    await store.updates.open(
        *(REDOUTE, OrderNumber("O-1"), UpdateKind.DISPATCH, [("L1", 1)]),
        legal_moves=LegalMoves({UpdateKind.DISPATCH: TO_SHIP}, by_units=frozenset({UpdateKind.DISPATCH})),
        at=NOON,
        parcel=parcel,
    )
    found = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=False)
    assert found is not None
    (update,) = found["updates"]
    assert (update["kind"], update["state"]) == ("dispatch", "pending")
    assert update["lines"] == [{"ref": "L1", "quantity": 1, "reason": "", "out_of_stock": False}]
    assert update["parcel"]["shipped_at"] == "2026-03-02T12:00:00.000Z"
    assert found["timeline"][0]["what"] == "received"


async def test_orders_by_line_state_and_page(store: Store) -> None:  # S2
    for number in range(5):
        state = LineState.TO_SHIP if number % 2 else LineState.NEW
        await deliver(store, an_order(f"O-{number}", OrderLine("L1", 1, state)))
    page = await store.views.orders(REDOUTE, limit=2)
    assert [row["number"] for row in page] == ["O-4", "O-3"]
    assert [row["number"] for row in await store.views.orders(REDOUTE, before=page[-1]["id"])] == ["O-2", "O-1", "O-0"]
    assert [row["number"] for row in await store.views.orders(state="to_ship")] == ["O-3", "O-1"]
    assert await store.views.orders(LEWIS) == []


async def test_an_export_gives_every_changed_order_once(store: Store) -> None:  # S2
    for number in range(250):
        await deliver(store, an_order(f"O-{number:03d}"), timedelta(seconds=number // 2))
    pages = [page async for page in store.views.export_orders(REDOUTE)]
    assert [order["number"] for page in pages for order in page] == [f"O-{number:03d}" for number in range(250)]
    assert [len(page) for page in pages] == [100, 100, 50]
    recent = [page async for page in store.views.export_orders(REDOUTE, NOON + timedelta(seconds=120))]
    assert [order["number"] for page in recent for order in page] == [f"O-{number:03d}" for number in range(240, 250)]
    assert pages[0][0]["shipping"]["lines"] == [SECRET]


async def test_status_tells_how_every_account_stands(store: Store) -> None:  # S3
    await listings(store, "A", "B")
    await listings(store, "C", fault="the EAN is missing")
    await deliver(store, an_order("O-1"))
    await store.database.write(_some_trouble)
    status = await store.views.status(moment())
    lewis, redoute = status["accounts"]
    assert (lewis["name"], lewis["held"], lewis["held_reason"]) == ("lewis", True, "the password was refused")
    assert (redoute["held"], redoute["held_at"]) == (False, None)
    assert redoute["listings"]["item"] == {"not_needed": 0, "pending": 2, "sent": 0, "error": 1}
    assert lewis["listings"]["item"] == {"not_needed": 0, "pending": 0, "sent": 0, "error": 0}
    assert redoute["order_lines"] == {"new": 1}
    (job,) = redoute["jobs"]
    assert (job["job"], job["failures"], job["last_error"]) == ("orders", 2, "no answer")
    assert job["last_succeeded_at"] == "1970-01-01T00:00:01.000Z"
    assert json.loads(json.dumps(status)) == status


def _some_trouble(db: Any) -> None:
    db.execute("UPDATE accounts SET held_at = 1, held_reason = 'the password was refused' WHERE name = 'lewis'")
    db.execute(
        "INSERT INTO jobs (account, job, last_succeeded_at, failures, last_error)"
        " VALUES ('redoute', 'orders', 1000000, 2, 'no answer')"
    )


async def test_what_was_set_aside_is_shown_with_the_reason(store: Store) -> None:  # D9
    await deliver(store, an_order("O-1"))
    assert await store.views.deliveries(state="set_aside") == []
    await store.database.write(
        lambda db: db.execute("UPDATE deliveries SET state = 'set_aside', reason = 'line 3: no number'").rowcount
    )
    (found,) = await store.views.deliveries(REDOUTE, state="set_aside")
    assert (found["name"], found["reason"], found["modified_at"]) == ("O-1.xml", "line 3: no number", None)
    assert (await store.views.status(moment()))["accounts"][1]["set_aside"] == 1


async def test_a_reader_sees_it_beside_the_writer(store: Store) -> None:
    await listings(store, "A")
    async with read_store(store.database.path) as reader:
        assert [row["sku"] for row in await reader.views.listings(REDOUTE)] == ["A"]
        with pytest.raises(StoreError, match="reading only"):
            await listings(reader, "B")


async def test_there_is_nothing_to_read_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist yet"):
        async with read_store(tmp_path / "none.db"):
            pass


async def test_listings_in_order_are_counted_and_not_looked_at(store: Store) -> None:  # S3
    """A million rows of a catalogue, each with its texts, would be walked through every few seconds."""
    await store.database.write(
        lambda db: (
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
                " INSERT INTO listings (account, sku, item, stock_state, created_at, changed_at)"
                " SELECT 'redoute', 'SKU-' || i, '{}', CASE WHEN i % 1000 THEN 'not_needed' ELSE 'error' END, 0, 0 FROM n"
            ).rowcount
        )
    )
    steps = await steps_of(store.database, lambda: store.views.status(moment()))
    (_, redoute) = (await store.views.status(moment()))["accounts"]
    assert redoute["listings"]["stock"] == {"not_needed": 1998, "pending": 0, "sent": 0, "error": 2}
    assert steps < 2000 * 10
