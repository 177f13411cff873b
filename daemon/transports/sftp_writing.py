"""Putting a file on an SFTP server so that its reader never takes half of it, as far as the server lets us."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum
from functools import partial

import asyncssh

from daemon.errors import Refused, Unconfirmed, Unreachable
from daemon.transports.body import Body
from daemon.transports.sftp_names import shown
from daemon.transports.sftp_session import EXCLUSIVE, OVERWRITE, FileGone, Session, Stake, together


class Put(StrEnum):
    """How a file is made visible to whoever reads it at the far side."""

    MARKER = "marker"
    """Written under its name; then an empty file NAME.DONE beside it says that it is whole."""
    RENAME = "rename"
    """Written under another name, then renamed: it appears whole."""
    AT_ONCE = "at_once"
    """Written straight to its name, in one request where the server takes that: a reader may see it grow."""


async def put(
    session: Session, path: bytes, content: bytes | Body, how: Put, *, marker: str = "", temp_path: bytes = b""
) -> None:
    """Put a file in the way `how`; MARKER wants its suffix, RENAME another path on the same file system.

    Raises as `Sftp.put` says.
    """
    match how:
        case Put.MARKER:
            await _put_with_marker(session, path, content, marker)
        case Put.RENAME:
            await _put_and_rename(session, path, temp_path, content)
        case Put.AT_ONCE:
            await _put_at_once(session, path, content)


async def _put_with_marker(session: Session, path: bytes, content: bytes | Body, marker: str) -> None:
    marker_path = path + marker.encode()
    if await is_there(session, marker_path):
        raise Refused(f"{session.where}: {shown(path)} is already there with its marker")
    # Without its marker the file was never given away: what is there is left from a try of ours that was lost.
    await _write(session, path, content, OVERWRITE)
    await _expect_length(session, path, content)
    doing = f"marking {shown(path)} as whole"
    async with session.opened(marker_path, EXCLUSIVE, doing, opening=Stake.NAME, closing=Stake.DATA):
        pass


async def _put_and_rename(session: Session, path: bytes, temp_path: bytes, content: bytes | Body) -> None:
    if await is_there(session, path):
        raise Refused(f"{session.where}: {shown(path)} is already there")
    await _write(session, temp_path, content, OVERWRITE)
    await _expect_length(session, temp_path, content)
    # The plain rename, which fails where the name is taken; OpenSSH's own extension would overwrite.
    rename = partial(session.client.rename, temp_path, path)
    await session.ask(rename, session.timeouts.call, f"giving {shown(path)} its name", stake=Stake.NAME)


async def _put_at_once(session: Session, path: bytes, content: bytes | Body) -> None:
    if await is_there(session, path):
        raise Refused(f"{session.where}: {shown(path)} is already there")
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
    doing = f"writing {shown(path)}"
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
    attrs = await session.ask(stat, session.timeouts.call, f"checking {shown(path)}", stake=stake)
    if attrs.size != expected:
        lost = Unreachable if stake is Stake.NOTHING else Unconfirmed
        raise lost(f"{session.where}: {shown(path)} has {attrs.size} of {expected} bytes")


async def is_there(session: Session, path: bytes) -> bool:
    """Return whether anything stands at a path."""
    try:
        await session.ask(partial(session.client.lstat, path), session.timeouts.call, f"looking for {shown(path)}")
    except FileGone:
        return False
    return True
