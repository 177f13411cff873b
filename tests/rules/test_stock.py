"""How much of the stock is offered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import OfferTerms, StockKnobs
from daemon.rules.stock import offered

OWN = StockKnobs()


@pytest.mark.parametrize(
    ("stock", "terms", "reserved", "sent"),
    [
        (12, OfferTerms(), 0, 12),
        (12, OfferTerms(safety_stock=2), 0, 10),
        (12, OfferTerms(safety_stock=2), 3, 7),
        (2, OfferTerms(safety_stock=2), 3, 0),
        (7, OfferTerms(percentage=50), 0, 3),
        (7, OfferTerms(percentage=0), 0, 0),
        (12, OfferTerms(cap=5), 0, 5),
        (12, OfferTerms(cap=0), 0, 0),
        (3, OfferTerms(threshold=3), 0, 3),
        (2, OfferTerms(threshold=3), 0, 0),
        # In order: 20 - 3 - 2 = 15, half of it is 7, capped at 6, and 6 is not below 6.
        (20, OfferTerms(safety_stock=2, percentage=50, cap=6, threshold=6), 3, 6),
        (20, OfferTerms(safety_stock=2, percentage=50, cap=6, threshold=7), 3, 0),
    ],
)
def test_the_knobs_in_their_order(stock: int, terms: OfferTerms, reserved: int, sent: int) -> None:  # L6
    assert offered(stock, OWN, terms, reserved=reserved) == sent


def test_a_listings_own_knobs_come_before_the_accounts() -> None:  # L6
    terms = OfferTerms(safety_stock=5, percentage=50, cap=3, threshold=4)
    assert offered(20, StockKnobs(safety_stock=0, percentage=100, cap=100, threshold=0), terms) == 20
    assert offered(20, StockKnobs(cap=6), terms) == 6
    assert offered(20, OWN, terms) == 0


def test_an_ended_listing_offers_nothing() -> None:  # L9
    assert offered(20, OWN, OfferTerms(), ended=True) == 0


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.builds(
        OfferTerms,
        safety_stock=st.integers(0, 10**9),
        percentage=st.integers(0, 100),
        cap=st.none() | st.integers(0, 10**9),
        threshold=st.integers(0, 10**9),
    ),
)
def test_never_more_than_there_is_and_never_less_than_nothing(stock: int, reserved: int, terms: OfferTerms) -> None:
    assert 0 <= offered(stock, OWN, terms, reserved=reserved) <= max(0, stock - reserved)
