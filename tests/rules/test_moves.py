"""The life of an order line: what can follow what, and that the marketplace is followed forward only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import LineState
from daemon.rules.moves import follow, reachable

STATES = st.sampled_from(list(LineState))


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
        (LineState.TO_SHIP, LineState.CANCELLED, False),
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
