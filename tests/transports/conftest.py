"""Far sides for the tests of the transports: two SFTP servers that behave alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest

from daemon.transports.sftp import Sftp, SftpLogin
from tests.cable import Cable
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


def through(login: SftpLogin, cable: Cable) -> SftpLogin:
    return replace(login, port=cable.port)
