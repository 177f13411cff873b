"""Requests of marketplaces about orders: what a person is asked, and what he says (J12)."""

from typing import Literal

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from daemon.model import AccountName, ClaimState
from daemon.store.views import View
from daemon.web.api import claims as rest
from daemon.web.api.asking import Account
from daemon.web.api.claims import ClaimNumber
from daemon.web.pages.page import ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

#: what can still be done about a claim, by its state
CLOSABLE = (ClaimState.OPEN, ClaimState.TOO_LATE, ClaimState.WAITING, ClaimState.INCOMPLETE)

_FILE = Table(
    "claims",
    [
        *plain("id", "account", "order", "kind", "state", "why", "reason", "received_at", "answer_by"),
        ("lines", lambda row: "; ".join(f"{line['quantity']} of {line['ref']}" for line in row["lines"])),
    ],
)


@router.get("/claims")
async def claims(
    page: ThePage,
    account: str = "",
    state: ClaimState | Literal[""] = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """Requests to cancel, the newest first."""
    name = AccountName(account) if account else None

    async def fetch(last: int | None, limit: int) -> list[View]:
        return await page.control.store.views.claims(
            name, state=state or None, before=last, limit=limit, now=page.now.at
        )

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "claims.html",
        title="Claims",
        rows=rows,
        chosen={"account": account, "state": state},
        states=list(ClaimState),
        closable=CLOSABLE,
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )


@router.post("/claims/{account}/{claim}/accept")
async def accept(page: ThePage, account: Account, number: ClaimNumber) -> Response:
    """Cancel what a claim asks for, as far as it can still be."""
    answer = _answer(await page.form())

    def told(done: View) -> str:
        lines = ", ".join(f"{line['quantity']} of line {line['ref']}" for line in done["lines"])
        return f"accepted for order {done['order']}: {lines}; it is acknowledged at the next turn"

    return await page.act(
        lambda: rest.accept(number, answer, account, page.control, page.now), told, "/claims?state=open"
    )


@router.post("/claims/{account}/{claim}/close")
async def close(page: ThePage, account: Account, number: ClaimNumber) -> Response:
    """Say that a person has seen a claim for which nothing is to be sent."""
    answer = _answer(await page.form())
    return await page.act(
        lambda: rest.close(number, answer, account, page.control, page.now),
        lambda done: f"claim {done['claim']} is closed",
        "/claims?state=open",
    )


def _answer(form: FormData) -> rest.Answer:
    return rest.Answer(reason=str(form.get("reason", ""))[:500])
