"""Which step of a rehearsal is proven, which waits, and what a person does next."""

from typing import Any

import pytest

from daemon.model import ClaimState, FeedState, LineState, Order, OrderLine, OrderNumber, UpdateKind, UpdateState
from daemon.seller.rehearsal import Look, Step, StepState, complete, rehearse
from daemon.store.deliveries import DeliveryKind, DeliveryState
from daemon.store.rehearsals import (
    Rehearsed,
    RehearsedClaim,
    RehearsedFeed,
    RehearsedFile,
    RehearsedLine,
    RehearsedOrder,
    RehearsedUpdate,
)

NUMBER = OrderNumber("Y1")


def an_order(*lines: tuple[LineState, int, int, int], incomplete: str = "") -> RehearsedOrder:
    """An order of lines with their state, their units, and those shipped and cancelled."""
    found = [
        RehearsedLine(NUMBER, str(place), state, quantity, shipped, cancelled, 0)
        for place, (state, quantity, shipped, cancelled) in enumerate(lines, 1)
    ]
    return RehearsedOrder(NUMBER, "order-1.txt", incomplete, found)


def an_update(kind: UpdateKind, state: UpdateState, units: int = 1, error: str = "") -> RehearsedUpdate:
    return RehearsedUpdate(NUMBER, kind, state, "dispatch-1.txt", error, units, 3)


def step(name: str, look: Look | None = None, **facts: Any) -> Step:
    steps = rehearse("lewis", Rehearsed(**facts), look or Look(("there",)), "30 minutes")
    return {each.name: each for each in steps}[name]


def test_with_nothing_there_the_first_step_is_a_person_s_and_the_others_come_later() -> None:  # J5
    steps = rehearse("lewis", Rehearsed(), Look(("there",)), "30 minutes")
    later = ["order read", "acknowledged", "dispatched in part", "dispatched whole", "cancelled", "refunded"]
    assert [each.name for each in steps if each.state is StepState.LATER] == later
    assert not complete(steps)
    assert complete([each for each in steps if each.name in {"folders", "request to cancel"}])


@pytest.mark.parametrize(
    ("state", "how", "next_"),
    [
        (UpdateState.SUCCEEDED, StepState.PROVEN, ""),
        (UpdateState.PENDING, StepState.WAITING, "silence for 30 minutes is a yes; look again then"),
        (UpdateState.SENT, StepState.WAITING, "silence for 30 minutes is a yes; look again then"),
        (UpdateState.FAILED, StepState.WRONG, "mend that, then: sellerd orders resend --account lewis Y1"),
        (UpdateState.IN_DOUBT, StepState.WRONG, "mend that, then: sellerd orders resolve --account lewis Y1"),
    ],
)
def test_an_acknowledgement_stands_as_its_update_does(state: UpdateState, how: StepState, next_: str) -> None:  # J7
    found = step("acknowledged", updates=[an_update(UpdateKind.ACKNOWLEDGEMENT, state, error="bad")])
    assert (found.state, found.next) == (how, next_)


def test_one_that_succeeded_counts_whatever_failed_before() -> None:  # J13
    updates = [
        an_update(UpdateKind.CANCELLATION, UpdateState.FAILED),
        an_update(UpdateKind.CANCELLATION, UpdateState.SUCCEEDED),
    ]
    assert step("cancelled", updates=updates).state is StepState.PROVEN


def test_a_command_is_about_an_order_for_which_it_is_possible() -> None:  # J8
    untouched = an_order((LineState.TO_SHIP, 2, 0, 0))
    assert step("dispatched in part", orders=[untouched]).next.endswith(
        "sellerd orders ship --account lewis Y1 --line 1=1 --carrier CARRIER --tracking NUMBER"
    )
    single = an_order((LineState.TO_SHIP, 1, 0, 0))
    assert step("dispatched in part", orders=[single]).next.startswith("ask the marketplace to place a test order")
    assert "sellerd orders cancel --account lewis Y1 --line 1=1" in step("cancelled", orders=[single]).next
    assert step("refunded", orders=[an_order((LineState.SHIPPED, 1, 1, 0))]).next.endswith("Y1 --line 1=1")
    fresh = an_order((LineState.NEW, 1, 0, 0))
    assert step("cancelled", orders=[fresh]) == Step("cancelled", StepState.LATER, "after: acknowledged")


