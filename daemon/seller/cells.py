"""What one cell of the seller's files means: numbers, amounts, EANs, instants, and the words for what is wrong (S1)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from daemon.model import Attribute, Photo
from daemon.rules import listing as rules
from daemon.seller.rows import Fault, FaultCode, Row

_NUMBER = re.compile(r"0*([0-9]{1,9})(?:[.,]0+)?")
_AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?")
_SCIENTIFIC = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_EAN_OF_SPREADSHEET = re.compile(r"([0-9]{13})[.,]0+")
_CODE = re.compile(r"[^=*|;\s]+")
_TIMESTAMP = re.compile(r"([0-9]{9,10})(?:[.,]0+)?")
_MILLISECONDS = re.compile(r"[0-9]{12,13}")
_WITH_A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")
_LONGEST_NATURE = 50
_YES = frozenset({"yes", "y", "true", "1", "oui"})
_NO = frozenset({"no", "n", "false", "0", "non"})
_LONGEST_SKU = 100

#: patterns of the cells that most files consist of, which mean what stands there: a SKU of printable ASCII without what
#: has a meaning to CSV, to us (') or to strip(), and a number without a point (`columns.py`); nothing is taken back
USUAL_SKU = rf"(?! )[ !#-&(-+\-.-:<-~]{{1,{_LONGEST_SKU}}}+(?<! )"
USUAL_NUMBER = r"[0-9]{1,9}+"

R = TypeVar("R")


class WrongCell(Exception):
    """A cell that does not mean what its column wants: what is wrong, and what to do."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class Cells:
    """The cells of one row, read one by one; what is wrong is gathered."""

    __slots__ = ("_key", "_row", "faults", "key")

    def __init__(self, row: Row, key: str) -> None:
        """`key` is the column by which the row is told."""
        self._row = row
        self._key = key
        self.key = row.cells[key]
        self.faults: list[Fault] = []

    def read(self, column: str, parse: Callable[[str], R]) -> R | None:
        """The value of a column, None where the file has no such column or the cell is wrong."""
        cell = self._row.cells.get(column)
        if cell is None:
            return None
        try:
            return parse(cell)
        except WrongCell as wrong:
            self.fault(column, wrong.problem, wrong.fix)
            return None

    def fault(self, column: str, problem: str, fix: str, code: FaultCode = "bad_value") -> None:
        """Tell what is wrong with a column."""
        self.faults.append(
            fault_at(self._row.line, self._key, self.key, problem, fix, column, self.given(column), code)
        )

    def given(self, column: str) -> str:
        """A cell as it stands there; empty where the file has no such column."""
        return self._row.cells.get(column, "")


def fault_at(
    line: int,
    key: str,
    named: str,
    problem: str,
    fix: str,
    column: str = "",
    value: str = "",
    code: FaultCode = "bad_value",
) -> Fault:
    """What is wrong in the row that its `key` column calls `named`."""
    sku, order = (named, "") if key == "sku" else ("", named)
    return Fault(line, problem, fix, column, value[:200], sku, code, order)


_MOST_STOCK = 999_999_999
#: the columns of a listing's own stock knobs, with what they are called in `StockKnobs` and their highest values
_KNOBS = {
    "safety_stock": ("safety_stock", _MOST_STOCK),
    "stock_percentage": ("percentage", 100),
    "stock_cap": ("cap", _MOST_STOCK),
    "stock_threshold": ("threshold", _MOST_STOCK),
}


def knobs(cells: Cells) -> dict[str, int | None]:
    """The knobs of which the file has a column: an empty cell goes back to the account's."""
    found: dict[str, int | None] = {}
    for column, (name, most) in _KNOBS.items():
        given = cells.read(column, partial(whole_or_none, most=most))
        if given is not None:
            found[name] = given if given >= 0 else None
    return found


def photos(cells: Cells) -> tuple[Photo, ...] | None:
    """The photos by rank, None where the file has no photo column; gaps between them are closed."""
    given = [cells.read(f"photo_{rank}", photo) for rank in range(1, rules.MOST_PHOTOS + 1)]
    if all(url is None for url in given):
        return None
    return tuple(Photo(url, rank) for rank, url in enumerate(filter(None, given), 1))


def sku(cell: str) -> str:
    """The seller's own number of a listing."""
    if not cell:
        raise WrongCell("the SKU is missing", "write the seller's own number of the listing")
    if len(cell) > _LONGEST_SKU:
        raise WrongCell(f"the SKU has {len(cell)} characters", f"at most {_LONGEST_SKU} are taken")
    return cell


def stock(cell: str) -> int:
    """Units in stock."""
    number = _NUMBER.fullmatch(cell)
    if number is None:
        raise WrongCell("this is not a number of units", "write a whole number from 0 to 999999999, without a unit")
    return int(number[1])


def whole_or_none(cell: str, most: int) -> int:
    """A whole number up to `most`; -1 for an empty cell."""
    number = _NUMBER.fullmatch(cell)
    if cell and (number is None or int(number[1]) > most):
        raise WrongCell(f"this is not a whole number from 0 to {most}", "write one, or nothing for the account's")
    return int(number[1]) if number else -1


