"""A listing that is given anew: what of it changes, which parts that makes Pending, and what its timeline says."""

from dataclasses import replace
from decimal import Decimal

import pytest

from daemon.model import Item, Levies, Sku, StockExtras, StockKnobs
from daemon.store import Store
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.listings import ItemRow
from daemon.store.snapshots import Snapshot
from tests.store.conftest import NOON, REDOUTE
from tests.store.test_figures import MINUTE

LAMP, EAN = Sku("S0"), "3701234567891"
BARE = ItemRow(LAMP, Item(ean=EAN))
KNOBS = StockKnobs(safety_stock=2, cap=9)
LEVIES = Levies(Decimal("0.055"), 250, "FR-DEA")
EXTRAS = StockExtras(back_in_stock_date="2026-04-01", low_stock="3")
WHOLE = replace(
    BARE, channel_item_id="87654321", ended=True, handling_days=0, knobs=KNOBS, levies=LEVIES, extras=EXTRAS
)
EVENTS = {
    "channel_item_id": ("channel item id", "", "87654321"),
    "ended": ("end", "no", "yes"),
    "handling_days": ("handling days", "", "0"),
    "knobs": ("stock knobs", "", "safety_stock 2, cap 9"),
    "levies": ("VAT rate and eco-contribution", "", "vat_rate 0.055, eco_minor 250, epr_code FR-DEA"),
    "extras": ("stock extras", "", "back_in_stock_date 2026-04-01, low_stock 3"),
}
SAID_BY = {"ended": "end", "levies": "price"}


@pytest.fixture
async def store(database: Database) -> Store:
    """A listing that sells, every part of which the marketplace has."""
    store = Store(database)
    assert await put(store, BARE) == Change.CREATED
    await database.write(
        lambda db: (
            db.execute(
                "UPDATE listings SET stock = 5, price_minor = 1990, item_state = 'not_needed', stock_error = 'an old one',"
                " price_error = 'an old one', end_error = 'an old one'"
            ).rowcount
        )
    )
    return store


async def put(store: Store, row: ItemRow, fault: str = "") -> Change:
    (change,) = await store.listings.put_items(REDOUTE, [row], NOON + MINUTE, [fault], item_feed=True)
    return change


async def parts(store: Store) -> dict[str, tuple[str, str, int]]:
    """State, error and revision of each part."""
    row = await store.database.read(lambda db: dict(db.execute("SELECT * FROM listings").fetchone()))
    return {
        part: (row[f"{part}_state"], row[f"{part}_error"], row[f"{part}_revision"])
        for part in ("item", "stock", "price", "end")
    }


async def told(store: Store) -> list[tuple[str, str, str, str]]:
    """What its timeline says since it was created."""
    rows = await store.database.read(
        lambda db: db.execute('SELECT what, "from", "to", why FROM events ORDER BY id').fetchall()
    )
    return [tuple(row) for row in rows[1:]]


async def snapshot(store: Store) -> Snapshot:
    (kept,) = await store.snapshots.page(REDOUTE)
    return kept


def values(kept: Snapshot) -> tuple[object, ...]:
    return kept.channel_item_id, kept.ended, kept.handling_days, kept.knobs, kept.levies, kept.extras


@pytest.mark.parametrize("name", EVENTS)
async def test_each_value_makes_the_part_pending_that_says_it_and_is_told(store: Store, name: str) -> None:  # L6 L7 L9
    before = await parts(store)
    row = replace(BARE, **{name: getattr(WHOLE, name)})

    assert await put(store, row) == Change.CHANGED

    part = SAID_BY.get(name, "stock")
    assert await parts(store) == before | {part: ("pending", "", before[part][2] + 1)}
    assert await told(store) == [(*EVENTS[name], "")]
    assert getattr(await snapshot(store), name) == getattr(WHOLE, name)
    # Said once more, or not at all, it is no change.
    assert [await put(store, row), await put(store, BARE)] == [Change.UNCHANGED] * 2
    assert len(await told(store)) == 1


async def test_a_row_that_changes_everything_makes_each_part_pending_once(store: Store) -> None:  # L2 L6 L7 L9
    before = await parts(store)
    row = replace(WHOLE, item=Item(ean=EAN, title="Lampe"))

    assert await put(store, row) == Change.CHANGED

    assert await parts(store) == {part: ("pending", "", revision + 1) for part, (_, _, revision) in before.items()}
    assert [event[0] for event in await told(store)] == ["item", *(what for what, _, _ in EVENTS.values())]
    assert values(await snapshot(store)) == ("87654321", True, 0, KNOBS, LEVIES, EXTRAS)


async def test_a_listing_that_is_created_with_everything_has_it_all_and_is_told_once(database: Database) -> None:
    store = Store(database)
    assert await put(store, WHOLE) == Change.CREATED
    assert values(await snapshot(store)) == ("87654321", True, 0, KNOBS, LEVIES, EXTRAS)
    assert await parts(store) == {
        "item": ("pending", "", 1),
        "stock": ("not_needed", "", 0),
        "price": ("not_needed", "", 0),
        "end": ("pending", "", 1),
    }
    assert await put(store, WHOLE) == Change.UNCHANGED
    assert await told(store) == []


async def test_without_stock_and_price_there_is_nothing_to_say_of_them(database: Database) -> None:  # L6 L7
    store = Store(database)
    await put(store, BARE)
    assert await put(store, WHOLE) == Change.CHANGED
    states = {part: state for part, (state, _, _) in (await parts(store)).items()}
    assert states == {"item": "pending", "stock": "not_needed", "price": "not_needed", "end": "pending"}


async def test_the_category_of_an_eco_contribution_alone_is_sent_to_nobody(store: Store) -> None:
    await put(store, replace(BARE, levies=LEVIES))
    before = await parts(store)
    assert await put(store, replace(BARE, levies=replace(LEVIES, epr_code="FR-TLC"))) == Change.CHANGED
    assert await parts(store) == before


async def test_what_is_wrong_with_the_item_is_told_of_the_item_and_of_nothing_else(store: Store) -> None:  # L4 D8
    assert await put(store, replace(BARE, knobs=KNOBS), "the title is missing") == Change.CHANGED
    assert await told(store) == [
        ("item", "not_needed", "error", "the title is missing"),
        (*EVENTS["knobs"], ""),
    ]
