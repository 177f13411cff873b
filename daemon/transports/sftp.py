"""The one door to SFTP: listing, fetching and putting files on one account's server, each loss given its true name."""

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import anyio
import asyncssh

from daemon.errors import MarketplaceError, Refused, Unconfirmed, Unreachable, Unreadable
from daemon.model import RemoteFile
from daemon.transports.body import Body
from daemon.transports.calls import counted
from daemon.transports.sftp_keys import HostKey, fingerprint, offered_host_keys, parse_private_key
from daemon.transports.sftp_pipeline import SMALL, Entry, Pipeline
from daemon.transports.sftp_session import (
    EXCLUSIVE,
    OVERWRITE,
    READ,
    FileGone,
    Session,
    SftpLogin,
    SftpTimeouts,
    Stake,
    dial,
    together,
)

__all__ = [
    "Body",
    "Fetched",
    "FileGone",
    "HostKey",
    "Put",
    "Sftp",
    "SftpLogin",
    "SftpTimeouts",
    "fingerprint",
    "offered_host_keys",
    "parse_private_key",
]

MIB = 1 << 20
_CHUNK = 256 << 10
# How much of a stream is read ahead, and how much of a row of files is held before it is yielded.
_AHEAD = MIB
_WINDOW = 32 * MIB
_MOST_AT_ONCE = 512
# Files of one name that a folder takes beside each other: more are no repetitions any more.
_MOST_BESIDE = 99
# The longest name in bytes and the largest size that file systems know.
_LONGEST_NAME = 255
_LARGEST = (1 << 63) - 1

# Named here because inside the class `list` is its method.
RemoteFiles: TypeAlias = list[RemoteFile]
Sessions: TypeAlias = list[Session]
Fetched: TypeAlias = bytes | MarketplaceError


class Put(StrEnum):
    """How a file is made visible to whoever reads it at the far side."""

    MARKER = "marker"
    """Written under its name; then an empty file NAME.DONE beside it says that it is whole."""
    RENAME = "rename"
    """Written under another name, then renamed: it appears whole."""
    AT_ONCE = "at_once"
    """Written straight to its name, in one request where the server takes that: a reader may see it grow."""


class Sftp:
    """One account's way to one SFTP server.

    It connects when first needed, keeps up to `login.connections` connections, and connects anew after an error. Calls
    may run at the same time; one that fails or is cancelled does not take the others' connection away.

    Every call raises AccessDenied where a person must see to key or login, Unreachable where nothing was delivered,
    Refused where the server says no. After a `list`, `odd_entries[folder]` counts the files left out because their name
    is not one clean segment of UTF-8 text or longer than file systems take, or because no file has such a size.
    """

    def __init__(self, login: SftpLogin) -> None:
        self.odd_entries: dict[str, int] = {}
        self._login = login
        self._sessions: Sessions = []
        self._dialling = anyio.Lock()
        self._pipelining = login.pipelining
        self._opening = anyio.Lock()

    async def list(self, folder: str, *, limit: int = 200_000) -> RemoteFiles:
        """Return the regular files of `folder`, sorted by name, with size and time as the listing gives them.

        Raises Refused for a folder that is not there, Unreadable for one of more than `limit` entries.
        """
        async with self._session() as session:
            try:
                listing = await self._listing(session, folder, limit)
            except FileGone as error:
                raise Refused(f"{session.where}: there is no folder {folder}", error.code) from error
        self.odd_entries[folder] = listing.odd
        return sorted(listing.files, key=lambda file: file.name)

    async def read(self, file: RemoteFile, *, limit: int = 16 * MIB) -> bytes:
        """Return the bytes of a listed file.

        Raises FileGone when it is no longer there; Unreadable when it is longer than `limit` bytes, or when listed
        size, bytes read and size afterwards (or the times) differ, because then somebody is still writing it.
        """
        async with self._session() as session:
            return await _read_whole(session, file, limit)

    async def read_many(
        self, files: Sequence[RemoteFile], *, limit: int = 16 * MIB
    ) -> AsyncGenerator[tuple[RemoteFile, Fetched], None]:
        """Read files many at a time, yielding each in the given order with its bytes or why it could not be read.

        A few are read whole, then yielded, then the next few: nothing is held at the server while the caller works on
        what it got, so it may call this object meanwhile, or stop early. What is not about one file raises.
        """
        for window in _windows(files):
            fetched = await self._read_window(window, limit)
            for file, outcome in zip(window, fetched, strict=True):
                if isinstance(outcome, bytes | MarketplaceError):
                    yield file, outcome
                else:
                    raise outcome

    async def stream(self, file: RemoteFile, *, limit: int = 4096 * MIB) -> AsyncGenerator[bytes, None]:
        """Yield a listed file in chunks of 256 KiB; raises as `read` does, the comparison of sizes at its end.

        To be left early only inside `contextlib.aclosing`, because the file stays open at the server meanwhile.
        """
        _refuse_length(file, limit, self._login.where)
        async with self._session() as session:
            path = _path(file.folder, file.name)
            length = 0
            async with session.opened(path, READ, f"reading {file.name}") as handle:
                while length < file.size:
                    ahead = await _read_range(session, handle, file.name, length, min(_AHEAD, file.size - length))
                    length += len(ahead)
                    for start in range(0, len(ahead), _CHUNK):
                        yield ahead[start : start + _CHUNK]
                    if not ahead:
                        break
                after = await session.ask(handle.stat, session.timeouts.call, f"reading {file.name}")
        _compare(file, length, after.size, after.mtime, self._login.where)

    async def put(
        self,
        folder: str,
        name: str,
        content: bytes | Body,
        *,
        how: Put,
        marker: str = ".DONE",
        temp_folder: str = "",
    ) -> None:
        """Put a file, made visible in the way `how`; `marker` is the suffix of MARKER, `temp_folder` belongs to RENAME.

        Raises Refused when a file of that name is there already, and then nothing was changed. A loss while the data
        of MARKER or RENAME is written is Unreachable: what it leaves does no harm and is overwritten when the same name
        is put again. A loss at the marker or at the rename is Unconfirmed; so is one while a file AT_ONCE is opened,
        and anything that goes wrong with it after that. What `content.chunks()` raises comes out as it is, and a wrong
        length of it is a ValueError.
        """
        path = _path(folder, name)
        async with self._session() as session:
            match how:
                case Put.MARKER:
                    await _put_with_marker(session, path, content, marker)
                case Put.RENAME:
                    await _put_and_rename(session, path, _path(temp_folder or folder, f".{name}.part"), content)
                case Put.AT_ONCE:
                    await _put_at_once(session, path, content)

    async def move(self, folder: str, name: str, to_folder: str, *, beside: bool = False) -> None:
        """Move a file to another folder under the same name, making that folder where it is missing.

        Already gone is success. A file in the way is Refused; with `beside` the moved one gets the first free number
        behind its name, `order-1.txt.2` say.
        """
        source, target = _path(folder, name), _path(to_folder, name)
        async with self._session() as session:
            if not await _is_there(session, source):
                return
            number = 1
            while await _is_there(session, target):
                number += 1
                if not beside or number > _MOST_BESIDE:
                    raise Refused(
                        f"{session.where}: {name} cannot be moved, {to_folder} has a file of that name already"
                    )
                target = _path(to_folder, f"{name}.{number}")
            rename = partial(session.client.rename, source, target)
            try:
                await session.ask(rename, session.timeouts.call, f"moving {name} to {to_folder}")
            except FileGone:
                # Either the file went meanwhile, or it is the other folder that is missing.
                if not await _is_there(session, source):
                    return
                await _make_folder(session, to_folder)
                await session.ask(rename, session.timeouts.call, f"moving {name} to {to_folder}")

    async def remove(self, folder: str, name: str) -> None:
        """Delete a file. Already gone is success."""
        async with self._session() as session:
            try:
                await session.ask(
                    partial(session.client.remove, _path(folder, name)), session.timeouts.call, f"deleting {name}"
                )
            except FileGone:
                return

    async def is_other(self, file: RemoteFile) -> bool:
        """Whether something else stands under the name of a listed file by now, of another size or time."""
        async with self._session() as session:
            look = partial(session.client.lstat, _path(file.folder, file.name))
            try:
                attrs = await session.ask(look, session.timeouts.call, f"looking for {file.name}")
            except FileGone:
                return False
        same_time = file.modified_at is None or attrs.mtime is None or _instant(attrs.mtime) == file.modified_at
        return attrs.size != file.size or not same_time

    async def exists(self, folder: str, names: Sequence[str]) -> set[str]:
        """Return which of `names` stand in `folder`; raises Refused for a folder that is not there."""
        async with self._session() as session:
            asked = [partial(_is_there, session, _path(folder, name)) for name in names]
            answers = await together([partial(_is_there, session, _path(folder)), *asked])
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            if not answers[0]:
                raise Refused(f"{session.where}: there is no folder {folder}")
        return {name for name, there in zip(names, answers[1:], strict=True) if there}

    async def aclose(self) -> None:
        """Drop all connections now, without waiting for the far side; calls under way fail."""
        sessions, self._sessions = self._sessions, []
        for session in sessions:
            await session.abort()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Share a connection for one call. It renames no error: what it surrounds may be the caller's."""
        with counted("sftp"):
            async with self._dialling:
                session = await self._choose()
                session.users += 1
            try:
                yield session
            finally:
                session.release()

    async def _choose(self) -> Session:
        """Return the least busy connection, or a new one where all are busy and one more is allowed."""
        self._sessions = usable = [session for session in self._sessions if session.usable]
        least = min(usable, key=lambda session: session.users, default=None)
        if least is not None and (least.users == 0 or len(usable) >= self._login.connections):
            return least
        try:
            new = await dial(self._login)
        except Unreachable:
            # A server may allow fewer connections than we do.
            if least is None or not least.usable:
                raise
            return least
        self._sessions.append(new)
        return new

    async def _listing(self, session: Session, folder: str, limit: int) -> "_Listing":
        listing, path, doing = _Listing(folder, limit), _path(folder), f"listing {folder}"
        pipeline = await self._pipeline(session)
        if pipeline is None:
            scan = partial(_scan, session.client, path, listing.take)
            await session.ask(scan, session.timeouts.list, doing)
        else:
            with session.answering(session.timeouts.list, doing):
                await pipeline.names(path, listing.take)
        return listing

    async def _pipeline(self, session: Session) -> Pipeline | None:
        """The session's pipeline, opened when first needed; None where there is to be none.

        A server that refused it, or did not answer, is not asked for one again.
        """
        async with self._opening:
            if session.pipeline is None and self._pipelining:
                self._pipelining = False
                try:
                    self._pipelining = await session.start_pipeline()
                finally:
                    # A connection that was lost meanwhile says nothing about it.
                    self._pipelining |= session.lost
        return session.pipeline

    async def _read_window(self, files: Sequence[RemoteFile], limit: int) -> Sequence[bytes | Exception]:
        """Read files at the same time; what is no matter of one file ends the reading of all."""
        fetched: dict[int, bytes | Exception] = {}
        todo = iter(enumerate(files))
        lost: list[Exception] = []

        async def work(session: Session, pipeline: Pipeline | None) -> None:
            for place, file in todo:
                if lost:
                    return
                try:
                    fetched[place] = await _read_whole(session, file, limit, pipeline)
                except MarketplaceError as error:
                    fetched[place] = error
                except Exception as error:  # noqa: BLE001 - raised by who yields the files before it
                    lost.append(error)

        async with AsyncExitStack() as stack:
            workers = []
            for _ in range(min(self._login.connections, -(-len(files) // self._login.in_flight))):
                session = await stack.enter_async_context(self._session())
                worker = partial(work, session, await self._pipeline(session))
                workers += [worker] * self._login.in_flight
            await together(workers)
        return [fetched[place] if place in fetched else lost[0] for place in range(len(files))]


class _Listing:
    """The regular files of a folder as its entries come, and how many entries are no file that could be read.

    It holds no more of an entry than a file may have: a server may go on with long names until its time is over.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.files: RemoteFiles = []
        self.odd = 0
        self._folder = folder
        self._limit = limit
        self._count = 0

    def take(self, entry: Entry) -> None:
        """Take the next entry; raises Unreadable when it is one too many."""
        self._count += 1
        if self._count > self._limit:
            raise Unreadable(f"the folder {self._folder} has more than {self._limit} entries")
        if not entry.regular:
            return
        name = None if len(entry.name) > _LONGEST_NAME else _clean_name(entry.name)
        if name is None or entry.size is None or entry.size > _LARGEST:
            self.odd += 1
        else:
            self.files.append(RemoteFile(self._folder, name, entry.size, _instant(entry.modified)))


async def _scan(client: asyncssh.SFTPClient, path: bytes, take: Callable[[Entry], None]) -> None:
    """List a folder, asking with bytes so that one name that is not UTF-8 does not hide the others."""
    async for entry in client.scandir(path):
        name = entry.filename if isinstance(entry.filename, bytes) else entry.filename.encode()
        take(Entry(name, entry.attrs.size, entry.attrs.mtime, _is_regular(entry)))


def _is_regular(entry: asyncssh.SFTPName) -> bool:
    if entry.attrs.type == asyncssh.FILEXFER_TYPE_UNKNOWN:
        # A server that gives no permissions tells the type only by the first sign of its `ls -l` line.
        return entry.longname[:1] in (b"-", "-")
    return bool(entry.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR)


async def _read_whole(session: Session, file: RemoteFile, limit: int, pipeline: Pipeline | None = None) -> bytes:
    _refuse_length(file, limit, session.where)
    path, doing = _path(file.folder, file.name), f"reading {file.name}"
    if pipeline is not None and file.size <= SMALL:
        with session.answering(session.timeouts.for_bytes(file.size), doing):
            content, found = await pipeline.fetch(path, file.size)
        # Where a server gives less in one answer than it could, the rest is fetched piece by piece.
        if len(content) == file.size or found.size != file.size:
            _compare(file, len(content), found.size, found.modified, session.where)
            return content
    async with session.opened(path, READ, doing) as handle:
        content = await _read_range(session, handle, file.name, 0, file.size)
        after = await session.ask(handle.stat, session.timeouts.call, doing)
    _compare(file, len(content), after.size, after.mtime, session.where)
    return content


async def _read_range(session: Session, handle: asyncssh.SFTPClientFile, name: str, offset: int, length: int) -> bytes:
    """Read `length` bytes from `offset`, block by block at the same time; fewer come back where the file ends."""
    deadline = session.timeouts.for_bytes(length)
    some = anyio.Semaphore(session.blocks_in_flight)

    async def block(start: int, size: int) -> bytes:
        async with some:
            return await session.ask(partial(_read_block, handle, start, size), deadline, f"reading {name}")

    size = session.read_block
    if length <= size:
        return await block(offset, length)
    end = offset + length
    blocks = await together([partial(block, start, min(size, end - start)) for start in range(offset, end, size)])
    return b"".join(_whole(blocks))


async def _read_block(handle: asyncssh.SFTPClientFile, start: int, size: int) -> bytes:
    """Read a block in the pieces that the server gives, one call in all: a byte at a time is always in time."""
    block = bytearray()
    while len(block) < size:
        piece = await _read_piece(handle, size - len(block), start + len(block))
        if not piece:
            break
        block += piece
    return bytes(block)


async def _read_piece(handle: asyncssh.SFTPClientFile, size: int, start: int) -> bytes:
    piece: bytes = await handle.read(size, start)
    if len(piece) > size:
        raise asyncssh.SFTPBadMessage("more bytes than were asked for")
    return piece


def _whole(outcomes: Sequence[bytes | Exception]) -> Iterator[bytes]:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


def _refuse_length(file: RemoteFile, limit: int, where: str) -> None:
    if file.size > limit:
        raise Unreadable(f"{where}: {file.name} has {file.size} bytes, at most {limit} are read")


def _compare(file: RemoteFile, length: int, size: int | None, modified: int | None, where: str) -> None:
    """Compare a file as it was listed with what was read of it, and with how it stood then."""
    same_time = file.modified_at is None or modified is None or _instant(modified) == file.modified_at
    if not file.size == length == size or not same_time:
        raise Unreadable(f"{where}: {file.name} changed while it was read")


async def _put_with_marker(session: Session, path: bytes, content: bytes | Body, marker: str) -> None:
    marker_path = path + marker.encode()
    if await _is_there(session, marker_path):
        raise Refused(f"{session.where}: {_shown(path)} is already there with its marker")
    # Without its marker the file was never given away: what is there is left from a try of ours that was lost.
    await _write(session, path, content, OVERWRITE)
    await _expect_length(session, path, content)
    doing = f"marking {_shown(path)} as whole"
    async with session.opened(marker_path, EXCLUSIVE, doing, opening=Stake.NAME, closing=Stake.DATA):
        pass


async def _put_and_rename(session: Session, path: bytes, temp_path: bytes, content: bytes | Body) -> None:
    if await _is_there(session, path):
        raise Refused(f"{session.where}: {_shown(path)} is already there")
    await _write(session, temp_path, content, OVERWRITE)
    await _expect_length(session, temp_path, content)
    # The plain rename, which fails where the name is taken; OpenSSH's own extension would overwrite.
    rename = partial(session.client.rename, temp_path, path)
    await session.ask(rename, session.timeouts.call, f"giving {_shown(path)} its name", stake=Stake.NAME)


async def _put_at_once(session: Session, path: bytes, content: bytes | Body) -> None:
    if await _is_there(session, path):
        raise Refused(f"{session.where}: {_shown(path)} is already there")
    await _write(session, path, content, EXCLUSIVE, stake=Stake.DATA)
    try:
        await _expect_length(session, path, content, stake=Stake.DATA)
    except FileGone:
        # Whoever reads it has taken it already.
        return


async def _write(
    session: Session, path: bytes, content: bytes | Body, flags: int, *, stake: Stake = Stake.NOTHING
) -> None:
    """Write a whole file, many blocks at a time; one that is visible meanwhile in as few as the server takes."""
    visible = stake is Stake.DATA
    size = session.largest_write if visible else session.write_block
    doing = f"writing {_shown(path)}"
    # An empty file under its name is read by somebody, too: it may be there although the answer was lost.
    opening = Stake.NAME if visible else Stake.NOTHING
    async with (
        session.opened(path, flags, doing, opening=opening, closing=stake) as handle,
        aclosing(_blocks(content, size)) as blocks,
    ):
        offset = 0
        window: list[bytes] = []
        async for block in blocks:
            window.append(block)
            if len(window) == session.blocks_in_flight:
                offset += await _write_window(session, handle, offset, window, doing, stake)
                window.clear()
        await _write_window(session, handle, offset, window, doing, stake)


async def _write_window(
    session: Session,
    handle: asyncssh.SFTPClientFile,
    offset: int,
    window: Sequence[bytes],
    doing: str,
    stake: Stake,
) -> int:
    """Write blocks that follow each other from `offset` at the same time; return how many bytes they are."""
    length = sum(map(len, window))
    deadline = session.timeouts.for_bytes(length)
    writes = []
    for block in window:
        writes.append(partial(session.ask, partial(handle.write, block, offset), deadline, doing, stake=stake))
        offset += len(block)
    for outcome in await together(writes):
        if isinstance(outcome, Exception):
            raise outcome
    return length


async def _blocks(content: bytes | Body, size: int) -> AsyncGenerator[bytes, None]:
    """Yield the content in blocks of `size` bytes, the last one shorter."""
    if isinstance(content, bytes):
        for start in range(0, len(content), size):
            yield content[start : start + size]
        return
    gathered = bytearray()
    async with aclosing(content.read()) as chunks:
        async for chunk in chunks:
            gathered += chunk
            while len(gathered) >= size:
                yield bytes(gathered[:size])
                del gathered[:size]
    if gathered:
        yield bytes(gathered)


async def _expect_length(session: Session, path: bytes, content: bytes | Body, *, stake: Stake = Stake.NOTHING) -> None:
    """Compare what the server has with what was sent."""
    expected = content.length if isinstance(content, Body) else len(content)
    stat = partial(session.client.stat, path)
    attrs = await session.ask(stat, session.timeouts.call, f"checking {_shown(path)}", stake=stake)
    if attrs.size != expected:
        lost = Unreachable if stake is Stake.NOTHING else Unconfirmed
        raise lost(f"{session.where}: {_shown(path)} has {attrs.size} of {expected} bytes")


async def _make_folder(session: Session, folder: str) -> None:
    make = partial(session.client.mkdir, _path(folder))
    try:
        await session.ask(make, session.timeouts.call, f"making the folder {folder}")
    except Refused:
        # Another move may have made it just now.
        if not await _is_there(session, _path(folder)):
            raise


async def _is_there(session: Session, path: bytes) -> bool:
    try:
        await session.ask(partial(session.client.lstat, path), session.timeouts.call, f"looking for {_shown(path)}")
    except FileGone:
        return False
    return True


def _windows(files: Sequence[RemoteFile]) -> Iterator[Sequence[RemoteFile]]:
    """Cut files into runs of at most 512, and of at most 32 MiB where one is not longer by itself."""
    window: list[RemoteFile] = []
    length = 0
    for file in files:
        if window and (len(window) == _MOST_AT_ONCE or length + file.size > _WINDOW):
            yield window
            window, length = [], 0
        window.append(file)
        length += file.size
    if window:
        yield window


def _path(folder: str, name: str | None = None) -> bytes:
    """Return the path of a folder of our configuration, or of a file in it; raises ValueError for an unclean name."""
    if name is None:
        return (folder or ".").encode()
    if _clean_name(name.encode("utf-8", "surrogatepass")) is None:
        raise ValueError(f"{name!r} is not a clean file name")
    return (f"{folder.rstrip('/')}/{name}" if folder else name).encode()


def _clean_name(raw: bytes | str) -> str | None:
    """Return a name as text if it is one clean path segment, else nothing."""
    try:
        name = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        return None
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        return None
    # Control characters, line and paragraph separators: they would forge lines in what people read.
    if not name.isprintable() and any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in name):
        return None
    return name


def _shown(path: bytes) -> str:
    return path.rpartition(b"/")[2].decode()


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
