"""One thing that goes wrong, at every turn if need be, holds up nothing that stands behind it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.errors import DaemonError, MarketplaceError, Unconfirmed
from daemon.jobs.feeds import send_items
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import OrderNumber, Parcel, UpdateKind
from daemon.sandbox import LaRedouteSettings
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene

HEADER = "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "sellr") as each:
        yield each


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        yield each


async def test_orders_that_came_as_files_are_kept_while_asking_fails(tmp_path: Path) -> None:  # D9 L1
    async with scene(tmp_path, "sellr", LaRedouteSettings(answers="both")) as redoute:
        far = redoute.sandbox.laredoute
        far.place_order([(EAN, 2)], placed_at=NOON)
        await redoute.turn(download_orders, MINUTE)
        ((number,),) = await redoute.all("orders", "number")
        (kept,) = (far.files / "orders").iterdir()
        kept.with_name("another.xml").write_bytes(kept.read_bytes().replace(number.encode(), b"Y199999999"))
        far.faults.add("answer_500", on="retrieve", times=None)
        with pytest.raises(DaemonError):
            await redoute.turn(download_orders, 10 * MINUTE)
        assert ("Y199999999",) in await redoute.all("orders", "number")


async def test_a_report_that_cannot_be_fetched_holds_up_none_behind_it(redoute: Scene) -> None:  # D9 L17
    endless = redoute.sandbox.laredoute.files / "reports" / "a.csv"
    endless.touch()
    os.truncate(endless, 3 << 30)
    await redoute.want()
    await redoute.turn(send_items, MINUTE)
    await redoute.answer()
    with pytest.raises(MarketplaceError, match=r"a\.csv"):
        await redoute.turn(read_reports, 2 * MINUTE)
    assert (await redoute.parts())[0] == "not_needed"


async def test_a_broken_line_does_not_hide_a_report_from_its_feed(redoute: Scene) -> None:  # L17 D9
    early = redoute.sandbox.laredoute.files / "reports" / "early.csv"
    early.write_text(f"{HEADER}B00000001;;{EAN};;WHAT;;;\nB00000001;;{EAN};;OK;;;LR000000009\n")
    await redoute.turn(read_reports, MINUTE)
    await redoute.want()
    await redoute.turn(send_items, 2 * MINUTE)
    await redoute.turn(read_reports, 3 * MINUTE)
    assert (await redoute.parts())[0] == "not_needed"
    ((state, reason),) = await redoute.all("deliveries", "state", "reason")
    assert state == "set_aside"
    assert reason.startswith("line 2: Status is 'WHAT'")


async def test_a_file_that_cannot_be_put_away_holds_up_neither_orders_nor_acknowledgements(
    lewis: Scene,
) -> None:  # D9 J7
    incoming = lewis.sandbox.johnlewis.files / "live" / "incoming"
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    (first,) = incoming.glob("*.txt")
    (incoming / "processed").mkdir(exist_ok=True)
    for name in (first.name, *(f"{first.name}.{number}" for number in range(2, 100))):
        (incoming / "processed" / name).write_bytes(b"there already")
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    with pytest.raises(MarketplaceError, match="has a file of that name already"):
        await lewis.turn(download_orders, 10 * MINUTE)
    assert [path.name for path in incoming.glob("*.txt")] == [first.name]
    with pytest.raises(MarketplaceError, match="has a file of that name already"):
        await lewis.turn(send_updates, 11 * MINUTE)
    assert await lewis.all("order_lines", "state") == [("to_ship",), ("to_ship",)]


async def test_a_doubt_about_one_order_holds_up_no_other(redoute: Scene) -> None:  # D9 L13
    far = redoute.sandbox.laredoute
    numbers = [OrderNumber(far.place_order([(EAN, units)], placed_at=NOON).id) for units in (1, 2)]
    await redoute.turn(download_orders, MINUTE)

    async def accept(number: OrderNumber) -> None:
        moves = redoute.account.legal_moves
        await redoute.store.updates.open(redoute.name, number, UpdateKind.ACCEPTANCE, None, legal_moves=moves, at=NOON)

    await accept(numbers[0])
    far.faults.add("cut_connection", on="update")
    with pytest.raises(Unconfirmed):
        await redoute.turn(send_updates, 2 * MINUTE)
    await accept(numbers[1])
    far.faults.add("answer_500", on="retrieve", times=None)
    with pytest.raises(DaemonError, match="answered with status 500"):
        await redoute.turn(send_updates, 12 * MINUTE)
    assert await redoute.all("order_updates ORDER BY id", "state") == [("in_doubt",), ("succeeded",)]


async def test_nothing_goes_out_behind_an_acknowledgement_that_failed(lewis: Scene) -> None:  # J7
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    lewis.sandbox.johnlewis.faults.add("reject_file", error="line_ref unknown")
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    parcel = Parcel("dpd", "15501234567890", "", NOON)
    await lewis.decide(placed.number, UpdateKind.DISPATCH, after=12 * MINUTE, parcel=parcel)
    await lewis.answer()
    outcome = await lewis.turn(send_updates, HOUR)
    assert outcome.done == 0
    assert "dispatch not sent, because its lines have moved on: line 1 is new by now" in outcome.note
    assert await lewis.all("order_updates ORDER BY id", "state") == [("failed",), ("failed",)]
    assert await lewis.all("order_lines", "state") == [("new",)]
