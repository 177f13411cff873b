"""Feeds from claim to answer: what is due, what is carried, what each end does to the parts."""

from datetime import timedelta
from typing import Any

import pytest

from daemon.model import AnswerLine, ChannelStatus, Feed, FeedObject, Item, Money, Part, Sku
from daemon.store.answers import Answered, Answers
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.feeds import Feeds
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.listings import ItemRow, Listings, PriceRow
from daemon.store.payloads import Payloads
from daemon.store.rejections import Rejections
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment

LAMP = Sku("LAMP-1")
EAN = "3701234567891"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def a_listing(database: Database, *, status: ChannelStatus = ChannelStatus.ABSENT, sku: Sku = LAMP) -> None:
    """A complete listing with stock 5 at 100.00."""
    listings = Listings(database)
    await listings.put_items(REDOUTE, [ItemRow(sku, Item(ean=EAN, title="Lampe"))], NOON, [""], item_feed=True)
    await listings.put_stock(REDOUTE, Figures({sku: 5}), NOON)
    await listings.put_prices(REDOUTE, [PriceRow(sku, Money(10000, "EUR"), Money(20000, "EUR"))], NOON)
    if status is not ChannelStatus.ABSENT:
        await database.write(
            lambda db: (
                db.execute(
                    "UPDATE listings SET channel_status = ?, item_state = 'not_needed' WHERE sku = ?", (status, sku)
                ).rowcount
            )
        )


async def row(database: Database, sku: Sku = LAMP) -> dict[str, Any]:
    return await database.read(lambda db: dict(db.execute("SELECT * FROM listings WHERE sku = ?", (sku,)).fetchone()))


async def feed_row(database: Database, feed: Feed) -> dict[str, Any]:
    return await database.read(lambda db: dict(db.execute("SELECT * FROM feeds WHERE id = ?", (feed.id,)).fetchone()))


async def opened(feeds: Feeds, rule: Any = OFFER_RULE, after: timedelta = timedelta(), account: Any = REDOUTE) -> Feed:
    feed = await feeds.open(account, rule, moment(after))
    assert isinstance(feed, Feed)
    return feed


async def objects(feeds: Feeds, feed: Feed) -> list[FeedObject]:
    return [entry async for batch in feeds.objects(feed, "EUR") for entry in batch]


async def sent(database: Database, feeds: Feeds, feed: Feed, after: timedelta, ref: str = "B1") -> Feed:
    async def content() -> Any:
        yield f"feed {feed.id}".encode()

    payload, _ = await Payloads(database).write(content(), NOON)
    feed = await feeds.spooled(feed, f"feed-{feed.id}.xml", payload, NOON + after)
    await feeds.sent(feed, OFFER_RULE, ref, moment(after))
    return feed


async def test_an_item_feed_carries_what_is_pending_and_turns_it_sent(database: Database) -> None:  # L2
    await a_listing(database)
    feeds = Feeds(database)
    feed = await opened(feeds, ITEM_RULE)
    assert feed.size == 1
    assert [(entry.sku, entry.item.title, entry.parts) for entry in await objects(feeds, feed)] == [
        (LAMP, "Lampe", frozenset({Part.ITEM}))
    ]
    assert (await row(database))["item_state"] == "sent"
    assert await feeds.open(REDOUTE, ITEM_RULE, moment()) is None


async def test_a_good_item_answer_integrates_the_product_and_stores_the_part_number(
    database: Database,
) -> None:  # L2 L3
    await a_listing(database)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, ITEM_RULE), MINUTE)
    line = AnswerLine(accepted=True, remote_ref="B1", ean=EAN, channel_item_id="LR000000001")
    assert await Answers(database).apply(REDOUTE, [line], NOON + HOUR) == Answered(settled=1)
    listing = await row(database)
    assert (listing["item_state"], listing["channel_status"], listing["channel_item_id"]) == (
        "not_needed",
        "product_integrated",
        "LR000000001",
    )
    assert (await feed_row(database, feed))["state"] == "answered"


async def test_a_bad_item_answer_keeps_the_marketplaces_own_text(database: Database) -> None:  # L2
    await a_listing(database)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, ITEM_RULE), MINUTE)
    line = AnswerLine(accepted=False, feed_name=f"feed-{feed.id}.xml", ean=EAN, code="E7", text="MARQUE INCONNUE")
    await Answers(database).apply(REDOUTE, [line], NOON + HOUR)
    listing = await row(database)
    assert (listing["item_state"], listing["item_error"]) == ("error", "MARQUE INCONNUE")
    assert listing["channel_status"] == "absent"


async def test_an_offer_waits_for_its_product(database: Database) -> None:  # L3
    await a_listing(database)
    assert await Feeds(database).open(REDOUTE, OFFER_RULE, moment()) is None


async def test_the_first_offer_carries_stock_and_price_and_integrates_the_offer(database: Database) -> None:  # L3 L6 L7
    await a_listing(database, status=ChannelStatus.PRODUCT_INTEGRATED)
    feeds = Feeds(database)
    feed = await opened(feeds)
    (entry,) = await objects(feeds, feed)
    assert (entry.stock, entry.price, entry.rrp) == (5, Money(10000, "EUR"), Money(20000, "EUR"))
    assert entry.parts == {Part.STOCK, Part.PRICE}
    await sent(database, feeds, feed, MINUTE)
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)], NOON + HOUR)
    listing = await row(database)
    assert (listing["stock_state"], listing["price_state"], listing["channel_status"]) == (
        "not_needed",
        "not_needed",
        "offer_integrated",
    )


async def test_a_rejected_offer_puts_the_text_on_the_parts_it_carried(database: Database) -> None:  # L6 L7
    await a_listing(database, status=ChannelStatus.PRODUCT_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    answer = AnswerLine(accepted=False, remote_ref="B1", sku=LAMP, text="PRODUCT NOT FOUND")
    await Answers(database).apply(REDOUTE, [answer], NOON + HOUR)
    listing = await row(database)
    assert (listing["stock_state"], listing["stock_error"]) == ("error", "PRODUCT NOT FOUND")
    assert (listing["price_state"], listing["price_error"]) == ("error", "PRODUCT NOT FOUND")
    assert listing["item_error"] == ""


async def test_a_change_made_in_flight_stays_pending(database: Database) -> None:  # L6 D2
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 3}), NOON + 2 * MINUTE)
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)], NOON + HOUR)
    listing = await row(database)
    assert (listing["stock_state"], listing["price_state"]) == ("pending", "not_needed")


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_late_answer_never_undoes_a_newer_change(database: Database, accepted: bool) -> None:  # L8 L17
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE, "B1")
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 3}), NOON + 2 * MINUTE)
    second = await opened(feeds, after=3 * HOUR)
    await sent(database, feeds, second, 3 * HOUR + MINUTE, "B2")
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B2", sku=LAMP)], NOON + 4 * HOUR)
    late = AnswerLine(accepted=accepted, remote_ref="B1", sku=LAMP, text="late")
    await Answers(database).apply(REDOUTE, [late], NOON + 5 * HOUR)
    listing = await row(database)
    assert (listing["stock_state"], listing["stock_error"]) == ("not_needed", "")


async def test_the_same_answer_twice_changes_nothing_the_second_time(database: Database) -> None:  # D9
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    line = AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)
    assert (await Answers(database).apply(REDOUTE, [line, line], NOON + HOUR)).settled == 1
    assert (await Answers(database).apply(REDOUTE, [line], NOON + HOUR)).settled == 0


async def test_a_partial_answer_leaves_the_feed_open(database: Database) -> None:  # L16
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED, sku=Sku("LAMP-2"))
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds), MINUTE)
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)], NOON + HOUR)
    kept = await feed_row(database, feed)
    assert (kept["state"], kept["accepted"], kept["rejected"], kept["size"]) == ("sent", 1, 0, 2)


async def test_lines_of_unknown_feeds_and_strangers_are_counted(database: Database) -> None:  # L17
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    lines = [
        AnswerLine(accepted=True, remote_ref="B9", sku=LAMP),
        AnswerLine(accepted=True, remote_ref="B1", sku="NOBODY"),
    ]
    assert await Answers(database).apply(REDOUTE, lines, NOON + HOUR) == Answered(orphans=1, strangers=1)


async def test_an_ended_listing_goes_out_with_no_stock_and_comes_back_with_it(database: Database) -> None:  # L9
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds, listings, answers = Feeds(database), Listings(database), Answers(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    await answers.apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)], NOON + HOUR)
    item = Item(ean=EAN, title="Lampe")
    await listings.put_items(REDOUTE, [ItemRow(LAMP, item, ended=True)], NOON + HOUR, [""], item_feed=True)
    ending = await opened(feeds, after=2 * HOUR)
    assert [(entry.stock, entry.ended, entry.parts) for entry in await objects(feeds, ending)] == [
        (0, True, frozenset({Part.END}))
    ]
    await sent(database, feeds, ending, 2 * HOUR, "B2")
    await answers.apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B2", sku=LAMP)], NOON + 3 * HOUR)
    await listings.put_items(REDOUTE, [ItemRow(LAMP, item, ended=False)], NOON + 3 * HOUR, [""], item_feed=True)
    back = await opened(feeds, after=4 * HOUR)
    assert [(entry.stock, entry.ended) for entry in await objects(feeds, back)] == [(5, False)]


async def test_a_listing_is_ended_only_once_its_offer_is_integrated(database: Database) -> None:  # L9
    await a_listing(database, status=ChannelStatus.PRODUCT_INTEGRATED)
    rows = [ItemRow(LAMP, Item(ean=EAN, title="Lampe"), ended=True)]
    await Listings(database).put_items(REDOUTE, rows, NOON, [""], item_feed=True)
    assert await Feeds(database).open(REDOUTE, OFFER_RULE, moment()) is None


async def test_a_feed_that_was_withdrawn_leaves_the_rows_and_the_gate_as_they_were(database: Database) -> None:  # D2 L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    feed = await opened(feeds)
    await feeds.withdrawn(feed, "nobody answered the call", moment(MINUTE))
    assert (await row(database))["stock_state"] == "pending"
    again = await opened(feeds, after=MINUTE)
    assert again.id != feed.id


async def test_a_refused_feed_is_pending_again_and_the_gate_counts_it(database: Database) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await feeds.refused(await opened(feeds), OFFER_RULE, "0001: EUserId not valid", moment(MINUTE))
    assert (await row(database))["stock_state"] == "pending"
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(2 * MINUTE))
    assert isinstance(closed, GateClosed)
    assert closed.until == NOON + MINUTE + HOUR


async def test_a_feed_without_an_answer_lapses_after_patience_and_is_told(database: Database) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds), MINUTE)
    assert await feeds.lapse(REDOUTE, OFFER_RULE, moment(2 * HOUR)) == []
    lapsed = await feeds.lapse(REDOUTE, OFFER_RULE, moment(2 * HOUR + MINUTE))
    assert [entry.id for entry in lapsed] == [feed.id]
    assert (await row(database))["stock_state"] == "pending"
    assert (await feed_row(database, feed))["state"] == "lapsed"
    # The answer that comes after all still settles what has not changed since.
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=True, remote_ref="B1", sku=LAMP)], NOON + 3 * HOUR)
    assert (await row(database))["stock_state"] == "not_needed"


async def test_after_a_crash_a_spooled_feed_is_in_doubt_and_an_unspooled_one_withdrawn(
    database: Database,
) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    unspooled = await opened(feeds)
    assert await feeds.recover(moment(MINUTE)) == 1
    assert (await feed_row(database, unspooled))["state"] == "withdrawn"
    spooled = await opened(feeds, after=MINUTE)

    async def content() -> Any:
        yield b"bytes"

    payload, _ = await Payloads(database).write(content(), NOON)
    await feeds.spooled(spooled, "offers.xml", payload, NOON)
    assert await feeds.recover(moment(2 * MINUTE)) == 1
    assert (await feed_row(database, spooled))["state"] == "in_doubt"
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED, sku=Sku("LAMP-2"))
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR)), GateClosed)
    # A report settles it all the same: it names the file that we named before sending.
    await Answers(database).apply(
        REDOUTE, [AnswerLine(accepted=True, feed_name="offers.xml", sku=LAMP)], NOON + 2 * MINUTE
    )
    assert (await feed_row(database, spooled))["state"] == "answered"
    assert (await row(database))["stock_state"] == "not_needed"


async def lewis_listing(database: Database, number: str = "12345678", fault: str = "") -> None:
    listings = Listings(database)
    rows = [ItemRow(LAMP, Item(ean=EAN), channel_item_id=number)]
    await listings.put_items(LEWIS, rows, NOON, [fault], item_feed=False)
    await listings.put_stock(LEWIS, Figures({LAMP: 7}), NOON)


async def test_stock_needs_no_product_where_there_are_none(database: Database) -> None:  # J3
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await opened(feeds, STOCK_RULE, account=LEWIS)
    assert [(entry.channel_item_id, entry.stock) for entry in await objects(feeds, feed)] == [("12345678", 7)]


async def test_a_listing_without_a_valid_stock_number_is_never_sent(database: Database) -> None:  # J2
    await lewis_listing(database, "1234", "the Stock Number has 8 digits")
    assert await Feeds(database).open(LEWIS, STOCK_RULE, moment()) is None


async def test_a_changed_stock_number_sends_the_stock_again(database: Database) -> None:  # J2
    await lewis_listing(database)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    rows = [ItemRow(LAMP, Item(ean=EAN), channel_item_id="87654321")]
    changes = await Listings(database).put_items(LEWIS, rows, NOON + MINUTE, [""], item_feed=False)
    assert changes == [Change.CHANGED]
    feed = await opened(feeds, STOCK_RULE, 2 * MINUTE, account=LEWIS)
    assert [entry.channel_item_id for entry in await objects(feeds, feed)] == ["87654321"]


async def test_silence_means_yes_after_its_time(database: Database) -> None:  # J4
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    assert await feeds.settle_silent(LEWIS, STOCK_RULE, moment(30 * MINUTE)) == 0
    assert await feeds.settle_silent(LEWIS, STOCK_RULE, moment(31 * MINUTE)) == 1
    assert (await row(database))["stock_state"] == "not_needed"
    assert (await feed_row(database, feed))["state"] == "answered"


async def test_an_error_told_after_silence_still_counts(database: Database) -> None:  # J4
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    await feeds.settle_silent(LEWIS, STOCK_RULE, moment(31 * MINUTE))
    line = AnswerLine(accepted=False, feed_name=f"feed-{feed.id}.xml", channel_item_id="12345678", text="not ranged")
    await Answers(database).apply(LEWIS, [line], NOON + HOUR)
    listing = await row(database)
    assert (listing["stock_state"], listing["stock_error"]) == ("error", "not ranged")


async def test_an_answer_to_the_feed_as_a_whole_reaches_every_object(database: Database) -> None:  # J4
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    line = AnswerLine(accepted=False, feed_name=f"feed-{feed.id}.xml", text="file not readable")
    assert await Answers(database).apply(LEWIS, [line], NOON + HOUR) == Answered(settled=1)
    assert (await row(database))["stock_error"] == "file not readable"


async def test_another_try_of_an_item_that_our_own_rules_turned_down_sends_nothing(database: Database) -> None:  # J2
    await lewis_listing(database, "1234", "the Stock Number has 8 digits")
    assert (await Rejections(database).retry(LEWIS, LAMP, NOON)).again == ()
    assert await Feeds(database).open(LEWIS, STOCK_RULE, moment()) is None


async def test_another_try_of_an_item_that_the_marketplace_turned_down_sends_it_again(database: Database) -> None:  # L2
    await a_listing(database)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds, ITEM_RULE), MINUTE)
    await Answers(database).apply(REDOUTE, [AnswerLine(accepted=False, remote_ref="B1", ean=EAN)], NOON)
    assert (await Rejections(database).retry(REDOUTE, LAMP, NOON)).again == (Part.ITEM,)
    assert (await opened(feeds, ITEM_RULE, HOUR)).size == 1
