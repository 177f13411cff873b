"""The eco-contribution of a price, and the categories of extended producer responsibility that ask for it (C8).

Sell-R takes prices without it: it is told apart and added there. Mirakl takes prices with it.
"""

from difflib import get_close_matches

#: the French EPR categories
EPR_CODES = frozenset(
    f"FR-{name}"
    for name in (
        *("AGROPACK", "ASL", "DASRIPAT", "DBPS", "DDS", "DEA", "DEEE", "DISPMED", "DIY", "EMBM", "GF", "JOUETS"),
        *("LUB", "MH", "MNU", "PA", "PAP", "PCHIM", "PMCB", "PNEU", "TABAC", "TLC", "VEHICULE", "VHU"),
    )
)


def epr_fault(code: str) -> str:
    """What is wrong with an EPR category code, with the nearest right ones; empty when nothing is."""
    if code in EPR_CODES:
        return ""
    near = get_close_matches(code, EPR_CODES, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{code!r} is no French EPR category{hint}"


def without(minor: int, eco_minor: int | None, *, included: bool) -> int:
    """What is sent of an amount: the seller's, less the eco-contribution where the seller's prices include it.

    Zero or less where the eco-contribution is all of it: nothing can be offered at that. The claim does the same in
    SQL (`store/values.py`).
    """
    return minor - (eco_minor or 0) if included else minor
