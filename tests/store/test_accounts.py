"""Accounts: configured, held until a person has seen to them, released by a changed configuration."""

from datetime import timedelta

from daemon.store.accounts import Accounts
from daemon.store.database import Database
from tests.store.conftest import LEWIS, NOON, REDOUTE


async def test_an_account_is_held_once_and_says_why(database: Database) -> None:  # D10
    accounts = Accounts(database)

    assert await accounts.hold(REDOUTE, "the password was refused", NOON)
    assert not await accounts.hold(REDOUTE, "again", NOON + timedelta(minutes=1))

    assert await accounts.held() == {REDOUTE: (NOON, "the password was refused")}


async def test_the_same_configuration_holds_on_and_a_changed_one_releases(database: Database) -> None:  # D10
    accounts = Accounts(database)
    await accounts.configure(REDOUTE, "laredoute", "one", NOON)
    await accounts.hold(REDOUTE, "the password was refused", NOON)

    assert not await accounts.configure(REDOUTE, "laredoute", "one", NOON)
    assert REDOUTE in await accounts.held()

    assert await accounts.configure(REDOUTE, "laredoute", "two", NOON)
    assert await accounts.held() == {}


async def test_a_person_can_release_and_other_accounts_are_left_alone(database: Database) -> None:  # D10
    accounts = Accounts(database)
    await accounts.hold(REDOUTE, "refused", NOON)
    await accounts.hold(LEWIS, "refused", NOON)

    assert await accounts.release(REDOUTE, NOON)
    assert not await accounts.release(REDOUTE, NOON)

    assert list(await accounts.held()) == [LEWIS]


async def test_holding_and_releasing_leave_events(database: Database) -> None:  # D8
    accounts = Accounts(database)
    await accounts.hold(REDOUTE, "refused", NOON)
    await accounts.release(REDOUTE, NOON)

    events = await database.read(lambda db: db.execute("SELECT what, why FROM events ORDER BY id").fetchall())

    assert [tuple(event) for event in events] == [("held", "refused"), ("released", "released by a person")]


async def test_feeds_are_counted_by_account_kind_and_state(database: Database) -> None:
    await database.write(
        lambda db: (
            db.executemany(
                "INSERT INTO feeds (account, kind, state, size, opened_at) VALUES (?, 'offer', ?, 1, 0)",
                [(REDOUTE, "sent"), (REDOUTE, "sent"), (LEWIS, "answered")],
            ).rowcount
        )
    )

    assert await Accounts(database).feed_counts() == {
        (REDOUTE, "offer", "sent"): 2,
        (LEWIS, "offer", "answered"): 1,
    }
