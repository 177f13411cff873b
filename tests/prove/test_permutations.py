"""A few sequences of each case of answers and moves; `make prove` plays all 1,956 of each."""

import pytest

from tests.prove.permutations import CASES, EVENTS, compare


@pytest.mark.parametrize("name", [case.name for case in CASES])
async def test_the_order_in_which_things_are_told_does_not_matter(name: str) -> None:  # L8 L17 J4 J12 J13
    figures = await compare(name, 75)
    assert figures.broken == []
    assert figures.counts["sequences played"] == 27
    assert figures.counts["different ends"] > 1, "nothing that happens makes a difference: the case shows nothing"


def test_every_sequence_of_up_to_six_events_is_one_of_them() -> None:
    assert all(len(case.events) == EVENTS and len(case.sequences()) == 1_956 for case in CASES)
    assert all(frozenset(case.pending) | case.ordered <= frozenset(case.events) for case in CASES)