def instant(cell: str, zone: ZoneInfo) -> datetime:
    """A UNIX timestamp in seconds, or ISO 8601; without an offset it is told in the account's time zone."""
    if _SCIENTIFIC.fullmatch(cell):
        raise WrongCell("a spreadsheet has rounded the timestamp", "type it once more in a column formatted as text")
    if _MILLISECONDS.fullmatch(cell):
        raise WrongCell("this timestamp is in milliseconds", "write it in seconds: leave the last three digits out")
    if stamp := _TIMESTAMP.fullmatch(cell):
        return datetime.fromtimestamp(int(stamp[1]), UTC)
    try:
        if _WITH_A_TIME.match(cell):
            instant = datetime.fromisoformat(cell)
            return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        # An overflow is one that UTC has no year for.
        pass
    raise WrongCell(
        "this is no instant", "write a UNIX timestamp in seconds such as 1782165600, or 2026-06-23T00:00+02:00"
    )


def instant_or_none(cell: str, zone: ZoneInfo) -> datetime | None:
    """An instant; None for an empty cell."""
    return instant(cell, zone) if cell else None


def units(cell: str) -> int | None:
    """Units of an order line, at least one; None for an empty cell."""
    number = _NUMBER.fullmatch(cell)
    if cell and (number is None or int(number[1]) == 0):
        raise WrongCell(
            "this is not a number of units", "write a whole number from 1, or nothing for all that are left"
        )
    return int(number[1]) if number else None


def text_up_to(cell: str, longest: int, *, wanted: bool = False) -> str:
    """A text of at most so many characters."""
    if wanted and not cell:
        raise WrongCell("this is empty", "write it")
    if len(cell) > longest:
        raise WrongCell(f"the text has {len(cell)} characters", f"at most {longest} are taken")
    return cell


def nature(cell: str) -> str:
    """The marketplace's internal kind of offer."""
    if len(cell) > _LONGEST_NATURE:
        raise WrongCell(f"the nature has {len(cell)} characters", f"at most {_LONGEST_NATURE} are taken")
    return cell


def price(cell: str) -> int:
    """An amount in minor units, more than nothing."""
    amount = _AMOUNT.fullmatch(cell)
    if amount is None:
        raise WrongCell(
            "this is not an amount", "write it like 49.90 or 49,90, without currency or thousands separator"
        )
    minor = int(amount[1]) * 100 + int((amount[2] or "").ljust(2, "0"))
    if minor == 0:
        raise WrongCell("the amount is zero", "write what the buyer pays; to stop selling, set the stock to 0")
    return minor


def rrp(cell: str) -> int:
    """An amount in minor units; 0 for an empty cell."""
    return price(cell) if cell else 0


def ean(cell: str) -> str:
    """An EAN-13, an empty one included; one that a spreadsheet gave a decimal point is mended (S1)."""
    mended = _EAN_OF_SPREADSHEET.fullmatch(cell)
    ean = mended[1] if mended else cell
    if not ean or not (fault := rules.ean_fault(ean)):
        return ean
    if _SCIENTIFIC.fullmatch(cell):
        fix = "its digits are lost: type it once more in a column formatted as text"
        raise WrongCell("a spreadsheet has turned the EAN into a rounded number", fix)
    if re.fullmatch("[0-9]{12}", ean) and not rules.ean_fault(f"0{ean}"):
        raise WrongCell(fault, f"spreadsheets drop a leading zero: write 0{ean} in a column formatted as text")
    raise WrongCell(fault, "copy it once more from the packaging, in a column formatted as text")


def channel_item_id(cell: str) -> str:
    """The marketplace's article number; one that a spreadsheet gave a decimal point is mended."""
    if _SCIENTIFIC.fullmatch(cell):
        fix = "its digits are lost: type it once more in a column formatted as text"
        raise WrongCell("a spreadsheet has turned the article number into a rounded number", fix)
    mended = re.fullmatch(r"([0-9]+)[.,]0+", cell)
    return mended[1] if mended else cell


def yes_or_no(cell: str) -> bool | None:
    """Yes or no; None for an empty cell."""
    word = cell.casefold()
    if word and word not in _YES | _NO:
        raise WrongCell("this is neither yes nor no", "write yes, no, or nothing")
    return word in _YES if word else None


def days(cell: str) -> int | None:
    """Days up to a year; None for an empty cell."""
    number = _NUMBER.fullmatch(cell)
    if cell and (number is None or int(number[1]) > 365):
        raise WrongCell("this is not a number of days", "write a whole number from 0 to 365, or nothing")
    return int(number[1]) if number else None


def photo(cell: str) -> str:
    """An absolute URL, or nothing."""
    if cell and not rules.is_absolute_url(cell):
        raise WrongCell("this is not an absolute http(s) URL", "write it whole, like https://pictures.example/lamp.jpg")
    return cell


def attributes(cell: str) -> tuple[Attribute, ...]:
    """Attributes as they are written in one cell."""
    return tuple(_attribute(written.strip()) for written in cell.split(";") if written.strip())


def _attribute(written: str) -> Attribute:
    # Taken apart by its signs: a pattern with gaps between them would take minutes for a cell full of spaces.
    code, _, rest = (part.strip() for part in written.partition("="))
    value, _, label = (part.strip() for part in rest.partition("|"))
    name = code.removesuffix("*").rstrip()
    if not (_CODE.fullmatch(name) and _CODE.fullmatch(value) and label) or "|" in label:
        raise WrongCell(f"{written[:60]!r} is not an attribute", "write it like A0485*=V123|Rouge; A1303=V77|Bleu")
    return Attribute(name, value, label, declinable=code.endswith("*"))
