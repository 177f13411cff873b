"""Requests to cancel, refunds and sending again, as a person has them on the command line."""

from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from daemon.config import load
from daemon.model import (
    AccountName,
    CancellationRequest,
    ClaimLine,
    Delivery,
    LineState,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    Parcel,
    RemoteFile,
    UpdateKind,
)
from daemon.store import Store, open_store
from tests.cli.conftest import Say, answer
from tests.seller.conftest import NOON

LEWIS = AccountName("lewis")
NUMBER = OrderNumber("Y100000001")
SECRET = "Made Up Lane 5"
CARRIERS = '\n[accounts.lewis.carriers]\n"Royal Mail" = "royal-mail"\nDPD = "dpd"\n'


def an_order(state: LineState) -> Delivery[Order]:
    price = Money(1999, "GBP")
    lines = (OrderLine("1", 3, state, unit_price=price), OrderLine("2", 1, state))
    return Delivery(RemoteFile("/live/incoming", "order-1.txt", 1), b"order", (Order(NUMBER, lines),))


def a_request(number: str, **units: int) -> Delivery[CancellationRequest]:
    lines = tuple(ClaimLine(ref.removeprefix("line_"), quantity) for ref, quantity in units.items())
    request = CancellationRequest(OrderNumber(number), lines, "change of mind", extra={"note": SECRET})
    content = f"{number} {units}".encode()
    return Delivery(RemoteFile("/live/incoming", f"cancel-{number}.txt", 1), content, (request,))


@pytest.fixture
def lewis(config_path: Path, portal: BlockingPortal) -> Any:
    """`lewis(work)` does something with the store while no daemon runs."""
    config_path.write_text(config_path.read_text() + CARRIERS)

    def do(work: Any) -> None:
        async def inside() -> None:
            async with open_store(load(config_path).database) as store:
                await store.accounts.configure(LEWIS, "johnlewis", "", NOON)
                await work(store)

        portal.call(inside)

    return do


def test_a_request_from_list_to_acceptance(say: Say, lewis: Any) -> None:  # J12 S3
    async def asked(store: Store) -> None:
        await store.orders.keep(LEWIS, [an_order(LineState.TO_SHIP)], NOON)
        await store.claims.keep(LEWIS, [a_request(NUMBER, line_1=2), a_request("Y2", line_1=1)], NOON)

    lewis(asked)
    listed = say("claims", "list")
    assert "open\t1=2\t\tchange of mind" in listed.output
    assert "waiting\t1=1\t\tits order is not here" in listed.output
    found = answer(say("claims", "--json", "--state", "open"))["claims"]
    assert [(claim["order"], claim["lines"][0]["possible"]) for claim in found] == [(NUMBER, 2)]
    assert "claims open\t1\tsee: sellerd claims list --state open" in say("status").output
    shown = say("claims", "show", "--account", "lewis", "1")
    assert "1\t2\t2\t" in shown.output
    assert SECRET not in shown.output
    assert SECRET in say("claims", "show", "--account", "lewis", "1", "--personal").output
    accepted = say("claims", "accept", "--account", "lewis", "1", "--reason", "done")
    assert "Cancellation of order Y100000001 noted for 1 (2)" in accepted.output
    order = answer(say("orders", "show", "--account", "lewis", NUMBER, "--json"))["order"]
    assert [(claim["state"], claim["id"]) for claim in order["claims"]] == [("accepted", 1)]
    assert [(update["kind"], update["claim"]) for update in order["updates"]] == [("cancellation", 1)]
    assert "claim\treceived_at\tstate" in say("orders", "show", "--account", "lewis", NUMBER).output
    again = say("claims", "accept", "--account", "lewis", "1")
    assert (again.exit_code, "claim 1 is accepted" in again.output) == (1, True)
    assert "is closed" in say("claims", "close", "--account", "lewis", "2", "--reason", "not ours").output
    assert "closed" in say("claims", "show", "--account", "lewis", "2").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["claims", "show", "--account", "lewis", "9"], "has no claim 9"),
        (["claims", "accept", "--account", "lewis", "9"], "has no claim 9"),
        (["claims", "close", "--account", "lewis", "9"], "has no claim 9"),
        (["claims", "list", "--state", "lost"], "there are incomplete, waiting, open"),
        (["orders", "refund", "--account", "lewis", "X", "--amount", "1=1,5"], "REF=39.98"),
    ],
)
def test_what_is_not_there_is_told(say: Say, lewis: Any, words: list[str], told: str) -> None:  # S3
    async def nothing(_store: Store) -> None:
        pass

    lewis(nothing)
    result = say(*words)
    assert result.exit_code != 0
    assert told in result.output


