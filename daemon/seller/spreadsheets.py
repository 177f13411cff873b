"""XLSX files written row by row: what is text stays text, whatever a spreadsheet would make of it (guide S1, S2)."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, Self

from anyio import to_thread
from openpyxl import Workbook
from openpyxl.cell import Cell as SheetCell
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

#: A text stays a text, a number is shown as a number; what is None is an empty cell. Instants are told in ISO 8601.
Cell = str | int | Decimal | bool | datetime | date | None

#: the media type of a workbook
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

#: rows of one sheet, the header among them: what spreadsheets can open; the rest goes on in a further sheet
MOST_ROWS = 1_048_576
_LONGEST_CELL = 32_767
_LONGEST_TITLE = 28  # of a sheet, with room for the number of a further one
_NARROWEST, _WIDEST = 8, 40
_MOST_DIGITS = 15  # a spreadsheet rounds what has more
_BLOCK = 1 << 18

#: what no XML can hold, and the line break that spreadsheets don't write
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_TITLES = re.compile(r"[\[\]:*?/\\]")

#: the format of a cell that is text: typed over or confirmed with Enter, it stays one, so no formula comes to life
_AS_TEXT, _AS_NUMBER, _AS_AMOUNT = "@", "General", "0.00"


class Spreadsheet:
    """A workbook with one table, written a row at a time to a temporary file: memory does not grow with it.

    EANs, SKUs and postcodes given as `str` are text cells, and so is what looks like a formula. Use it inside `with`.
    """

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._title = _NOT_IN_TITLES.sub(" ", title)[:_LONGEST_TITLE].strip(" '") or "Sheet"
        self._columns = list(columns)
        self._book = Workbook(write_only=True)
        self._sheets: list[Any] = []  # the library's types know no sheet that is only written
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for sheet in self._sheets:
            if not sheet.closed:
                # The library would keep what was written so far on disk until the process ends.
                sheet.close()
                sheet._writer.cleanup()  # noqa: SLF001

    def _begin(self) -> None:
        number = len(self._sheets) + 1
        self._sheet = self._book.create_sheet(self._title if number == 1 else f"{self._title} {number}")
        self._sheets.append(self._sheet)
        self._sheet.freeze_panes = "A2"
        for place, column in enumerate(self._columns, 1):
            width = min(max(len(column) + 2, _NARROWEST), _WIDEST)
            self._sheet.column_dimensions[get_column_letter(place)].width = width
        # A cell is written as soon as it is handed over, so that one of each form serves for all rows.
        self._cells = {(place, form): self._cell(form) for place in range(len(self._columns)) for form in _FORMS}
        heads = [WriteOnlyCell(self._sheet, value=" ") for _ in self._columns]
        for head, column in zip(heads, self._columns, strict=True):
            head.value, head.data_type, head.font = _text(column), "s", Font(bold=True)
        self._sheet.append(heads)
        self._rows = 1

    def _cell(self, form: str) -> SheetCell:
        cell: SheetCell = WriteOnlyCell(self._sheet)
        cell.number_format = form
        cell.quotePrefix = form == _AS_TEXT
        return cell

    def add(self, row: Sequence[Cell]) -> None:
        """Write one row; its cells stand under the columns in their order."""
        if self._rows == MOST_ROWS:
            self._begin()
        self._sheet.append([self._filled(place, value) for place, value in enumerate(row)])
        self._rows += 1

    def _filled(self, place: int, value: Cell) -> SheetCell | None:
        if value is None or value == "":
            return None
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not number or len(str(value).lstrip("-").replace(".", "")) > _MOST_DIGITS:
            cell = self._cells[place, _AS_TEXT]
            cell.value = _text(_spelt(value))
            # Set last: the library takes a text that begins with = for a formula.
            cell.data_type = "s"
            return cell
        cell = self._cells[place, _AS_AMOUNT if isinstance(value, Decimal) else _AS_NUMBER]
        cell.value = value
        return cell

    def save(self, target: BinaryIO) -> None:
        """Write the whole workbook; no row can be added afterwards."""
        self._book.save(target)


_FORMS = (_AS_TEXT, _AS_NUMBER, _AS_AMOUNT)


def _spelt(value: Cell) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text.replace("\r\n", "\n"))[:_LONGEST_CELL]


def write_spreadsheet(target: BinaryIO, title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table that is at hand as a workbook."""
    with Spreadsheet(title, columns) as sheet:
        for row in rows:
            sheet.add(row)
        sheet.save(target)


async def spreadsheet_blocks(
    title: str, columns: Sequence[str], pages: AsyncIterator[Sequence[Sequence[Cell]]]
) -> AsyncIterator[bytes]:
    """The bytes of a workbook over rows that come page by page: nothing is held but a page, the rest lies on disk."""
    with TemporaryFile() as file, Spreadsheet(title, columns) as sheet:
        async for page in pages:
            await to_thread.run_sync(_add_all, sheet, page)
        await to_thread.run_sync(sheet.save, file)
        file.seek(0)
        while block := await to_thread.run_sync(file.read, _BLOCK):
            yield block


def _add_all(sheet: Spreadsheet, page: Sequence[Sequence[Cell]]) -> None:
    for row in page:
        sheet.add(row)
