"""Turns: started, ended, cut; what they come to is what health and the error ladder go by."""

import sqlite3
from datetime import timedelta

import pytest

from daemon.errors import StoreError
from daemon.model import SITE
from daemon.store.database import Database, migrations, statements
from daemon.store.runs import JobState, Runs, Told
from tests.store.conftest import LEWIS, NOON, REDOUTE

MINUTE = timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


async def test_a_job_is_as_its_last_turn_left_it(database: Database) -> None:
    runs = Runs(database)

    run = await runs.started(REDOUTE, "orders", NOON)
    await runs.ended(run, "held", 3, "the gate is closed", LATER, NOON + MINUTE)

    assert await runs.snapshot() == [
        JobState(REDOUTE, "orders", NOON, NOON + MINUTE, NOON + MINUTE, None, 0, "", LATER),
    ]
    assert await runs.due(REDOUTE, "orders") == NOON
    assert await runs.due(LEWIS, "orders") is None


async def test_failing_is_told_once_and_its_end_once(database: Database) -> None:  # D11
    runs, told = Runs(database), []

    for minute, ending in enumerate(["done", "failed", "failed", "idle", "idle", "failed"]):
        run = await runs.started(REDOUTE, "orders", NOON + minute * MINUTE)
        told.append(await runs.ended(run, ending, 0, "no route", None, NOON + minute * MINUTE))  # type: ignore[arg-type]

    assert told == [
        Told.NOTHING,
        Told.FIRST_FAILURE,
        Told.NOTHING,
        Told.RECOVERED,
        Told.NOTHING,
        Told.FIRST_FAILURE,
    ]
    (state,) = await runs.snapshot()
    assert (state.failures, state.failing_since, state.last_error) == (1, NOON + 5 * MINUTE, "no route")
    assert state.last_succeeded_at == NOON + 4 * MINUTE


async def test_a_cut_turn_is_neither_a_success_nor_a_failure(database: Database) -> None:  # D4
    runs = Runs(database)
    held = await runs.started(REDOUTE, "offers", NOON)
    await runs.ended(held, "held", 0, "", LATER, NOON)

    run = await runs.started(REDOUTE, "offers", NOON + MINUTE)
    await runs.ended(run, "cut", 0, "the daemon ended", None, NOON + 2 * MINUTE)

    (state,) = await runs.snapshot()
    assert (state.last_succeeded_at, state.failing_since, state.held_until) == (NOON, None, LATER)


async def test_what_the_last_process_left_running_was_cut(database: Database) -> None:  # D2
    runs = Runs(database)
    await runs.started(REDOUTE, "orders", NOON)
    ended = await runs.started(LEWIS, "orders", NOON)
    await runs.ended(ended, "idle", 0, "", None, NOON)

    assert await runs.cut(NOON + MINUTE) == 1
    assert await runs.cut(NOON + MINUTE) == 0

    rows = await database.read(lambda db: db.execute("SELECT account, outcome FROM job_runs ORDER BY id").fetchall())
    assert [tuple(row) for row in rows] == [(REDOUTE, "cut"), (LEWIS, "idle")]
    lewis, redoute = await runs.snapshot()
    assert (redoute.last_ended_at, lewis.last_ended_at) == (NOON + MINUTE, NOON)


async def test_a_turn_ends_once(database: Database) -> None:
    runs = Runs(database)
    run = await runs.started(REDOUTE, "orders", NOON)
    await runs.ended(run, "idle", 0, "", None, NOON)

    with pytest.raises(StoreError, match="not running"):
        await runs.ended(run, "idle", 0, "", None, NOON)


async def test_a_job_of_no_account_is_remembered_like_any_other(database: Database) -> None:  # D2
    runs = Runs(database)

    run = await runs.started(SITE, "housekeeping", NOON)
    await runs.ended(run, "done", 1, "", None, NOON + MINUTE)

    assert await runs.due(SITE, "housekeeping") == NOON
    assert await runs.due(REDOUTE, "housekeeping") is None


def test_what_was_known_of_jobs_outlives_the_change_of_their_tables() -> None:  # D2
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    ((number, site),) = [(number, text) for number, name, text in migrations() if name.endswith("_site.sql")]
    for text in [text for earlier, _, text in migrations() if earlier < number]:
        for statement in statements(text):
            db.execute(statement)
    db.execute("INSERT INTO accounts (name, marketplace) VALUES ('lr', 'laredoute')")
    db.execute("INSERT INTO jobs VALUES ('lr', 'orders', 1, 2, 3, 4, 5, 'six', 7)")
    db.execute("INSERT INTO job_runs VALUES (8, 'lr', 'orders', 9, 10, 'held', 11, 'twelve')")

    for statement in statements(site):
        db.execute(statement)

    assert db.execute("SELECT * FROM jobs").fetchall() == [("lr", "orders", 1, 2, 3, 4, 5, "six", 7)]
    assert db.execute("SELECT * FROM job_runs").fetchall() == [(8, "lr", "orders", 9, 10, "held", 11, "twelve")]