def test_a_dispatch_is_whole_when_nothing_of_its_order_is_left() -> None:  # J8
    told = [an_update(UpdateKind.DISPATCH, UpdateState.SUCCEEDED, units=2)]
    part = an_order((LineState.TO_SHIP, 3, 2, 0))
    assert step("dispatched in part", orders=[part], updates=told).state is StepState.PROVEN
    assert step("dispatched whole", orders=[part], updates=told).state is StepState.TODO
    whole = an_order((LineState.SHIPPED, 3, 2, 1))
    assert step("dispatched whole", orders=[whole], updates=told).state is StepState.PROVEN


def test_what_lies_there_unkept_is_read_in_passing() -> None:  # J5 J6
    order = Order(NUMBER, (OrderLine("1", 2, LineState.NEW),))
    assert step("order read", Look(("there",), orders=[order])).next.endswith("sellerd jobs run orders --account lewis")
    cut = Order(NUMBER, (), incomplete="4 expected, 3 read")
    assert step("order read", Look(("there",), orders=[cut])).state is StepState.WRONG
    unread = Look(("there",), unread=["order-1.txt: breaks off"])
    assert step("order seen", unread).state is StepState.PROVEN
    assert step("order read", unread).found == "order-1.txt: breaks off"


def test_files_that_were_set_aside_are_wrong() -> None:  # J4 J13
    for name, kind in (("stock error read", DeliveryKind.REPORT), ("update error read", DeliveryKind.UPDATE_ANSWER)):
        aside = RehearsedFile(kind, "x.err", DeliveryState.SET_ASIDE, "no feed of ours")
        found = step(name, files=[aside])
        assert (found.state, found.found) == (StepState.WRONG, "x.err: no feed of ours")


@pytest.mark.parametrize(
    ("feed", "taken", "error"),
    [
        (RehearsedFeed("i.csv", FeedState.ANSWERED, 2, 1), StepState.PROVEN, StepState.PROVEN),
        (RehearsedFeed("i.csv", FeedState.ANSWERED, 0, 1), StepState.WRONG, StepState.PROVEN),
        (RehearsedFeed("i.csv", FeedState.SENT, 0, 0), StepState.WAITING, StepState.TODO),
    ],
)
def test_stock_is_proven_by_its_feeds(feed: RehearsedFeed, taken: StepState, error: StepState) -> None:  # J3 J4
    assert step("stock taken", feeds=[feed]).state is taken
    assert step("stock error read", feeds=[feed]).state is error


@pytest.mark.parametrize(
    ("state", "how"),
    [
        (ClaimState.ANSWERED, StepState.PROVEN),
        (ClaimState.OUTRUN, StepState.PROVEN),
        (ClaimState.ACCEPTED, StepState.WAITING),
        (ClaimState.OPEN, StepState.TODO),
        (ClaimState.CLOSED, StepState.TODO),
    ],
)
def test_a_request_to_cancel_may_never_come(state: ClaimState, how: StepState) -> None:  # J12
    found = step("request to cancel", claims=[RehearsedClaim(1, NUMBER, state, "")])
    assert (found.state, found.optional) == (how, True)


def test_what_hinders_a_look_is_told_with_where_to_look() -> None:  # D10
    found = step("folders", Look((), ["folder order_download: the login was refused"]))
    assert (found.state, found.next) == (
        StepState.WRONG,
        "mend that: sellerd accounts check lewis --connect says more",
    )
