"""Put it together: configuration → store → web → timetable → signals → drain (D1, D4, D6).

A reload leaves the timetable's block and enters it again with the new configuration.
"""

import gc
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

import anyio
import structlog
from anyio import CapacityLimiter, create_task_group, to_thread
from anyio.abc import TaskGroup, TaskStatus

from daemon import logs, notify
from daemon.clock import read_clocks
from daemon.config import Config, fingerprint, host_keys, load, split_address, warnings
from daemon.crontab import intervals
from daemon.errors import ConfigError, DaemonError, NotAllowed, StoreError, StoreInUse
from daemon.health import (
    BEAT_EVERY,
    OVERDUE_LIMIT,
    Build,
    Figures,
    Loaded,
    Machine,
    Snapshot,
    Tally,
    Verdict,
    judge,
    reasons_against,
    tally,
)
from daemon.health import Timetable as Timetabled
from daemon.marketplaces import Marketplace
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import SITE, AccountName
from daemon.pulse import Pulse
from daemon.runner import Runner
from daemon.seller.advice import count_known, explained_by
from daemon.settings import AccountSettings, secrets_in
from daemon.store import Store, open_store
from daemon.store.accounts import Configured
from daemon.store.database import versions
from daemon.store.pauses import holding
from daemon.timetable import Timetable
from daemon.transports.calls import calls
from daemon.transports.names import look_up_side_by_side
from daemon.vigil import Vigil
from daemon.web.app import whole_app
from daemon.web.serve import listen_at, listen_on, serving
from daemon.web.state import Question

#: exit codes: everything ended as asked; the database failed; another process has it; the configuration is wrong
CLEAN, STORAGE, IN_USE, CONFIG = 0, 70, 75, 78

#: after the grace, this long for everything else to end before the process ends itself (trap B4)
_LAST_RESORT = timedelta(seconds=30)

Opens = Callable[[AccountSettings, Mapping[str, Sequence[str]]], Marketplace]

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


def main_run(config_path: Path) -> int:
    """Run the daemon as this process; returns its exit code."""
    # A reload asked for too early would end the process (trap D3).
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = anyio.run(partial(run, config_path))
    logs.finish()
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        _end_in(_LAST_RESORT, code)
    return code


def open_way(account: AccountSettings, keys: Mapping[str, Sequence[str]]) -> Marketplace:
    """An account's way into its marketplace, with the host keys that a person has trusted, by place of login."""
    return DIALECTS[account.speaks].open(account, keys)


async def run(config_path: Path, *, ready: Callable[[], None] = lambda: None, opens: Opens = open_way) -> int:
    """Run the daemon until a signal ends it; `ready` is called once it works. Returns the exit code.

    `opens` gives each account its way, where far sides are simulated. Every problem that keeps it from running is
    written to stderr, one sentence a line.
    """
    look_up_side_by_side()
    try:
        setup = _Setup.read(config_path, opens)
        _make_state_folder(setup.config)
    except ConfigError as error:
        return _give_up(CONFIG, *error.problems)
    config = setup.config
    _configure_log(config)
    code, causes, daemon = CLEAN, list[BaseException](), None
    try:
        async with open_store(config.database) as store:
            daemon = Daemon(config_path, setup, store, opens)
            code = await daemon.live(ready)
    except* (ConfigError, StoreError) as group:
        causes = _leaves(group)
    finally:
        if daemon is not None:
            daemon.disarm()
    if not causes:
        return code
    if any(isinstance(cause, ConfigError) for cause in causes):
        return _give_up(CONFIG, *map(str, causes))
    return _give_up(IN_USE if isinstance(causes[0], StoreInUse) else STORAGE, *map(str, causes))


def _configure_log(config: Config) -> None:
    secrets = (secret.reveal() for _, secret in secrets_in(config))
    logs.configure(config.log.level, config.log.format, secrets=secrets)


