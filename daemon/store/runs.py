"""The turns of every job: when each started, how it ended, since when it fails (D2, D11); due times survive here."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType

from anyio import to_thread

from daemon.errors import StoreError
from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.times import from_us, to_us

RunId = NewType("RunId", int)

#: how a turn ended: it did something, there was nothing to do, something waits for its time, it failed, it was cut
Ending = Literal["done", "idle", "held", "failed", "cut"]


class Told(StrEnum):
    """What the end of a turn is worth telling: failing is told once, and so is its end (D11)."""

    NOTHING = "nothing"
    FIRST_FAILURE = "first_failure"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class JobState:
    """How one job of one account stands after all its turns."""

    account: AccountName
    job: str
    last_started_at: datetime | None = None
    last_ended_at: datetime | None = None
    last_succeeded_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    last_error: str = ""
    held_until: datetime | None = None


class Runs:
    """Every turn, and what all turns of a job come to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def started(self, account: AccountName, job: str, at: datetime) -> RunId:
        """A turn begins."""

        def work(db: sqlite3.Connection) -> RunId:
            db.execute(
                "INSERT INTO jobs (account, job, last_started_at) VALUES (?, ?, ?)"
                " ON CONFLICT (account, job) DO UPDATE SET last_started_at = excluded.last_started_at",
                (account, job, to_us(at)),
            )
            row = db.execute(
                "INSERT INTO job_runs (account, job, started_at) VALUES (?, ?, ?) RETURNING id",
                (account, job, to_us(at)),
            ).fetchone()
            return RunId(row["id"])

        return await self._database.write(work)

    async def ended(
        self, run: RunId, ending: Ending, done: int, note: str, held_until: datetime | None, at: datetime
    ) -> Told:
        """A turn ended; `note` is the reason where it failed. Says whether that is news (D11)."""
        return await self._database.write(lambda db: _ended(db, run, ending, done, note, held_until, at))

    async def due(self, account: AccountName, job: str) -> datetime | None:
        """When the job started last; None when it never did."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT last_started_at FROM jobs WHERE account = ? AND job = ?", (account, job)
            ).fetchone()
        )
        return from_us(row["last_started_at"]) if row else None

    async def cut(self, at: datetime) -> int:
        """After a start: turns that the last process never ended were cut; returns how many."""

        def work(db: sqlite3.Connection) -> int:
            db.execute(
                "UPDATE jobs SET last_ended_at = ? WHERE (account, job) IN"
                " (SELECT account, job FROM job_runs WHERE outcome = 'running')",
                (to_us(at),),
            )
            return db.execute(
                "UPDATE job_runs SET outcome = 'cut', ended_at = ?, note = 'the daemon ended'"
                " WHERE outcome = 'running'",
                (to_us(at),),
            ).rowcount

        return await self._database.write(work)

    async def snapshot(self) -> list[JobState]:
        """How every job stands."""
        rows = await self._database.read(lambda db: db.execute("SELECT * FROM jobs ORDER BY account, job").fetchall())
        # Of some thousand accounts there are enough to hold the loop up.
        return await to_thread.run_sync(_states, rows)

    async def failing(self) -> set[tuple[AccountName, str]]:
        """The jobs, by account, whose last turn failed."""
        rows = await self._database.read(
            lambda db: db.execute("SELECT account, job FROM jobs WHERE failing_since IS NOT NULL").fetchall()
        )
        return {(AccountName(row["account"]), row["job"]) for row in rows}


def _states(rows: Sequence[sqlite3.Row]) -> list[JobState]:
    return [
        JobState(
            account=AccountName(row["account"]),
            job=row["job"],
            last_started_at=from_us(row["last_started_at"]),
            last_ended_at=from_us(row["last_ended_at"]),
            last_succeeded_at=from_us(row["last_succeeded_at"]),
            failing_since=from_us(row["failing_since"]),
            failures=row["failures"],
            last_error=row["last_error"],
            held_until=from_us(row["held_until"]),
        )
        for row in rows
    ]


def _ended(
    db: sqlite3.Connection, run: RunId, ending: Ending, done: int, note: str, held_until: datetime | None, at: datetime
) -> Told:
    row = db.execute(
        "UPDATE job_runs SET outcome = ?, done = ?, note = ?, ended_at = ? WHERE id = ? AND outcome = 'running'"
        " RETURNING account, job",
        (ending, done, note, to_us(at), run),
    ).fetchone()
    if row is None:
        raise StoreError(f"turn {run} is not running, so it cannot end")
    place = (row["account"], row["job"])
    before = db.execute("SELECT failing_since FROM jobs WHERE account = ? AND job = ?", place).fetchone()
    was_failing = before["failing_since"] is not None
    if ending == "cut":
        # Neither a success nor a failure: what was known of the job, and what is held, stays as it is.
        db.execute("UPDATE jobs SET last_ended_at = ? WHERE account = ? AND job = ?", (to_us(at), *place))
        return Told.NOTHING
    if ending == "failed":
        db.execute(
            "UPDATE jobs SET last_ended_at = ?, failing_since = coalesce(failing_since, ?), failures = failures + 1,"
            " last_error = ?, held_until = NULL WHERE account = ? AND job = ?",
            (to_us(at), to_us(at), note, *place),
        )
        return Told.NOTHING if was_failing else Told.FIRST_FAILURE
    db.execute(
        "UPDATE jobs SET last_ended_at = ?, last_succeeded_at = ?, failing_since = NULL, failures = 0, last_error = '',"
        " held_until = ? WHERE account = ? AND job = ?",
        (to_us(at), to_us(at), to_us(held_until) if held_until else None, *place),
    )
    return Told.RECOVERED if was_failing else Told.NOTHING
