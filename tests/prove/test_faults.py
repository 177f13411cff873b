"""The disk fails at some points of the main flow; the process ends, starts again, and every promise is kept."""

from datetime import timedelta

import pytest

from tests.prove.faults import FAULTS, HANGS, Point, fail_at, hang_at
from tests.prove.flow import traces

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not traces(), reason="strace is not here: scripts/install-test-servers"),
]


def _point(name: str) -> Point:
    """A point, from the name of a fault and at which of its calls."""
    fault, _, number = name.rpartition(" at ")
    (found,) = (each for each in FAULTS if str(each) == fault)
    return Point(found, int(number), for_good=False)


async def test_a_sync_that_fails_in_a_claim_lets_nothing_leave() -> None:  # L8 J7 D2
    figures = await fail_at(_point("fsync error=EIO of sellerd.mark at 3"))

    assert figures.broken == []
    assert figures.counts["ended and started again"] == 1
    assert figures.hit["something was claimed and had not left"] == 1
    assert figures.hit["the end was told after the next start"] == 1


async def test_a_commit_that_fails_ends_the_process_and_loses_nothing() -> None:  # L8 J7 D9
    figures = await fail_at(_point("fdatasync error=EIO of sellerd.db at 60"))

    assert figures.broken == []
    assert figures.counts["ended and started again"] == 1


async def test_a_disk_that_hangs_for_a_while_costs_only_the_while() -> None:  # L8 J7 D9
    figures = await hang_at(*HANGS[0], 60, timedelta(seconds=2))

    assert figures.broken == []
    assert figures.hit["the disk hung, and it went on"] == 1
