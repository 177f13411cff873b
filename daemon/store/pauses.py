"""Jobs that a person has paused, with the reason and until when (D13)."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import from_us, to_us

#: what stands for every job of an account
ALL_JOBS = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause; `job` is empty where it holds every job of the account, `until` None where only a person ends it."""

    account: AccountName
    job: str
    reason: str
    paused_at: datetime
    until: datetime | None

    @property
    def resumed_by(self) -> str:
        """What a person types to end it."""
        return " ".join(["sellerd jobs resume", *([self.job] if self.job else []), "--account", self.account])

    def holds(self, account: str, job: str) -> bool:
        """Whether a job of an account may not run because of it."""
        return self.account == account and self.job in (ALL_JOBS, job)


def holding(pauses: Iterable[Pause], account: str, job: str) -> Pause | None:
    """The pause because of which a job may not run, None where it may; where two do, the one that ends last."""
    found = [pause for pause in pauses if pause.holds(account, job)]
    lasting = next((pause for pause in found if pause.until is None), None)
    return lasting or max(found, key=lambda pause: pause.until or pause.paused_at, default=None)


class Pauses:
    """The pauses of every account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(
        self, account: AccountName, jobs: Iterable[str], reason: str, until: datetime | None, at: datetime
    ) -> None:
        """Pause jobs of an account, or every one (`ALL_JOBS`); a pause that was there before is replaced."""

        def work(db: sqlite3.Connection) -> None:
            for job in jobs:
                db.execute(
                    "INSERT INTO pauses (account, job, reason, paused_at, until) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (account, job) DO UPDATE SET reason = excluded.reason, until = excluded.until",
                    (account, job, reason, to_us(at), None if until is None else to_us(until)),
                )
                tell(db, at, account, ("account", 0), _named(job), moved=("running", "paused"), why=reason)

        await self._database.write(work)

    async def resume(self, account: AccountName, jobs: Iterable[str], at: datetime) -> list[str]:
        """End pauses; returns the jobs that had one of their own, `ALL_JOBS` among them where every job had."""

        def work(db: sqlite3.Connection) -> list[str]:
            wanted = set(jobs)
            rows = db.execute("SELECT job FROM pauses WHERE account = ? ORDER BY job", (account,)).fetchall()
            ended = [row["job"] for row in rows if row["job"] in wanted]
            for job in ended:
                _end(db, account, job, "said by a person", at)
            return ended

        return await self._database.write(work)

    async def in_force(self, now: datetime) -> list[Pause]:
        """Every pause that holds something now, by account and job."""
        return await self._database.read(lambda db: _in_force(db, now))

    async def end_expired(self, now: datetime) -> int:
        """Take away the pauses whose time is over; returns how many."""
        expired = "SELECT account, job FROM pauses WHERE until <= ? ORDER BY account, job"
        if not await self._database.read(lambda db: db.execute(expired, (to_us(now),)).fetchall()):
            return 0

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute(expired, (to_us(now),)).fetchall()
            for row in rows:
                _end(db, row["account"], row["job"], "its time was over", now)
            return len(rows)

        return await self._database.write(work)


def _in_force(db: sqlite3.Connection, now: datetime) -> list[Pause]:
    rows = db.execute(
        "SELECT * FROM pauses WHERE until IS NULL OR until > ? ORDER BY account, job", (to_us(now),)
    ).fetchall()
    return [_pause(row) for row in rows]


def pauses_of(db: sqlite3.Connection, now: datetime) -> Mapping[str, list[Pause]]:
    """What holds jobs now, by account, inside the caller's read."""
    found: dict[str, list[Pause]] = {}
    for pause in _in_force(db, now):
        found.setdefault(pause.account, []).append(pause)
    return found


def _end(db: sqlite3.Connection, account: str, job: str, why: str, at: datetime) -> None:
    db.execute("DELETE FROM pauses WHERE account = ? AND job = ?", (account, job))
    tell(db, at, account, ("account", 0), _named(job), moved=("paused", "running"), why=why)


def _named(job: str) -> str:
    return f"job {job}" if job else "all jobs"


def _pause(row: sqlite3.Row) -> Pause:
    return Pause(
        AccountName(row["account"]), row["job"], row["reason"], from_us(int(row["paused_at"])), from_us(row["until"])
    )
