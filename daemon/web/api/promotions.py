"""Promotions as they stand; they come in by import or in bulk (guide L11)."""

from fastapi import APIRouter

from daemon.model import Sku
from daemon.store.views import PAGE, View
from daemon.web.api.asking import Account, Before, Limit, TheControl, name_of

router = APIRouter(prefix="/api/v1")


@router.get("/accounts/{account}/promotions")
async def promotions(
    account: Account,
    control: TheControl,
    sku: str | None = None,
    limit: Limit = PAGE,
    before: Before = None,
    *,
    withdrawn: bool = False,
) -> View:
    """Promotions, the newest first; `withdrawn` adds those that were taken back or changed since."""
    page = await control.store.promotions.page(
        name_of(account), sku=Sku(sku) if sku is not None else None, standing=not withdrawn, before=before, limit=limit
    )
    told = [{**each, "currency": account.currency} for each in page]
    return {"version": 1, "promotions": told, "next": page[-1]["id"] if len(page) == limit else None}
