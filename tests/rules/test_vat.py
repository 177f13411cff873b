"""VAT rates by territory, and what is left of a price without its VAT."""

from decimal import Decimal

import pytest

from daemon.model import VatTerritory
from daemon.rules.vat import RATES, as_fraction, in_percent, net, rate_fault


@pytest.mark.parametrize(
    ("territory", "percent"),
    [
        ("mainland", "20 10 5.5 2.1"),
        ("dom", "8.5 2.1"),
        ("corsica", "20 13 10 5.5 2.1 0.9"),
    ],
)
def test_the_rates_of_each_territory(territory: VatTerritory, percent: str) -> None:  # C4
    rates = [Decimal(each) / 100 for each in percent.split()]
    assert sorted(RATES[territory], reverse=True) == rates
    assert [rate_fault(rate, territory) for rate in rates] == [""] * len(rates)


def test_a_rate_of_elsewhere_is_told_with_those_that_are_right() -> None:  # C4
    told = rate_fault(Decimal("0.196"), "mainland")
    assert told == "19.6 % is no VAT rate of mainland France, where there are 20 %, 10 %, 5.5 %, 2.1 %"
    assert "Corsica" in rate_fault(Decimal("0.085"), "corsica")
    assert "overseas departments" in rate_fault(Decimal("0.2"), "dom")


@pytest.mark.parametrize(("rate", "fine"), [("0", True), ("0.19", True), ("0.9999", True), ("1", False), ("-1", False)])
def test_any_takes_every_rate_below_one(rate: str, fine: bool) -> None:  # C4
    assert (rate_fault(Decimal(rate), "any") == "") == fine


@pytest.mark.parametrize(
    ("written", "territory", "rate"),
    [
        ("20", "mainland", "0.2"),
        ("0.20", "mainland", "0.2"),
        ("5.5", "mainland", "0.055"),
        ("0.055", "mainland", "0.055"),
        ("0.9", "corsica", "0.009"),
        ("0.009", "corsica", "0.009"),
        ("19", "any", "0.19"),
        ("0.19", "any", "0.19"),
    ],
)
def test_a_percentage_and_a_fraction_are_both_read(written: str, territory: VatTerritory, rate: str) -> None:  # C4
    assert as_fraction(Decimal(written), territory) == Decimal(rate)


def test_no_number_can_be_read_in_two_ways() -> None:  # C4
    for rates in RATES.values():
        assert not rates & {rate / 100 for rate in rates}


@pytest.mark.parametrize(
    ("gross", "rate", "left"),
    [(12000, "0.2", 10000), (1990, "0.2", 1658), (1055, "0.055", 1000), (1, "0.2", 1), (0, "0.2", 0), (999, "0", 999)],
)
def test_net_is_gross_by_100_plus_t(gross: int, rate: str, left: int) -> None:  # C4
    assert net(gross, Decimal(rate)) == left


def test_a_rate_is_shown_as_people_write_it() -> None:
    assert [in_percent(Decimal(rate)) for rate in ("0.055", "0.20", "0", "0.009")] == ["5.5 %", "20 %", "0 %", "0.9 %"]
