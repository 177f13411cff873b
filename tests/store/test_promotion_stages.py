"""A promotion is looked at when it begins, ends or is taken back, and at no other time (L11)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from daemon.store.database import migrations, statements
from daemon.store.promotions import begin_and_end
from daemon.store.times import to_us
from tests.store.conftest import NOON, REDOUTE

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
_PROMOTION = (
    "INSERT INTO promotions (account, listing, price_minor, starts_at, ends_at, imported_at) VALUES ('redoute', ?, 1500,"
    " ?, ?, 0) RETURNING id"
)


def apply(db: sqlite3.Connection, first: int, last: int) -> None:
    for number, _, text in migrations():
        if first <= number <= last:
            for statement in statements(text):
                db.execute(statement)


def listing(db: sqlite3.Connection, number: int, promotion: int | None = None) -> None:
    db.execute(
        "INSERT INTO listings (id, account, sku, price_minor, promotion, created_at, changed_at)"
        " VALUES (?, 'redoute', ?, 2000, ?, 0, 0)",
        (number, f"SKU-{number}", promotion),
    )


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        apply(db, 1, 21)
        db.execute("INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute')")
        yield db


def in_force(db: sqlite3.Connection, at: datetime) -> list[tuple[int | None, int]]:
    """The promotion of each listing after a turn, and how often its price was made Pending until then."""
    begin_and_end(db, REDOUTE, at)
    return [tuple(row) for row in db.execute("SELECT promotion, price_revision FROM listings ORDER BY id")]


def test_what_ran_and_what_had_ended_before_the_upgrade_go_on_from_there(db: sqlite3.Connection) -> None:  # L11
    running, over, waiting = (
        db.execute(_PROMOTION, (number, to_us(NOON + start * HOUR), to_us(NOON + end * HOUR))).fetchone()[0]
        for number, (start, end) in enumerate([(-2, 2), (-4, -1), (1, 3)], 1)
    )
    for number, promotion in enumerate((running, over, None), 1):
        listing(db, number, promotion)
    apply(db, 22, 99)
    assert in_force(db, NOON) == [(running, 0), (None, 1), (None, 0)]
    assert in_force(db, NOON + HOUR) == [(running, 0), (None, 1), (waiting, 1)]
    assert in_force(db, NOON + 2 * HOUR) == [(None, 1), (None, 1), (waiting, 1)]


def test_one_that_is_missed_whole_changes_no_price(db: sqlite3.Connection) -> None:  # L11
    apply(db, 22, 99)
    listing(db, 1)
    db.execute(_PROMOTION, (1, to_us(NOON), to_us(NOON + HOUR)))
    assert in_force(db, NOON + HOUR) == [(None, 0)]


def test_a_clock_that_is_set_back_begins_and_ends_them_anew(db: sqlite3.Connection) -> None:  # L11
    apply(db, 22, 99)
    listing(db, 1)
    promotion = db.execute(_PROMOTION, (1, to_us(NOON), to_us(NOON + HOUR))).fetchone()[0]
    assert in_force(db, NOON) == [(promotion, 1)]
    assert in_force(db, NOON - TICK) == [(None, 2)]
    assert in_force(db, NOON + HOUR - TICK) == [(promotion, 3)]
    assert in_force(db, NOON + HOUR) == [(None, 4)]
    assert in_force(db, NOON + HOUR - TICK) == [(promotion, 5)]


def test_one_that_takes_the_place_of_another_in_one_turn_is_one_change(db: sqlite3.Connection) -> None:  # L11
    apply(db, 22, 99)
    listing(db, 1)
    first, second = (
        db.execute(_PROMOTION, (1, to_us(NOON + start * HOUR), to_us(NOON + end * HOUR))).fetchone()[0]
        for start, end in [(0, 1), (1, 2)]
    )
    assert in_force(db, NOON) == [(first, 1)]
    assert in_force(db, NOON + HOUR) == [(second, 2)]
    db.execute("UPDATE promotions SET withdrawn_at = 0 WHERE id = ?", (second,))
    assert in_force(db, NOON + HOUR) == [(None, 3)]
