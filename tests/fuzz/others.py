"""The other readers of what comes from outside: Sell-R's reports and orders, the seller's tables, and the configuration.

As in `tests.fuzz.targets`: what may be raised is named, and anything else is a fault.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from daemon.config import check
from daemon.errors import Refused, Unforeseen, Unreadable
from daemon.marketplaces.sellr import orders as sellr_orders
from daemon.marketplaces.sellr import xmlread
from daemon.marketplaces.sellr.reports import read_report
from daemon.model import AnswerLine, Order, RemoteFile
from daemon.seller.ndjson import NdjsonTable
from daemon.seller.rows import BrokenRow, Row, Table
from daemon.seller.spreadsheets import write_spreadsheet
from daemon.seller.tables import CsvTable
from daemon.seller.workbooks import sheet_rows
from tests.fuzz.targets import TARGETS, Target
from tests.marketplaces.sellr import made_up

SETTINGS = made_up.settings()
COLUMNS, REQUIRED = ("sku", "stock", "title"), ("sku", "stock")

STOCK = b'sku;stock;title\nLAMP-1;4;Lampe\n"LAMP-2";0;"a; b"\n'
OBJECTS = b'{"sku": "LAMP-1", "stock": 4}\n{"sku": "LAMP-2", "stock": "0", "title": null}\n'
CONFIGURATION = b"""\
[daemon]
state_dir = "state"
turn_deadline = "30m"
[web]
listen = "127.0.0.1:8470"
[accounts.jl]
marketplace = "johnlewis"
standard_delivery_days = 3
sftp = { host = "sftp.example.test", user = "me", password = { file = "secret" } }
"""


def _workbook() -> bytes:
    file = BytesIO()
    write_spreadsheet(file, "stock", ["sku", "stock"], [["LAMP-1", 4], ["LAMP-2", 0]])
    return file.getvalue()


def report_as_csv(content: bytes) -> list[AnswerLine] | None:
    """Read a report of Sell-R as CSV."""
    return _report("report.csv", content)


def report_as_xml(content: bytes) -> list[AnswerLine] | None:
    """Read a report of Sell-R as XML."""
    return _report("report.xml", content)


def _report(name: str, content: bytes) -> list[AnswerLine] | None:
    """Read a report, however its bytes come in pieces: what it says is the same."""
    file = RemoteFile("/reports", name, len(content))
    # Each piece goes to a thread and back, so they are few.
    first, second = anyio.run(_both, file, content, len(content) // 8 + len(content) % 7 + 1)
    assert first == second
    lines, whole = first
    for line in lines:
        assert line.ean or line.sku, "it names no listing"
    assert sum(len(line.text) for line in lines) <= 4 * len(content) + 100 * len(lines)
    return lines if whole else None


async def _both(file: RemoteFile, content: bytes, piece: int) -> tuple[tuple[list[AnswerLine], bool], ...]:
    return await _answers(file, content, piece), await _answers(file, content, len(content) + 1)


async def _answers(file: RemoteFile, content: bytes, piece: int) -> tuple[list[AnswerLine], bool]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]

    found: list[AnswerLine] = []
    try:
        async for batch in read_report(SETTINGS, file, chunks()):
            found += batch
    except Unreadable as error:
        _check_message(error)
        return found, False
    return found, True


def sellr_order(content: bytes) -> list[Order] | None:
    """Read the orders of a reply of Sell-R."""
    try:
        read = sellr_orders.read_orders(SETTINGS, xmlread.read(content))
    except (Unreadable, Refused) as error:
        _check_message(error)
        return None
    for each in read:
        assert not isinstance(each, Unforeseen), each
        if isinstance(each, Order):
            assert each.number.strip()
            assert len({line.ref for line in each.lines}) == len(each.lines)
            assert all(line.quantity > 0 for line in each.lines)
    return [each for each in read if isinstance(each, Order)]


def seller_csv(content: bytes) -> list[Row] | None:
    """Read a stock file of the seller's."""
    try:
        return _rows(CsvTable(BytesIO(content), COLUMNS, REQUIRED), content)
    except Unreadable as error:
        _check_message(error)
        return None


def seller_objects(content: bytes) -> list[Row] | None:
    """Read objects of the seller's, one a line."""
    return _rows(NdjsonTable(BytesIO(content), COLUMNS, REQUIRED), content)


def _rows(table: Table, content: bytes) -> list[Row]:
    found: list[Row] = []
    rows: Iterator[Row | BrokenRow] = iter(table)
    last = 0
    for row in rows:
        line = row.line if isinstance(row, Row) else row.fault.line
        assert line > last, "rows are told in the order of their lines"
        last = line
        if isinstance(row, Row):
            assert set(row.cells) <= set(COLUMNS)
            found.append(row)
    assert len(found) <= len(content)
    return found


def workbook(content: bytes) -> list[tuple[str, ...]] | None:
    """Read a workbook of the seller's."""
    try:
        return [row.cells for row in sheet_rows(BytesIO(content))]
    except Unreadable as error:
        _check_message(error)
        return None


def configuration(content: bytes) -> bool:
    """Read a configuration; whether the daemon would take it over."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / "config.toml"
        path.write_bytes(content)
        secret = path.with_name("secret")
        secret.write_text("made up", "ascii")
        secret.chmod(0o600)
        found = check(path)
    for problem in found.problems:
        assert problem.strip()
        assert len(problem) <= 4 * len(content) + 2_000
    return not found.problems


def _check_message(error: Exception) -> None:
    assert 0 < len(str(error)) <= 2_000, f"{len(str(error))} characters"


OTHERS: Mapping[str, Target] = {
    "report_csv": Target(report_as_csv, (made_up.golden("report.csv"),)),
    "report_xml": Target(report_as_xml, (made_up.golden("report.xml"),)),
    "sellr_order": Target(sellr_order, (made_up.golden("orders.xml"),)),
    "seller_csv": Target(
        seller_csv, (STOCK, STOCK.replace(b";", b",").replace(b"a,", b"a;"), STOCK.replace(b"\n", b"\r\n"))
    ),
    "seller_objects": Target(seller_objects, (OBJECTS,)),
    "workbook": Target(workbook, (_workbook(),)),
    "configuration": Target(configuration, (CONFIGURATION,)),
}

#: every reader that there is a target for
EVERY: Mapping[str, Target] = {**TARGETS, **OTHERS}
