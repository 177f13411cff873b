"""Promotions and stock knobs from the seller's files."""

from io import BytesIO
from typing import Any

import pytest

from daemon.errors import NotAllowed
from daemon.model import AccountName, Sku, StockKnobs
from daemon.seller.columns import ImportKind
from daemon.seller.imports import ImportReport, import_file
from daemon.seller.reference import import_reference
from daemon.store import Store
from daemon.store.reference import ReferenceKind
from tests.seller.conftest import NOON, lewis, redoute

REDOUTE = AccountName("redoute")
LISTING = "sku,ean,safety_stock,stock_percentage,stock_cap,stock_threshold\nLAMP-1,3701234567891,2,80,50,3\n"
HEAD = "sku;price;start;end;nature;cancel\n"


async def taken(store: Store, kind: ImportKind, text: str) -> ImportReport:
    return await import_file(store, redoute(), kind, BytesIO(text.encode()), NOON)


async def promoted(store: Store, text: str) -> ImportReport:
    await taken(store, ImportKind.LISTINGS, LISTING)
    return await taken(store, ImportKind.PROMOTIONS, HEAD + text)


async def kept(store: Store) -> list[Any]:
    view = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert view is not None
    return [(each["price_minor"], each["starts_at"], each["ends_at"], each["nature"]) for each in view["promotions"]]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("1782252000", "1784671200"),
        ("1782252000,0", "1784671200.00"),
        ("2026-06-24T00:00+02:00", "2026-07-21T22:00:00Z"),
        ("2026-06-24T00:00", "2026-07-22 00:00:00"),  # without an offset it is Paris
    ],
)
async def test_unix_timestamps_and_iso_instants_are_the_same(store: Store, start: str, end: str) -> None:  # L11 S1
    report = await promoted(store, f"LAMP-1;39,90;{start};{end};Soldes;\n")
    assert (report.rows, report.created, report.refused) == (1, 1, 0)
    assert await kept(store) == [(3990, "2026-06-23T22:00:00.000Z", "2026-07-21T22:00:00.000Z", "Soldes")]
    again = await promoted(store, f"LAMP-1;39,90;{start};{end};Soldes;no\n")
    assert (again.created, again.changed, again.unchanged) == (0, 0, 1)


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ("LAMP-1;39.90;1782252000000;1784671200;;", "start", "milliseconds"),
        ("LAMP-1;39.90;1.782252E+09;1784671200;;", "start", "rounded"),
        ("LAMP-1;39.90;24.06.2026;1784671200;;", "start", "no instant"),
        ("LAMP-1;39.90;2026-06-24;1784671200;;", "start", "no instant"),
        ("LAMP-1;39.90;2026-06-31T00:00;1784671200;;", "start", "no instant"),
        ("LAMP-1;39.90;0001-01-01T00:00;1784671200;;", "start", "no instant"),
        ("LAMP-1;39.90;1782252000;9999-12-31T23:59-10:00;;", "end", "no instant"),
        ("LAMP-1;39.90;1782252000;;;", "end", "no instant"),
        ("LAMP-1;39.90;1782252000;1782252000;;", "end", "not after the start"),
        ("LAMP-1;;1782252000;1784671200;;", "price", "not an amount"),
        ("LAMP-1;0;1782252000;1784671200;;", "price", "zero"),
        ("LAMP-1;39.90;1782252000;1784671200;;maybe", "cancel", "neither yes nor no"),
        (f"LAMP-1;39.90;1782252000;1784671200;{'x' * 51};", "nature", "51 characters"),
        ("NOBODY;39.90;1782252000;1784671200;;", "sku", "no such listing"),
    ],
)
async def test_a_bad_promotion_is_told_by_line_and_column(
    store: Store, row: str, column: str, problem: str
) -> None:  # L11 S1
    report = await promoted(store, f"LAMP-1;39.90;1700000000;1700000060;;\n{row}\n")
    (fault,) = report.faults
    assert (report.created, report.refused, fault.line, fault.column) == (1, 1, 3, column)
    assert problem in fault.problem


async def test_an_overlap_within_a_sku_is_refused_with_its_line(store: Store) -> None:  # L11
    report = await promoted(
        store,
        "LAMP-1;39.90;1782252000;1784671200;;\n"
        "LAMP-1;29.90;1784671199;1784671300;;\n"
        "LAMP-1;29.90;1784671200;1784671300;;\n",
    )
    assert (report.created, report.refused) == (2, 1)
    (fault,) = report.faults
    assert (fault.line, fault.column) == (3, "start")
    assert "2026-06-23T22:00:00+00:00 to 2026-07-21T22:00:00+00:00" in fault.problem


