"""The eco-contribution inside and outside of a price, and the categories that ask for it."""

import pytest

from daemon.rules.eco import EPR_CODES, epr_fault, without


@pytest.mark.parametrize(
    ("minor", "eco", "included", "told"),
    [
        (10000, 60, True, 9940),
        (10000, 60, False, 10000),
        (10000, None, True, 10000),
        (60, 60, True, 0),
        (50, 60, True, -10),
    ],
)
def test_it_is_taken_off_where_the_prices_include_it(
    minor: int, eco: int | None, included: bool, told: int
) -> None:  # C8
    assert without(minor, eco, included=included) == told


def test_the_categories_are_those_of_the_law() -> None:  # C8
    assert len(EPR_CODES) == 24
    assert epr_fault("FR-TLC") == ""
    assert "did you mean FR-TLC" in epr_fault("FR-TCL")
    assert epr_fault("XX").endswith("is no French EPR category")
