"""The database itself: whole transactions, one owner, migrations that cannot drift."""

import hashlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from daemon.errors import StoreError
from daemon.model import LineState, OfferTerms, OrderFault
from daemon.store import open_store
from daemon.store.database import Database, migrate, migrations, open_database, open_for_reading, statements
from daemon.store.deliveries import DeliveryKind, DeliveryState
from daemon.store.payloads import CHUNK, Payloads, keep
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE, moment


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


async def test_a_lock_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:  # D5
    (tmp_path / "sellerd.lock").mkdir()
    with pytest.raises(StoreError, match=r"sellerd\.lock cannot be opened"):
        async with open_database(tmp_path / "sellerd.db"):
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
    with pytest.raises(StoreError, match=r"sellerd\.db: file is not a database; put a backup in its place"):
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


def older(path: Path, newest: int) -> sqlite3.Connection:
    """A database as a program left it that knew the migrations up to this number."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TABLE migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
    )
    for number, name, text in migrations()[:newest]:
        for statement in statements(text):
            connection.execute(statement)
        digest = hashlib.sha256(text.encode()).hexdigest()
        connection.execute("INSERT INTO migrations VALUES (?, ?, ?, 'then')", (number, name, digest))
    return connection


def test_a_database_of_an_older_program_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    connection = older(path, 1)
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


_FULL = """
INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute');
INSERT INTO payloads (id, sha256, size, kept_at) VALUES (1, 'x', 3, 5);
INSERT INTO listings (id, account, sku, ean, channel_status, item, stock, price_minor, stock_state,
  stock_revision, created_at, changed_at) VALUES (1, 'redoute', 'LAMP', '3701234567891', 'offer_integrated',
  '{}', 5, 4990, 'pending', 2, 5, 5);
INSERT INTO feeds (id, account, kind, state, name, size, payload, opened_at, spooled_at) VALUES (1, 'redoute',
  'offer', 'sending', 'offers.xml', 1, 1, 5, 5);
INSERT INTO feed_objects (feed, listing, ean, channel_item_id, stock_revision, stock, price_minor, ended)
 VALUES (1, 1, '', '', 1, 4, 4990, 0);
INSERT INTO offer_terms VALUES ('redoute', '{"safety_stock": 1, "percentage": 100, "cap": null, "threshold": 0,
  "rrp_discount_bp": 4000}');
INSERT INTO promotions (id, account, listing, price_minor, starts_at, ends_at, imported_at) VALUES (1,
  'redoute', 1, 3990, 5, 9, 5);
INSERT INTO reference_lists VALUES ('redoute', 'brands', 1, 5);
INSERT INTO deliveries (id, account, kind, folder, name, size, payload, state, received_at) VALUES (1,
  'redoute', 'order', 'reply', 'r', 3, 1, 'applied', 5);
INSERT INTO orders (id, account, number, received_at, changed_at, incomplete, delivery) VALUES (1, 'redoute',
  '2000', 5, 6, 'a line is missing', 1), (2, 'redoute', '2001', 5, 6, '', 1);
INSERT INTO customers ("order", shipping) VALUES (1, '{}'), (2, '{}');
INSERT INTO order_lines (id, "order", ref, position, quantity, state, since, ean, listing) VALUES (1, 1, 'L1',
  0, 2, 'new', 5, '3701234567891', 1), (2, 2, 'L1', 0, 1, 'to_ship', 5, '3701234567907', NULL);
INSERT INTO order_updates (id, "order", account, kind, state, name, created_at) VALUES (1, 2, 'redoute',
  'dispatch', 'sending', 'u1', 5);
INSERT INTO update_lines ("update", line, quantity) VALUES (1, 2, 1);
INSERT INTO jobs (account, job, last_started_at, failures, last_error) VALUES ('redoute', 'orders', 5, 2, 'no');
INSERT INTO job_runs (account, job, started_at, outcome) VALUES ('redoute', 'orders', 5, 'failed');
INSERT INTO gates (account, kind, boot_id, opens_boot_ns, opens_at, synchronised, feed) VALUES ('redoute',
  'offer', 'boot-1', 7, 7, 1, 1);
