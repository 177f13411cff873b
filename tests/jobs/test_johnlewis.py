"""John Lewis's main path, turn by turn, with what goes wrong on the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.errors import Unconfirmed
from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import Parcel, Sku, UpdateKind
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene

PARCEL = Parcel("dpd", "15501234567890", "", NOON)


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        yield each


async def test_silence_about_stock_means_yes(lewis: Scene) -> None:  # J3 J4
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await lewis.turn(read_reports, 30 * MINUTE)
    assert (await lewis.parts())[1] == "sent"
    await lewis.turn(read_reports, 31 * MINUTE)
    assert (await lewis.parts())[1] == "not_needed"


async def test_only_what_changed_is_sent(lewis: Scene) -> None:  # J3
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    assert (await lewis.turn(send_offers, 2 * MINUTE)).done == 0
    await lewis.restock(3, 3 * MINUTE)
    assert (await lewis.turn(send_offers, 4 * MINUTE)).done == 1
    await lewis.answer()
    assert lewis.sandbox.johnlewis.stock[STOCK_NUMBER].free == 3


async def test_a_stock_error_reaches_the_listing(lewis: Scene) -> None:  # J4
    lewis.sandbox.johnlewis.faults.add("reject_part", part_number=STOCK_NUMBER, error="not in our range")
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await lewis.turn(read_reports, 2 * MINUTE)
    assert await lewis.all("listings", "stock_state", "stock_error") == [("error", "not in our range")]


@pytest.mark.parametrize("bytes_left_behind", [0, 80])
async def test_a_stock_file_that_was_cut_is_sent_again_whole(lewis: Scene, bytes_left_behind: int) -> None:  # J3 J4
    edge = lewis.sandbox.johnlewis
    edge.faults.add("cut_upload", after=bytes_left_behind)
    await lewis.want()
    with pytest.raises(Unconfirmed):
        await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    assert edge.arrivals[0].outcome != "accepted"
    assert edge.stock == {}
    # Whether the error of the half comes first, or the next turn: no listing is rejected for it.
    await lewis.turn(read_reports, 2 * MINUTE)
    assert await lewis.all("listings", "stock_state", "stock_error") == [("pending", "")]
    assert (await lewis.turn(send_offers, 3 * MINUTE)).done == 1
    await lewis.answer()
    assert edge.stock[STOCK_NUMBER].free == 5
    await lewis.turn(read_reports, 34 * MINUTE)
    assert await lewis.all("listings", "stock_state", "stock_error") == [("not_needed", "")]
    assert await lewis.all("feeds", "state") == [("lapsed",), ("answered",)]
    assert await lewis.all("deliveries", "state") == [("applied",)]


async def test_a_late_error_of_a_cut_file_takes_nothing_back(lewis: Scene) -> None:  # J3 J4
    lewis.sandbox.johnlewis.faults.add("cut_upload", after=80)
    await lewis.want()
    with pytest.raises(Unconfirmed):
        await lewis.turn(send_offers, MINUTE)
    await lewis.turn(send_offers, 2 * MINUTE)
    await lewis.answer()
    await lewis.turn(read_reports, 33 * MINUTE)
    assert await lewis.all("listings", "stock_state", "stock_error") == [("not_needed", "")]


async def test_a_stock_error_that_breaks_off_is_no_silence(lewis: Scene) -> None:  # J4 D9
    rug = Sku("RUG-1")
    await lewis.want()
    await lewis.want(sku=rug, ean="3701234567884", stock_number="87654321")
    await lewis.turn(send_offers, MINUTE)
    ((name,),) = await lewis.all("feeds", "name")
    error = lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors" / f"{name}.err"
    error.write_bytes(b"part_number,err")
    await lewis.turn(read_reports, 2 * MINUTE)
    # Half an hour is over: what the file says is not known, so nothing is taken for accepted.
    await lewis.turn(read_reports, 40 * MINUTE)
    assert await lewis.all("listings ORDER BY id", "stock_state") == [("sent",), ("sent",)]
    error.write_bytes(f"part_number,error\n{STOCK_NUMBER},not in our range\n".encode())
    await lewis.turn(read_reports, 50 * MINUTE)
    assert await lewis.all("listings ORDER BY id", "stock_state", "stock_error") == [
        ("error", "not in our range"),
        ("not_needed", ""),
    ]


async def test_a_stock_error_that_nobody_can_read_makes_its_feed_go_out_again(lewis: Scene) -> None:  # J4 D9
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    ((name,),) = await lewis.all("feeds", "name")
    (lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors" / f"{name}.err").write_bytes(b"\x81\xff\n")
    await lewis.turn(read_reports, 2 * MINUTE)
    outcome = await lewis.turn(read_reports, HOUR)
    assert "lapsed" not in outcome.note
    await lewis.turn(read_reports, 2 * HOUR + 2 * MINUTE)
    assert await lewis.all("feeds", "state", "error") == [("lapsed", "no answer that can be read within 2:00:00")]
    assert (await lewis.turn(send_offers, 3 * HOUR)).done == 1


async def test_an_order_is_acknowledged_by_itself_and_ready_for_shipping(lewis: Scene) -> None:  # J5 J7
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await lewis.turn(download_orders, 10 * MINUTE)
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 1
    assert await lewis.all("order_lines", "state") == [("to_ship",)]
    await lewis.answer()
    assert lewis.sandbox.johnlewis.orders[placed.number].state == "acknowledged"


async def test_a_dispatch_waits_until_the_acknowledgement_has_stood(lewis: Scene) -> None:  # J7 J8
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    await lewis.decide(placed.number, UpdateKind.DISPATCH, after=12 * MINUTE, parcel=PARCEL)
    assert (await lewis.turn(send_updates, 21 * MINUTE)).done == 0
    assert (await lewis.turn(send_updates, 41 * MINUTE)).done == 1
    await lewis.answer()
    assert lewis.sandbox.johnlewis.orders[placed.number].state == "dispatched"


async def test_an_order_with_a_wrong_checksum_is_incomplete_and_not_acknowledged(lewis: Scene) -> None:  # J6
    lewis.sandbox.johnlewis.faults.add("wrong_checksum")
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await lewis.turn(download_orders, 10 * MINUTE)
    ((incomplete,),) = await lewis.all("orders", "incomplete")
    assert "4" in incomplete
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 0
    lewis.sandbox.johnlewis.resend_order(placed.number)
    await lewis.turn(download_orders, 20 * MINUTE)
    assert await lewis.all("orders", "incomplete") == [("",)]
    assert (await lewis.turn(send_updates, 21 * MINUTE)).done == 1


async def test_an_order_is_not_read_before_its_marker(lewis: Scene) -> None:  # J5
    lewis.sandbox.johnlewis.faults.add("half_file")
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    assert (await lewis.turn(download_orders, 10 * MINUTE)).done == 0
    lewis.sandbox.johnlewis.finish_files()
    assert (await lewis.turn(download_orders, 20 * MINUTE)).done == 1


async def test_kept_orders_are_moved_away_with_their_markers(lewis: Scene) -> None:  # D9
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await lewis.turn(download_orders, 10 * MINUTE)
    incoming = lewis.sandbox.johnlewis.files / "live" / "incoming"
    assert sorted(path.name for path in incoming.iterdir()) == ["processed"]
    assert len(list((incoming / "processed").iterdir())) == 2


async def test_an_unreadable_order_stays_there_and_blocks_nothing(lewis: Scene) -> None:  # D9
    incoming = lewis.sandbox.johnlewis.files / "live" / "incoming"
    (incoming / "order-20200101000000000000.txt").write_bytes(b"\x00\xff garbage")
    (incoming / "order-20200101000000000000.txt.DONE").write_bytes(b"")
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    outcome = await lewis.turn(download_orders, 10 * MINUTE)
    assert outcome.done == 1
    assert "order-20200101000000000000.txt" in outcome.note
    assert (incoming / "order-20200101000000000000.txt").exists()


async def test_an_error_report_fails_the_acknowledgement_with_its_text(lewis: Scene) -> None:  # J7
    placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    lewis.sandbox.johnlewis.faults.add("reject_file", error="line_ref unknown")
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, HOUR)
    ((state, error),) = await lewis.all("order_updates", "state", "error")
    assert state == "failed"
    assert "line_ref unknown" in error
    assert await lewis.all("order_lines", "state") == [("new",)]
    assert lewis.sandbox.johnlewis.orders[placed.number].state == "new"
