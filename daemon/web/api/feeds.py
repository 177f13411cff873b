"""Feeds with what they carried and what came of it, and what came in (guide L16, D7, D9)."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from daemon.errors import NotAllowed
from daemon.model import AccountName, FeedId, Sku
from daemon.seller.advice import advise_feed, explained_by
from daemon.store.deliveries import DeliveryId, DeliveryKind, DeliveryState
from daemon.store.views import PAGE, View
from daemon.web.api.asking import MOST_ROWS, Before, Body, Limit, Now, TheControl, found_or_404
from daemon.web.caller import TheCaller

router = APIRouter(prefix="/api/v1")

FeedNumber = Annotated[int, Path(alias="feed", ge=1, le=MOST_ROWS)]
DeliveryNumber = Annotated[int, Path(alias="delivery", ge=1, le=MOST_ROWS)]

#: what came in → the job that reads it
_READ_BY = {DeliveryKind.ORDER: "orders", DeliveryKind.REPORT: "reports", DeliveryKind.UPDATE_ANSWER: "updates"}


class Seen(Body):
    """What a person says of something that came in and is of no use."""

    why: str = Field(default="", max_length=500)


@router.get("/feeds")
async def feeds(control: TheControl, account: str | None = None, limit: Limit = PAGE, before: Before = None) -> View:
    """Feeds, the newest first (L16)."""
    page = await control.store.views.feeds(
        AccountName(account) if account else None, limit=limit, before=FeedId(before) if before else None
    )
    return {"version": 1, "feeds": page, "next": page[-1]["id"] if len(page) == limit else None}


@router.get("/feeds/{feed}")
async def feed(feed: FeedNumber, control: TheControl, limit: Limit = PAGE, after: str | None = None) -> View:
    """One feed with its timeline, what was received for it, and a page of what it carried and what came of it (L16)."""
    found = await control.store.views.feed(FeedId(feed), limit=limit, after=Sku(after) if after else None)
    found = advise_feed(found_or_404(found, f"there is no feed {feed}"), explained_by(control.config.accounts))
    carried = found["objects"]
    return {"version": 1, "feed": found, "next": carried[-1]["sku"] if len(carried) == limit else None}


@router.get("/feeds/{feed}/payload")
async def feed_payload(feed: FeedNumber, control: TheControl) -> StreamingResponse:
    """The exact bytes of a feed, as long as they are kept (D7)."""
    payload = await control.store.views.feed_payload(FeedId(feed))
    if payload is None:
        raise HTTPException(404, f"no bytes of feed {feed} are kept")
    return StreamingResponse(control.store.payloads.chunks(payload), media_type="application/octet-stream")


@router.get("/feeds/{feed}/received/{delivery}")
async def feed_received(feed: FeedNumber, delivery: DeliveryNumber, control: TheControl) -> StreamingResponse:
    """The exact bytes of something received that answered a feed, as long as they are kept (L16, D7)."""
    payload = await control.store.views.received_payload(FeedId(feed), delivery)
    if payload is None:
        raise HTTPException(404, f"delivery {delivery} did not answer feed {feed}")
    return StreamingResponse(control.store.payloads.chunks(payload), media_type="application/octet-stream")


@router.get("/deliveries")
async def deliveries(
    control: TheControl,
    account: str | None = None,
    state: DeliveryState | None = None,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """What came in, the newest first (D9)."""
    name = AccountName(account) if account else None
    page = await control.store.views.deliveries(name, state=state, limit=limit, before=before)
    return {"version": 1, "deliveries": page, "next": page[-1]["id"] if len(page) == limit else None}


@router.post("/deliveries/{delivery}/retry")
async def try_again(delivery: DeliveryNumber, control: TheControl) -> View:
    """Read something that was set aside again from its kept bytes, after what kept it from being read was mended."""
    account, kind = await control.store.deliveries.try_again(DeliveryId(delivery))
    # Without a daemon, or where the account is held or paused, its job reads it when it comes by itself.
    now = True
    try:
        await control.run_now(account, _READ_BY[kind])
    except NotAllowed:
        now = False
    return {"version": 1, "delivery": delivery, "account": account, "job": _READ_BY[kind], "now": now}


@router.post("/deliveries/{delivery}/close")
async def close(delivery: DeliveryNumber, said: Seen, control: TheControl, caller: TheCaller, now: Now) -> View:
    """Say that a person has seen something that was set aside, and that nothing more is to come of it.

    It is told no more, and can still be tried again; its bytes are kept as long as any.
    """
    account = await control.store.deliveries.close(DeliveryId(delivery), caller.name, said.why, now.at)
    return {"version": 1, "delivery": delivery, "account": account, "state": DeliveryState.CLOSED}
