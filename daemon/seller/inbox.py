"""Files that the seller drops into a folder: taken once they are complete, imported once, and moved away (guide S1).

A file is complete when it looks the same at two turns in a row: its size, its time, its place on disk. It is read as a
copy of ours, and what was done with it is kept before it is moved, so that a crash at any point leaves it either to be
imported as if for the first time, or only to be moved. Nothing of the seller's is ever deleted.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from anyio import to_thread

from daemon.errors import NotAllowed, Unreachable, Unreadable
from daemon.model import AccountName
from daemon.seller.badrows import TableFormat, reasons_of, write_bad_rows
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.folders import Look, Taken

#: the folders inside an inbox into which files are moved
DONE, FAILED = "done", "failed"
#: bytes of one file
LARGEST = 1 << 30
_BLOCK = 1 << 20
_NAME = re.compile(rf"({'|'.join(ImportKind)})(?![A-Za-z]).*\.(csv|txt|xlsx)", re.IGNORECASE)
#: what programs call a file that they are still writing
_UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload", ".swp")
_LONGEST_STEM = 150
_NAMELESS = f"the name does not say what is in it: begin it with {', '.join(ImportKind)}, and end it with .csv or .xlsx"


@dataclass(slots=True)
class InboxTurn:
    """What one look into an inbox did: files imported, and what could not be done with others."""

    imported: int = 0
    failed: int = 0
    problems: tuple[str, ...] = ()


async def empty_inbox(store: Store, account: AccountSettings, inbox: Path, at: datetime) -> InboxTurn:
    """Import every complete file, the oldest first; a file that cannot be dealt with never blocks those behind it.

    Raises Unreachable when the folder cannot be read, StoreError when the database fails.
    """
    looks, odd = await to_thread.run_sync(_look_round, inbox)
    complete = await store.folders.unchanged(AccountName(account.name), looks)
    turn = InboxTurn(problems=tuple(f"{inbox}: the name {name} is no text; rename it" for name in odd))
    for look in sorted(looks, key=lambda look: (look.modified_ns, look.name)):
        if look.name not in complete:
            continue
        try:
            done = await _deal_with(store, account, inbox, look, at)
        except OSError as error:
            turn.problems += (f"{inbox / look.name}: {error.strerror or error}",)
            continue
        turn.imported += done is True
        turn.failed += done is False
    return turn


def _look_round(inbox: Path) -> tuple[list[Look], list[str]]:
    """The files that lie there, and the names that nobody can write down."""
    try:
        with os.scandir(inbox) as entries:
            looks = [look for entry in entries if (look := _look_at(entry)) is not None]
    except OSError as error:
        raise Unreachable(
            f"the inbox {inbox} cannot be read: {error.strerror}; make the folder, and give the daemon's user the right"
        ) from None
    odd = [ascii(look.name) for look in looks if not look.name.isprintable()]
    return [look for look in looks if look.name.isprintable()], odd


def _look_at(entry: os.DirEntry[str]) -> Look | None:
    if entry.name.startswith((".", "~")) or entry.name.casefold().endswith(_UNFINISHED):
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:  # it was moved away just now
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Look(entry.name, found.st_size, found.st_mtime_ns, found.st_ino)


async def _deal_with(store: Store, account: AccountSettings, inbox: Path, look: Look, at: datetime) -> bool | None:
    """True when a file was imported whole, False when something of it failed, None when it waits for the next turn."""
    named = _NAME.fullmatch(look.name)
    if named is None or look.size > LARGEST:
        why = f"the file is larger than {LARGEST >> 20} MiB; bring it in several" if named else _NAMELESS
        await to_thread.run_sync(_put_away, inbox, look, at, {"version": 1, "error": why})
        return False
    kind = ImportKind(named[1].lower())
    with TemporaryFile() as copy:
        sha256 = await to_thread.run_sync(_copy, inbox / look.name, look, copy)
        if not sha256:
            return None
        taken = await store.folders.take(
            *(AccountName(account.name), kind, look, sha256, at),
            # What was dispatched is said once; stock and prices may come back to what they were.
            by_content=kind is ImportKind.DISPATCHES,
        )
        report = taken.report or await _import(store, account, kind, copy, taken)
        if not taken.report:
            await store.folders.finished(taken.id, report, at)
        elif taken.name != look.name:
            report = {**report, "imported_before_as": taken.name}
        await to_thread.run_sync(_put_away_with_bad_rows, inbox, look, taken, report, (kind, copy))
    return not _has_failed(report)


def _copy(path: Path, look: Look, copy: BinaryIO) -> str:
    """Copy a file, and return the SHA-256 of it (hex); empty when it is not the one that was looked at, any more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    digest = hashlib.sha256()
    with os.fdopen(descriptor, "rb") as file:
        if not _is_as_seen(file, look):
            return ""
        while block := file.read(_BLOCK):
            digest.update(block)
            copy.write(block)
        if not _is_as_seen(file, look):
            return ""
    copy.seek(0)
    return digest.hexdigest()


