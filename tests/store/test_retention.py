"""What only grows is forgotten when its time is over, and no more than that."""

from datetime import timedelta

from daemon.model import AnswerLine, ChannelStatus, Feed, FeedKind, Sku
from daemon.store import Store
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.runs import Ending, Runs
from tests.store.conftest import ITEM_RULE, NOON, OFFER_RULE, REDOUTE, moment
from tests.store.test_feeds import HOUR, LAMP, a_listing

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def test_old_turns_are_forgotten_and_the_job_and_what_runs_stay(database: Database) -> None:
    runs, store = Runs(database), Store(database)
    for minute in range(3):
        run = await runs.started(REDOUTE, "orders", NOON + minute * MINUTE)
        await runs.ended(run, "idle", 0, "", None, NOON + minute * MINUTE)
    await runs.started(REDOUTE, "offers", NOON)

    assert await store.retention.forget_turns(NOON + 2 * MINUTE) == 2

    assert await runs.due(REDOUTE, "orders") == NOON + 2 * MINUTE
    rows = await database.read(lambda db: db.execute("SELECT job, outcome FROM job_runs ORDER BY id").fetchall())
    assert [tuple(row) for row in rows] == [("orders", "idle"), ("offers", "running")]


async def test_turns_that_found_nothing_are_forgotten_before_the_others(database: Database) -> None:
    """Five thousand accounts take four million turns a day, and nearly all of them find nothing to do."""
    runs, store = Runs(database), Store(database)
    endings: tuple[Ending, ...] = ("idle", "done", "failed", "idle", "idle")
    for minute, ending in enumerate(endings):
        run = await runs.started(REDOUTE, "orders", NOON + minute * MINUTE)
        await runs.ended(run, ending, 0, "", None, NOON + minute * MINUTE)

    assert await store.retention.forget_idle_turns(NOON + 4 * MINUTE) == 2

    rows = await database.read(lambda db: db.execute("SELECT outcome FROM job_runs ORDER BY id").fetchall())
    assert [row[0] for row in rows] == ["done", "failed", "idle"]
    (state,) = await runs.snapshot()
    assert state.last_succeeded_at == NOON + 4 * MINUTE


async def test_old_events_are_forgotten_however_many_there_are(database: Database) -> None:  # D8
    store = Store(database)
    sql = (
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
        " INSERT INTO events (at, account, subject, subject_id, what) SELECT ? + i * 1000000, 'redoute', 'listing', 1,"
        " 'imported' FROM n"
    )
    start = NOON - 400 * DAY
    at = int(start.timestamp()) * 1_000_000
    await database.write(lambda db: db.execute(sql, (at,)).rowcount)

    assert await store.retention.forget_events(start + timedelta(seconds=7_500)) == 7_500

    rows = await database.read(lambda db: db.execute("SELECT count(*), min(at) FROM events").fetchall())
    assert tuple(rows[0]) == (2_500, at + 7_500 * 1_000_000)


async def test_what_feeds_carried_is_forgotten_but_for_the_last_of_each_kind(database: Database) -> None:  # L16
    store = Store(database)
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    kept: list[Feed] = []
    for hour in range(4):
        await store.listings.put_stock(REDOUTE, Figures({LAMP: hour + 1}), NOON)
        feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(2 * hour * HOUR))
        assert isinstance(feed, Feed)
        await store.feeds.refused(feed, OFFER_RULE, "no", moment(2 * hour * HOUR))
        kept.append(feed)
    await database.write(
        lambda db: db.execute("UPDATE listings SET item_state = 'pending', item_revision = 1").rowcount
    )
    item = await store.feeds.open(REDOUTE, ITEM_RULE, moment(HOUR))
    assert isinstance(item, Feed)
    await store.feeds.refused(item, ITEM_RULE, "no", moment(HOUR))

    assert await store.retention.forget_feed_objects(NOON) == 0
    assert await store.retention.forget_feed_objects(NOON + 3 * HOUR) == 2
    assert await store.retention.forget_feed_objects(NOON + DAY) == 1
    assert await store.retention.forget_feed_objects(NOON + DAY) == 0

    rows = await database.read(
        lambda db: db.execute(
            "SELECT f.kind, f.id FROM feed_objects o JOIN feeds f ON f.id = o.feed ORDER BY f.id"
        ).fetchall()
    )
    assert [tuple(row) for row in rows] == [(FeedKind.OFFER, kept[-1].id), (FeedKind.ITEM, item.id)]
    assert len(await store.views.feeds(REDOUTE)) == 5
    assert (await store.views.listing(REDOUTE, Sku(LAMP))) is not None


async def test_what_the_marketplace_took_last_stays_whatever_was_turned_down_since(database: Database) -> None:  # L16
    store = Store(database)
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    sent: list[Feed] = []
    for hour in range(5):
        await store.listings.put_stock(REDOUTE, Figures({LAMP: hour + 1}), NOON)
        feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(2 * hour * HOUR))
        assert isinstance(feed, Feed)
        if hour < 2:
            await store.feeds.sent(feed, OFFER_RULE, f"B{hour}", moment(2 * hour * HOUR))
            yes = AnswerLine(accepted=True, remote_ref=f"B{hour}", sku=Sku(LAMP))
            await store.answers.apply(REDOUTE, [yes], NOON + 2 * hour * HOUR)
        else:
            await store.feeds.refused(feed, OFFER_RULE, "no", moment(2 * hour * HOUR))
        sent.append(feed)

    assert await store.retention.forget_feed_objects(NOON + DAY) == 3

    rows = await database.read(lambda db: db.execute("SELECT feed, stock, state FROM feed_objects").fetchall())
    # The guard must still know what is there, to see that it would go to zero.
    assert [tuple(row) for row in rows] == [(sent[1].id, 2, "accepted"), (sent[4].id, 5, "withdrawn")]
