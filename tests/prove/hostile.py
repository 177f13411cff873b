"""Servers that mean harm: what they send may not leave its folder, fill the memory, take for ever, or hide what is good.

Most of them are met by the transports alone: a call must end by its deadline, as one of the errors that we raise on
purpose, with little memory. Folders in which bad things lie among good ones are read by the jobs, which must take the
good ones at this turn or the next.
"""

import asyncio
import gzip
import itertools
import logging
import struct
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import asyncssh

from daemon.errors import DaemonError
from daemon.jobs import Job
from daemon.jobs.feeds import send_items
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.model import RemoteFile
from daemon.settings import Secret
from daemon.transports.http import HttpClient
from daemon.transports.sftp import Put, Sftp, SftpLogin, SftpTimeouts
from tests.cable import raw_server
from tests.jobs.scene import MINUTE, STOCK_NUMBER, Scene, scene
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.transports.conftest import sftp_server

#: seconds that a call has here, and by how much a busy machine may be late
_DEADLINE, _GRACE = 1.5, 5.0
#: what a call may take of memory; both sides are in this process, and what the other one queues counts too (P27)
_MOST_MEMORY = 256 << 20
_LIMIT = 4 << 20
_TIMEOUTS = SftpTimeouts(_DEADLINE, _DEADLINE, _DEADLINE, _DEADLINE, _DEADLINE, 1 << 40)
_FILE = RemoteFile("", "order-1.txt", 1_000_000)

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Calls = Iterable[Callable[[], Awaitable[object]]]


async def meet(name: str) -> Figures:
    """Meet one server, by every call that it has something for."""
    figures = Figures()
    with TemporaryDirectory() as folder:
        if name in FOLDERS:
            await FOLDERS[name](Path(folder), figures)
            return figures
        async with SERVERS[name](Path(folder)) as calls:
            for call in calls:
                await _bear(name, call, figures)
    return figures


async def _bear(name: str, call: Callable[[], Awaitable[object]], figures: Figures) -> None:
    figures.counts["hostile answers"] += 1
    before = _forget_peak()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with anyio.move_on_after(_DEADLINE * 4 + _GRACE) as scope:
        try:
            await call()
            figures.hit["taken for what it said"] += 1
        except DaemonError as error:
            figures.hit[f"ended as {type(error).__name__}"] += 1
            if len(str(error)) > 600 or not str(error).isprintable():
                figures.broken.append(f"{name}: the error is not one short line: {str(error)[:100]!r}")
    if scope.cancelled_caught:
        figures.broken.append(f"{name}: it had not ended after {loop.time() - began:.1f} s")
    grown = _memory("VmHWM") - before
    if grown > _MOST_MEMORY:
        figures.broken.append(f"{name}: it took {grown >> 20} MiB of memory")


def _memory(what: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(what))


