"""Fixtures that every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run on asyncio alone: APScheduler, asyncssh and aiosqlite live there."""
    return "asyncio"
