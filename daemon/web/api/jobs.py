"""The jobs of an account: a turn now, a pause with its reason, and its end (guide D13)."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, Field

from daemon.config import JOBS
from daemon.errors import NotAllowed
from daemon.settings import AccountSettings
from daemon.store.pauses import ALL_JOBS, holding
from daemon.store.views import View
from daemon.web.api.asking import Account, Body, Now, TheControl, in_utc, name_of

router = APIRouter(prefix="/api/v1")


class PauseRequest(Body):
    """Why jobs are paused, which ones (all of them without a list), and until when (without it, until resumed)."""

    reason: str = Field(min_length=1, max_length=500)
    jobs: list[str] | None = Field(default=None, min_length=1)
    until: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None


class ResumeRequest(Body):
    """Which jobs run again; without a list, all of them."""

    jobs: list[str] | None = Field(default=None, min_length=1)


@router.post("/accounts/{account}/jobs/{job}/run", status_code=202)
async def run_job(job: str, account: Account, control: TheControl) -> View:
    """Give a job a turn now; its gate stays what it is (D13)."""
    await control.run_now(name_of(account), job)
    return {"version": 1, "account": account.name, "job": job}


@router.post("/accounts/{account}/pause")
async def pause(request: PauseRequest, account: Account, control: TheControl, now: Now) -> View:
    """Let jobs of an account rest; turns in flight end as they would (D13)."""
    jobs = [ALL_JOBS] if request.jobs is None else _known(account, request.jobs)
    _check_end(request.until, now.at)
    await control.store.pauses.pause(name_of(account), jobs, request.reason, request.until, now.at)
    return {"version": 1, "account": account.name, "jobs": request.jobs or list(JOBS[account.speaks])}


@router.post("/accounts/{account}/resume")
async def resume(request: ResumeRequest, account: Account, control: TheControl, now: Now) -> View:
    """Let paused jobs run again, and give each a turn now; its gate stays what it is (D13)."""
    name, wanted = name_of(account), [ALL_JOBS, *JOBS[account.speaks]]
    before = await control.store.pauses.in_force(now.at)
    if request.jobs is not None:
        wanted = _known(account, request.jobs)
    if not await control.store.pauses.resume(name, wanted, now.at):
        raise NotAllowed(_why_not(account, request.jobs, paused=any(each.account == name for each in before)))
    after = await control.store.pauses.in_force(now.at)
    freed = [job for job in JOBS[account.speaks] if holding(before, name, job) and not holding(after, name, job)]
    for job in freed:
        # Without a daemon, or while it reloads, the jobs run when it ticks.
        with suppress(NotAllowed):
            await control.run_now(name, job)
    return {"version": 1, "account": account.name, "jobs": freed}


def _known(account: AccountSettings, jobs: list[str]) -> list[str]:
    unknown = [job for job in jobs if job not in JOBS[account.speaks]]
    if unknown:
        raise NotAllowed(f"account {account.name} has no job {unknown[0]}; there are {', '.join(JOBS[account.speaks])}")
    return jobs


def _check_end(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise NotAllowed(f"a pause that ended at {until.isoformat()} would hold nothing; give an instant ahead")


def _why_not(account: AccountSettings, jobs: list[str] | None, *, paused: bool) -> str:
    if jobs is None or not paused:
        return f"no job of {account.name} is paused; there is nothing to resume"
    return (
        f"{', '.join(jobs)} of {account.name} has no pause of its own; see: sellerd jobs list --account {account.name}"
        f" (all jobs together run again by: sellerd jobs resume --account {account.name})"
    )