def _forget_peak() -> int:
    """Begin to measure the peak anew; returns the memory now in use, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _memory("VmRSS")


# HTTP


def _web(*pieces: bytes, forever: bytes = b"") -> Callable[[Path], Any]:
    """A server that answers with these bytes, and goes on with others until nobody listens any more."""

    @asynccontextmanager
    async def server(_: Path) -> AsyncGenerator[Calls, None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"".join(pieces))
            while forever:
                writer.write(forever)
                await writer.drain()
            await writer.drain()

        async with raw_server(serve) as port, HttpClient() as client:
            url = f"http://127.0.0.1:{port}/"
            yield (
                lambda: client.post(url, headers={}, body=b"<feed/>", deadline=_DEADLINE, limit=_LIMIT),
                lambda: client.get(url, deadline=_DEADLINE, limit=_LIMIT),
                lambda: client.post(url, headers={}, body=bytes(8 << 20), deadline=_DEADLINE, limit=_LIMIT),
            )

    return server


_OK = b"HTTP/1.1 200 OK\r\n"
_BLOCK = bytes(64 << 10)
_BOMB = gzip.compress(bytes(64 << 20))

WEB: Mapping[str, Callable[[Path], Any]] = {
    "a body without end": _web(_OK, b"\r\n", forever=_BLOCK),
    "a body of 2^60 bytes": _web(_OK, b"Content-Length: %d\r\n\r\n" % (1 << 60), forever=_BLOCK),
    "a bomb of gzip": _web(_OK, b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB), _BOMB),
    "a header of a MiB": _web(_OK, b"X: ", bytes(1 << 20).replace(b"\0", b"x"), b"\r\nContent-Length: 0\r\n\r\n"),
    "headers without end": _web(_OK, forever=b"X-Noise: 1\r\n" * 1000),
    "a header line without end": _web(_OK, b"X: ", forever=b"x" * 65536),
    "a status line without end": _web(b"HTTP/1.1 200 ", forever=b"x" * 65536),
    "chunks without end": _web(_OK, b"Transfer-Encoding: chunked\r\n\r\n", forever=b"10000\r\n" + _BLOCK + b"\r\n"),
    "empty lines for chunks": _web(_OK, b"Transfer-Encoding: chunked\r\n\r\n", forever=b"1\r\nx\r\n" * 1000),
    "a chunk of 2^70 bytes": _web(_OK, b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (1 << 70), forever=_BLOCK),
    "a chunk's size without end": _web(_OK, b"Transfer-Encoding: chunked\r\n\r\n", forever=b"0" * 65536),
    "trailers without end": _web(_OK, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", forever=b"X: 1\r\n" * 1000),
    "a length that is too long": _web(_OK, b"Content-Length: 10\r\n\r\nshort"),
    "a length that is too short": _web(_OK, b"Content-Length: 2\r\n\r\n<a/> and more"),
    "two lengths": _web(_OK, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    "a length and chunks": _web(_OK, b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "a negative length": _web(_OK, b"Content-Length: -1\r\n\r\nabc"),
    "a length of 30 digits": _web(_OK, b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabc"),
    "100 Continue without end": _web(forever=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "103 Early Hints without end": _web(forever=b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 1000),
    "another protocol": _web(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", forever=_BLOCK),
    "HTTP/2 unasked": _web(b"\0\0\x12\x04\0\0\0\0\0", forever=_BLOCK),
    "a header with NUL and escapes": _web(_OK, b"X-\x1b[2J: \0\x07\r\nContent-Length: 0\r\n\r\n"),
    "a reply before the request is whole": _web(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
}


# SSH


def _raw(greeting: bytes, forever: bytes) -> Callable[[Path], Any]:
    """A server that never comes as far as to be known."""

    @asynccontextmanager
    async def server(_: Path) -> AsyncGenerator[Calls, None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            while True:
                writer.write(forever)
                await writer.drain()

        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        async with raw_server(serve) as port:
            sftp = Sftp(SftpLogin("127.0.0.1", port, "shop", "x", host_keys=(key,), timeouts=_TIMEOUTS))
            yield (lambda: sftp.list(""),)
            await sftp.aclose()

    return server


def _packet(payload: bytes) -> bytes:
    """A packet of SSH as it is before keys are exchanged (RFC 4253, section 6)."""
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


_VERSION = b"SSH-2.0-OpenSSH_9.2\r\n"
SSH: Mapping[str, Callable[[Path], Any]] = {
    "banners without end": _raw(b"", b"Welcome, and read on\r\n" * 1000),
    "a version without end": _raw(b"SSH-2.0-", b"x" * 65536),
    "noise before the keys": _raw(_VERSION, _packet(b"\x02" + struct.pack(">I", 30_000) + bytes(30_000)) * 4),
    "debug messages before the keys": _raw(_VERSION, _packet(b"\x04\x01\0\0\0\x04\x1b[2J\0\0\0\0") * 1000),
    "a packet of 4 GiB": _raw(_VERSION + b"\xff\xff\xff\xff\x04", _BLOCK),
    "what is no packet": _raw(_VERSION, bytes(range(256)) * 256),
}


# SFTP


def _answer(kind: int, number: int, rest: bytes) -> bytes:
    return struct.pack(">IBI", len(rest) + 5, kind, number) + rest


def _text(said: bytes) -> bytes:
    return struct.pack(">I", len(said)) + said


def _status(number: int, code: int, text: bytes = b"") -> bytes:
    return _answer(101, number, struct.pack(">I", code) + _text(text) + _text(b""))


_STARTED = struct.pack(">IBI", 5, 2, 3)
#: what a server says to a request of this number
Answers = Callable[[int], Iterator[bytes]]


def _once(made: Callable[[int], bytes]) -> Answers:
    return lambda number: iter([made(number)])


def _for_ever(made: Callable[[int], bytes]) -> Answers:
    return lambda number: (made(number) for _ in itertools.count())


class _Session(asyncssh.SSHServerSession[bytes]):
    """Speaks an SFTP of its own: `started` to the first packet, and what `answers` give to every further one."""

    def __init__(self, answers: Answers, started: bytes) -> None:
        self._answers, self._started = answers, started
        self._received = b""
        self._open = True
        self._ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._ready.set()

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def pause_writing(self) -> None:
        self._ready.clear()

    def resume_writing(self) -> None:
        self._ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        self._ready.set()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._received += data
        while len(self._received) > 4 and len(self._received) >= 4 + (size := int.from_bytes(self._received[:4])):
            packet, self._received = self._received[4 : 4 + size], self._received[4 + size :]
            said = iter([self._started]) if packet[0] == 1 else self._answers(int.from_bytes(packet[1:5]))
            task = asyncio.ensure_future(self._say(said))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _say(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            await self._ready.wait()
            if not self._open or self._channel.is_closing():
                return
            self._channel.write(piece)
            await asyncio.sleep(0)


def _subsystem(answers: Answers, *, started: bytes = _STARTED) -> Callable[[Path], Any]:
    """A server that lets us in and then speaks an SFTP of its own."""

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            here.append(conn)

        def begin_auth(self, username: str) -> bool:
            return False

        def session_requested(self) -> _Session:
            return _Session(answers, started)

    here: list[asyncssh.SSHServerConnection] = []

    @asynccontextmanager
    async def server(_: Path) -> AsyncGenerator[Calls, None]:
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Door, server_host_keys=[host_key], encoding=None
        )
        pinned = host_key.export_public_key().decode()
        patient = replace(_TIMEOUTS, connect=30, login=30)
        login = SftpLogin("127.0.0.1", listener.get_port(), "shop", "x", host_keys=(pinned,), timeouts=patient)
        async with _calls(login) as calls:
            yield calls
        listener.close()
        for conn in here:
            conn.abort()
            await conn.wait_closed()
        await listener.wait_closed()

    return server


@asynccontextmanager
async def _calls(login: SftpLogin) -> AsyncGenerator[Calls, None]:
    sftp = Sftp(login)
    yield (
        lambda: sftp.list(""),
        lambda: sftp.read(_FILE),
        lambda: sftp.put("", "a.txt", b"x" * 1000, how=Put.MARKER),
        lambda: sftp.put("", "a.csv", b"x" * 1000, how=Put.AT_ONCE),
        lambda: sftp.exists("", ["a.txt"]),
        lambda: sftp.move("", "a.txt", "processed"),
    )
    await sftp.aclose()


_LONG = b"x" * (1 << 20)
SFTP: Mapping[str, Callable[[Path], Any]] = {
    "a length of 4 GiB": _subsystem(lambda _: itertools.chain([b"\xff\xff\xff\xff\x65"], itertools.repeat(_BLOCK))),
    "a length of nothing": _subsystem(_for_ever(lambda _: bytes(4))),
    "answers to nobody": _subsystem(_once(lambda number: _status(number + 1_000_000, 0))),
    "answers to nobody, without end": _subsystem(_for_ever(lambda number: _status(number + 1_000_000, 0))),
    "the same answer without end": _subsystem(_for_ever(lambda number: _status(number, 4))),
    "four milliards of names": _subsystem(_once(lambda number: _answer(104, number, b"\xff\xff\xff\xff"))),
    "a list that is cut": _subsystem(_once(lambda number: _answer(104, number, struct.pack(">I", 2) + _text(b"a")))),
    "bytes for an answer": _subsystem(_once(lambda number: _answer(103, number, _text(_LONG)))),
    "a handle of a MiB": _subsystem(_once(lambda number: _answer(102, number, _text(_LONG)))),
    "attributes that never end": _subsystem(
        _once(lambda number: _answer(105, number, b"\x80\0\0\0\xff\xff\xff\xff" + _text(b"a") * 1000))
    ),
    "an answer of no known kind": _subsystem(_once(lambda number: _answer(250, number, b""))),
    "a reason of a MiB": _subsystem(_once(lambda number: _status(number, 4, b"line\n\x1b[2J" * 100_000))),
    "a reason that is no text": _subsystem(_once(lambda number: _status(number, 4, b"\xff\xfe\xfd"))),
    "a start with a thousand extensions": _subsystem(
        _once(lambda number: _status(number, 4)),
        started=struct.pack(">IBI", 5 + 20_000, 2, 3) + (_text(b"exten") + b"\0" * 11) * 1_000,
    ),
    "a start of another version": _subsystem(
        _once(lambda number: _status(number, 4)), started=struct.pack(">IBI", 5, 2, 0xFFFFFFFF)
    ),
}

_REGULAR = asyncssh.SFTPAttrs(type=asyncssh.FILEXFER_TYPE_REGULAR, size=3, permissions=0o100644, mtime=1_767_268_800)


class _Endless(asyncssh.SFTPServer):
    """Listings that never end, by names of this many bytes; files that give a byte at a time, or never end."""

    long = 0

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for number in itertools.count():
            yield asyncssh.SFTPName(b"%d" % number + b"x" * self.long, b"-rw-r--r--", _REGULAR)

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        return self

    def close(self, file_obj: object) -> None:
        pass

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        await anyio.sleep(0.01)
        return b"x"


class _EndlessLong(_Endless):
    long = 20_000


class _More(_Endless):
    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return bytes(size + 1_000_000)


def _served(kind: type[asyncssh.SFTPServer]) -> Callable[[Path], Any]:
    @asynccontextmanager
    async def server(folder: Path) -> AsyncGenerator[Calls, None]:
        async with sftp_server(folder, sftp=kind) as login:
            sftp = Sftp(replace(login, timeouts=replace(_TIMEOUTS, connect=30, login=30)))
            yield lambda: sftp.list(""), lambda: sftp.read(_FILE)
            await sftp.aclose()

    return server


ENDLESS: Mapping[str, Callable[[Path], Any]] = {
    "a listing without end": _served(_Endless),
    "a listing of long names without end": _served(_EndlessLong),
    "more bytes than were asked for": _served(_More),
}
SERVERS = {**WEB, **SSH, **SFTP, **ENDLESS}


# Folders with good files among bad ones


def _attrs(**changes: Any) -> asyncssh.SFTPAttrs:
    said = {"type": asyncssh.FILEXFER_TYPE_REGULAR, "size": 3, "permissions": 0o100644, "mtime": 1_767_268_800}
    return asyncssh.SFTPAttrs(**{**said, **changes})


def bad_entries(begin: str, end: str, marker: str) -> list[asyncssh.SFTPName]:
    """Names, sizes and kinds that no honest server lists; where files have markers, each with its own."""
    names = [
        *(b"../escaped", b"../../../../tmp/escaped", b"/tmp/escaped", b"a/../../escaped", b"..\\escaped", b"a\\b"),
        *(b"new\nline", b"nul\0", b"bell\x07", b"\x1b[2J", b"\xff\xfe", "\u2028".encode(), "\u202e".encode()),
        *(b"x" * 300, b"x" * 65_000, "é".encode() * 200, b" ", b"-rf", b"*", b"%s%n", b"'; DROP TABLE orders; --"),
    ]
    named = [(begin.encode() + name + end.encode(), _attrs()) for name in names]
    named += [(name, _attrs()) for name in (b"", b".", b"..", b"/", b"/etc/passwd")]
    sizes = {"4g": 4 << 30, "63": 1 << 63, "64": (1 << 64) - 1, "just": (1 << 63) - 1, "gone": 10}
    named += [(f"{begin}{name}{end}".encode(), _attrs(size=size)) for name, size in sizes.items()]
    kinds = {
        "folder": (asyncssh.FILEXFER_TYPE_DIRECTORY, 0o040755),
        "link": (asyncssh.FILEXFER_TYPE_SYMLINK, 0o120777),
        "pipe": (asyncssh.FILEXFER_TYPE_SPECIAL, 0o010644),
    }
    named += [
        (f"{begin}{name}{end}".encode(), _attrs(type=kind, permissions=mode)) for name, (kind, mode) in kinds.items()
    ]
    named.append((f"{begin}late{end}".encode(), _attrs(mtime=0xFFFFFFFF)))
    if marker:
        named += [(name + marker.encode(), _attrs(size=0)) for name, _ in named]
    return [asyncssh.SFTPName(name, b"", attrs) for name, attrs in named]


def _among(entries: list[asyncssh.SFTPName], folder: bytes) -> type[asyncssh.SFTPServer]:
    class Among(asyncssh.SFTPServer):
        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            if path.rstrip(b"/").endswith(folder):
                for entry in entries:
                    yield entry
            async for entry in super().scandir(path):
                yield entry

    return Among


async def _edge_folder(folder: Path, figures: Figures) -> None:
    """Orders of John Lewis: the real ones among files that only seem to be."""
    entries = bad_entries("order-", ".txt", ".DONE")
    files = folder / "sandbox" / "johnlewis" / "files"
    files.mkdir(parents=True)
    async with (
        sftp_server(files, sftp=_among(entries, b"incoming")) as login,
        scene(folder, "edge", sftp=_table(login)) as at,
    ):
        placed = [at.sandbox.johnlewis.place_order(STOCK_NUMBER, units).number for units in (1, 2, 3)]
        told = await _two_turns(at, download_orders)
        kept = [number for (number,) in await at.all("orders ORDER BY number", "number")]
        _judge("orders of John Lewis", kept == sorted(placed), f"kept {kept} of {placed}; {told}", figures)
        _judge_escape(folder, figures)
    figures.counts["hostile entries of folders"] += len(entries)


async def _report_folder(folder: Path, figures: Figures) -> None:
    """Reports and orders of La Redoute, likewise."""
    entries = bad_entries("report-", ".csv", "")
    files = folder / "sandbox" / "laredoute" / "files"
    files.mkdir(parents=True)
    async with (
        sftp_server(files, sftp=_among(entries, b"reports")) as login,
        scene(folder, "sellr", sftp=_table(login)) as at,
    ):
        await at.want()
        await at.turn(send_items, MINUTE)
        await at.answer()
        told = await _two_turns(at, read_reports)
        state = (await at.parts())[0]
        _judge("reports of La Redoute", state == "not_needed", f"the item is {state}; {told}", figures)
        _judge_escape(folder, figures)
    figures.counts["hostile entries of folders"] += len(entries)


async def _two_turns(at: Scene, job: Job) -> list[str]:
    told = []
    for number in (2, 3):
        try:
            await at.turn(job, number * MINUTE)
        except DaemonError as error:
            told.append(str(error)[:200])
    return told


def _table(login: SftpLogin) -> dict[str, Any]:
    return {
        "host": login.host,
        "port": login.port,
        "user": login.user,
        "password": Secret(login.password),
        "host_keys": login.host_keys,
    }


def _judge(name: str, holds: bool, text: str, figures: Figures) -> None:
    figures.counts["folders with good files among bad ones"] += 1
    if not holds:
        figures.broken.append(f"{name}: {text}")


def _judge_escape(folder: Path, figures: Figures) -> None:
    """Beside the sandbox's own files there is the database, and nothing else."""
    strange = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "sandbox" not in path.parts and not path.name.startswith("sellerd.")
    ]
    strange += [str(path) for place in (folder.parent, Path("/tmp")) for path in place.glob("*escaped*")]
    if strange:
        figures.broken.append(f"these came into being: {strange}")


FOLDERS: Mapping[str, Callable[[Path, Figures], Awaitable[None]]] = {
    "a folder of orders": _edge_folder,
    "a folder of reports": _report_folder,
}


def _met(name: str) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(meet, name)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="how often each is met")


def _measure(asked: Namespace) -> Iterator[Result]:
    names = [*SERVERS, *FOLDERS] * asked.rounds
    figures = together(_met, names, asked.workers)
    yield Result("hostile", f"python -m tests.prove hostile --rounds {asked.rounds}", figures)


METHOD = Method(
    "hostile",
    "servers that mean harm answer by HTTP, SSH and SFTP, and list what is no file; memory, time and folders are looked"
    " at, and whether the good files among the bad ones are taken",
    _options,
    _measure,
)
