"""One account: its jobs with a turn now, a pause and its end, its gates, its hold, and the errors it has told."""

from datetime import datetime
from urllib.parse import quote

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from daemon.config import JOBS
from daemon.errors import NotAllowed
from daemon.settings import parse_duration
from daemon.store.views import View
from daemon.web.api import accounts as rest
from daemon.web.api import jobs as rest_jobs
from daemon.web.api.asking import Account, name_of
from daemon.web.pages.page import Page, ThePage

router = APIRouter(include_in_schema=False)

#: how long a pause may be asked to last, as the form offers it
_SPANS = ("1h", "4h", "1d", "7d")


@router.get("/accounts/{account}")
async def account(page: ThePage, account: Account) -> Response:
    """How one account stands."""
    verdict = await page.control.health()
    status = await page.control.store.views.status(page.now)
    row = next((each for each in status["accounts"] if each["name"] == account.name), None)
    return await page.show(
        "account_of_ours.html",
        title=account.name,
        account=account,
        row=row,
        jobs=[job for job in verdict.jobs if job.account == account.name],
        names=JOBS[account.speaks],
        pauses=[
            pause
            for pause in await page.control.store.pauses.in_force(page.now.at)
            if pause.account == name_of(account)
        ],
        codes=(await rest.codes(account, page.control))["codes"],
        spans=_SPANS,
        place=place_of(account.name),
    )


@router.post("/accounts/{account}/run")
async def run(page: ThePage, account: Account) -> Response:
    """Give a job a turn now."""
    job = str((await page.form()).get("job", ""))
    return await page.act(
        lambda: rest_jobs.run_job(job, account, page.control),
        lambda done: f"{done['job']} has its turn now",
        place_of(account.name),
    )


@router.post("/accounts/{account}/pause")
async def pause(page: ThePage, account: Account) -> Response:
    """Let jobs rest."""
    form = await page.form()

    async def work() -> View:
        if not str(form.get("reason", "")).strip():
            raise NotAllowed("say why, for who finds it paused")
        said = rest_jobs.PauseRequest(
            reason=str(form.get("reason", "")).strip(), jobs=_jobs(form), until=_until(page, form)
        )
        return await rest_jobs.pause(said, account, page.control, page.now)

    return await page.act(work, lambda done: f"paused: {', '.join(done['jobs'])}", place_of(account.name))


@router.post("/accounts/{account}/resume")
async def resume(page: ThePage, account: Account) -> Response:
    """Let paused jobs run again."""
    form = await page.form()

    async def work() -> View:
        return await rest_jobs.resume(rest_jobs.ResumeRequest(jobs=_jobs(form)), account, page.control, page.now)

    return await page.act(work, lambda done: f"resumed: {', '.join(done['jobs']) or 'nothing'}", place_of(account.name))


@router.post("/accounts/{account}/release")
async def release(page: ThePage, account: Account) -> Response:
    """Try a held account again."""
    return await page.act(
        lambda: rest.release(account, page.control, page.now),
        lambda _: f"{account.name} is tried again at its next turn",
        place_of(account.name),
    )


def _jobs(form: FormData) -> list[str] | None:
    job = str(form.get("job", ""))
    return [job] if job else None


def _until(page: Page, form: FormData) -> datetime | None:
    length = str(form.get("for", ""))
    if not length:
        return None
    try:
        return page.now.at + parse_duration(length)
    except ValueError as error:
        raise NotAllowed(f"{length}: {error}") from None


def place_of(account: str) -> str:
    """The address of an account's page."""
    return f"/accounts/{quote(account, safe='')}"
