"""What the cells of VAT rates, eco-contributions and sales mean (guide S1, consumer rules C3, C4, C8)."""

import re
from decimal import Decimal
from functools import partial
from typing import Any

from daemon.model import VatTerritory
from daemon.rules import eco, vat
from daemon.seller.cells import Cells, WrongCell, text_up_to

_RATE = re.compile(r"([0-9]{1,2}(?:[.,][0-9]{1,4})?)\s?%?")
_AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?")
_LONGEST_SALE = 30


def levies(cells: Cells, territory: VatTerritory | None) -> dict[str, Any]:
    """What a row says in `Levies`: only the columns that are there, an empty cell takes the listing's own away."""
    found: dict[str, Any] = {}
    rate = cells.read("vat_rate", partial(vat_rate, territory=territory))
    contribution, code = cells.read("eco_contribution", eco_contribution), cells.read("epr_code", epr_code)
    if rate is not None:
        found["vat_rate"] = rate if rate >= 0 else None
    if contribution is not None:
        found["eco_minor"] = contribution if contribution >= 0 else None
    if code is not None:
        found["epr_code"] = code
    if contribution is not None and contribution > 0 and not code and not cells.faults:
        cells.fault("epr_code", "the EPR category of the eco-contribution is missing", "write it, such as FR-TLC")
    return found


def vat_rate(cell: str, territory: VatTerritory | None) -> Decimal:
    """A VAT rate as a fraction; -1 for an empty cell. None as territory: the marketplace is told none."""
    if not cell:
        return Decimal(-1)
    if territory is None:
        raise WrongCell("this marketplace is told no VAT rate", "leave it empty")
    written = _RATE.fullmatch(cell)
    if written is None:
        raise WrongCell("this is not a VAT rate", "write it in percent, like 5.5 or 20")
    rate = vat.as_fraction(Decimal(written[1].replace(",", ".")), territory)
    if fault := vat.rate_fault(rate, territory):
        raise WrongCell(fault, "write the rate in percent; the account's territory is offers.vat_territory")
    if rate * 10_000 % 1:
        raise WrongCell("this VAT rate is finer than a hundredth of a percent", "round it, like 5.55")
    return rate


def eco_contribution(cell: str) -> int:
    """An amount in minor units, nothing included; -1 for an empty cell."""
    if not cell:
        return -1
    amount = _AMOUNT.fullmatch(cell)
    if amount is None:
        raise WrongCell("this is not an amount", "write it like 0.60 or 0,60, without currency")
    return int(amount[1]) * 100 + int((amount[2] or "").ljust(2, "0"))


def epr_code(cell: str) -> str:
    """A French EPR category, an empty one included."""
    code = cell.upper()
    if code and (fault := eco.epr_fault(code)):
        raise WrongCell(fault, "write one like FR-TLC (textiles), FR-DEA (furniture), FR-DEEE (electricals)")
    return code


def sale(cell: str) -> str:
    """The code of a sale, as it is imported: in capital letters; an empty one included."""
    return text_up_to(cell.upper(), _LONGEST_SALE)
