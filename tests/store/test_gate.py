"""The hour between two stock and price feeds of one account, in literal times (L8)."""

from datetime import timedelta

import pytest

from daemon.model import ChannelStatus, Feed
from daemon.store.database import Database
from daemon.store.feeds import Feeds
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.listings import Listings
from tests.store.conftest import ITEM_RULE, NOON, OFFER_RULE, REDOUTE, moment
from tests.store.test_feeds import HOUR, LAMP, MINUTE, a_listing, opened, sent

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


async def answered_feed(database: Database, end: timedelta) -> None:
    """A feed that was opened at noon, whose send ended `end` after, and that was answered; something new waits."""
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    feed = await sent(database, feeds, await opened(feeds), end)
    await database.write(lambda db: db.execute("UPDATE feeds SET state = 'answered' WHERE id = ?", (feed.id,)).rowcount)
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 4}), NOON)


async def test_the_hour_counts_from_the_end_of_the_send(database: Database) -> None:  # L8
    await answered_feed(database, 5 * MINUTE)
    feeds = Feeds(database)
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR + 5 * MINUTE - TICK))
    assert closed == GateClosed(NOON + HOUR + 5 * MINUTE, "the last offer feed left less than 1:00:00 ago")
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR + 5 * MINUTE)), Feed)


async def test_a_price_waits_at_the_gate_that_a_stock_has_closed(database: Database) -> None:  # L7 L8
    """And a stock at the one that a price has closed: all offers of an account share one gate (P1)."""
    await answered_feed(database, timedelta())
    feeds, listings = Feeds(database), Listings(database)

    async def due(part: str) -> None:
        states = {other: "pending" if other == part else "not_needed" for other in ("stock", "price")}
        await database.write(
            lambda db: (
                db.execute(
                    "UPDATE listings SET stock_state = :stock, price_state = :price, price_minor = 1000", states
                ).rowcount
            )
        )

    await due("stock")
    stock = await sent(database, feeds, await opened(feeds, after=HOUR), HOUR)
    await database.write(
        lambda db: db.execute("UPDATE feeds SET state = 'answered' WHERE id = ?", (stock.id,)).rowcount
    )
    await due("price")
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(2 * HOUR - SECOND)), GateClosed)
    price = await sent(database, feeds, await opened(feeds, after=2 * HOUR), 2 * HOUR)
    await database.write(
        lambda db: db.execute("UPDATE feeds SET state = 'answered' WHERE id = ?", (price.id,)).rowcount
    )
    await listings.put_stock(REDOUTE, Figures({LAMP: 7}), NOON)
    await due("stock")
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(3 * HOUR - SECOND)), GateClosed)


async def test_a_closed_gate_says_nothing_when_nothing_is_due(database: Database) -> None:  # L8
    await answered_feed(database, MINUTE)
    await database.write(lambda db: db.execute("UPDATE listings SET stock_state = 'not_needed'").rowcount)
    assert await Feeds(database).open(REDOUTE, OFFER_RULE, moment(2 * MINUTE)) is None


async def test_the_claim_closes_the_gate_before_anything_is_sent(database: Database) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    feed = await opened(feeds)
    await feeds.in_doubt(feed, OFFER_RULE, "cut", moment(MINUTE))
    await database.write(lambda db: db.execute("UPDATE feeds SET state = 'lapsed'").rowcount)
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 4}), NOON)
    # The send might have lasted up to its deadline of ten minutes, so the hour counts from there.
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR + 10 * MINUTE - TICK))
    assert isinstance(closed, GateClosed)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR + 10 * MINUTE)), Feed)


@pytest.mark.parametrize("step", [timedelta(days=-1), -HOUR / 2, HOUR, timedelta(days=1)])
async def test_a_step_of_the_wall_clock_moves_nothing(database: Database, step: timedelta) -> None:  # L8
    await answered_feed(database, timedelta())
    feeds = Feeds(database)
    early = moment(HOUR - SECOND, wall=HOUR - SECOND + step)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, early), GateClosed)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR, wall=HOUR + step)), Feed)


async def test_no_two_feeds_of_a_kind_are_opened_in_one_second_of_the_wall_clock(database: Database) -> None:  # L8 L16
    await answered_feed(database, timedelta())
    feeds = Feeds(database)
    # A clock that was set back tells the second of the first feed once more, and with it that feed's name.
    again = moment(HOUR, wall=SECOND - TICK)
    assert await feeds.open(REDOUTE, OFFER_RULE, again) == GateClosed(
        NOON + SECOND, "feed-1.xml was opened in this very second"
    )
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR, wall=SECOND)), Feed)


