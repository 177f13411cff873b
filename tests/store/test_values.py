"""What the claim sends: the SQL against the pure rules, promotions at their edges, price history, knobs and orders."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import (
    AnswerLine,
    ChannelStatus,
    Delivery,
    Feed,
    FeedObject,
    FeedRule,
    Item,
    LegalMoves,
    Levies,
    LineState,
    Money,
    OfferTerms,
    Order,
    OrderLine,
    OrderNumber,
    Parcel,
    Part,
    Promotion,
    RemoteFile,
    Sale,
    Sku,
    StockKnobs,
    SyncState,
    UpdateKind,
)
from daemon.rules import eco, rrp, stock
from daemon.rules import promotions as rules
from daemon.rules.due import Standing, obstacles
from daemon.rules.promotions import Charged
from daemon.store import Store
from daemon.store.changes import Change
from daemon.store.database import Database, migrations, statements
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.opening import due_condition
from daemon.store.prices import _BEGAN, _LOWEST
from daemon.store.promotions import PromotionRow
from daemon.store.reference import ReferenceKind
from daemon.store.times import to_us
from daemon.store.values import named_terms, offered, reference, sold
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment

LAMP = Sku("LAMP-1")
EAN = "3701234567891"
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
START, END = NOON + 24 * HOUR, NOON + 48 * HOUR
SALE = Promotion(Money(7000, "EUR"), START, END, "Soldes")

figures = st.integers(0, 10**9)
knobs = st.builds(
    StockKnobs, st.none() | figures, st.none() | st.integers(0, 100), st.none() | figures, st.none() | figures
)
terms_of = st.builds(
    OfferTerms,
    safety_stock=figures,
    percentage=st.integers(0, 100),
    cap=st.none() | figures,
    threshold=figures,
    rrp_discount_bp=st.none() | st.integers(1, 9_999),
    less_eco=st.booleans(),
)


def memory() -> sqlite3.Connection:
    """A database of the newest schema that lives in memory, with one account and one listing."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for _, _, text in migrations():
        for statement in statements(text):
            db.execute(statement)
    db.execute("INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute')")
    db.execute("INSERT INTO listings (account, sku, created_at, changed_at) VALUES ('redoute', 'LAMP-1', 0, 0)")
    return db


MEMORY = memory()


def one(sql: str, values: Any = ()) -> Any:
    return MEMORY.execute(sql, values).fetchone()[0]


@given(st.none() | figures, figures, st.booleans(), knobs, terms_of)
def test_the_claims_stock_is_the_rules_stock(
    units: int | None, reserved: int, ended: bool, own: StockKnobs, terms: OfferTerms
) -> None:  # L6 L9
    MEMORY.execute(
        "UPDATE listings SET stock = ?, stock_reserved = ?, ended = ?, safety_stock = ?, stock_percentage = ?,"
        " stock_cap = ?, stock_threshold = ?",
        (units, reserved, ended, own.safety_stock, own.percentage, own.cap, own.threshold),
    )
    wanted = stock.offered(units or 0, own, terms, reserved=reserved, ended=ended)
    told = one(f"SELECT {offered()} FROM listings", named_terms(terms))
    assert told == (None if units is None and not ended else wanted)


@given(st.integers(1, 10**9), st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**4), terms_of)
def test_the_claims_price_and_rrp_are_those_of_the_rules(
    price: int, given_rrp: int | None, contribution: int | None, terms: OfferTerms
) -> None:  # L10 C8
    MEMORY.execute(
        "UPDATE listings SET price_minor = ?, rrp_minor = ?, eco_minor = ?, promotion = NULL",
        (price, given_rrp, contribution),
    )
    charged = eco.without(price, contribution, included=terms.less_eco)
    MEMORY.execute("DELETE FROM prices")
    assert one(f"SELECT {sold()} FROM listings", named_terms(terms)) == (charged if charged > 0 else None)
    if charged > 0:
        told = one(f"SELECT {reference()} FROM listings", named_terms(terms))
        recommended = None if given_rrp is None else eco.without(given_rrp, contribution, included=terms.less_eco)
        assert told == rrp.sent(charged, recommended, terms.rrp_discount_bp)


