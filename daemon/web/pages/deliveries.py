"""What came in: how it was read, why it stands aside, its bytes, another try, and an end to it (D9)."""

from typing import Literal

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from daemon.model import AccountName, PayloadId
from daemon.store.deliveries import DeliveryKind, DeliveryState
from daemon.store.users import Right
from daemon.store.views import View
from daemon.web.api import feeds as rest
from daemon.web.api.feeds import DeliveryNumber
from daemon.web.caller import want_personal
from daemon.web.pages.feeds import as_text, download
from daemon.web.pages.page import Page, ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table(
    "deliveries",
    plain("id", "account", "kind", "folder", "name", "size", "state", "reason", "received_at", "closed_by"),
)


@router.get("/deliveries")
async def deliveries(
    page: ThePage,
    account: str = "",
    state: DeliveryState | Literal[""] = "",
    kind: DeliveryKind | Literal[""] = "",
    q: str = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """What came in, the newest first."""
    name = AccountName(account) if account else None
    views = page.control.store.views

    async def fetch(last: int | None, limit: int) -> list[View]:
        return await views.deliveries(name, state=state or None, kind=kind, find=q, before=last, limit=limit)

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "deliveries.html",
        title="Set aside" if state == DeliveryState.SET_ASIDE else "Deliveries",
        rows=rows,
        chosen={"account": account, "state": state, "kind": kind, "q": q},
        states=list(DeliveryState),
        kinds=list(DeliveryKind),
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )


@router.get("/deliveries/{delivery}")
async def delivery(page: ThePage, delivery: DeliveryNumber) -> Response:
    """One thing that came in."""
    found = await _found(page, delivery)
    return await page.show(
        "delivery.html", title=f"Delivery {delivery}", delivery=found, sees=_sees(page, found), place=_place(delivery)
    )


@router.get("/deliveries/{delivery}/bytes")
async def content(page: ThePage, delivery: DeliveryNumber) -> Response:
    """Its bytes, as a file."""
    found = await _readable(page, delivery)
    return download(page, PayloadId(found["payload"]), f"delivery-{delivery}")


@router.get("/deliveries/{delivery}/text")
async def text(page: ThePage, delivery: DeliveryNumber) -> Response:
    """Its bytes, to be read."""
    found = await _readable(page, delivery)
    return await as_text(page, PayloadId(found["payload"]), found["name"], _place(delivery))


@router.post("/deliveries/{delivery}/retry")
async def try_again(page: ThePage, delivery: DeliveryNumber) -> Response:
    """Read it again from its kept bytes."""

    def told(done: View) -> str:
        when = "now" if done["now"] else "at the next turn"
        return f"{done['job']} of {done['account']} reads it again {when}"

    return await page.act(lambda: rest.try_again(delivery, page.control), told, "/deliveries?state=set_aside")


@router.post("/deliveries/{delivery}/close")
async def close(page: ThePage, delivery: DeliveryNumber) -> Response:
    """Say that a person has seen it, and that nothing more is to come of it."""
    form = await page.form()

    async def work() -> View:
        said = rest.Seen(why=str(form.get("why", "")))
        return await rest.close(delivery, said, page.control, page.caller, page.now)

    def told(done: View) -> str:
        return f"delivery {done['delivery']} of {done['account']} is closed; it is told no more, and its bytes stay"

    return await page.act(work, told, "/deliveries?state=set_aside")


async def _found(page: Page, delivery: int) -> View:
    found = await page.control.store.views.delivery(delivery)
    if found is None:
        raise HTTPException(404, f"there is no delivery {delivery}")
    return found


async def _readable(page: Page, delivery: int) -> View:
    """A delivery whose bytes may be seen: those of orders hold customers (D12)."""
    found = await _found(page, delivery)
    if not _sees(page, found):
        want_personal(page.caller)
    return found


def _sees(page: Page, delivery: View) -> bool:
    return delivery["kind"] == DeliveryKind.REPORT or page.caller.may(Right.PERSONAL)


def _place(delivery: int) -> str:
    return f"/deliveries/{delivery}"
