"""Some pairs of order files where files are put away and where they stay; `make prove` gives twelve thousand."""

import pytest

from tests.prove.rewrites import STAGES, rewrite_many


@pytest.mark.parametrize("seed", [0, 2], ids=["put away", "left"])
async def test_what_comes_again_with_other_content_is_seen_and_changes_nothing(seed: int) -> None:  # J14
    figures = await rewrite_many(seed, 60)
    assert figures.broken == []
    assert figures.counts["pairs that differ"] > 40
    assert figures.counts["pairs that say the same"] > 0
    assert all(figures.hit[f"an order that was {stage}"] for stage in STAGES)
