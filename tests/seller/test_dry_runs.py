"""Dry runs, workbooks, dispatches and bad rows: what an import would change, and what comes back to be mended."""

from decimal import Decimal
from io import BytesIO

import pytest
import xlsxwriter

from daemon.errors import Unreadable
from daemon.model import AccountName, Customer, Delivery, LineState, Order, OrderLine, OrderNumber, RemoteFile, Sku
from daemon.seller.badrows import TableFormat, reasons_of, write_bad_rows
from daemon.seller.batches import RowResult
from daemon.seller.columns import ImportKind, open_lines
from daemon.seller.differences import fields
from daemon.seller.exports import LISTING_COLUMNS
from daemon.seller.imports import ImportReport, import_file, import_rows
from daemon.seller.intakes import LARGE_BATCH
from daemon.seller.rows import BrokenRow, Row, Table
from daemon.seller.spreadsheets import Cell, write_spreadsheet
from daemon.seller.workbooks import sheet_rows
from daemon.store import Store
from daemon.store.changes import Change
from tests.seller.conftest import NOON, lewis, redoute

REDOUTE, LEWIS = AccountName("redoute"), AccountName("lewis")
LAMP = (
    "sku;ean;category;product_id;master_sku;title;description;brand;catalogue_id;photo_1\n"
    "LAMP-1;3701234567891;S001;LAMP;LAMP-1;Lampe;<p>Une lampe.</p>;B1;C1;https://pictures.example.test/1.jpg\n"
)


async def taken(store: Store, kind: ImportKind, text: str | bytes, *, dry_run: bool = False) -> ImportReport:
    content = text.encode() if isinstance(text, str) else text
    return await import_file(store, redoute(), kind, BytesIO(content), NOON, dry_run=dry_run)


def workbook(*rows: list[Cell]) -> bytes:
    target = BytesIO()
    header = [str(title) for title in rows[0]]
    write_spreadsheet(target, "listings", header, rows[1:])
    return target.getvalue()


def told(report: ImportReport) -> list[tuple[int, str, str, str, str]]:
    return [(each.line, each.key, each.field, each.old, each.new) for each in report.differences]


async def test_a_dry_run_tells_every_field_of_a_new_listing_and_keeps_none(store: Store) -> None:  # S1
    report = await taken(store, ImportKind.LISTINGS, LAMP, dry_run=True)
    assert (report.dry_run, report.rows, report.created) == (True, 1, 1)
    assert (2, "LAMP-1", "ean", "", "3701234567891") in told(report)
    assert (2, "LAMP-1", "photo_1", "", "https://pictures.example.test/1.jpg") in told(report)
    assert report.differing == len(report.differences) == 9
    assert await store.views.listing(REDOUTE, Sku("LAMP-1")) is None


async def test_a_dry_run_tells_old_and_new_by_the_same_rules_as_the_import(store: Store) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, LAMP)
    await taken(store, ImportKind.STOCK, "sku,stock\nLAMP-1,3\n")
    events = len((await store.views.listing(REDOUTE, Sku("LAMP-1")) or {})["timeline"])
    report = await taken(store, ImportKind.STOCK, "sku,stock\nLAMP-1,5\nNONE,1\nLAMP-2,x\n", dry_run=True)
    assert told(report) == [(2, "LAMP-1", "stock", "3", "5")]
    assert (report.changed, report.refused) == (1, 2)
    assert [fault.code for fault in report.faults] == ["unknown_sku", "bad_value"]
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1")) or {}
    assert (listing["stock"], len(listing["timeline"])) == (3, events)
    report = await taken(store, ImportKind.PRICES, "sku,price,rrp\nLAMP-1,49.90,59\n", dry_run=True)
    assert told(report) == [(2, "LAMP-1", "price", "", "49.90"), (2, "LAMP-1", "rrp", "", "59.00")]
    report = await taken(store, ImportKind.LISTINGS, "sku,title,end,stock_cap\nLAMP-1,Lampe,yes,9\n", dry_run=True)
    assert told(report) == [(2, "LAMP-1", "end", "no", "yes"), (2, "LAMP-1", "stock_cap", "", "9")]


