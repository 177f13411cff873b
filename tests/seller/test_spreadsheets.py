"""Workbooks: those we write are opened by another library, those another writes and hostile ones are read by us."""

import io
import resource
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from daemon.errors import Unreadable
from daemon.seller.spreadsheets import MOST_ROWS, Cell, Spreadsheet, spreadsheet_blocks, write_spreadsheet
from daemon.seller.workbooks import is_workbook, sheet_rows

MIB = 1 << 20


def written(columns: Sequence[str], *rows: Sequence[Cell]) -> io.BytesIO:
    target = io.BytesIO()
    write_spreadsheet(target, "orders", columns, rows)
    target.seek(0)
    return target


def read(file: io.BytesIO) -> list[tuple[str, ...]]:
    return [row.cells for row in sheet_rows(file)]


def by_another(write: Any, **options: Any) -> io.BytesIO:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, **options}) as book:
        write(book, book.add_worksheet())
    target.seek(0)
    return target


async def test_what_is_text_stays_text_for_another_library() -> None:  # S1, S2
    hostile = '=HYPERLINK("http://x.example.test";"click")'
    row: list[Cell] = [
        "0012345",
        "3701234567891",
        "01000",
        hostile,
        "+33 1",
        "@x",
        12,
        Decimal("49.90"),
        True,
        None,
        "a\nb\x00",
    ]
    file = written([f"c{place}" for place in range(11)], row, [datetime(2026, 6, 23, tzinfo=UTC)])
    sheet = CalamineWorkbook.from_filelike(file).get_sheet_by_index(0)
    assert sheet.name == "orders"
    assert sheet.to_python()[1] == [
        *("0012345", "3701234567891", "01000", hostile, "+33 1", "@x", 12.0, 49.9, "yes", "", "a\nb\ufffd")
    ]
    assert sheet.to_python()[2][0] == "2026-06-23T00:00:00+00:00"
    with zipfile.ZipFile(file) as package:
        formula, styles = package.read("xl/worksheets/sheet1.xml"), package.read("xl/styles.xml")
    assert b"<f>" not in formula
    # Even typed over or confirmed with Enter, such a cell stays a text.
    assert b'quotePrefix="1"' in styles


def test_what_we_write_we_read_back() -> None:  # S1
    columns = ["sku", "ean", "stock", "price"]
    file = written(columns, ["007", "3701234567891", 3, Decimal("49.90")], ["=1+1", "", 999999999, Decimal("0.10")])
    assert read(file) == [
        tuple(columns),
        ("007", "3701234567891", "3", "49.9"),
        ("=1+1", "", "999999999", "0.1"),
    ]
    assert is_workbook(file.getvalue()[:4])


def test_numbers_of_a_spreadsheet_keep_their_digits() -> None:  # S1
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["sku", "ean"])
        sheet.write_number(1, 0, 3701234567891)
        sheet.write_number(1, 1, 3701234567891.0, book.add_format({"num_format": "0.00E+00"}))
        sheet.write_number(1, 2, 12345, book.add_format({"num_format": "0000000000000"}))
        sheet.write_number(1, 3, 0.1 + 0.2)
        sheet.write_number(1, 4, 49.900000000000006)
        sheet.write_number(1, 5, 12345678901234567890)
        sheet.write_string(1, 6, "3.70123E+12")
        sheet.write_number(1, 7, 0.000012)
        sheet.write_boolean(1, 8, True)
        sheet.write_number(1, 9, -4)

    assert read(by_another(write))[1] == (
        *("3701234567891", "3701234567891", "0000000012345", "0.3", "49.9", "1.23456789012346E+19", "3.70123E+12"),
        *("0.000012", "yes", "-4"),
    )


def test_dates_come_in_the_documented_form() -> None:  # S1
    def write(book: Any, sheet: Any) -> None:
        date, time = (book.add_format({"num_format": form}) for form in ("dd/mm/yyyy", "hh:mm"))
        sheet.write_datetime(0, 0, datetime(2026, 6, 23), date)  # noqa: DTZ001
        sheet.write_datetime(0, 1, datetime(2026, 6, 23, 10, 30, 5), date)  # noqa: DTZ001
        sheet.write_number(0, 2, 0.5, time)
        sheet.write_number(0, 3, 1e300, date)

    for options in ({}, {"date_1904": True}):
        row = next(sheet_rows(by_another(write, **options)))
        assert row.cells[:3] == ("2026-06-23T00:00", "2026-06-23T10:30:05", "12:00:00")
        assert "no date" in row.faults[3][0]