@given(
    st.lists(
        st.tuples(st.integers(0, 90 * 24), st.integers(1, 5), st.booleans()), max_size=8, unique_by=lambda each: each[0]
    ),
    st.integers(0, 90 * 24),
)
def test_the_judged_history_is_the_rules_history(rows: Sequence[tuple[int, int, bool]], start: int) -> None:  # L11
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    history = [Charged(epoch + hours * HOUR, minor, reduced) for hours, minor, reduced in sorted(rows)]
    starts_at = epoch + start * HOUR
    MEMORY.execute("DELETE FROM prices")
    MEMORY.execute(
        "INSERT OR IGNORE INTO promotions (id, account, listing, price_minor, starts_at, ends_at, imported_at)"
        " VALUES (1, 'redoute', 1, 1, 0, 1, 0)"
    )
    MEMORY.executemany(
        "INSERT INTO prices VALUES (1, ?, ?, ?)",
        [(to_us(each.since), each.minor, 1 if each.reduced else None) for each in history],
    )
    sql = f"SELECT {_LOWEST} FROM (SELECT l.id, {_BEGAN} AS began FROM listings l, (SELECT ? AS starts_at) s) b"
    assert one(sql, (to_us(starts_at),)) == rules.lowest_before(history, rules.began(history, starts_at))


@given(
    st.sampled_from([ITEM_RULE, OFFER_RULE, STOCK_RULE]),
    st.fixed_dictionaries({part: st.sampled_from(SyncState) for part in Part}),
    st.sampled_from(ChannelStatus),
    st.sampled_from(["", "12345678"]),
    st.booleans(),
    st.none() | st.just(5),
    st.none() | st.just(100),
    st.none() | st.sampled_from([99, 100]),
    st.booleans(),
    st.frozensets(st.sampled_from([Part.STOCK, Part.PRICE, Part.END])),
    st.booleans(),
)
def test_the_claims_due_is_the_rules_due(
    rule: FeedRule,
    states: dict[Part, SyncState],
    status: ChannelStatus,
    number: str,
    ended: bool,
    units: int | None,
    price: int | None,
    contribution: int | None,
    less_eco: bool,
    held: frozenset[Part],
    charged: bool,
) -> None:  # L3 L6 L7 L9 C8
    MEMORY.execute(
        "UPDATE listings SET item_state = ?, stock_state = ?, price_state = ?, end_state = ?, channel_status = ?,"
        " channel_item_id = ?, ended = ?, stock = ?, price_minor = ?, eco_minor = ?,"
        " stock_hold = iif(?, stock_revision, stock_revision - 1), price_hold = iif(?, price_revision, NULL),"
        " end_hold = iif(?, end_revision, NULL)",
        (
            *(states[part] for part in (Part.ITEM, Part.STOCK, Part.PRICE, Part.END)),
            status,
            number,
            ended,
            units,
            price,
            contribution,
            *(part in held for part in (Part.STOCK, Part.PRICE, Part.END)),
        ),
    )
    MEMORY.execute("DELETE FROM prices")
    MEMORY.executemany("INSERT INTO prices VALUES (1, 0, 90, NULL)", [()] * charged)
    named = {"account": "redoute", **named_terms(OfferTerms(less_eco=less_eco))}
    due = one(f"SELECT count(*) FROM listings WHERE {due_condition(rule)}", named)
    standing = Standing(
        states, status, number, ended, units, price, held, (contribution or 0) * less_eco, charged=charged
    )
    assert bool(due) == (not obstacles(rule, standing))


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


async def a_listing(store: Store, *, price: int = 10000, rrp_minor: int | None = None, units: int = 5) -> None:
    """A listing whose offer is in, with everything of it to be sent."""
    await store.listings.put_items(REDOUTE, [ItemRow(LAMP, Item(ean=EAN))], NOON, [""], item_feed=True)
    await store.listings.put_stock(REDOUTE, Figures({LAMP: units}), NOON)
    recommended = None if rrp_minor is None else Money(rrp_minor, "EUR")
    await store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(price, "EUR"), recommended)], NOON)
    await run(store, "UPDATE listings SET channel_status = 'offer_integrated', item_state = 'not_needed'")


