"""What would be sent next is shown by doing it where it cannot last."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import Money, OrderNumber, Photo, UpdateKind
from daemon.seller.plan import Plan, View
from daemon.store.imagined import imagined_store
from daemon.store.listings import ItemRow, PriceRow
from tests.jobs.scene import EAN, HOUR, LAMP, MINUTE, NOON, STOCK_NUMBER, Scene, moment, scene


async def planned(each: Scene, after: timedelta, folder: Path | None = None, limit: int = 100) -> View:
    async with imagined_store(each.store.database.path, each.name) as store:
        return await Plan(store, each.account, each.marketplace, moment(after), limit, folder).made()


def files(each: Scene) -> dict[str, str]:
    """The database and its log, byte for byte."""
    path = each.store.database.path
    return {
        name.name: hashlib.sha256(name.read_bytes()).hexdigest()
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_suffix(".mark"))
    }


async def integrated(redoute: Scene) -> None:
    await redoute.want()
    await redoute.turn(send_items, MINUTE)
    await redoute.answer()
    await redoute.turn(read_reports, 2 * MINUTE)


async def test_the_plan_is_byte_for_byte_what_is_then_sent_and_changes_nothing(tmp_path: Path) -> None:  # S3
    async with scene(tmp_path, "sellr") as redoute:
        await integrated(redoute)
        before, counted = files(redoute), await redoute.all("listings", "stock_state", "stock_revision")

        found = await planned(redoute, 3 * MINUTE, tmp_path)

        assert files(redoute) == before
        assert await redoute.all("listings", "stock_state", "stock_revision") == counted
        assert redoute.sandbox.laredoute.offer_gaps() == []
        (feed,) = found["feeds"]
        assert (feed["kind"], feed["leaves_at"], feed["listings"]) == ("offer", None, 1)
        assert feed["parts"] == {"stock": 1, "price": 1}
        assert feed["objects"][0]["changes"] == [
            {"field": "stock", "before": None, "after": 5},
            {"field": "price_minor", "before": None, "after": 10000},
            {"field": "ended", "before": None, "after": False},
        ]
        await redoute.turn(send_offers, 3 * MINUTE)
        ((payload, name),) = await redoute.all("feeds WHERE kind = 'offer'", "payload", "name")
        sent = b"".join([chunk async for chunk in redoute.store.payloads.chunks(payload)])
        assert (tmp_path / feed["name"]).read_bytes() == sent
        assert (feed["name"], feed["sha256"]) == (name, hashlib.sha256(sent).hexdigest())


async def test_an_item_is_told_by_what_it_says_otherwise_than_last_time(tmp_path: Path) -> None:  # L2 S3
    async with scene(tmp_path, "sellr") as redoute:
        await redoute.want()
        (feed,) = (await planned(redoute, MINUTE))["feeds"]
        said = {each["field"]: (each["before"], each["after"]) for each in feed["objects"][0]["changes"]}
        assert said["title"] == (None, "Lampe de bureau")
        assert said["photo_1"] == (None, "https://pictures.example.test/lamp.jpg")
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)

        item = (await redoute.store.snapshots.page(redoute.name))[0].item
        other = replace(item, title="Lampe de salon", photos=(Photo("https://pictures.example.test/salon.jpg", 1),))
        await redoute.store.listings.put_items(
            redoute.name, [ItemRow(LAMP, other)], NOON + 3 * MINUTE, [""], item_feed=True
        )
        items = [feed for feed in (await planned(redoute, 4 * MINUTE))["feeds"] if feed["kind"] == "item"]
        assert items[0]["objects"][0]["changes"] == [
            {"field": "title", "before": "Lampe de bureau", "after": "Lampe de salon"},
            {
                "field": "photo_1",
                "before": "https://pictures.example.test/lamp.jpg",
                "after": "https://pictures.example.test/salon.jpg",
            },
        ]


async def test_what_the_change_guard_would_hold_is_not_planned(tmp_path: Path) -> None:  # S3
    async with scene(tmp_path, "sellr") as redoute:
        await integrated(redoute)
        await redoute.turn(send_offers, 3 * MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 4 * MINUTE)
        cut = PriceRow(LAMP, Money(1000, "EUR"))
        await redoute.store.listings.put_prices(redoute.name, [cut], NOON + 5 * MINUTE)
        before = files(redoute)
        assert (await planned(redoute, 2 * HOUR))["feeds"] == []
        assert files(redoute) == before

        await redoute.restock(4, 6 * MINUTE)
        (feed,) = (await planned(redoute, 2 * HOUR))["feeds"]
        assert feed["objects"][0]["changes"] == [{"field": "stock", "before": 5, "after": 4}]


async def test_behind_a_closed_gate_it_says_what_waits_and_until_when(tmp_path: Path) -> None:  # L8 S3
    async with scene(tmp_path, "sellr") as redoute:
        await integrated(redoute)
        await redoute.turn(send_offers, 3 * MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 4 * MINUTE)
        await redoute.restock(2, 5 * MINUTE)

        found = await planned(redoute, 10 * MINUTE)

        (feed,) = found["feeds"]
        assert feed["leaves_at"] == "2026-03-02T13:03:00.000Z"
        assert feed["waits_for"] == "the last offer feed left less than 1:00:00 ago"
        assert feed["objects"][0]["changes"] == [{"field": "stock", "before": 5, "after": 2}]
        assert feed["objects"][0]["last_sent_at"] == "2026-03-02T12:03:00.000Z"
        assert (await redoute.turn(send_offers, 10 * MINUTE)).done == 0


async def test_an_unanswered_feed_is_told_and_nothing_waits_behind_it(tmp_path: Path) -> None:  # L8
    async with scene(tmp_path, "sellr") as redoute:
        await integrated(redoute)
        await redoute.turn(send_offers, 3 * MINUTE)
        assert (await planned(redoute, 10 * MINUTE))["feeds"] == []
        await redoute.restock(2, 5 * MINUTE)
        (feed,) = (await planned(redoute, 10 * MINUTE))["feeds"]
        assert "is not answered yet; it lapses at" in feed["waits_for"]


async def test_a_large_feed_is_told_in_part_and_counted_whole(tmp_path: Path) -> None:  # S3
    async with scene(tmp_path, "edge") as lewis:
        for number in range(3):
            await lewis.want(sku=type(LAMP)(f"LAMP-{number}"), stock_number=str(int(STOCK_NUMBER) + number))
        (feed,) = (await planned(lewis, MINUTE, limit=2))["feeds"]
        assert (feed["listings"], len(feed["objects"]), feed["more"]) == (3, 2, 1)
        assert feed["name"].startswith("inventory-")


async def test_order_updates_that_would_go_out_are_told_with_their_bytes(tmp_path: Path) -> None:  # J7 S3
    async with scene(tmp_path, "edge") as lewis:
        placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
        await lewis.turn(download_orders, MINUTE)
        before = files(lewis)

        found = await planned(lewis, 2 * MINUTE, tmp_path)

        # The acknowledgement decides itself, and is only imagined here.
        assert files(lewis) == before
        (update,) = found["updates"]
        assert (update["order"], update["kind"]) == (placed.number, "acknowledgement")
        assert update["lines"][0]["quantity"] == 2
        assert (tmp_path / update["name"]).stat().st_size == update["bytes"]
        assert await lewis.all("order_updates", "state") == []


async def test_what_is_overtaken_or_in_doubt_is_told(tmp_path: Path) -> None:  # L12 L13 S3
    async with scene(tmp_path, "sellr") as redoute:
        order = redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON)
        await redoute.turn(download_orders, MINUTE)
        await redoute.store.updates.open(
            *(redoute.name, OrderNumber(order.id), UpdateKind.ACCEPTANCE, None),
            legal_moves=redoute.account.legal_moves,
            at=NOON + MINUTE,
        )
        (update,) = (await planned(redoute, 2 * MINUTE))["updates"]
        assert (update["kind"], update["note"], update["bytes"] > 0) == ("acceptance", "", True)
        await redoute.store.database.write(
            lambda db: db.execute("UPDATE order_lines SET state = 'cancelled', cancelled = 1").rowcount
        )
        (update,) = (await planned(redoute, 2 * MINUTE))["updates"]
        assert "its lines have moved on" in update["note"]
        await redoute.store.database.write(
            lambda db: db.execute("UPDATE order_updates SET state = 'in_doubt'").rowcount
        )
        (update,) = (await planned(redoute, 2 * MINUTE))["updates"]
        assert update["note"] == "in doubt: the marketplace is asked first"
        assert (await redoute.turn(send_updates, HOUR)).done == 0


@pytest.mark.parametrize("dialect", ["sellr", "edge"])
async def test_nothing_due_is_an_empty_plan(tmp_path: Path, dialect: str) -> None:  # S3
    async with scene(tmp_path, dialect) as each:
        found = await planned(each, MINUTE)
        assert (found["feeds"], found["updates"]) == ([], [])
