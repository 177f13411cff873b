"""One SQLite file: one writer that runs whole transactions, readers beside it, numbered migrations, one owner.

A transaction is a plain function from a `sqlite3.Connection` to a result. It runs from BEGIN IMMEDIATE to COMMIT in
the connection's own thread in one hop, so nothing can interleave and a cancelled caller leaves no half of it (house
section 6; each of these traps was reproduced with statements sent one by one).
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO, TypeVar

import aiosqlite
import anyio
from anyio import CancelScope, create_task_group

from daemon.errors import StoreError, StoreInUse
from daemon.store.generation import keep_up, notice

R = TypeVar("R")

#: Raised by SQLite when the file or the disk fails; what was in flight is unknown, not undone (promise P16).
_FATAL = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FULL)
_DAMAGED = "put a backup in its place: sellerd restore FILE"
_ADVICE = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: "make room on its disk",
}

#: questions that can be answered at once
READERS = 2
#: how long somebody is waited for who has the file locked, and how long readers are when the log is emptied, in ms
_BUSY_WAITS, _FOLD_WAITS = 5_000, 500


class _Connection(aiosqlite.Connection):
    """aiosqlite's connection with one more verb: run a function in the connection's thread."""

    async def call(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run `work` there. The caller may be cancelled, the work may not: cancelling waits for its end."""
        with CancelScope(shield=True):
            result: R = await self._execute(lambda: work(self._conn))  # type: ignore[no-untyped-call]
            return result
        raise AssertionError  # a shielded scope never swallows what it holds


async def _connect_to(path: Path, *, read_only: bool) -> _Connection:
    # A connector that raises leaves aiosqlite's thread to outlive the loop, so what can fail is tried before and after.
    _touch(path, read_only=read_only)
    where = _uri(path, "ro" if read_only else "rw")
    connection = _Connection(lambda: sqlite3.connect(where, uri=True, isolation_level=None), 64)
    await connection
    try:
        await connection.call(_set_up_reader if read_only else _set_up_writer)
    except BaseException:
        await connection.close()
        raise
    return connection


async def connect_imagining(path: Path) -> _Connection:
    """A connection that can read the file and write nothing but temporary tables (`daemon.store.imagined`)."""
    with CancelScope(shield=True):
        connection = await _connect_to(path, read_only=True)
        # The file was opened for reading; the pragma would forbid temporary tables too.
        await connection.call(lambda db: db.execute("PRAGMA query_only = OFF").fetchall())
        return connection
    raise AssertionError  # a shielded scope never swallows what it holds


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _touch(path: Path, *, read_only: bool) -> None:
    """Make sure that the file can be opened, and that a new one is for its owner alone; raises StoreError."""
    try:
        os.close(os.open(path, os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None


def _set_up_reader(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_WAITS}")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")


def _set_up_writer(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_WAITS}")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # What a statement may have to take back is written to a file without a name: in memory it would be a copy of every
    # page of a catalogue whose listings all change at once.
    connection.execute("PRAGMA temp_store = FILE")
    # A batch of 10,000 answers changes about as much; what does not fit is written to the log before its commit.
    connection.execute("PRAGMA cache_size = -32768")


def _fold(connection: sqlite3.Connection) -> bool:
    # Whoever writes waits meanwhile: a reader that is not done soon is not waited for.
    connection.execute(f"PRAGMA busy_timeout = {_FOLD_WAITS}")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_WAITS}")
    return not busy


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], R]) -> R:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _sentence(path: Path, error: sqlite3.Error) -> str:
    advice = _ADVICE.get(_code(error), "")
    return f"{path}: {error}{advice and f'; {advice}'}"


