"""Far sides for the tests of the transports: two SFTP servers that behave alike, and a cable that can be cut."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncssh
import pytest

from daemon.transports.sftp import Sftp, SftpLogin
from tests.openssh import OpenSsh, openssh

__all__ = ["openssh"]

PASSWORD = "correct horse"


@dataclass
class Far:
    """An SFTP server: where its files are on this machine, and how to log in."""

    root: Path
    login: SftpLogin

    def folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder


class _Door(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("shop", PASSWORD)


@asynccontextmanager
async def sftp_server(root: Path, *, sftp: type[asyncssh.SFTPServer] = asyncssh.SFTPServer) -> AsyncIterator[SftpLogin]:
    """Run asyncssh's own server in this process; `sftp` may misbehave."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    connections: list[asyncssh.SSHServerConnection] = []

    class Door(_Door):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

    def session(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return sftp(channel, chroot=str(root).encode())

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Door, server_host_keys=[host_key], sftp_factory=session
    )
    try:
        yield SftpLogin(
            host="127.0.0.1",
            port=server.get_port(),
            user="shop",
            password=PASSWORD,
            host_keys=(host_key.export_public_key().decode().strip(),),
        )
    finally:
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()


def openssh_login(server: OpenSsh) -> SftpLogin:
    return SftpLogin(
        host=server.host,
        port=server.port,
        user=server.user,
        private_key=server.private_key,
        host_keys=(server.host_key,),
    )


@pytest.fixture(params=["openssh", "asyncssh"])
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    """Each of the two servers in turn."""
    if request.param == "openssh":
        server: OpenSsh = request.getfixturevalue("openssh")
        yield Far(server.root, openssh_login(server))
        return
    root = tmp_path / "asyncssh-root"
    root.mkdir()
    async with sftp_server(root) as login:
        yield Far(root, login)


@pytest.fixture
async def sftp(far: Far) -> AsyncIterator[Sftp]:
    """Our side, logged in at each of the two servers in turn."""
    sftp = Sftp(far.login)
    yield sftp
    await sftp.aclose()


@dataclass
class Cable:
    """A TCP line to a server that counts its bytes, and is cut after so many of them in one direction."""

    port: int = 0
    carried: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    cut_after: dict[str, int] = field(default_factory=dict)
    allowed: int = 1_000_000
    used: int = 0

    def cut(self, direction: str, more: int) -> None:
        """Cut after `more` bytes in this direction, counted from now."""
        self.cut_after = {direction: self.carried[direction] + more}

    def mend(self) -> None:
        self.cut_after = {}


@asynccontextmanager
async def cable_to(host: str, port: int) -> AsyncIterator[Cable]:
    """Lay a cable to a server."""
    cable = Cable()
    ends: set[asyncio.StreamWriter] = set()

    async def carry(direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            limit = cable.cut_after.get(direction)
            if limit is not None and cable.carried[direction] + len(data) >= limit:
                writer.write(data[: max(0, limit - cable.carried[direction])])
                await writer.drain()
                break
            cable.carried[direction] += len(data)
            writer.write(data)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cable.used += 1
        if cable.used > cable.allowed:
            return
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ends.update((writer, far_writer))
        ways = [
            asyncio.ensure_future(carry("up", reader, far_writer)),
            asyncio.ensure_future(carry("down", far_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, far_writer):
            # What was handed on before the cut arrives; nothing after it does.
            end.close()
            ends.discard(end)

    async with raw_server(connected) as cable.port:
        yield cable
        for end in ends:
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


def through(login: SftpLogin, cable: Cable) -> SftpLogin:
    return replace(login, port=cable.port)
