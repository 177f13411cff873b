"""Imports against a real store: what goes in, what is told, and that a bad row never blocks the rest."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.errors import NotAllowed, Unreadable
from daemon.model import AccountName, AnswerLine, Feed, FeedKind, Levies, Photo, Sku
from daemon.seller.columns import COLUMNS, KEYS, ImportKind, open_import
from daemon.seller.imports import ImportReport, import_file, import_rows
from daemon.seller.intakes import LARGE_BATCH
from daemon.settings import AccountSettings
from daemon.store import Store, open_store
from daemon.store.changes import Change
from daemon.store.listing_columns import item_from_json, item_to_json
from tests.seller.conftest import NOON, lewis, redoute
from tests.store.conftest import moment

REDOUTE, LEWIS = AccountName("redoute"), AccountName("lewis")
LATER = NOON + timedelta(hours=1)
HEAD = (
    "sku;ean;category;product_id;master_sku;title;description;brand;catalogue_id;photo_1;photo_2;attributes;end;"
    "handling_days\n"
)
LAMP = (
    'LAMP-1;3701234567891;S001;LAMP;LAMP-1;Lampe à poser;"<p>Une lampe\nen chêne.</p>";B1234;C1;'
    "https://pictures.example.test/lamp.jpg;;A0485*=V123|Rouge; no;2\n"
).replace("|Rouge;", "|Rouge;", 1)


async def taken(store: Store, kind: ImportKind, text: str, account: AccountSettings | None = None) -> ImportReport:
    return await import_file(store, account or redoute(), kind, BytesIO(text.encode()), NOON)


async def test_a_whole_listing_goes_in_as_it_stands(store: Store) -> None:  # S1
    report = await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    assert (report.rows, report.created, report.refused, report.not_ready) == (1, 1, 0, 0)
    known = (await store.views.known(REDOUTE, [Sku("LAMP-1")]))[Sku("LAMP-1")]
    assert known.item.description == "<p>Une lampe\nen chêne.</p>"
    assert known.item.photos == (Photo("https://pictures.example.test/lamp.jpg", 1),)
    assert [(each.code, each.value_code, each.label, each.declinable) for each in known.item.attributes] == [
        ("A0485", "V123", "Rouge", True)
    ]
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert listing is not None
    assert listing["parts"]["item"]["state"] == "pending"
    assert listing["handling_days"] == 2
    again = await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    assert (again.created, again.changed, again.unchanged) == (0, 0, 1)


async def test_a_column_that_is_not_there_leaves_its_values(store: Store) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    report = await taken(store, ImportKind.LISTINGS, "sku,title,end\nLAMP-1,Lampe de table,yes\n")
    assert (report.changed, report.not_ready) == (1, 0)
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert listing is not None
    assert listing["ended"]
    assert listing["item"]["title"] == "Lampe de table"
    assert listing["item"]["brand"] == "B1234"
    await taken(store, ImportKind.LISTINGS, "sku,title,end\nLAMP-1,,\n")
    listing = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert listing is not None
    assert listing["ended"]
    assert listing["item"]["title"] == ""


async def test_an_item_that_would_be_sent_in_vain_is_in_error(store: Store) -> None:  # L4
    report = await taken(store, ImportKind.LISTINGS, "sku,title\nLAMP-1,Lampe\n")
    assert (report.created, report.refused, report.not_ready) == (1, 0, 1)
    assert report.incomplete[0].line == 2
    assert "the EAN is missing; the leaf category is missing" in report.incomplete[0].reason
    (listing,) = await store.views.listings(REDOUTE, state="error")
    assert listing["parts"]["item"] == {
        "state": "error",
        "error": report.incomplete[0].reason,
        "error_name": "Update Item Error",
        "blocked": "",
    }


async def test_all_faults_are_told_at_once_with_field_rule_and_fix(store: Store) -> None:  # L4 L5
    row = LAMP.replace("3701234567891", "").replace("S001", "Lampes").replace("<p>Une lampe", "<p onclick=x>Une lampe")
    report = await taken(store, ImportKind.LISTINGS, HEAD + row)
    (told,) = report.incomplete
    assert [(fault.field, fault.rule) for fault in told.faults] == [
        ("ean", "L4"),
        ("category", "L4"),
        ("description", "L5"),
    ]
    assert all(fault.text in told.reason and fault.fix for fault in told.faults)
    assert await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], moment()) is None


async def test_warnings_are_told_kept_and_sent_with(store: Store) -> None:  # L5
    text = "<p>This lamp is made of solid oak by hand and its light is warm for your living room</p>"
    english = LAMP.replace('"<p>Une lampe\nen chêne.</p>"', text)
    report = await taken(store, ImportKind.LISTINGS, HEAD + english)
    assert (report.created, report.not_ready, report.warned) == (1, 0, 1)
    (doubtful,) = report.doubtful
    assert (doubtful.line, doubtful.sku, [warning.field for warning in doubtful.warnings]) == (
        2,
        "LAMP-1",
        ["description"],
    )
    (listing,) = await store.views.listings(REDOUTE, warned=True)
    assert listing["warnings"][0]["text"] == "the description may not be French: it looks English"
    assert listing["parts"]["item"]["state"] == "pending"
    report = await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    assert (report.changed, report.warned) == (1, 0)
    assert await store.views.listings(REDOUTE, warned=True) == []


async def created(store: Store, text: str) -> None:
    """A listing whose product the marketplace has created."""
    await taken(store, ImportKind.LISTINGS, text)
    feed = await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], moment())
    assert isinstance(feed, Feed)

    async def content() -> AsyncIterator[bytes]:
        yield b"items"

    payload, _ = await store.payloads.write(content(), NOON)
    await store.feeds.spooled(feed, "items.xml", payload, NOON)
    await store.answers.apply(REDOUTE, [AnswerLine(accepted=True, feed_name="items.xml", sku="LAMP-1")], NOON)


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ("LAMP-1;4006381333931;EX;EX-1;Autre titre", ["ean"]),
        ("LAMP-1;3701234567891;Autre;EX-1;Autre titre", ["manufacturer"]),
        ("LAMP-1;;EX;;Autre titre", ["ean", "manufacturer_part_number"]),
    ],
)
async def test_a_row_that_changes_what_cannot_change_is_refused_whole(
    store: Store, row: str, fields: list[str]
) -> None:  # L4
    head = "sku;ean;manufacturer;manufacturer_part_number;title\n"
    await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    await taken(store, ImportKind.LISTINGS, f"{head}LAMP-1;3701234567891;EX;EX-1;Lampe\n")
    await created(store, f"{head}LAMP-1;3701234567891;EX;EX-1;Lampe\n")
    report = await taken(store, ImportKind.LISTINGS, f"{head}{row}\n")
    assert (report.refused, report.changed, report.unchanged) == (1, 0, 0)
    assert [(fault.line, fault.column, fault.sku) for fault in report.faults] == [
        (2, field, "LAMP-1") for field in fields
    ]
    assert all("cannot change" in fault.problem and "end this listing" in fault.fix for fault in report.faults)
    (listing,) = await store.views.listings(REDOUTE)
    assert (listing["ean"], listing["parts"]["item"]["state"]) == ("3701234567891", "not_needed")
    report = await taken(store, ImportKind.LISTINGS, f"{head}LAMP-1;3701234567891;EX;EX-1;Autre titre\n")
    assert report.changed == 1


async def test_an_ean_may_change_until_the_product_is_on_its_way(store: Store) -> None:  # L4
    await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    other = "sku;ean\nLAMP-1;4006381333931\n"
    assert (await taken(store, ImportKind.LISTINGS, other)).changed == 1
    await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], moment())
    report = await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    assert [fault.column for fault in report.faults] == ["ean"]


async def test_an_ean_may_change_where_the_marketplace_does_not_create_it(store: Store) -> None:  # J2
    await taken(store, ImportKind.LISTINGS, "sku,ean,channel_item_id\nA,3701234567891,12345678\n", lewis())
    report = await taken(store, ImportKind.LISTINGS, "sku,ean\nA,4006381333931\n", lewis())
    assert report.changed == 1


async def test_a_listing_without_stock_number_is_in_error_at_john_lewis(store: Store) -> None:  # J2
    text = "sku,channel_item_id,title\nA,12345678,Lamp\nB,1234567,Lamp\nC,,Lamp\nD,87654321.0,Lamp\n"
    report = await taken(store, ImportKind.LISTINGS, text, lewis())
    assert report.created == 4
    assert [(each.sku, each.line) for each in report.incomplete] == [("B", 3), ("C", 4)]
    states = {row["sku"]: row["parts"]["item"]["state"] for row in await store.views.listings(LEWIS)}
    assert states == {"A": "not_needed", "B": "error", "C": "error", "D": "not_needed"}
    # The Stock Number is known from before, so a file without it says nothing against it.
    assert (await taken(store, ImportKind.LISTINGS, "sku,title\nA,Big lamp\n", lewis())).not_ready == 0


@pytest.mark.parametrize(
    ("cell", "problem", "fix"),
    [
        ("3.70123E+12", "rounded number", "formatted as text"),
        ("3,70123E+12", "rounded number", "formatted as text"),
        ("3701234567890", "ends in 0 where 1 was expected", "formatted as text"),
        ("712345678911", "not 13 digits", "write 0712345678911"),
    ],
)
async def test_a_mangled_ean_is_told_with_the_fix(store: Store, cell: str, problem: str, fix: str) -> None:  # S1
    report = await taken(store, ImportKind.LISTINGS, f"sku;ean\nA;{cell}\n")
    (fault,) = report.faults
    assert (fault.line, fault.column, fault.value, fault.sku) == (2, "ean", cell, "A")
    assert problem in fault.problem
    assert fix in fault.fix


async def test_an_ean_with_a_decimal_point_is_mended(store: Store) -> None:  # S1
    report = await taken(store, ImportKind.LISTINGS, "sku;ean\nA;3701234567891.0\nB;3701234567891,00\n")
    assert report.created == 2
    assert {row["ean"] for row in await store.views.listings(REDOUTE)} == {"3701234567891"}


async def test_stock_of_known_listings_alone(store: Store) -> None:  # L6
    await taken(store, ImportKind.LISTINGS, HEAD + LAMP)
    report = await taken(store, ImportKind.STOCK, "SKU\tStock\nLAMP-1\t12\nLAMP-2\t3\n")
    assert (report.changed, report.refused) == (1, 1)
    assert (report.faults[0].line, report.faults[0].column, report.faults[0].value) == (3, "sku", "LAMP-2")
    assert "import its listing first" in report.faults[0].fix
    (listing,) = await store.views.listings(REDOUTE)
    assert (listing["stock"], listing["parts"]["stock"]["state"]) == (12, "pending")


@pytest.mark.parametrize(
    ("kind", "row", "column"),
    [
        (ImportKind.STOCK, "sku,stock\nA,-1", "stock"),
        (ImportKind.STOCK, "sku,stock\nA,1.5", "stock"),
        (ImportKind.STOCK, "sku,stock\nA,many", "stock"),
        (ImportKind.STOCK, "sku,stock\nA,", "stock"),
        (ImportKind.STOCK, "sku,stock\nA,99999999999", "stock"),
        (ImportKind.STOCK, f"sku,stock\nA,{'1' * 5_000}", "stock"),
        (ImportKind.STOCK, "sku,stock\n,1", "sku"),
        (ImportKind.STOCK, f"sku,stock\n{'A' * 101},1", "sku"),
        (ImportKind.PRICES, "sku;price\nA;1 234,50", "price"),
        (ImportKind.PRICES, "sku;price\nA;12,505", "price"),
        (ImportKind.PRICES, "sku;price\nA;49.90 EUR", "price"),
        (ImportKind.PRICES, "sku;price\nA;0,00", "price"),
        (ImportKind.PRICES, "sku;price;rrp\nA;10;9,99", "rrp"),
        (ImportKind.LISTINGS, "sku,end\nA,perhaps", "end"),
        (ImportKind.LISTINGS, "sku,handling_days\nA,soon", "handling_days"),
        (ImportKind.LISTINGS, f"sku,handling_days\nA,{'1' * 5_000}", "handling_days"),
        (ImportKind.LISTINGS, f"sku,attributes\nA,a{' ' * 100_000}b", "attributes"),
        (ImportKind.LISTINGS, "sku,attributes\nA,A0485=V1|Rouge|Bleu", "attributes"),
        (ImportKind.LISTINGS, "sku,attributes\nA,A 0485=V1|Rouge", "attributes"),
        (ImportKind.LISTINGS, "sku,photo_2\nA,lamp.jpg", "photo_2"),
        (ImportKind.LISTINGS, "sku,attributes\nA,A0485=Rouge", "attributes"),
    ],
)
async def test_a_bad_value_is_told_by_line_column_and_fix(
    store: Store, kind: ImportKind, row: str, column: str
) -> None:  # S1
    report = await taken(store, kind, row)
    assert report.refused == 1
    (fault,) = report.faults
    assert (fault.line, fault.column) == (2, column)
    assert fault.problem
    assert fault.fix


async def test_prices_with_dot_or_comma(store: Store) -> None:  # L7
    await taken(store, ImportKind.LISTINGS, "sku,title\nA,x\nB,x\nC,x\n")
    report = await taken(store, ImportKind.PRICES, "sku;price;rrp\nA;49,90;59,9\nB;49.9;\nC;50;60.00\n")
    assert report.changed == 3
    amounts = [(row["price_minor"], row["rrp_minor"]) for row in await store.views.listings(REDOUTE)]
    assert amounts == [(4990, 5990), (4990, None), (5000, 6000)]
    await taken(store, ImportKind.PRICES, "sku;price\nA;48\n")
    (listing,) = await store.views.listings(REDOUTE, sku="A")
    assert (listing["price_minor"], listing["rrp_minor"]) == (4800, 5990)


async def test_a_repeated_sku_is_told_with_the_line_it_was_on(store: Store) -> None:  # S1
    await taken(store, ImportKind.LISTINGS, "sku,title\nA,x\n")
    report = await taken(store, ImportKind.STOCK, "sku,stock\nA,bad\nA,1\n\nA,2\n")
    assert [(fault.line, fault.column) for fault in report.faults] == [(2, "stock"), (5, "sku")]
    assert "on line 3 already" in report.faults[1].problem
    assert (await store.views.listings(REDOUTE))[0]["stock"] == 1


async def test_john_lewis_takes_no_prices(store: Store) -> None:  # J1
    with pytest.raises(NotAllowed, match="johnlewis takes no prices"):
        await taken(store, ImportKind.PRICES, "sku,price\nA,1\n", lewis())


async def test_a_file_that_is_no_table_changes_nothing(store: Store) -> None:  # S1
    with pytest.raises(Unreadable, match="no column stock"):
        await taken(store, ImportKind.STOCK, "sku;stok\nA;1\n")


async def test_more_than_one_batch(store: Store) -> None:  # S1
    listings = "".join(f"SKU-{number:04d},x\n" for number in range(2_500))
    report = await taken(store, ImportKind.LISTINGS, "sku,title\n" + listings)
    assert report.created == 2_500
    stock = "".join(f"SKU-{number:04d},{'x' if number % 500 == 0 else number}\n" for number in range(2_500))
    report = await taken(store, ImportKind.STOCK, "sku,stock\n" + stock)
    assert (report.changed, report.refused) == (2_495, 5)
    assert [fault.line for fault in report.faults] == [2, 502, 1_002, 1_502, 2_002]


def test_no_other_name_of_a_column_is_that_of_another() -> None:  # S1
    for columns in COLUMNS.values():
        names = [name for column in columns for name in (column.name, *column.also)]
        assert len(set(names)) == len(names)


def test_every_column_is_documented() -> None:  # S1
    for kind, columns in COLUMNS.items():
        assert columns[0].name == KEYS[kind]
        assert all(column.meaning and column.example for column in columns)


ROW = st.sampled_from(["good", "unknown", "not a number", "negative", "no sku", "too long", "torn"])
BAD = {
    "unknown": "NONE-{n},1",
    "not a number": "SKU-{n},x",
    "negative": "SKU-{n},-1",
    "no sku": ",1",
    "torn": 'SKU-{n},"1',
}
BAD["too long"] = "S" * 200 + ",1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(ROW, max_size=40))
async def test_every_bad_row_is_told_once_and_every_good_row_goes_in(store: Store, kinds: list[str]) -> None:  # S1
    listings = "".join(f"SKU-{number},x\n" for number in range(len(kinds)))
    await taken(store, ImportKind.LISTINGS, "sku,title\n" + listings)
    lines = [f"SKU-{n},{n}" if kind == "good" else BAD[kind].format(n=n) for n, kind in enumerate(kinds)]
    report = await taken(store, ImportKind.STOCK, "\n".join(["sku,stock", *lines, ""]))
    bad = [n + 2 for n, kind in enumerate(kinds) if kind != "good"]
    assert [fault.line for fault in report.faults] == bad
    assert report.refused == len(bad)
    assert report.changed + report.unchanged == len(kinds) - len(bad)


SKUS = ["SKU-1", "SKU-2", "SKU-3", "SKU 4", "NONE-1", "NONE-2", " SKU-1", "'=SKU", ""]
STOCKS = ["1", "2", "02", "3.0", "x", " 4"]


async def all_kept(store: Store) -> list[tuple[object, ...]]:
    """The stocks of all listings as they stand, and what was told of them."""
    return await store.database.read(
        lambda db: [
            tuple(row)
            for question in (
                "SELECT sku, stock, stock_state, stock_error, stock_revision, changed_at FROM listings ORDER BY id",
                'SELECT subject_id, at, account, what, "from", "to", why FROM events ORDER BY id',
            )
            for row in db.execute(question)
        ]
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_taken_in_sets_does_what_it_would_row_by_row(tmp_path: Path, seed: int) -> None:  # S1 L6 D8
    """A cell between quotation marks takes the long way round, and says the same."""
    lines = Random(seed).sample(list(product(SKUS, STOCKS)), 20)
    done: list[tuple[object, ...]] = []
    for mark in ("", '"'):
        content = "sku,stock\n" + "".join(f"{mark}{sku}{mark},{mark}{stock}{mark}\n" for sku, stock in lines)
        async with open_store(tmp_path / f"{len(done)}.db") as store:
            await store.accounts.configure(REDOUTE, "laredoute", "f", NOON)
            await taken(store, ImportKind.LISTINGS, "sku,title\nSKU-3,x\nSKU-1,x\nSKU-2,x\nSKU 4,x\n")
            await taken(store, ImportKind.STOCK, "sku,stock\nSKU-1,1\nSKU-2,2\n")
            with open_import(ImportKind.STOCK, BytesIO(content.encode())) as table:
                batches = [batch async for batch in import_rows(store, redoute(), ImportKind.STOCK, table, LATER)]
            rows = [row for batch in batches for row in batch]
            done.append((rows, (await taken(store, ImportKind.STOCK, content)).as_dict(), await all_kept(store)))
    assert done[0] == done[1]


async def test_an_unusual_row_among_many_is_told_where_it_stands(store: Store) -> None:  # S1
    count = LARGE_BATCH + 500
    listings = "".join(f"SKU-{number},x\n" for number in range(0, count, 100))
    await taken(store, ImportKind.LISTINGS, "sku,title\n" + listings)
    lines = [f"SKU-{number},{number}" for number in range(count)]
    lines[7], lines[LARGE_BATCH + 9], lines[-1] = "SKU-7,seven", "SKU-300,3", "SKU-0,1"
    with open_import(ImportKind.STOCK, BytesIO("\n".join(["sku,stock", *lines]).encode())) as table:
        batches = [batch async for batch in import_rows(store, redoute(), ImportKind.STOCK, table, NOON)]
    rows = [row for batch in batches for row in batch]
    assert [len(batch) for batch in batches] == [LARGE_BATCH, 500]
    assert [row.line for row in rows] == list(range(2, count + 2))
    assert [row.key for row in rows if row.change is Change.CHANGED] == [f"SKU-{n}" for n in range(0, count, 100)]
    told = {row.line: row.faults[0] for row in rows if row.change is None and row.faults[0].code != "unknown_sku"}
    assert {line: (fault.code, fault.column, fault.value) for line, fault in told.items()} == {
        9: ("bad_value", "stock", "seven"),
        LARGE_BATCH + 11: ("duplicate", "sku", "SKU-300"),
        count + 1: ("duplicate", "sku", "SKU-0"),
    }
    assert "on line 302 already" in told[LARGE_BATCH + 11].problem
    (listing,) = await store.views.listings(REDOUTE, sku="SKU-0")
    assert listing["stock"] == 0


async def test_vat_rate_and_eco_contribution_come_with_the_listing(store: Store) -> None:  # C4 C8 S1
    head = "sku,ean,vat_rate,eco_contribution,epr_code\n"
    report = await taken(store, ImportKind.LISTINGS, head + 'LAMP-1,3701234567891,"5,5 %","0,6",fr-dea\n')
    assert (report.created, report.refused) == (1, 0)
    known = (await store.views.known(REDOUTE, [Sku("LAMP-1")]))[Sku("LAMP-1")]
    assert known.levies == Levies(Decimal("0.055"), 60, "FR-DEA")
    # A column that is not there leaves its value, an empty cell takes it away.
    await taken(store, ImportKind.LISTINGS, "sku,vat_rate\nLAMP-1,\n")
    known = (await store.views.known(REDOUTE, [Sku("LAMP-1")]))[Sku("LAMP-1")]
    assert known.levies == Levies(None, 60, "FR-DEA")
    view = await store.views.listing(REDOUTE, Sku("LAMP-1"))
    assert view is not None
    assert (view["vat_rate"], view["eco_contribution_minor"], view["epr_code"]) == (None, 60, "FR-DEA")


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ("LAMP-1,19.6,,", "vat_rate", "19.6 % is no VAT rate of mainland France"),
        ("LAMP-1,twenty,,", "vat_rate", "not a VAT rate"),
        ("LAMP-1,,0.60,", "epr_code", "EPR category of the eco-contribution is missing"),
        ("LAMP-1,,-1,FR-DEA", "eco_contribution", "not an amount"),
        ("LAMP-1,,0.60,FR-DEE", "epr_code", "did you mean"),
    ],
)
async def test_a_wrong_rate_contribution_or_category_is_told(
    store: Store, row: str, column: str, problem: str
) -> None:  # C4 C8
    report = await taken(store, ImportKind.LISTINGS, f"sku,vat_rate,eco_contribution,epr_code\n{row}\n")
    (fault,) = report.faults
    assert (report.refused, fault.column) == (1, column)
    assert problem in fault.problem


async def test_the_territory_of_the_account_decides_which_vat_rate_is_right(store: Store) -> None:  # C4
    text = "sku,vat_rate\nLAMP-1,8.5\nLAMP-2,0.021\n"
    report = await taken(
        store, ImportKind.LISTINGS, text, redoute(offers={"vat_rate": "0.085", "vat_territory": "dom"})
    )
    assert (report.created, report.refused) == (2, 0)
    report = await taken(store, ImportKind.LISTINGS, "sku,vat_rate\nLAMP-3,20\n", lewis())
    assert "told no VAT rate" in report.faults[0].problem


async def test_who_answers_for_a_product_comes_with_the_listing(store: Store) -> None:  # C9 S1
    head = "sku;ean;manufacturer;manufacturer_address;manufacturer_email;manufacturer_country\n"
    row = 'LAMP-1;3701234567891;Autre SA;"3 rue Neuve\n59000 Lille";contact@other.example;FR\n'
    report = await taken(store, ImportKind.LISTINGS, head + row)
    assert (report.created, report.warned) == (1, 0)
    known = (await store.views.known(REDOUTE, [Sku("LAMP-1")]))[Sku("LAMP-1")]
    assert known.item.manufacturer_address == "3 rue Neuve\n59000 Lille"
    # Another maker than the account's, of whom nothing else is known.
    report = await taken(store, ImportKind.LISTINGS, "sku;ean;manufacturer\nLAMP-2;3701234567884;Autre SA\n")
    assert [warning.rule for warning in report.doubtful[0].warnings] == ["C9", "C9"]


def test_an_item_that_was_kept_before_product_safety_stays_equal_to_itself() -> None:  # C9 L2
    old = (
        '{"attributes":[],"brand":"","catalogue_id":"","category":"","description":"","ean":"","manufacturer":"",'
        '"manufacturer_part_number":"","master_sku":"","photos":[],"product_id":"","title":"Lampe"}'
    )
    # Another text would be another item, and every listing would go out again after an upgrade.
    assert item_to_json(item_from_json(old)) == old
