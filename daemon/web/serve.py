"""Serve an ASGI application on a socket of ours, inside our own task group and without touching signals."""

import os
import pwd
import socket
import stat
import struct
from asyncio import Transport
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import uvicorn
from anyio import CancelScope
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.errors import ConfigError

_BACKLOG = 128
#: how long answers that are being given may take once the server must end
_GRACE_SECONDS = 2
_MOST_CONNECTIONS = 256


class _Server(uvicorn.Server):
    """uvicorn's server that leaves signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    async def run_to_end(self, listener: socket.socket) -> None:
        """Serve until `should_exit`; a cancelled daemon waits for the short end of it (`_GRACE_SECONDS`)."""
        with CancelScope(shield=True):
            await self.serve(sockets=[listener])


class _KnowsItsPeer(H11Protocol):
    """HTTP on a Unix socket, where the kernel says whose process has connected: `client` is its user and number."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        process, user, _ = struct.unpack("3i", peer)
        self.client = (user_name(user), process)


def user_name(number: int) -> str:
    """The name of a user of this machine; its number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a listening socket while the block lasts; the socket is closed at its end."""
    config = uvicorn.Config(
        app,
        http=_KnowsItsPeer if listener.family == socket.AF_UNIX else H11Protocol,
        # Whom a proxy speaks for is the business of access.py.
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.run_to_end, listener)
        await server.settled.wait()
        try:
            yield
        finally:
            server.should_exit = True


def listen_on(host: str, port: int) -> socket.socket:
    """A listening TCP socket; raises ConfigError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            [f'web.listen = "{host}:{port}": {error.strerror}; choose another port, or end what uses it']
        ) from error


def listen_at(path: Path) -> socket.socket:
    """A listening Unix socket that only our own user may open (mode 0600); one left by a crash is replaced.

    Raises ConfigError when the path cannot be had, holds something else, or somebody answers there: the caller owns
    its database, but `web.socket` may be the socket of another.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    # The mode counts from the first instant, so it cannot be set afterwards.
    before = os.umask(0o177)
    try:
        _remove_stale(path)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ConfigError([f"web.socket = {path}: {reason}; choose a path in a folder of the daemon's own"]) from error
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(None, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()  # A crash left it.
        else:
            raise FileExistsError(None, "another process listens there")
