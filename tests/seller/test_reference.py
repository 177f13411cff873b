"""The marketplace's codes from files: taken over whole or not at all, and listings judged anew by them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest

from daemon.errors import NotAllowed, Unreadable
from daemon.model import AccountName, AnswerLine, Attribute, Feed, FeedKind, Item, Photo, Sale, Sku
from daemon.rules.listing import Category
from daemon.seller.judging import rejudge, validation
from daemon.seller.reference import REFERENCE_COLUMNS, ReferenceReport, import_reference
from daemon.store import Store
from daemon.store.listings import ItemRow
from daemon.store.reference import ReferenceKind
from tests.seller.conftest import NOON, lewis, redoute
from tests.store.conftest import moment

REDOUTE = AccountName("redoute")
CATEGORIES = "code;label;leaf;required;declines\nS000;Maison;no;;\nS001;Luminaires;yes;A0100;A0485, A1303\n"
ATTRIBUTES = "code,label,value,value_label\nA0485,Couleur,V0001,Rouge\nA0485,Couleur,V0002,Bleu\nA0100,Matière,,\n"
BRANDS = "code\tlabel\nB0001\tExemple\nB0002\tMaison Été\n"

LAMP = Item(
    ean="3701234567891",
    category="S001",
    product_id="LAMP",
    master_sku="LAMP-1",
    title="Lampe à poser",
    description="<p>Une lampe en chêne.</p>",
    brand="B0001",
    catalogue_id="C1",
    photos=(Photo("https://pictures.example.test/lamp.jpg", 1),),
    attributes=(Attribute("A0485", "V0001", "Rouge", declinable=True),),
)


async def brought(store: Store, kind: str, text: str) -> ReferenceReport:
    return await import_reference(store, redoute(), ReferenceKind(kind), BytesIO(text.encode()), NOON)


async def wanted(store: Store, sku: str = "LAMP-1", item: Item = LAMP, fault: str = "") -> None:
    await store.listings.put_items(REDOUTE, [ItemRow(Sku(sku), item)], NOON, [fault], item_feed=True)


async def states(store: Store) -> dict[str, str]:
    return {row["sku"]: row["parts"]["item"]["state"] for row in await store.views.listings(REDOUTE)}


async def send(store: Store, *, accepted: bool) -> None:
    """Let every item that waits go out, and be answered."""
    feed = await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], moment())
    assert isinstance(feed, Feed)

    async def content() -> AsyncIterator[bytes]:
        yield b"items"

    payload, _ = await store.payloads.write(content(), NOON)
    name = f"items-{feed.id}.xml"
    await store.feeds.spooled(feed, name, payload, NOON)
    await store.answers.apply(REDOUTE, [AnswerLine(accepted, feed_name=name, text="MARQUE INCONNUE")], NOON)


async def test_lists_go_in_and_can_be_looked_up(store: Store) -> None:  # L4
    for kind, text, rows in (("categories", CATEGORIES, 2), ("attributes", ATTRIBUTES, 3), ("brands", BRANDS, 2)):
        report = await brought(store, kind, text)
        assert (report.rows, report.refused, report.faults) == (rows, 0, [])
    assert [(each.kind.value, each.size, each.imported_at) for each in await store.reference.lists(REDOUTE)] == [
        ("attributes", 3, NOON),
        ("brands", 2, NOON),
        ("categories", 2, NOON),
    ]
    known = await store.reference.known(REDOUTE, [LAMP])
    assert known.categories == {"S001": Category("S001", "Luminaires", True, ("A0100",), ("A0485", "A1303"))}
    assert known.attributes == {"A0485": {"V0001": "Rouge", "V0002": "Bleu"}}
    assert known.brands == {"B0001": "Exemple"}
    assert await store.reference.codes(REDOUTE, ReferenceKind.BRANDS, find="maison") == [
        {"code": "B0002", "label": "Maison Été"}
    ]
    page = await store.reference.codes(REDOUTE, ReferenceKind.ATTRIBUTES, limit=1, after="A0100")
    assert [row["value"] for row in page] == ["V0001", "V0002"]
    (category,) = await store.reference.codes(REDOUTE, ReferenceKind.CATEGORIES, after="S000")
    assert (category["leaf"], category["required"], category["declines"]) == (True, ["A0100"], ["A0485", "A1303"])


async def test_a_list_replaces_the_one_before(store: Store) -> None:  # L4
    await brought(store, "brands", BRANDS)
    await brought(store, "brands", "code,label\nB0003,Autre\n")
    assert [row["code"] for row in await store.reference.codes(REDOUTE, ReferenceKind.BRANDS)] == ["B0003"]


@pytest.mark.parametrize(
    ("kind", "text", "line", "column", "problem"),
    [
        ("brands", "code,label\nB1,a\nExemple,b\n", 3, "code", "this is no such code"),
        ("brands", "code,label\nB1,\n", 2, "label", "the label is missing"),
        ("brands", "code,label\nB1,a\nB1,b\n", 3, "code", "B1 is on line 2 already"),
        ("categories", "code,label,leaf\nS1,a,perhaps\n", 2, "leaf", "this is neither yes nor no"),
        ("categories", "code,label,leaf,declines\nS1,a,yes,A1 size\n", 2, "declines", "this is no such code"),
        ("attributes", "code,label,value\nA1,a,red\n", 2, "value", "this is no such code"),
        ("attributes", "code,label,value\nA1,a,V1\nA1,a,V1\n", 3, "code", "A1 V1 is on line 2 already"),
    ],
)
async def test_with_one_bad_row_nothing_is_taken_over(
    store: Store, kind: str, text: str, line: int, column: str, problem: str
) -> None:  # L4
    report = await brought(store, kind, text)
    (fault,) = report.faults
    assert (fault.line, fault.column, fault.problem) == (line, column, problem)
    assert fault.fix
    assert (report.refused, report.listings) == (1, None)
    assert await store.reference.lists(REDOUTE) == []


async def test_an_empty_list_and_an_account_without_items_are_refused(store: Store) -> None:  # L4
    with pytest.raises(Unreadable, match="nothing was changed"):
        await brought(store, "brands", "code,label\n")
    with pytest.raises(NotAllowed, match="johnlewis takes no items"):
        await import_reference(store, lewis(), ReferenceKind.BRANDS, BytesIO(BRANDS.encode()), NOON)


async def test_what_waits_with_an_unknown_code_is_held_back_and_freed_again(store: Store) -> None:  # L4
    await wanted(store)
    await wanted(store, "LAMP-2", replace(LAMP, brand="B0002"))
    report = await brought(store, "brands", "code,label\nB0001,Exemple\n")
    assert report.listings is not None
    assert (report.listings.judged, report.listings.held_back, report.listings.freed) == (2, 1, 0)
    assert await states(store) == {"LAMP-1": "pending", "LAMP-2": "error"}
    (listing,) = await store.views.listings(REDOUTE, state="error")
    assert listing["parts"]["item"]["error"] == "the brand B0002 is not in the imported brands"
    report = await brought(store, "brands", BRANDS)
    assert report.listings is not None
    assert (report.listings.held_back, report.listings.freed) == (0, 1)
    assert await states(store) == {"LAMP-1": "pending", "LAMP-2": "pending"}


async def test_what_the_marketplace_has_is_told_and_stays(store: Store) -> None:  # L4
    await wanted(store)
    await send(store, accepted=True)
    report = await brought(store, "brands", "code,label\nB0002,Autre\n")
    assert report.listings is not None
    assert (report.listings.held_back, report.listings.doubtful) == (0, 1)
    assert [(told.sku, [fault.field for fault in told.faults]) for told in report.listings.told] == [
        ("LAMP-1", ["brand"])
    ]
    assert await states(store) == {"LAMP-1": "not_needed"}
    (listing,) = await store.views.listings(REDOUTE, warned=True)
    text = "by the rules of now, the brand B0001 is not in the imported brands"
    assert [warning["text"] for warning in listing["warnings"]] == [text]
    await brought(store, "brands", BRANDS)
    assert await store.views.listings(REDOUTE, warned=True) == []


async def test_a_rejection_of_the_marketplace_is_not_forgiven_by_codes(store: Store) -> None:  # L2 L4
    await wanted(store)
    await send(store, accepted=False)
    report = await brought(store, "brands", BRANDS)
    assert report.listings is not None
    assert report.listings.freed == 0
    (listing,) = await store.views.listings(REDOUTE)
    assert listing["parts"]["item"] == {
        "state": "error",
        "error": "MARQUE INCONNUE",
        "error_name": "Update Item Error",
        "blocked": "",
    }


async def test_other_faults_stay_told_while_codes_come(store: Store) -> None:  # L4
    await wanted(store, item=replace(LAMP, title=""), fault="the title is missing")
    await brought(store, "brands", "code,label\nB0002,Autre\n")
    (listing,) = await store.views.listings(REDOUTE)
    assert listing["parts"]["item"]["error"] == ("the title is missing; the brand B0001 is not in the imported brands")


async def test_a_validation_shows_everything_and_changes_nothing(store: Store) -> None:  # L4 L5
    await wanted(store)
    await wanted(store, "LAMP-2", replace(LAMP, title="L" * 51, brand="x", photos=()))
    before = await store.views.listings(REDOUTE)
    page = await validation(store, redoute(), None)
    assert [(each["sku"], len(each["faults"]), len(each["warnings"])) for each in page] == [
        ("LAMP-1", 0, 0),
        ("LAMP-2", 2, 1),
    ]
    assert page[1]["faults"][0] == {
        "field": "brand",
        "rule": "L4",
        "text": "the brand code 'x' is no code of the form B and digits",
        "fix": "take the code that La Redoute gave for the brand; see: sellerd reference list brands",
    }
    assert [each["sku"] for each in await validation(store, redoute(), [Sku("LAMP-2"), Sku("NONE")])] == ["LAMP-2"]
    assert await store.views.listings(REDOUTE) == before
    with pytest.raises(NotAllowed, match="takes no items"):
        await validation(store, lewis(), None)


async def test_more_listings_than_one_batch_are_judged(store: Store) -> None:  # L4
    rows = [ItemRow(Sku(f"LAMP-{number:04d}"), LAMP) for number in range(2_100)]
    await store.listings.put_items(REDOUTE, rows, NOON, [""] * len(rows), item_feed=True)
    report = await brought(store, "brands", "code,label\nB0002,Autre\n")
    assert report.listings is not None
    assert (report.listings.judged, report.listings.held_back) == (2_100, 2_100)
    again = await rejudge(store, redoute(), NOON)
    assert (again.judged, again.held_back, again.freed) == (2_100, 0, 0)


def test_every_column_is_documented() -> None:
    for columns in REFERENCE_COLUMNS.values():
        assert columns[0].name == "code"
        assert all(column.meaning and column.example for column in columns)


SALES = (
    "code;label;start;end;deadline\n"
    "HIVER-2027;Soldes d'hiver;2027-01-06T08:00;2027-02-03T00:00;2026-12-14T23:59\n"
    "ETE-2027;Soldes d'été;1813896000;2027-07-21T00:00+02:00;\n"
)


async def test_sales_are_data_with_their_windows_and_deadlines(store: Store) -> None:  # C3
    report = await brought(store, "sales", SALES)
    assert (report.rows, report.refused, report.listings) == (2, 0, None)
    known = await store.reference.sales(REDOUTE)
    assert known["HIVER-2027"] == Sale(
        "HIVER-2027",
        "Soldes d'hiver",
        datetime(2027, 1, 6, 7, 0, tzinfo=UTC),
        datetime(2027, 2, 2, 23, 0, tzinfo=UTC),
        datetime(2026, 12, 14, 22, 59, tzinfo=UTC),
    )
    assert known["ETE-2027"].deadline is None
    codes = await store.reference.codes(REDOUTE, ReferenceKind.SALES, find="hiver")
    assert codes == [
        {
            "code": "HIVER-2027",
            "label": "Soldes d'hiver",
            "starts_at": "2027-01-06T07:00:00+00:00",
            "ends_at": "2027-02-02T23:00:00+00:00",
            "deadline": "2026-12-14T22:59:00+00:00",
        }
    ]
    assert [each.kind for each in await store.reference.lists(REDOUTE)] == [ReferenceKind.SALES]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("hiver;Soldes;2027-01-06T08:00;2027-02-03T00:00;", "code"),
        ("HIVER;;2027-01-06T08:00;2027-02-03T00:00;", "label"),
        ("HIVER;Soldes;2027-01-06;2027-02-03T00:00;", "start"),
        ("HIVER;Soldes;2027-02-03T00:00;2027-02-03T00:00;", "end"),
        ("HIVER;Soldes;2027-01-06T08:00;2027-02-03T00:00;soon", "deadline"),
        ("ETE-2027;Soldes;2027-01-06T08:00;2027-02-03T00:00;", "code"),
    ],
)
async def test_with_one_bad_sale_nothing_is_taken_over(store: Store, row: str, column: str) -> None:  # C3
    report = await brought(store, "sales", f"{SALES}{row}\n")
    assert (report.refused, [fault.column for fault in report.faults]) == (1, [column])
    assert report.faults[0].line == 4
    assert await store.reference.sales(REDOUTE) == {}
