"""The proofs on the whole process and over time in a short form: a few reloads, stops, starts, steps, faults and restores."""

import logging
from collections.abc import Iterator

import pytest

from tests.prove import clocks
from tests.prove.health import FAULTS, Fault, meets
from tests.prove.month import live
from tests.prove.reloads import reload_often
from tests.prove.restores import restore
from tests.prove.starts import race
from tests.prove.stops import stop_often
from tests.prove.weights import Weight, grown

#: faults that are over in little time; `make prove` makes them all
QUICK = ("the login is refused", "a token has expired", "the scheduler stands still", "a reload was refused")


@pytest.fixture(autouse=True)
def _quiet_servers() -> Iterator[None]:
    """The sandbox's servers log every client that goes away, and the runner every turn."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
async def test_a_reload_is_taken_over_whole_or_not_at_all() -> None:  # D4
    figures = await reload_often(8)
    assert figures.broken == []
    assert figures.counts["reloads"] == 8
    assert figures.counts["good files taken over"] > 0


@pytest.mark.slow
async def test_stopped_at_any_moment_it_ends_and_goes_on() -> None:  # D4
    figures = await stop_often(3, 2)
    assert figures.broken == []
    assert figures.counts["stops"] == 2


@pytest.mark.slow
async def test_of_two_starts_at_once_one_serves_and_the_next_start_takes_over() -> None:  # D2
    figures = await race(1)
    assert figures.broken == []
    assert figures.counts["told who runs"] == 1
    assert figures.counts["took over after a kill"] == 1


@pytest.mark.slow
async def test_the_hour_goes_by_the_far_sides_clock_when_ours_changes_its_hour() -> None:  # L8
    (scene,) = (it for it in clocks.SCENES if it.name == "the autumn change of the hour")
    if reason := clocks.missing(scene):
        pytest.skip(reason)
    figures = await clocks.under(scene)
    assert figures.broken == []
    assert figures.counts["pairs of offer feeds, an interval apart or more"] > 2


@pytest.mark.parametrize("fault", [it for it in FAULTS if it.name in QUICK], ids=lambda it: it.name)
async def test_health_names_a_fault_and_its_end(fault: Fault) -> None:  # D5 D12
    figures = await meets(fault)
    assert figures.broken == []
    assert figures.counts["named within a tick, and over when it was"] == 1


@pytest.mark.parametrize("marketplace", ["laredoute", "johnlewis"])
async def test_a_day_of_the_month_starves_nobody_and_shows_every_byte(marketplace: str) -> None:  # D1 D7 D11
    figures = await live(marketplace, 3, 1)
    assert figures.broken == []
    assert figures.counts["jobs watched for starving"] == 8
    assert figures.counts["arrivals shown byte for byte"] > 0
    assert figures.counts["received files shown byte for byte"] > 0
    assert (figures.counts["requests about orders shown but for their key"] > 0) == (marketplace == "laredoute")


@pytest.mark.parametrize("marketplace", ["laredoute", "johnlewis"])
async def test_a_database_that_is_put_back_in_the_middle_says_nothing_twice(marketplace: str) -> None:  # L8 J7
    figures = await restore(marketplace, 2)
    assert figures.broken == []
    assert figures.counts["databases put back"] == 1


def test_what_grows_is_noticed_and_what_wavers_is_not() -> None:
    waver = [Weight(90_000 + 1_000 * (number % 3), 20 + number % 2, 9) for number in range(30)]
    leak = [Weight(90_000 + 500 * number, 20 + number, 9) for number in range(30)]
    assert grown(waver, "soak") == []
    assert grown(leak, "soak") == [
        "soak: memory_kib grew from 97250.0 to 102250.0",
        "soak: files grew from 34.5 to 44.5",
    ]
    assert grown(waver[:2], "soak") == ["soak: weighed only 2 times"]
