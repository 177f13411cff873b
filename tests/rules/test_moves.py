"""The life of an order line: what can follow what, and that the marketplace is followed forward only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import LegalMoves, LineState, UpdateKind
from daemon.rules.moves import Standing, after, follow, hindrance, left, now_possible, reachable, told, undone

STATES = st.sampled_from(list(LineState))
KINDS = list(UpdateKind)
UNITS = st.integers(min_value=1, max_value=3)
STEP = st.tuples(st.sampled_from(["said", "sent", "undone"]), STATES, st.sampled_from(KINDS), UNITS)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (LineState.NEW, LineState.ACCEPTED, True),
        (LineState.NEW, LineState.SHIPPED, True),
        (LineState.ACCEPTED, LineState.CANCELLED, True),
        (LineState.SHIPPED, LineState.REFUNDED, True),
        (LineState.REFUND_REFUSED, LineState.REFUNDED, True),
        (LineState.REFUSED, LineState.ACCEPTED, False),
        (LineState.SHIPPED, LineState.TO_SHIP, False),
        (LineState.CANCELLED, LineState.TO_SHIP, False),
        (LineState.TO_SHIP, LineState.CANCELLED, True),  # where units that have not left may be cancelled (J9)
        (LineState.SHIPPED, LineState.CANCELLED, False),
        (LineState.REFUNDED, LineState.SHIPPED, False),
    ],
)
def test_what_can_become_of_a_line(start: LineState, end: LineState, expected: bool) -> None:  # L12
    assert reachable(start, end) is expected


@given(STATES, STATES)
def test_a_marketplace_is_believed_only_where_it_goes_forward(ours: LineState, theirs: LineState) -> None:  # L12
    assert follow(ours, theirs) in {ours, theirs}
    assert reachable(ours, follow(ours, theirs))


@given(st.lists(STATES, max_size=6))
def test_a_state_left_for_good_never_comes_back(said: list[LineState]) -> None:  # L12
    state = LineState.NEW
    for theirs in said:
        before, state = state, follow(state, theirs)
        if not reachable(state, before):
            assert follow(state, before) is state


@given(st.lists(STEP, max_size=8))
def test_no_unit_is_counted_twice_whatever_happens(
    steps: list[tuple[str, LineState, UpdateKind, int]],
) -> None:  # L12 L14
    line = Standing(LineState.NEW, 3)
    for what, state, kind, units in steps:
        before = line
        match what:
            case "said":
                line = told(line, state)
            case "sent":
                line = after(line, kind, units)
            case _:
                line = undone(line, kind, units, state)
        assert min(line.shipped, line.cancelled, line.refunded) >= 0
        assert line.shipped + line.cancelled <= line.quantity
        assert line.refunded + line.cancelled <= line.quantity
        if what != "undone":
            assert reachable(before.state, line.state)
        for each in KINDS:
            assert 0 <= left(line, each, by_units=True) <= line.quantity


def test_a_yes_that_was_taken_from_silence_is_taken_back() -> None:  # J13
    shipped = Standing(LineState.SHIPPED, 2, shipped=2)
    refunded = Standing(LineState.REFUNDED, 2, shipped=2, refunded=2)
    assert undone(refunded, UpdateKind.REFUND, 2, LineState.SHIPPED, settled=LineState.REFUNDED) == shipped
    # Without it, the marketplace has said so itself, and has the last word.
    assert undone(refunded, UpdateKind.REFUND, 2, LineState.SHIPPED) == refunded
    # What a later update of ours has moved gives its units back, and keeps its state.
    dispatch = undone(refunded, UpdateKind.DISPATCH, 2, LineState.TO_SHIP, ours_since=True)
    assert dispatch == Standing(LineState.REFUNDED, 2, shipped=0, refunded=2)


def test_every_state_has_an_outlook() -> None:  # L12
    legal = LegalMoves({UpdateKind.ACCEPTANCE: frozenset({LineState.NEW})})
    assert now_possible(LineState.NEW, legal) == "now possible: acceptance (it waits for the seller)"
    for state in set(LineState) - {LineState.NEW}:
        assert now_possible(state, legal).startswith("now possible: nothing (")


def test_why_nothing_can_be_said_is_told() -> None:  # L12
    legal = LegalMoves({UpdateKind.DISPATCH: frozenset({LineState.TO_SHIP})})
    new = Standing(LineState.NEW, 1)
    outlook = now_possible(LineState.NEW, legal)
    assert hindrance(new, UpdateKind.DISPATCH, legal) == f"dispatch is possible only when it is to_ship; {outlook}"
    assert hindrance(new, UpdateKind.ACCEPTANCE, legal) == f"this marketplace knows no acceptance; {outlook}"
    assert hindrance(Standing(LineState.TO_SHIP, 1), UpdateKind.DISPATCH, legal) == ""


def test_what_the_marketplace_says_speaks_of_all_units() -> None:  # L12
    new = Standing(LineState.NEW, 3)
    assert told(new, LineState.SHIPPED) == Standing(LineState.SHIPPED, 3, shipped=3)
    assert told(new, LineState.CANCELLED) == Standing(LineState.CANCELLED, 3, cancelled=3)
    refunding = told(told(new, LineState.SHIPPED), LineState.REFUNDING)
    assert refunding == Standing(LineState.REFUNDING, 3, shipped=3, refunded=3)
    assert told(refunding, LineState.REFUND_REFUSED) == Standing(LineState.REFUND_REFUSED, 3, shipped=3)
    assert told(refunding, LineState.SHIPPED) == refunding
