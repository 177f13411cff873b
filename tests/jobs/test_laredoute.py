"""La Redoute's main path, turn by turn, with what goes wrong on the way."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import AccessDenied, Refused, Unconfirmed
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import OrderNumber, Sku, UpdateKind
from daemon.sandbox import LaRedouteSettings
from daemon.store.updates import Updates
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, Scene, scene

SECOND = timedelta(seconds=1)


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "sellr") as each:
        yield each


async def integrated(redoute: Scene) -> None:
    """A listing whose product is in, and whose stock and price wait."""
    await redoute.want()
    await redoute.turn(send_items, MINUTE)
    await redoute.answer()
    await redoute.turn(read_reports, 2 * MINUTE)


async def offered(redoute: Scene) -> None:
    """A listing whose offer is in; its feed left three minutes past noon."""
    await integrated(redoute)
    await redoute.turn(send_offers, 3 * MINUTE)
    await redoute.answer()
    await redoute.turn(read_reports, 4 * MINUTE)


async def test_product_first_then_offer(redoute: Scene) -> None:  # L2 L3
    await redoute.want()
    assert await redoute.parts() == ("pending", "pending", "pending", "absent")
    await redoute.turn(send_items, MINUTE)
    assert await redoute.parts() == ("sent", "pending", "pending", "absent")
    assert (await redoute.turn(send_offers, MINUTE)).note == "nothing is due"
    await redoute.answer()
    await redoute.turn(read_reports, 2 * MINUTE)
    assert await redoute.parts() == ("not_needed", "pending", "pending", "product_integrated")
    assert await redoute.all("listings", "channel_item_id") == [(redoute.sandbox.laredoute.catalogue[EAN].part_number,)]
    await redoute.turn(send_offers, 3 * MINUTE)
    await redoute.answer()
    await redoute.turn(read_reports, 4 * MINUTE)
    assert await redoute.parts() == ("not_needed", "not_needed", "not_needed", "offer_integrated")


async def test_a_rejected_item_is_in_error_with_the_marketplaces_text(redoute: Scene) -> None:  # L2
    redoute.sandbox.laredoute.faults.add("reject_ean", ean=EAN, code="E042", text="MARQUE NON AUTORISÉE")
    await integrated(redoute)
    assert await redoute.all("listings", "item_state", "item_error") == [("error", "MARQUE NON AUTORISÉE")]


async def test_the_next_feed_leaves_when_the_gate_opens_and_not_before(redoute: Scene) -> None:  # L8
    redoute.send_takes = 30 * SECOND
    await offered(redoute)
    await redoute.restock(4, 5 * MINUTE)
    early = await redoute.turn(send_offers, 30 * MINUTE)
    opens = 3 * MINUTE + 30 * SECOND + HOUR
    assert (early.done, early.held_until) == (0, NOON + opens)
    last = await redoute.turn(send_offers, opens - timedelta(microseconds=1))
    assert (last.done, last.held_until) == (0, NOON + opens)
    assert (await redoute.turn(send_offers, opens)).done == 1
    await redoute.answer()
    assert redoute.sandbox.laredoute.offers[EAN].stock == 4


async def test_a_lost_report_holds_the_next_feed_until_patience_ends_and_then_lapses(redoute: Scene) -> None:  # L8
    await offered(redoute)
    redoute.sandbox.laredoute.faults.add("lose_report", kind="offers")
    await redoute.restock(4, 5 * MINUTE)
    await redoute.turn(send_offers, 2 * HOUR)
    await redoute.restock(3, 2 * HOUR)
    assert (await redoute.turn(send_offers, 3 * HOUR + 30 * MINUTE)).held_until == NOON + 4 * HOUR
    told = await redoute.turn(read_reports, 4 * HOUR)
    assert "lapsed" in told.note
    assert (await redoute.turn(send_offers, 4 * HOUR)).done == 1


async def test_a_cut_after_the_feed_arrived_is_in_doubt_and_never_sent_twice_within_the_hour(
    redoute: Scene,
) -> None:  # L8
    await integrated(redoute)
    redoute.sandbox.laredoute.faults.add("cut_connection", after_apply=True)
    with pytest.raises(Unconfirmed):
        await redoute.turn(send_offers, 3 * MINUTE)
    assert [state for (state,) in await redoute.all("feeds WHERE kind = 'offer'", "state")] == ["in_doubt"]
    await redoute.want(sku=Sku("LAMP-2"), ean="3701234567884")
    await redoute.turn(send_items, 4 * MINUTE)
    await redoute.answer()
    # The report of the feed in doubt names the file that we named before sending, and settles it.
    await redoute.turn(read_reports, 5 * MINUTE)
    assert [state for (state,) in await redoute.all("feeds WHERE kind = 'offer'", "state")] == ["answered"]
    assert (await redoute.turn(send_offers, HOUR)).done == 0
    assert len([feed for feed in redoute.sandbox.laredoute.feeds if feed.kind == "offers"]) == 1


async def test_a_machine_that_slept_through_its_claim_sends_nothing(redoute: Scene) -> None:  # L8
    await integrated(redoute)
    redoute.send_takes = 11 * MINUTE
    with pytest.raises(Exception, match="was over before anything was sent"):
        await redoute.turn(send_offers, 3 * MINUTE)
    assert [feed for feed in redoute.sandbox.laredoute.feeds if feed.kind == "offers"] == []
    assert (await redoute.parts())[1] == "pending"


async def test_a_refused_feed_is_told_with_code_and_text(redoute: Scene, tmp_path: Path) -> None:  # L8 L16
    await integrated(redoute)
    redoute.sandbox.laredoute.faults.add("answer_500")
    with pytest.raises((Unconfirmed, Refused)):
        await redoute.turn(send_offers, 3 * MINUTE)
    ((state, error),) = await redoute.all("feeds WHERE kind = 'offer'", "state", "error")
    assert state in {"in_doubt", "refused"}
    assert error


async def test_a_refused_login_is_for_a_person(redoute: Scene) -> None:  # D10
    await redoute.want()
    redoute.sandbox.laredoute.faults.add("refuse_login", times=None)
    with pytest.raises(AccessDenied):
        await redoute.turn(send_items, MINUTE)
    assert (await redoute.parts())[0] == "pending"


@pytest.mark.parametrize("same_name", [True, False])
async def test_a_repeated_report_changes_nothing(redoute: Scene, same_name: bool) -> None:  # L17 D9
    redoute.sandbox.laredoute.faults.add("repeat_report", same_name=same_name)
    await integrated(redoute)
    await redoute.answer()
    outcome = await redoute.turn(read_reports, 3 * MINUTE)
    assert outcome.done == 0
    assert (await redoute.parts())[0] == "not_needed"


async def test_a_report_for_an_unknown_feed_waits_and_is_set_aside_after_a_day(redoute: Scene) -> None:  # L17
    stray = redoute.sandbox.laredoute.files / "reports" / "stray.csv"
    stray.write_text(
        "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
        f"B77777777;;{EAN};;OK;;;LR000000009\n"
    )
    await redoute.turn(read_reports, MINUTE)
    assert await redoute.all("deliveries", "state") == [("waiting",)]
    await redoute.turn(read_reports, timedelta(hours=25))
    assert await redoute.all("deliveries", "state", "reason") == [("set_aside", "its feed never turned up")]


async def test_a_waiting_report_is_matched_when_its_feed_turns_up(redoute: Scene) -> None:  # L17
    stray = redoute.sandbox.laredoute.files / "reports" / "early.csv"
    stray.write_text(
        "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
        f"B00000001;;{EAN};;OK;;;LR000000009\n"
    )
    await redoute.turn(read_reports, MINUTE)
    await redoute.want()
    await redoute.turn(send_items, 2 * MINUTE)
    await redoute.turn(read_reports, 3 * MINUTE)
    assert await redoute.parts() == ("not_needed", "pending", "pending", "product_integrated")


async def test_an_unreadable_report_is_set_aside_and_hides_nothing(redoute: Scene) -> None:  # D9 L17
    reports = redoute.sandbox.laredoute.files / "reports"
    (reports / "a-broken.csv").write_bytes(b"what;is;this\n1;2;3\n")
    (reports / "a-broken.xml").write_bytes(b'<!DOCTYPE r [<!ENTITY a "b">]><r/>')
    await integrated(redoute)
    assert (await redoute.parts())[0] == "not_needed"
    assert [state for (state,) in await redoute.all("deliveries ORDER BY name", "state")] == [
        "set_aside",
        "set_aside",
        "applied",
    ]


@pytest.mark.parametrize("answers", ["reply", "sftp", "both"])
async def test_orders_by_reply_and_by_file_have_one_identity(tmp_path: Path, answers: str) -> None:  # L1 L12
    async with scene(tmp_path, "sellr", LaRedouteSettings(answers=answers)) as redoute:  # type: ignore[arg-type]
        redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
        for minutes in (10, 20):
            await redoute.turn(download_orders, minutes * MINUTE)
        assert await redoute.all("order_lines", "state", "quantity") == [("new", 2)]


async def test_an_order_from_created_to_shipped(redoute: Scene) -> None:  # L12 L13
    await offered(redoute)
    number = OrderNumber(redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1)], placed_at=NOON).id)
    await redoute.turn(download_orders, 10 * MINUTE)
    updates: Updates = redoute.store.updates
    moves = redoute.account.legal_moves
    ((first,), (second,)) = await redoute.all("order_lines", "ref")
    await updates.open(redoute.name, number, UpdateKind.ACCEPTANCE, [(first, 2)], legal_moves=moves, at=NOON)
    await updates.open(redoute.name, number, UpdateKind.REFUSAL, [(second, 1)], legal_moves=moves, at=NOON)
    # One open update per order: the refusal goes with the next turn.
    assert (await redoute.turn(send_updates, 11 * MINUTE)).done == 1
    assert (await redoute.turn(send_updates, 21 * MINUTE)).done == 1
    assert await redoute.all("order_lines", "state") == [("accepted",), ("refused",)]
    await redoute.answer()
    await redoute.turn(download_orders, 30 * MINUTE)
    assert await redoute.all("order_lines", "state") == [("to_ship",), ("refused",)]


@pytest.mark.parametrize("after_apply", [True, False])
async def test_an_update_that_was_cut_is_asked_after_and_never_doubled(
    redoute: Scene, after_apply: bool
) -> None:  # L13
    await offered(redoute)
    number = OrderNumber(redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON).id)
    await redoute.turn(download_orders, 10 * MINUTE)
    await redoute.decide(number, UpdateKind.ACCEPTANCE)
    redoute.sandbox.laredoute.faults.add("cut_connection", after_apply=after_apply)
    with pytest.raises(Unconfirmed):
        await redoute.turn(send_updates, 11 * MINUTE)
    assert await redoute.all("order_updates", "state") == [("in_doubt",)]
    outcome = await redoute.turn(send_updates, 21 * MINUTE)
    assert outcome.done == (0 if after_apply else 1)
    assert await redoute.all("order_updates", "state") == [("succeeded",)]
    assert await redoute.all("order_lines", "state") == [("accepted",)]


async def test_a_move_that_the_marketplace_turns_down_fails_with_its_text(redoute: Scene) -> None:  # L12
    await offered(redoute)
    order = redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON)
    await redoute.turn(download_orders, 10 * MINUTE)
    await redoute.decide(order.id, UpdateKind.REFUSAL)
    redoute.sandbox.laredoute.portal_change(order.lines[0].id, "Accepted")
    await redoute.turn(send_updates, 11 * MINUTE)
    ((state, error),) = await redoute.all("order_updates", "state", "error")
    assert state == "failed"
    assert error
    await redoute.turn(download_orders, 12 * MINUTE)
    assert await redoute.all("order_lines", "state") == [("accepted",)]
