"""The REST interface over its real Unix socket, with what stands for the running daemon behind it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.model import AccountName
from daemon.store import open_store
from daemon.transports.http import ControlClient
from daemon.web.api import control_app
from daemon.web.serve import listen_at, serving
from tests.seller.conftest import NOON
from tests.web.standins import AskedDaemon, clocks


@pytest.fixture
async def rest_daemon(tmp_path: Path) -> AsyncIterator[AskedDaemon]:
    async with open_store(tmp_path / "sellerd.db") as store:
        for name, marketplace in (("redoute", "laredoute"), ("lewis", "johnlewis")):
            await store.accounts.configure(AccountName(name), marketplace, "", NOON)
        yield AskedDaemon(store)


@pytest.fixture
async def rest(rest_daemon: AskedDaemon, tmp_path: Path) -> AsyncIterator[ControlClient]:
    socket = tmp_path / "rest.sock"
    app = control_app(rest_daemon, clocks)
    async with serving(app, listen_at(socket)), ControlClient.over_socket(socket) as client:
        yield client


async def told(client: ControlClient, method: str, path: str, status: int = 200, **more: Any) -> Any:
    """The JSON that a request is answered with."""
    reply = await client.request(method, f"/api/v1{path}", **more)
    assert reply.status == status, reply.body
    return json.loads(reply.body)
