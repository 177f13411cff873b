"""What is forgotten, and what stays."""

import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.config import Config
from daemon.jobs import SiteRun
from daemon.jobs.feeds import send_offers
from daemon.jobs.housekeeping import tidy, tidy_site
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import SITE, OrderNumber, Parcel, UpdateKind
from daemon.store import open_store
from daemon.store.times import to_us
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, moment, scene

DAY = timedelta(days=1)


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge", updates={"answer_wait": "1m"}) as each:
        yield each


async def shipped_order(lewis: Scene) -> None:
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    await lewis.turn(download_orders, MINUTE)
    await lewis.turn(send_updates, 2 * MINUTE)
    parcel = Parcel("dpd", "15501234567890", "", NOON)
    await lewis.decide(placed.number, UpdateKind.DISPATCH, after=3 * MINUTE, parcel=parcel)
    await lewis.turn(send_updates, 4 * MINUTE)
    await lewis.turn(send_updates, 6 * MINUTE)


async def test_personal_data_of_closed_orders_ends_with_its_retention(lewis: Scene) -> None:  # D12 C12
    await shipped_order(lewis)
    await lewis.turn(tidy, 179 * DAY)
    assert len(await lewis.all("customers", "shipping")) == 1
    await lewis.turn(tidy, 181 * DAY)
    assert await lewis.all("customers", "shipping") == []
    assert await lewis.all("order_lines", "state", "shipped", "extra") == [("shipped", 1, "{}")]


async def test_nothing_of_an_erased_customer_is_left_in_the_file(lewis: Scene) -> None:  # D12
    await shipped_order(lewis)
    ((shipping,),) = await lewis.all("customers", "json_extract(shipping, '$.postcode')")
    path = lewis.store.database.path
    await lewis.store.database.checkpoint()
    assert shipping.encode() in path.read_bytes()
    await lewis.turn(tidy, 181 * DAY)
    assert shipping.encode() not in path.read_bytes()
    assert shipping.encode() not in path.with_name(f"{path.name}-wal").read_bytes()


async def test_a_log_that_somebody_reads_is_told_and_emptied_later(lewis: Scene) -> None:  # D12 D7
    with closing(sqlite3.connect(lewis.store.database.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM customers").fetchone()
        await shipped_order(lewis)
        outcome = await lewis.turn(tidy, 181 * DAY)
        assert "the log was not emptied: somebody holds an older state" in outcome.note
    outcome = await lewis.turn(tidy, 182 * DAY)
    assert "the log was not emptied" not in outcome.note


async def test_an_open_order_keeps_its_customer(lewis: Scene) -> None:  # D12
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    await lewis.turn(download_orders, MINUTE)
    await lewis.turn(tidy, 400 * DAY)
    assert len(await lewis.all("customers", "shipping")) == 1


async def test_bytes_of_settled_things_end_with_their_retention_and_stay_known(lewis: Scene) -> None:  # D7
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await lewis.turn(read_reports, HOUR)
    await lewis.restock(4, HOUR)
    await lewis.turn(send_offers, HOUR)
    await lewis.turn(tidy, 89 * DAY)
    assert len(await lewis.all("payload_chunks", "payload")) == 2
    await lewis.turn(tidy, 91 * DAY)
    # The first feed is answered; the second still waits, and its bytes are kept until it is settled.
    assert len(await lewis.all("payload_chunks", "payload")) == 1
    assert len(await lewis.all("payloads", "sha256")) == 2


async def test_housekeeping_drops_again_what_was_erased_on_request(lewis: Scene) -> None:  # D12
    await shipped_order(lewis)
    ((number,),) = await lewis.all("orders", "number")
    await lewis.store.erasures.erase(lewis.name, OrderNumber(number), "asked", NOON + HOUR)
    kept = await lewis.all("payload_chunks", "count(*)")
    await lewis.store.database.write(
        lambda db: (
            db.execute(
                "INSERT INTO payload_chunks SELECT payload, 0, ? FROM deliveries WHERE kind = 'order'",
                (zlib.compress(number.encode()),),
            ).rowcount
        )
    )
    await lewis.store.database.write(
        lambda db: db.execute("UPDATE payloads SET kept_at = ?", (to_us(NOON + DAY),)).rowcount
    )
    await lewis.turn(tidy, 2 * DAY)
    assert await lewis.all("payload_chunks", "count(*)") == kept


async def test_the_site_forgets_what_only_grows(tmp_path: Path) -> None:  # D7 D8
    async with open_store(tmp_path / "sellerd.db") as store:
        for ending in ("idle", "done"):
            run = await store.runs.started(SITE, "housekeeping", NOON)
            await store.runs.ended(run, ending, 0, "", None, NOON)
        early = await tidy_site(SiteRun(Config(), moment(2 * DAY), store, lambda: moment(2 * DAY)))
        late = await tidy_site(SiteRun(Config(), moment(31 * DAY), store, lambda: moment(31 * DAY)))
    assert (early.done, early.note) == (1, "1 idle turns forgotten")
    assert (late.done, late.note) == (1, "1 turns forgotten")
