"""The database itself: whole transactions, one owner, migrations that cannot drift."""

import hashlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from daemon.errors import StoreError
from daemon.store.database import Database, migrate, migrations, open_database, open_for_reading, statements
from daemon.store.payloads import CHUNK, Payloads, keep
from tests.store.conftest import NOON


async def beats(database: Database) -> int:
    return await database.read(lambda db: int(db.execute("SELECT beats FROM heartbeat").fetchone()[0]))


async def test_a_transaction_is_whole_or_nothing(database: Database) -> None:  # D2
    def work(db: sqlite3.Connection) -> None:
        db.execute("UPDATE heartbeat SET beats = 7")
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        await database.write(work)
    assert await beats(database) == 0


async def test_a_cancelled_caller_leaves_no_half_transaction(database: Database) -> None:  # D2
    started, release = anyio.Event(), anyio.Event()

    async def caller(scope: anyio.CancelScope) -> None:
        with scope:
            started.set()
            await release.wait()
            await database.beat()

    async with anyio.create_task_group() as tasks:
        scopes = [anyio.CancelScope() for _ in range(50)]
        for scope in scopes:
            tasks.start_soon(caller, scope)
        await started.wait()
        release.set()
        await anyio.lowlevel.checkpoint()
        for scope in scopes[::2]:
            scope.cancel()
    before = await beats(database)
    await database.beat()
    assert await beats(database) == before + 1


async def test_a_second_owner_is_refused_and_told_who_owns_it(database: Database) -> None:  # L8
    with pytest.raises(StoreError, match="in use by another sellerd"):
        async with open_database(database.path):
            pass


async def test_readers_work_beside_the_owner_and_cannot_write(database: Database) -> None:  # S3
    async with open_for_reading(database.path) as reader:
        assert await beats(reader) == 0
        with pytest.raises(StoreError, match="open for reading only"):
            await reader.beat()
        with pytest.raises(StoreError, match="readonly"):
            await reader.read(lambda db: db.execute("UPDATE heartbeat SET beats = 1"))


async def test_reading_where_there_is_no_database_says_what_to_do(tmp_path: Path) -> None:  # S3
    with pytest.raises(StoreError, match="does not exist yet"):
        async with open_for_reading(tmp_path / "none.db"):
            pass


async def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:  # D5
    path = tmp_path / "sellerd.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"sellerd\.db: file is not a database"):
        async with open_database(path):
            pass


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:  # D5
    path = tmp_path / "sellerd.db"
    async with open_database(path) as database:
        await database.write(
            lambda db: db.execute("INSERT INTO migrations VALUES (9999, '9999_later.sql', 'x', 'now')").rowcount
        )
    with pytest.raises(StoreError, match="newer sellerd"):
        async with open_database(path):
            pass


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "sellerd.db", isolation_level=None)
    migrate(connection, tmp_path / "sellerd.db")
    connection.execute("UPDATE migrations SET sha256 = 'other'")
    with pytest.raises(StoreError, match="is not the one that was applied"):
        migrate(connection, tmp_path / "sellerd.db")
    connection.close()


def test_a_database_of_an_older_program_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    number, name, text = migrations()[0]
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements(text):
        connection.execute(statement)
    connection.execute(
        "CREATE TABLE migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    connection.execute("INSERT INTO migrations VALUES (?, ?, ?, 'then')", (number, name, digest))
    connection.execute("UPDATE heartbeat SET beats = 42")
    migrate(connection, path)
    applied = [row[0] for row in connection.execute("SELECT number FROM migrations ORDER BY number")]
    assert applied == [number for number, _, _ in migrations()]
    connection.close()
    backup = tmp_path / "sellerd.before-0002.db"
    assert backup.stat().st_mode & 0o777 == 0o600
    kept = sqlite3.connect(backup)
    assert kept.execute("SELECT beats FROM heartbeat").fetchone() == (42,)
    assert kept.execute("SELECT count(*) FROM migrations").fetchone() == (1,)
    kept.close()


def test_statements_are_split_where_sql_ends_and_not_inside_texts() -> None:
    text = "-- a; comment\nCREATE TABLE a (b TEXT DEFAULT ';');\nINSERT INTO a VALUES ('x;y');\n"
    assert len(statements(text)) == 2


async def test_bytes_come_back_as_they_were_and_are_kept_once(database: Database) -> None:  # D7
    payloads = Payloads(database)
    content = bytes(range(256)) * (3 * CHUNK // 256) + b"tail"

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    first, size = await payloads.write(chunks(), NOON)
    second, _ = await payloads.write(chunks(), NOON)
    third = await database.write(lambda db: keep(db, content, NOON))
    assert (first, first, len(content)) == (second, third, size)
    assert b"".join([chunk async for chunk in payloads.chunks(first)]) == content
    assert await payloads.size(first) == len(content)


async def test_a_fold_that_fails_is_a_storage_error(database: Database) -> None:  # D5
    def begin(db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")

    assert database._writer is not None
    await database._writer.call(begin)
    with pytest.raises(StoreError, match="locked"):
        await database.checkpoint()


async def test_a_commit_is_on_the_disk_before_it_is_told(database: Database) -> None:  # D9 L8
    """FULL: every commit waits for the disk, also where a log is written ahead (P8); what is erased is overwritten."""
    asked = ("synchronous", "journal_mode", "foreign_keys", "secure_delete", "trusted_schema")
    told = await database.write(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked])
    assert told == [2, "wal", 1, 1, 0]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("orders", ["account", "number"]),
        ("order_lines", ["order", "ref"]),
        ("deliveries", ["account", "folder", "name", "payload"]),
        ("feeds", ["account", "name"]),
        ("order_updates", ["order"]),
    ],
)
async def test_the_database_itself_keeps_once_what_there_is_once(
    database: Database, table: str, columns: list[str]
) -> None:  # D9 J11
    """An order, a line, a delivery, a feed's name, an open update of an order: a second one is refused (P6, P7, P14)."""

    def unique(db: sqlite3.Connection) -> list[list[str]]:
        indexes = [row["name"] for row in db.execute(f"PRAGMA index_list({table})") if row["unique"]]
        return [[row["name"] for row in db.execute(f"PRAGMA index_info({name})")] for name in indexes]

    assert columns in await database.read(unique)


async def test_a_cancelled_caller_hears_nothing_before_its_transaction_has_ended(database: Database) -> None:  # D2
    """What became of it is always known when the caller goes on, so that nothing is written beside it (P15)."""
    begun, goes_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(db: sqlite3.Connection) -> None:
        db.execute("UPDATE heartbeat SET beats = beats + 1")
        begun.set()
        goes_on.wait(10)
        ended.set()

    async def cancel(scope: anyio.CancelScope) -> None:
        while not begun.is_set():
            await anyio.lowlevel.checkpoint()
        scope.cancel()
        # The caller has had its chance to go on when others have had theirs many times.
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        goes_on.set()

    before = await beats(database)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            await database.write(work)
        assert ended.is_set()
    assert await beats(database) == before + 1
