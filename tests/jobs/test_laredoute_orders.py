"""La Redoute's orders from created to refunded, line by line, with what other people do to them on the way."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from daemon.errors import NotAllowed, Unconfirmed
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import OrderNumber, Parcel, UpdateKind
from daemon.sandbox import LaRedouteSettings
from daemon.sandbox.orders import Order
from daemon.seller.exports import ExportFormat, orders_as
from daemon.store.choices import Choice
from daemon.store.updates import CancelRequest
from tests.jobs.scene import EAN, HOUR, LAMP, MINUTE, NOON, Scene, scene

DAY = timedelta(days=1)
PARCEL = Parcel("Colissimo", "8L001", "", NOON)


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "sellr") as each:
        yield each


async def say(redoute: Scene, order: Order, kind: UpdateKind, lines: Choice = None, after: timedelta = HOUR) -> None:
    """The seller decides."""
    parcel = PARCEL if kind is UpdateKind.DISPATCH else None
    await redoute.decide(order.id, kind, lines, after=after, parcel=parcel)


async def cancel(redoute: Scene, order: Order, lines: Choice = None, after: timedelta = HOUR) -> CancelRequest:
    return await redoute.store.updates.cancel(
        *(redoute.name, OrderNumber(order.id), lines),
        legal_moves=redoute.account.legal_moves,
        at=NOON + after,
        reason="the customer called",
    )


async def states(redoute: Scene) -> list[str]:
    return [state for (state,) in await redoute.all("order_lines ORDER BY id", "state")]


async def updates(redoute: Scene) -> list[tuple[str, str]]:
    return await redoute.all("order_updates ORDER BY id", "kind", "state")


async def to_ship(redoute: Scene, order: Order) -> None:
    """Accepted by the seller at noon and 10 minutes, debited, and heard of at 21 minutes past."""
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, after=10 * MINUTE)
    await redoute.turn(send_updates, 20 * MINUTE)
    await redoute.answer()
    await redoute.turn(download_orders, 21 * MINUTE)


async def test_an_order_from_created_to_refunded(redoute: Scene) -> None:  # L12 L13 L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await to_ship(redoute, order)
    assert await states(redoute) == ["to_ship"]
    await say(redoute, order, UpdateKind.DISPATCH)
    await redoute.turn(send_updates, HOUR)
    assert await states(redoute) == ["shipped"]
    await cancel(redoute, order, after=2 * HOUR)
    # The job of the other updates leaves it alone.
    assert (await redoute.turn(send_updates, 2 * HOUR)).done == 0
    assert (await redoute.turn(send_refunds, 2 * HOUR + 20 * MINUTE)).done == 1
    assert await states(redoute) == ["refunding"]
    await redoute.answer()
    await redoute.turn(download_orders, 3 * HOUR)
    assert await states(redoute) == ["refunded"]
    assert await redoute.all("order_lines", "shipped", "cancelled", "refunded") == [(2, 0, 2)]
    moves = await redoute.all("events WHERE what LIKE 'line %' ORDER BY id", '"from"', '"to"')
    path = ["new", "accepted", "to_ship", "shipped", "refunding", "refunded"]
    assert moves == list(pairwise(path))


async def test_before_to_ship_it_goes_out_as_a_refusal(redoute: Scene) -> None:  # L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    request = await cancel(redoute, order)
    assert [(update.kind, len(update.lines)) for update in request.updates] == [(UpdateKind.REFUSAL, 2)]
    await redoute.turn(send_refunds, HOUR)
    assert await states(redoute) == ["refused", "refused"]
    assert [line.status.value for line in order.lines] == ["Refused", "Refused"]


async def test_lines_that_stand_differently_become_two_updates_sent_one_after_the_other(
    redoute: Scene,
) -> None:  # L14 L18
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1), (EAN, 1), (EAN, 3)], placed_at=NOON)
    first, second, third, fourth = (line.id for line in order.lines)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(first, 2), (second, 1)], after=10 * MINUTE)
    await redoute.turn(send_updates, 20 * MINUTE)
    await redoute.answer()
    await redoute.turn(download_orders, 21 * MINUTE)
    await say(redoute, order, UpdateKind.DISPATCH, [(first, 2)], after=22 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(fourth, 3)], after=22 * MINUTE)
    for minutes in (22, 32):
        await redoute.turn(send_updates, minutes * MINUTE)
    assert await states(redoute) == ["shipped", "to_ship", "new", "accepted"]
    request = await cancel(redoute, order)
    assert [(update.kind, [line.ref for line in update.lines]) for update in request.updates] == [
        (UpdateKind.REFUSAL, [third]),
        (UpdateKind.REFUND, [first, second]),
    ]
    (told,) = request.left_out
    assert f"line {fourth} of order {order.id} is accepted" in told
    assert "refusal when it is new; refund when it is shipped or to_ship; now possible: nothing" in told
    assert "the marketplace is charging the buyer" in told
    assert (await redoute.turn(send_refunds, HOUR)).done == 1
    assert (await updates(redoute))[-2:] == [("refusal", "succeeded"), ("refund", "pending")]
    assert (await redoute.turn(send_refunds, HOUR + 20 * MINUTE)).done == 1
    assert await states(redoute) == ["refunding", "refunding", "refused", "accepted"]


async def test_a_request_waits_for_the_open_update_whichever_job_sends_it(redoute: Scene) -> None:  # L14 L18
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1)], placed_at=NOON)
    first, second = (line.id for line in order.lines)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(first, 2)])
    await cancel(redoute, order, [(second, None)])
    assert (await redoute.turn(send_refunds, HOUR)).done == 0
    assert (await redoute.turn(send_updates, HOUR)).done == 1
    assert (await redoute.turn(send_refunds, HOUR)).done == 1
    assert await states(redoute) == ["accepted", "refused"]


async def test_elsewhere_it_is_refused_with_what_would_be_possible(redoute: Scene) -> None:  # L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(order.lines[0].id, None)])
    await redoute.turn(send_updates, HOUR)
    with pytest.raises(NotAllowed, match="is accepted: it can be cancelled by refusal when it is new"):
        await cancel(redoute, order, [(order.lines[0].id, None), (order.lines[1].id, None)])
    with pytest.raises(NotAllowed, match="refusal is for the whole line, 2 units|is accepted"):
        await cancel(redoute, order, [(order.lines[0].id, 1)])
    with pytest.raises(NotAllowed, match="has no line 9"):
        await cancel(redoute, order, [("9", None)])
    with pytest.raises(NotAllowed, match="a line stands twice"):
        await cancel(redoute, order, [(order.lines[1].id, None)] * 2)
    assert [kind for kind, _ in await updates(redoute)] == ["acceptance"]


async def test_a_refund_that_is_turned_down_is_the_end_of_it(redoute: Scene) -> None:  # L12 L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await to_ship(redoute, order)
    redoute.sandbox.laredoute.faults.add("refuse_refund")
    await cancel(redoute, order)
    await redoute.turn(send_refunds, HOUR)
    await redoute.answer()
    await redoute.turn(download_orders, 2 * HOUR)
    assert await states(redoute) == ["refund_refused"]
    assert await redoute.all("order_lines", "refunded") == [(0,)]
    with pytest.raises(NotAllowed, match="is refund_refused: .*now possible: nothing .*turned the refund down"):
        await cancel(redoute, order)


async def test_a_buyer_who_cannot_be_charged_cancels_the_line(redoute: Scene) -> None:  # L12
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE)
    await redoute.turn(send_updates, HOUR)
    redoute.sandbox.laredoute.faults.add("fail_debit")
    await redoute.answer()
    await redoute.answer()
    await redoute.turn(download_orders, 2 * HOUR)
    assert await states(redoute) == ["cancelled"]
    assert await redoute.all("order_lines", "cancelled") == [(2,)]
    with pytest.raises(NotAllowed, match="nothing can follow"):
        await cancel(redoute, order)


async def test_out_of_stock_is_told_as_such(redoute: Scene) -> None:  # L13
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    await redoute.decide(order.id, UpdateKind.REFUSAL, out_of_stock=True)
    await redoute.turn(send_updates, 20 * MINUTE)
    ((payload,),) = await redoute.all("order_updates", "payload")
    kept = b"".join([chunk async for chunk in redoute.store.payloads.chunks(payload)])
    assert f'<outOfStock OrderLineID="{order.lines[0].id}"/>'.encode() in kept
    assert await states(redoute) == ["refused"]


async def test_what_the_portal_overtook_is_closed_before_it_is_sent(redoute: Scene) -> None:  # L12 L13
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1)], placed_at=NOON)
    first, second = (line.id for line in order.lines)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(first, 2)])
    await say(redoute, order, UpdateKind.ACCEPTANCE, [(second, 1)])
    redoute.sandbox.laredoute.portal_change(first, "Accepted")
    redoute.sandbox.laredoute.portal_change(second, "Refused")
    await redoute.turn(download_orders, HOUR)
    before = len(await redoute.all("payloads", "id"))
    outcomes = [await redoute.turn(send_updates, HOUR + minutes * MINUTE) for minutes in (10, 20)]
    assert [outcome.done for outcome in outcomes] == [0, 0]
    assert len(await redoute.all("payloads", "id")) == before
    told = await redoute.all("order_updates ORDER BY id", "state", "error")
    assert told == [
        ("failed", f"not sent, because its lines have moved on: line {first} is accepted already"),
        (
            "failed",
            (
                f"not sent, because its lines have moved on: line {second} is refused by now; now possible: nothing"
                " (the buyer was told, and nothing can follow)"
            ),
        ),
    ]
    assert f"order {order.id}: acceptance not sent" in outcomes[0].note
    assert await states(redoute) == ["accepted", "refused"]


async def test_a_doubt_that_the_portal_answers_is_settled_and_not_sent_again(redoute: Scene) -> None:  # L12 L13
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    await say(redoute, order, UpdateKind.REFUSAL)
    redoute.sandbox.laredoute.faults.add("cut_connection", after_apply=False)
    with pytest.raises(Unconfirmed):
        await redoute.turn(send_updates, HOUR)
    redoute.sandbox.laredoute.portal_change(order.lines[0].id, "Accepted")
    await redoute.turn(download_orders, HOUR + 10 * MINUTE)
    assert (await redoute.turn(send_updates, HOUR + 10 * MINUTE)).done == 0
    assert await updates(redoute) == [("refusal", "failed")]
    assert await states(redoute) == ["accepted"]


@pytest.mark.parametrize("after_apply", [True, False])
async def test_a_refund_that_was_cut_is_asked_after_and_never_doubled(redoute: Scene, after_apply: bool) -> None:  # L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await to_ship(redoute, order)
    await cancel(redoute, order)
    redoute.sandbox.laredoute.faults.add("cut_connection", after_apply=after_apply)
    with pytest.raises(Unconfirmed):
        await redoute.turn(send_refunds, HOUR)
    # The other job leaves the doubt to this one.
    await redoute.turn(send_updates, HOUR)
    assert (await updates(redoute))[-1] == ("refund", "in_doubt")
    assert (await redoute.turn(send_refunds, 2 * HOUR)).done == (0 if after_apply else 1)
    assert (await updates(redoute))[-1] == ("refund", "succeeded")
    assert await states(redoute) == ["refunding"]


async def test_an_old_order_is_asked_for_as_long_as_it_is_open(redoute: Scene) -> None:  # L12 L14
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await to_ship(redoute, order)
    await say(redoute, order, UpdateKind.DISPATCH)
    await redoute.turn(send_updates, HOUR)
    await cancel(redoute, order, after=13 * DAY)
    await redoute.turn(send_refunds, 13 * DAY)
    await redoute.answer()
    await redoute.turn(download_orders, 40 * DAY)
    assert await states(redoute) == ["refunded"]


async def test_an_order_is_accepted_by_itself_only_from_what_is_not_promised(tmp_path: Path) -> None:  # L13
    async with scene(tmp_path, "sellr", orders={"accept": "in_stock"}) as redoute:
        await redoute.want(stock=5)
        placed = [redoute.sandbox.laredoute.place_order(lines, placed_at=NOON) for lines in PLACED]
        await redoute.turn(download_orders, 10 * MINUTE)
        await redoute.turn(send_updates, 11 * MINUTE)
        accepted = await redoute.all('orders o JOIN order_updates u ON u."order" = o.id ORDER BY o.id', "o.number")
        assert [number for (number,) in accepted] == [placed[1].id, placed[3].id]
        await redoute.restock(11, 20 * MINUTE)
        # 11 less the 5 that are promised are 6: enough for the first one, and then for no other.
        await redoute.turn(send_updates, 21 * MINUTE)
        accepted = await redoute.all('orders o JOIN order_updates u ON u."order" = o.id ORDER BY o.id', "o.number")
        assert [number for (number,) in accepted] == [placed[0].id, placed[1].id, placed[3].id]


#: too many; 3 of 5; 3 in two lines, of which 2 are left; 2
PLACED = ([(EAN, 6)], [(EAN, 3)], [(EAN, 2), (EAN, 1)], [(EAN, 2)])


async def test_orders_that_wait_too_long_are_late_and_show_it_before(redoute: Scene) -> None:  # L12
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await to_ship(redoute, order)
    redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON + HOUR)
    await redoute.turn(download_orders, 2 * HOUR)

    async def found(after: timedelta) -> list[int]:
        counted = await redoute.store.views.waiting(NOON + after)
        return [counted["redoute", how] for how in ("in_time", "due_soon", "late")]

    # To be shipped 48 hours after 12:21, when it was first heard that it may; to be accepted 24 hours after 13:00.
    assert await found(19 * HOUR) == [1, 1, 0]
    assert await found(25 * HOUR) == [1, 0, 1]
    assert await found(43 * HOUR) == [0, 1, 1]
    assert await found(48 * HOUR + 21 * MINUTE) == [0, 0, 2]
    late = await redoute.store.views.orders(now=NOON + 25 * HOUR, late=True)
    assert [(one["timeliness"], one["due_at"]) for one in late] == [("late", "2026-03-03T13:00:00.000Z")]
    (both,) = [one for one in await redoute.store.views.orders(now=NOON + 43 * HOUR) if one["number"] == order.id]
    assert (both["timeliness"], both["due_at"]) == ("due_soon", "2026-03-04T12:21:00.000Z")
    await say(redoute, order, UpdateKind.DISPATCH)
    await redoute.turn(send_updates, 50 * HOUR)
    assert await found(50 * HOUR) == [0, 0, 1]


@pytest.mark.parametrize(
    ("shipping", "payment"), [("Standard", "Credit card"), ("Tracked (Express)", "PayPal"), ("Tracked", "PayPal")]
)
async def test_shipping_and_payment_are_kept_shown_and_exported(
    redoute: Scene, shipping: str, payment: str
) -> None:  # L15
    redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON, shipping_method=shipping, payment_method=payment)
    await redoute.turn(download_orders, 10 * MINUTE)
    (shown,) = await redoute.store.views.orders()
    assert (shown["shipping_method"], shown["payment_method"]) == (shipping, payment)
    pages = redoute.store.views.export_orders(redoute.name)
    exported = json.loads(b"".join([piece async for piece in orders_as(ExportFormat.JSON, pages)]))
    (order,) = exported["orders"]
    assert (order["shipping_method"], order["payment_method"]) == (shipping, payment)
    # What people need to send it: a postcode that begins with 0, and an address that relays mail.
    assert order["shipping"]["postcode"] == "01001"
    assert order["shipping"]["email"] == "relais-1@example.test"


async def test_one_order_from_both_sources_is_followed_to_its_end(tmp_path: Path) -> None:  # L1 L12 L14
    async with scene(tmp_path, "sellr", LaRedouteSettings(answers="both")) as redoute:
        order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
        await to_ship(redoute, order)
        await cancel(redoute, order)
        await redoute.turn(send_refunds, HOUR)
        await redoute.answer()
        # Files that tell what was before are read after the reply that tells what is.
        await redoute.turn(download_orders, 2 * HOUR)
        await redoute.turn(download_orders, 3 * HOUR)
        assert await states(redoute) == ["refunded"]
        assert await redoute.all("orders", "number") == [(order.id,)]


async def test_a_listing_that_was_ended_is_not_accepted_from(tmp_path: Path) -> None:  # L13
    async with scene(tmp_path, "sellr", orders={"accept": "in_stock"}) as redoute:
        await redoute.want(stock=5)
        await redoute.store.database.write(
            lambda db: db.execute("UPDATE listings SET ended = 1 WHERE sku = ?", (LAMP,)).rowcount
        )
        redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON)
        await redoute.turn(download_orders, 10 * MINUTE)
        assert (await redoute.turn(send_updates, 11 * MINUTE)).done == 0