def test_an_unmapped_carrier_is_refused_at_once_with_a_suggestion(say: Say, lewis: Any) -> None:  # J8
    async def ordered(store: Store) -> None:
        await store.orders.keep(LEWIS, [an_order(LineState.TO_SHIP)], NOON)

    lewis(ordered)
    ship = ("orders", "ship", "--account", "lewis", NUMBER, "--tracking", "T1", "--carrier")
    refused = say(*ship, "Royal Mal")
    assert refused.exit_code == 1
    assert 'no carrier "Royal Mal" in the carrier map of the account (did you mean Royal Mail?)' in refused.output
    assert answer(say("orders", "show", "--account", "lewis", NUMBER, "--json"))["order"]["updates"] == []
    assert say(*ship, "royal mail").exit_code == 0
    long = say("orders", "cancel", "--account", "lewis", NUMBER, "--reason", "x" * 256)
    assert (long.exit_code, "a comment may have 255 characters" in long.output) == (1, True)


def test_a_refund_by_amount_is_whole_units_or_told_the_nearest(say: Say, lewis: Any) -> None:  # J10
    async def shipped(store: Store) -> None:
        await store.orders.keep(LEWIS, [an_order(LineState.SHIPPED)], NOON)

    lewis(shipped)
    refund = ("orders", "refund", "--account", "lewis", NUMBER)
    wrong = say(*refund, "--amount", "1=25.00")
    assert wrong.exit_code == 1
    assert "the nearest allowed: 19.99 GBP (1 unit) or 39.98 GBP (2 units)" in wrong.output
    assert "give the units in place of an amount" in say(*refund, "--amount", "2=5").output
    assert "refund of order Y100000001 noted for 1 (2)" in say(*refund, "--amount", "1=39.98").output
    cancelled = say("orders", "cancel", "--account", "lewis", NUMBER, "--amount", "1=19.99", "--line", "2")
    assert "refund of order Y100000001 noted for 1 (1), 2 (1)" in cancelled.output


def test_a_failed_update_is_sent_again_after_mending(say: Say, lewis: Any, config_path: Path) -> None:  # J13 L18
    config_path.write_text(
        config_path.read_text().replace(
            'currency = "GBP"', 'currency = "GBP"\ntracking_url = "https://t.example.test/{tracking_number}"'
        )
    )

    async def failed(store: Store) -> None:
        await store.orders.keep(LEWIS, [an_order(LineState.TO_SHIP)], NOON)
        moves = load(config_path).accounts[LEWIS].legal_moves
        parcel = Parcel("DPD", "T1", "https://t.example.test/T1", NOON)
        await store.updates.open(
            LEWIS, NUMBER, UpdateKind.DISPATCH, [("1", 2)], legal_moves=moves, at=NOON, parcel=parcel
        )
        (due,) = await store.updates.due(LEWIS)
        await store.updates.failed(due.id, "carrier?", NOON)

    lewis(failed)
    assert "order updates failed\t1\tsee: sellerd orders list --stuck" in say("status").output
    assert "dispatch 1 FAILED: carrier?" in say("orders", "list", "--stuck").output
    resend = ("orders", "resend", "--account", "lewis", NUMBER)
    assert "did you mean Royal Mail?" in say(*resend, "--carrier", "Royal Mal").output
    done = say(*resend, "--update", "1", "--carrier", "Royal Mail", "--tracking", "T 2")
    assert "dispatch of order Y100000001 noted for 1 (2)" in done.output
    assert answer(say("orders", "list", "--stuck", "--json"))["orders"] == []
    order = answer(say("orders", "show", "--account", "lewis", NUMBER, "--json"))["order"]
    again = order["updates"][1]
    assert (again["resends"], again["parcel"]["carrier"]) == (1, "Royal Mail")
    assert again["parcel"]["tracking_url"] == "https://t.example.test/T%202"
    nothing = say(*resend)
    assert (nothing.exit_code, "has no failed update to send again" in nothing.output) == (1, True)


def test_what_has_no_parcel_has_none_to_mend(say: Say, lewis: Any, config_path: Path) -> None:  # J13
    async def failed(store: Store) -> None:
        await store.orders.keep(LEWIS, [an_order(LineState.TO_SHIP)], NOON)
        moves = load(config_path).accounts[LEWIS].legal_moves
        await store.updates.cancel(LEWIS, NUMBER, [("1", 1)], legal_moves=moves, at=NOON, reason="gone")
        (due,) = await store.updates.due(LEWIS)
        await store.updates.failed(due.id, "comment?", NOON)

    lewis(failed)
    resend = ("orders", "resend", "--account", "lewis", NUMBER)
    refused = say(*resend, "--carrier", "DPD")
    assert (refused.exit_code, "has no parcel" in refused.output) == (1, True)
    assert say(*resend, "--reason", "sold out").exit_code == 0
    order = answer(say("orders", "show", "--account", "lewis", NUMBER, "--json"))["order"]
    assert [line["reason"] for update in order["updates"] for line in update["lines"]] == ["gone", "sold out"]