async def run(store: Store, sql: str, *values: Any) -> None:
    await store.database.write(lambda db: db.execute(sql, values).rowcount)


async def row(store: Store) -> dict[str, Any]:
    return await store.database.read(lambda db: dict(db.execute("SELECT * FROM listings").fetchone()))


async def states(store: Store) -> tuple[str, str]:
    kept = await row(store)
    return kept["stock_state"], kept["price_state"]


async def turn(store: Store, after: timedelta, terms: OfferTerms = OfferTerms()) -> FeedObject | None:  # noqa: B008
    """One offers turn: what it sends of the listing and is accepted at once, None when nothing is due."""
    feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(after), terms)
    if feed is None:
        return None
    assert isinstance(feed, Feed), feed
    (entry,) = [entry async for batch in store.feeds.objects(feed, "EUR") for entry in batch]

    async def content() -> Any:
        yield f"feed of {after}".encode()

    payload, _ = await store.payloads.write(content(), NOON + after)
    feed = await store.feeds.spooled(feed, f"feed-{feed.id}.xml", payload, NOON + after)
    await store.feeds.sent(feed, OFFER_RULE, f"B{feed.id}", moment(after))
    line = AnswerLine(accepted=True, remote_ref=f"B{feed.id}", sku=LAMP)
    await store.answers.apply(REDOUTE, [line], NOON + after + HOUR / 2)
    return entry


async def promote(store: Store, *promotions: Promotion, at: datetime = NOON, cancel: bool = False) -> list[Change]:
    rows = [PromotionRow(LAMP, each, cancelled=cancel) for each in promotions]
    return [change for change, _ in await store.promotions.put(REDOUTE, rows, at)]


async def test_a_promotion_sets_price_and_reference_from_its_start_to_its_end(store: Store) -> None:  # L11
    await a_listing(store, rrp_minor=20000)
    assert await promote(store, SALE) == [Change.CREATED]
    before = await turn(store, timedelta())
    assert before is not None
    assert (before.price, before.rrp, before.promotion) == (Money(10000, "EUR"), Money(20000, "EUR"), None)
    assert await turn(store, START - NOON - TICK) is None
    during = await turn(store, START - NOON)
    assert during is not None
    assert (during.price, during.rrp, during.promotion) == (Money(7000, "EUR"), Money(10000, "EUR"), SALE)
    assert during.parts == {Part.PRICE}
    assert await turn(store, END - NOON - TICK) is None
    after = await turn(store, END - NOON)
    assert after is not None
    assert (after.price, after.rrp, after.promotion) == (Money(10000, "EUR"), Money(20000, "EUR"), None)


async def test_begun_while_the_gate_is_closed_it_is_pending_once_and_leaves_when_it_opens(store: Store) -> None:  # L11
    await a_listing(store)
    await promote(store, SALE)
    await turn(store, START - NOON - HOUR / 2)
    revisions = []
    for minutes in (0, 10, 20):
        closed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(START - NOON + timedelta(minutes=minutes)))
        assert isinstance(closed, GateClosed)
        revisions.append((await row(store))["price_revision"])
    assert len(set(revisions)) == 1
    assert await states(store) == ("not_needed", "pending")
    assert (sent := await turn(store, START - NOON + HOUR / 2)) is not None
    assert sent.price == Money(7000, "EUR")


async def test_a_promotion_that_passed_unseen_changes_nothing(store: Store) -> None:  # L11
    await a_listing(store)
    await promote(store, SALE)
    await turn(store, timedelta())
    assert await turn(store, END - NOON + HOUR) is None


async def test_overlapping_promotions_are_told_and_adjoining_ones_taken(store: Store) -> None:  # L11
    await a_listing(store)
    ahead = Promotion(Money(6000, "EUR"), START - HOUR, START + TICK)
    behind = Promotion(Money(6000, "EUR"), END, END + HOUR)
    assert await promote(store, SALE, ahead, behind) == [Change.CREATED, Change.OVERLAPS, Change.CREATED]
    assert await promote(store, SALE) == [Change.UNCHANGED]
    longer = Promotion(Money(7000, "EUR"), START, END + TICK)
    assert await promote(store, longer) == [Change.OVERLAPS]
    assert await promote(store, behind, cancel=True) == [Change.CHANGED]
    assert await promote(store, longer) == [Change.CHANGED]