"""


def _counted(db: sqlite3.Connection, tables: list[str]) -> dict[str, int]:
    return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


async def test_what_an_older_program_kept_is_there_under_the_newest_one(tmp_path: Path) -> None:  # D2 D9
    path = tmp_path / "sellerd.db"
    connection = older(path, 5)
    for statement in statements(_FULL):
        connection.execute(statement)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'migrations' AND name NOT LIKE 'sqlite%'"
    counted = _counted(connection, [name for (name,) in connection.execute(tables).fetchall()])
    connection.close()

    async with open_store(path) as store:
        now = await store.database.read(lambda db: _counted(db, list(counted)))
        assert now == counted
        assert await store.database.read(lambda db: db.execute("PRAGMA foreign_key_check").fetchall()) == []
        assert await store.database.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
        # It goes on where the older one stopped: nothing that was being sent is sent again, and the gate holds.
        assert not store.database.restored
        assert (await store.feeds.recover(moment()), await store.updates.recover(NOON)) == (1, 1)
        assert (await store.feeds.lapse(REDOUTE, OFFER_RULE, moment()))[0].id == 1
        assert await store.feeds.open(REDOUTE, OFFER_RULE, moment(), OfferTerms(safety_stock=1)) is not None
        waiting = await store.views.order_errors()
        assert (waiting[REDOUTE, "high"], waiting[REDOUTE, "medium"]) == (1, 1)
        assert (await store.views.attention())[REDOUTE, "updates_in_doubt"] == 1


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


async def test_a_reader_that_holds_an_old_state_lets_the_log_grow_and_stops_nobody(database: Database) -> None:  # D7
    log = database.path.with_name(f"{database.path.name}-wal")
    await database.write(lambda db: db.execute("CREATE TABLE filler (content BLOB)").rowcount)
    with closing(sqlite3.connect(database.path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM filler").fetchone() == (0,)
        for _ in range(70):
            await database.write(lambda db: db.execute("INSERT INTO filler VALUES (zeroblob(1 << 20))").rowcount)
        assert log.stat().st_size > 70 << 20
        assert not await database.checkpoint()
        await database.beat()
        assert reader.execute("SELECT count(*) FROM filler").fetchone() == (0,)
    # Once nobody reads an older state the log begins anew and keeps its limit by itself; a fold empties it.
    for _ in range(3):
        await database.beat()
    assert log.stat().st_size <= 64 << 20
    assert await database.checkpoint()
    assert log.stat().st_size == 0


async def test_a_commit_is_on_the_disk_before_it_is_told(database: Database) -> None:  # D9 L8
    """FULL: every commit waits for the disk, also where a log is written ahead (P8); what is erased is overwritten."""
    asked = ("synchronous", "journal_mode", "foreign_keys", "secure_delete", "trusted_schema")
    told = await database.write(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked])
    assert told == [2, "wal", 1, 1, 0]


@pytest.mark.parametrize(
    "table", ["listings", "feed_objects", "events", "orders", "order_lines", "order_errors", "deliveries"]
)
async def test_checks_of_what_is_written_by_the_million_make_no_table_for_each_row(
    database: Database, table: str
) -> None:
    def opcodes(db: sqlite3.Connection) -> set[str]:
        return {row["opcode"] for row in db.execute(f"EXPLAIN INSERT INTO {table} DEFAULT VALUES")}

    # `IN` with more than two values would.
    assert "OpenEphemeral" not in await database.read(opcodes)


def _one_order(db: sqlite3.Connection) -> None:
    """An order of one line, with what may be wrong with it, and the delivery that brought it."""
    db.execute("INSERT INTO payloads (id, kept_at) VALUES (1, 0)")
    db.execute(
        "INSERT INTO deliveries (account, kind, folder, name, size, payload, state, received_at)"
        " VALUES ('redoute', 'order', '/in', 'A', 1, 1, 'applied', 0)"
    )
    db.execute("INSERT INTO orders (id, account, number, received_at, changed_at) VALUES (1, 'redoute', 'A', 0, 0)")
    db.execute(
        "INSERT INTO order_lines (\"order\", ref, position, quantity, state, since) VALUES (1, '1', 0, 1, 'new', 0)"
    )
    db.execute(
        'INSERT INTO order_errors ("order", kind, severity, text, raised_at)'
        " VALUES (1, 'unknown_listing', 'medium', '', 0)"
    )


@pytest.mark.parametrize(
    ("table", "column", "states"),
    [
        ("order_lines", "state", list(LineState)),
        ("order_errors", "kind", list(OrderFault)),
        ("deliveries", "kind", list(DeliveryKind)),
        # What is closed stands aside in the database.
        ("deliveries", "state", [state for state in DeliveryState if state is not DeliveryState.CLOSED]),
    ],
)
async def test_the_database_takes_every_state_of_the_model(
    database: Database, table: str, column: str, states: list[str]
) -> None:  # L12 J6 D9
    def work(db: sqlite3.Connection) -> list[int]:
        _one_order(db)
        return [db.execute(f"UPDATE {table} SET {column} = ?", (state,)).rowcount for state in states]

    assert await database.write(work) == [1] * len(states)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("listings", "channel_status = 'lost'"),
        ("listings", "item_state = 'lost'"),
        ("listings", "stock_state = 'lost'"),
        ("listings", "price_state = 'lost'"),
        ("listings", "end_state = 'lost'"),
        ("feed_objects", "state = 'lost'"),
        ("events", "subject = 'lost'"),
        ("deliveries", "kind = 'lost'"),
        ("deliveries", "state = 'lost'"),
        ("order_lines", "state = 'lost'"),
        ("order_errors", "kind = 'lost'"),
    ],
)
async def test_the_database_itself_knows_every_state_that_there_is(  # D2
    database: Database, table: str, change: str
) -> None:
    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO listings (account, sku, created_at, changed_at) VALUES ('redoute', 'A', 0, 0)")
        db.execute(
            "INSERT INTO feeds (account, kind, state, size, opened_at) VALUES ('redoute', 'offer', 'sent', 1, 0)"
        )
        db.execute("INSERT INTO feed_objects (feed, listing, ean, channel_item_id, ended) VALUES (1, 1, '', '', 0)")
        db.execute(
            "INSERT INTO events (at, account, subject, subject_id, what) VALUES (0, 'redoute', 'listing', 1, '')"
        )
        _one_order(db)
        db.execute(f"UPDATE {table} SET {change}")

    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        await database.write(work)


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
