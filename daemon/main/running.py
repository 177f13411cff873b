"""The running daemon: one configuration after the other over one open database, until a signal ends it (D1, D4, D6).

A reload leaves the timetable's block and enters it again with the new configuration.
"""

import gc
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio import CapacityLimiter, create_task_group, to_thread
from anyio.abc import TaskGroup, TaskStatus

from daemon import notify
from daemon.clock import read_clocks
from daemon.config import Config, split_address
from daemon.errors import ConfigError, NotAllowed
from daemon.health import BEAT_EVERY, OVERDUE_LIMIT, Figures, Loaded, Snapshot, Verdict, judge, reasons_against
from daemon.main.exits import CLEAN, LAST_RESORT, STORAGE, end_in
from daemon.main.readings import build, read_figures, read_snapshot, read_tally
from daemon.main.reloads import Reloads
from daemon.main.setup import Opens, Setup, configure_log, open_way
from daemon.main.signals import listening
from daemon.model import SITE, AccountName
from daemon.pulse import Pulse
from daemon.runner import Runner
from daemon.store import Store
from daemon.store.accounts import Configured
from daemon.store.pauses import holding
from daemon.timetable import Timetable
from daemon.vigil import Vigil
from daemon.web.app import whole_app
from daemon.web.serve import listen_at, listen_on, serving
from daemon.web.state import Question

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


