"""One turn of one job: asked for, begun, ended by its deadline, recorded, told (D1, D2, D10, D11)."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog
from anyio import CancelScope, fail_after, get_cancelled_exc_class

from daemon.clock import read_clocks
from daemon.config import LOCAL_JOBS, Config
from daemon.errors import AccessDenied, DaemonError, StoreError, Unforeseen, leaves
from daemon.jobs import Job, Outcome, Run, SiteJob, SiteRun
from daemon.marketplaces import Marketplace
from daemon.model import SITE, AccountName, Moment
from daemon.rules.spread import Spread
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.pauses import Pause, holding
from daemon.store.runs import Ending, RunId, Told

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


@dataclass(frozen=True, slots=True)
class Task:
    """One job of one account with everything that its turns need."""

    account: AccountSettings
    marketplace: Marketplace
    name: str
    job: Job

    @property
    def key(self) -> tuple[AccountName, str]:
        """What no two turns may share at a time."""
        return AccountName(self.account.name), self.name

    @property
    def deadline(self) -> timedelta:
        """How long a turn may take."""
        return self.account.turn_deadline

    async def run(self, now: Moment, store: Store, clock: Callable[[], Moment]) -> Outcome:
        """Do the work of one turn."""
        return await self.job(Run(self.account, now, store, self.marketplace, clock))


@dataclass(frozen=True, slots=True)
class SiteTask:
    """One job that belongs to no account, with everything that its turns need."""

    config: Config
    name: str
    job: SiteJob

    @property
    def key(self) -> tuple[AccountName, str]:
        """What no two turns may share at a time."""
        return SITE, self.name

    @property
    def deadline(self) -> timedelta:
        """How long a turn may take."""
        return self.config.daemon.turn_deadline

    async def run(self, now: Moment, store: Store, clock: Callable[[], Moment]) -> Outcome:
        """Do the work of one turn."""
        return await self.job(SiteRun(self.config, now, store, clock))


@dataclass(slots=True)
class _Turn:
    """A turn in flight; `again` is set when another one was asked for meanwhile."""

    ends_by: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class _End:
    """How a turn ended, as it is recorded; `surprise` is what nobody foresaw, `denied` what a person must mend."""

    ending: Ending
    outcome: Outcome
    surprise: Exception | None = None
    denied: bool = False


@dataclass(slots=True)
class Runner:
    """Gives jobs their turns. It counts what is in flight, so that a stop can wait for it."""

    store: Store
    clock: Callable[[], Moment] = read_clocks
    #: turns since the process started, by account, job and outcome
    totals: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    #: how long they took, by account and job
    durations: dict[tuple[str, str], Spread] = field(default_factory=dict)
    _turns: dict[tuple[AccountName, str], _Turn] = field(default_factory=dict)
    #: the pauses that were told, by what they hold
    _paused: dict[tuple[AccountName, str], Pause] = field(default_factory=dict)
    _idle: anyio.Event | None = None
    _storage_failed: anyio.Event = field(default_factory=anyio.Event)

    async def turn(self, task: Task | SiteTask) -> Outcome | None:
        """Give a job a turn; returns its outcome, None when it was not run or did not end well.

        The same job of an account never overlaps itself (D1): asked for while it runs, it comes once more after that.
        A held account is left alone (D10), but for jobs that never speak to its marketplace; and so is a paused job
        (D13), whose outcome says when it comes again.
        """
        if (running := self._turns.get(task.key)) is not None:
            running.again = True
            return None
        # Whatever the caller had bound would otherwise stand in every line of this turn (trap C10).
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**_named(task))
        turn = self._turns[task.key] = _Turn(0.0)
        try:
            outcome = await self._one(task, turn)
            while turn.again and not self.store.database.fault:
                turn.again = False
                outcome = await self._one(task, turn)
        except StoreError as error:
            # The record itself could not be written: there is nothing left to write the failure to.
            log.critical("the database failed", error=str(error))
            self._storage_failed.set()
            return None
        else:
            return outcome
        finally:
            del self._turns[task.key]
            if not self._turns and self._idle is not None:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no turn is in flight."""
        while self._turns:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def storage_failed(self) -> None:
        """Wait until a turn found that the database can no longer be written (promise P16)."""
        await self._storage_failed.wait()

    @property
    def in_flight(self) -> int:
        """How many turns are being run."""
        return len(self._turns)

    def overdue(self, limit: timedelta) -> Iterator[str]:
        """The turns that should have been ended more than `limit` ago and still stand."""
        now = anyio.current_time()
        for (account, job), turn in self._turns.items():
            if turn.ends_by and now > turn.ends_by + limit.total_seconds():
                yield f"{account} {job}".strip()

    async def _one(self, task: Task | SiteTask, turn: _Turn) -> Outcome | None:
        account, name = task.key
        if name not in LOCAL_JOBS and account in await self.store.accounts.held():
            log.debug("not run: the account needs a person")
            return None
        now = self.clock()
        if (pause := await self._held_back(task, now.at)) is not None:
            return Outcome(held_until=pause.until, note=f"paused: {pause.reason}")
        run = await self.store.runs.started(account, name, now.at)
        structlog.contextvars.bind_contextvars(run=run)
        log.debug("turn started")
        try:
            end = await self._end(task, turn, now)
        except get_cancelled_exc_class():
            # A failed record is found by the next start, which takes every running turn for cut.
            with CancelScope(shield=True), suppress(StoreError):
                await self._ended(task, run, _End("cut", Outcome(note="the daemon ended or was reloaded")))
            raise
        await self._ended(task, run, end)
        return end.outcome if end.ending != "failed" else None

    async def _held_back(self, task: Task | SiteTask, at: datetime) -> Pause | None:
        """The pause because of which a job may not run (D13); its beginning and its end are told once each."""
        await self.store.pauses.end_expired(at)
        pause = holding(await self.store.pauses.in_force(at), *task.key)
        before = self._paused.pop(task.key, None)
        if pause is not None:
            self._paused[task.key] = pause
            tell = log.debug if pause == before else log.warning
            until = "until it is resumed" if pause.until is None else pause.until.isoformat()
            tell("not run: the job is paused", reason=pause.reason, until=until)
        elif before is not None:
            log.info("the job runs again after a pause")
        return pause

    async def _end(self, task: Task | SiteTask, turn: _Turn, now: Moment) -> _End:
        deadline, began = task.deadline, anyio.current_time()
        turn.ends_by = began + deadline.total_seconds()
        scope = None
        try:
            with fail_after(deadline.total_seconds()) as scope:
                outcome = await task.run(now, self.store, self.clock)
        except Exception as error:  # noqa: BLE001 - the only one: a turn that fails stops nobody else (D2)
            if scope is not None and scope.cancelled_caught:
                return _failed(f"it took longer than its deadline of {deadline.total_seconds():g} s")
            return _failure(error)
        else:
            return _End("held" if outcome.held_until else "done" if outcome.done else "idle", outcome)
        finally:
            turn.ends_by = 0.0
            self.durations.setdefault(task.key, Spread()).add(anyio.current_time() - began)

    async def _ended(self, task: Task | SiteTask, run: RunId, end: _End) -> None:
        account, name = task.key
        at = self.clock().at
        outcome = end.outcome
        told = await self.store.runs.ended(run, end.ending, outcome.done, outcome.note, outcome.held_until, at)
        self.totals[account, name, end.ending] += 1
        if end.denied and account != SITE:
            # The turns beside it are refused for the same reason: that is told once (D11).
            if await self.store.accounts.hold(account, outcome.note, at):
                log.error(
                    "account held: a person is needed; it is tried again when its configuration changes",
                    error=outcome.note,
                )
            return
        self._tell(end, told)

    def _tell(self, end: _End, told: Told) -> None:
        """Failing is told once: at its beginning, and at its end (D11)."""
        note = end.outcome.note
        if end.ending == "cut":
            log.info("turn cut", note=note)
        elif end.ending == "failed":
            tell = log.error if told is Told.FIRST_FAILURE else log.debug
            tell("turn failed; it is quiet from here until it works again", error=note, exc_info=end.surprise)
        elif told is Told.RECOVERED:
            log.info("recovered", done=end.outcome.done, note=note)
        elif end.outcome.done:
            log.info("turn done", done=end.outcome.done, note=note)
        else:
            log.debug("turn done", note=note)


def _named(task: Task | SiteTask) -> dict[str, str]:
    """What every line of a turn says of it."""
    account, job = task.key
    return {"job": job} if account == SITE else {"account": account, "job": job}


def _failure(error: Exception) -> _End:
    """What an error means for the turn; in a group of errors, a refused login outweighs the others."""
    found = list(leaves(error))
    denied = next((leaf for leaf in found if isinstance(leaf, AccessDenied)), None)
    if denied is not None:
        return _End("failed", Outcome(note=_text(denied)), denied=True)
    expected = all(isinstance(leaf, DaemonError | TimeoutError) and not isinstance(leaf, Unforeseen) for leaf in found)
    return _failed("; ".join(dict.fromkeys(map(_text, found))), surprise=None if expected else error)


def _failed(reason: str, surprise: Exception | None = None) -> _End:
    return _End("failed", Outcome(note=reason), surprise=surprise)


def _text(error: BaseException) -> str:
    if isinstance(error, DaemonError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
