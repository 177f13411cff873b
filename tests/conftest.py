"""Fixtures that every test may use, and how hypothesis draws."""

import os

import pytest
from hypothesis import HealthCheck, settings

# No test is timed, so none fails on a busy machine. A run draws what the last one drew, so that a failure is that of a
# change; `make prove` says how many examples it wants, and draws others each time.
settings.register_profile(
    "sellerd",
    deadline=None,
    derandomize="SELLERD_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sellerd")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run on asyncio alone: APScheduler, asyncssh and aiosqlite live there."""
    return "asyncio"