async def test_a_promotion_taken_back_restores_the_price(store: Store) -> None:  # L11
    await a_listing(store)
    await promote(store, SALE)
    assert (sent := await turn(store, START - NOON)) is not None
    assert sent.price == Money(7000, "EUR")
    await promote(store, SALE, at=START + HOUR, cancel=True)
    assert (sent := await turn(store, START - NOON + 2 * HOUR)) is not None
    assert (sent.price, sent.promotion) == (Money(10000, "EUR"), None)


async def test_the_prices_that_were_charged_are_kept_from_their_sending(store: Store) -> None:  # L11
    await a_listing(store)
    await promote(store, SALE)
    await turn(store, timedelta())
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 4}), NOON)
    await turn(store, 2 * HOUR)  # the same price once more is no new one
    await turn(store, START - NOON)
    await turn(store, END - NOON)
    view = await store.views.listing(REDOUTE, LAMP)
    assert view is not None
    assert [(each["since"], each["price_minor"], each["promotion"] is not None) for each in view["prices"]] == [
        ("2026-03-02T12:00:00.000Z", 10000, False),
        ("2026-03-03T12:00:00.000Z", 7000, True),
        ("2026-03-04T12:00:00.000Z", 10000, False),
    ]
    assert [(each["price_minor"], each["withdrawn_at"]) for each in view["promotions"]] == [(7000, None)]


async def test_a_rejected_price_was_never_charged(store: Store) -> None:  # L11
    await a_listing(store)
    feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment())
    assert isinstance(feed, Feed)
    await run(store, "UPDATE feeds SET remote_ref = 'B1', state = 'sent'")
    await store.answers.apply(REDOUTE, [AnswerLine(accepted=False, remote_ref="B1", sku=LAMP, text="NON")], NOON)
    view = await store.views.listing(REDOUTE, LAMP)
    assert view is not None
    assert view["prices"] == []


async def raised(store: Store) -> None:
    """9000 was charged until the day before the promotion; since then it is 10000."""
    await a_listing(store, price=9000)
    await turn(store, timedelta())
    await store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(10000, "EUR"))], NOON)
    await turn(store, 2 * HOUR)
    await promote(store, SALE, at=NOON + 3 * HOUR)


async def test_a_reference_above_the_lowest_of_30_days_is_warned_of_and_sent(store: Store) -> None:  # L11 C1
    await raised(store)
    assert (sent := await turn(store, START - NOON)) is not None
    assert sent.price == Money(7000, "EUR")
    view = await store.views.listing(REDOUTE, LAMP)
    assert view is not None
    assert "higher than 90.00" in view["warnings"][0]["text"]
    assert view["parts"]["price"]["state"] == "not_needed"
    await turn(store, END - NOON)
    view = await store.views.listing(REDOUTE, LAMP)
    assert view is not None
    assert view["warnings"] == []


async def test_where_it_blocks_the_price_is_in_error_and_stock_still_goes(store: Store) -> None:  # L11 C1
    await raised(store)
    block = OfferTerms(reduction_policy="block")
    assert await turn(store, START - NOON, block) is None
    kept = await row(store)
    assert (kept["price_state"], kept["stock_state"]) == ("error", "not_needed")
    assert "higher than 90.00" in kept["price_error"]
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 3}), START)
    assert (sent := await turn(store, START - NOON + HOUR, block)) is not None
    assert (sent.stock, sent.price, sent.rrp, sent.promotion) == (3, Money(10000, "EUR"), None, None)
    assert sent.parts == {Part.STOCK}
    assert (await row(store))["price_state"] == "error"
    # The end of the window makes it pending again, and there is nothing to forbid any more.
    assert (sent := await turn(store, END - NOON, block)) is not None
    assert (sent.price, await states(store)) == (Money(10000, "EUR"), ("not_needed", "not_needed"))


