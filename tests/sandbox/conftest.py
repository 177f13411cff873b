"""A sandbox that does nothing by itself: reports, debits and looks into folders happen when a test says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    settings = SandboxSettings(
        tmp_path, laredoute=LaRedouteSettings(delay=None), johnlewis=JohnLewisSettings(poll_every=None)
    )
    async with Sandbox(settings) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.http_url, trust_env=False, timeout=30) as http:
        yield http
