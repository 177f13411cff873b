"""The stock of an account as a whole: what is due sent now, or all of it once more (guide J3, L6)."""

from fastapi import APIRouter

from daemon.errors import NotAllowed
from daemon.store.views import View
from daemon.web.api.asking import Account, Body, Now, TheControl, name_of

router = APIRouter(prefix="/api/v1")


class StockPush(Body):
    """Whether every listing's stock is sent, or only what has changed."""

    full: bool = False


@router.post("/accounts/{account}/stock/push", status_code=202)
async def push(request: StockPush, account: Account, control: TheControl, now: Now) -> View:
    """Send the stock that is due now; with `full`, that of every listing. The gate stays what it is (J3, L8).

    `pending` counts the listings that were made so; `waits` says why no turn begins now, and is empty where one does.
    """
    pending, waits = 0, ""
    if request.full:
        pending = await control.store.stock.push(name_of(account), now.at)
    try:
        await control.run_now(name_of(account), "offers")
    except NotAllowed as error:
        # What is Pending leaves with the next turn all the same.
        waits = str(error)
    return {"version": 1, "account": account.name, "pending": pending, "waits": waits}