async def test_a_blocked_promotion_that_follows_another_takes_the_reduced_price_back(store: Store) -> None:  # L11
    await a_listing(store)
    await turn(store, timedelta())
    block = OfferTerms(reduction_policy="block")
    await promote(store, SALE, Promotion(Money(10500, "EUR"), END, END + DAY))
    assert (sent := await turn(store, START - NOON, block)) is not None
    assert sent.price == Money(7000, "EUR")
    assert (sent := await turn(store, END - NOON, block)) is not None
    assert (sent.price, sent.promotion, sent.parts) == (Money(10000, "EUR"), None, frozenset({Part.STOCK}))
    assert "is not below" in (await row(store))["price_error"]


async def test_a_second_reduction_goes_by_the_price_before_the_first(store: Store) -> None:  # L11
    await a_listing(store)
    await turn(store, timedelta())
    block = OfferTerms(reduction_policy="block")
    await promote(store, SALE, Promotion(Money(6000, "EUR"), END, END + DAY))
    await turn(store, START - NOON, block)
    assert (sent := await turn(store, END - NOON, block)) is not None
    assert (sent.price, sent.rrp) == (Money(6000, "EUR"), Money(10000, "EUR"))


@pytest.mark.parametrize(("policy", "state"), [("allow", "not_needed"), ("warn", "not_needed"), ("block", "error")])
async def test_a_price_of_which_no_history_is_known_has_its_policy(
    store: Store, policy: Any, state: str
) -> None:  # L11
    await a_listing(store)
    await promote(store, SALE)
    sent = await turn(store, START - NOON, OfferTerms(unknown_history=policy))
    assert sent is not None
    assert sent.price == Money(10000 if policy == "block" else 7000, "EUR")
    kept = await row(store)
    assert kept["price_state"] == state
    assert bool(kept["price_warning"]) == (policy == "warn")


async def test_changed_terms_of_the_account_send_what_they_change(store: Store) -> None:  # L6 L10
    await a_listing(store, rrp_minor=20000)
    assert (sent := await turn(store, timedelta())) is not None
    assert (sent.stock, sent.rrp) == (5, Money(20000, "EUR"))
    assert await turn(store, 2 * HOUR, OfferTerms(cap=7)) is None
    capped = OfferTerms(cap=4, rrp_discount_bp=4000)
    assert (sent := await turn(store, 3 * HOUR, capped)) is not None
    assert (sent.stock, sent.rrp, sent.parts) == (4, Money(16666, "EUR"), frozenset({Part.STOCK, Part.PRICE}))
    assert await turn(store, 5 * HOUR, capped) is None


async def test_a_listings_own_knobs_send_its_stock_again(store: Store) -> None:  # L6
    await a_listing(store)
    await turn(store, timedelta())
    own = ItemRow(LAMP, Item(ean=EAN), knobs=StockKnobs(safety_stock=2))
    assert await store.listings.put_items(REDOUTE, [own], NOON, [""], item_feed=True) == [Change.CHANGED]
    assert await store.listings.put_items(REDOUTE, [own], NOON, [""], item_feed=True) == [Change.UNCHANGED]
    await store.listings.put_items(REDOUTE, [ItemRow(LAMP, Item(ean=EAN))], NOON, [""], item_feed=True)
    assert (sent := await turn(store, 2 * HOUR)) is not None
    assert sent.stock == 3


async def an_order(store: Store, quantity: int, state: LineState, number: str = "O-1") -> None:
    order = Order(OrderNumber(number), (OrderLine("L1", quantity, state, ean=EAN),), ordered_at=NOON)
    content = f"{number} {state}".encode()
    file = RemoteFile("orders", f"{number}-{state}.xml", len(content))
    await store.orders.keep(REDOUTE, [Delivery(file, content, (order,))], NOON)


