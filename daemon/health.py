"""From how things stand to a verdict: is the process able to work, and how is each job of each account (D5). Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from daemon.config import LOCAL_JOBS
from daemon.model import SITE, AccountName
from daemon.rules.spread import Spread
from daemon.store.alerts import Alert
from daemon.store.facts import AccountFacts
from daemon.store.pauses import Pause, holding
from daemon.store.runs import JobState

#: the canary of the scheduler ticks every 5 seconds; three missed ticks mean that the scheduler stands still
CANARY_EVERY = timedelta(seconds=5)
CANARY_LIMIT = timedelta(seconds=15)
#: the writer is asked for a round trip every 5 seconds
BEAT_EVERY = timedelta(seconds=5)
BEAT_LIMIT = timedelta(seconds=30)
LAG_LIMIT = timedelta(seconds=5)
#: a turn is ended at its deadline; one that still stands this long after it hangs in something that cannot be ended
OVERDUE_LIMIT = timedelta(seconds=60)
#: how late the shortest job may be before that is worth a word
_LEAST_LATENESS = timedelta(seconds=60)

Timetable = Mapping[AccountName, Mapping[str, timedelta]]


class JobHealth(StrEnum):
    """How a job is: HELD waits for a person, PAUSED was stopped by one, NEVER has no success yet, LATE is behind."""

    OK = "ok"
    FAILING = "failing"
    LATE = "late"
    HELD = "held"
    PAUSED = "paused"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Vitals:
    """The process itself: how long ago the scheduler ticked and the database answered, and what hangs."""

    started_at: datetime
    canary_age: timedelta
    beat_age: timedelta
    lag: timedelta = timedelta()
    overdue: Sequence[str] = ()
    database_fault: str = ""
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """The last reading of the configuration: whether it was taken over, when, and what was wrong with it."""

    at: datetime
    problems: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether what stands in the files is what runs."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database says of jobs and accounts; `fresh` is False when it did not answer and this is older."""

    jobs: Sequence[JobState] = ()
    held: Mapping[AccountName, tuple[datetime, str]] = field(default_factory=dict)
    fresh: bool = True
    #: (account, timeliness) → orders that wait for the seller
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: what is wrong, as it was found last
    alerts: Sequence[Alert] = ()
    #: (account, severity) → things that are wrong with orders
    order_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: what a person has paused (D13)
    pauses: Sequence[Pause] = ()
    #: (account, what) → claims and order updates that wait for a person (J12, J13)
    attention: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """How one job of one account, or of `SITE`, is; `lag` is how long ago it should have started."""

    account: AccountName
    job: str
    state: JobHealth
    last_success: datetime | None
    lag: timedelta
    next_due: datetime
    gate_until: datetime | None
    failing_since: datetime | None
    error: str
    #: because of which it does not run (D13)
    pause: Pause | None = None

    def as_json(self) -> dict[str, Any]:
        """What /healthz says of it."""
        return {
            "state": self.state.value,
            "last_success": _iso(self.last_success),
            "lag_seconds": round(self.lag.total_seconds(), 1),
            "next_due": _iso(self.next_due),
            "gate_until": _iso(self.gate_until),
            "failing_since": _iso(self.failing_since),
            "error": self.error,
            "paused_since": _iso(self.pause.paused_at if self.pause else None),
            "paused_until": _iso(self.pause.until if self.pause else None),
            "paused_reason": self.pause.reason if self.pause else "",
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok` speaks of the process alone: a marketplace that is down is a state of its account (D5)."""

    ok: bool
    reasons: tuple[str, ...]
    config: Loaded
    at: datetime
    started_at: datetime
    jobs: tuple[JobVerdict, ...]
    held: Mapping[AccountName, tuple[datetime, str]]
    #: (account, timeliness) → orders that wait for the seller
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: what is wrong, as it was found last
    alerts: Sequence[Alert] = ()
    #: (account, severity) → things that are wrong with orders
    order_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: (account, what) → claims and order updates that wait for a person
    attention: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def by_account(self) -> Mapping[AccountName, Sequence[JobVerdict]]:
        """The jobs of each account, those of the site under `SITE`."""
        found: dict[AccountName, list[JobVerdict]] = {}
        for job in self.jobs:
            found.setdefault(job.account, []).append(job)
        return found

    def as_json(self) -> dict[str, Any]:
        """The body of /healthz: instants as ISO 8601 texts in UTC, durations in seconds."""
        waiting, attention, errors = map(_by_account, (self.waiting, self.attention, self.order_errors))
        jobs = {name: {job.job: job.as_json() for job in rows} for name, rows in self.by_account().items()}
        accounts = {
            name: {
                "held_since": _iso(self.held[name][0] if name in self.held else None),
                "held_reason": self.held[name][1] if name in self.held else "",
                "orders_waiting": waiting.get(name, {}),
                "attention": attention.get(name, {}),
                "order_errors": errors.get(name, {}),
                "jobs": rows,
            }
            for name, rows in jobs.items()
            if name != SITE
        }
        return {
            "ok": self.ok,
            "reasons": list(self.reasons),
            "now": _iso(self.at),
            "started_at": _iso(self.started_at),
            "config_ok": self.config.ok,
            "config_read_at": _iso(self.config.at),
            "config_problems": list(self.config.problems),
            "alerts": [alert.as_dict() for alert in self.alerts],
            "site": {"jobs": jobs.get(SITE, {})},
            "accounts": accounts,
        }


def _by_account(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (account, what), number in counts.items():
        found.setdefault(account, {})[what] = number
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs fail or are paused, and how many accounts need a person."""

    jobs: int
    failing: int
    paused: int
    held: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What the daemon stands on. `unsynchronised_since` is since when the kernel does not trust its clock.

    Bytes are None where they could not be asked; `ended_at` is when the storage failed last.
    """

    disk_bytes: int | None = None
    disk_free_bytes: int | None = None
    database_bytes: int | None = None
    log_bytes: int | None = None
    unsynchronised_since: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """What runs: the versions of sellerd, Python and SQLite, and the number of the last migration."""

    version: str
    python: str
    sqlite: str
    schema: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What the metrics show beside the verdict, counted by the database, the watch and the process itself."""

    #: (account, part, state) → listings
    listings: Mapping[tuple[str, str, str], int]
    #: (account, kind, state) → feeds
    feeds: Mapping[tuple[str, str, str], int]
    #: (account, kind) → when the gate opens, None where it is open
    gates: Mapping[tuple[str, str], datetime | None]
    #: (account, job, outcome) → turns since the process started
    turns: Mapping[tuple[str, str, str], int]
    #: what the scheduler reported since the process started, by event
    scheduler_events: Mapping[tuple[str], int]
    #: (account, known or unknown) → answers of marketplaces that said something, by whether the catalogue knows it
    answers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: log lines that nobody read in time, since the process started
    log_lines_dropped: int = 0
    build: Build = Build("", "", "", "")
    #: how the accounts stood when the watch last looked
    accounts: Mapping[AccountName, AccountFacts] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)
    #: way → notices that it could not deliver
    undelivered: Mapping[str, int] = field(default_factory=dict)
    #: (account, job) → how long its turns took since the process started
    durations: Mapping[tuple[str, str], Spread] = field(default_factory=dict)
    #: (protocol, outcome) → calls to the outside since the process started
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: how many turns are being run
    in_flight: int = 0
    #: how long the event loop stood still, at worst in the last few seconds
    lag: timedelta = timedelta()


def judge(snapshot: Snapshot, vitals: Vitals, config: Loaded, timetable: Timetable, now: datetime) -> Verdict:
    """The verdict at `now`; a job is late when its start is more than one more interval behind (promise P18)."""
    reasons = reasons_against(vitals, answered=snapshot.fresh)
    states = {(state.account, state.job): state for state in snapshot.jobs}
    held = {account: since for account, since in snapshot.held.items() if account in timetable}
    jobs = tuple(
        _judge_job(
            *(states.get((account, job), JobState(account, job)), every, vitals, now),
            held=account in held and job not in LOCAL_JOBS,
            pause=holding(snapshot.pauses, account, job),
        )
        for account, rows in timetable.items()
        for job, every in rows.items()
    )
    return Verdict(
        not reasons,
        tuple(reasons),
        config,
        now,
        vitals.started_at,
        jobs,
        held,
        waiting=snapshot.waiting,
        order_errors=snapshot.order_errors,
        attention=snapshot.attention,
        alerts=snapshot.alerts,
    )


def tally(
    failing: Iterable[tuple[AccountName, str]],
    held: Collection[AccountName],
    pauses: Sequence[Pause],
    timetable: Timetable,
) -> Tally:
    """What the verdict comes to in figures, without a verdict on each of some ten thousand jobs."""
    stopped = {name for name in held if name in timetable}
    paused = {
        (pause.account, job)
        for pause in pauses
        for job in timetable.get(pause.account, ())
        if pause.holds(pause.account, job)
    }
    waiting = {(name, job) for name in stopped for job in timetable[name] if job not in LOCAL_JOBS}
    failed = {(account, job) for account, job in failing if job in timetable.get(account, ())}
    jobs = sum(len(rows) for name, rows in timetable.items() if name != SITE)
    return Tally(jobs, len(failed - paused - waiting), len(paused - waiting), len(stopped))


def reasons_against(vitals: Vitals, *, answered: bool) -> list[str]:
    """Why the process is not ready, none where it is; `answered` says whether the database does."""
    reasons = hindrances(vitals)
    if not answered and not vitals.database_fault:
        reasons.append("the database does not answer")
    if vitals.stopping:
        reasons.append("the daemon is stopping")
    return reasons


def next_due(last_started_at: datetime | None, every: timedelta, now: datetime) -> datetime:
    """When a job comes next: an interval after it started last, never in the past.

    A start that is still to come was told by a wall clock that was wrong and set back. Nobody knows how long ago it
    was, and a process that is started again more often than the interval must not put it off each time: it comes now.
    """
    if last_started_at is None or last_started_at > now:
        return now
    return max(now, last_started_at + every)


def hindrances(vitals: Vitals) -> list[str]:
    """What keeps the process from its work; while there is anything, the watchdog is not fed (D6)."""
    found = []
    if vitals.database_fault:
        found.append(f"the database failed: {vitals.database_fault}")
    elif vitals.beat_age > BEAT_LIMIT:
        found.append(f"the database was last written {_seconds(vitals.beat_age)} ago")
    if vitals.canary_age > CANARY_LIMIT:
        found.append(f"the scheduler ticked last {_seconds(vitals.canary_age)} ago")
    if vitals.lag > LAG_LIMIT:
        found.append(f"the event loop stood still for {_seconds(vitals.lag)}")
    found += [f"{turn} hangs past its deadline" for turn in vitals.overdue]
    return found


def _judge_job(
    state: JobState, every: timedelta, vitals: Vitals, now: datetime, *, held: bool, pause: Pause | None
) -> JobVerdict:
    running = state.last_started_at is not None and (
        state.last_ended_at is None or state.last_ended_at < state.last_started_at
    )
    # What was missed while no daemon ran is not lateness of this one.
    wanted = max((state.last_started_at or vitals.started_at) + every, vitals.started_at)
    stopped = held or pause is not None
    lag = timedelta() if running or stopped else max(timedelta(), now - wanted)
    gate = state.held_until if state.held_until is not None and state.held_until > now else None
    due = next_due(state.last_started_at, every, now)
    return JobVerdict(
        account=state.account,
        job=state.job,
        state=_state(state, held=held, paused=pause is not None, late=lag > max(every, _LEAST_LATENESS)),
        last_success=state.last_succeeded_at,
        lag=lag,
        next_due=min(due, gate) if gate else due,
        gate_until=gate,
        failing_since=state.failing_since,
        error=state.last_error,
        pause=pause,
    )


def _state(state: JobState, *, held: bool, paused: bool, late: bool) -> JobHealth:
    if held:
        return JobHealth.HELD
    if paused:
        return JobHealth.PAUSED
    if state.failing_since is not None:
        return JobHealth.FAILING
    if late:
        return JobHealth.LATE
    return JobHealth.OK if state.last_succeeded_at is not None else JobHealth.NEVER


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():.0f} s"


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
