"""Is this database the newest one of its site? An older one that was put back does not know what was sent since (P29).

Whatever is recorded to be sent raises a number in the database, and the same number is written into a file beside it
before the first byte leaves. A file that is ahead of its database, or that says so in a word, means: this one was put
in the place of a newer one.
"""

import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from daemon.errors import StoreError
from daemon.store.events import tell
from daemon.store.owners import give_to_owner_of
from daemon.store.times import from_us, to_us

#: what the file says of a database that was put back on purpose
_RESTORED = "restored"
_WHY = "the database was restored from an older one; it may have been sent since that was made"


def mark_of(path: Path) -> Path:
    """The file beside a database that holds its number of sends."""
    return path.with_suffix(".mark")


def count_send(db: sqlite3.Connection) -> None:
    """Count something that is about to be sent, inside the transaction that records it."""
    db.execute("UPDATE generation SET sends = sends + 1")


def keep_up(db: sqlite3.Connection, path: Path) -> None:
    """Write the number of a committed transaction beside the database; raises OSError."""
    sends = _sends(db)
    if _read(path) != str(sends):
        _write(path, str(sends))


def mark_restored(path: Path) -> None:
    """Let the database at `path` count as put back, whatever its number; raises OSError."""
    _write(path, _RESTORED)


def notice(db: sqlite3.Connection, path: Path) -> bool:
    """Find out whether this database was put in the place of a newer one, and if so, doubt what that may have sent.

    Every gate starts its interval again, what was being sent is in doubt, and what waited is asked about first.
    """
    try:
        restored = _stands_behind(_read(path), _sends(db))
        if restored:
            _doubt(db, datetime.now(UTC))
        keep_up(db, path)
    except OSError as error:
        raise StoreError(f"{mark_of(path)} cannot be used: {error.strerror}") from error
    return restored


def restored_at(db: sqlite3.Connection) -> datetime | None:
    """When it was noticed last that the database had been put back; None where it never was."""
    at: int | None = db.execute("SELECT restored_at FROM generation").fetchone()[0]
    return from_us(at)


def doubt_if_restored(db: sqlite3.Connection, order: sqlite3.Row) -> None:
    """Doubt the updates that decided themselves for an order which was there before the database was put back.

    It may have been known then, or to the replaced database alone: its file is older, and is read for the second time.
    """
    db.execute(
        "UPDATE order_updates SET doubtful = 1 WHERE \"order\" = :order AND state = 'pending'"
        " AND min(:received_at, coalesce((SELECT modified_at FROM deliveries WHERE id = :delivery), :received_at))"
        " <= (SELECT coalesce(restored_at, -1) FROM generation)",
        {"order": order["id"], "received_at": order["received_at"], "delivery": order["delivery"]},
    )


def _stands_behind(mark: str | None, sends: int) -> bool:
    if mark is None:
        # Nothing was ever sent from a new database; from any other it may have been, on another machine say.
        return sends > 0
    return not mark.isdecimal() or int(mark) > sends


def _doubt(db: sqlite3.Connection, at: datetime) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("UPDATE generation SET sends = sends + 1, restored_at = ?", (to_us(at),))
        # No boot has an empty id, and no clock is trusted: the interval starts again. A gate that is not there starts
        # closed from now on, because its first feed may have left since.
        db.execute("UPDATE gates SET boot_id = '', synchronised = 0, feed = NULL")
        for row in db.execute("SELECT id, account FROM feeds WHERE state = 'sending'").fetchall():
            db.execute("UPDATE feeds SET state = 'in_doubt', error = ? WHERE id = ?", (_WHY, row["id"]))
            tell(db, at, row["account"], ("feed", row["id"]), "moved", moved=("sending", "in_doubt"), why=_WHY)
        db.execute("UPDATE order_updates SET doubtful = 1 WHERE state = 'pending'")
        # Whoever was signed out since must not be signed in again.
        db.execute("DELETE FROM sessions")
        for row in db.execute("SELECT name FROM accounts ORDER BY name").fetchall():
            tell(db, at, row["name"], ("account", 0), "database restored", why="every gate starts its time again")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _sends(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT sends FROM generation").fetchone()[0])


def _read(path: Path) -> str | None:
    try:
        return mark_of(path).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Replace the file whole and durably: it must never be behind what left."""
    mark = mark_of(path)
    fresh = mark.with_name(f"{mark.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    give_to_owner_of(path, fresh)
    fresh.replace(mark)
    folder = os.open(mark.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
