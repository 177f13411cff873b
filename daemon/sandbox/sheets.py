"""The Edge's two-header files: order line, item lines and a checksum that counts lines (Edge section 2)."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from daemon.sandbox.strict import Mistake

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file: its order section and its items, each by column name."""

    order: Row
    items: tuple[Row, ...]


def write_sheet(order: Row, items: Sequence[Row], *, checksum_off_by: int = 0) -> bytes:
    """Write a file whose checksum is right, or off by so many lines."""
    lines = [list(order), list(order.values()), list(items[0]), *(list(item.values()) for item in items)]
    lines.append([str(len(lines) + checksum_off_by)])
    return "".join(_quoted(line) + "\n" for line in lines).encode("utf-8")


def read_sheet(content: bytes, order_columns: Sequence[str], item_columns: Collection[Sequence[str]]) -> Sheet:
    """Read a file with exactly these order columns and one of these sets of item columns. Raises Mistake."""
    lines = _lines(content)
    if len(lines) < 5:
        raise Mistake(f"{len(lines)} lines; an order, at least one item and a checksum are expected")
    rows = [_row(number, line) for number, line in enumerate(lines, 1)]
    *rows, checksum = rows
    if checksum != [str(len(rows))]:
        raise Mistake(f"checksum {','.join(checksum)} does not match: {len(rows)} lines stand before it")
    header, order, item_header, *items = rows
    if header != list(order_columns):
        raise Mistake(f"line 1: the columns must be {','.join(order_columns)}")
    if item_header not in [list(columns) for columns in item_columns]:
        raise Mistake(f"line 3: the columns must be {','.join(next(iter(item_columns)))}")
    return Sheet(
        _named(2, header, order), tuple(_named(number, item_header, item) for number, item in enumerate(items, 4))
    )


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Mistake(f"not UTF-8 at byte {error.start}") from None
    text = text.replace("\r\n", "\n")
    if not text.endswith("\n"):
        raise Mistake("the last line is not ended: the file is not whole")
    return text.removesuffix("\n").split("\n")


def _row(number: int, line: str) -> list[str]:
    """Read one line, every field of which is in double quotes."""
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error as error:
        raise Mistake(f"line {number}: {error}") from None
    if len(rows) != 1 or _quoted(rows[0]) != line:
        raise Mistake(f"line {number}: every field must be in double quotes, with commas between")
    if any(character < " " or character == "\x7f" for character in line):
        raise Mistake(f"line {number}: control character")
    return rows[0]


def _named(number: int, header: Sequence[str], row: Sequence[str]) -> Row:
    if len(row) != len(header):
        raise Mistake(f"line {number}: {len(row)} fields for {len(header)} columns")
    return dict(zip(header, row, strict=True))


def _quoted(row: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
    return text.getvalue()