def test_formulas_give_what_was_computed_and_errors_are_told() -> None:  # S1
    def write(_book: Any, sheet: Any) -> None:
        sheet.write_formula(0, 0, "=1+2", None, 3)
        sheet.write_formula(0, 1, '="a"&"b"', None, "ab")
        sheet.write_formula(0, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(0, 3, "=NOW()", None, "")
        sheet.write_rich_string(0, 4, "Lampe ", _book.add_format({"bold": True}), "belle")
        sheet.write_string(0, 5, "x" * 32_767)

    row = next(sheet_rows(by_another(write)))
    assert row.cells[:2] == ("3", "ab")
    assert row.cells[4:] == ("Lampe belle", "x" * 32_767)
    assert row.faults[2][0] == "the cell shows the error #DIV/0!"
    assert "nobody has computed" in row.faults[3][0]


def test_the_first_sheet_that_shows_is_read_with_the_numbers_of_its_rows() -> None:  # S1
    def write(book: Any, sheet: Any) -> None:
        sheet.hide()
        shown = book.add_worksheet()
        shown.activate()
        shown.set_first_sheet()
        shown.write_string(4, 2, "here")

    (row,) = sheet_rows(by_another(write))
    assert (row.line, row.cells) == (5, ("", "", "here"))


def test_macros_are_neither_run_nor_kept(tmp_path: Path) -> None:  # S1
    macro = tmp_path / "vbaProject.bin"
    macro.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))

    def write(book: Any, sheet: Any) -> None:
        book.add_vba_project(str(macro))
        sheet.write_string(0, 0, "sku")

    assert read(by_another(write)) == [("sku",)]


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def package(sheet: Iterator[bytes] | bytes, strings: Iterator[bytes] | bytes = b"") -> io.BytesIO:
    """A workbook made by hand, as no program would write it."""
    target = io.BytesIO()
    relation = f'<Relationship Id="%s" Type="{RELATIONS}/%s" Target="%s"/>'
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", f"<x>{relation % ('a', 'officeDocument', 'xl/workbook.xml')}</x>")
        archive.writestr("xl/workbook.xml", f'<x xmlns:r="{RELATIONS}"><sheets><sheet r:id="b"/></sheets></x>')
        listed = relation % ("b", "worksheet", "/xl/s.xml") + relation % ("c", "sharedStrings", "strings.xml")
        archive.writestr("xl/_rels/workbook.xml.rels", f"<x>{listed}</x>")
        for name, content in (("xl/s.xml", sheet), ("xl/strings.xml", strings or b"<sst/>")):
            with archive.open(name, "w", force_zip64=True) as part:
                for block in [content] if isinstance(content, bytes) else content:
                    part.write(block)
    target.seek(0)
    return target


def test_a_handmade_workbook_is_read() -> None:  # S1
    cell = b'<x:c t="s"><x:v>0</x:v></x:c><x:c><x:v>3.701234567891E12</x:v></x:c><x:c t="inlineStr"><x:is><x:t>a_x0009_b</x:t></x:is></x:c>'
    sheet = b'<x:sheet xmlns:x="m"><x:row>' + cell + b"</x:row></x:sheet>"
    strings = b"<sst><si><t>LAMP</t><rPh><t>spoken</t></rPh></si></sst>"
    assert read(package(sheet, strings)) == [("LAMP", "3701234567891", "a\tb")]


def repeated(start: bytes, block: bytes, times: int, end: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(times):
        yield block
    yield end


DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><sheet><row><c><v>&b;</v></c></row></sheet>'
HOSTILE: dict[str, tuple[Callable[[], io.BytesIO], str]] = {
    "a zip bomb": (lambda: package(repeated(b"<sheet>", b" " * MIB, 2_049, b"</sheet>")), "larger than 2048 MiB"),
    "an entity bomb": (lambda: package(DOCTYPE), "document type declaration"),
    "a million columns": (
        lambda: package(repeated(b"<sheet><row>", b"<c><v>1</v></c>" * 1_000, 1_000, b"</row></sheet>")),
        "column 1001",
    ),
    "a million empty cells": (
        lambda: package(repeated(b"<sheet><row>", b"<c/>" * 1_000, 1_000, b"</row></sheet>")),
        "at most 16384 columns",
    ),
    "a column far out": (lambda: package(b'<s><row><c r="ZZZ1"><v>1</v></c></row></s>'), "at most 16384 columns"),
    "a row far down": (lambda: package(b'<s><row r="1048577"><c><v>1</v></c></row></s>'), "at most 1048576 rows"),
    "rows backwards": (lambda: package(b'<s><row r="2"/><row r="1"/></s>'), "out of order"),
    "an endless name": (lambda: package(repeated(b'<sheet x="', b"a" * MIB, 8, b'"/>')), "does not end"),
    "deep": (lambda: package(b"<a>" * 40 + b"</a>" * 40), "nested too deeply"),
    "a text that is not there": (lambda: package(b'<s><row><c t="s"><v>9</v></c></row></s>'), "is missing"),
    "cut off": (lambda: io.BytesIO(package(b"<s/>").getvalue()[:-40]), "damaged"),
    "not XML": (lambda: package(b"<s><row>"), "damaged"),
    "no workbook inside": (lambda: _zip({"a.txt": b"x"}), "lacks its part xl/workbook.xml"),
    "the old format": (lambda: io.BytesIO(b"\xd0\xcf\x11\xe0" + bytes(600)), "old format"),
    "too many parts": (lambda: _zip({f"{number}": b"" for number in range(10_001)}), "more than 10000 parts"),
}


def _zip(parts: dict[str, bytes]) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    target.seek(0)
    return target


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_workbooks_are_refused_in_words_and_without_harm(name: str) -> None:  # S1
    make, words = HOSTILE[name]
    file = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable, match=words):
        list(sheet_rows(file))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1_024  # KiB


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_workbook_that_lost_some_bytes_is_damaged_wherever_it_lies(tmp_path: Path, on_disk: bool) -> None:  # S1
    """Its list of parts then names a place before its beginning."""
    content = written(["sku", "stock"], ["LAMP-1", 3]).getvalue()
    for lost in (1, 40, 200):
        cut = content[:60] + content[60 + lost :]
        path = tmp_path / "stock.xlsx"
        path.write_bytes(cut)
        with path.open("rb") as file, pytest.raises(Unreadable, match="the workbook is damaged"):
            list(sheet_rows(file if on_disk else io.BytesIO(cut)))