async def test_a_dry_run_tells_each_promotion_at_its_own_row(store: Store) -> None:  # S1 L11
    await taken(store, ImportKind.LISTINGS, LAMP)
    text = "sku,price,start,end\nLAMP-1,39,1782165600,1782424800\nLAMP-1,29,1783029600,1783116000\n"
    report = await taken(store, ImportKind.PROMOTIONS, text, dry_run=True)
    assert [(line, new) for line, _, _, _, new in told(report)] == [
        (2, "39.00 until 2026-06-25T22:00:00+00:00"),
        (3, "29.00 until 2026-07-03T22:00:00+00:00"),
    ]


async def test_a_workbook_is_imported_as_csv_is(store: Store) -> None:  # S1
    header: list[Cell] = ["SKU", "EAN", "Title", "Fault", "Stock cap"]
    content = workbook(
        header, ["LAMP-1", 3701234567891, "Lampe", "was bad", 5], [None], ["LAMP-2", Decimal("1.5"), "x"]
    )
    report = await taken(store, ImportKind.LISTINGS, content)
    assert (report.created, report.refused, report.ignored_columns) == (1, 1, {})
    (fault,) = report.faults
    assert (fault.line, fault.column, fault.value) == (4, "ean", "1.5")
    known = (await store.views.known(REDOUTE, [Sku("LAMP-1")]))[Sku("LAMP-1")]
    assert (known.item.ean, known.knobs.cap) == ("3701234567891", 5)
    with pytest.raises(Unreadable, match="line 1: no column sku"):
        await taken(store, ImportKind.STOCK, workbook(["a"], ["b"]))
    with pytest.raises(Unreadable, match="line 1: the sheet is empty"):
        await taken(store, ImportKind.STOCK, workbook([]))


async def test_cells_outside_the_table_spoil_their_row_alone(store: Store) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, LAMP)
    content = BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate((["sku", "stock"], ["LAMP-1", 1, "stray"], ["LAMP-1", 2])):
            sheet.write_row(line, 0, row)
    report = await taken(store, ImportKind.STOCK, content.getvalue())
    assert (report.changed, report.refused) == (1, 1)
    assert report.faults[0].problem == "something stands in column 3, which has no title"


@pytest.mark.parametrize("form", TableFormat)
@pytest.mark.parametrize("source", ["csv", "xlsx"])
async def test_bad_rows_come_back_mended_and_go_in(store: Store, form: TableFormat, source: str) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, LAMP)
    rows: list[list[Cell]] = [["sku", "stock"], ["LAMP-1", "x"], ["LAMP-9", "4"]]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    content = text.encode() if source == "csv" else workbook(*rows)
    report = await taken(store, ImportKind.STOCK, content)
    target = BytesIO()
    assert write_bad_rows(ImportKind.STOCK, BytesIO(content), reasons_of(report.faults), target, form) == 2
    if form is TableFormat.XLSX:
        first = next(iter(list(sheet_rows(BytesIO(target.getvalue())))[1:]))
        assert first.cells[:2] == ("LAMP-1", "x")
        assert first.cells[2].startswith("stock: this is not a number of units; write")
        mended = workbook(["sku", "stock", "fault"], ["LAMP-1", 7, first.cells[2]])
    else:
        assert target.getvalue().startswith(b'\xef\xbb\xbfsku,stock,fault\r\nLAMP-1,x,"stock: this is not')
        mended = target.getvalue().replace(b"LAMP-1,x", b"LAMP-1,7")
    again = await taken(store, ImportKind.STOCK, mended)
    assert (again.changed, again.ignored_columns) == (1, {})


