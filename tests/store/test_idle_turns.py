"""A turn that finds nothing to do costs as much in a large database as in a small one."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from daemon.model import GuardTerms, LegalMoves, OfferTerms
from daemon.store import Store
from daemon.store.choices import in_stock
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryKind
from daemon.store.orders import match_lines
from daemon.store.values import reserve
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment
from tests.store.steps import steps_of

_LISTINGS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
    " INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, item, stock, price_minor, created_at,"
    " changed_at) SELECT a.name, a.name || i, printf('%013d', i), printf('%08d', i), 'offer_integrated', '{}', 5, 1000,"
    " 0, 0 FROM n, accounts a WHERE i > (SELECT count(*) / 2 FROM listings)"
)
#: closed orders, each with its update
_ORDERS = (
    (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
        " INSERT INTO orders (account, number, received_at, changed_at, incomplete, delivery)"
        " SELECT 'lewis', 'Y' || i, i, i, '', NULL FROM n WHERE i > (SELECT count(*) FROM orders)"
    ),
    (
        'INSERT INTO order_lines ("order", ref, position, quantity, state, since, listing)'
        " SELECT id, '1', 0, 2, 'completed', 0, 1 FROM orders WHERE id NOT IN (SELECT \"order\" FROM order_lines)"
    ),
    (
        'INSERT INTO order_updates ("order", account, kind, state, name, created_at, settled_at)'
        " SELECT id, account, 'acknowledgement', 'succeeded', 'u' || id, id, 0 FROM orders"
        ' WHERE id NOT IN (SELECT "order" FROM order_updates)'
    ),
)
#: files of orders that were applied, and wait for their confirmation no more
_DELIVERIES = (
    "INSERT INTO payloads (id, kept_at) VALUES (1, 0) ON CONFLICT DO NOTHING",
    (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
        " INSERT INTO deliveries (account, kind, folder, name, size, payload, state, received_at, confirmed_at)"
        " SELECT 'lewis', 'order', '/in', i, 1, 1, 'applied', i, i FROM n WHERE i > (SELECT count(*) FROM deliveries)"
    ),
)
#: an order that waits for the seller, of the same listing as the closed ones, and a line that no listing has
_WAITING = (
    "INSERT INTO orders (id, account, number, received_at, changed_at) VALUES (1000000, 'lewis', 'W', 0, 0)",
    (
        'INSERT INTO order_lines ("order", ref, position, quantity, state, since, listing, channel_item_id)'
        " VALUES (1000000, '1', 0, 2, 'new', 0, 1, '00000001'), (1000000, '2', 1, 2, 'new', 0, NULL, 'none')"
    ),
)
_UNLISTED = (
    'INSERT INTO order_lines ("order", ref, position, quantity, state, since, channel_item_id)'
    " SELECT id, '2', 1, 2, 'completed', 0, 'gone' FROM orders WHERE id < 1000000 AND id NOT IN"
    " (SELECT \"order\" FROM order_lines WHERE ref = '2')"
)
_GUARD = GuardTerms(price_fall=30, price_rise=30, zero_share=20, end_share=20)
_RESERVING = OfferTerms(reserve_open_orders=True)
_MOVES = LegalMoves({})

Turn = Callable[[Store], Awaitable[Any]]


def _execute(db: sqlite3.Connection, sql: str, many: int) -> int:
    return db.execute(sql, {"many": many}).rowcount


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(lambda store: store.feeds.open(REDOUTE, ITEM_RULE, moment()), id="items"),  # L2
        pytest.param(lambda store: store.feeds.open(REDOUTE, OFFER_RULE, moment(), OfferTerms(), _GUARD), id="offers"),
        pytest.param(lambda store: store.feeds.open(REDOUTE, OFFER_RULE, moment(), _RESERVING, _GUARD), id="reserving"),
        pytest.param(lambda store: store.feeds.open(LEWIS, STOCK_RULE, moment(), OfferTerms(), _GUARD), id="stock"),
        pytest.param(lambda store: store.facts.of(LEWIS, [STOCK_RULE], OfferTerms(), NOON), id="facts"),
        pytest.param(lambda store: store.updates.acknowledge_new(LEWIS, _MOVES, NOON), id="acknowledge"),  # J7
        pytest.param(lambda store: store.updates.accept_in_stock(LEWIS, _MOVES, NOON), id="accept"),  # L13
        pytest.param(lambda store: store.updates.accept_claims(LEWIS, _MOVES, NOON), id="claims"),  # J12
        pytest.param(lambda store: store.updates.due(LEWIS), id="updates"),  # L13
        pytest.param(lambda store: store.orders.oldest_open(LEWIS), id="orders"),  # L12
        pytest.param(lambda store: store.updates.recover(NOON), id="recover"),
        pytest.param(lambda store: store.views.attention(), id="attention"),
        pytest.param(lambda store: store.views.waiting(NOON), id="waiting"),  # L12
        pytest.param(lambda store: store.views.order_errors(), id="errors"),  # J6
        pytest.param(lambda store: store.overview.deadlines(NOON, 10), id="deadlines"),  # L12
        pytest.param(lambda store: store.deliveries.unsettled(LEWIS, DeliveryKind.ORDER), id="unsettled"),  # D9
        pytest.param(lambda store: store.feeds.lapse(LEWIS, STOCK_RULE, moment()), id="lapse"),  # L8
        pytest.param(lambda store: store.updates.settle_silent(LEWIS, timedelta(hours=1), NOON), id="silence"),  # J13
    ],
)
async def test_nothing_to_do_costs_the_same_however_much_there_is(database: Database, turn: Turn) -> None:  # D2
    store = Store(database)

    async def steps(many: int) -> int:
        for sql in (_LISTINGS, *_ORDERS, *_DELIVERIES):
            await database.write(partial(_execute, sql=sql, many=many))
        await turn(store)  # terms are compared once
        return await steps_of(database, lambda: turn(store))

    few = await steps(50)
    assert await steps(2_000) <= few + 200


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(lambda db: in_stock(db, 1_000_000), id="in stock"),  # L13
        pytest.param(lambda db: match_lines(db, LEWIS, 1, NOON), id="match"),  # J2
        pytest.param(lambda db: reserve(db, LEWIS, _RESERVING, NOON), id="reserved"),  # L6
    ],
)
async def test_what_waits_is_found_among_all_that_was(
    database: Database, asked: Callable[[sqlite3.Connection], Any]
) -> None:
    await database.write(partial(_execute, sql=_LISTINGS, many=1))
    for sql in _WAITING:
        await database.write(partial(_execute, sql=sql, many=1))

    async def steps(many: int) -> int:
        for sql in (_LISTINGS, *_ORDERS, _UNLISTED):
            await database.write(partial(_execute, sql=sql, many=many))
        await database.write(asked)  # the first time there may be something to do
        return await steps_of(database, lambda: database.write(asked))

    few = await steps(50)
    assert await steps(2_000) <= few + 200
