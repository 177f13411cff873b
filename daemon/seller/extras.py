"""What the cells mean that a retailer's stock file may want beside the units (guide S1, J3, J15)."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

from daemon.seller.cells import Cells, WrongCell, text_up_to

_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_COUNT = re.compile(r"0*([0-9]{1,9})(?:[.,]0+)?")
_LONGEST_WORD = 100


def extras(cells: Cells) -> dict[str, str]:
    """What a row says in `StockExtras`: only the columns that are there, an empty cell takes the listing's own away."""
    found: dict[str, str] = {}
    for column, parse in _EXTRAS.items():
        given = cells.read(column, parse)
        if given is not None:
            found[column] = given
    return found


def day(cell: str) -> str:
    """A day as ISO 8601 has it, with the midnight that a spreadsheet adds or without; an empty cell is none."""
    written = _DAY.fullmatch(cell)
    if cell and written is None:
        raise WrongCell("this is not a day", "write it like 2026-12-24, or nothing")
    try:
        return date.fromisoformat(written[1]).isoformat() if written else ""
    except ValueError:
        raise WrongCell("there is no such day", "write it like 2026-12-24, or nothing") from None


def count(cell: str) -> str:
    """A whole number in its digits alone; an empty cell is none."""
    written = _COUNT.fullmatch(cell)
    if cell and written is None:
        raise WrongCell("this is not a whole number", "write one from 0 to 999999999, or nothing")
    return str(int(written[1])) if written else ""


_word = partial(text_up_to, longest=_LONGEST_WORD)
#: the columns of `StockExtras`, and what each may hold
_EXTRAS: Mapping[str, Callable[[str], str]] = {
    "back_in_stock_date": day,
    "low_stock": _word,
    "ring_fenced_units": count,
    "standard_lead_time_days": count,
    "max_lead_time_days": count,
    "lead_time_from": day,
    "availability_status": _word,
    "product_status": _word,
}
