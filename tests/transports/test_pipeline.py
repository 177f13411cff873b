"""Folders read ahead and files fetched many at a time, by a server that counts what is asked of it and how."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import asyncssh
import pytest

from daemon.errors import Unreachable, Unreadable
from daemon.model import RemoteFile
from daemon.transports.sftp import FileGone, Sftp, SftpLogin, SftpTimeouts
from tests.transports.conftest import PASSWORD, Far

INIT, OPEN, CLOSE, READ, FSTAT, OPENDIR, READDIR = 1, 3, 4, 5, 8, 11, 12
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EOF, NO_SUCH_FILE = 1, 2


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def attributes(size: int) -> bytes:
    return struct.pack(">IQI", 5, size, 0o100644)


def status(code: int) -> tuple[int, bytes]:
    return STATUS, struct.pack(">I", code) + text(b"said so") + text(b"")


@dataclass
class Counting:
    """A server's files by name, a hundred names to an answer; what it was asked, and how much at once.

    Whatever was asked is answered together, once nothing more comes: each such round is a round trip. Of the sessions
    that are asked for it opens the first `sessions`, greets the first `greeted`, and at number `cut` hangs up. With
    `ends` it ends a session in which something was closed.
    """

    files: dict[bytes, bytes] = field(default_factory=dict)
    sessions: int = 9
    greeted: int = 9
    cut: int = 0
    ends: bool = False
    most_bytes: int = 1 << 20
    answer: Callable[[int, bytes], tuple[int, bytes] | bytes | None] = lambda kind, body: None
    asked: list[int] = field(default_factory=list)
    most: int = 0
    rounds: int = 0
    opened: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)


class FarSession(asyncssh.SSHServerSession[bytes]):
    def __init__(self, server: Counting) -> None:
        self._server = server
        self._received = b""
        self._waiting: list[tuple[int, int, bytes]] = []
        self._handles: dict[bytes, list[bytes]] = {}

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.ended.set()

    def subsystem_requested(self, subsystem: str) -> bool:
        self._server.opened += 1
        if self._server.opened == self._server.cut:
            self._channel.get_connection().abort()
        return self._server.opened <= self._server.sessions

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._received += data
        while len(self._received) >= 9:
            length, kind, number = struct.unpack_from(">IBI", self._received)
            if len(self._received) < 4 + length:
                break
            if kind == INIT:
                if self._server.opened <= self._server.greeted:
                    self._channel.write(struct.pack(">IBI", 5, 2, 3))
            else:
                self._waiting.append((kind, number, self._received[9 : 4 + length]))
                self._server.asked.append(kind)
            self._received = self._received[4 + length :]
        self._server.most = max(self._server.most, len(self._waiting))
        asyncio.get_running_loop().call_later(0.02, self._round, len(self._server.asked))

    def _round(self, asked: int) -> None:
        if asked != len(self._server.asked) or not self._waiting:
            return
        self._server.rounds += 1
        waiting, self._waiting = self._waiting, []
        answers = b""
        for kind, number, body in waiting:
            answer = self._server.answer(kind, body) or self._answer(kind, body)
            if isinstance(answer, bytes):
                answers += answer
            else:
                answers += struct.pack(">IBI", 5 + len(answer[1]), answer[0], number) + answer[1]
        self._channel.write(answers)
        if self._server.ends and CLOSE in (kind for kind, _, _ in waiting):
            self._channel.exit(0)

    def _answer(self, kind: int, body: bytes) -> tuple[int, bytes]:
        (length,) = struct.unpack_from(">I", body)
        what, rest = body[4 : 4 + length], body[4 + length :]
        handle = str(len(self._handles)).encode()
        if kind == OPENDIR:
            self._handles[handle] = sorted(self._server.files)
            return HANDLE, text(handle)
        if kind == READDIR:
            names = self._handles[what]
            some, self._handles[what] = names[:100], names[100:]
            entries = [text(name) + text(b"-rw") + attributes(len(self._server.files[name])) for name in some]
            return (NAME, struct.pack(">I", len(some)) + b"".join(entries)) if some else status(EOF)
        if kind == OPEN:
            content = self._server.files.get(what.rpartition(b"/")[2])
            if content is None:
                return status(NO_SUCH_FILE)
            self._handles[handle] = [content]
            return HANDLE, text(handle)
        if kind == READ:
            start, size = struct.unpack(">QI", rest)
            piece = self._handles[what][0][start : start + min(size, self._server.most_bytes)]
            return (DATA, text(piece)) if piece else status(EOF)
        if kind == FSTAT:
            return ATTRS, attributes(len(self._handles[what][0]))
        return status(0)


@asynccontextmanager
async def serving(far: Counting) -> AsyncIterator[SftpLogin]:
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    connections: list[asyncssh.SSHServerConnection] = []

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return password == PASSWORD

        def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
            return FarSession(far)

    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Door, server_host_keys=[host_key], encoding=None)
    try:
        key = host_key.export_public_key().decode().strip()
        yield SftpLogin("127.0.0.1", server.get_port(), "shop", PASSWORD, host_keys=(key,))
    finally:
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()


def orders(count: int) -> dict[bytes, bytes]:
    return {b"order-%06d.txt" % number: b"order %d" % number for number in range(count)}


async def read_all(sftp: Sftp, files: list[RemoteFile]) -> dict[str, bytes | Exception]:
    return {file.name: fetched async for file, fetched in sftp.read_many(files)}


@pytest.mark.parametrize("in_flight", [1, 2, 16])
async def test_no_more_is_under_way_than_the_setting_says(in_flight: int) -> None:
    far = Counting(orders(150))
    async with serving(far) as login:
        sftp = Sftp(replace(login, in_flight=in_flight))
        listed = await sftp.list("in")
        fetched = await read_all(sftp, listed[:60])
        await sftp.aclose()
    assert len(listed) == 150
    assert fetched == {file.name: far.files[file.name.encode()] for file in listed[:60]}
    assert far.most == in_flight


async def test_a_folder_is_read_ahead_a_hundred_names_to_an_answer() -> None:
    far = Counting(orders(5_000))
    async with serving(far) as login:
        sftp = Sftp(login)
        listed = await sftp.list("in")
        await sftp.aclose()
    assert [file.name for file in listed] == [name.decode() for name in sorted(far.files)]
    # 50 answers in round trips that become wider; one by one they would be more than 50.
    assert far.rounds <= 20
    assert far.asked.count(READDIR) <= 50 + login.in_flight


async def test_a_small_folder_costs_no_more_than_its_end() -> None:
    far = Counting(orders(3))
    async with serving(far) as login:
        sftp = Sftp(login)
        assert len(await sftp.list("in")) == 3
        await sftp.aclose()
    assert far.asked == [OPENDIR, READDIR, READDIR, CLOSE]


async def test_a_folder_of_too_many_is_not_read_to_its_end() -> None:
    far = Counting(orders(5_000))
    async with serving(far) as login:
        sftp = Sftp(replace(login, in_flight=4))
        with pytest.raises(Unreadable, match="more than 150 entries"):
            await sftp.list("in", limit=150)
        await sftp.aclose()
    assert far.asked.count(READDIR) <= 10


async def test_a_small_file_takes_two_round_trips_however_many_there_are() -> None:
    far = Counting(orders(16))
    async with serving(far) as login:
        sftp = Sftp(login)
        listed = await sftp.list("in")
        far.rounds = 0
        await read_all(sftp, listed)
        await sftp.aclose()
    assert far.rounds == 2
    assert [far.asked.count(kind) for kind in (OPEN, READ, FSTAT, CLOSE)] == [16, 16, 16, 17]


async def test_a_file_that_went_hides_no_other() -> None:  # D9
    far = Counting(orders(3))
    async with serving(far) as login:
        sftp = Sftp(login)
        listed = await sftp.list("in")
        del far.files[b"order-000001.txt"]
        fetched = await read_all(sftp, listed)
        await sftp.aclose()
    assert isinstance(fetched.pop("order-000001.txt"), FileGone)
    assert fetched == {"order-000000.txt": b"order 0", "order-000002.txt": b"order 2"}


async def test_a_server_that_gives_less_in_an_answer_is_read_piece_by_piece() -> None:
    far = Counting({b"order-1.txt": bytes(range(256)) * 40}, most_bytes=4_096)
    async with serving(far) as login:
        sftp = Sftp(login)
        fetched = await read_all(sftp, await sftp.list("in"))
        await sftp.aclose()
    assert fetched == {"order-1.txt": far.files[b"order-1.txt"]}


async def test_a_server_of_one_session_is_spoken_to_in_that_one() -> None:
    far = Counting(orders(250), sessions=1)
    async with serving(far) as login:
        sftp = Sftp(login)
        listed = await sftp.list("in")
        fetched = await read_all(sftp, listed)
        await sftp.list("in")
        await sftp.aclose()
    assert len(listed) == len(fetched) == 250
    assert far.opened == 2  # it was asked once


async def test_a_server_that_never_answers_a_second_session_is_not_asked_again() -> None:
    far = Counting(orders(3), greeted=1)
    async with serving(far) as login:
        sftp = Sftp(replace(login, timeouts=SftpTimeouts(call=3)))
        with anyio.fail_after(30):
            with pytest.raises(Unreachable, match="no answer within 3 s while opening a second session"):
                await sftp.list("in")
            far.greeted = 9
            assert len(await sftp.list("in")) == 3
        await sftp.aclose()
    assert far.opened == 3


async def test_a_cut_while_a_second_session_is_opened_says_nothing_about_it() -> None:
    far = Counting(orders(3), cut=2)
    async with serving(far) as login:
        sftp = Sftp(login)
        with anyio.fail_after(30):
            with pytest.raises(Unreachable):
                await sftp.list("in")
            assert len(await sftp.list("in")) == 3
        await sftp.aclose()
    assert far.opened == 4


async def test_a_second_session_that_the_server_ended_between_two_calls_fails_none() -> None:  # D2
    far = Counting(orders(3), ends=True)
    async with serving(far) as login:
        sftp = Sftp(login)
        with anyio.fail_after(30):
            for _ in range(3):
                assert len(await sftp.list("in")) == 3
                # Once the server sees it closed, both sides have.
                await far.ended.wait()
                far.ended = anyio.Event()
        await sftp.aclose()
    # One connection, its own session, and one for each call.
    assert far.opened == 4


@pytest.mark.parametrize(
    "answer",
    [
        struct.pack(">IBI", 5, STATUS, 999),
        struct.pack(">IBI", 1 << 30, STATUS, 3),
        struct.pack(">IBI", 2, STATUS, 3),
        struct.pack(">IBII", 9, NAME, 2, 1 << 20),
        struct.pack(">IBIII", 13, NAME, 2, 1, 1 << 31),
    ],
)
async def test_bytes_that_are_no_answer_end_the_connection(answer: bytes) -> None:  # D9
    far = Counting(orders(3), answer=lambda kind, body: answer if kind == READDIR else None)
    async with serving(far) as login:
        sftp = Sftp(login)
        with anyio.fail_after(30), pytest.raises(Unreachable, match="the session broke while listing in"):
            await sftp.list("in")
        far.answer = lambda kind, body: None
        assert len(await sftp.list("in")) == 3
        await sftp.aclose()


@pytest.mark.parametrize("pipelining", [True, False])
async def test_without_pipelining_it_is_all_the_same(far: Far, tmp_path: Path, pipelining: bool) -> None:
    folder = far.folder("in")
    for name, content in orders(120).items():
        (folder / name.decode()).write_bytes(content)
    (folder / "empty.txt").touch()
    (folder / "long.txt").write_bytes(bytes(100_000))
    sftp = Sftp(replace(far.login, pipelining=pipelining))
    listed = await sftp.list("in")
    fetched = await read_all(sftp, listed)
    await sftp.aclose()
    assert fetched == {path.name: path.read_bytes() for path in folder.iterdir()}