def _is_as_seen(file: BinaryIO, look: Look) -> bool:
    found = os.fstat(file.fileno())
    now = Look(look.name, found.st_size, found.st_mtime_ns, found.st_ino)
    return stat.S_ISREG(found.st_mode) and now == look


async def _import(
    store: Store, account: AccountSettings, kind: ImportKind, copy: BinaryIO, taken: Taken
) -> dict[str, Any]:
    try:
        # The instant of the taking, so that a second try after a crash says of a parcel what the first one said.
        report = await import_file(store, account, kind, copy, taken.taken_at)
    except (NotAllowed, Unreadable) as error:
        return {"version": 1, "account": account.name, "kind": kind, "error": str(error)}
    return report.as_dict()


def _has_failed(report: Mapping[str, Any]) -> bool:
    return bool(report.get("error") or report.get("refused"))


def _put_away(inbox: Path, look: Look, at: datetime, report: Mapping[str, Any]) -> None:
    """Move a file that was never taken."""
    _move(inbox, look, f"{at:%Y%m%dT%H%M%S}Z", report)


def _put_away_with_bad_rows(
    inbox: Path, look: Look, taken: Taken, report: Mapping[str, Any], source: tuple[ImportKind, BinaryIO]
) -> None:
    mark = f"{taken.taken_at:%Y%m%dT%H%M%S}Z-{taken.id}"
    if report.get("faults"):
        kind, copy = source
        form = TableFormat.XLSX if look.name.casefold().endswith(".xlsx") else TableFormat.CSV
        with _written(inbox / FAILED / f"{_stem(look.name)}.{mark}.bad-rows.{form}") as target:
            write_bad_rows(kind, copy, reasons_of(report["faults"]), target, form)
    _move(inbox, look, mark, report)


def _move(inbox: Path, look: Look, mark: str, report: Mapping[str, Any]) -> None:
    """Write what became of a file beside where it goes, and move it there last: what is here is dealt with anew."""
    folder = inbox / (FAILED if _has_failed(report) else DONE)
    folder.mkdir(exist_ok=True)
    stem, suffix = _stem(look.name), Path(look.name).suffix
    with _written(folder / f"{stem}.{mark}.result.json") as target:
        target.write((json.dumps({"file": look.name, **report}, ensure_ascii=False, indent=2) + "\n").encode())
    (inbox / look.name).rename(folder / f"{stem}.{mark}{suffix}")


def _stem(name: str) -> str:
    return Path(name).stem[:_LONGEST_STEM]


class _written:  # noqa: N801 - reads as what it gives
    """A file that is there whole or not at all: written under a hidden name, and renamed at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.part")

    def __enter__(self) -> BinaryIO:
        self._path.parent.mkdir(exist_ok=True)
        self._file = self._fresh.open("wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._fresh.replace(self._path)
        else:
            self._fresh.unlink(missing_ok=True)