def test_a_cell_that_is_too_long_spoils_its_row_alone() -> None:  # S1
    long = b"<c t='inlineStr'><is><t>" + b"x" * 200_000 + b"</t></is></c>"
    sheet = b"<s><row>" + long + b"</row><row><c><v>1</v></c></row></s>"
    first, second = sheet_rows(package(sheet))
    assert "longer than 32767 characters" in first.faults[0][0]
    assert second.cells == ("1",)


async def test_an_export_of_many_rows_is_written_in_flat_memory() -> None:  # S2
    async def pages() -> AsyncIterator[list[list[Cell]]]:
        for page in range(100):
            yield [[f"SKU-{page}-{row}", "3701234567891", row] for row in range(500)]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks = [block async for block in spreadsheet_blocks("stock", ["sku", "ean", "stock"], pages())]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1_024
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(blocks))).get_sheet_by_index(0)
    assert sheet.height == 50_001
    assert sheet.to_python()[50_000] == ["SKU-99-499", "3701234567891", 499.0]
    assert sum(1 for _ in sheet_rows(io.BytesIO(b"".join(blocks)))) == 50_001


def test_an_export_that_breaks_off_leaves_nothing_behind() -> None:  # S2
    sheet = Spreadsheet("x", ["a"])
    with suppress(RuntimeError), sheet:
        sheet.add(["1"])
        raise RuntimeError
    # It has no name on the disk: closed, it is gone.
    assert sheet._file.closed


def test_more_rows_than_a_sheet_can_hold_go_on_in_a_further_one() -> None:  # S2
    file = io.BytesIO()
    write_spreadsheet(file, "a<b> & 'stock'", ["sku"], ([f"S-{row}"] for row in range(MOST_ROWS)))
    file.seek(0)
    book = CalamineWorkbook.from_filelike(file)
    assert book.sheet_names == ["a<b> & 'stock", "a<b> & 'stock 2"]
    assert book.get_sheet_by_index(0).height == MOST_ROWS
    assert book.get_sheet_by_index(1).to_python() == [["sku"], [f"S-{MOST_ROWS - 1}"]]


def test_a_text_that_looks_like_an_escaped_sign_comes_back_as_it_was() -> None:  # S1
    texts = ["A_x0041_B", "_x000D_", "_x00_x0041_", "_xyz", "<a href='x'>&amp;</a>", "  two  spaces  ", "line\ntab\t"]
    file = written(["text"], *([text] for text in texts))
    assert read(file)[1:] == [(text,) for text in texts]


def test_a_third_library_opens_what_we_write_with_its_forms() -> None:  # S2
    sheet = load_workbook(written(["sku", "price"], ["007", Decimal("49.90")])).active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]] == ["007", 49.9]
    assert [cell.number_format for cell in sheet[2]] == ["@", "0.00"]
    assert (sheet["A1"].font.b, sheet.freeze_panes) == (True, "A2")


def test_the_same_rows_make_the_same_bytes() -> None:  # S2
    assert written(["sku"], ["LAMP-1"]).getvalue() == written(["sku"], ["LAMP-1"]).getvalue()


def test_a_wide_table_has_every_column_under_its_name() -> None:  # S2
    columns = [f"column {number}" for number in range(800)]
    head, row = read(written(columns, list(range(800))))
    assert (head, row) == (tuple(columns), tuple(map(str, range(800))))


def test_no_cell_is_lost_because_it_has_no_column() -> None:  # S2
    with pytest.raises(ValueError, match="a row of 2 cells, and there are 1 columns"):
        written(["sku"], ["LAMP-1", "2"])
