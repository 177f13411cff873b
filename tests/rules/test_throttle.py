"""How long signing in waits after failures."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.rules.throttle import ADDRESS, NAME, PAIR, Limit, wait

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "limit", "seconds"),
    [
        (0, PAIR, 0),
        (4, PAIR, 0),
        (5, PAIR, 1),
        (6, PAIR, 2),
        (14, PAIR, 512),
        (15, PAIR, 900),
        (10**9, PAIR, 900),
        (19, ADDRESS, 0),
        (20, ADDRESS, 1),
        (10**9, ADDRESS, 900),
        (100, NAME, 1),
        (10**9, NAME, 60),
    ],
)
def test_the_wait_doubles_up_to_its_limit(failures: int, limit: Limit, seconds: int) -> None:  # S3
    assert wait(failures, NOON, limit, NOON) == timedelta(seconds=seconds)


def test_time_passes_and_a_clock_that_is_set_back_lengthens_nothing() -> None:  # S3
    assert wait(7, NOON, PAIR, NOON + timedelta(seconds=3)) == timedelta(seconds=1)
    assert wait(7, NOON, PAIR, NOON + timedelta(seconds=4)) == timedelta()
    assert wait(7, NOON, PAIR, NOON - timedelta(days=1)) == timedelta(seconds=4)
