"""Reading listed files of an SFTP server: whole, and as they were listed, or not at all."""

from collections.abc import Iterator, Sequence
from functools import partial

import anyio
import asyncssh

from daemon.errors import Unreadable
from daemon.model import RemoteFile
from daemon.transports.sftp_names import instant, path_of
from daemon.transports.sftp_pipeline import SMALL, Pipeline
from daemon.transports.sftp_session import READ, Session, together

# How much of a row of files is held before it is yielded.
_WINDOW = 32 << 20
_MOST_AT_ONCE = 512


def windows(files: Sequence[RemoteFile]) -> Iterator[Sequence[RemoteFile]]:
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


async def read_whole(session: Session, file: RemoteFile, limit: int, pipeline: Pipeline | None = None) -> bytes:
    """Read a listed file of at most `limit` bytes in one go, a small one through the pipeline where there is one.

    Raises FileGone, and Unreadable for one that is longer or no longer as it was listed.
    """
    refuse_length(file, limit, session.where)
    path, doing = path_of(file.folder, file.name), f"reading {file.name}"
    if pipeline is not None and file.size <= SMALL:
        with session.answering(session.timeouts.for_bytes(file.size), doing):
            content, found = await pipeline.fetch(path, file.size)
        # Where a server gives less in one answer than it could, the rest is fetched piece by piece.
        if len(content) == file.size or found.size != file.size:
            compare(file, len(content), found.size, found.modified, session.where)
            return content
    async with session.opened(path, READ, doing) as handle:
        content = await read_range(session, handle, file.name, 0, file.size)
        after = await session.ask(handle.stat, session.timeouts.call, doing)
    compare(file, len(content), after.size, after.mtime, session.where)
    return content


async def read_range(session: Session, handle: asyncssh.SFTPClientFile, name: str, offset: int, length: int) -> bytes:
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


def refuse_length(file: RemoteFile, limit: int, where: str) -> None:
    """Raise Unreadable where a file was listed with more bytes than `limit`."""
    if file.size > limit:
        raise Unreadable(f"{where}: {file.name} has {file.size} bytes, at most {limit} are read")


def as_listed(file: RemoteFile, size: int | None, modified: int | None) -> bool:
    """Whether a file still has the size and the time that it was listed with, as far as a server says."""
    same_time = file.modified_at is None or modified is None or instant(modified) == file.modified_at
    return size == file.size and same_time


def compare(file: RemoteFile, length: int, size: int | None, modified: int | None, where: str) -> None:
    """Raise Unreadable where a file as it was listed is not what was read of it, or how it stood then."""
    if length != file.size or not as_listed(file, size, modified):
        raise Unreadable(f"{where}: {file.name} changed while it was read")