async def test_the_same_start_twice_in_a_file_is_told_and_in_another_file_changes_it(store: Store) -> None:  # L11 S1
    report = await promoted(store, "LAMP-1;39.90;1782252000;1784671200;;\nLAMP-1;29.90;1782252000;1784671200;;\n")
    assert (report.created, report.refused, report.faults[0].line) == (1, 1, 3)
    assert "the same SKU and start is on line 2" in report.faults[0].problem
    report = await taken(store, ImportKind.PROMOTIONS, HEAD + "LAMP-1;29.90;1782252000;1784671200;;\n")
    assert (report.changed, report.refused) == (1, 0)
    report = await taken(store, ImportKind.PROMOTIONS, "sku,start,end,cancel\nLAMP-1,1782252000,1784671200,yes\n")
    assert (report.changed, report.refused) == (1, 0)
    report = await taken(store, ImportKind.PROMOTIONS, "sku,start,end\nLAMP-1,1782252000,1784671200\n")
    assert "no column price" in report.faults[0].problem


async def test_a_marketplace_without_prices_takes_no_promotions(store: Store) -> None:  # L11
    with pytest.raises(NotAllowed, match="johnlewis takes no promotions"):
        await import_file(store, lewis(), ImportKind.PROMOTIONS, BytesIO(HEAD.encode()), NOON)


async def test_the_knobs_of_a_listing_come_with_it(store: Store) -> None:  # L6 S1
    await taken(store, ImportKind.LISTINGS, LISTING)
    known = await store.views.known(REDOUTE, [Sku("LAMP-1")])
    assert known[Sku("LAMP-1")].knobs == StockKnobs(2, 80, 50, 3)
    report = await taken(store, ImportKind.LISTINGS, "sku,stock_percentage,stock_cap\nLAMP-1,,40\n")
    assert report.changed == 1
    known = await store.views.known(REDOUTE, [Sku("LAMP-1")])
    assert known[Sku("LAMP-1")].knobs == StockKnobs(2, None, 40, 3)
    report = await taken(store, ImportKind.LISTINGS, "sku,stock_percentage\nLAMP-1,101\n")
    assert "from 0 to 100" in report.faults[0].problem


SALES = "code;label;start;end;deadline\nETE-2026;Soldes d'été;2026-06-24T00:00;2026-07-22T00:00;2026-03-02T12:59\n"
IN_SALE = "sku;price;start;end;sale\nLAMP-1;39.90;1782252000;1784671200;"


async def test_a_promotion_of_a_sale_is_held_against_it_at_its_import(store: Store) -> None:  # C3
    await taken(store, ImportKind.LISTINGS, LISTING)
    report = await taken(store, ImportKind.PROMOTIONS, IN_SALE + "ETE-2026\n")
    ((doubt,),) = [each.warnings for each in report.doubtful]
    assert (report.created, report.warned, doubt.field, doubt.rule) == (1, 1, "sale", "C3")
    assert "not in the imported sales" in doubt.text
    await import_reference(store, redoute(), ReferenceKind.SALES, BytesIO(SALES.encode()), NOON)
    report = await taken(store, ImportKind.PROMOTIONS, IN_SALE + "hiver\n")
    assert (report.changed, report.warned) == (1, 1)
    report = await taken(store, ImportKind.PROMOTIONS, IN_SALE + "ete-2026\n")
    assert "a month before the sale ETE-2026" in report.doubtful[0].warnings[0].text
    view = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert view is not None
    assert [each["sale"] for each in view["promotions"]] == ["ETE-2026", "HIVER", "ETE-2026"]


async def test_a_promotion_of_a_sale_that_keeps_its_rules_has_no_warning(store: Store) -> None:  # C3
    await taken(store, ImportKind.LISTINGS, LISTING)
    await import_reference(store, redoute(), ReferenceKind.SALES, BytesIO(SALES.encode()), NOON)
    await store.database.write(
        lambda db: db.execute("INSERT INTO prices SELECT id, 0, 4990, NULL FROM listings").rowcount
    )
    # Noon in London is one o'clock in Paris, a minute before the deadline.
    report = await taken(store, ImportKind.PROMOTIONS, IN_SALE + "ETE-2026\n")
    assert (report.created, report.warned) == (1, 1)
    early = SALES.replace("2026-03-02T12:59", "2026-03-02T13:01")
    await import_reference(store, redoute(), ReferenceKind.SALES, BytesIO(early.encode()), NOON)
    report = await taken(store, ImportKind.PROMOTIONS, IN_SALE.replace("39.90", "38.90") + "ETE-2026\n")
    assert (report.changed, report.warned) == (1, 0)