def _give_up(code: int, *sentences: str) -> int:
    for sentence in sentences:
        sys.stderr.write(f"sellerd: {sentence}\n")
    notify.notify(f"STATUS=Not running: {sentences[0]}")
    return code


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _make_state_folder(config: Config) -> None:
    folder = config.daemon.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [f"daemon.state_dir = {folder}: {error.strerror}; choose a folder that we may make"]
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError([f"daemon.state_dir = {folder}: we may not write there; run as its owner, or choose another"])


def _end_in(delay: timedelta, code: int) -> threading.Timer:
    """End the process after `delay`, whatever hangs; cancel the timer when nothing does."""
    timer = threading.Timer(delay.total_seconds(), os._exit, (code,))
    timer.daemon = True
    timer.start()
    return timer


@dataclass(frozen=True, slots=True)
class _Setup:
    """A configuration with everything that comes of it before anything is connected."""

    config: Config
    ways: Mapping[AccountName, Marketplace]
    fingerprints: Mapping[AccountName, str]
    warnings: tuple[str, ...]
    every: Timetabled

    @classmethod
    def read(cls, path: Path, opens: Opens) -> "_Setup":
        """Read and prepare everything, so that a bad configuration changes nothing; raises ConfigError."""
        config = load(path)
        ways, fingerprints, problems = {}, {}, []
        for name, account in config.accounts.items():
            try:
                keys = host_keys(config, account)
                fingerprints[name] = fingerprint(account, keys)
                if account.active:
                    ways[name] = opens(account, keys)
            except OSError as error:
                problems.append(
                    f"{path}: account {name}: {error.filename} cannot be read: {error.strerror};"
                    " the daemon's user must be able to read it"
                )
            except (ValueError, DaemonError) as error:
                problems.append(f"{path}: account {name} cannot be opened: {error}")
        if problems:
            raise ConfigError(problems)
        return cls(config, ways, fingerprints, tuple(warnings(path, config)), intervals(config))


