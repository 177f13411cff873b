"""A batch of answers is settled in sets: which listings its lines mean, and how much work that is for the database."""

import sqlite3
from collections.abc import Sequence

import pytest

from daemon.model import AnswerLine, ChannelStatus, Feed, RemoteFile
from daemon.store.answers import Answered, Answers
from daemon.store.database import Database
from daemon.store.deliveries import Deliveries, DeliveryKind
from daemon.store.feeds import Feeds
from daemon.store.payloads import Payloads
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE, moment
from tests.store.test_feeds import HOUR, MINUTE, feed_row, opened, sent
from tests.store.test_payloads import stream


async def fill(database: Database, listings: Sequence[tuple[str, str, str]]) -> None:
    """Listings on offer whose stock waits: SKU, EAN and article number of each."""

    def work(db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, stock, price_minor, stock_state,"
            " stock_revision, created_at, changed_at) VALUES ('redoute', ?, ?, ?, ?, 5, 1990, 'pending', 1, 0, 0)",
            [(*listing, ChannelStatus.OFFER_INTEGRATED) for listing in listings],
        )

    await database.write(work)


async def sent_feed(database: Database, ref: str = "B1") -> Feed:
    feeds = Feeds(database)
    return await sent(database, feeds, await opened(feeds), MINUTE, ref)


async def errors(database: Database) -> dict[str, str]:
    rows = await database.read(lambda db: db.execute("SELECT sku, stock_state, stock_error FROM listings").fetchall())
    return {row["sku"]: row["stock_error"] or row["stock_state"] for row in rows}


def no(text: str, *, sku: str = "", ean: str = "", number: str = "") -> AnswerLine:
    return AnswerLine(accepted=False, remote_ref="B1", sku=sku, ean=ean, channel_item_id=number, text=text)


def yes(sku: str, *, ean: str = "", number: str = "", text: str = "") -> AnswerLine:
    return AnswerLine(accepted=True, remote_ref="B1", sku=sku, ean=ean, channel_item_id=number, text=text)


async def objects(database: Database) -> dict[str, tuple[str, str]]:
    rows = await database.read(
        lambda db: db.execute(
            "SELECT l.sku, o.state, o.text FROM feed_objects o JOIN listings l ON l.id = o.listing"
        ).fetchall()
    )
    return {row["sku"]: (row["state"], row["text"]) for row in rows}


@pytest.mark.parametrize("together", [True, False])
async def test_a_line_means_the_surest_that_it_names(database: Database, *, together: bool) -> None:  # L17
    await fill(database, [("A", "1", "N1"), ("B", "2", "N2"), ("C", "2", "N3"), ("D", "", "N4"), ("E", "5", "")])
    feed = await sent_feed(database)
    lines = [
        no("by its SKU, though the EAN is another's", sku="A", ean="2"),
        no("by the EAN of two, as the SKU is nobody's", sku="Z", ean="2"),
        no("by its number", ean="9", number="N4"),
        no("means none", sku="Z", ean="9", number="N9"),
    ]
    told = Answered()
    for batch in [lines] if together else [[line] for line in lines]:
        told += await Answers(database).apply(REDOUTE, batch, NOON + HOUR)
    assert told == Answered(settled=4, strangers=1)
    assert await errors(database) == {
        "A": "by its SKU, though the EAN is another's",
        "B": "by the EAN of two, as the SKU is nobody's",
        "C": "by the EAN of two, as the SKU is nobody's",
        "D": "by its number",
        "E": "sent",
    }
    assert (await feed_row(database, feed))["rejected"] == 4


async def test_of_two_lines_of_a_batch_about_one_listing_the_later_counts(database: Database) -> None:  # L17
    await fill(database, [("A", "1", ""), ("B", "2", "")])
    await sent_feed(database)
    lines = [no("first", ean="1"), no("first", sku="B"), no("then", sku="A"), no("then", ean="2")]
    assert await Answers(database).apply(REDOUTE, lines, NOON + HOUR) == Answered(settled=2)
    assert await errors(database) == {"A": "then", "B": "then"}