class Daemon:
    """The running daemon: one configuration at a time over one open database."""

    def __init__(self, path: Path, setup: Setup, store: Store, opens: Opens = open_way) -> None:
        self.store = store
        self._path = path
        self._opens = opens
        self._setup = setup
        self._runner = Runner(store)
        self._started_at = datetime.now(UTC)
        self._loaded = Loaded(self._started_at)
        self._pulse = Pulse(store.database, self._started_at, self._overdue, self._fail)
        self._timetable = Timetable(store, self._runner)
        self._vigil = Vigil(store, lambda: self.config, self.health, self._deliver)
        self._life: TaskGroup | None = None
        self._reloads = Reloads()
        self._stopping = False
        self._code = CLEAN
        self._last_resort: threading.Timer | None = None
        self._snapshot = Question(lambda: read_snapshot(store, datetime.now(UTC)))
        self._standing = Question(lambda: read_tally(store, self._setup.every, datetime.now(UTC)))
        self._figures = Question(self._read_figures)
        self._judging = CapacityLimiter(1)
        self._build = build()

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        return self._setup.config

    async def live(self, ready: Callable[[], None]) -> int:
        """Work until a signal or a failed database ends it; returns the exit code.

        `ready` is called once it works.
        """
        now = read_clocks()
        if self.store.database.restored:
            log.warning(
                "the database was restored from an older one: every gate starts its time again, and what may have been"
                " sent since is in doubt"
            )
        await self.store.feeds.recover(now)
        await self.store.updates.recover(now.at)
        await self.store.runs.cut(now.at)
        await self._configure(now.at)
        with (
            closing(listen_on(*split_address(self.config.web.listen))) as port,
            closing(listen_at(self.config.socket)) as door,
        ):
            async with (
                create_task_group() as self._life,
                serving(whole_app(self, "web"), port),
                serving(whole_app(self, "socket"), door),
            ):
                await self._life.start(self._listen_to_signals)
                self._timetable.start(self._pulse.canary)
                self._pulse.start(self._life)
                self._life.start_soon(self._keep_telling)
                self._life.start_soon(self._watch_storage)
                self._life.start_soon(self._vigil.keep, read_clocks)
                # What was loaded so far stays to the end. To look for cycles in all of it takes a twentieth of a
                # second, in which nothing else goes on, and comes again whenever a batch has made enough that is new.
                gc.freeze()
                await self._work(ready)
                if self._code == STORAGE:
                    await self._vigil.last_words(datetime.now(UTC))
                self._timetable.stop()
                self._life.cancel_scope.cancel()
            self.config.socket.unlink(missing_ok=True)
        log.info("stopped")
        return self._code

    def disarm(self) -> None:
        """Everything ended in time: the process need not end itself."""
        if self._last_resort is not None:
            self._last_resort.cancel()

    # What is asked over HTTP (daemon.web.state)

    async def reload(self) -> list[str]:
        """Take the configuration over as it stands in the files now; returns once it runs, or its problems (D4).

        Raises NotAllowed while the daemon stops.
        """
        asked = self._reloads.ask()
        await asked.ended.wait()
        if asked.stopped:
            raise NotAllowed("the daemon is stopping; the configuration is read when it starts again")
        return list(asked.problems)

    async def run_now(self, account: AccountName, job: str) -> None:
        """Give a job a turn now, or once more right after the one it is in (D13); it asks its gate itself, as always.

        `SITE` stands for no account.

        Raises NotAllowed when there is no such job, when the account is held, and while the daemon reloads or stops.
        """
        every = self._setup.every
        if account not in every:
            raise NotAllowed(f"there is no active account {account}; there are {_listed(self.config.active_accounts)}")
        if job not in every[account]:
            whose = "the site" if account == SITE else f"account {account}"
            raise NotAllowed(f"{whose} has no job {job}; there are {_listed(every[account])}")
        if (held := (await self.store.accounts.held()).get(account)) is not None:
            raise NotAllowed(f"account {account} needs a person: {held[1]}; mend it and reload, or release the account")
        if (pause := holding(await self.store.pauses.in_force(datetime.now(UTC)), account, job)) is not None:
            raise NotAllowed(f"{job} of {account} is paused: {pause.reason}; first: {pause.resumed_by}")
        if not self._timetable.give_turn(account, job):
            raise NotAllowed("the daemon is reloading or stopping; ask again in a moment")

    async def health(self) -> Verdict:
        """The verdict of this moment; see `Watched.health`."""
        fresh = await self._snapshot.ask(self._life) if self._life is not None else None
        snapshot = fresh or replace(self._snapshot.latest or Snapshot(), fresh=False)
        vitals = self._pulse.vitals(stopping=self._stopping)
        # Of some thousand accounts it takes a while, in which the loop has other things to do.
        return await to_thread.run_sync(
            partial(judge, snapshot, vitals, self._loaded, self._setup.every, datetime.now(UTC)),
            limiter=self._judging,
        )

    async def hindrances(self) -> list[str]:
        """Why the process is not ready, at this moment; see `Watched.hindrances`."""
        standing = await self._standing.ask(self._life) if self._life is not None else None
        return reasons_against(self._pulse.vitals(stopping=self._stopping), answered=standing is not None)

    async def figures(self) -> Figures | None:
        """What the metrics show; see `Watched.figures`."""
        return await self._figures.ask(self._life) if self._life is not None else None

    async def _read_figures(self) -> Figures:
        return await read_figures(
            self.store,
            self.config,
            self._runner,
            built=self._build,
            events=self._timetable.events,
            seen=self._vigil.seen,
            lag=self._pulse.vitals().lag,
        )

    # From start to stop

    async def _work(self, ready: Callable[[], None]) -> None:
        """Run one timetable after the other, each with the configuration of its time, until the stop."""
        following: Setup | None = self._setup
        while following is not None and not self._stopping:
            async with self._timetable.ticking(self.config, self._setup.ways):
                self._loaded = Loaded(datetime.now(UTC))
                self._reloads.settle()
                self._tell_ready()
                ready()
                ready = _nothing
                following = await self._next_setup()
            if following is not None:
                self._setup = following
                configure_log(self.config)
                await self._configure(datetime.now(UTC))
        self._reloads.abandon()

    async def _configure(self, at: datetime) -> None:
        setup = self._setup
        accounts = [
            Configured(name, account.marketplace, setup.fingerprints[name], account.deadlines)
            for name, account in setup.config.accounts.items()
        ]
        for name in await self.store.accounts.configure_all(accounts, at):
            log.info("account released: its configuration changed", account=name)
        for warning in setup.warnings:
            log.warning(warning)
        active = len(setup.config.active_accounts)
        log.info("configured", accounts=active, listen=setup.config.web.listen, socket=str(setup.config.socket))

    async def _next_setup(self) -> Setup | None:
        """Wait for a reload that can be taken over, or for the stop (None)."""
        while await self._reloads.take():
            notify.reloading()
            try:
                return await to_thread.run_sync(self._setup.again, self._path, self._opens)
            except ConfigError as error:
                self._loaded = Loaded(datetime.now(UTC), tuple(error.problems))
                log.error(  # noqa: TRY400 - the problems say it all
                    "reload refused; the configuration that runs stays", problems=error.problems
                )
                self._reloads.settle(tuple(error.problems))
                self._tell_ready()
                await self._tell_status()
        return None

    async def _listen_to_signals(self, *, task_status: TaskStatus[None]) -> None:
        with listening() as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._reloads.ask()
                elif self._stopping:
                    self._timetable.hurry()
                else:
                    log.info("stopping", signal=number.name)
                    self._stop(CLEAN)

    def _stop(self, code: int) -> None:
        if self._last_resort is None:
            self._last_resort = end_in(self.config.daemon.grace + LAST_RESORT, STORAGE)
        self._stopping, self._code = True, max(code, self._code)
        notify.notify("STOPPING=1", "STATUS=Stopping")
        self._reloads.close()

    def _deliver(self) -> None:
        """Something new is to be told: the job that does need not wait for its tick."""
        self._timetable.give_turn(SITE, "alerts")

    # How it goes

    def _overdue(self) -> Iterable[str]:
        return self._runner.overdue(OVERDUE_LIMIT)

    async def _watch_storage(self) -> None:
        await self._runner.storage_failed()
        self._fail()

    def _fail(self) -> None:
        """What was in flight is unknown: end at once, and the next start reads what is truly there (promise P16)."""
        if self._code == CLEAN:
            log.critical("the database failed; ending", error=self.store.database.fault or "a turn was not recorded")
        self._timetable.hurry()
        self._stop(STORAGE)

    def _tell_ready(self) -> None:
        notify.notify("READY=1")
        log.info("ready", accounts=len(self.config.active_accounts), jobs=self._timetable.jobs)

    async def _keep_telling(self) -> None:
        while True:
            await self._tell_status()
            await anyio.sleep(BEAT_EVERY.total_seconds())

    async def _tell_status(self) -> None:
        reasons = await self.hindrances()
        text = f"{len(self._setup.ways)} accounts"
        if (standing := self._standing.latest) is not None:
            text += f", {standing.jobs} jobs, {standing.failing} failing, {standing.held} held"
            text += f", {standing.paused} PAUSED" * (standing.paused > 0)
        if not self._loaded.ok:
            text += f"; the last reload was refused: {self._loaded.problems[0]}"
        if reasons:
            text += f"; {reasons[0]}"
        notify.notify(f"STATUS={text}")


def _nothing() -> None:
    """After the first time, nobody waits to hear that the daemon is ready."""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
