"""Promotions of a statutory sale: its window, the deadline, and a month on offer, in literal days."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.model import Money, OfferTerms, Promotion, Sale
from daemon.rules.sales import month_before, verdict

TICK = timedelta(microseconds=1)
START, END = datetime(2027, 1, 6, 7, 0, tzinfo=UTC), datetime(2027, 2, 2, 23, 0, tzinfo=UTC)
DEADLINE = datetime(2026, 12, 14, 22, 59, tzinfo=UTC)
WINTER = Sale("HIVER-2027", "Soldes d'hiver", START, END, DEADLINE)
PROMOTION = Promotion(Money(7000, "EUR"), START, END, sale="HIVER-2027")
OLD = datetime(2026, 12, 6, 7, 0, tzinfo=UTC)
WARN, BLOCK = OfferTerms(), OfferTerms(sale_policy="block")


def test_a_promotion_that_keeps_to_its_sale_is_fine() -> None:  # C3
    assert verdict(PROMOTION, WINTER, DEADLINE, OLD, BLOCK).text == ""
    without_deadline = Sale("HIVER-2027", "Soldes d'hiver", START, END)
    assert verdict(PROMOTION, without_deadline, END, OLD, BLOCK).text == ""


def test_a_promotion_of_no_sale_is_not_judged_by_any() -> None:  # C3
    assert verdict(Promotion(Money(1, "EUR"), START, END), None, END, None, BLOCK).text == ""


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "imported_at", "since", "told"),
    [
        (START - TICK, END, DEADLINE, OLD, "not inside the sale HIVER-2027, from 2027-01-06 07:00 to 2027-02-02 23:00"),
        (START, END + TICK, DEADLINE, OLD, "not inside the sale"),
        (START, END, DEADLINE + TICK, OLD, "after the deadline of the sale HIVER-2027, 2026-12-14 22:59 UTC"),
        (START, END, DEADLINE, OLD + TICK, "on offer since 2026-12-06 alone"),
        (START, END, DEADLINE, None, "nothing shows that it was on offer a month before"),
    ],
)
def test_what_a_promotion_breaks_is_told_and_blocks_by_the_policy(
    starts_at: datetime, ends_at: datetime, imported_at: datetime, since: datetime | None, told: str
) -> None:  # C3
    promotion = Promotion(Money(7000, "EUR"), starts_at, ends_at, sale="HIVER-2027")
    found = verdict(promotion, WINTER, imported_at, since, WARN)
    assert told in found.text
    assert not found.blocks
    strict = OfferTerms(sale_policy="block", unknown_history="block")
    assert verdict(promotion, WINTER, imported_at, since, strict).blocks


def test_of_a_history_that_is_not_known_its_own_policy_decides() -> None:  # C3
    allow = OfferTerms(sale_policy="block", unknown_history="allow")
    assert verdict(PROMOTION, WINTER, DEADLINE, None, allow).text == ""
    assert not verdict(PROMOTION, WINTER, DEADLINE, None, BLOCK).blocks


def test_a_sale_that_was_not_imported_is_told() -> None:  # C3
    found = verdict(PROMOTION, None, DEADLINE, OLD, BLOCK)
    assert found.text == "the sale HIVER-2027 is not in the imported sales; import them anew"
    assert found.blocks


def test_everything_that_is_wrong_is_told_at_once() -> None:  # C3
    promotion = Promotion(Money(7000, "EUR"), START - TICK, END, sale="HIVER-2027")
    assert verdict(promotion, WINTER, END, END, WARN).text.count(";") == 2


@pytest.mark.parametrize(
    ("day", "before"),
    [
        ("2027-01-06", "2026-12-06"),
        ("2027-03-31", "2027-02-28"),
        ("2028-03-31", "2028-02-29"),
        ("2027-12-31", "2027-11-30"),
    ],
)
def test_a_month_before_is_the_same_day_or_the_last(day: str, before: str) -> None:  # C3
    assert month_before(datetime.fromisoformat(day)) == datetime.fromisoformat(before)
