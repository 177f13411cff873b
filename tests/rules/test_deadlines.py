"""By when an order line should be accepted and shipped, in literal times."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.model import Deadlines, LineState, Timeliness
from daemon.rules.deadlines import due_at, timeliness, worst

TERMS = Deadlines(timedelta(hours=24), timedelta(hours=48), timedelta(hours=6))
NONE = Deadlines()
SINCE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (LineState.NEW, datetime(2026, 3, 3, 12, 0, tzinfo=UTC)),
        (LineState.TO_SHIP, datetime(2026, 3, 4, 12, 0, tzinfo=UTC)),
        *((state, None) for state in LineState if state not in (LineState.NEW, LineState.TO_SHIP)),
    ],
)
def test_a_line_is_due_only_while_it_waits_for_the_seller(state: LineState, due: datetime | None) -> None:  # L12
    assert due_at(state, SINCE, TERMS) == due
    assert due_at(state, SINCE, NONE) is None


@pytest.mark.parametrize(
    ("now", "how"),
    [
        (datetime(2026, 3, 3, 5, 59, 59, 999_999, tzinfo=UTC), Timeliness.IN_TIME),
        (datetime(2026, 3, 3, 6, 0, tzinfo=UTC), Timeliness.DUE_SOON),
        (datetime(2026, 3, 3, 11, 59, 59, 999_999, tzinfo=UTC), Timeliness.DUE_SOON),
        (datetime(2026, 3, 3, 12, 0, tzinfo=UTC), Timeliness.LATE),
        (datetime(2027, 3, 3, 12, 0, tzinfo=UTC), Timeliness.LATE),
    ],
)
def test_it_shows_before_it_is_late(now: datetime, how: Timeliness) -> None:  # L12
    assert timeliness(due_at(LineState.NEW, SINCE, TERMS), now, TERMS) is how


def test_what_waits_for_nobody_is_in_time() -> None:
    assert timeliness(None, SINCE + timedelta(days=400), TERMS) is Timeliness.IN_TIME


def test_an_order_is_as_late_as_its_latest_line() -> None:
    assert worst([]) is Timeliness.IN_TIME
    assert worst([Timeliness.IN_TIME, Timeliness.LATE, Timeliness.DUE_SOON]) is Timeliness.LATE
    assert worst([Timeliness.DUE_SOON, Timeliness.IN_TIME]) is Timeliness.DUE_SOON
