"""Working days: weekends, holidays, closed days and the cut-off, at literal dates."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rules.calendar import SURELY_KNOWN, WEEKDAYS, Calendar, country_fault, place_fault, subdivision_fault

LONDON = ZoneInfo("Europe/London")
WORKING = frozenset(WEEKDAYS[:5])
ENGLAND = Calendar(WORKING, "GB", "ENG", cut_off=time(15))


def test_without_anything_said_every_day_is_a_working_day() -> None:  # J7
    every = Calendar()
    assert every.on(date(2026, 12, 24), 1) == date(2026, 12, 25)
    assert every.on(date(2026, 12, 25), 0) == date(2026, 12, 25)


@pytest.mark.parametrize(
    ("day", "days", "found"),
    [
        (date(2026, 3, 6), 1, date(2026, 3, 9)),  # Friday to Monday
        (date(2026, 3, 7), 0, date(2026, 3, 9)),  # Saturday is Monday
        (date(2026, 3, 7), 1, date(2026, 3, 9)),
        (date(2026, 4, 2), 1, date(2026, 4, 7)),  # over Good Friday and Easter Monday
        (date(2026, 12, 24), 1, date(2026, 12, 29)),  # Boxing Day on a Saturday is kept on Monday
        (date(2027, 12, 31), 1, date(2028, 1, 4)),  # over the end of a year
    ],
)
def test_weekends_and_holidays_are_stepped_over(day: date, days: int, found: date) -> None:  # J7
    assert ENGLAND.on(day, days) == found


def test_holidays_are_those_of_the_part_of_the_country() -> None:  # J7
    scotland = Calendar(WORKING, "GB", "SCT")
    assert not scotland.works(date(2026, 1, 2))
    assert ENGLAND.works(date(2026, 1, 2))


def test_closed_and_worked_days_are_the_sellers_own() -> None:  # J7
    own = Calendar(WORKING, "GB", "ENG", frozenset({date(2026, 3, 9)}), frozenset({date(2026, 4, 3)}))
    assert own.on(date(2026, 3, 6), 1) == date(2026, 3, 10)
    assert own.works(date(2026, 4, 3))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 2, 14, 59, 59, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 2, 15, 0, tzinfo=UTC), date(2026, 3, 3)),
        (datetime(2026, 3, 6, 15, 0, tzinfo=UTC), date(2026, 3, 9)),  # late on Friday is Monday
        (datetime(2026, 3, 7, 18, 0, tzinfo=UTC), date(2026, 3, 9)),  # Saturday is Monday, however late
        (datetime(2026, 6, 1, 13, 59, tzinfo=UTC), date(2026, 6, 1)),  # by the clock of London, in summer
        (datetime(2026, 6, 1, 14, 0, tzinfo=UTC), date(2026, 6, 2)),
        (datetime(2026, 5, 31, 23, 30, tzinfo=UTC), date(2026, 6, 1)),  # Sunday there, Monday here
    ],
)
def test_what_comes_after_the_cut_off_counts_from_the_next_working_day(at: datetime, day: date) -> None:  # J7
    assert ENGLAND.counts_from(at.astimezone(LONDON)) == day


def test_without_a_cut_off_the_whole_day_counts() -> None:  # J7
    assert Calendar(WORKING).counts_from(datetime(2026, 3, 2, 23, 59, tzinfo=LONDON)) == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), date(2026, 3, 29)),  # the last minute before the hour that is not
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), date(2026, 3, 30)),  # it is 2 o'clock then
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), date(2026, 10, 25)),  # half past one, the first time
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), date(2026, 10, 25)),  # and the second
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), date(2026, 10, 26)),
    ],
)
def test_the_cut_off_is_the_clock_on_the_wall_when_it_changes(at: datetime, day: date) -> None:  # J7
    assert Calendar(cut_off=time(2)).counts_from(at.astimezone(LONDON)) == day


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 60), st.integers(0, 60))
def test_working_days_add_up(day: date, first: int, second: int) -> None:  # J7
    there = ENGLAND.on(day, first)
    assert ENGLAND.works(there)
    assert there >= day
    assert ENGLAND.on(there, second) == ENGLAND.on(day, first + second) or first == 0


@pytest.mark.parametrize(
    ("country", "told"),
    [("uk", "did you mean GB?"), ("UK", "did you mean GB?"), ("gb", "did you mean GB?"), ("1", "two letters")],
)
def test_a_country_that_is_not_known_is_told_with_a_near_one(country: str, told: str) -> None:  # D3
    assert told in country_fault(country)
    assert country_fault("GB") == country_fault("FR") == ""


def test_a_part_that_is_not_known_is_told_with_those_that_are() -> None:  # D3
    assert "did you mean ENG?" in subdivision_fault("GB", "ENGL")
    assert "there are ENG, NIR, SCT, WLS" in subdivision_fault("GB", "ZZZ")
    assert "leave it out" in subdivision_fault("MC", "X")
    assert subdivision_fault("GB", "ENG") == ""


@pytest.mark.parametrize("place", sorted(SURELY_KNOWN))
def test_what_is_known_without_the_library_is_known_to_it(place: str) -> None:  # D3
    country, _, part = place.partition("-")
    assert place_fault(place) == country_fault(country) == ""
    assert not part or subdivision_fault(country, part) == ""


def test_a_place_is_a_country_or_a_part_of_one() -> None:  # D3
    assert place_fault("MC") == place_fault("DE-BY") == ""
    assert "did you mean ENG?" in place_fault("GB-ENGL")
    assert "no holidays are known of" in place_fault("ZZ-ENG")
