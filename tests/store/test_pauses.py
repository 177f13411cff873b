"""Pauses: which hold what, and how they end."""

from datetime import timedelta

from daemon.store.database import Database
from daemon.store.pauses import ALL_JOBS, Pause, Pauses, holding
from tests.store.conftest import LEWIS, NOON, REDOUTE

HOUR = timedelta(hours=1)


async def test_a_pause_holds_its_job_until_its_time_is_over(database: Database) -> None:  # D13
    pauses = Pauses(database)

    await pauses.pause(REDOUTE, ["offers"], "prices are being checked", NOON + HOUR, NOON)

    (pause,) = await pauses.in_force(NOON + HOUR - timedelta(microseconds=1))
    assert pause == Pause(REDOUTE, "offers", "prices are being checked", NOON, NOON + HOUR)
    assert (pause.holds(REDOUTE, "offers"), pause.holds(REDOUTE, "orders"), pause.holds(LEWIS, "offers")) == (
        True,
        False,
        False,
    )
    assert await pauses.in_force(NOON + HOUR) == []
    assert (await pauses.end_expired(NOON), await pauses.end_expired(NOON + HOUR)) == (0, 1)


async def test_another_reason_takes_the_place_and_the_beginning_stays(database: Database) -> None:  # D13
    pauses = Pauses(database)

    await pauses.pause(REDOUTE, [ALL_JOBS], "one", NOON + HOUR, NOON)
    await pauses.pause(REDOUTE, [ALL_JOBS], "two", None, NOON + HOUR / 2)

    assert await pauses.in_force(NOON) == [Pause(REDOUTE, ALL_JOBS, "two", NOON, None)]


async def test_of_two_pauses_the_one_that_lasts_longer_counts(database: Database) -> None:  # D13
    pauses = Pauses(database)
    await pauses.pause(REDOUTE, [ALL_JOBS], "all", NOON + HOUR, NOON)
    await pauses.pause(REDOUTE, ["offers"], "one", NOON + 2 * HOUR, NOON)
    await pauses.pause(REDOUTE, ["orders"], "for good", None, NOON)
    now = await pauses.in_force(NOON)

    assert [
        (found.reason if (found := holding(now, REDOUTE, job)) else None) for job in ("items", "offers", "orders")
    ] == [
        "all",
        "one",
        "for good",
    ]
    assert holding(now, LEWIS, "offers") is None
    assert await pauses.resume(REDOUTE, ["items", "offers"], NOON) == ["offers"]
    assert await pauses.resume(REDOUTE, ["offers"], NOON) == []
