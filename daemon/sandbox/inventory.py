"""The Edge's stock file and its error file (Edge section 8)."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from daemon.sandbox.strict import Mistake

STOCK_COLUMNS = ("part_number", "tradedCode", "current_lead_time_to_delivery_in_days", "free_stock")

EIGHT_DIGITS = "[0-9]{8}"

_CODE = "tradedCode"
_LEAD = "current_lead_time_to_delivery_in_days"
_FREE = ("free_stock", "supplier_free_stock")
_WHOLE = re.compile(r"[0-9]{1,9}")
_LONGEST = {_CODE: 20}
_LONGEST_TEXT = 255
#: columns that other retailers may have (Edge section 8); what is empty is not said
_COUNTS = (
    "allocated_stock",
    "ring_fenced_units_for_jl",
    "standard_lead_time_to_delivery_in_days",
    "max_lead_time_to_delivery_in_days",
)
_DAYS = ("back_in_stock_date", "start_date_for_current_lead_time_to_delivery")


@dataclass(frozen=True, slots=True)
class Stock:
    """What the retailer knows of one part: units free, lead time in days, the supplier's code, and from which file.

    `values` are all columns as they came; a retailer without a column for the code or the lead time has "" and 0.
    """

    part_number: str
    code: str
    lead_days: int
    free: int
    environment: str
    file_name: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowError:
    """One line of an error file; a fault of the whole file has no part number."""

    part_number: str
    error: str


def read_inventory(
    content: bytes,
    columns: Sequence[str],
    judge: Callable[[str], str],
    environment: str,
    file_name: str,
    part_form: str = EIGHT_DIGITS,
) -> tuple[list[Stock], list[RowError]]:
    """Read a stock file row by row: what can be taken, and what is wrong with the rest.

    `judge` gives the retailer's own objection to a part number, "" for none; `part_form` is the form of its numbers.
    Raises Mistake where the whole file is wrong.
    """
    try:
        text = content.decode("utf-8")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise Mistake(f"not UTF-8 at byte {error.start}") from None
    except csv.Error as error:
        raise Mistake(f"not CSV: {error}") from None
    except ValueError:
        raise Mistake("the file is empty") from None
    if header != list(columns):
        raise Mistake(f"the header must be {','.join(columns)}")
    if not rows or not text.endswith("\n"):
        raise Mistake("the file is not whole" if rows else "no rows")
    stocks: dict[str, Stock] = {}
    errors = []
    for row in rows:
        try:
            stock = _stock(row, columns, part_form, environment, file_name)
            objection = "more than once" if stock.part_number in stocks else judge(stock.part_number)
        except Mistake as mistake:
            errors.append(RowError(row[0] if row else "", str(mistake)))
            continue
        if objection:
            errors.append(RowError(stock.part_number, objection))
        else:
            stocks[stock.part_number] = stock
    return list(stocks.values()), errors


def _stock(row: Sequence[str], columns: Sequence[str], part_form: str, environment: str, file_name: str) -> Stock:
    if len(row) != len(columns):
        raise Mistake(f"{len(row)} fields, {len(columns)} expected")
    values = dict(zip(columns, row, strict=True))
    part_number, free = values["part_number"], next(values[name] for name in _FREE if name in values)
    if not re.fullmatch(part_form, part_number):
        told = "8 digits" if part_form == EIGHT_DIGITS else f"of the form {part_form}"
        raise Mistake(f"part_number is not {told}")
    for name, text in values.items():
        if len(text) > (longest := _LONGEST.get(name, _LONGEST_TEXT)):
            raise Mistake(f"{name} is longer than {longest}")
    if _LEAD in values and not _WHOLE.fullmatch(values[_LEAD]):
        raise Mistake(f"lead time {values[_LEAD]!r} is not a whole number from 0")
    if not _WHOLE.fullmatch(free):
        raise Mistake(f"stock {free!r} is not a whole number from 0")
    _check_further(values)
    lead = int(values.get(_LEAD, "0"))
    return Stock(part_number, values.get(_CODE, ""), lead, int(free), environment, file_name, values)


def _check_further(values: Mapping[str, str]) -> None:
    for name in _COUNTS:
        if values.get(name) and not _WHOLE.fullmatch(values[name]):
            raise Mistake(f"{name} {values[name]!r} is not a whole number from 0")
    for name in _DAYS:
        if values.get(name):
            try:
                right = date.fromisoformat(values[name]).isoformat() == values[name]
            except ValueError:
                right = False
            if not right:
                raise Mistake(f"{name} {values[name]!r} is not YYYY-MM-DD")


def write_errors(errors: Sequence[RowError]) -> bytes:
    """Write an error file; its columns are ours (Edge section 13.6)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part_number", "error"))
    writer.writerows((error.part_number, error.error) for error in errors)
    return text.getvalue().encode("utf-8")
