"""Real SFTP servers, each with one login and one folder as its root, that know which uploads are still open."""

import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import anyio
import asyncssh

from daemon.sandbox.clock import Moment
from daemon.sandbox.disk import host_key
from daemon.sandbox.faults import Faults
from daemon.sandbox.settings import Login

_LEAVE_WITHIN = 2.0
_MARKER = ".DONE"
_MOST_READINGS = 10_000


class Reading(NamedTuple):
    """A client opened a file to read it; `marked` says whether a marker stood beside it then."""

    path: Path
    marked: bool


class Uploads:
    """Which files below one root are being written, when their upload ended, and which were read last."""

    def __init__(self) -> None:
        self.readings: deque[Reading] = deque(maxlen=_MOST_READINGS)
        self._open: Counter[str] = Counter()
        self._closed: dict[str, Moment] = {}

    def opened(self, path: str) -> None:
        """Note that a client opened a file to write."""
        self._open[path] += 1

    def closed(self, path: str) -> None:
        """Note that a client closed it, or that its connection ended."""
        self._open[path] -= 1
        self._closed[path] = Moment.now()

    def read(self, path: str) -> None:
        """Note that a client opened a file to read."""
        self.readings.append(Reading(Path(path), Path(path + _MARKER).exists()))

    def is_open(self, path: Path) -> bool:
        """Say whether somebody still writes to a file."""
        return self._open[str(path)] > 0

    def closed_at(self, path: Path) -> Moment | None:
        """Give when the last upload of a file ended, None where it came otherwise."""
        return self._closed.get(str(path))


class _Files(asyncssh.SFTPServer):
    """The folder tree of one session; links are refused because they could lead out of it."""

    def __init__(
        self, channel: "asyncssh.SSHServerChannel[bytes]", root: Path, uploads: Uploads, faults: Faults
    ) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._uploads = uploads
        self._faults = faults
        self._connection = channel.get_connection()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open; `cut_marker` ends the connection at a marker, which is made before or never."""
        local = os.fsdecode(self.map_path(path))
        if pflags & asyncssh.FXF_WRITE and local.endswith(_MARKER) and (cut := self._faults.take("cut_marker")):
            if cut["made"]:
                Path(local).touch()
            raise self._lost()
        file = super().open(path, pflags, attrs)
        if pflags & asyncssh.FXF_WRITE:
            self._uploads.opened(local)
        else:
            self._uploads.read(local)
        return file

    def read(self, file_obj: object, offset: int, size: int) -> bytes | Awaitable[bytes]:
        """Read; `cut_download` ends the connection instead."""
        if self._faults.take("cut_download") is not None:
            raise self._lost()
        return super().read(file_obj, offset, size)

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        """Write; `cut_upload` lets only so many bytes of one request in, and then the connection is gone."""
        if cut := self._faults.take("cut_upload"):
            super().write(file_obj, offset, data[: cut["after"]])
            raise self._lost()
        return super().write(file_obj, offset, data)

    def _lost(self) -> asyncssh.SFTPConnectionLost:
        self._connection.abort()
        return asyncssh.SFTPConnectionLost("cut on request")

    def close(self, file_obj: object) -> None:
        file = cast("BinaryIO", file_obj)
        writable = file.writable()
        file.close()
        if writable:
            self._uploads.closed(os.fsdecode(file.name))

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002 - asyncssh's form
        raise asyncssh.SFTPPermissionDenied("links are not allowed")

    def link(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002 - asyncssh's form
        raise asyncssh.SFTPPermissionDenied("links are not allowed")


class _Door(asyncssh.SSHServer):
    """Lets in the one login, unless a fault refuses it for the whole of a connection."""

    def __init__(self, login: Login, faults: Faults, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._login = login
        self._faults = faults
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None
        self._refused = False
        line = login.authorized_key
        self._key = asyncssh.import_public_key(line) if line else None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's form
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._refused = username != self._login.user or self._faults.take("refuse_login", where="sftp") is not None
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:  # noqa: ARG002 - asyncssh's form
        return not self._refused and password == self._login.password

    def public_key_auth_supported(self) -> bool:
        return self._key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - asyncssh's form
        return not self._refused and self._key is not None and key.public_data == self._key.public_data


@dataclass(frozen=True, slots=True)
class SftpAddress:
    """Where a server listens, and the public key line of its host key."""

    host: str
    port: int
    host_key: str


@asynccontextmanager
async def sftp_server(
    root: Path, key_file: Path, login: Login, faults: Faults, uploads: Uploads, *, host: str, port: int
) -> AsyncIterator[SftpAddress]:
    """Serve `root` by SFTP until the block ends; connections that are open then are cut."""
    key = host_key(key_file)
    connections: set[asyncssh.SSHServerConnection] = set()
    door: Callable[[], asyncssh.SSHServer] = lambda: _Door(login, faults, connections)  # noqa: E731 - typed
    acceptor = await asyncssh.listen(
        host,
        port,
        config=None,
        server_factory=door,
        server_host_keys=[key],
        sftp_factory=lambda channel: _Files(channel, root, uploads, faults),
        allow_scp=False,
        gss_host=None,
    )
    try:
        public = key.export_public_key().decode("ascii").strip()
        yield SftpAddress(host, acceptor.get_port(), public)
    finally:
        acceptor.close()
        for connection in list(connections):
            connection.abort()
        with anyio.move_on_after(_LEAVE_WITHIN, shield=True):
            await acceptor.wait_closed()