async def test_units_of_open_orders_are_held_back_until_the_seller_reports_them(store: Store) -> None:  # L6
    await a_listing(store)
    reserve = OfferTerms(reserve_open_orders=True)
    assert (sent := await turn(store, timedelta(), reserve)) is not None
    assert sent.stock == 5
    await an_order(store, 2, LineState.NEW)
    assert (sent := await turn(store, 2 * HOUR, reserve)) is not None
    assert (sent.stock, sent.parts) == (3, frozenset({Part.STOCK}))
    assert await turn(store, 4 * HOUR, reserve) is None
    await run(store, "UPDATE order_lines SET state = 'shipped', shipped = 2")
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 3}), NOON)
    assert (sent := await turn(store, 6 * HOUR, reserve)) is not None
    assert sent.stock == 3


async def test_units_that_left_are_counted_once_while_their_answer_is_awaited(store: Store) -> None:  # L6 J8
    await a_listing(store, units=10)
    reserve = OfferTerms(reserve_open_orders=True)
    await an_order(store, 5, LineState.TO_SHIP)
    assert (sent := await turn(store, timedelta(), reserve)) is not None
    assert sent.stock == 5
    moves = LegalMoves({UpdateKind.DISPATCH: frozenset({LineState.TO_SHIP})}, by_units=frozenset({UpdateKind.DISPATCH}))
    parcel = Parcel("dpd", "15501234567890", "", NOON)
    number = OrderNumber("O-1")
    await store.updates.open(
        REDOUTE, number, UpdateKind.DISPATCH, [("L1", 2)], legal_moves=moves, at=NOON, parcel=parcel
    )
    assert (sent := await turn(store, 2 * HOUR, reserve)) is not None
    assert sent.stock == 7
    (due,) = await store.updates.due(REDOUTE)
    await store.updates.sending(due.id, "update-1", b"bytes", NOON)
    await store.updates.sent(due.id, HOUR, NOON)
    # The line tells the two units itself now: three stay reserved.
    assert await turn(store, 4 * HOUR, reserve) is None


async def test_a_refund_of_what_has_left_frees_no_unit_that_is_still_to_leave(store: Store) -> None:  # L6 J10
    await a_listing(store, units=10)
    reserve = OfferTerms(reserve_open_orders=True)
    await an_order(store, 5, LineState.TO_SHIP)
    await run(store, "UPDATE order_lines SET shipped = 2")
    assert (sent := await turn(store, timedelta(), reserve)) is not None
    assert sent.stock == 7
    moves = LegalMoves({UpdateKind.REFUND: frozenset({LineState.TO_SHIP})}, by_units=frozenset({UpdateKind.REFUND}))
    await store.updates.open(
        REDOUTE, OrderNumber("O-1"), UpdateKind.REFUND, [("L1", 2)], legal_moves=moves, at=NOON + HOUR
    )
    assert await turn(store, 2 * HOUR, reserve) is None


async def test_a_refund_of_a_line_that_has_not_left_frees_its_units(store: Store) -> None:  # L6 L14
    await a_listing(store, units=10)
    reserve = OfferTerms(reserve_open_orders=True)
    await an_order(store, 5, LineState.TO_SHIP)
    assert (sent := await turn(store, timedelta(), reserve)) is not None
    assert sent.stock == 5
    moves = LegalMoves({UpdateKind.REFUND: frozenset({LineState.TO_SHIP})}, cancels=(UpdateKind.REFUND,))
    await store.updates.cancel(REDOUTE, OrderNumber("O-1"), None, legal_moves=moves, at=NOON + HOUR)
    assert (sent := await turn(store, 2 * HOUR, reserve)) is not None
    assert sent.stock == 10


async def test_without_the_setting_open_orders_hold_nothing_back(store: Store) -> None:  # L6
    await a_listing(store)
    await an_order(store, 2, LineState.NEW)
    assert (sent := await turn(store, timedelta())) is not None
    assert sent.stock == 5
    reserve = OfferTerms(reserve_open_orders=True)
    assert (sent := await turn(store, 2 * HOUR, reserve)) is not None
    assert sent.stock == 3
    assert (sent := await turn(store, 4 * HOUR)) is not None
    assert sent.stock == 5


