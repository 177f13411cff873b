"""What the change guard holds back, and what a person says of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from daemon.model import AccountName, Sku
from daemon.store.views import PAGE, View
from daemon.web.api.asking import MOST_ROWS, Body, Limit, Now, TheControl, found_or_404
from daemon.web.caller import TheCaller

router = APIRouter(prefix="/api/v1")

CaseNumber = Annotated[int, Path(alias="case", ge=1, le=MOST_ROWS)]
After = Annotated[int, Query(ge=0, le=MOST_ROWS)]


class Verdict(Body):
    """What somebody says of a case: of some of its listings, or of all that it holds."""

    skus: list[Annotated[str, Field(max_length=100)]] | None = Field(default=None, min_length=1, max_length=10_000)
    why: str = Field(default="", max_length=500)


@router.get("/guard")
async def cases(control: TheControl, account: str | None = None, limit: Limit = PAGE, *, closed: bool = False) -> View:
    """The cases that wait for a person, the newest first; with `closed` all that there were."""
    name = AccountName(account) if account else None
    found = await control.store.guard.cases(name, closed=closed, limit=limit)
    return {"version": 1, "cases": [case.as_dict() for case in found]}


@router.get("/guard/{case}")
async def case(case: CaseNumber, control: TheControl, limit: Limit = PAGE, after: After = 0) -> View:
    """One case with a page of what it holds or held: what the marketplace has, and what would be sent."""
    found = await control.store.guard.case(case, limit=limit, after=after)
    shown, holds = found if found is not None else (None, [])
    view = found_or_404(shown.as_dict() if shown else None, f"there is no case {case}")
    following = holds[-1]["id"] if len(holds) == limit else None
    return {"version": 1, "case": view, "holds": holds, "next": following}


@router.post("/guard/{case}/approve")
async def approve(case: CaseNumber, said: Verdict, control: TheControl, caller: TheCaller, now: Now) -> View:
    """It is meant: what is held leaves with the next feed."""
    parts = await control.store.guard.approve(case, _skus(said), caller.name, said.why, now.at)
    return {"version": 1, "case": case, "approved": parts}


@router.post("/guard/{case}/reject")
async def reject(case: CaseNumber, said: Verdict, control: TheControl, caller: TheCaller, now: Now) -> View:
    """It is a mistake: the parts are in Error until other values come, and the marketplace keeps what it has."""
    parts = await control.store.guard.reject(case, _skus(said), caller.name, said.why, now.at)
    return {"version": 1, "case": case, "rejected": parts}


def _skus(said: Verdict) -> list[Sku] | None:
    return None if said.skus is None else [Sku(sku) for sku in said.skus]
