"""Answers that come early, late, twice or out of order, and sends whose end nobody recorded, all end in one state."""

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from daemon.model import AccountName, AnswerLine, ChannelStatus, Feed, RemoteFile
from daemon.store.answers import Answered, Answers
from daemon.store.database import Database
from daemon.store.deliveries import Deliveries, DeliveryKind
from daemon.store.feeds import Feeds
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.listings import Listings
from daemon.store.payloads import Payloads
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment
from tests.store.steps import steps_of
from tests.store.test_feeds import (
    HOUR,
    LAMP,
    MINUTE,
    a_listing,
    feed_row,
    lewis_listing,
    opened,
    row,
    sent,
)
from tests.store.test_payloads import stream

DAY = timedelta(days=1)


async def spooled(database: Database, feed: Feed, name: str) -> Feed:
    payload, _ = await Payloads(database).write(stream(name.encode()), NOON)
    return await Feeds(database).spooled(feed, name, payload, NOON)


async def test_a_report_that_is_faster_than_the_reply_stands_whatever_the_sender_learns(
    database: Database,
) -> None:  # L8 L17
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds, answers = Feeds(database), Answers(database)
    feed = await spooled(database, await opened(feeds), "offers.xml")
    await answers.apply(REDOUTE, [AnswerLine(accepted=True, feed_name="offers.xml", sku=LAMP)], NOON)
    await feeds.in_doubt(feed, OFFER_RULE, "the reply was lost", moment(MINUTE))
    await feeds.refused(feed, OFFER_RULE, "no", moment(MINUTE))
    await feeds.withdrawn(feed, "nobody answered", moment(MINUTE))
    assert (await feed_row(database, feed))["state"] == "answered"
    assert (await row(database))["stock_state"] == "not_needed"
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 4}), NOON)
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR))
    assert closed == GateClosed(NOON + HOUR + MINUTE, "the last offer feed left less than 1:00:00 ago")


async def test_the_handle_of_a_feed_is_kept_though_its_report_came_first(database: Database) -> None:  # L17
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds, answers = Feeds(database), Answers(database)
    feed = await spooled(database, await opened(feeds), "offers.xml")
    await answers.apply(REDOUTE, [AnswerLine(accepted=True, feed_name="offers.xml", sku=LAMP)], NOON)
    await feeds.sent(feed, OFFER_RULE, "B7", moment(MINUTE))
    again = AnswerLine(accepted=True, remote_ref="B7", sku=LAMP)
    assert await answers.apply(REDOUTE, [again], NOON + MINUTE) == Answered()


@pytest.mark.parametrize("order", list(itertools.permutations(["B1", "B2"])))
@pytest.mark.parametrize("first_accepted", [True, False])
async def test_the_newer_feed_of_one_revision_has_the_last_word(
    database: Database, order: tuple[str, str], first_accepted: bool
) -> None:  # L8 L17
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE, "B1")
    await sent(database, feeds, await opened(feeds, after=3 * HOUR), 3 * HOUR, "B2")
    said = {
        "B1": AnswerLine(accepted=first_accepted, remote_ref="B1", sku=LAMP, text="first"),
        "B2": AnswerLine(accepted=not first_accepted, remote_ref="B2", sku=LAMP, text="second"),
    }
    for ref in order:
        await Answers(database).apply(REDOUTE, [said[ref]], NOON + 4 * HOUR)
    listing = await row(database)
    wanted = ("error", "second") if first_accepted else ("not_needed", "")
    assert (listing["stock_state"], listing["stock_error"]) == wanted


@pytest.mark.parametrize("is_spooled", [True, False])
async def test_a_send_whose_end_was_never_recorded_is_given_up(database: Database, is_spooled: bool) -> None:  # L8
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await opened(feeds, STOCK_RULE, account=LEWIS)
    if is_spooled:
        await spooled(database, feed, "stock.csv")
    await feeds.lapse(LEWIS, STOCK_RULE, moment(19 * MINUTE))
    assert (await feed_row(database, feed))["state"] == "sending"
    await feeds.lapse(LEWIS, STOCK_RULE, moment(20 * MINUTE))
    assert (await feed_row(database, feed))["state"] == ("in_doubt" if is_spooled else "withdrawn")
    await feeds.lapse(LEWIS, STOCK_RULE, moment(30 * MINUTE))
    assert (await row(database))["stock_state"] == "pending"


async def test_a_send_that_was_given_up_and_ended_well_is_sent(database: Database) -> None:  # L8
    await lewis_listing(database)
    feeds = Feeds(database)
    feed = await spooled(database, await opened(feeds, STOCK_RULE, account=LEWIS), "stock.csv")
    await feeds.lapse(LEWIS, STOCK_RULE, moment(20 * MINUTE))
    await feeds.sent(feed, STOCK_RULE, "", moment(21 * MINUTE))
    assert (await feed_row(database, feed))["state"] == "sent"


