"""What the seller brings as files."""

from tempfile import TemporaryFile

from fastapi import APIRouter, Request

from daemon.seller.imports import ImportKind, import_file
from daemon.store.views import View
from daemon.web.api.asking import Account, Now, TheControl, importing, spool

router = APIRouter(prefix="/api/v1")


@router.post("/accounts/{account}/imports/{kind}")
async def import_table(kind: ImportKind, account: Account, control: TheControl, now: Now, request: Request) -> View:
    """Take over a CSV file (the body); the answer says what each row did and what is wrong with the bad ones (S1)."""
    with TemporaryFile() as file:
        await spool(request, file)
        async with importing(request, account):
            report = await import_file(control.store, account, kind, file, now.at)
    return report.as_dict()
