"""The marketplace's lists of codes: imported, listed and searched."""

from tempfile import TemporaryFile

from fastapi import APIRouter, Request

from daemon.seller.reference import import_reference
from daemon.store.reference import ReferenceKind
from daemon.store.views import PAGE, View
from daemon.web.api.asking import Account, Limit, Now, TheControl, importing, name_of, spool

router = APIRouter(prefix="/api/v1")


@router.post("/accounts/{account}/reference/{kind}")
async def import_codes(kind: ReferenceKind, account: Account, control: TheControl, now: Now, request: Request) -> View:
    """Take over a list of the marketplace's codes (the body is CSV), whole or not at all, and judge listings by it."""
    with TemporaryFile() as file:
        await spool(request, file)
        async with importing(request, account):
            report = await import_reference(control.store, account, kind, file, now.at)
    return report.as_dict()


@router.get("/accounts/{account}/reference")
async def reference_lists(account: Account, control: TheControl) -> View:
    """Which lists of codes were imported, and when."""
    lists = await control.store.reference.lists(name_of(account))
    return {"version": 1, "lists": lists}


@router.get("/accounts/{account}/reference/{kind}")
async def reference_codes(
    kind: ReferenceKind, account: Account, control: TheControl, find: str = "", limit: Limit = PAGE, after: str = ""
) -> View:
    """A page of one list of codes; `find` looks in codes and labels."""
    page = await control.store.reference.codes(name_of(account), kind, find=find, limit=limit, after=after)
    full = len({row["code"] for row in page}) == limit
    return {"version": 1, "codes": page, "next": page[-1]["code"] if full else None}