async def test_a_feed_that_was_sent_before_the_clock_was_set_back_lapses(database: Database) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds), MINUTE)
    back = moment(3 * HOUR, wall=-365 * DAY)
    assert len(await feeds.lapse(REDOUTE, OFFER_RULE, back)) == 1
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, back), Feed)


async def test_silence_is_heard_after_the_clock_was_set_back(database: Database) -> None:  # J4
    await lewis_listing(database)
    feeds = Feeds(database)
    await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    assert await feeds.settle_silent(LEWIS, STOCK_RULE, moment(HOUR, wall=-DAY)) == 1


async def many(database: Database, account: AccountName, count: int, status: ChannelStatus) -> None:
    await database.write(
        lambda db: (
            db.executemany(
                "INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, stock, price_minor,"
                " stock_state, stock_revision, created_at, changed_at)"
                " VALUES (?, ?, ?, ?, ?, 1, 100, 'pending', 1, 0, 0)",
                [(account, f"S{i}", f"E{i}", f"C{i}", status) for i in range(count)],
            ).rowcount
        )
    )


async def test_silence_settles_a_large_feed_piece_by_piece(database: Database) -> None:  # J4
    await many(database, LEWIS, 10_001, ChannelStatus.ABSENT)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    assert await feeds.settle_silent(LEWIS, STOCK_RULE, moment(31 * MINUTE)) == 10_001
    kept = await feed_row(database, feed)
    assert (kept["state"], kept["accepted"], kept["rejected"]) == ("answered", 10_001, 0)
    held = await database.write(lambda db: db.execute("SELECT count(*) FROM temp.applied").fetchone()[0])
    assert held < 10_001


async def test_counts_follow_a_fault_that_is_told_after_silence(database: Database) -> None:  # J4 L16
    await many(database, LEWIS, 3, ChannelStatus.ABSENT)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds, STOCK_RULE, account=LEWIS), MINUTE, "")
    await feeds.settle_silent(LEWIS, STOCK_RULE, moment(31 * MINUTE))
    line = AnswerLine(accepted=False, feed_name=f"feed-{feed.id}.xml", channel_item_id="C1", text="not ranged")
    await Answers(database).apply(LEWIS, [line, line], NOON + HOUR)
    kept = await feed_row(database, feed)
    assert (kept["state"], kept["accepted"], kept["rejected"]) == ("answered", 2, 1)


@pytest.mark.parametrize("named_by", ["sku", "ean", "channel_item_id"])
async def test_the_work_of_a_batch_of_answers_does_not_grow_with_the_feed(
    database: Database, named_by: str
) -> None:  # L17
    feeds, answers = Feeds(database), Answers(database)

    async def steps(count: int) -> int:
        ref = f"of {count}"
        await database.write(lambda db: db.execute("DELETE FROM feed_objects").rowcount)
        await database.write(lambda db: db.execute("DELETE FROM listings").rowcount)
        await many(database, REDOUTE, count, ChannelStatus.ABSENT)
        await database.write(lambda db: db.execute("UPDATE listings SET item_state = 'pending'").rowcount)
        await sent(database, feeds, await opened(feeds, ITEM_RULE, timedelta(seconds=count)), MINUTE, ref)
        line = AnswerLine(accepted=True, remote_ref=ref)
        names: dict[str, Callable[[int], AnswerLine]] = {
            "sku": lambda i: line._replace(sku=f"S{i}"),
            "ean": lambda i: line._replace(ean=f"E{i}"),
            "channel_item_id": lambda i: line._replace(channel_item_id=f"C{i}"),
        }
        lines = [names[named_by](i) for i in range(50)]
        return await steps_of(database, lambda: answers.apply(REDOUTE, lines, NOON))

    assert await steps(5_000) < 2 * await steps(200)


@pytest.mark.parametrize("lapses", [0, 1, 2])
async def test_another_verdict_counts_though_the_same_is_on_its_way_once_more(
    database: Database, lapses: int
) -> None:  # L17
    """Whether the newer feed lapses before, between or after two verdicts on the older, the later verdict stands."""
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds, answers = Feeds(database), Answers(database)
    await sent(database, feeds, await opened(feeds), MINUTE, "B1")
    await sent(database, feeds, await opened(feeds, after=3 * HOUR), 3 * HOUR, "B2")
    verdicts = [AnswerLine(accepted=accepted, remote_ref="B1", sku=LAMP, text="NO") for accepted in (True, False)]
    for place, line in enumerate([*verdicts, None]):
        if place == lapses:
            await feeds.lapse(REDOUTE, OFFER_RULE, moment(9 * HOUR))
        if line is not None:
            payload, _ = await Payloads(database).write(stream(bytes([place])), NOON)
            file = RemoteFile("/reports", f"{place}.csv", 1, NOON)
            kept = await Deliveries(database).keep(REDOUTE, DeliveryKind.REPORT, file, payload, NOON)
            await answers.apply(REDOUTE, [line], NOON + 9 * HOUR, kept.id)
    listing = await row(database)
    assert (listing["price_state"], listing["price_error"]) == ("error", "NO")
