"""Requests of John Lewis to cancel, from their file to their answer: by a person, by a rule, outrun by a dispatch."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import NotAllowed
from daemon.jobs.claims import read_claims
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import OrderNumber, Parcel, UpdateKind
from daemon.sandbox.edge_orders import EdgeOrder
from daemon.store.claims import ClaimId
from daemon.store.updates import CancelRequest
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene, to_ship

PARCEL = Parcel("dpd", "15501234567890", "", NOON)
BY_RULE: dict[str, Any] = {"cancellations": {"accept": "before_dispatch", "answer_within": "2h"}}


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        yield each


@pytest.fixture
async def ruled(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge", **BY_RULE) as each:
        yield each


async def dispatched(each: Scene, order: EdgeOrder, units: int, after: timedelta) -> None:
    await each.decide(order.number, UpdateKind.DISPATCH, [("1", units)], after=after, parcel=PARCEL)
    await each.turn(send_updates, after + MINUTE)
    await each.answer()
    await each.turn(send_updates, after + HOUR)


async def accept(each: Scene, claim: int, after: timedelta, reason: str = "") -> CancelRequest:
    return await each.store.updates.accept_claim(
        *(each.name, ClaimId(claim)), legal_moves=each.account.legal_moves, at=NOON + after, reason=reason
    )


async def claims(each: Scene) -> list[tuple[str, str]]:
    return [tuple(row) for row in await each.all("claims ORDER BY id", "state", "why")]


def cancelled_there(order: EdgeOrder) -> list[int]:
    return [line.cancelled for line in order.lines.values()]


async def test_a_request_is_accepted_by_a_person_and_acknowledged(lewis: Scene) -> None:  # J12 J9
    order = await to_ship(lewis, 3, ("87654321", 2))
    name = lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 2}, null="null", reason="126")
    outcome = await lewis.turn(read_claims, 2 * HOUR)
    assert (outcome.done, outcome.note) == (1, "1 new")
    assert await claims(lewis) == [("open", "")]
    assert (await lewis.store.views.attention())[lewis.name, "claims_open"] == 1
    found = await lewis.store.views.order(lewis.name, OrderNumber(order.number), personal=False)
    assert found is not None
    (claim,) = found["claims"]
    assert (claim["reason"], claim["lines"][0]["possible"]) == ("126 (change of mind)", 2)
    incoming = lewis.sandbox.johnlewis.files / "live/incoming"
    assert {f"{name}", f"{name}.DONE"} <= {path.name for path in (incoming / "processed").iterdir()}
    assert [path.name for path in incoming.iterdir()] == ["processed"]

    await accept(lewis, 1, 3 * HOUR, "as you wish")
    assert await claims(lewis) == [("accepted", "")]
    assert (await lewis.turn(send_refunds, 3 * HOUR + MINUTE)).done == 1
    await lewis.answer()
    await lewis.turn(send_updates, 4 * HOUR)
    assert cancelled_there(order) == [2, 0]
    assert order.requests[0].state == "acknowledged"
    assert await claims(lewis) == [("answered", "")]
    assert [it.name[:7] for it in lewis.sandbox.johnlewis.arrivals] == ["order-2", "cancel-"]
    with pytest.raises(NotAllowed, match="claim 1 is answered"):
        await accept(lewis, 1, 5 * HOUR)


async def test_the_answer_to_a_request_and_an_own_cancellation_have_folders_of_their_own(tmp_path: Path) -> None:  # J9
    paths = {"order_cancel": "cancelled", "cancellation_acknowledgement": "answered", "order_refund": "refunded"}
    async with scene(tmp_path, "edge", paths=paths) as lewis:
        for folder in ("cancelled", "answered", "refunded"):
            (lewis.sandbox.johnlewis.files / "live" / folder).mkdir()
        order = await to_ship(lewis, 3)
        lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
        await lewis.turn(read_claims, 2 * HOUR)
        await accept(lewis, 1, 2 * HOUR)
        await lewis.turn(send_refunds, 2 * HOUR + MINUTE)
        await lewis.turn(send_updates, 3 * HOUR)
        moves = lewis.account.legal_moves
        await lewis.store.updates.cancel(
            lewis.name, OrderNumber(order.number), [("1", 1)], legal_moves=moves, at=NOON + 4 * HOUR
        )
        await lewis.turn(send_refunds, 4 * HOUR + MINUTE)
        there = {
            folder: sorted(path.suffix for path in (lewis.sandbox.johnlewis.files / "live" / folder).iterdir())
            for folder in ("cancelled", "answered", "refunded")
        }
        assert there == {"cancelled": [".DONE", ".ack"], "answered": [".DONE", ".ack"], "refunded": []}


async def test_a_rule_accepts_before_anything_of_the_order_has_left(ruled: Scene) -> None:  # J12
    order = ruled.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    ruled.sandbox.johnlewis.request_cancellation(order.number, {"1": 2})
    await ruled.turn(download_orders, 10 * MINUTE)
    # Not before the acknowledgement (J7).
    assert (await ruled.turn(read_claims, 10 * MINUTE)).note == "1 new"
    await ruled.turn(send_updates, 11 * MINUTE)
    assert (await ruled.turn(read_claims, 12 * MINUTE)).note == "1 accepted"
    assert (await ruled.turn(send_refunds, 13 * MINUTE)).done == 0
    await ruled.answer()
    await ruled.turn(send_updates, HOUR)
    await ruled.turn(send_refunds, HOUR + MINUTE)
    await ruled.answer()
    await ruled.turn(send_updates, 2 * HOUR)
    assert order.state == "cancelled"
    assert await claims(ruled) == [("answered", "")]


async def test_a_rule_accepts_nothing_once_a_dispatch_was_decided(ruled: Scene) -> None:  # J12
    order = await to_ship(ruled, 3, ("87654321", 2))
    await dispatched(ruled, order, 1, 2 * HOUR)
    ruled.sandbox.johnlewis.request_cancellation(order.number, {"2": 1})
    assert (await ruled.turn(read_claims, 4 * HOUR)).note == "1 new"
    found = await ruled.store.views.claims(now=NOON + 6 * HOUR)
    assert [(claim["state"], claim["late"]) for claim in found] == [("open", True)]
    await accept(ruled, 1, 5 * HOUR)
    assert (await ruled.turn(send_refunds, 5 * HOUR + MINUTE)).done == 1


async def test_a_rule_leaves_a_second_request_about_a_line_to_a_person(ruled: Scene) -> None:  # J12
    order = await to_ship(ruled, 3)
    for units in (1, 2):
        ruled.sandbox.johnlewis.request_cancellation(order.number, {"1": units})
    assert (await ruled.turn(read_claims, 2 * HOUR)).note == "2 new; 1 accepted"
    assert await claims(ruled) == [("accepted", ""), ("open", "line 1 was asked for before, in claim 1")]


async def test_a_dispatch_of_the_units_is_the_refusal(lewis: Scene) -> None:  # J12
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 2})
    await lewis.turn(read_claims, 2 * HOUR)
    await dispatched(lewis, order, 2, 3 * HOUR)
    assert await claims(lewis) == [
        ("outrun", "line 1: 2 asked, of 2 ordered 2 dispatched and 0 cancelled"),
    ]
    assert order.requests[0].state == "dispatched"
    with pytest.raises(NotAllowed, match="claim 1 is outrun"):
        await accept(lewis, 1, 5 * HOUR)


async def test_of_a_request_that_a_dispatch_has_outrun_in_part_the_rest_can_be_accepted(lewis: Scene) -> None:  # J12
    order = await to_ship(lewis, 3)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 3})
    await lewis.turn(read_claims, 2 * HOUR)
    await dispatched(lewis, order, 1, 3 * HOUR)
    assert await claims(lewis) == [("open", "line 1: 3 asked, and only 2 of 3 are left")]
    done = await accept(lewis, 1, 5 * HOUR)
    assert done.left_out == ("line 1 of order Y100000001: 3 units asked, 2 can be cancelled",)
    await lewis.turn(send_refunds, 5 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 6 * HOUR)
    assert await claims(lewis) == [("answered", "line 1: 2 of 3 units cancelled")]
    assert cancelled_there(order) == [2]


async def test_a_request_for_units_that_are_gone_is_told_to_a_person_and_sends_nothing(ruled: Scene) -> None:  # J12
    order = await to_ship(ruled, 2)
    await dispatched(ruled, order, 2, 2 * HOUR)
    ruled.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    assert (await ruled.turn(read_claims, 4 * HOUR)).note == "1 new"
    ((state, why),) = await claims(ruled)
    assert (state, why) == ("too_late", "line 1: 1 asked, of 2 ordered 2 dispatched and 0 cancelled")
    assert (await ruled.turn(send_refunds, 4 * HOUR + MINUTE)).done == 0
    assert (await ruled.store.views.attention())[ruled.name, "claims_too_late"] == 1
    await ruled.store.claims.close(ruled.name, ClaimId(1), "told the customer", NOON + 5 * HOUR)
    assert (await ruled.store.views.attention())[ruled.name, "claims_too_late"] == 0
    with pytest.raises(NotAllowed, match="claim 1 is closed; closed can be"):
        await ruled.store.claims.close(ruled.name, ClaimId(1), "", NOON + 5 * HOUR)


async def test_a_request_for_an_unknown_order_waits_for_it(lewis: Scene) -> None:  # J12
    far = lewis.sandbox.johnlewis
    far.faults.add("half_file")
    order = far.place_order(STOCK_NUMBER, 2)
    far.request_cancellation(order.number, {"1": 1})
    await lewis.turn(download_orders, 10 * MINUTE)
    assert (await lewis.turn(read_claims, 10 * MINUTE)).done == 1
    assert await claims(lewis) == [("waiting", "its order is not here")]
    with pytest.raises(NotAllowed, match="claim 1 is waiting"):
        await accept(lewis, 1, 11 * MINUTE)
    far.finish_files()
    await lewis.turn(download_orders, 20 * MINUTE)
    assert await claims(lewis) == [("open", "")]
    with pytest.raises(NotAllowed, match="line 1 of order Y100000001 is new: cancellation is possible only when"):
        await accept(lewis, 1, 21 * MINUTE)


async def test_a_request_for_an_incomplete_order_waits_until_it_is_whole(lewis: Scene) -> None:  # J12 J6
    lewis.sandbox.johnlewis.faults.add("wrong_checksum")
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(read_claims, 10 * MINUTE)
    ((state, why),) = await claims(lewis)
    assert (state, why[:24]) == ("waiting", "its order is incomplete:")
    lewis.sandbox.johnlewis.resend_order(order.number)
    await lewis.turn(download_orders, 20 * MINUTE)
    assert await claims(lewis) == [("open", "")]


async def test_a_repeated_request_is_the_same_claim(lewis: Scene) -> None:  # J12
    order = await to_ship(lewis, 2)
    for hours in (2, 3):
        lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
        await lewis.turn(read_claims, hours * HOUR)
    assert await lewis.all("claims", "state", "repeats") == [("open", 1)]
    await accept(lewis, 1, 4 * HOUR)
    await lewis.turn(send_refunds, 4 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 5 * HOUR)
    # Answered, and as many units are there once more: a repeat or another unit, which only a person can find out.
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    await lewis.turn(read_claims, 6 * HOUR)
    assert await claims(lewis) == [("answered", ""), ("open", "line 1 was asked for before, in claim 1")]


@pytest.mark.parametrize("changed", [False, True])
async def test_the_same_name_again_is_the_same_file_or_set_aside(lewis: Scene, changed: bool) -> None:  # J12 J14
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.faults.add("repeat_request", same_name=True, changed=changed)
    name = lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    await lewis.turn(read_claims, 2 * HOUR)
    await lewis.answer()
    outcome = await lewis.turn(read_claims, 3 * HOUR)
    told = f"set aside: {name}: a file of this name with other content was kept before" if changed else ""
    assert outcome.note == told
    assert await lewis.all("claims", "state", "repeats") == [("open", 0)]


async def test_a_wrong_checksum_keeps_a_request_unworkable_until_a_right_one_comes(ruled: Scene) -> None:  # J12
    order = await to_ship(ruled, 2)
    ruled.sandbox.johnlewis.request_cancellation(order.number, {"1": 1}, checksum_off_by=1)
    assert (await ruled.turn(read_claims, 2 * HOUR)).note == "1 new"
    ((state, why),) = await claims(ruled)
    assert (state, why) == ("incomplete", "5 lines were expected by the checksum, 4 were read")
    assert (await ruled.turn(send_refunds, 2 * HOUR + MINUTE)).done == 0
    with pytest.raises(NotAllowed, match="claim 1 is incomplete"):
        await accept(ruled, 1, 2 * HOUR)
    ruled.sandbox.johnlewis.request_cancellation(order.number, {"1": 2})
    assert (await ruled.turn(read_claims, 3 * HOUR)).note == "1 corrected; 1 accepted"
    assert await ruled.all("claim_lines", "ref", "quantity") == [("1", 2)]


async def test_a_request_without_its_marker_is_not_there_yet(lewis: Scene) -> None:  # J12 J5
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.faults.add("half_file")
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    assert (await lewis.turn(read_claims, 2 * HOUR)).done == 0
    lewis.sandbox.johnlewis.finish_files()
    assert (await lewis.turn(read_claims, 3 * HOUR)).done == 1


async def test_an_unreadable_request_is_set_aside_and_blocks_nothing(lewis: Scene) -> None:  # J12 D9
    order = await to_ship(lewis, 2)
    incoming = lewis.sandbox.johnlewis.files / "live" / "incoming"
    (incoming / "cancel-20200101000000000000.txt").write_bytes(b"no request")
    (incoming / "cancel-20200101000000000000.txt.DONE").write_bytes(b"")
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    outcome = await lewis.turn(read_claims, 2 * HOUR)
    assert outcome.done == 1
    assert "set aside: cancel-20200101000000000000.txt" in outcome.note
    assert (incoming / "cancel-20200101000000000000.txt").exists()


async def test_a_line_that_the_order_does_not_have_is_told_before_it_is_accepted(ruled: Scene) -> None:  # J12
    order = await to_ship(ruled, 2)
    incoming = ruled.sandbox.johnlewis.files / "live" / "incoming"
    text = f'"order_number"\n"{order.number}"\n"line_ref","quantity"\n"1","1"\n"9","1"\n"5"\n'
    (incoming / "cancel-20260302140000000000.txt").write_text(text)
    (incoming / "cancel-20260302140000000000.txt.DONE").write_bytes(b"")
    await ruled.turn(read_claims, 2 * HOUR)
    assert await claims(ruled) == [("open", f"order {order.number} has no line 9")]
    done = await accept(ruled, 1, 3 * HOUR)
    assert done.left_out == (f"order {order.number} has no line 9",)


async def test_a_failed_answer_opens_the_claim_again_and_may_be_said_again(lewis: Scene) -> None:  # J12 J13
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 1})
    await lewis.turn(read_claims, 2 * HOUR)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="cancel", error="not now")
    await accept(lewis, 1, 2 * HOUR)
    await lewis.turn(send_refunds, 2 * HOUR + MINUTE)
    await lewis.turn(send_updates, 3 * HOUR)
    assert await claims(lewis) == [("answered", "")]
    await lewis.answer()
    await lewis.turn(send_updates, 4 * HOUR)
    assert await claims(lewis) == [("open", "its acknowledgement failed: not now")]
    await lewis.store.updates.resend(
        lewis.name, OrderNumber(order.number), legal_moves=lewis.account.legal_moves, at=NOON + 5 * HOUR
    )
    assert await claims(lewis) == [("accepted", "")]
    await lewis.turn(send_refunds, 5 * HOUR + MINUTE)
    await lewis.answer()
    await lewis.turn(send_updates, 6 * HOUR)
    assert await claims(lewis) == [("answered", "")]
    assert cancelled_there(order) == [1]


async def test_an_outrun_claim_opens_again_when_the_dispatch_turns_out_to_have_failed(lewis: Scene) -> None:  # J12 J13
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 2})
    await lewis.turn(read_claims, 2 * HOUR)
    lewis.sandbox.johnlewis.faults.add("reject_file", kind="dispatch", error="carrier?")
    await dispatched(lewis, order, 2, 3 * HOUR)
    assert [state for state, _ in await claims(lewis)] == ["open"]
    events = await lewis.all("events WHERE what = 'cancel claim 1' ORDER BY id", '"from"', '"to"')
    assert events == [("waiting", "open"), ("open", "outrun"), ("outrun", "open")]


async def test_cancelling_the_same_units_unasked_answers_the_claim(lewis: Scene) -> None:  # J12 J9
    order = await to_ship(lewis, 2)
    lewis.sandbox.johnlewis.request_cancellation(order.number, {"1": 2})
    await lewis.turn(read_claims, 2 * HOUR)
    await lewis.store.updates.cancel(
        lewis.name, OrderNumber(order.number), None, legal_moves=lewis.account.legal_moves, at=NOON + 2 * HOUR
    )
    await lewis.turn(send_refunds, 2 * HOUR + MINUTE)
    assert await claims(lewis) == [("answered", "its units were cancelled without it")]


async def test_la_redoute_asks_for_nothing(tmp_path: Path) -> None:  # J12
    async with scene(tmp_path, "sellr") as redoute:
        assert (await redoute.turn(read_claims, HOUR)).done == 0
