"""XLSX files written row by row: what is text stays text, whatever a spreadsheet would make of it (guide S1, S2).

The parts of the package are put together here, cell by cell as text: a million rows take seconds where a library that
makes an object of every cell takes many minutes. Other libraries open what comes out in the tests.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from shutil import copyfileobj
from string import ascii_uppercase
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Self
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from anyio import to_thread

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
#: of one sheet, unpacked: with more, a package takes a form that not every spreadsheet program opens
_MOST_BYTES = 1 << 30
#: rows that are put into the package at once
_TOGETHER = 1_000

#: what no XML can hold, and the line break that spreadsheets don't write
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_TITLES = re.compile(r"[\[\]:*?/\\]")
#: what a spreadsheet takes for the number of a character; its underline is written as one instead
_TAKEN_FOR_A_SIGN = re.compile("_(?=x[0-9A-Fa-f]{4}_)")

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_FORM = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

#: The styles by their place in _STYLES. A text is marked as one (numFmt 49, quotePrefix), so that it stays one when it
#: is typed over or confirmed with Enter, and no formula comes to life.
_HEAD, _AS_TEXT, _AS_NUMBER, _AS_AMOUNT = 1, 2, 3, 4
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" quotePrefix="1"/>'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_FROZEN = (
    '<sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
)
_BELOW = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)


class Spreadsheet:
    """A workbook with one table, written a row at a time to a temporary file: memory does not grow with it.

    EANs, SKUs and postcodes given as `str` are text cells, and so is what looks like a formula. Use it inside `with`.
    """

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._title = _NOT_IN_TITLES.sub(" ", title)[:_LONGEST_TITLE].strip(" '") or "Sheet"
        self._columns = list(columns)
        self._letters = [letters for letters, _ in zip(_letters(), columns, strict=False)]
        self._file = TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._package = ZipFile(self._file, "w", ZIP_DEFLATED)
        self._titles: list[str] = []
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A package cannot be closed while one of its parts is open.
        self._sheet.close()
        self._package.close()
        self._file.close()

    def _begin(self) -> None:
        number = len(self._titles) + 1
        self._titles.append(self._title if number == 1 else f"{self._title} {number}")
        self._sheet = self._package.open(_part(f"xl/worksheets/sheet{number}.xml"), "w")
        widths = [min(max(len(column) + 2, _NARROWEST), _WIDEST) for column in self._columns]
        columns = "".join(
            f'<col min="{place}" max="{place}" width="{width}" customWidth="1"/>'
            for place, width in enumerate(widths, 1)
        )
        head = f'{_XML}<worksheet xmlns="{_MAIN}">{_FROZEN}<cols>{columns}</cols><sheetData>'
        self._rows, self._size, self._waiting = 0, 0, [head]
        self._write([_text_cell(column, _HEAD) for column in self._columns])

    def add(self, row: Sequence[Cell]) -> None:
        """Write one row; its cells stand under the columns in their order. Raises ValueError where it has more."""
        if len(row) > len(self._columns):
            raise ValueError(f"a row of {len(row)} cells, and there are {len(self._columns)} columns")
        if self._rows == MOST_ROWS or self._size > _MOST_BYTES:
            self._end()
            self._begin()
        self._write([_cell(value) for value in row])

    def _write(self, cells: Sequence[str]) -> None:
        self._rows += 1
        line = self._rows
        written = [f'<c r="{letters}{line}"{cell}' for letters, cell in zip(self._letters, cells, strict=False) if cell]
        self._waiting.append(f'<row r="{line}">{"".join(written)}</row>')
        if len(self._waiting) >= _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        self._size += self._sheet.write("".join(self._waiting).encode())
        self._waiting.clear()

    def _end(self) -> None:
        self._waiting.append("</sheetData></worksheet>")
        self._flush()
        self._sheet.close()

    def save(self, target: BinaryIO) -> None:
        """Write the whole workbook; no row can be added afterwards."""
        self._end()
        for name, content in _parts(self._titles).items():
            self._package.writestr(_part(name), content)
        self._package.close()
        self._file.seek(0)
        copyfileobj(self._file, target, _BLOCK)


def _letters() -> Iterator[str]:
    """The names of columns: A to Z, AA, AB and so on."""
    for length in (1, 2, 3):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def _part(name: str) -> ZipInfo:
    # The same rows make the same bytes: no part says when it was written.
    part = ZipInfo(name)
    part.compress_type = ZIP_DEFLATED
    return part


def _parts(titles: Sequence[str]) -> dict[str, str]:
    """All of a package but its sheets."""
    numbers = range(1, len(titles) + 1)
    sheets = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{number}" r:id="rId{number}"/>'
        for number, title in zip(numbers, titles, strict=True)
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    typed = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_FORM}.worksheet+xml"/>'
        for number in numbers
    )
    return {
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{sheets}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        f'<Relationship Id="rId{len(titles) + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": _STYLES,
        "_rels/.rels": _BELOW,
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_FORM}.sheet.main+xml"/>{typed}'
        f'<Override PartName="/xl/styles.xml" ContentType="{_FORM}.styles+xml"/></Types>',
    }


def _cell(value: Cell) -> str:
    """What follows the place of a cell; empty where there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        spelt = f"{value:f}" if isinstance(value, Decimal) else str(value)
        if len(spelt.lstrip("-").replace(".", "")) <= _MOST_DIGITS and spelt[-1].isdecimal():
            return f' s="{_AS_AMOUNT if isinstance(value, Decimal) else _AS_NUMBER}"><v>{spelt}</v></c>'
        return _text_cell(spelt)
    if isinstance(value, bool):
        return _text_cell("yes" if value else "no")
    return _text_cell(value.isoformat() if isinstance(value, date) else value)


def _text_cell(text: str, style: int = _AS_TEXT) -> str:
    written = _UNWRITABLE.sub("\ufffd", text.replace("\r\n", "\n"))[:_LONGEST_CELL]
    if "_x" in written:
        written = _TAKEN_FOR_A_SIGN.sub("_x005F_", written)
    return f' s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(written)}</t></is></c>'


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