async def test_the_knobs_hold_for_john_lewis_too(store: Store) -> None:  # J3 L6
    rows = [ItemRow(LAMP, Item(ean=EAN), channel_item_id="12345678")]
    await store.listings.put_items(LEWIS, rows, NOON, [""], item_feed=False)
    await store.listings.put_stock(LEWIS, Figures({LAMP: 7}), NOON)
    feed = await store.feeds.open(LEWIS, STOCK_RULE, moment(), OfferTerms(safety_stock=2))
    assert isinstance(feed, Feed)
    assert [entry.stock async for batch in store.feeds.objects(feed, "GBP") for entry in batch] == [5]


LESS = OfferTerms(less_eco=True)


async def levied(store: Store, levies: Levies) -> Change:
    row = ItemRow(LAMP, Item(ean=EAN), levies=levies)
    (change,) = await store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True)
    return change


async def test_prices_that_include_the_eco_contribution_are_sent_without(store: Store) -> None:  # C8 L10 L11
    await a_listing(store, rrp_minor=20000)
    await levied(store, Levies(eco_minor=60, epr_code="FR-DEA"))
    await promote(store, SALE)
    capped = OfferTerms(less_eco=True, rrp_discount_bp=4000)
    assert (sent := await turn(store, timedelta(), capped)) is not None
    # 99.40 / 0.6, cut: the cap goes by what is sent.
    assert (sent.price, sent.rrp) == (Money(9940, "EUR"), Money(16566, "EUR"))
    assert (sent := await turn(store, START - NOON, capped)) is not None
    assert (sent.price, sent.rrp) == (Money(6940, "EUR"), Money(9940, "EUR"))
    # The history knows what was sent, so the reduction is judged by like and like.
    assert (await row(store))["price_warning"] == ""


async def test_the_setting_and_the_contribution_send_the_price_again(store: Store) -> None:  # C8
    await a_listing(store)
    await levied(store, Levies(eco_minor=60, epr_code="FR-DEA"))
    assert (sent := await turn(store, timedelta())) is not None
    assert sent.price == Money(10000, "EUR")
    assert (sent := await turn(store, 2 * HOUR, LESS)) is not None
    assert (sent.price, sent.parts) == (Money(9940, "EUR"), frozenset({Part.PRICE}))
    assert await turn(store, 4 * HOUR, LESS) is None
    assert await levied(store, Levies(eco_minor=70, epr_code="FR-DEA")) is Change.CHANGED
    assert await levied(store, Levies(eco_minor=70, epr_code="FR-DEA")) is Change.UNCHANGED
    assert (sent := await turn(store, 6 * HOUR, LESS)) is not None
    assert sent.price == Money(9930, "EUR")
    assert await levied(store, Levies(eco_minor=70, epr_code="FR-MH")) is Change.CHANGED
    assert await turn(store, 8 * HOUR, LESS) is None


async def test_a_price_that_is_all_eco_contribution_is_an_error_and_never_sent(store: Store) -> None:  # C8
    await a_listing(store, price=60)
    await levied(store, Levies(eco_minor=60, epr_code="FR-DEA"))
    assert await turn(store, timedelta(), LESS) is None
    kept = await row(store)
    assert (kept["price_state"], kept["stock_state"]) == ("error", "pending")
    assert "no more than the eco-contribution" in kept["price_error"]
    await store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(61, "EUR"))], NOON)
    assert (sent := await turn(store, HOUR, LESS)) is not None
    assert sent.price == Money(1, "EUR")


async def test_a_wrong_contribution_does_not_hold_the_stock_or_the_end_back(store: Store) -> None:  # C8 L6 L9
    await a_listing(store, rrp_minor=20000)
    await turn(store, timedelta(), LESS)
    await levied(store, Levies(eco_minor=10000, epr_code="FR-DEA"))
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 3}), NOON)
    assert (sent := await turn(store, 2 * HOUR, LESS)) is not None
    assert (sent.stock, sent.price, sent.rrp, sent.parts) == (3, Money(10000, "EUR"), None, frozenset({Part.STOCK}))
    assert (await row(store))["price_state"] == "error"
    ended = ItemRow(LAMP, Item(ean=EAN), ended=True)
    await store.listings.put_items(REDOUTE, [ended], NOON, [""], item_feed=True)
    assert (sent := await turn(store, 4 * HOUR, LESS)) is not None
    assert (sent.stock, sent.ended, sent.price) == (0, True, Money(10000, "EUR"))