@pytest.mark.parametrize("together", [True, False])
async def test_a_plain_yes_means_the_surest_that_it_names(database: Database, *, together: bool) -> None:  # L17
    await fill(database, [("A", "1", "N1"), ("B", "2", "N2"), ("C", "2", "N3"), ("D", "", "N4"), ("É'\"\\", "5", "")])
    await sent_feed(database)
    lines = [yes("A", ean="2"), yes("Z", ean="2"), yes("", number="N4"), yes("É'\"\\", ean="9"), yes("Z", ean="9")]
    told = Answered()
    for batch in [lines] if together else [[line] for line in lines]:
        told += await Answers(database).apply(REDOUTE, batch, NOON + HOUR)
    assert told == Answered(settled=5, strangers=1)
    assert await errors(database) == dict.fromkeys(["A", "B", "C", "D", "É'\"\\"], "not_needed")


async def test_of_a_yes_and_a_no_of_a_batch_the_later_counts(database: Database) -> None:  # L17
    await fill(database, [("A", "1", ""), ("B", "2", ""), ("C", "3", "")])
    await sent_feed(database)
    lines = [yes("A"), no("first", sku="B"), no("first", ean="3"), no("then", sku="A"), yes("B"), yes("Z", ean="3")]
    assert await Answers(database).apply(REDOUTE, lines, NOON + HOUR) == Answered(settled=3)
    assert await objects(database) == {"A": ("rejected", "then"), "B": ("accepted", ""), "C": ("accepted", "")}


@pytest.mark.parametrize("size", [4, 3, 2, 1])
async def test_of_a_yes_and_a_no_of_one_report_the_later_counts_however_it_is_cut(
    database: Database, size: int
) -> None:  # L17
    await fill(database, [("A", "1", ""), ("B", "2", "")])
    feed = await sent_feed(database)
    payload, _ = await Payloads(database).write(stream(b"a report"), NOON)
    file = RemoteFile("/reports", "one.csv", 8, NOON)
    kept = await Deliveries(database).keep(REDOUTE, DeliveryKind.REPORT, file, payload, NOON)
    lines = [yes("A"), no("then", sku="B"), no("then", sku="A"), yes("B")]
    # Where the daemon dies meanwhile, it is all said once more.
    for start in [*range(0, 4, size)] * 2:
        await Answers(database).apply(REDOUTE, lines[start : start + size], NOON + HOUR, kept.id)
    assert await objects(database) == {"A": ("rejected", "then"), "B": ("accepted", "")}
    assert await errors(database) == {"A": "then", "B": "not_needed"}
    row = await feed_row(database, feed)
    assert (row["state"], row["accepted"], row["rejected"]) == ("answered", 1, 1)


async def test_a_line_that_is_overtaken_means_no_other_listing(database: Database) -> None:  # L17
    """Its SKU is surer than its EAN, which another listing shares, though a later line speaks of the same SKU."""
    await fill(database, [("A", "1", ""), ("B", "1", "N2")])
    await sent_feed(database)
    lines = [no("KO", sku="A", ean="1"), no("KO", sku="Z", number="N2"), yes("A"), yes("B")]
    assert await Answers(database).apply(REDOUTE, lines, NOON + HOUR) == Answered(settled=2)
    assert await objects(database) == {"A": ("accepted", ""), "B": ("accepted", "")}


async def test_what_stands_between_the_answered_keeps_waiting(database: Database) -> None:  # L16
    await fill(database, [(sku, "", "") for sku in "ABCDEF"])
    feed = await sent_feed(database)
    answers = Answers(database)
    assert await answers.apply(REDOUTE, [yes("B"), yes("D")], NOON + HOUR) == Answered(settled=2)
    waits, accepted = ("sent", ""), ("accepted", "")
    assert await objects(database) == {"A": waits, "B": accepted, "C": waits, "D": accepted, "E": waits, "F": waits}
    # These stand side by side in the feed, and one of them was told otherwise.
    lines = [yes("A"), yes("C", text="so be it"), no("KO", sku="B"), yes("D"), yes("E")]
    assert await answers.apply(REDOUTE, lines, NOON + 2 * HOUR) == Answered(settled=3)
    assert await objects(database) == {
        "A": accepted,
        "B": accepted,
        "C": ("accepted", "so be it"),
        "D": accepted,
        "E": accepted,
        "F": waits,
    }
    assert (await feed_row(database, feed))["accepted"] == 5


