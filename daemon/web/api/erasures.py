"""A customer who asks to be forgotten (guide D12)."""

from fastapi import APIRouter
from pydantic import Field

from daemon.model import OrderNumber
from daemon.store.views import View
from daemon.web.api.asking import Account, Body, Now, TheControl, name_of
from daemon.web.caller import SeesCustomers

router = APIRouter(prefix="/api/v1")


class ErasureRequest(Body):
    """Why the customer of an order is forgotten (without a name in it), and whether also while the order is open."""

    reason: str = Field(min_length=1, max_length=500)
    although_open: bool = False


@router.post("/accounts/{account}/orders/{number:path}/erase", dependencies=[SeesCustomers])
async def erase(request: ErasureRequest, number: str, account: Account, control: TheControl, now: Now) -> View:
    """Forget who got the goods of an order, in rows and kept bytes; its figures stay, and so does a proof (D12)."""
    erased = await control.store.erasures.erase(
        name_of(account), OrderNumber(number), request.reason, now.at, although_open=request.although_open
    )
    return {"version": 1, "order": number, "customer": erased.customer, "payloads": erased.payloads}
