"""Every change of some hours, by when the far side received it; `make prove` goes on for a hundred days."""

import pytest

from tests.prove.delays import BOUNDS, SOMETIMES, measure


@pytest.mark.parametrize("marketplace", ["laredoute", "johnlewis"])
async def test_every_change_is_received_within_the_gate_and_a_tick(marketplace: str) -> None:  # L6 L7 L8 L9 J3
    figures, delays = await measure(marketplace, 3, 0.5)
    assert figures.broken == []
    assert len(delays) == figures.counts["changes received"] > 400
    assert max(delays) <= BOUNDS[marketplace].total_seconds()
    assert figures.counts["zeros and ends in the very next feed"] > 50
    assert figures.missed(SOMETIMES[marketplace]) == []
