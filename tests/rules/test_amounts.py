"""Amounts as units: whole ones, at least one, and otherwise the nearest that are allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import NotAllowed
from daemon.model import Money
from daemon.rules.amounts import units_of

PRICE = Money(1999, "GBP")


def pounds(minor: int) -> Money:
    return Money(minor, "GBP")


@pytest.mark.parametrize(("minor", "units"), [(1999, 1), (3998, 2), (5997, 3)])
def test_a_whole_number_of_units_is_that_many(minor: int, units: int) -> None:  # J10
    assert units_of(pounds(minor), PRICE, 3) == units


@pytest.mark.parametrize(
    ("minor", "nearest"),
    [
        (1998, "19.99 GBP (1 unit)"),
        (2000, "19.99 GBP (1 unit) or 39.98 GBP (2 units)"),
        (4000, "39.98 GBP (2 units) or 59.97 GBP (3 units)"),
        (5998, "59.97 GBP (3 units)"),
        (7996, "59.97 GBP (3 units)"),
        (0, "19.99 GBP (1 unit)"),
    ],
)
def test_another_amount_is_refused_with_the_nearest_below_and_above(minor: int, nearest: str) -> None:  # J10
    with pytest.raises(NotAllowed) as caught:
        units_of(pounds(minor), PRICE, 3)
    assert str(caught.value).endswith(f"the nearest allowed: {nearest}")


def test_without_a_price_the_units_must_be_given() -> None:  # J10
    for price in (None, pounds(0)):
        with pytest.raises(NotAllowed, match="give the units in place of an amount"):
            units_of(pounds(1999), price, 3)


def test_another_currency_and_nothing_left_are_told() -> None:  # J10
    with pytest.raises(NotAllowed, match="the amount is in EUR, and its price is in GBP"):
        units_of(Money(1999, "EUR"), PRICE, 3)
    with pytest.raises(NotAllowed, match="none of its units is left"):
        units_of(pounds(1999), PRICE, 0)


@given(amount=st.integers(0, 10_000), price=st.integers(1, 500), most=st.integers(1, 9))
def test_what_is_taken_is_exact_and_what_is_named_is_taken(amount: int, price: int, most: int) -> None:  # J10
    try:
        units = units_of(pounds(amount), pounds(price), most)
    except NotAllowed as error:
        named = str(error).rpartition("allowed: ")[2].split(" or ")
        near = [int(each.split(" ")[0].replace(".", "")) for each in named]
        assert all(1 <= units_of(pounds(minor), pounds(price), most) <= most for minor in near)
        assert amount not in near
    else:
        assert units * price == amount
        assert 1 <= units <= most