async def test_a_promotion_that_is_all_eco_contribution_is_blocked(store: Store) -> None:  # C8 L11
    await a_listing(store)
    await turn(store, timedelta(), LESS)
    await levied(store, Levies(eco_minor=7000, epr_code="FR-DEA"))
    await promote(store, SALE)
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 3}), NOON)
    assert (sent := await turn(store, START - NOON, LESS)) is not None
    assert (sent.price, sent.promotion) == (Money(3000, "EUR"), None)
    assert "eco-contribution" in (await row(store))["price_error"]


async def test_a_vat_rate_of_its_own_and_another_one_of_the_account_send_the_price_again(store: Store) -> None:  # C4
    await a_listing(store)
    twenty, ten = OfferTerms(vat_rate=Decimal("0.20")), OfferTerms(vat_rate=Decimal("0.1"))
    assert (sent := await turn(store, timedelta(), twenty)) is not None
    assert sent.vat_rate is None
    # As it was written does not matter, and what was never kept is no other one.
    assert await turn(store, 2 * HOUR, OfferTerms(vat_rate=Decimal("0.2"))) is None
    assert (sent := await turn(store, 4 * HOUR, ten)) is not None
    assert sent.parts == {Part.PRICE}
    await levied(store, Levies(vat_rate=Decimal("0.055")))
    assert (sent := await turn(store, 6 * HOUR, ten)) is not None
    assert sent.vat_rate == Decimal("0.055")
    assert await turn(store, 8 * HOUR, twenty) is None


SUMMER = Sale("ETE", "Soldes", START, END, NOON)
IN_SALE = Promotion(Money(7000, "EUR"), START, END, "Soldes", "ETE")
NO_SALES = OfferTerms(sale_policy="block")


async def month_old(store: Store) -> None:
    """On offer a month before the promotion starts."""
    await a_listing(store)
    await turn(store, timedelta())
    await run(store, "UPDATE prices SET since = ?", to_us(datetime(2026, 2, 3, 12, 0, tzinfo=UTC)))


async def test_a_promotion_of_a_sale_that_keeps_its_rules_is_sent(store: Store) -> None:  # C3
    await month_old(store)
    await store.reference.replace(REDOUTE, ReferenceKind.SALES, [SUMMER], NOON)
    await promote(store, IN_SALE)
    assert (sent := await turn(store, START - NOON, NO_SALES)) is not None
    assert (sent.price, sent.promotion) == (Money(7000, "EUR"), IN_SALE)
    assert (await row(store))["price_warning"] == ""


@pytest.mark.parametrize(
    ("sale", "imported", "told"),
    [
        (SUMMER, NOON + TICK, "after the deadline"),
        (Sale("ETE", "Soldes", START + TICK, END), NOON, "not inside the sale"),
        (Sale("HIVER", "Soldes", START, END), NOON, "not in the imported sales"),
        (Sale("ETE", "Soldes", START - TICK, END), NOON, "on offer since 2026-02-03 alone"),
    ],
)
async def test_one_that_breaks_them_is_warned_of_or_blocked(
    store: Store, sale: Sale, imported: datetime, told: str
) -> None:  # C3
    await month_old(store)
    await store.reference.replace(REDOUTE, ReferenceKind.SALES, [sale], NOON)
    await promote(store, IN_SALE, at=imported)
    assert (sent := await turn(store, START - NOON)) is not None
    assert sent.price == Money(7000, "EUR")
    assert told in (await row(store))["price_warning"]
    # The same sales once more: what is in force is judged anew.
    await store.reference.replace(REDOUTE, ReferenceKind.SALES, [sale], NOON)
    assert (sent := await turn(store, START - NOON + 2 * HOUR, NO_SALES)) is not None
    assert (sent.price, sent.promotion) == (Money(10000, "EUR"), None)
    assert told in (await row(store))["price_error"]
