"""The VAT rates of France by territory, and what is left of a price without its VAT (consumer rule C4).

A rate is a fraction: Decimal("0.055") is 5.5 %. Consumer prices are gross.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import get_args

from daemon.model import VatTerritory

TERRITORIES: tuple[VatTerritory, ...] = get_args(VatTerritory)

_MAINLAND = frozenset(map(Decimal, ("0.2", "0.1", "0.055", "0.021")))
RATES: Mapping[VatTerritory, frozenset[Decimal]] = {
    "mainland": _MAINLAND,
    "corsica": _MAINLAND | frozenset(map(Decimal, ("0.009", "0.13"))),
    "dom": frozenset(map(Decimal, ("0.085", "0.021"))),
}


def rate_fault(rate: Decimal, territory: VatTerritory) -> str:
    """What is wrong with a VAT rate in a territory, and what is right there, in one sentence; empty if nothing is."""
    if territory == "any":
        return "" if 0 <= rate < 1 else "a VAT rate is a fraction from 0 to below 1"
    if rate in RATES[territory]:
        return ""
    known = ", ".join(in_percent(each) for each in sorted(RATES[territory], reverse=True))
    return f"{in_percent(rate)} is no VAT rate of {_CALLED[territory]}, where there are {known}"


_CALLED: Mapping[VatTerritory, str] = {
    "mainland": "mainland France",
    "corsica": "Corsica",
    "dom": "the overseas departments (DOM)",
}


def as_fraction(written: Decimal, territory: VatTerritory) -> Decimal:
    """What a person means who writes 5.5 or 0.055: no list holds both readings of a number.

    Where every rate is taken, a number from 1 on is a percentage.
    """
    percent = written / 100
    if territory == "any":
        return percent if written >= 1 else written
    return written if written in RATES[territory] else percent


def in_percent(rate: Decimal) -> str:
    """A rate as people write it: 5.5 %."""
    return f"{(rate * 100).normalize():f} %"


def net(gross_minor: int, rate: Decimal) -> int:
    """What is left of a gross price without its VAT, in minor units, rounded half up: gross x 100 / (100 + t)."""
    return int((Decimal(gross_minor) / (1 + rate)).quantize(Decimal(1), ROUND_HALF_UP))
