"""Windows of promotions, and the price before a reduction, in literal days."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.model import Money, OfferTerms, Promotion
from daemon.rules.promotions import Charged, began, in_force, lowest_before, verdict, window_fault

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
START = datetime(2026, 6, 24, 6, 0, tzinfo=UTC)
END = datetime(2026, 7, 21, 22, 0, tzinfo=UTC)
SALE = Promotion(Money(7000, "EUR"), START, END)


@pytest.mark.parametrize(
    ("at", "there"),
    [(START - TICK, False), (START, True), (END - TICK, True), (END, False)],
)
def test_the_start_belongs_to_a_promotion_and_the_end_does_not(at: datetime, there: bool) -> None:  # L11
    assert in_force([SALE], at) == (SALE if there else None)


def test_a_window_ends_after_it_starts() -> None:  # L11 C2
    assert window_fault(START, START + TICK) == ""
    assert window_fault(START, START) == "the end is not after the start"


def days(before: float, minor: int, *, reduced: bool = False) -> Charged:
    return Charged(START - before * DAY, minor, reduced)


@pytest.mark.parametrize(
    ("history", "lowest"),
    [
        ([], None),
        ([days(60, 10000)], 10000),
        ([days(60, 8000), days(10, 10000)], 8000),  # in force until ten days before
        ([days(60, 8000), days(30, 10000)], 10000),  # replaced at the very start of the 30 days
        ([days(60, 8000), days(29.9, 10000)], 8000),
        ([days(5, 9000), days(2, 10000)], 9000),  # of a shorter history the lowest there is
        ([days(0, 9000)], None),  # the reduced price itself is not one before
    ],
)
def test_the_lowest_price_of_the_30_days_before(history: list[Charged], lowest: int | None) -> None:  # L11 C1
    assert lowest_before(history, START) == lowest


def test_successive_reductions_count_from_the_first() -> None:  # L11 C1
    history = [days(90, 10000), days(20, 8000, reduced=True), days(10, 7000, reduced=True)]
    assert began(history, START) == START - 20 * DAY
    assert lowest_before(history, began(history, START)) == 10000


def test_the_full_price_in_between_begins_anew() -> None:  # L11
    history = [days(90, 10000), days(20, 8000, reduced=True), days(10, 10000)]
    assert began(history, START) == START
    assert lowest_before(history, START) == 8000


@pytest.mark.parametrize(
    ("ordinary", "promoted", "lowest", "told"),
    [
        (10000, 7000, 10000, ""),
        (10000, 7000, 12000, ""),
        (10000, 7000, 9999, "the price 100.00 to be struck through is higher than 99.99"),
        (10000, 10000, 10000, "the promotion's price 100.00 is not below the price 100.00"),
        (10000, 7000, None, "no price is known that was charged before"),
    ],
)
def test_a_reduction_is_judged(ordinary: int, promoted: int, lowest: int | None, told: str) -> None:  # L11
    found = verdict(ordinary, promoted, lowest, OfferTerms())
    assert told in found.text
    assert bool(found.text) == bool(told)
    assert not found.blocks
    strict = OfferTerms(reduction_policy="block", unknown_history="block")
    assert verdict(ordinary, promoted, lowest, strict).blocks == bool(told)


def test_an_unknown_history_has_a_policy_of_its_own() -> None:  # L11
    assert verdict(100, 70, None, OfferTerms(unknown_history="allow")).text == ""
    assert not verdict(100, 70, None, OfferTerms(reduction_policy="block")).blocks
