"""Looking at everything again and again: what is seen goes to the tally, the screen, and those who wait for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import Process

from daemon.cli.demo.levers import Levers
from daemon.cli.demo.milestones import Reached, Tally
from daemon.cli.demo.snapshot import JOHNLEWIS, LAREDOUTE, Snapshot, View
from daemon.cli.failures import REFUSED, Failure
from daemon.clock import read_clocks
from daemon.errors import TransportError
from daemon.model import AccountName
from daemon.store import Store
from daemon.transports.http import HttpClient

_EVERY_SECONDS = 0.25
_HEALTH_SECONDS = 2.0


class Audience(Protocol):
    """Who is told."""

    def show(self, snapshot: Snapshot, seconds: float) -> None:
        """Take the latest look."""

    def reached(self, reached: Reached) -> None:
        """Take what was seen for the first time."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """What a look needs: our store, the daemon's health page, the marketplaces' own record."""

    store: Store
    client: HttpClient
    health_url: str
    levers: Levers

    async def look(self, exit_code: int | None = None) -> Snapshot:
        """Look at everything once; `exit_code` is that of the daemon when it has ended."""
        now = read_clocks()
        views = self.store.views
        accounts = (await views.status(now))["accounts"]
        status, health = await self._health() if exit_code is None else (0, {})
        return Snapshot(
            at=now.at,
            listings={account: await views.listings(AccountName(account)) for account in (LAREDOUTE, JOHNLEWIS)},
            feeds=await views.feeds(),
            gates=[gate for account in accounts for gate in account["gates"]],
            orders=await views.orders(),
            jobs={account["name"]: account["jobs"] for account in accounts},
            health_status=status,
            health=health,
            far=await self.levers.state(),
            exit_code=exit_code,
        )

    async def _health(self) -> tuple[int, View]:
        try:
            reply = await self.client.get(self.health_url, deadline=_HEALTH_SECONDS)
        except TransportError:
            return 0, {}
        return reply.status, json.loads(reply.body)


class Watch:
    """The latest look at everything since the start, which was at `began` on the event loop's clock."""

    def __init__(self, eyes: Eyes, tally: Tally, audience: Audience, began: float) -> None:
        self._eyes = eyes
        self._tally = tally
        self._audience = audience
        self._began = began
        self._latest: Snapshot | None = None
        self._changed = anyio.Event()

    async def look(self, exit_code: int | None = None) -> Snapshot:
        """Look once, and let everybody know."""
        snapshot = self._latest = await self._eyes.look(exit_code)
        seconds = anyio.current_time() - self._began
        for reached in self._tally.judge(snapshot, seconds):
            self._audience.reached(reached)
        self._audience.show(snapshot, seconds)
        self._changed.set()
        self._changed = anyio.Event()
        return snapshot

    async def go_on(self, process: Process) -> None:
        """Look for ever; raises Failure when the daemon ends meanwhile."""
        while process.returncode is None:
            await self.look()
            await anyio.sleep(_EVERY_SECONDS)
        raise Failure(f"the daemon ended by itself with exit code {process.returncode}", REFUSED)

    async def until(self, shows: Callable[[Snapshot], object]) -> Snapshot:
        """Wait for a look that shows something."""
        while self._latest is None or not shows(self._latest):
            await self._changed.wait()
        return self._latest
