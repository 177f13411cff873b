"""Signs of life of the process: the scheduler ticks, the loop turns, the database is written (D6, promise P18).

systemd hears of us only while all of them are there; a bare timer would prove nothing (trap H3).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import anyio
import structlog
from anyio.abc import TaskGroup

from daemon import notify
from daemon.errors import StoreError
from daemon.health import BEAT_EVERY, Vitals, hindrances
from daemon.store.database import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


class Pulse:
    """What the process feels of itself. Ages are taken on the monotonic clock, which nobody sets."""

    def __init__(
        self, database: Database, started_at: datetime, overdue: Callable[[], Iterable[str]], fail: Callable[[], None]
    ) -> None:
        """`overdue` names the turns that hang past their deadline; `fail` is called once the storage failed."""
        self._database = database
        self._started_at = started_at
        self._overdue = overdue
        self._fail = fail
        self._canary_at = self._beat_at = anyio.current_time()
        #: how long the loop stood still, at worst since the watchdog was fed
        self._lag = 0.0

    def start(self, group: TaskGroup) -> None:
        """Feel it in `group` until that ends."""
        for watch in (self._watch_loop, self._beat, self._feed_watchdog):
            group.start_soon(watch)

    async def canary(self) -> None:
        """To be called by the scheduler every `CANARY_EVERY`."""
        self._canary_at = anyio.current_time()

    def vitals(self, *, stopping: bool = False) -> Vitals:
        """How the process is now."""
        now = anyio.current_time()
        return Vitals(
            started_at=self._started_at,
            canary_age=timedelta(seconds=now - self._canary_at),
            beat_age=timedelta(seconds=now - self._beat_at),
            lag=timedelta(seconds=self._lag),
            overdue=tuple(self._overdue()),
            database_fault=self._database.fault,
            stopping=stopping,
        )

    async def _watch_loop(self) -> None:
        while True:
            before = anyio.current_time()
            await anyio.sleep(1)
            self._lag = max(self._lag, anyio.current_time() - before - 1)

    async def _beat(self) -> None:
        while True:
            try:
                await self._database.beat()
                self._beat_at = anyio.current_time()
            except StoreError:
                # A database that is only locked may be free at the next beat; its age tells.
                if self._database.fault:
                    self._fail()
            await anyio.sleep(BEAT_EVERY.total_seconds())

    async def _feed_watchdog(self) -> None:
        interval = notify.watchdog_interval()
        told: list[str] = []
        while True:
            found = hindrances(self.vitals())
            self._lag = 0.0
            if found and not told:
                log.error("the process cannot do its work; the watchdog is not fed", reasons=found)
            elif told and not found:
                log.info("the process works again")
            if interval is not None and not found:
                notify.notify("WATCHDOG=1")
            told = found
            await anyio.sleep((interval / 2 if interval else BEAT_EVERY).total_seconds())