async def test_lines_of_json_are_rows_and_a_misspelt_field_is_told(store: Store) -> None:  # S1 S3
    await taken(store, ImportKind.LISTINGS, LAMP)
    lines = (
        b'{"sku": "LAMP-1", "price": 49.90, "rrp": null}\n'
        b"\n"
        b'{"sku": "LAMP-1", "prise": 1, "price": 1}\n'
        b"not json\n"
        b"[1]\n"
        b'{"sku": "X"}\n'
        b'{"sku": "X", "price": {"a": 1}}\n'
        b'{"sku": "LAMP-1", "price": "1e400"}\n' + b'{"sku": "' + b"x" * (1 << 20) + b'"}\n'
        b'{"sku": "LAMP-8", "price": 1}\n'
        b'{"sku": "LAMP-\\ud800", "price": 1}'
    )
    with open_lines(ImportKind.PRICES, BytesIO(lines)) as table:
        batches = [batch async for batch in import_rows(store, redoute(), ImportKind.PRICES, table, NOON)]
    results = [row for batch in batches for row in batch]
    assert [(row.line, row.change.value if row.change else row.faults[0].code) for row in results] == [
        *((1, "changed"), (3, "unknown_field"), (4, "broken_row"), (5, "broken_row"), (6, "missing_field")),
        *((7, "broken_row"), (8, "bad_value"), (9, "broken_row"), (10, "unknown_sku")),
        (11, "broken_row"),
    ]
    assert "write price" in results[1].faults[0].fix
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1")) or {}
    assert (listing["price_minor"], listing["rrp_minor"]) == (4990, None)


class _Broken(Table):
    """Stock rows that break off behind the first batch, as a damaged workbook does."""

    def __init__(self) -> None:
        super().__init__(1, ["sku", "stock"], ["sku", "stock"], ["sku", "stock"])
        self._line = 1

    def next_row(self) -> Row | BrokenRow | None:
        self._line += 1
        if self._line > LARGE_BATCH + 1:
            raise Unreadable("the workbook is damaged")
        sku = "LAMP-1" if self._line == LARGE_BATCH else f"X{self._line}"
        return Row(self._line, (sku, "3"), {"sku": sku, "stock": "3"})


async def test_what_is_wrong_with_the_next_batch_stops_nothing_of_the_one_before(store: Store) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, LAMP)
    told: list[RowResult] = []
    with pytest.raises(Unreadable, match="damaged"):  # noqa: PT012 - what was stored before counts as well
        async for batch in import_rows(store, redoute(), ImportKind.STOCK, _Broken(), NOON):
            told += batch
    assert [row.line for row in told if row.change is Change.CHANGED] == [LARGE_BATCH]
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1")) or {}
    assert (len(told), listing["stock"]) == (LARGE_BATCH, 3)


async def an_order(
    store: Store, number: str, state: LineState = LineState.TO_SHIP, account: AccountName = LEWIS
) -> None:
    lines = (OrderLine("L1", 3, state), OrderLine("L2", 1, state))
    order = Order(OrderNumber(number), lines, shipping=Customer(name="A. Nobody"))
    file = RemoteFile("orders", f"{number}.txt", 3)
    await store.orders.keep(account, [Delivery(file, number.encode(), (order,))], NOON)


async def dispatched(store: Store, text: str, *, dry_run: bool = False) -> ImportReport:
    return await import_file(store, lewis(), ImportKind.DISPATCHES, BytesIO(text.encode()), NOON, dry_run=dry_run)


async def updates(store: Store, number: str) -> list[list[tuple[str, int]]]:
    order = await store.views.order(LEWIS, OrderNumber(number), personal=False) or {}
    return [[(line["ref"], line["quantity"]) for line in update["lines"]] for update in order["updates"]]


