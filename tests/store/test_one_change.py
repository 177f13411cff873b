"""One change costs as much among many listings as among few: what did not change is not looked at (L6, L7, L11)."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from daemon.marketplaces.sellr.offers import SellerOfferRequest
from daemon.model import Feed, GuardTerms, Money, OfferTerms, Promotion, Sku
from daemon.store import Store
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.listings import PriceRow
from daemon.store.promotions import PromotionRow
from daemon.store.times import to_us
from tests.marketplaces.sellr.made_up import settings
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE, moment
from tests.store.steps import steps_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GUARD = GuardTerms(price_fall=30, price_rise=30, promotion_fall=75, zero_share=20, zero_least=20, end_share=20)
#: every listing runs in a promotion of a sale, and was sent and accepted so yesterday; of ten one is sold out since, and
#: one ended
_FILLED = (
    (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
        " INSERT INTO listings (id, account, sku, ean, channel_status, stock, price_minor, promotion, ended, created_at,"
        " changed_at) SELECT i, 'redoute', 'SKU-' || i, printf('%013d', i), 'offer_integrated', 5 * (i % 10 <> 3),"
        " 2000, NULL, i % 10 = 4, 0, 0 FROM n WHERE i > :there"
    ),
    (
        "INSERT INTO promotions (id, account, listing, price_minor, starts_at, ends_at, nature, imported_at, stage, sale)"
        " SELECT id, account, id, 1500, :began, :ends, 'Soldes', 0, 'running', 'H26' FROM listings WHERE id > :there"
    ),
    "INSERT INTO prices SELECT id, :began - 1, 2000, NULL FROM listings WHERE id > :there",
    "INSERT INTO prices SELECT id, :began, 1500, id FROM listings WHERE id > :there",
    (
        "INSERT INTO feeds (account, kind, state, size, opened_at, sent_at)"
        " VALUES ('redoute', 'offer', 'answered', 1, :began, :began)"
    ),
    (
        "INSERT INTO feed_objects (feed, listing, ean, channel_item_id, stock_revision, price_revision, stock,"
        " price_minor, ended, state, promotion) SELECT (SELECT max(id) FROM feeds), id, ean, '', 0, 0, 5, 1500, 0,"
        " 'accepted', id FROM listings WHERE id > :there"
    ),
    "UPDATE listings SET promotion = id WHERE id > :there",
)


def _fill(db: sqlite3.Connection, many: int) -> int:
    there = db.execute("SELECT count(*) FROM listings").fetchone()[0]
    named = {"there": there, "many": many, "began": to_us(NOON - DAY), "ends": to_us(NOON + 30 * DAY)}
    for sql in _FILLED:
        db.execute(sql, named)
    return many


async def _put(store: Store, change: str, sku: Sku, at: datetime) -> None:
    match change:
        case "stock":
            await store.listings.put_stock(REDOUTE, Figures({sku: 4}), at)
        case "nothing left":
            await store.listings.put_stock(REDOUTE, Figures({sku: 0}), at)
        case "price":
            await store.listings.put_prices(REDOUTE, [PriceRow(sku, Money(1900, "EUR"), None)], at)
        case "promotion":
            ended = Promotion(Money(1500, "EUR"), NOON - DAY, NOON + 30 * DAY, "Soldes", "H26")
            await store.promotions.put(REDOUTE, [PromotionRow(sku, ended, cancelled=True)], at)


@pytest.mark.parametrize("change", ["stock", "nothing left", "price", "promotion"])
async def test_one_change_costs_the_same_among_many_listings(database: Database, change: str) -> None:  # L6 L7 L11
    store, now = Store(database), moment()

    async def steps(many: int) -> int:
        nonlocal now
        await database.write(partial(_fill, many=many))
        now = replace(now, at=now.at + 3 * HOUR, boot_ns=now.boot_ns + 3 * 3600 * 10**9)
        await store.feeds.open(REDOUTE, OFFER_RULE, now, OfferTerms(), GUARD)  # terms are compared once

        async def turn() -> None:
            await _put(store, change, Sku(f"SKU-{many}"), now.at)
            feed = await store.feeds.open(REDOUTE, OFFER_RULE, now, OfferTerms(), GUARD)
            assert isinstance(feed, Feed)
            file = SellerOfferRequest(settings(), feed)

            async def written() -> AsyncIterator[bytes]:
                async for piece in store.feeds.rows(feed, "EUR", file.usual, file.rows):
                    yield piece

            payload, _ = await store.payloads.write(written(), now.at)
            await store.feeds.spooled(feed, f"{many}.xml", payload, now.at)
            assert feed.size == 1

        taken = await steps_of(database, turn)
        await store.promotions.next_change(REDOUTE, now.at)
        await database.write(lambda db: db.execute("UPDATE feeds SET state = 'answered'").rowcount)
        return taken

    few = await steps(50)
    assert await steps(2_000) <= few + 200


async def test_the_next_change_is_found_without_a_walk(database: Database) -> None:  # L11
    store = Store(database)

    async def steps(many: int) -> int:
        await database.write(partial(_fill, many=many))
        return await steps_of(database, lambda: store.promotions.next_change(REDOUTE, NOON))

    few = await steps(50)
    assert await steps(2_000) <= few + 20
