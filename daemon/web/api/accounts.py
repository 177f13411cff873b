"""What concerns one account: its hold, and the errors that its marketplace told."""

from fastapi import APIRouter

from daemon.errors import NotAllowed
from daemon.seller.advice import advise_code, explained_by
from daemon.store.views import View
from daemon.web.api.asking import Account, Now, TheControl, name_of

router = APIRouter(prefix="/api/v1")


@router.post("/accounts/{account}/release")
async def release(account: Account, control: TheControl, now: Now) -> View:
    """Try a held account again (D10)."""
    if not await control.store.accounts.release(name_of(account), now.at):
        raise NotAllowed(f"account {account.name} is not held; there is nothing to release")
    return {"version": 1, "account": account.name}


@router.get("/accounts/{account}/codes")
async def codes(account: Account, control: TheControl) -> View:
    """Every error that the marketplace told, verbatim and counted, with what is known of it (L17)."""
    found = await control.store.codes.all(name_of(account))
    known = explained_by(control.config.accounts)
    return {"version": 1, "codes": [advise_code(code, known) for code in found]}
