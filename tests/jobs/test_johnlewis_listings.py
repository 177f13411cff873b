"""John Lewis's listings and their stock: Stock Numbers that move, full pushes, several files, columns of their own."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.model import Sku
from daemon.sandbox import JohnLewisSettings
from daemon.seller.columns import ImportKind
from daemon.seller.imports import ImportReport, import_file
from tests.jobs.scene import HOUR, LAMP, MINUTE, NOON, STOCK_NUMBER, Scene, scene

OTHER = "87654321"
CHAIR = Sku("CHAIR-1")


@pytest.fixture
async def lewis(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "edge") as each:
        yield each


async def listings(
    scene: Scene, text: str, after: timedelta = timedelta(), kind: ImportKind = ImportKind.LISTINGS
) -> ImportReport:
    return await import_file(scene.store, scene.account, kind, BytesIO(text.encode()), NOON + after)


async def stock(scene: Scene, text: str, after: timedelta = timedelta()) -> ImportReport:
    return await listings(scene, text, after, ImportKind.STOCK)


async def numbers(scene: Scene) -> dict[str, str]:
    return dict(await scene.all("listings ORDER BY sku", "sku", "channel_item_id"))


def faults(report: ImportReport) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.column, fault.problem) for fault in report.faults]


async def test_the_clients_list_is_read_by_the_names_it_has(lewis: Scene) -> None:  # J2
    report = await listings(lewis, f"Seller SKU;JL Stock Number;Barcode;Handling time\nLAMP-1;{STOCK_NUMBER}.0;;2\n")
    assert (report.created, report.not_ready, report.ignored_columns) == (1, 0, {})
    assert await lewis.all("listings", "sku", "channel_item_id", "handling_days") == [("LAMP-1", STOCK_NUMBER, 2)]


async def test_a_name_of_another_system_does_not_hide_the_column_itself(lewis: Scene) -> None:  # S1
    report = await listings(lewis, f"sku,part_number,channel_item_id\nLAMP-1,{OTHER},{STOCK_NUMBER}\n")
    assert await numbers(lewis) == {"LAMP-1": STOCK_NUMBER}
    assert list(report.ignored_columns) == ["part_number"]


async def test_a_rounded_stock_number_is_told(lewis: Scene) -> None:  # J2 S1
    report = await listings(lewis, "sku,stock number\nLAMP-1,1.23457E+7\n")
    assert "rounded" in report.faults[0].problem


async def test_two_skus_on_one_stock_number_are_told_with_both(lewis: Scene) -> None:  # J2
    report = await listings(lewis, f"sku,stock_number\nLAMP-1,{STOCK_NUMBER}\nCHAIR-1,{STOCK_NUMBER}\nRUG-1,{OTHER}\n")
    assert (report.created, report.refused) == (2, 1)
    ((line, column, problem),) = faults(report)
    assert (line, column) == (3, "channel_item_id")
    assert all(word in problem for word in (STOCK_NUMBER, "LAMP-1", "CHAIR-1"))
    # Against what is kept as well.
    ((line, _, problem),) = faults(await listings(lewis, f"sku,stock_number\nCHAIR-1,{OTHER}\n"))
    assert all(word in problem for word in (OTHER, "RUG-1", "CHAIR-1"))
    assert await numbers(lewis) == {"LAMP-1": STOCK_NUMBER, "RUG-1": OTHER}


async def test_a_dry_run_tells_them_as_well(lewis: Scene) -> None:  # J2 S1
    content = BytesIO(f"sku,stock_number\nLAMP-1,{STOCK_NUMBER}\nCHAIR-1,{STOCK_NUMBER}\n".encode())
    report = await import_file(lewis.store, lewis.account, ImportKind.LISTINGS, content, NOON, dry_run=True)
    ((line, _, problem),) = faults(report)
    assert line == 3
    assert all(word in problem for word in ("LAMP-1", "CHAIR-1"))
    assert await numbers(lewis) == {}


async def test_stock_numbers_may_be_swapped_and_passed_on_in_one_file(lewis: Scene) -> None:  # J2
    await listings(lewis, "sku,stock_number\nA,10000001\nB,10000002\nC,10000003\n")
    report = await listings(lewis, "sku,stock_number\nA,10000002\nB,10000001\nC,10000004\nD,10000003\n")
    assert report.refused == 0
    assert await numbers(lewis) == {"A": "10000002", "B": "10000001", "C": "10000004", "D": "10000003"}


async def test_a_row_that_is_refused_keeps_its_number_from_others(lewis: Scene) -> None:  # J2
    await listings(lewis, "sku,stock_number\nA,10000001\nB,10000002\nC,10000003\n")
    # C wants the number that A keeps, so B cannot have that of C, and D not that of B.
    report = await listings(lewis, "sku,stock_number\nD,10000002\nB,10000003\nC,10000001\nE,10000009\n")
    assert [fault.sku for fault in report.faults] == ["D", "B", "C"]
    assert (await numbers(lewis))["E"] == "10000009"
    assert "D" not in await numbers(lewis)


async def test_la_redoute_may_have_two_listings_of_one_part_number(tmp_path: Path) -> None:  # J2
    async with scene(tmp_path, "sellr") as redoute:
        report = await listings(redoute, "sku,channel_item_id\nA,1\nB,1\n")
        assert (report.created, report.refused) == (2, 0)


async def test_a_listing_without_a_valid_stock_number_is_in_error_before_anything_is_sent(lewis: Scene) -> None:  # J2
    report = await listings(lewis, "sku,stock_number\nLAMP-1,1234567\nCHAIR-1,\n")
    assert report.not_ready == 2
    await stock(lewis, "sku,stock\nLAMP-1,5\nCHAIR-1,5\n")
    assert (await lewis.turn(send_offers, MINUTE)).done == 0
    assert {state for (state,) in await lewis.all("listings", "item_state")} == {"error"}
    await listings(lewis, f"sku,stock_number\nLAMP-1,{STOCK_NUMBER}\n", MINUTE)
    assert (await lewis.turn(send_offers, 2 * MINUTE)).done == 1


async def test_a_changed_stock_number_is_remembered_and_its_stock_is_said_again(lewis: Scene) -> None:  # J2 D8
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await listings(lewis, f"sku,stock_number\nLAMP-1,{OTHER}\n", 2 * MINUTE)
    assert (await lewis.turn(send_offers, 3 * MINUTE)).done == 1
    await lewis.answer()
    assert lewis.sandbox.johnlewis.stock[OTHER].free == 5
    listing = await lewis.store.views.listing(lewis.name, LAMP)
    assert listing is not None
    assert [each["channel_item_id"] for each in listing["former_channel_item_ids"]] == [STOCK_NUMBER]
    moved = [(event["from"], event["to"]) for event in listing["timeline"] if event["what"] == "channel item id"]
    assert moved == [(STOCK_NUMBER, OTHER)]


async def test_an_order_for_a_former_stock_number_finds_its_listing(lewis: Scene) -> None:  # J2
    await listings(lewis, f"sku,stock_number\nLAMP-1,{STOCK_NUMBER}\n")
    await listings(lewis, f"sku,stock_number\nLAMP-1,{OTHER}\n", MINUTE)
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    await lewis.turn(download_orders, 2 * MINUTE)
    assert await lewis.all("order_lines w JOIN listings l ON l.id = w.listing", "l.sku") == [("LAMP-1",)]
    # Once another listing has it, it is that one's.
    await listings(lewis, f"sku,stock_number\nCHAIR-1,{STOCK_NUMBER}\n", 3 * MINUTE)
    lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    await lewis.turn(download_orders, 4 * MINUTE)
    found = await lewis.all("order_lines w JOIN listings l ON l.id = w.listing ORDER BY w.id", "l.sku")
    assert found == [("LAMP-1",), ("CHAIR-1",)]


async def test_a_late_error_for_a_former_stock_number_is_that_feeds_and_leaves_the_new_one_alone(
    lewis: Scene,
) -> None:  # J2 J4
    lewis.sandbox.johnlewis.faults.add("reject_part", part_number=STOCK_NUMBER, error="no longer ours")
    await lewis.want()
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await listings(lewis, f"sku,stock_number\nLAMP-1,{OTHER}\n", 2 * MINUTE)
    await lewis.turn(read_reports, 3 * MINUTE)
    assert await lewis.all("feed_objects", "channel_item_id", "state", "text") == [
        (STOCK_NUMBER, "rejected", "no longer ours")
    ]
    assert await lewis.all("listings", "stock_state", "stock_error") == [("pending", "")]


async def settled(lewis: Scene, *parts: str) -> None:
    rows = "".join(f"{part},{part}\n" for part in parts)
    await listings(lewis, f"sku,stock_number\n{rows}")
    await stock(lewis, "sku,stock\n" + "".join(f"{part},{place}\n" for place, part in enumerate(parts)))
    await lewis.turn(send_offers, MINUTE)
    await lewis.answer()
    await lewis.turn(read_reports, HOUR)


async def test_a_full_push_sends_what_has_not_changed(lewis: Scene) -> None:  # J3
    await settled(lewis, "10000001", "10000002")
    assert (await lewis.turn(send_offers, 2 * HOUR)).done == 0
    await listings(lewis, "sku,stock_number\nnever stocked,10000003\n")
    assert await lewis.store.stock.push(lewis.name, NOON + 2 * HOUR) == 2
    assert (await lewis.turn(send_offers, 2 * HOUR + MINUTE)).done == 2
    events = await lewis.all("events WHERE why = 'all stock is sent again'", "what", '"from"', '"to"')
    assert events == [("stock", "not_needed", "pending")] * 2


async def test_a_full_push_says_again_what_is_on_its_way_and_leaves_what_is_blocked(lewis: Scene) -> None:  # J3 L2
    lewis.sandbox.johnlewis.faults.add("reject_part", part_number=STOCK_NUMBER, error="not ours", times=None)
    await lewis.want()
    for again in range(3):
        await lewis.turn(send_offers, (10 * again + 1) * MINUTE)
        await lewis.answer()
        await lewis.turn(read_reports, (10 * again + 2) * MINUTE)
        await lewis.store.rejections.retry(lewis.name, LAMP, NOON)
    await lewis.want(sku=CHAIR, stock_number=OTHER)
    await lewis.turn(send_offers, HOUR)
    assert await lewis.store.stock.push(lewis.name, NOON + HOUR) == 1
    assert dict(await lewis.all("listings", "sku", "stock_state")) == {LAMP: "error", CHAIR: "pending"}


async def test_what_each_row_says_of_the_account_is_sent_when_it_changes(tmp_path: Path) -> None:  # J3
    async with scene(tmp_path, "edge") as lewis:
        await settled(lewis, "10000001", "10000002")
        assert (await lewis.turn(send_offers, 2 * HOUR)).done == 0
        lewis.account = lewis.account.model_copy(update={"standard_delivery_days": 5})
        assert (await lewis.turn(send_offers, 3 * HOUR)).done == 2
        assert (await lewis.turn(send_offers, 4 * HOUR)).done == 0


async def test_many_rows_go_out_in_several_files_what_is_out_of_stock_first(tmp_path: Path) -> None:  # J3
    async with scene(tmp_path, "edge", stock={"max_rows": 2}) as lewis:
        await listings(lewis, "sku,stock_number\nA,10000001\nB,10000002\nC,10000003\n")
        await stock(lewis, "sku,stock\nA,1\nB,2\nC,0\n")
        first = await lewis.turn(send_offers, MINUTE)
        assert (first.done, first.due_at) == (2, NOON + MINUTE + timedelta(seconds=1))
        carried = await lewis.all("feed_objects o JOIN listings l ON l.id = o.listing", "o.feed", "l.sku")
        assert carried == [(1, "A"), (1, "C")]
        second = await lewis.turn(send_offers, MINUTE + timedelta(seconds=1))
        assert (second.done, second.due_at) == (1, None)
        await lewis.answer()
        assert {part: stock.free for part, stock in lewis.sandbox.johnlewis.stock.items()} == {
            "10000001": 1,
            "10000002": 2,
            "10000003": 0,
        }


async def test_an_error_about_the_whole_file_is_every_listings(lewis: Scene) -> None:  # J4
    errors = lewis.sandbox.johnlewis.files / "live/inventory/errors"
    await listings(lewis, f"sku,stock_number\nLAMP-1,{STOCK_NUMBER}\nCHAIR-1,{OTHER}\n")
    await stock(lewis, "sku,stock\nLAMP-1,5\nCHAIR-1,2\n")
    await lewis.turn(send_offers, MINUTE)
    ((name,),) = await lewis.all("feeds", "name")
    # It comes after silence was taken for a yes, and counts all the same.
    await lewis.turn(read_reports, HOUR)
    assert await lewis.all("listings", "stock_state") == [("not_needed",)] * 2
    (errors / f"{name}.err").write_text("The header is not known\n")
    await lewis.turn(read_reports, 2 * HOUR)
    told = ("error", "The header is not known")
    assert await lewis.all("listings", "stock_state", "stock_error") == [told] * 2


@pytest.mark.parametrize(("environment", "folder"), [("live", "live"), ("uat", "uat"), ("sandbox", "live")])
async def test_the_environment_chooses_the_tree(tmp_path: Path, environment: str, folder: str) -> None:  # J1
    async with scene(tmp_path, "edge", environment=environment) as lewis:
        await lewis.want()
        await lewis.turn(send_offers, MINUTE)
        there = lewis.sandbox.johnlewis
        assert len(list((there.files / folder / "inventory").glob("inventory-*.csv"))) == 1
        placed = there.place_order(STOCK_NUMBER, 1, environment=folder)
        assert (await lewis.turn(download_orders, 2 * MINUTE)).done == 1
        assert (there.files / folder / "incoming/processed" / placed.file_name).exists()
        await lewis.answer()
        assert there.stock[STOCK_NUMBER].environment == folder


COLUMNS: list[Any] = [
    "part_number",
    {"name": "supplier_free_stock", "field": "free_stock"},
    "back_in_stock_date",
    {"name": "ring_fenced_units_for_jl", "field": "ring_fenced_units"},
    {"name": "max_lead_time_to_delivery_in_days", "field": "max_lead_time_days"},
    {"name": "availability_status", "text": "Available"},
]


async def test_further_columns_come_from_the_import_and_a_change_is_sent(tmp_path: Path) -> None:  # J3 J15
    names = tuple(name if isinstance(name, str) else name["name"] for name in COLUMNS)
    there = JohnLewisSettings(stock_columns=names)
    async with scene(tmp_path, "edge", johnlewis=there, stock={"columns": COLUMNS}) as lewis:
        await listings(
            lewis,
            "sku,stock_number,back_in_stock_date,ring_fenced_units,max_lead_time_days\n"
            f"LAMP-1,{STOCK_NUMBER},2026-12-24T00:00:00,10.0,14\n",
        )
        await stock(lewis, "sku,stock\nLAMP-1,0\n")
        await lewis.turn(send_offers, MINUTE)
        await lewis.answer()
        there_now = lewis.sandbox.johnlewis.stock[STOCK_NUMBER].values
        assert [there_now[name] for name in names[1:]] == ["0", "2026-12-24", "10", "14", "Available"]
        await listings(lewis, "sku,back_in_stock_date\nLAMP-1,\n", 2 * MINUTE)
        assert (await lewis.turn(send_offers, 3 * MINUTE)).done == 1
        await lewis.answer()
        there_now = lewis.sandbox.johnlewis.stock[STOCK_NUMBER].values
        assert (there_now["back_in_stock_date"], there_now["ring_fenced_units_for_jl"]) == ("", "10")
        await listings(lewis, "sku,ring_fenced_units\nLAMP-1,10\n", 4 * MINUTE)
        assert (await lewis.turn(send_offers, 5 * MINUTE)).done == 0


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("back_in_stock_date", "24/12/2026", "not a day"),
        ("back_in_stock_date", "2026-02-30", "no such day"),
        ("ring_fenced_units", "ten", "not a whole number"),
        ("low_stock", "x" * 101, "101 characters"),
    ],
)
async def test_a_bad_cell_is_told(lewis: Scene, column: str, cell: str, problem: str) -> None:  # S1
    report = await listings(lewis, f"sku,{column}\nLAMP-1,{cell}\n")
    assert (report.faults[0].column, problem in report.faults[0].problem) == (column, True)
