"""What the database writes of usual listings is what the marketplace's own writer makes of them, byte for byte."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from threading import get_ident
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as given_with
from hypothesis import strategies as st

from daemon.marketplaces import FeedFile
from daemon.marketplaces.edge.inventory import InventoryFile
from daemon.marketplaces.sellr.offers import SellerOfferRequest
from daemon.model import AccountName, Feed, FeedId, FeedKind, FeedObject, FeedState, Sku
from daemon.store import Store
from daemon.store.database import Database, migrations, statements
from daemon.store.feed_objects import _object, _page, _pages, _rows
from daemon.store.rows import RowForm
from tests.marketplaces.edge.account import account
from tests.marketplaces.sellr.made_up import settings
from tests.store.conftest import LEWIS, NOON, STOCK_RULE, moment

FEED = Feed(FeedId(1), AccountName("redoute"), FeedKind.OFFER, FeedState.SENDING, NOON, 3)
FIELDS = ("part_number", "sku", "ean", "lead_time_days", "free_stock", "seller_product_code", "low_stock")
COLUMNS = [
    *({"name": name, "field": name} for name in (*FIELDS, "standard_lead_time_days", "back_in_stock_date")),
    {"name": "said", "text": '100 % "sure", always'},
]


def stock_file(**changes: Any) -> InventoryFile:
    return InventoryFile(account(**changes), NOON)


FILES: dict[str, FeedFile] = {
    "offers": SellerOfferRequest(settings(), FEED),
    "stock": stock_file(),
    "every column of stock": stock_file(stock={"columns": COLUMNS}, seller_product_code="sku", handling_days=2),
}

#: on the minute, within it, and an instant before and after it
PROMOTIONS = [
    (1, 1_772_452_800_000_000, 1_773_057_600_000_000, "Soldes"),
    (2, 1_772_452_812_345_678, 1_773_057_599_999_999, ""),
    (3, 1_772_452_859_999_999, 1_773_057_600_000_001, 'Vente "flash"'),
]
#: what a format quotes or cannot carry is as likely as what it takes as it is
texts = st.text(st.sampled_from("aZ09 _./+:-[\\]^`~!?=*&<>\"'%,;\t\r\n\0é日"), max_size=6)
amounts = st.integers(1, 10**7)
listings = st.fixed_dictionaries(
    {
        "sku": texts,
        "ean": texts,
        "channel_item_id": texts,
        "stock": st.none() | st.integers(0, 10**6),
        "price_minor": amounts,
        "rrp_minor": st.none() | amounts,
        "handling_days": st.none() | st.integers(0, 99),
        "vat_bp": st.none() | st.integers(0, 9999),
        "stock_extras": st.sampled_from(["{}", '{"low_stock": "3", "back_in_stock_date": "2026-04-01"}']),
        "promotion": st.none() | st.sampled_from([number for number, *_ in PROMOTIONS]),
    }
)


@pytest.fixture(scope="module")
def empty() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        for _, _, text in migrations():
            for statement in statements(text):
                db.execute(statement)
        yield db


@contextmanager
def filled(db: sqlite3.Connection, objects: Sequence[dict[str, Any]]) -> Iterator[None]:
    """One feed that carries these, for the length of the block."""
    db.execute("BEGIN")
    db.execute("INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute')")
    db.execute(
        "INSERT INTO feeds (id, account, kind, state, size, opened_at) VALUES (1, 'redoute', 'offer', 'sent', 0, 0)"
    )
    db.executemany(
        "INSERT INTO promotions (id, account, listing, price_minor, starts_at, ends_at, nature, imported_at)"
        " VALUES (?, 'redoute', 1, 500, ?, ?, ?, 0)",
        PROMOTIONS,
    )
    for number, each in enumerate(objects, 1):
        db.execute(
            "INSERT INTO listings (id, account, sku, handling_days, vat_bp, stock_extras, created_at, changed_at)"
            " VALUES (:id, 'redoute', :id || :sku, :handling_days, :vat_bp, :stock_extras, 0, 0)",
            {"id": number, **each},
        )
        db.execute(
            "INSERT INTO feed_objects (feed, listing, ean, channel_item_id, stock_revision, stock, price_minor,"
            " rrp_minor, ended, promotion)"
            " VALUES (1, :id, :ean, :channel_item_id, 1, :stock, :price_minor, :rrp_minor, 0, :promotion)",
            {"id": number, **each},
        )
    try:
        yield
    finally:
        db.execute("ROLLBACK")


def by_the_database(db: sqlite3.Connection, file: FeedFile, page: int) -> Iterator[bytes]:
    assert file.usual is not None
    form = RowForm(file.usual)
    form.page = page
    after = 0
    while pages := _pages(db, 1, after, page):
        for each in pages:
            yield _rows(db, 1, each, form, "EUR", file.rows)
        _, after = pages[-1]


@pytest.mark.parametrize("name", FILES)
@given_with(deadline=None)
@given(objects=st.lists(listings, max_size=7), page=st.integers(1, 4))
def test_both_ways_make_the_same_bytes(
    name: str, objects: list[dict[str, Any]], page: int, empty: sqlite3.Connection
) -> None:  # L6 L11 C4 J3
    file = FILES[name]
    with filled(empty, objects):
        carried = [_object(row, "EUR") for row in _page(empty, 1, 0)]
        assert b"".join(by_the_database(empty, file, page)) == file.rows(carried)


async def test_usual_listings_make_no_object_and_none_is_written_in_the_loops_thread(database: Database) -> None:  # J3
    store, file = Store(database), stock_file()
    written: list[tuple[Sku, bool]] = []
    own = get_ident()

    def write(batch: Sequence[FeedObject]) -> bytes:
        written.extend((each.sku, get_ident() == own) for each in batch)
        return file.rows(batch)

    await database.write(
        lambda db: (
            db.executemany(
                "INSERT INTO listings (account, sku, channel_item_id, stock, stock_state, created_at, changed_at)"
                " VALUES ('lewis', ?, ?, 7, 'pending', 0, 0)",
                [(f"LAMP-{number}", f"{number:08d}") for number in range(20_000)] + [("RUG-1", '87"654')],
            ).rowcount
        )
    )
    feed = await store.feeds.open(LEWIS, STOCK_RULE, moment())
    assert isinstance(feed, Feed)
    pieces = [piece async for piece in store.feeds.rows(feed, "GBP", file.usual, write)]
    assert b"".join(pieces).splitlines()[-2:] == [b"00019999,,4,7", b'"87""654",,4,7']
    assert (written, len(pieces)) == ([(Sku("RUG-1"), False)], 5)
