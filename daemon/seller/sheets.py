"""The table of a workbook's first sheet: its header, and its rows by the numbers that the sheet shows (guide S1)."""

from collections.abc import Collection, Mapping
from typing import BinaryIO

from daemon.errors import Unreadable
from daemon.seller.rows import BrokenRow, Fault, Row, Table
from daemon.seller.tables import CsvTable
from daemon.seller.workbooks import SheetRow, is_workbook, sheet_rows


class SheetTable(Table):
    """An XLSX file at its first row; the header is the first row that holds something."""

    def __init__(
        self,
        file: BinaryIO,
        columns: Collection[str],
        required: Collection[str],
        many_lines: Collection[str] = (),
        also: Mapping[str, str] | None = None,
    ) -> None:
        """Read up to the header; raises Unreadable when the file is no such table. `file` must be able to seek."""
        self._sheet = sheet_rows(file)
        header = next(self._sheet, None)
        if header is None:
            raise Unreadable(f"line 1: the sheet is empty; its first row names the columns: {', '.join(columns)}")
        super().__init__(header.line, [title.strip() for title in header.cells], columns, required, also)
        self.many_lines = frozenset(many_lines)

    def next_row(self) -> Row | BrokenRow | None:
        """The next row; None at the end."""
        row = next(self._sheet, None)
        if row is None:
            return None
        cells = row.cells + ("",) * (len(self.header) - len(row.cells))
        return self._broken(row, cells) or self._row(row.line, cells)

    def _broken(self, row: SheetRow, cells: tuple[str, ...]) -> BrokenRow | None:
        outside = next((place for place in range(len(self.header), len(cells)) if cells[place].strip()), None)
        if outside is not None:
            problem = f"something stands in column {outside + 1}, which has no title"
            fix = "give the column a title, or delete what stands there"
            return BrokenRow(cells, Fault(row.line, problem, fix, value=cells[outside][:200], code="broken_row"))
        for place, (problem, fix) in row.faults.items():
            if place < len(self.header) and self._names[place] in self.columns:
                value, column = cells[place][:200], self._names[place]
                return BrokenRow(cells, Fault(row.line, problem, fix, column, value, code="broken_row"))
        return None


def open_table(
    file: BinaryIO,
    columns: Collection[str],
    required: Collection[str],
    many_lines: Collection[str] = (),
    also: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
) -> Table:
    """A CSV or XLSX file at its first row, whichever it is; raises Unreadable when it is no such table.

    `file` must be able to seek. Only the cells of `many_lines` may hold line breaks. `also` are other names of
    columns, `usual` patterns of cells that need no second look (`tables.py`).
    """
    file.seek(0)
    if is_workbook(file.read(4)):
        return SheetTable(file, columns, required, many_lines, also)
    return CsvTable(file, columns, required, many_lines, also, usual)
