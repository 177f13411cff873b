"""The power goes at some points of a short run; what is left on the disk is what was reported."""

import pytest

from tests.prove.flow import traces
from tests.prove.powercut import cuts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not traces(), reason="strace is not here: scripts/install-test-servers"),
]


async def test_after_a_power_cut_the_database_holds_what_was_reported() -> None:  # L8 J7 D9
    figures = await cuts(0, every=60, seeds=1, enough=6)

    assert figures.broken == []
    assert figures.counts["effects that were on the disk before they left"] > 0
    assert figures.counts["disks after a cut"] > 0
    assert figures.hit["a cut of the log while frames were on their way"] > 0
