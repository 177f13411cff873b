"""A whole sandbox: two marketplaces, one HTTP server, two SFTP servers, started together and stopped together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
from starlette.applications import Starlette

from daemon.sandbox.control import Control
from daemon.sandbox.disk import Dropbox, Numbers
from daemon.sandbox.edge import ENVIRONMENTS, TheEdge
from daemon.sandbox.gateway import ITEMS_PATH, OFFERS_PATH, ORDERS_PATH, Gateway
from daemon.sandbox.http_server import HttpServer
from daemon.sandbox.laredoute import LaRedoute
from daemon.sandbox.settings import Login, SandboxSettings
from daemon.sandbox.sftp import SftpAddress, Uploads, sftp_server


class Sandbox:
    """Both far sides, running while its `async with` block lasts.

    `laredoute` and `johnlewis` are their memories; the addresses are set once it runs. What it keeps on disk is under
    `settings.root`: what a client sees in `<marketplace>/files`, host keys beside it, accepted files in
    `johnlewis/archive`. Catalogue, offers and orders are in memory and end with it.
    """

    http_url: str
    laredoute_sftp: SftpAddress
    johnlewis_sftp: SftpAddress
    laredoute: LaRedoute
    johnlewis: TheEdge

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self._running: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything. An error of the block is not led through the task groups, which would wrap it."""
        running, self._running = self._running, None
        if running is not None:
            await running.__aexit__(None, None, None)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        settings, host = self.settings, self.settings.host
        root = settings.root.resolve()
        laredoute_root, johnlewis_root = root / "laredoute", root / "johnlewis"
        scratches = Dropbox(laredoute_root / "scratch"), Dropbox(johnlewis_root / "scratch")
        numbers, uploads = Numbers(root / "numbers.json"), Uploads()
        self.laredoute = LaRedoute(settings.laredoute, laredoute_root / "files", scratches[0], numbers)
        self.johnlewis = TheEdge(
            settings.johnlewis, johnlewis_root / "files", johnlewis_root / "archive", scratches[1], numbers, uploads
        )
        http = HttpServer()
        routes = Gateway(self.laredoute, http.cut).routes + Control(self.laredoute, self.johnlewis).routes
        async with (
            sftp_server(
                self.laredoute.files,
                laredoute_root / "host_key",
                settings.laredoute.sftp,
                self.laredoute.faults,
                Uploads(),
                host=host,
                port=settings.laredoute.sftp_port,
            ) as self.laredoute_sftp,
            sftp_server(
                self.johnlewis.files,
                johnlewis_root / "host_key",
                settings.johnlewis.sftp,
                self.johnlewis.faults,
                uploads,
                host=host,
                port=settings.johnlewis.sftp_port,
            ) as self.johnlewis_sftp,
            http.serve(Starlette(routes=routes), host=host, port=settings.http_port) as self.http_url,
            anyio.create_task_group() as group,
        ):
            group.start_soon(self.laredoute.agenda.run)
            group.start_soon(self.johnlewis.watch)
            yield
            group.cancel_scope.cancel()

    def describe(self) -> dict[str, Any]:
        """Give every address, login and key as JSON can say it, for whoever writes a configuration against it."""
        laredoute, johnlewis = self.settings.laredoute, self.settings.johnlewis
        return {
            "root": str(self.settings.root),
            "http_url": self.http_url,
            "control_url": f"{self.http_url}/sandbox",
            "laredoute": {
                "items_url": self.http_url + ITEMS_PATH,
                "offers_url": self.http_url + OFFERS_PATH,
                "orders_url": self.http_url + ORDERS_PATH,
                "http": {"user": laredoute.http.user, "password": laredoute.http.password},
                "vendor_id": laredoute.vendor_id,
                "items_key": laredoute.items_key,
                "read_orders_key": laredoute.read_orders_key,
                "update_orders_key": laredoute.update_orders_key,
                "answers": laredoute.answers,
                "review": laredoute.review,
                "brands": None if laredoute.brands is None else sorted(laredoute.brands),
                "jam_within": laredoute.jam_within,
                "sftp": _sftp(self.laredoute_sftp, laredoute.sftp),
                "folders": {"reports": "/reports", "orders": "/orders"},
                "files": str(self.laredoute.files),
            },
            "johnlewis": {
                "sftp": _sftp(self.johnlewis_sftp, johnlewis.sftp),
                "environments": list(ENVIRONMENTS),
                "files": str(self.johnlewis.files),
                "archive": str(self.johnlewis.archive),
            },
        }


def _sftp(address: SftpAddress, login: Login) -> dict[str, Any]:
    return {
        "host": address.host,
        "port": address.port,
        "user": login.user,
        "password": login.password,
        "host_key": address.host_key,
    }


async def serve(settings: SandboxSettings, *, ready: Callable[[dict[str, Any]], None], stop: anyio.Event) -> None:
    """Run a sandbox until `stop` is set; `ready` is given its description as soon as it answers."""
    async with Sandbox(settings) as sandbox:
        ready(sandbox.describe())
        await stop.wait()