async def test_a_stretch_of_a_feed_is_answered_with_what_each_was_told(database: Database) -> None:  # L16 L17
    await fill(database, [(sku, "", "") for sku in "ABCDEF"])
    feed = await sent_feed(database)
    lines = [yes("B"), no("KO", sku="C"), yes("D", text="so be it"), yes("E"), yes("F")]
    assert await Answers(database).apply(REDOUTE, lines, NOON + HOUR) == Answered(settled=5)
    assert await objects(database) == {
        "A": ("sent", ""),
        "B": ("accepted", ""),
        "C": ("rejected", "KO"),
        "D": ("accepted", "so be it"),
        "E": ("accepted", ""),
        "F": ("accepted", ""),
    }
    assert await errors(database) == {
        **dict.fromkeys("BDEF", "not_needed"),
        "A": "sent",
        "C": "KO",
    }
    row = await feed_row(database, feed)
    assert (row["accepted"], row["rejected"], row["state"]) == (4, 1, "sent")


async def test_only_what_a_feed_carried_changes_in_a_listing(database: Database) -> None:  # L6 L7
    await fill(database, [("A", "1", ""), ("B", "2", "")])
    await sent_feed(database)
    # A rejection of the same price, by another way than this feed, stays what it is.
    await database.write(
        lambda db: db.execute("UPDATE listings SET price_state = 'error', price_error = 'no'").rowcount
    )
    await Answers(database).apply(REDOUTE, [yes("A"), no("KO", sku="B")], NOON + HOUR)
    rows = await database.read(
        lambda db: db.execute("SELECT sku, stock_state, price_state, price_error FROM listings").fetchall()
    )
    assert [tuple(row) for row in rows] == [("A", "not_needed", "error", "no"), ("B", "error", "error", "no")]


async def statements(database: Database, lines: Sequence[AnswerLine]) -> list[str]:
    """Everything that the writer does to settle some lines, with its values."""
    seen: list[str] = []
    await database.write(lambda db: db.set_trace_callback(seen.append))
    await Answers(database).apply(REDOUTE, lines, NOON + HOUR)
    await database.write(lambda db: db.set_trace_callback(None))
    return [text for text in seen if not text.startswith(("BEGIN", "COMMIT"))]


async def test_a_large_batch_takes_as_many_statements_as_a_small_one(database: Database) -> None:
    await fill(database, [(f"S{number}", "", "") for number in range(220)])
    await sent_feed(database)
    lines = [no("KO", sku=f"S{number}") if number % 7 == 3 else yes(f"S{number}") for number in range(200)]
    small = await statements(database, lines[:20])
    large = await statements(database, lines[20:])
    assert len(small) == len(large) < 50


#: what the plans of SQLite call the tables that grow with the catalogue
_LARGE = {"listings", "l", "feed_objects", "o", "n", "rejections", "r", "prices", "p", "events"}


@pytest.mark.parametrize("newer", [False, True])
async def test_no_statement_walks_through_the_feed_or_the_listings(database: Database, *, newer: bool) -> None:
    await fill(database, [(f"S{number}", str(number), f"N{number}") for number in range(5)])
    await sent_feed(database)
    if newer:
        await Feeds(database).lapse(REDOUTE, OFFER_RULE, moment(3 * HOUR))
        await opened(Feeds(database), after=4 * HOUR)
    seen = await statements(
        database,
        [yes("S0"), yes("S9"), no("KO", sku="S1"), no("KO", ean="2"), no("KO", number="N3"), no("none", sku="S9")],
    )
    plans = await database.write(lambda db: [(step, text) for text in seen for step in _plan(db, text)])
    # To search by the feed alone is to walk through all that it carried; the answer to a whole feed has to.
    walks = [
        (step, text)
        for step, text in plans
        if (step.startswith("SCAN") and step.split()[1] in _LARGE)
        or (step.endswith("(feed=?)") and "s.channel_item_id = ''" not in text)
    ]
    assert walks == []


def _plan(db: sqlite3.Connection, text: str) -> list[str]:
    return [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
