"""From ticks to turns: the scheduler, what is booked in it, the turns it starts, and how they end (D1, D4).

The scheduler is the tick alone: its jobs hand a turn to a task group of ours, where deadlines and cancelling reach it,
and return (promise M6).
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from anyio import CancelScope, create_task_group, move_on_after
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, SchedulerEvent
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from daemon.config import Config
from daemon.crontab import site_timetable, timetable
from daemon.health import CANARY_EVERY, next_due
from daemon.marketplaces import Marketplace
from daemon.model import AccountName
from daemon.runner import Runner, SiteTask, Task
from daemon.store import Store
from daemon.store.runs import JobState

#: between two overdue jobs; less where there are so many that the last would wait for longer than its interval
_SPREAD = timedelta(milliseconds=200)
#: jobs booked in one go: some thousand accounts have ten thousand, and neither the start nor the loop waits for those
_BOOKED_AT_ONCE = 100
_CLOSE_SECONDS = 5.0
_CANARY = "canary"
#: where the scheduler keeps the jobs of a configuration, apart from the canary
_JOBS = "jobs"

_EVENTS = {EVENT_JOB_ERROR: "error", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "max_instances"}

log: structlog.stdlib.BoundLogger = structlog.get_logger("sellerd")


class _Ticks(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler 3 has no types
    """The scheduler, going on when a trigger raises: it would otherwise stand still for ever (trap C2)."""

    def _process_jobs(self) -> float | None:
        try:
            wait: float | None = super()._process_jobs()
        except Exception:
            log.exception("the scheduler stumbled; it goes on")
            return 1.0
        return wait


@dataclass(frozen=True, slots=True)
class _Booking:
    """A job with how often it comes, when it comes next, and until when what it left over is held."""

    task: Task | SiteTask
    every: timedelta
    due: datetime
    held_until: datetime | None


class Timetable:
    """The scheduler of the process, with the jobs of one configuration at a time in it."""

    def __init__(self, store: Store, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self._scheduler = _Ticks(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_jobstore(MemoryJobStore(), _JOBS)
        self._tasks: dict[tuple[AccountName, str], Task | SiteTask] = {}
        self._turns: TaskGroup | None = None
        self._hurry = False
        self._drain_scope: CancelScope | None = None
        #: what the scheduler reported since the process started
        self.events: Counter[tuple[str]] = Counter()

    def start(self, canary: Callable[[], Awaitable[None]]) -> None:
        """Start the scheduler; `canary` is called every `CANARY_EVERY` as long as it ticks."""
        self._scheduler.add_listener(self._count, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        every = IntervalTrigger(seconds=CANARY_EVERY.total_seconds(), timezone=UTC)
        self._scheduler.add_job(canary, every, id=_CANARY, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    def stop(self) -> None:
        """Stop the scheduler; nothing may be booked any more."""
        self._scheduler.shutdown(wait=False)

    @asynccontextmanager
    async def ticking(self, config: Config, ways: Mapping[AccountName, Marketplace]) -> AsyncIterator[None]:
        """Tick while the block lasts; at its end nothing new starts, and turns in flight have the grace to end (D4).

        Then the marketplaces' connections (`ways`) are closed.
        """
        try:
            async with create_task_group() as self._turns:
                booking = self._book(await self._plan(config, ways))
                next(booking, None)
                self._turns.start_soon(self._book_on, booking)
                try:
                    yield
                finally:
                    turns, self._turns = self._turns, None
                    self._scheduler.remove_all_jobs(_JOBS)
                    await self._drain(config.daemon.grace)
                    turns.cancel_scope.cancel()
        finally:
            with CancelScope(shield=True):
                for way in ways.values():
                    with move_on_after(_CLOSE_SECONDS):
                        await way.aclose()

    @property
    def jobs(self) -> int:
        """How many jobs are booked."""
        return len(self._tasks)

    def give_turn(self, account: AccountName, job: str) -> bool:
        """Start a turn of a job of an account, or of `SITE`, now.

        False where there is none, and while the configuration changes or the daemon stops.
        """
        task = self._tasks.get((account, job))
        if self._turns is None or task is None:
            return False
        self._turns.start_soon(self._turn, task)
        return True

    def hurry(self) -> None:
        """Cut the turns in flight from now on instead of waiting for them."""
        self._hurry = True
        if self._drain_scope is not None:
            self._drain_scope.cancel()

    async def _drain(self, grace: timedelta) -> None:
        if self._hurry or not self._runner.in_flight:
            return
        log.info("waiting for turns to end", turns=self._runner.in_flight)
        with move_on_after(grace.total_seconds()) as self._drain_scope:
            await self._runner.idle()
        self._drain_scope = None

    async def _plan(self, config: Config, ways: Mapping[AccountName, Marketplace]) -> list[_Booking]:
        """Every job by what the database says of its last turn, so that a reload or restart shifts nothing."""
        states = {(state.account, state.job): state for state in await self._store.runs.snapshot()}
        now, bookings = datetime.now(UTC), []
        for task, every in _tasks(config, ways):
            state = states.get(task.key, JobState(*task.key))
            held_until = state.held_until if state.held_until is not None and state.held_until > now else None
            bookings.append(_Booking(task, every, next_due(state.last_started_at, every, now), held_until))
        self._tasks = {booking.task.key: booking.task for booking in bookings}
        return sorted(_staggered(bookings, now), key=lambda booking: booking.due)

    def _book(self, bookings: Sequence[_Booking]) -> Iterator[None]:
        """Book some at a time, the first to come first; each step is a short one."""
        for start in range(0, len(bookings), _BOOKED_AT_ONCE):
            # Otherwise it would look for what is due after each of them.
            self._scheduler.pause()
            for booking in bookings[start : start + _BOOKED_AT_ONCE]:
                task, due = booking.task, booking.due
                trigger = IntervalTrigger(seconds=booking.every.total_seconds(), timezone=UTC)
                self._add(_name_of(task), trigger, task, next_run_time=due)
                if booking.held_until is not None:
                    self._book_turn(task, booking.held_until)
            self._scheduler.resume()
            yield

    async def _book_on(self, booking: Iterator[None]) -> None:
        """Book the rest between other things, until that is done or the block ends."""
        for _ in booking:
            await checkpoint()
            if self._turns is None:
                return

    def _book_turn(self, task: Task | SiteTask, at: datetime) -> None:
        """One more turn at an instant: what may leave or becomes due then does not wait for the next tick (L8, L11)."""
        self._add(f"{_name_of(task)}:booked", DateTrigger(at), task, replace_existing=True)

    def _add(self, name: str, trigger: object, task: Task | SiteTask, **how: object) -> None:
        self._scheduler.add_job(self._tick, trigger, args=[task], id=name, jobstore=_JOBS, **how)

    async def _tick(self, task: Task | SiteTask) -> None:
        # A coroutine, because the scheduler would give a plain function to a thread.
        if self._turns is not None:
            self._turns.start_soon(self._turn, task)

    async def _turn(self, task: Task | SiteTask) -> None:
        outcome = await self._runner.turn(task)
        if outcome is not None and outcome.again_at is not None and self._turns is not None:
            self._book_turn(task, outcome.again_at)

    def _count(self, event: SchedulerEvent) -> None:
        self.events[_EVENTS[event.code],] += 1


def _tasks(config: Config, ways: Mapping[AccountName, Marketplace]) -> Iterator[tuple[Task | SiteTask, timedelta]]:
    """Every job of a configuration with how often it comes, the site's own first."""
    for job, site_row in site_timetable(config).items():
        yield SiteTask(config, job, site_row.job), site_row.every
    for name, rows in timetable(config).items():
        for job, row in rows.items():
            yield Task(config.accounts[name], ways[name], job, row.job), row.every


def _staggered(bookings: Iterable[_Booking], now: datetime) -> Iterator[_Booking]:
    """Overdue jobs one after the other: those of an interval within it, and so they come at all later times."""
    bookings = list(bookings)
    overdue, before = Counter(booking.every for booking in bookings if booking.due == now), Counter[timedelta]()
    for booking in bookings:
        every = booking.every
        if booking.due != now:
            yield booking
            continue
        yield replace(booking, due=now + before[every] * min(_SPREAD, every / overdue[every]))
        before[every] += 1


def _name_of(task: Task | SiteTask) -> str:
    """Its name in the scheduler; no account's name is empty."""
    return ":".join(task.key)
