"""John Lewis's orders to their end, turn by turn: parcels, cancellations, refunds, errors and sending again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from daemon.errors import NotAllowed
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import Money, OrderNumber, OrderUpdate, Parcel, UpdateKind
from daemon.sandbox.edge_orders import EdgeOrder
from daemon.store.choices import Choice
from daemon.store.update_rows import UpdateId
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene, to_ship

DAY = 24 * HOUR
PARCEL = Parcel("dpd", "15501234567890", "https://track.example.test/1", NOON)


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        yield each


async def decide(each: Scene, order: EdgeOrder, kind: UpdateKind, lines: Choice, after: timedelta) -> OrderUpdate:
    parcel = replace(PARCEL, tracking_number=f"{int(after.total_seconds())}") if kind == "dispatch" else None
    return await each.decide(order.number, kind, lines, after=after, parcel=parcel)


async def cancel(each: Scene, order: EdgeOrder, lines: Choice, after: timedelta, reason: str = "") -> Sequence[Any]:
    done = await each.store.updates.cancel(
        *(each.name, OrderNumber(order.number), lines),
        legal_moves=each.account.legal_moves,
        at=NOON + after,
        reason=reason,
    )
    return [(update.kind.value, [(line.ref, line.quantity) for line in update.lines]) for update in done.updates]


async def shipped(each: Scene, order: EdgeOrder, lines: Choice, after: timedelta) -> None:
    """A dispatch that has succeeded an hour after it was sent."""
    await decide(each, order, UpdateKind.DISPATCH, lines, after)
    await each.turn(send_updates, after + MINUTE)
    await each.answer()
    await each.turn(send_updates, after + HOUR)


async def lines_here(each: Scene) -> list[tuple[Any, ...]]:
    return await each.all("order_lines ORDER BY position", "state", "shipped", "cancelled", "refunded")


def lines_there(order: EdgeOrder) -> list[tuple[int, ...]]:
    return [(line.dispatched, line.cancelled, line.refunded) for line in order.lines.values()]


async def updates(each: Scene) -> list[tuple[str, str]]:
    return [tuple(row) for row in await each.all("order_updates ORDER BY id", "kind", "state")]


async def test_units_are_cancelled_before_they_leave(lewis: Scene) -> None:  # J9
    order = await to_ship(lewis, 3, ("87654321", 1))
    assert await cancel(lewis, order, [("1", 2)], 2 * HOUR, "out of stock") == [("cancellation", [("1", 2)])]
    assert (await lewis.turn(send_refunds, 2 * HOUR + MINUTE)).done == 1
    await lewis.answer()
    assert lines_there(order) == [(0, 2, 0), (0, 0, 0)]
    (arrival,) = [it for it in lewis.sandbox.johnlewis.arrivals if it.name.startswith("cancel-")]
    assert arrival.name.endswith(".ack")
    assert b'"1","12345678","2","out of stock"' in arrival.content
    await lewis.turn(send_updates, 3 * HOUR)
    assert await lines_here(lewis) == [("to_ship", 0, 2, 0), ("to_ship", 0, 0, 0)]
    await cancel(lewis, order, None, 4 * HOUR)
    await lewis.turn(send_refunds, 4 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 5 * HOUR)
    assert [state for state, *_ in await lines_here(lewis)] == ["cancelled", "cancelled"]
    assert order.state == "cancelled"


async def test_nothing_is_cancelled_before_the_acknowledgement(lewis: Scene) -> None:  # J7 J9
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await lewis.turn(download_orders, 10 * MINUTE)
    with pytest.raises(NotAllowed, match="line 1 of order Y100000001 is new"):
        await cancel(lewis, order, None, 11 * MINUTE)
    await lewis.turn(send_updates, 12 * MINUTE)
    await cancel(lewis, order, None, 13 * MINUTE)
    # Sent is not succeeded: the error may still come.
    assert (await lewis.turn(send_refunds, 14 * MINUTE)).done == 0
    await lewis.answer()
    await lewis.turn(send_updates, 43 * MINUTE)
    assert (await lewis.turn(send_refunds, 44 * MINUTE)).done == 1


async def test_units_are_refunded_after_they_left_and_silence_is_the_last_word(lewis: Scene) -> None:  # J10
    order = await to_ship(lewis, 2)
    await shipped(lewis, order, None, 2 * HOUR)
    assert await cancel(lewis, order, [("1", 1)], DAY) == [("refund", [("1", 1)])]
    assert (await lewis.turn(send_refunds, DAY + MINUTE)).done == 1
    await lewis.answer()
    arrival = lewis.sandbox.johnlewis.arrivals[-1]
    assert (arrival.name[:9], arrival.outcome) == ("dispatch-", "accepted")
    assert b"CANCELLED POST-DISPATCH" in arrival.content
    await lewis.turn(send_updates, DAY + HOUR)
    assert await lines_here(lewis) == [("shipped", 2, 0, 1)]
    await cancel(lewis, order, None, 2 * DAY)
    await lewis.turn(send_refunds, 2 * DAY + MINUTE)
    assert await lines_here(lewis) == [("refunding", 2, 0, 2)]
    await lewis.answer()
    await lewis.turn(send_updates, 2 * DAY + HOUR)
    assert await lines_here(lewis) == [("refunded", 2, 0, 2)]
    assert lines_there(order) == [(2, 0, 2)]


async def test_one_request_cancels_what_is_here_and_refunds_what_has_left(lewis: Scene) -> None:  # J9 J10
    order = await to_ship(lewis, 3)
    await shipped(lewis, order, [("1", 1)], 2 * HOUR)
    assert await cancel(lewis, order, None, 4 * HOUR) == [("cancellation", [("1", 2)]), ("refund", [("1", 1)])]
    for minutes in (1, 41, 81):
        await lewis.turn(send_refunds, 4 * HOUR + minutes * MINUTE)
        await lewis.answer()
        await lewis.turn(send_updates, 4 * HOUR + (minutes + 39) * MINUTE)
    assert lines_there(order) == [(1, 2, 1)]
    assert {state for _, state in await updates(lewis)} == {"succeeded"}


async def test_a_refund_by_amount_is_a_whole_number_of_units(tmp_path: Path) -> None:  # J10
    async with scene(tmp_path, "edge") as each:
        lewis = each
        order = await to_ship(lewis, 3)
        await shipped(lewis, order, None, 2 * HOUR)
        with pytest.raises(NotAllowed, match="line 1 of order Y100000001: its unit price is not known here"):
            await decide(lewis, order, UpdateKind.REFUND, [("1", Money(1999, "GBP"))], DAY)
        await lewis.store.database.write(
            lambda db: db.execute("UPDATE order_lines SET price_minor = 1999, currency = 'GBP'").rowcount
        )
        with pytest.raises(NotAllowed, match=r"19.99 GBP \(1 unit\) or 39.98 GBP \(2 units\)"):
            await decide(lewis, order, UpdateKind.REFUND, [("1", Money(2500, "GBP"))], DAY)
        refund = await decide(lewis, order, UpdateKind.REFUND, [("1", Money(3998, "GBP"))], DAY)
        assert [(line.ref, line.quantity) for line in refund.lines] == [("1", 2)]
        await lewis.turn(send_refunds, DAY + MINUTE)
        await lewis.answer()
        assert lines_there(order) == [(3, 0, 2)]


@pytest.mark.parametrize("shipments", ["incremental", "cumulative"])
async def test_several_parcels_with_the_same_line_in_each(
    tmp_path: Path, shipments: Literal["incremental", "cumulative"]
) -> None:  # J8
    async with scene(tmp_path, "edge", updates={"shipments": shipments}) as lewis:
        far = lewis.sandbox.johnlewis
        far.settings = replace(far.settings, shipments=shipments)
        order = await to_ship(lewis, 3, ("87654321", 2))
        await shipped(lewis, order, [("1", 1)], 2 * HOUR)
        await shipped(lewis, order, [("1", 1), ("2", 2)], 4 * HOUR)
        assert lines_there(order) == [(2, 0, 0), (2, 0, 0)]
        with pytest.raises(NotAllowed, match="2 units cannot go; 1 of 3 are left"):
            await decide(lewis, order, UpdateKind.DISPATCH, [("1", 2)], 6 * HOUR)
        await cancel(lewis, order, [("1", 1)], 6 * HOUR)
        await lewis.turn(send_refunds, 6 * HOUR + MINUTE)
        await lewis.answer()
        await lewis.turn(send_updates, 7 * HOUR)
        assert lines_there(order) == [(2, 1, 0), (2, 0, 0)]
        assert await lines_here(lewis) == [("shipped", 2, 1, 0), ("shipped", 2, 0, 0)]
        assert [it.outcome for it in far.arrivals] == ["accepted"] * 4
        assert len({row["tracking_number"] for row in order.lines["1"].parcels}) == 2


async def test_what_waits_behind_a_failed_dispatch_is_judged_by_the_lines(lewis: Scene) -> None:  # J11
    order = await to_ship(lewis, 3)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="dispatch", error="carrier?")
    await decide(lewis, order, UpdateKind.DISPATCH, [("1", 2)], 2 * HOUR)
    await lewis.turn(send_updates, 2 * HOUR + MINUTE)
    await decide(lewis, order, UpdateKind.DISPATCH, [("1", 1)], 2 * HOUR + 2 * MINUTE)
    await decide(lewis, order, UpdateKind.REFUND, [("1", 2)], 2 * HOUR + 3 * MINUTE)
    await lewis.answer()
    outcome = await lewis.turn(send_updates, 2 * HOUR + 10 * MINUTE)
    assert "was refused: carrier?" in outcome.note
    await lewis.answer()
    await lewis.turn(send_updates, 4 * HOUR)
    assert (
        "not sent, because its lines have moved on: line 1 has only 1 units left"
        in (await lewis.turn(send_refunds, 4 * HOUR + MINUTE)).note
    )
    assert lines_there(order) == [(1, 0, 0)]
    assert await lines_here(lewis) == [("to_ship", 1, 0, 0)]


async def resend(each: Scene, order: EdgeOrder, after: timedelta, number: int | None = None, **mended: Any) -> Any:
    return await each.store.updates.resend(
        *(each.name, OrderNumber(order.number)),
        legal_moves=each.account.legal_moves,
        at=NOON + after,
        update=None if number is None else UpdateId(number),
        mend=lambda parcel, reason: (replace(parcel, **mended) if parcel else None, reason),
    )


async def test_a_failed_dispatch_is_sent_again_from_the_record_after_mending(lewis: Scene) -> None:  # J13 L18
    order = await to_ship(lewis, 3)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="dispatch", error="carrier?")
    await decide(lewis, order, UpdateKind.DISPATCH, [("1", 2)], 2 * HOUR)
    await lewis.turn(send_updates, 2 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 2 * HOUR + 10 * MINUTE)
    assert (await lewis.store.views.attention())[lewis.name, "updates_failed"] == 1
    again = await resend(lewis, order, 3 * HOUR, carrier="royal-mail")
    assert [(line.ref, line.quantity) for line in again.lines] == [("1", 2)]
    assert (await lewis.store.views.attention())[lewis.name, "updates_failed"] == 0
    await lewis.turn(send_updates, 3 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 4 * HOUR)
    assert [row["carrier"] for row in order.lines["1"].parcels] == ["royal-mail"]
    names = [name for (name,) in await lewis.all("order_updates ORDER BY id", "name")]
    assert len(set(names)) == 3
    with pytest.raises(NotAllowed, match="has no failed update to send again"):
        await resend(lewis, order, 5 * HOUR)


async def test_after_a_failed_acknowledgement_both_are_sent_again_one_after_the_other(lewis: Scene) -> None:  # J7 J13
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="order", error="closed")
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    await decide(lewis, order, UpdateKind.DISPATCH, None, 12 * MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 20 * MINUTE)
    assert await updates(lewis) == [("acknowledgement", "failed"), ("dispatch", "failed")]
    assert (await resend(lewis, order, 30 * MINUTE)).kind is UpdateKind.ACKNOWLEDGEMENT
    with pytest.raises(NotAllowed, match="dispatch 2 cannot be sent again: line 1 of order Y100000001 is new"):
        await resend(lewis, order, 31 * MINUTE)
    await lewis.turn(send_updates, 32 * MINUTE)
    assert (await resend(lewis, order, 33 * MINUTE)).kind is UpdateKind.DISPATCH
    await lewis.answer()
    await lewis.turn(send_updates, 2 * HOUR)
    await lewis.answer()
    assert lines_there(order) == [(2, 0, 0)]


async def test_where_several_failed_the_one_to_send_again_is_named(lewis: Scene) -> None:  # J13
    order = await to_ship(lewis, 3)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="dispatch", error="no", times=2)
    for hours in (2, 4):
        await decide(lewis, order, UpdateKind.DISPATCH, [("1", 1)], hours * HOUR)
        await lewis.turn(send_updates, hours * HOUR + MINUTE)
        await lewis.answer()
        await lewis.turn(send_updates, (hours + 1) * HOUR)
    with pytest.raises(NotAllowed, match=r"say which to send again: 2 \(dispatch: no\), 3 \(dispatch: no\)"):
        await resend(lewis, order, 6 * HOUR)
    with pytest.raises(NotAllowed, match="no failed update to send again of number 1"):
        await resend(lewis, order, 6 * HOUR, number=1)
    await resend(lewis, order, 6 * HOUR, number=3)
    await resend(lewis, order, 6 * HOUR)


@pytest.mark.parametrize("folder", ["outgoing", "outgoing/errors"])
@pytest.mark.parametrize("named", ["as_sent", "by_type", "without_ending"])
@pytest.mark.parametrize("layout", ["text", "lines", "table", "latin"])
async def test_an_error_is_found_wherever_it_lies_and_whatever_its_form(
    lewis: Scene, folder: str, named: str, layout: str
) -> None:  # J13
    order = await to_ship(lewis, 3)
    far = lewis.sandbox.johnlewis
    (far.files / "live/outgoing/errors").mkdir(exist_ok=True)
    far.faults.add("reject_file", kind="cancel", error="ligne fermée", folder=folder, named=named, layout=layout)
    await cancel(lewis, order, [("1", 1)], 2 * HOUR)
    await lewis.turn(send_refunds, 2 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 2 * HOUR + 10 * MINUTE)
    ((state, error),) = await lewis.all("order_updates WHERE kind = 'cancellation'", "state", "error")
    assert state == "failed"
    assert "ligne fermée" in error
    assert await lines_here(lewis) == [("to_ship", 0, 0, 0)]


async def test_an_error_after_silence_was_taken_for_a_yes_undoes_it_and_is_told(lewis: Scene) -> None:  # J13
    order = await to_ship(lewis, 2)
    await shipped(lewis, order, None, 2 * HOUR)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="dispatch", error="too late")
    await cancel(lewis, order, None, 4 * HOUR)
    await lewis.turn(send_refunds, 4 * HOUR + MINUTE)
    await lewis.turn(send_updates, 5 * HOUR)
    assert await lines_here(lewis) == [("refunded", 2, 0, 2)]
    await lewis.answer()
    outcome = await lewis.turn(send_updates, 6 * HOUR)
    assert "was refused: too late" in outcome.note
    assert await lines_here(lewis) == [("shipped", 2, 0, 0)]
    assert (await updates(lewis))[-1] == ("refund", "failed")
    assert (await lewis.store.views.attention())[lewis.name, "updates_failed"] == 1
    events = await lewis.all("events WHERE what = 'refund' ORDER BY id DESC LIMIT 1", '"from"', '"to"', "why")
    assert events == [("succeeded", "failed", "too late")]
    await resend(lewis, order, 7 * HOUR)
    await lewis.turn(send_refunds, 7 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 8 * HOUR)
    assert lines_there(order) == [(2, 0, 2)]


async def test_late_errors_in_a_row_bring_a_line_back_all_the_way(lewis: Scene) -> None:  # J13
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    lewis.sandbox.johnlewis.faults.add("reject_file", error="system closed", times=3)
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    for hours, units in ((2, 1), (4, 1)):
        await lewis.turn(send_updates, hours * HOUR - MINUTE)
        await decide(lewis, order, UpdateKind.DISPATCH, [("1", units)], hours * HOUR)
        await lewis.turn(send_updates, hours * HOUR + MINUTE)
    await lewis.turn(send_updates, 5 * HOUR)
    assert await lines_here(lewis) == [("shipped", 2, 0, 0)]
    await lewis.answer()
    await lewis.turn(send_updates, 6 * HOUR)
    assert await lines_here(lewis) == [("new", 0, 0, 0)]
    assert {state for _, state in await updates(lewis)} == {"failed"}
