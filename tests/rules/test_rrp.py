"""Discount RRP, in cents and basis points."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rules.rrp import sent


@pytest.mark.parametrize(
    ("price", "rrp", "discount", "told"),
    [
        (10000, 20000, 4000, 16666),  # the guide's example: 100 and 200 at 40 % give 166.66
        (10000, 20000, None, 20000),
        (10000, 16666, 4000, 16666),
        (10000, 16667, 4000, 16666),
        (10000, 15000, 4000, 15000),
        (6000, 10000, 4000, 10000),  # 40 % exactly is not more than 40 %
        (5999, 10000, 4000, 9998),
        (10000, 9000, 4000, 10000),  # never below StartPrice
        (10000, 9000, None, 10000),
        (10000, 30000, 3350, 15037),
        (10000, None, 4000, None),
        (1, 100, 1, 1),
    ],
)
def test_the_rrp_that_is_sent(price: int, rrp: int | None, discount: int | None, told: int | None) -> None:  # L10
    assert sent(price, rrp, discount) == told


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(1, 9_999))
def test_the_cut_is_exact(price: int, rrp: int, discount: int) -> None:  # L10
    d = Fraction(discount, 10_000)
    told = sent(price, rrp, discount)
    assert told is not None
    if 1 - Fraction(price, rrp) > d:
        # The greatest number of cents that promises no more than the discount.
        assert told <= price / (1 - d) < told + 1
    else:
        assert told == max(price, rrp)
    assert told >= price
