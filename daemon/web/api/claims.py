"""Requests of marketplaces about orders: what a person is asked, and what he says (guide J12)."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from daemon.errors import NotAllowed
from daemon.model import AccountName, ClaimState
from daemon.store.claims import ClaimId
from daemon.store.views import PAGE, View
from daemon.web.api.asking import MOST_ROWS, Account, Before, Body, Limit, Now, TheControl, found_or_404, name_of
from daemon.web.caller import TheCaller, want_personal

router = APIRouter(prefix="/api/v1")

ClaimNumber = Annotated[int, Path(alias="claim", ge=1, le=MOST_ROWS)]


class Answer(Body):
    """What a person says with it: the comment of an acknowledgement, or why a claim is closed."""

    reason: str = Field(default="", max_length=500)


@router.get("/claims")
async def claims(
    control: TheControl,
    now: Now,
    account: str | None = None,
    state: ClaimState | None = None,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """Requests to cancel, the newest first: each with its lines, how it stands and why."""
    name = AccountName(account) if account else None
    page = await control.store.views.claims(name, state=state, limit=limit, before=before, now=now.at)
    return {"version": 1, "claims": page, "next": page[-1]["id"] if len(page) == limit else None}


@router.get("/accounts/{account}/claims/{claim}")
async def claim(
    number: ClaimNumber, account: Account, control: TheControl, now: Now, caller: TheCaller, *, personal: bool = False
) -> View:
    """One claim with the updates that answered it; `personal` adds fields that may hold anything (D12)."""
    if personal:
        want_personal(caller)
    found = await control.store.views.claim(name_of(account), number, personal=personal, now=now.at)
    return {"version": 1, "claim": found_or_404(found, f"account {account.name} has no claim {number}")}


@router.post("/accounts/{account}/claims/{claim}/accept")
async def accept(number: ClaimNumber, answer: Answer, account: Account, control: TheControl, now: Now) -> View:
    """Cancel what a claim asks for, as far as it can still be; it is acknowledged at the next turn (J12, J9)."""
    await _known(number, account, control)
    if objection := account.objection(reason=answer.reason):
        raise NotAllowed(objection)
    done = await control.store.updates.accept_claim(
        *(name_of(account), ClaimId(number)), legal_moves=account.legal_moves, at=now.at, reason=answer.reason
    )
    (update,) = done.updates
    lines = [{"ref": line.ref, "quantity": line.quantity} for line in update.lines]
    said = {"claim": number, "order": update.order, "kind": update.kind, "lines": lines}
    return {"version": 1, **said, "left_out": list(done.left_out)}


@router.post("/accounts/{account}/claims/{claim}/close")
async def close(number: ClaimNumber, answer: Answer, account: Account, control: TheControl, now: Now) -> View:
    """Say that a person has seen a claim for which nothing is to be sent (J12)."""
    await _known(number, account, control)
    await control.store.claims.close(name_of(account), ClaimId(number), answer.reason, now.at)
    return {"version": 1, "claim": number, "state": ClaimState.CLOSED}


async def _known(number: int, account: Account, control: TheControl) -> None:
    found = await control.store.views.claim(name_of(account), number)
    found_or_404(found, f"account {account.name} has no claim {number}")
