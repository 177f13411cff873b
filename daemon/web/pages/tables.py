"""Tables of pages: pages by cursor, and the whole of what a filter finds as CSV or XLSX."""

import csv
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

from starlette.responses import Response, StreamingResponse

from daemon.seller.exports import harmless
from daemon.seller.spreadsheets import XLSX, Cell, spreadsheet_blocks
from daemon.store.views import MOST, View

#: rows of one page
ROWS = 50

#: what a table is asked for as
Form = Literal["", "csv", "xlsx"]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file of a table holds: its name, its columns, and how each is found in a row."""

    name: str
    columns: Sequence[tuple[str, Callable[[View], Cell]]]

    def row(self, view: View) -> list[Cell]:
        """One row as cells."""
        return [value(view) for _, value in self.columns]

    @property
    def heads(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self.columns]


def plain(*names: str) -> list[tuple[str, Callable[[View], Cell]]]:
    """Columns that are what they are in the view."""
    return [(name, _of(name)) for name in names]


def _of(name: str) -> Callable[[View], Cell]:
    return lambda view: _cell(view[name])


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, str | int) else str(value)


async def whole(
    fetch: Callable[[Any, int], Awaitable[list[View]]], key: Callable[[View], Any]
) -> AsyncIterator[list[View]]:
    """Everything that a filter finds, page by page; `fetch` takes the key of the last row and how many."""
    last: Any = None
    while page := await fetch(last, MOST):
        yield page
        if len(page) < MOST:
            return
        last = key(page[-1])


def as_file(table: Table, form: Form, pages: AsyncIterator[list[View]]) -> Response:
    """The table as a file to keep."""
    disposition = {"content-disposition": f'attachment; filename="{table.name}.{form}"'}
    rows = _rows(table, pages)
    if form == "xlsx":
        return StreamingResponse(
            spreadsheet_blocks(table.name, table.heads, rows), media_type=XLSX, headers=disposition
        )
    return StreamingResponse(_csv(table, rows), media_type="text/csv; charset=utf-8", headers=disposition)


async def _rows(table: Table, pages: AsyncIterator[list[View]]) -> AsyncIterator[list[list[Cell]]]:
    async for page in pages:
        yield [table.row(view) for view in page]


async def _csv(table: Table, pages: AsyncIterator[list[list[Cell]]]) -> AsyncIterator[str]:
    # The mark at the start tells spreadsheets that it is UTF-8.
    yield "\ufeff" + _written([table.heads])
    async for rows in pages:
        yield _written([[harmless("" if cell is None else str(cell)) for cell in row] for row in rows])


def _written(rows: Sequence[Sequence[str]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
