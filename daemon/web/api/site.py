"""What concerns all accounts: whether somebody is here, how each stands, and reading the configuration again."""

from fastapi import APIRouter

from daemon.errors import ConfigError
from daemon.model import SITE
from daemon.store.views import View
from daemon.web.api.asking import Now, TheControl

router = APIRouter(prefix="/api/v1")


@router.get("/")
async def root() -> View:
    """Say that somebody is here."""
    return {"version": 1, "name": "sellerd"}


@router.post("/site/jobs/{job}/run", status_code=202)
async def run_job(job: str, control: TheControl) -> View:
    """Give a job that belongs to no account a turn now (D13)."""
    await control.run_now(SITE, job)
    return {"version": 1, "job": job}


@router.post("/reload")
async def reload(control: TheControl) -> View:
    """Take over the configuration as it stands in the files now; a bad one changes nothing (D4)."""
    if problems := await control.reload():
        raise ConfigError(problems)
    return {"version": 1}


@router.get("/gates")
async def gates(control: TheControl, now: Now) -> View:
    """Every gate: open, or until when not (L8)."""
    return {"version": 1, "gates": await control.store.views.gates(now)}


@router.get("/status")
async def status(control: TheControl, now: Now) -> View:
    """How every account stands."""
    return {"version": 1, **await control.store.views.status(now)}