async def test_dispatches_come_in_by_file_and_only_once(store: Store) -> None:  # S1 J8
    await an_order(store, "O-1")
    await an_order(store, "O-2")
    text = (
        "order,line,units,carrier,tracking_number,shipped_at\n"
        "O-1,L1,2,DPD,T1,2026-03-02T10:00+00:00\n"
        "O-1,L2,,DPD,T1,2026-03-02T10:00+00:00\n"
        "O-2,,,DPD,T2,2026-03-02T10:00+00:00\n"
        "O-3,L1,1,DPD,T3,\n"
        "O-1,L9,1,DPD,T9,\n"
        "O-1,L1,9,,T9,\n"
        "O-1,,2,DPD,T9,\n"
    )
    tried = await dispatched(store, text, dry_run=True)
    assert [(each.line, each.key, each.new) for each in tried.differences] == [
        (2, "O-1", "2 of line L1, 1 of line L2 by DPD T1"),
        (3, "O-1", "2 of line L1, 1 of line L2 by DPD T1"),
        (4, "O-2", "3 of line L1, 1 of line L2 by DPD T2"),
    ]
    assert await updates(store, "O-1") == []
    report = await dispatched(store, text)
    assert (report.rows, report.created, report.refused) == (7, 3, 4)
    assert [(fault.line, fault.order, fault.code) for fault in report.faults] == [
        *((5, "O-3", "not_allowed"), (6, "O-1", "not_allowed"), (7, "O-1", "bad_value"), (8, "O-1", "bad_value"))
    ]
    assert await updates(store, "O-1") == [[("L1", 2), ("L2", 1)]]
    again = await dispatched(store, text)
    assert (again.created, again.unchanged) == (0, 3)
    assert await updates(store, "O-2") == [[("L1", 3), ("L2", 1)]]


async def test_a_parcel_without_a_number_is_known_by_the_instant_at_which_it_left(store: Store) -> None:  # S1 L13
    await an_order(store, "O-1", account=REDOUTE)
    text = b"order,line,units,carrier,tracking_number,shipped_at\nO-1,,,DPD,,2026-03-02T10:00+00:00\n"
    for created, unchanged in ((1, 0), (0, 1)):
        report = await import_file(store, redoute(), ImportKind.DISPATCHES, BytesIO(text), NOON)
        assert (report.created, report.unchanged) == (created, unchanged)


async def test_a_parcel_that_the_marketplace_would_not_take_is_told_with_its_row(store: Store) -> None:  # S1 J8
    await an_order(store, "O-1")
    account = lewis().model_copy(update={"carriers": {"Royal Mail": "royal-mail"}})
    text = b"order,line,carrier,tracking_number\nO-1,L1,Royal Mal,T1\nO-1,L1,Royal Mail,\nO-1,L1,royal mail,T1\n"
    report = await import_file(store, account, ImportKind.DISPATCHES, BytesIO(text), NOON)
    assert (report.created, report.refused) == (1, 2)
    assert [(fault.line, fault.column) for fault in report.faults] == [(2, "carrier"), (3, "carrier")]
    assert "did you mean Royal Mail?" in report.faults[0].problem
    assert "needs its tracking_number" in report.faults[1].problem


async def test_one_bad_line_of_a_parcel_does_not_hold_the_others_back(store: Store) -> None:  # S1
    await an_order(store, "O-1")
    report = await dispatched(store, "order,line,carrier,tracking_number\nO-1,L9,DPD,T1\nO-1,L1,DPD,T1\n")
    assert (report.created, report.refused) == (1, 1)
    assert "no line L9" in report.faults[0].problem
    assert await updates(store, "O-1") == [[("L1", 3)]]


async def test_a_line_break_stands_in_descriptions_alone(store: Store) -> None:  # S1
    lines = b'{"sku": "A", "description": "<p>a\\nb</p>"}\n{"sku": "B", "title": "a\\nb"}\n'
    with open_lines(ImportKind.LISTINGS, BytesIO(lines)) as table:
        ((first, second),) = [batch async for batch in import_rows(store, redoute(), ImportKind.LISTINGS, table, NOON)]
    assert first.change
    assert second.faults[0].problem == "the cell holds a line break, which no such text has"
    report = await taken(store, ImportKind.LISTINGS, workbook(["sku", "title"], ["C", "a\nb"], ["D", "d"]))
    assert (report.created, report.refused) == (1, 1)


async def test_an_export_has_every_column_of_the_import(store: Store) -> None:  # S1 S2
    await taken(store, ImportKind.LISTINGS, LAMP)
    (snapshot,) = await store.snapshots.page(REDOUTE)
    untold = {name for name in LISTING_COLUMNS if not name.startswith("photo_")} - set(fields(snapshot))
    # Whatever an export left out, its empty cells would take away when it is imported again.
    assert untold == {"sku", "channel_status", "item_state", "stock_state", "price_state", "end_state"}
