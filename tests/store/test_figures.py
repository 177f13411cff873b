"""Stock and prices of many listings are taken over in sets: what each row did, and how much work that is."""

import sqlite3
from collections.abc import Mapping
from datetime import timedelta

import pytest

from daemon.model import Money, Sku
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.figures import Figures, without_repeats
from daemon.store.listings import Listings, PriceRow
from tests.store.conftest import NOON, REDOUTE

MINUTE = timedelta(minutes=1)


async def fill(database: Database, count: int) -> None:
    """Listings S0, S1 … with as many units as their number says, at 19.90."""

    def work(db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT INTO listings (account, sku, stock, price_minor, stock_state, price_error, created_at, changed_at)"
            " VALUES ('redoute', ?, ?, 1990, 'error', 'too dear', 0, 0)",
            [(f"S{number}", number) for number in range(count)],
        )

    await database.write(work)


async def listing(database: Database, sku: str) -> dict[str, object]:
    return await database.read(lambda db: dict(db.execute("SELECT * FROM listings WHERE sku = ?", (sku,)).fetchone()))


async def events(database: Database) -> list[tuple[object, ...]]:
    rows = await database.read(
        lambda db: db.execute(
            'SELECT l.sku, e.what, e."from", e."to" FROM events e JOIN listings l ON l.id = e.subject_id ORDER BY e.id'
        ).fetchall()
    )
    return [tuple(row) for row in rows]


async def test_each_row_says_what_it_did_in_the_order_of_the_rows(database: Database) -> None:  # L6 D8
    await fill(database, 3)
    await database.write(lambda db: db.execute("UPDATE listings SET stock = NULL WHERE sku = 'S2'").rowcount)
    figures = Figures({"S1": 1, "NONE": 4, "S2": 0, "S0": 7})
    assert await Listings(database).put_stock(REDOUTE, figures, NOON) == [
        Change.UNCHANGED,
        Change.UNKNOWN,
        Change.CHANGED,
        Change.CHANGED,
    ]
    kept = [await listing(database, f"S{number}") for number in range(3)]
    assert [(row["stock"], row["stock_state"], row["stock_revision"]) for row in kept] == [
        (7, "pending", 1),
        (1, "error", 0),
        (0, "pending", 1),
    ]
    assert await events(database) == [("S0", "stock", "0", "7"), ("S2", "stock", "", "0")]


async def test_of_a_sku_that_comes_twice_each_row_counts_after_the_other(database: Database) -> None:  # L6 D8
    await fill(database, 2)
    rows = [("S1", 5), ("S1", 5), ("S1", 6), ("S1", 1), ("S0", 2)]
    done: list[Change] = []
    for figures in without_repeats(rows):
        done += await Listings(database).put_stock(REDOUTE, figures, NOON)
    assert done == [Change.CHANGED, Change.UNCHANGED, *[Change.CHANGED] * 3]
    kept = await listing(database, "S1")
    assert (kept["stock"], kept["stock_revision"]) == (1, 3)
    assert [event for event in await events(database) if event[0] == "S1"] == [
        ("S1", "stock", "1", "5"),
        ("S1", "stock", "5", "6"),
        ("S1", "stock", "6", "1"),
    ]


async def test_of_a_price_that_comes_twice_each_row_counts_after_the_other(database: Database) -> None:  # L7 D8
    await fill(database, 2)
    given = [("S0", 1990), ("S0", 2500), ("S1", 2000), ("S0", 2500), ("S0", 1500)]
    rows = [PriceRow(Sku(sku), Money(minor, "EUR")) for sku, minor in given]
    done = await Listings(database).put_prices(REDOUTE, rows, NOON)
    assert [change.value for change in done] == ["unchanged", "changed", "changed", "unchanged", "changed"]
    kept = await listing(database, "S0")
    assert (kept["price_minor"], kept["price_revision"]) == (1500, 2)
    assert [event for event in await events(database) if event[0] == "S0"] == [
        ("S0", "price", "1990", "2500"),
        ("S0", "price", "2500", "1500"),
    ]


async def test_another_recommended_price_is_a_change_and_none_is_one_too(database: Database) -> None:  # L7
    await fill(database, 1)
    price, done = Money(1990, "EUR"), []
    for rrp in (None, Money(2990, "EUR"), Money(2990, "EUR"), None):
        done += await Listings(database).put_prices(REDOUTE, [PriceRow(Sku("S0"), price, rrp)], NOON)
    assert done == [Change.UNCHANGED, Change.CHANGED, Change.UNCHANGED, Change.CHANGED]
    kept = await listing(database, "S0")
    assert (kept["price_state"], kept["price_error"], kept["price_revision"]) == ("pending", "", 2)
    assert (kept["rrp_minor"], kept["stock_state"]) == (None, "error")


async def statements(database: Database, figures: Mapping[str, int]) -> list[str]:
    seen: list[str] = []
    await database.write(lambda db: db.set_trace_callback(seen.append))
    await Listings(database).put_stock(REDOUTE, Figures(figures), NOON + MINUTE)
    await database.write(lambda db: db.set_trace_callback(None))
    return [text for text in seen if not text.startswith(("BEGIN", "COMMIT"))]


@pytest.mark.parametrize("changed", [0, 1])
async def test_many_rows_take_as_many_statements_as_few_and_none_walks(database: Database, changed: int) -> None:
    await fill(database, 220)
    few = await statements(database, {f"S{number}": number + changed for number in range(5)})
    many = await statements(database, {f"S{number}": number + changed for number in range(5, 205)})
    assert len(few) == len(many) < 15
    plans = await database.write(lambda db: [(text, step) for text in many for step in _plan(db, text)])
    assert [(text, step) for text, step in plans if step.startswith(("SCAN l", "SCAN listings", "SCAN events"))] == []


def _plan(db: sqlite3.Connection, text: str) -> list[str]:
    return [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
