"""The Edge's stock file and its error file (Edge section 8)."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daemon.sandbox.strict import Mistake

STOCK_COLUMNS = ("part_number", "tradedCode", "current_lead_time_to_delivery_in_days", "free_stock")

_PART = re.compile(r"[0-9]{8}")
_WHOLE = re.compile(r"[0-9]{1,9}")
_LONGEST_CODE = 20


@dataclass(frozen=True, slots=True)
class Stock:
    """What the retailer knows of one part: units free, lead time in days, the supplier's code, and from which file."""

    part_number: str
    code: str
    lead_days: int
    free: int
    environment: str
    file_name: str


@dataclass(frozen=True, slots=True)
class RowError:
    """One line of an error file; a fault of the whole file has no part number."""

    part_number: str
    error: str


def read_inventory(
    content: bytes, columns: Sequence[str], judge: Callable[[str], str], environment: str, file_name: str
) -> tuple[list[Stock], list[RowError]]:
    """Read a stock file row by row: what can be taken, and what is wrong with the rest.

    `judge` gives the retailer's own objection to a part number, "" for none. Raises Mistake where the whole file is
    wrong.
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
            stock = _stock(row, environment, file_name)
            objection = "more than once" if stock.part_number in stocks else judge(stock.part_number)
        except Mistake as mistake:
            errors.append(RowError(row[0] if row else "", str(mistake)))
            continue
        if objection:
            errors.append(RowError(stock.part_number, objection))
        else:
            stocks[stock.part_number] = stock
    return list(stocks.values()), errors


def _stock(row: Sequence[str], environment: str, file_name: str) -> Stock:
    if len(row) != len(STOCK_COLUMNS):
        raise Mistake(f"{len(row)} fields, {len(STOCK_COLUMNS)} expected")
    part_number, code, lead, free = row
    if not _PART.fullmatch(part_number):
        raise Mistake("part_number is not 8 digits")
    if len(code) > _LONGEST_CODE:
        raise Mistake("tradedCode is longer than 20")
    if not _WHOLE.fullmatch(lead):
        raise Mistake(f"lead time {lead!r} is not a whole number from 0")
    if not _WHOLE.fullmatch(free):
        raise Mistake(f"stock {free!r} is not a whole number from 0")
    return Stock(part_number, code, int(lead), int(free), environment, file_name)


def write_errors(errors: Sequence[RowError]) -> bytes:
    """Write an error file; its columns are ours (Edge section 13.6)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part_number", "error"))
    writer.writerows((error.part_number, error.error) for error in errors)
    return text.getvalue().encode("utf-8")
