"""One uvicorn server on a socket of its own, that leaves signals alone and can cut a client's line."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import anyio
import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_LEAVE_WITHIN = 2.0

Lines = dict[tuple[str, int], asyncio.Transport]


class _Server(uvicorn.Server):
    """A server whose signals belong to the program around it, and which ends at once when told."""

    def __init__(self, config: uvicorn.Config, lines: Lines) -> None:
        super().__init__(config)
        self.told_to_end = anyio.Event()
        self._lines = lines

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - closed by who opened it
        """Cut every line, then let the requests that are still worked on notice."""
        for server in self.servers:
            server.close()
        for transport in list(self._lines.values()):
            transport.abort()
        with anyio.move_on_after(_LEAVE_WITHIN):
            while self.server_state.tasks:  # noqa: ASYNC110 - uvicorn gives no event for it
                await anyio.sleep(0.01)
            for server in self.servers:
                await server.wait_closed()


def _protocol(lines: Lines) -> type[H11Protocol]:
    class Protocol(H11Protocol):
        """Keeps each client's transport, which the application itself is never given."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._peer = transport.get_extra_info("peername")[:2]
            lines[self._peer] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lines.pop(self._peer, None)
            super().connection_lost(exc)

    return Protocol


class HttpServer:
    """Serves an application over HTTP; `lines` holds the connection of each client."""

    def __init__(self) -> None:
        self._lines: Lines = {}

    def cut(self, scope: Scope) -> None:
        """End the connection of a request without sending what is left."""
        host, port = scope["client"]
        self._lines[host, port].abort()

    @contextlib.asynccontextmanager
    async def serve(self, app: ASGIApp, *, host: str, port: int) -> AsyncIterator[str]:
        """Serve until the block ends; gives the URL."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as listener:
            bound = listener.getsockname()[1]
            server = _Server(
                uvicorn.Config(
                    app,
                    http=_protocol(self._lines),
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    date_header=False,
                    server_header=False,
                ),
                self._lines,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(server.serve, [listener])
                try:
                    yield f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
                finally:
                    server.told_to_end.set()