@dataclass(slots=True)
class _Reload:
    """A reload that was asked for; `problems` and `stopped` say how it ended."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    problems: tuple[str, ...] = ()
    stopped: bool = False


class Daemon:
    """The running daemon: one configuration at a time over one open database."""

    def __init__(self, path: Path, setup: _Setup, store: Store, opens: Opens = open_way) -> None:
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
        self._reloads: list[_Reload] = []
        self._taken: list[_Reload] = []
        self._wake = anyio.Event()
        self._stopping = False
        self._code = CLEAN
        self._last_resort: threading.Timer | None = None
        self._snapshot = Question(self._read_snapshot)
        self._figures = Question(self._read_figures)
        self._standing = Question(self._read_standing)
        self._judging = CapacityLimiter(1)
        self._build = build()

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        return self._setup.config

    async def live(self, ready: Callable[[], None]) -> int:
        """Work until a signal or a failed database ends it; returns the exit code."""
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
        asked = self._ask_reload()
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
            first = f"sellerd jobs resume {account} {pause.job}".rstrip()
            raise NotAllowed(f"{job} of {account} is paused: {pause.reason}; first: {first}")
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

    async def _read_standing(self) -> Tally:
        return tally(
            await self.store.runs.failing(),
            await self.store.accounts.held(),
            await self.store.pauses.in_force(datetime.now(UTC)),
            self._setup.every,
        )

    async def _read_snapshot(self) -> Snapshot:
        return await read_snapshot(self.store, datetime.now(UTC))

    async def _read_figures(self) -> Figures:
        status = await self.store.views.status(read_clocks())
        feeds = await self.store.accounts.feed_counts()
        listings = {
            (str(account["name"]), str(part), str(state)): int(number)
            for account in status["accounts"]
            for part, states in account["listings"].items()
            for state, number in states.items()
        }
        gates = {
            (gate["account"], gate["kind"]): datetime.fromisoformat(gate["until"]) if gate["until"] else None
            for account in status["accounts"]
            for gate in account["gates"]
        }
        answers = count_known(await self.store.codes.all(), explained_by(self.config.accounts))
        seen = self._vigil.seen
        return Figures(
            *(listings, feeds, gates, self._runner.totals, self._timetable.events, answers, logs.lines_dropped()),
            build=self._build,
            accounts={name: watched.facts for name, watched in seen.accounts.items()} if seen else {},
            machine=seen.machine if seen else Machine(),
            undelivered={
                way: seen.backlog[way].notices if way in seen.backlog else 0 for way in self.config.alerts.ways
            }
            if seen
            else {},
            durations=self._runner.durations,
            calls=calls(),
            in_flight=self._runner.in_flight,
            lag=self._pulse.vitals().lag,
        )

    # From start to stop

    async def _work(self, ready: Callable[[], None]) -> None:
        """Run one timetable after the other, each with the configuration of its time, until the stop."""
        following: _Setup | None = self._setup
        while following is not None and not self._stopping:
            async with self._timetable.ticking(self.config, self._setup.ways):
                self._loaded = Loaded(datetime.now(UTC))
                self._settle()
                self._tell_ready()
                ready()
                ready = _nothing
                following = await self._next_setup()
            if following is not None:
                self._setup = following
                _configure_log(self.config)
                await self._configure(datetime.now(UTC))
        for asked in (*self._taken, *self._reloads):
            asked.stopped = True
            asked.ended.set()

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

    async def _next_setup(self) -> _Setup | None:
        """Wait for a reload that can be taken over, or for the stop (None)."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            if self._stopping:
                return None
            if not self._reloads:
                continue
            # Several that came at once are one: what stands in the files now.
            self._taken, self._reloads = self._reloads, []
            notify.reloading()
            try:
                return await to_thread.run_sync(self._read_again)
            except ConfigError as error:
                self._loaded = Loaded(datetime.now(UTC), tuple(error.problems))
                log.error(  # noqa: TRY400 - the problems say it all
                    "reload refused; the configuration that runs stays", problems=error.problems
                )
                self._settle(tuple(error.problems))
                self._tell_ready()
                await self._tell_status()

    def _read_again(self) -> _Setup:
        new = _Setup.read(self._path, self._opens)
        old = self.config
        fixed = {
            "daemon.state_dir": (old.daemon.state_dir, new.config.daemon.state_dir),
            "web.listen": (old.web.listen, new.config.web.listen),
            "web.socket": (old.socket, new.config.socket),
        }
        problems = [
            f"{self._path}: {key} = {wanted} needs a restart (it runs with {running}): systemctl restart sellerd"
            for key, (running, wanted) in fixed.items()
            if running != wanted
        ]
        if problems:
            raise ConfigError(problems)
        return new

    def _ask_reload(self) -> _Reload:
        asked = _Reload(stopped=self._stopping)
        if self._stopping:
            asked.ended.set()
        else:
            self._reloads.append(asked)
            self._wake.set()
        return asked

    def _settle(self, problems: tuple[str, ...] = ()) -> None:
        """Answer those whose reload this was; who asked after the files were read waits for the next one."""
        for asked in self._taken:
            asked.problems = problems
            asked.ended.set()
        self._taken = []

    async def _listen_to_signals(self, *, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._ask_reload()
                elif self._stopping:
                    self._timetable.hurry()
                else:
                    log.info("stopping", signal=signal.Signals(number).name)
                    self._stop(CLEAN)

    def _stop(self, code: int) -> None:
        if self._last_resort is None:
            self._last_resort = _end_in(self.config.daemon.grace + _LAST_RESORT, STORAGE)
        self._stopping, self._code = True, max(code, self._code)
        notify.notify("STOPPING=1", "STATUS=Stopping")
        self._wake.set()

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


async def read_snapshot(store: Store, at: datetime) -> Snapshot:
    """What the database says of jobs and accounts at an instant; raises StoreError."""
    return Snapshot(
        await store.runs.snapshot(),
        await store.accounts.held(),
        waiting=await store.views.waiting(at),
        attention=await store.views.attention(),
        order_errors=await store.views.order_errors(),
        pauses=await store.pauses.in_force(at),
        alerts=await store.alerts.open(),
    )


def build() -> Build:
    """What runs here."""
    sqlite, schema = versions()
    return Build(version("sellerd"), platform.python_version(), sqlite, schema)


def _nothing() -> None:
    """After the first time, nobody waits to hear that the daemon is ready."""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