async def test_after_a_reboot_with_trusted_clocks_the_hour_goes_on(database: Database) -> None:  # L8
    await answered_feed(database, timedelta())
    feeds = Feeds(database)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR - SECOND, boot="boot-2")), GateClosed)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR, boot="boot-2")), Feed)


@pytest.mark.parametrize(("then", "later"), [(True, False), (False, True), (False, False)])
async def test_after_a_reboot_with_doubtful_clocks_the_hour_starts_again(
    database: Database, then: bool, later: bool
) -> None:  # L8
    await answered_feed(database, timedelta())
    await database.write(lambda db: db.execute("UPDATE gates SET synchronised = ?", (int(then),)).rowcount)
    feeds = Feeds(database)
    up = moment(5 * HOUR, boot="boot-2", synchronised=later)
    assert await feeds.open(REDOUTE, OFFER_RULE, up) == GateClosed(
        NOON + 6 * HOUR, "the last offer feed left less than 1:00:00 ago"
    )
    last = moment(6 * HOUR - TICK, boot="boot-2", synchronised=later)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, last), GateClosed)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(6 * HOUR, boot="boot-2", synchronised=later)), Feed)


async def test_a_clock_set_back_by_years_between_two_boots_holds_no_longer_than_a_claim(
    database: Database,
) -> None:  # L8
    await answered_feed(database, timedelta())
    closed = await Feeds(database).open(REDOUTE, OFFER_RULE, moment(MINUTE, boot="boot-2", wall=timedelta(days=-3650)))
    assert isinstance(closed, GateClosed)
    assert closed.until == NOON - timedelta(days=3650) + HOUR + 10 * MINUTE


async def test_an_unanswered_feed_holds_the_next_one_until_it_lapses(database: Database) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    first = await sent(database, feeds, await opened(feeds), MINUTE)
    await Listings(database).put_stock(REDOUTE, Figures({LAMP: 4}), NOON)
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(HOUR + 30 * MINUTE))
    assert closed == GateClosed(
        NOON + 2 * HOUR + MINUTE, f"feed {first.id} is not answered yet; it lapses at 2026-03-02 14:01:00 UTC"
    )
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(2 * HOUR + MINUTE)), Feed)


async def test_accounts_do_not_share_a_gate(database: Database) -> None:  # L8
    await answered_feed(database, timedelta())
    rows = await database.read(lambda db: db.execute("SELECT account, kind FROM gates").fetchall())
    assert [tuple(row) for row in rows] == [("redoute", "offer")]


async def test_feeds_without_an_interval_leave_no_gate_behind(database: Database) -> None:  # L2
    await a_listing(database)
    feeds = Feeds(database)
    await feeds.in_doubt(await opened(feeds, ITEM_RULE), ITEM_RULE, "the reply was lost", moment(MINUTE))
    await feeds.lapse(REDOUTE, ITEM_RULE, moment(48 * HOUR))
    await feeds.refused(await opened(feeds, ITEM_RULE, 48 * HOUR), ITEM_RULE, "not valid", moment(49 * HOUR))
    assert await database.read(lambda db: db.execute("SELECT * FROM gates").fetchall()) == []


async def test_a_clock_set_back_by_years_between_two_boots_opens_the_gate_after_a_claim(
    database: Database,
) -> None:  # L8
    await answered_feed(database, timedelta())
    feeds = Feeds(database)
    back = timedelta(days=-3650)
    closed = await feeds.open(REDOUTE, OFFER_RULE, moment(MINUTE, boot="boot-2", wall=back))
    assert isinstance(closed, GateClosed)
    last = moment(HOUR + 11 * MINUTE - TICK, boot="boot-2", wall=back + HOUR)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, last), GateClosed)
    up = moment(HOUR + 11 * MINUTE, boot="boot-2", wall=back + HOUR)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, up), Feed)


async def test_a_machine_that_stood_still_in_the_middle_of_a_send_waits_the_hour_from_its_end(
    database: Database,
) -> None:  # L8
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    feeds = Feeds(database)
    feed = await opened(feeds)
    await feeds.in_doubt(feed, OFFER_RULE, "the reply was lost", moment(3 * HOUR))
    assert len(await feeds.lapse(REDOUTE, OFFER_RULE, moment(3 * HOUR))) == 1
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(4 * HOUR - TICK)), GateClosed)
    assert isinstance(await feeds.open(REDOUTE, OFFER_RULE, moment(4 * HOUR)), Feed)
