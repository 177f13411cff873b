"""The watch over everything: what is wrong is found, recorded, logged, and put into notices (D5, D11).

It goes by itself beside the scheduler, so that a scheduler that stands still is found too. Delivering is a job.
"""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import structlog
from anyio import to_thread

from daemon.alerts import Facts, Watched, judge
from daemon.config import Config
from daemon.crontab import intervals
from daemon.errors import StoreError
from daemon.health import Machine, Verdict
from daemon.jobs.notices import last_words
from daemon.model import Moment
from daemon.rules.causes import Severity
from daemon.store import Store
from daemon.store.alerts import News

#: how often it looks
LOOK_EVERY = timedelta(seconds=30)
#: how long the last words may take, and how often they are said: a daemon whose disk is full starts again and again
_LAST_WORDS_SECONDS = 15.0
_LAST_WORDS_EVERY = timedelta(hours=1)
_MARK = "storage-failed"

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


class Vigil:
    """Looks at everything again and again; `deliver` is asked for a turn of the job when there is something to tell."""

    def __init__(
        self,
        store: Store,
        config: Callable[[], Config],
        health: Callable[[], Awaitable[Verdict]],
        deliver: Callable[[], object],
    ) -> None:
        self._store = store
        self._config = config
        self._health = health
        self._deliver = deliver
        self._unsynchronised_since: datetime | None = None
        #: what it saw last, for the metrics
        self.seen: Facts | None = None

    async def keep(self, clock: Callable[[], Moment]) -> None:
        """Look every `LOOK_EVERY` until cancelled."""
        while True:
            try:
                await self.look(clock())
            except StoreError as error:
                # The verdict says so too, and whoever keeps the pulse ends the daemon where that is for good.
                log.debug("the watch could not read or record", error=str(error))
            await anyio.sleep(LOOK_EVERY.total_seconds())

    async def look(self, now: Moment) -> None:
        """Judge, record, log and compose once; raises StoreError."""
        facts = self.seen = await self.facts(now)
        site = facts.site
        # Of some thousand accounts it takes a while, in which the loop has other things to do.
        causes = await to_thread.run_sync(judge, facts, now.at)
        _tell(await self._store.alerts.observe(causes, now.at, site.calm))
        if facts.verdict.ok:
            await self._store.alerts.well(now.at)
        notice = await self._store.alerts.compose(
            site.ways, now.at, gather=site.gather, apart=site.apart, repeat=site.repeat
        )
        if notice is not None:
            self._deliver()

    async def facts(self, now: Moment) -> Facts:
        """Everything that is judged, as it stands now; raises StoreError."""
        config = self._config()
        accounts = config.active_accounts
        found = await self._store.facts.of_all(accounts.values(), now.at)
        watched = {
            name: Watched(account.alerts, found[name], account.guard.terms, account.expires)
            for name, account in accounts.items()
        }
        return Facts(
            verdict=await self._health(),
            site=config.alerts,
            accounts=watched,
            every=intervals(config),
            machine=await self.machine(now),
            backlog=await self._store.alerts.backlog(now.at),
        )

    async def machine(self, now: Moment) -> Machine:
        """What the daemon stands on."""
        if now.synchronised:
            self._unsynchronised_since = None
        elif self._unsynchronised_since is None:
            self._unsynchronised_since = now.at
        return await to_thread.run_sync(measure, self._store.database.path, self._unsynchronised_since)

    async def last_words(self, at: datetime) -> None:
        """The storage failed, and nothing can be recorded: say so by every way, but not at every start again."""
        mark = self._store.database.path.with_name(_MARK)
        said = await to_thread.run_sync(_marked_at, mark)
        if said is not None and abs(at - said) < _LAST_WORDS_EVERY:
            return
        await to_thread.run_sync(_set_mark, mark)
        with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
            fault = self._store.database.fault or "a turn could not be recorded"
            await last_words(self._config().alerts, fault, at)


def measure(database: Path, unsynchronised_since: datetime | None) -> Machine:
    """The disk and the files of the database as they are now."""
    try:
        disk = os.statvfs(database.parent)
    except OSError:
        return Machine(unsynchronised_since=unsynchronised_since)
    return Machine(
        disk_bytes=disk.f_blocks * disk.f_frsize,
        disk_free_bytes=disk.f_bavail * disk.f_frsize,
        database_bytes=_size(database),
        log_bytes=_size(database.with_name(f"{database.name}-wal")),
        unsynchronised_since=unsynchronised_since,
        ended_at=_marked_at(database.with_name(_MARK)),
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _marked_at(mark: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(mark.stat().st_mtime, UTC)
    except OSError:
        return None


def _set_mark(mark: Path) -> None:
    try:
        mark.touch(0o600)
    except OSError:
        # The disk that failed is the one that this would be written to; then it is said once more.
        return


def _tell(news: News) -> None:
    for alert in news.opened:
        tell = log.error if alert.severity is Severity.CRITICAL else log.warning
        tell("alert", kind=alert.kind.value, account=alert.account or None, text=alert.text, alert=alert.id)
    for alert in news.resolved:
        log.info(
            "alert resolved", kind=alert.kind.value, account=alert.account or None, text=alert.text, alert=alert.id
        )
