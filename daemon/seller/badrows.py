"""The rows that were refused, back as a file that can be mended and imported again (guide S1)."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from typing import Any, BinaryIO, Protocol

from daemon.seller.columns import ImportKind, open_import
from daemon.seller.rows import FAULT_COLUMN, Fault, Row, Table, column_name
from daemon.seller.spreadsheets import Spreadsheet


class TableFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    XLSX = "xlsx"


class _Writer(Protocol):
    def __call__(self, row: list[str], /) -> Any: ...


def reasons_of(faults: Iterable[Fault | Mapping[str, Any]]) -> dict[int, str]:
    """What is wrong with each row, by its line, in one text."""
    reasons: dict[int, str] = {}
    for fault in faults:
        told = fault if isinstance(fault, Fault) else Fault(**fault)
        before = f"{reasons[told.line]}; " if told.line in reasons else ""
        where = f"{told.column}: " if told.column else ""
        reasons[told.line] = f"{before}{where}{told.problem}; {told.fix}"
    return reasons


def write_bad_rows(
    kind: ImportKind, source: BinaryIO, reasons: Mapping[int, str], target: BinaryIO, form: TableFormat
) -> int:
    """Write those rows of an imported file that were refused, each with its fault; returns how many.

    `reasons` are by file line. The cells are as they were, formulas not disarmed: they go back to whom they came from.
    """
    with open_import(kind, source) as table:
        kept = [place for place, title in enumerate(table.header) if column_name(title) != FAULT_COLUMN]
        header = [*(table.header[place] for place in kept), FAULT_COLUMN]
        with _writing(form, target, header, table.delimiter) as write:
            written = 0
            for cells in _bad_rows(table, kept, reasons):
                write(cells)
                written += 1
            return written


def _bad_rows(table: Table, kept: list[int], reasons: Mapping[int, str]) -> Iterator[list[str]]:
    for row in table:
        line = row.line if isinstance(row, Row) else row.fault.line
        if line in reasons:
            yield [*(row.raw[place] if place < len(row.raw) else "" for place in kept), reasons[line]]


@contextmanager
def _writing(form: TableFormat, target: BinaryIO, header: list[str], delimiter: str) -> Iterator[_Writer]:
    if form is TableFormat.XLSX:
        with Spreadsheet("bad rows", header) as sheet:
            yield sheet.add
            sheet.save(target)
        return
    # The mark at the start tells spreadsheets that it is UTF-8.
    text = TextIOWrapper(target, "utf-8-sig", newline="", write_through=True)
    try:
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerow(header)
        yield writer.writerow
    finally:
        text.detach()
