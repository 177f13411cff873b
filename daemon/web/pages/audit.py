"""The audit trail: who did what, when, from where, and what came of it."""

from typing import Literal, get_args

from fastapi import APIRouter
from starlette.responses import Response

from daemon.store.audit import Outcome
from daemon.store.views import View
from daemon.web.pages.page import ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table("audit", plain("id", "at", "who", "how", "address", "action", "path", "outcome", "detail", "ended_at"))


@router.get("/audit")
async def audit(
    page: ThePage,
    who: str = "",
    outcome: Outcome | Literal[""] = "",
    q: str = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """Every action, the newest first."""
    trail = page.control.store.audit

    async def fetch(last: int | None, limit: int) -> list[View]:
        return await trail.list(who=who, outcome=outcome, find=q, before=last, limit=limit)

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "audit.html",
        title="Audit",
        rows=rows,
        chosen={"who": who, "outcome": outcome, "q": q},
        outcomes=get_args(Outcome),
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )
