"""The one door to SFTP: listing, fetching and putting files on one account's server, each loss given its true name."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeAlias

import anyio

from daemon.errors import MarketplaceError, Refused, Unreachable
from daemon.model import RemoteFile
from daemon.transports.body import Body
from daemon.transports.calls import counted
from daemon.transports.sftp_keys import HostKey, fingerprint, offered_host_keys, parse_private_key
from daemon.transports.sftp_listing import list_folder
from daemon.transports.sftp_names import path_of
from daemon.transports.sftp_pipeline import Pipeline
from daemon.transports.sftp_reading import as_listed, compare, read_range, read_whole, refuse_length, windows
from daemon.transports.sftp_session import READ, FileGone, Session, SftpLogin, SftpTimeouts, dial, together
from daemon.transports.sftp_writing import Put, is_there, put

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
# How much of a stream is read ahead.
_AHEAD = MIB
# Files of one name that a folder takes beside each other: more are no repetitions any more.
_MOST_BESIDE = 99

# Named here because inside the class `list` is its method.
RemoteFiles: TypeAlias = list[RemoteFile]
Sessions: TypeAlias = list[Session]
Fetched: TypeAlias = bytes | MarketplaceError


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
                listing = await list_folder(session, await self._pipeline(session), folder, limit)
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
            return await read_whole(session, file, limit)

    async def read_many(
        self, files: Sequence[RemoteFile], *, limit: int = 16 * MIB
    ) -> AsyncGenerator[tuple[RemoteFile, Fetched], None]:
        """Read files many at a time, yielding each in the given order with its bytes or why it could not be read.

        A few are read whole, then yielded, then the next few: nothing is held at the server while the caller works on
        what it got, so it may call this object meanwhile, or stop early. What is not about one file raises.
        """
        for window in windows(files):
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
        refuse_length(file, limit, self._login.where)
        async with self._session() as session:
            path = path_of(file.folder, file.name)
            length = 0
            async with session.opened(path, READ, f"reading {file.name}") as handle:
                while length < file.size:
                    ahead = await read_range(session, handle, file.name, length, min(_AHEAD, file.size - length))
                    length += len(ahead)
                    for start in range(0, len(ahead), _CHUNK):
                        yield ahead[start : start + _CHUNK]
                    if not ahead:
                        break
                after = await session.ask(handle.stat, session.timeouts.call, f"reading {file.name}")
        compare(file, length, after.size, after.mtime, self._login.where)

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
        path, temp_path = path_of(folder, name), path_of(temp_folder or folder, f".{name}.part")
        async with self._session() as session:
            await put(session, path, content, how, marker=marker, temp_path=temp_path)

    async def move(self, folder: str, name: str, to_folder: str, *, beside: bool = False) -> None:
        """Move a file to another folder under the same name, making that folder where it is missing.

        Already gone is success. A file in the way is Refused; with `beside` the moved one gets the first free number
        behind its name, `order-1.txt.2` say.
        """
        source, target = path_of(folder, name), path_of(to_folder, name)
        async with self._session() as session:
            if not await is_there(session, source):
                return
            number = 1
            while await is_there(session, target):
                number += 1
                if not beside or number > _MOST_BESIDE:
                    raise Refused(
                        f"{session.where}: {name} cannot be moved, {to_folder} has a file of that name already"
                    )
                target = path_of(to_folder, f"{name}.{number}")
            rename = partial(session.client.rename, source, target)
            try:
                await session.ask(rename, session.timeouts.call, f"moving {name} to {to_folder}")
            except FileGone:
                # Either the file went meanwhile, or it is the other folder that is missing.
                if not await is_there(session, source):
                    return
                await _make_folder(session, to_folder)
                await session.ask(rename, session.timeouts.call, f"moving {name} to {to_folder}")

    async def remove(self, folder: str, name: str) -> None:
        """Delete a file. Already gone is success."""
        async with self._session() as session:
            try:
                await session.ask(
                    partial(session.client.remove, path_of(folder, name)), session.timeouts.call, f"deleting {name}"
                )
            except FileGone:
                return

    async def is_other(self, file: RemoteFile) -> bool:
        """Whether something else stands under the name of a listed file by now, of another size or time."""
        async with self._session() as session:
            look = partial(session.client.lstat, path_of(file.folder, file.name))
            try:
                attrs = await session.ask(look, session.timeouts.call, f"looking for {file.name}")
            except FileGone:
                return False
        return not as_listed(file, attrs.size, attrs.mtime)

    async def exists(self, folder: str, names: Sequence[str]) -> set[str]:
        """Return which of `names` stand in `folder`; raises Refused for a folder that is not there."""
        async with self._session() as session:
            asked = [partial(is_there, session, path_of(folder, name)) for name in names]
            answers = await together([partial(is_there, session, path_of(folder)), *asked])
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

    async def _pipeline(self, session: Session) -> Pipeline | None:
        """The session's pipeline, opened when it is needed and not there; None where there is to be none.

        A server that refused it, or did not answer, is not asked for one again.
        """
        async with self._opening:
            if session.pipeline is not None and session.pipeline.ended:
                session.pipeline = None
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
                    fetched[place] = await read_whole(session, file, limit, pipeline)
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


async def _make_folder(session: Session, folder: str) -> None:
    make = partial(session.client.mkdir, path_of(folder))
    try:
        await session.ask(make, session.timeouts.call, f"making the folder {folder}")
    except Refused:
        # Another move may have made it just now.
        if not await is_there(session, path_of(folder)):
            raise