class Database:
    """The open database: `write` for transactions, `read` for questions. One event loop owns it."""

    def __init__(self, path: Path, writer: _Connection | None, readers: list[_Connection]) -> None:
        self.path = path
        self._writer = writer
        self._readers = readers
        self._turn = 0
        #: set to the reason once storage failed; nothing is written from then on (promise P16)
        self.fault = ""
        #: whether it was found, when it was opened, that it had been put in the place of a newer one (P29)
        self.restored = False

    async def write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one whole transaction; raises StoreError when the database or the disk fails.

        The caller may be cancelled: the transaction may not, and its outcome is always known here.
        """
        return await self._run(lambda connection: _in_transaction(connection, work))

    async def claim(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Like `write`, for what is recorded before it is sent: an older database put back later is noticed (P29)."""

        def counted(connection: sqlite3.Connection) -> R:
            result = _in_transaction(connection, work)
            keep_up(connection, self.path)
            return result

        try:
            return await self._run(counted)
        except OSError as error:
            # What was recorded must not leave uncounted, and the disk is what the database needs too.
            self.fault = f"{self.path}: its mark cannot be written: {error.strerror}"
            raise StoreError(self.fault) from error

    async def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        if self._writer is None:
            raise StoreError(f"{self.path} is open for reading only")
        if self.fault:
            raise StoreError(self.fault)
        try:
            return await self._writer.call(work)
        except sqlite3.Error as error:
            raise self._named(error) from error

    async def read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one short question on a reader; never hold a cursor open across two calls (trap B10)."""
        reader = self._readers[self._turn % len(self._readers)]
        self._turn += 1
        try:
            return await reader.call(work)
        except sqlite3.Error as error:
            raise self._named(error) from error

    async def read_each(self, questions: Sequence[Callable[[sqlite3.Connection], R]]) -> list[R]:
        """Like `read`, several at once, one on each reader; the answers in their order."""
        answers: dict[int, R] = {}
        failed: list[Exception] = []

        async def ask(place: int, work: Callable[[sqlite3.Connection], R]) -> None:
            try:
                answers[place] = await self.read(work)
            except Exception as error:  # noqa: BLE001 - raised below, as itself and not in a group
                failed.append(error)

        async with create_task_group() as group:
            for place, work in enumerate(questions):
                group.start_soon(ask, place, work)
        if failed:
            raise failed[0]
        return [answers[place] for place in range(len(questions))]

    async def beat(self) -> None:
        """One round trip through the writer, so that the watchdog knows that it works; raises StoreError."""
        await self.write(lambda connection: connection.execute("UPDATE heartbeat SET beats = beats + 1").rowcount)

    async def checkpoint(self) -> bool:
        """Fold the write-ahead log back into the file and empty it; the writer is the only one that does (finding F9).

        False where somebody goes on reading an older state: then the log keeps what came since.
        """
        if self._writer is None:
            return False
        try:
            return await self._writer.call(_fold)
        except sqlite3.Error as error:
            raise self._named(error) from error

    def _named(self, error: sqlite3.Error) -> StoreError:
        code = _code(error)
        if code == sqlite3.SQLITE_CONSTRAINT:
            raise error
        text = _sentence(self.path, error)
        if code in _FATAL and self._writer is not None:
            self.fault = text
        return StoreError(text)

    async def close(self) -> None:
        """Close every connection; the threads end before the loop does."""
        with CancelScope(shield=True):
            for connection in [*self._readers, *([self._writer] if self._writer else [])]:
                await connection.close()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Open for writing: take the lock for life, migrate, and be the only writer (promise P21).

    Raises StoreError when another process owns it, when it is of a newer schema, or when it is damaged.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ownership(path.with_suffix(".lock")):
        database = await _connect(path, writable=True)
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def open_for_reading(path: Path) -> AsyncIterator[Database]:
    """Open for questions only, beside whoever writes; raises StoreError when there is no database yet."""
    if not await anyio.Path(path).exists():
        raise StoreError(f"{path} does not exist yet: start the daemon once, or import something")
    database = await _connect(path, writable=False)
    try:
        yield database
    finally:
        await database.close()


async def _connect(path: Path, *, writable: bool) -> Database:
    opened: list[_Connection] = []
    restored = False
    # A cancelled connect leaks its thread (trap B5), so the scope is shielded and everything opened is closed again.
    with CancelScope(shield=True):
        try:
            if writable:
                opened.append(await _connect_to(path, read_only=False))
                restored = await opened[0].call(lambda connection: _make_current(connection, path))
            opened.extend([await _connect_to(path, read_only=True) for _ in range(READERS)])
        except BaseException as error:
            for connection in opened:
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise StoreError(_sentence(path, error)) from error
            raise
    database = Database(path, opened[0] if writable else None, opened[1:] if writable else opened)
    database.restored = restored
    return database


def _make_current(connection: sqlite3.Connection, path: Path) -> bool:
    migrate(connection, path)
    return notice(connection, path)


class ownership:  # noqa: N801 - reads as a verb where it is used
    """Hold an exclusive lock on a file beside the database for as long as the block lasts; it dies with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error.strerror}") from None
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read().strip() or "unknown"
            file.close()
            raise StoreInUse(
                f"{self._path.with_suffix('.db')} is in use by another sellerd (process {owner})"
            ) from None
        try:
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except OSError as error:
            file.close()
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from None
        self._file = file

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def migrations() -> list[tuple[int, str, str]]:
    """Every migration in order: number, name, text. The names are `0001_what_it_does.sql`."""
    folder = files("daemon.store") / "migrations"
    found = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name, text) for name, text in found]


def versions() -> tuple[str, str]:
    """The version of SQLite, and the number of the schema that this program knows."""
    return sqlite3.sqlite_version, f"{migrations()[-1][0]:04d}"


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, each migration in a transaction of its own, with a backup before the first."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
    )
    known = {number: (name, text) for number, name, text in migrations()}
    applied = connection.execute("SELECT number, name, sha256 FROM migrations ORDER BY number").fetchall()
    for number, name, sha256 in applied:
        if number not in known:
            raise StoreError(f"{path} was written by a newer sellerd (migration {name}): upgrade sellerd")
        if _digest(known[number][1]) != sha256:
            raise StoreError(f"{path}: migration {name} is not the one that was applied; restore the original program")
    missing = sorted(known.keys() - {row[0] for row in applied})
    if missing and applied:
        _back_up(connection, path.with_suffix(f".before-{missing[0]:04d}.db"))
    for number in missing:
        name, text = known[number]
        _apply(connection, number, name, text)


def _apply(connection: sqlite3.Connection, number: int, name: str, text: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # executescript would commit the open transaction (trap B9), so the statements go one by one.
        for statement in statements(text):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
            (number, name, _digest(text)),
        )
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back by itself, and its error must not be hidden by another.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def statements(text: str) -> list[str]:
    """The single statements of a migration."""
    found, pending = [], ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    return found


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    path.unlink(missing_ok=True)
    target = sqlite3.connect(path)
    try:
        connection.backup(target)
    finally:
        target.close()
    path.chmod(0o600)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
