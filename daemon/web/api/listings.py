"""Listings: how each part stands, why, and what is wrong with it (guide L4, D8)."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from daemon.errors import NotAllowed
from daemon.model import Part, Sku, SyncState
from daemon.seller.advice import advise_listing, explained_by
from daemon.seller.explain import explain
from daemon.seller.exports import MEDIA_TYPES, ExportFormat, listings_as
from daemon.seller.judging import validation
from daemon.store.rejections import Retried
from daemon.store.views import PAGE, View
from daemon.web.api.asking import Account, Limit, Now, TheControl, found_or_404, name_of

router = APIRouter(prefix="/api/v1")


@router.get("/accounts/{account}/listings")
async def listings(
    account: Account,
    control: TheControl,
    part: Part | None = None,
    state: SyncState | None = None,
    sku: str | None = None,
    limit: Limit = PAGE,
    after: str | None = None,
    *,
    warned: bool = False,
    blocked: bool = False,
) -> View:
    """Listings by SKU; `warned` those with warnings alone, `blocked` those that were rejected too often."""
    page = await control.store.views.listings(
        name_of(account),
        part=part,
        state=state,
        sku=sku,
        limit=limit,
        after=Sku(after) if after else None,
        warned=warned,
        blocked=blocked,
    )
    page = [advise_listing(each, explained_by(control.config.accounts)) for each in page]
    return {"version": 1, "listings": page, "next": page[-1]["sku"] if len(page) == limit else None}


@router.get("/accounts/{account}/listings-export")
async def export_listings(
    account: Account,
    control: TheControl,
    form: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.CSV,
) -> StreamingResponse:
    """All listings by the columns of the import files, as CSV or XLSX for spreadsheets or as JSON (S2)."""
    pieces = listings_as(form, control.store.snapshots.pages(name_of(account)))
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[form])


@router.get("/accounts/{account}/listings/{sku:path}/explain")
async def explain_listing(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """What of a listing would be sent now: per field the inputs, the rule and the value; and what is due (S3)."""
    found = await explain(control.store, account, Sku(sku), now)
    return {"version": 1, "explanation": found_or_404(found, f"account {account.name} has no listing {sku}")}


@router.get("/accounts/{account}/listings/{sku:path}")
async def listing(sku: str, account: Account, control: TheControl) -> View:
    """One listing with its item, its timeline and the feeds that carried it (D8)."""
    found = await control.store.views.listing(name_of(account), Sku(sku))
    found = found_or_404(found, f"account {account.name} has no listing {sku}")
    return {"version": 1, "listing": advise_listing(found, explained_by(control.config.accounts))}


@router.post("/accounts/{account}/listings/{sku:path}/retry")
async def retry(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """Send the parts of a listing that were rejected once more, as they are, but for those that are blocked."""
    found = await control.store.views.listing(name_of(account), Sku(sku))
    listing = found_or_404(found, f"account {account.name} has no listing {sku}")
    done = await control.store.rejections.retry(name_of(account), Sku(sku), now.at)
    if not done.again:
        raise NotAllowed(_why_no_retry(account.name, sku, done, listing["parts"]["item"]["error"]))
    return {"version": 1, "sku": sku, "again": done.again, "blocked": done.blocked, "held_back": done.held_back}


def _why_no_retry(account: str, sku: str, done: Retried, error: str) -> str:
    if done.blocked:
        return (
            f"{' and '.join(done.blocked)} of {sku} is blocked: the marketplace has rejected it too often in a row with"
            f" the same words. Mend it and import it, or: sellerd listings unblock --account {account} {sku}"
        )
    if done.held_back:
        return f"{sku} would be sent in vain: {error}. Mend it and import it"
    return f"no part of {sku} is in Error; there is nothing to try again"


@router.post("/accounts/{account}/listings/{sku:path}/unblock")
async def unblock(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """Send the blocked parts of a listing once more; their rejections are counted from the start again."""
    found = await control.store.views.listing(name_of(account), Sku(sku))
    found_or_404(found, f"account {account.name} has no listing {sku}")
    parts = await control.store.rejections.unblock(name_of(account), Sku(sku), now.at)
    if not parts:
        raise NotAllowed(f"no part of {sku} is blocked; there is nothing to unblock")
    return {"version": 1, "sku": sku, "again": parts}


@router.get("/accounts/{account}/validation")
async def validate(
    account: Account,
    control: TheControl,
    sku: str | None = None,
    limit: Limit = PAGE,
    after: str = "",
) -> View:
    """Everything that is wrong or doubtful about listings, by SKU, by the rules of now; changes nothing (L4, L5)."""
    skus = None if sku is None else [Sku(sku)]
    page = await validation(control.store, account, skus, after=after, limit=limit)
    if sku is not None and not page:
        raise HTTPException(404, f"account {account.name} has no listing {sku}")
    return {"version": 1, "listings": page, "next": page[-1]["sku"] if len(page) == limit else None}
