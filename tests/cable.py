"""Lines between our side and a far one: a cable that can be cut, held or slowed, and a server that a test scripts."""

import asyncio
import math
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

#: seconds for each byte of a direction that is held
HELD = math.inf


class Ending(Enum):
    """How a cable is cut."""

    CLOSE = "closed"
    """What is under way arrives, and then the end of the stream."""
    RESET = "reset"
    """Both ends are told that the connection is gone (SO_LINGER of 0)."""


@dataclass
class Cable:
    """A TCP line to a server that counts its bytes, and is cut after so many of them in one direction.

    `up` is towards the server; with `tapped` what goes there is remembered. A direction that is held takes no more bytes, so that the window of who sends closes.
    """

    port: int = 0
    carried: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    cut_after: dict[str, int] = field(default_factory=dict)
    ending: Ending = Ending.CLOSE
    pace: dict[str, float] = field(default_factory=dict)
    slow_after: int = 0
    allowed: int = 1_000_000
    used: int = 0
    cuts: int = 0
    tapped: bool = False
    heard: bytearray = field(default_factory=bytearray)

    def cut(self, direction: str, more: int, ending: Ending = Ending.CLOSE) -> None:
        """Cut after `more` bytes in this direction, counted from now."""
        self.cut_after = {direction: self.carried[direction] + more}
        self.ending = ending

    def slow(self, direction: str, seconds: float = HELD, after: int = 0) -> None:
        """Let every byte of this direction take so many seconds, once `after` more have gone."""
        self.pace = {direction: seconds}
        self.slow_after = self.carried[direction] + after

    def mend(self) -> None:
        self.cut_after, self.pace = {}, {}


@asynccontextmanager
async def cable_to(host: str, port: int) -> AsyncIterator[Cable]:
    """Lay a cable to a server."""
    cable = Cable()
    ends: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cable.used += 1
        if cable.used > cable.allowed:
            return
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ends.update((writer, far_writer))
        cuts = cable.cuts
        ways = [
            asyncio.ensure_future(_carry(cable, "up", reader, far_writer)),
            asyncio.ensure_future(_carry(cable, "down", far_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, far_writer):
            if cable.cuts > cuts and cable.ending is Ending.RESET:
                _reset(end)
            # What was handed on before the cut arrives; nothing after it does.
            end.close()
            ends.discard(end)

    async with raw_server(connected) as cable.port:
        yield cable
        for end in ends:
            end.transport.abort()


async def _carry(cable: Cable, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, or to the cut; an end that left is one too."""
    with suppress(ConnectionError):
        await _carry_all(cable, direction, reader, writer)


async def _carry_all(cable: Cable, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        limit = cable.cut_after.get(direction)
        if limit is not None and cable.carried[direction] + len(data) >= limit:
            writer.write(data[: max(0, limit - cable.carried[direction])])
            await writer.drain()
            cable.cuts += 1
            break
        cable.carried[direction] += len(data)
        if cable.tapped and direction == "up":
            cable.heard += data
        slow = cable.carried[direction] > cable.slow_after
        await _pass_on(data, writer, cable.pace.get(direction, 0) if slow else 0)


async def _pass_on(data: bytes, writer: asyncio.StreamWriter, seconds: float) -> None:
    if seconds == HELD:
        await asyncio.Event().wait()
    for piece in [data] if seconds == 0 else [data[place : place + 1] for place in range(len(data))]:
        await asyncio.sleep(seconds)
        writer.write(piece)
        await writer.drain()


def _reset(end: asyncio.StreamWriter) -> None:
    line: socket.socket = end.get_extra_info("socket")
    if line.fileno() >= 0:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    path: Path | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Listen on a loopback port, or on a Unix socket; every connection is given to `serve`, and ends with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other end left, or the test is over
        finally:
            tasks.discard(task)
            writer.close()

    server = await (
        asyncio.start_unix_server(connected, path) if path else asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    )
    try:
        yield 0 if path else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
