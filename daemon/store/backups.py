"""Copies of the whole database: made beside its owner, checked, listed, thinned out, and put back (promise P29).

A copy is read through a connection of its own that can only read: the writer goes on, and stays the only one that ever
folds the log back (finding F9). It becomes one file that is whole or not there, with a manifest beside it.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import Lock, to_thread

from daemon.errors import StoreError
from daemon.store.database import Database, migrations, open_database, ownership
from daemon.store.generation import mark_restored
from daemon.store.owners import give_to_owner_of
from daemon.store.views import Views

#: the form of the manifest
_MANIFEST = 1
_BLOCK = 1 << 20
#: how much more than its own size a copy may need while it is made
_ROOM = 64 * (1 << 20)
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy: where it is, when it was made, its bytes and their SHA-256, and the last migration it has."""

    path: Path
    made_at: datetime
    size: int
    sha256: str
    schema: int
    sellerd: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "path": str(self.path), "made_at": _iso(self.made_at)}


@dataclass(frozen=True, slots=True)
class Examined:
    """What a copy is, as far as it can be told, and every reason why it must not be put back."""

    backup: Backup | None
    problems: tuple[str, ...]


class Backups:
    """The copies of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # What is half made belongs to nobody else, and a name is free until its copy is there.
        self._one_at_a_time = Lock()

    async def create(self, folder: Path, at: datetime, sellerd: str = "") -> Backup:
        """Copy the database as it is now into `folder`; `sellerd` is the version of the program, for the manifest.

        Raises StoreError; then nothing is left there.
        """
        async with self._one_at_a_time:
            return await to_thread.run_sync(_create, self._database.path, folder, at, sellerd)

    async def thin_out(self, folder: Path, keep: int) -> list[Path]:
        """Remove all copies but the newest `keep`, and what a crash left half made; returns which copies."""
        async with self._one_at_a_time:
            return await to_thread.run_sync(_thin_out, folder, keep)


def listed(folder: Path) -> list[Backup]:
    """The copies in a folder by their manifests, the newest first; what is no copy is passed over."""
    found = []
    for manifest in sorted(folder.glob("*.db.json")):
        with suppress(StoreError):
            found.append(_manifest(manifest.with_suffix("")))
    return sorted(found, key=lambda backup: (backup.made_at, backup.path.name), reverse=True)


def _thin_out(folder: Path, keep: int) -> list[Path]:
    old = [backup.path for backup in listed(folder) if backup.path.name.startswith("sellerd-")][keep:]
    for path in old:
        path.unlink(missing_ok=True)
        _manifest_of(path).unlink(missing_ok=True)
    for left in (*folder.glob(".sellerd-*.part"), *folder.glob(".sellerd-*.part-journal")):
        left.unlink(missing_ok=True)
    for manifest in folder.glob("sellerd-*.db.json"):
        if not manifest.with_suffix("").exists():
            manifest.unlink()
    return old


async def examined(path: Path) -> Examined:
    """Whether a copy is what its manifest says, whole, consistent, and of a form that we know."""
    return await to_thread.run_sync(_examined, path)


async def rehearsed(path: Path) -> dict[str, int]:
    """Put a copy back in a folder of its own, open it as the daemon would, count what is in it, and forget it.

    Raises StoreError.
    """
    with TemporaryDirectory(prefix="sellerd-rehearsal-") as folder:
        target = Path(folder) / "sellerd.db"
        await to_thread.run_sync(_copy, path, target)
        async with open_database(target) as database:
            return await Views(database).sizes()


async def put_back(path: Path, target: Path, at: datetime) -> Path | None:
    """Put an examined copy in the place of the database at `target`; returns where that one is kept now.

    Raises StoreInUse while somebody owns it, StoreError and OSError; then the old one is still in its place. From here
    on the database counts as restored: see `daemon.store.generation`.
    """
    return await to_thread.run_sync(_put_back, path, target, at)


def copy_out(path: Path, output: Path) -> None:
    """Put a copy and its manifest elsewhere as well, each whole or not there, and for certain; raises OSError."""
    for source, target in ((_manifest_of(path), _manifest_of(output)), (path, output)):
        part = target.with_name(f".{target.name}.part")
        _copy(source, part)
        part.replace(target)
    _sync(output.absolute().parent)


def _create(source: Path, folder: Path, at: datetime, sellerd: str) -> Backup:
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            give_to_owner_of(source, folder)
        _check_room(source, folder)
        path = _fresh_name(folder, at)
        part = folder / f".{path.name}.part"
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            _copy_database(source, part)
            backup = Backup(path, at, part.stat().st_size, _digest(part), _schema(part), sellerd)
            # The manifest goes first: a copy in its place always has one.
            _write_manifest(backup)
            give_to_owner_of(source, part, _manifest_of(path))
            part.replace(path)
            _sync(folder)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"no backup was made in {folder}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"no backup was made in {folder}: {error}") from error
    return backup


def _check_room(source: Path, folder: Path) -> None:
    needed = source.stat().st_size + _ROOM
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"no backup was made in {folder}: {free >> 20} MiB are free there, and about {needed >> 20} are needed"
        )


def _fresh_name(folder: Path, at: datetime) -> Path:
    stem, number = f"sellerd-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}", 1
    path = folder / f"{stem}.db"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.db"
    return path


def _copy_database(source: Path, target: Path) -> None:
    """One consistent copy as a single file: read in one go, which in WAL mode holds up no writer, then checked."""
    with closing(_open(source, "mode=ro")) as reader, closing(sqlite3.connect(target)) as written:
        reader.backup(written)
        # The copy says of itself that it has a log; as one file it has none.
        written.execute("PRAGMA journal_mode = DELETE").fetchall()
        if problems := _faults(written):
            raise StoreError(f"no backup was made: the database is damaged: {'; '.join(problems)}")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _examined(path: Path) -> Examined:
    if not path.is_file():
        return Examined(None, (f"{path} is no file",))
    try:
        backup = _as_it_is(path) if _is_kept_aside(path) else _manifest(path)
    except StoreError as error:
        return Examined(None, (str(error),))
    problems = []
    if path.stat().st_size != backup.size:
        problems.append(f"{path} has {path.stat().st_size} bytes, and its manifest says {backup.size}: it was cut")
    elif _digest(path) != backup.sha256:
        problems.append(f"{path} is not what was backed up: its SHA-256 is another than in its manifest")
    try:
        with closing(_open(path, "mode=ro&immutable=1")) as connection:
            problems += _faults(connection)
            problems += _unknown_migrations(connection, path)
    except sqlite3.Error as error:
        problems.append(f"{path} cannot be opened: {error}")
    return Examined(backup, tuple(problems))


def _is_kept_aside(path: Path) -> bool:
    """Whether it is what was kept before a migration or a restore, beside which no manifest stands."""
    return ".before-" in path.name and not _manifest_of(path).exists()


def _as_it_is(path: Path) -> Backup:
    if path.with_name(f"{path.name}-wal").exists():
        raise StoreError(f"{path} was damaged, and what its log beside it holds would be missing")
    made_at, size = datetime.fromtimestamp(path.stat().st_mtime, UTC), path.stat().st_size
    try:
        return Backup(path, made_at, size, _digest(path), _schema(path))
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from error


def _faults(connection: sqlite3.Connection) -> list[str]:
    told = [row[0] for row in connection.execute(f"PRAGMA integrity_check({_MOST_TOLD})").fetchall()]
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_TOLD)
    return [text for text in told if text != "ok"] + [f"a row of {row[0]} refers to none of {row[2]}" for row in broken]


def _unknown_migrations(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    known = {number: hashlib.sha256(text.encode()).hexdigest() for number, _, text in migrations()}
    for number, name, sha256 in connection.execute("SELECT number, name, sha256 FROM migrations ORDER BY number"):
        if number not in known:
            yield f"{path} was written by a newer sellerd (migration {name}): upgrade sellerd first"
        elif known[number] != sha256:
            yield f"{path}: migration {name} is not the one of this sellerd"


def _put_back(path: Path, target: Path, at: datetime) -> Path | None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.restoring")
    with ownership(target.with_suffix(".lock")):
        _copy(path, fresh)
        try:
            # First: should it end here, the old database is doubted without need, and nothing is sent too soon.
            mark_restored(target)
            give_to_owner_of(target, fresh)
            aside = _put_aside(target, at) if target.exists() else None
            fresh.replace(target)
            _sync(target.parent)
        finally:
            fresh.unlink(missing_ok=True)
    return aside


def _put_aside(target: Path, at: datetime) -> Path:
    """Keep the old database under another name, its log folded in; the place itself is filled by one rename after."""
    aside = target.with_name(f"{target.stem}.before-restore-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.db")
    with suppress(sqlite3.Error), closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    for ending in ("-wal", "-shm"):
        # A damaged database keeps its log; beside the restored one it would be taken for that one's.
        with suppress(FileNotFoundError):
            target.with_name(target.name + ending).rename(aside.with_name(aside.name + ending))
    try:
        os.link(target, aside)
    except OSError:
        shutil.copy2(target, aside)
    return aside


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as written:
        shutil.copyfileobj(read, written, _BLOCK)
        written.flush()
        os.fsync(written.fileno())


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)


def _schema(path: Path) -> int:
    with closing(_open(path, "mode=ro&immutable=1")) as connection:
        return int(connection.execute("SELECT max(number) FROM migrations").fetchone()[0])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _manifest(path: Path) -> Backup:
    manifest = _manifest_of(path)
    try:
        said = json.loads(manifest.read_text("utf-8"))
        if said["manifest"] != _MANIFEST:
            raise StoreError(f"{manifest} was written by a newer sellerd: upgrade sellerd first")
        made_at = datetime.fromisoformat(said["made_at"])
        return Backup(path, made_at, int(said["size"]), str(said["sha256"]), int(said["schema"]), str(said["sellerd"]))
    except FileNotFoundError:
        raise StoreError(f"{manifest} is missing: a backup has its manifest beside it") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{manifest} is no manifest: {error}") from None


def _write_manifest(backup: Backup) -> None:
    said = {"manifest": _MANIFEST, **backup.as_dict()}
    del said["path"]
    manifest = _manifest_of(backup.path)
    manifest.unlink(missing_ok=True)
    descriptor = os.open(manifest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(said, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
