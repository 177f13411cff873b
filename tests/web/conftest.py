"""A daemon to be asked: a real database with users of every role, served over a real port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.config import Config, WebTable
from daemon.crontab import intervals
from daemon.errors import NotAllowed
from daemon.health import Figures, Loaded, Snapshot, Verdict, Vitals, judge
from daemon.model import AccountName, Moment
from daemon.store import Store, open_store
from daemon.store.users import Role
from daemon.web.access import mark_of
from daemon.web.app import whole_app
from daemon.web.caller import Caller
from daemon.web.passwords import Passwords
from daemon.web.serve import listen_on, serving
from tests.seller.conftest import NOON, lewis, redoute

REDOUTE = AccountName("redoute")
LEWIS = AccountName("lewis")
PASSWORD = "correct horse battery"


@dataclass
class Asked:
    """What stands for the running daemon: the store, a configuration, and what it was asked to do."""

    store: Store
    config: Config
    at: datetime = NOON
    problems: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def reload(self) -> list[str]:
        self.asked.append("reload")
        return self.problems

    async def run_now(self, account: AccountName, job: str) -> None:
        if job == "nonsense":
            raise NotAllowed(f"{account} has no job nonsense")
        self.asked.append(f"{account} {job}")

    async def health(self) -> Verdict:
        snapshot = Snapshot(
            await self.store.runs.snapshot(),
            await self.store.accounts.held(),
            waiting=await self.store.views.waiting(self.at),
            pauses=await self.store.pauses.in_force(self.at),
        )
        vitals = Vitals(NOON, timedelta(), timedelta())
        return judge(snapshot, vitals, Loaded(NOON, tuple(self.problems)), intervals(self.config), self.at)

    async def hindrances(self) -> list[str]:
        return list((await self.health()).reasons)

    async def figures(self) -> Figures | None:
        return None

    def clocks(self) -> Moment:
        return Moment(self.at, "boot-1", 1_000_000_000, synchronised=True)

    def web(self, **keys: Any) -> None:
        """Another `[web]` table."""
        self.config = self.config.model_copy(update={"web": WebTable(**keys)})

    async def user(self, name: str, role: Role, *, personal: bool = True) -> None:
        await self.store.users.add(name, await _hashed(), role, NOON, personal=personal)

    async def session(self, name: str) -> dict[str, str]:
        """The headers of a browser in which somebody is signed in, with the mark for REST."""
        token = await self.store.sessions.open(name, "127.0.0.1", self.at, timedelta(days=7))
        assert token is not None
        caller = Caller(name, "session", "", frozenset(), token)
        return {"cookie": f"sellerd={token}", "x-csrf-token": mark_of(caller), "accept": "text/html"}


_KNOWN: list[str] = []


async def _hashed() -> str:
    # Argon2 is slow on purpose: once is enough.
    if not _KNOWN:
        _KNOWN.append(await Passwords().hash(PASSWORD, "nobody"))
    return _KNOWN[0]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Asked]:
    async with open_store(tmp_path / "sellerd.db") as store:
        for name, marketplace in ((REDOUTE, "laredoute"), (LEWIS, "johnlewis")):
            await store.accounts.configure(name, marketplace, "", NOON)
        yield Asked(store, Config(accounts={REDOUTE: redoute(), LEWIS: lewis()}))


@asynccontextmanager
async def browser(daemon: Asked, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to the daemon's port, which follows nothing by itself."""
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with (
        serving(whole_app(daemon, "web", daemon.clocks, patience=0), listener),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=headers) as client,
    ):
        yield client


@pytest.fixture
async def web(daemon: Asked) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(daemon) as client:
        yield client
