"""Feeds: what left, what came of it object by object, and the very bytes that were sent and received (L16, D7)."""

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from daemon.model import AccountName, FeedId, FeedKind, FeedState, PayloadId, Sku
from daemon.seller.advice import advise_feed, explained_by
from daemon.seller.differences import decimal
from daemon.store.views import View
from daemon.web.api import feeds as rest
from daemon.web.api.feeds import DeliveryNumber, FeedNumber
from daemon.web.pages.page import Page, ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

#: so much of what was sent or received is shown as text; the whole of it can be kept as a file
_SHOWN = 256 * 1024

_FILE = Table(
    "feeds",
    plain("id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error")
    + plain("opened_at", "sent_at", "closed_at"),
)
_OBJECTS_FILE = Table(
    "feed-objects",
    [
        *plain("sku", "ean", "channel_item_id"),
        ("parts", lambda row: " ".join(row["parts"])),
        *plain("stock"),
        ("price", lambda row: decimal(row["price_minor"])),
        *plain("state", "code", "text", "answered_at"),
    ],
)


@router.get("/feeds")
async def feeds(
    page: ThePage,
    account: str = "",
    kind: FeedKind | Literal[""] = "",
    state: FeedState | Literal[""] = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """Feeds, the newest first."""
    explain = explained_by(page.control.config.accounts)

    async def fetch(last: int | None, limit: int) -> list[View]:
        found = await page.control.store.views.feeds(
            AccountName(account) if account else None,
            kind=kind,
            state=state,
            before=FeedId(last) if last else None,
            limit=limit,
        )
        return [advise_feed(each, explain) for each in found]

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "feeds.html",
        title="Feeds",
        rows=rows,
        chosen={"account": account, "kind": kind, "state": state},
        kinds=list(FeedKind),
        states=list(FeedState),
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )


@router.get("/feeds/{feed}")
async def feed(
    page: ThePage,
    feed: FeedNumber,
    after: str = "",
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """One feed, what it carried, and what came of it."""
    if format:

        async def fetch(last: str | None, limit: int) -> list[View]:
            part = (await rest.feed(feed, page.control, limit=limit, after=last))["feed"]
            objects: list[View] = part["objects"]
            return objects

        return as_file(_OBJECTS_FILE, format, whole(fetch, lambda row: row["sku"]))
    found = (await rest.feed(feed, page.control, limit=ROWS, after=Sku(after) if after else None))["feed"]
    objects = found["objects"]
    return await page.show(
        "feed.html",
        title=f"Feed {feed}",
        feed=found,
        bytes_kept=await page.control.store.views.feed_payload(FeedId(feed)) is not None,
        following=objects[-1]["sku"] if len(objects) == ROWS else None,
    )


@router.get("/feeds/{feed}/sent")
async def sent(page: ThePage, feed: FeedNumber) -> Response:
    """The bytes that were sent, as a file."""
    return download(page, await _sent(page, feed), f"feed-{feed}")


@router.get("/feeds/{feed}/sent/text")
async def sent_text(page: ThePage, feed: FeedNumber) -> Response:
    """The bytes that were sent, to be read."""
    return await as_text(page, await _sent(page, feed), f"Feed {feed}, as it was sent", f"/feeds/{feed}")


@router.get("/feeds/{feed}/received/{delivery}")
async def received(page: ThePage, feed: FeedNumber, delivery: DeliveryNumber) -> Response:
    """The bytes of an answer, as a file."""
    return download(page, await _received(page, feed, delivery), f"feed-{feed}-answer-{delivery}")


@router.get("/feeds/{feed}/received/{delivery}/text")
async def received_text(page: ThePage, feed: FeedNumber, delivery: DeliveryNumber) -> Response:
    """The bytes of an answer, to be read."""
    payload = await _received(page, feed, delivery)
    return await as_text(page, payload, f"What answered feed {feed}", f"/feeds/{feed}")


async def _sent(page: Page, feed: int) -> PayloadId:
    payload = await page.control.store.views.feed_payload(FeedId(feed))
    if payload is None:
        raise HTTPException(404, f"no bytes of feed {feed} are kept")
    return payload


async def _received(page: Page, feed: int, delivery: int) -> PayloadId:
    payload = await page.control.store.views.received_payload(FeedId(feed), delivery)
    if payload is None:
        raise HTTPException(404, f"delivery {delivery} did not answer feed {feed}")
    return payload


def download(page: Page, payload: PayloadId, name: str) -> Response:
    """Bytes as a file that no browser opens by itself."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    chunks = page.control.store.payloads.chunks(payload)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


async def as_text(page: Page, payload: PayloadId, title: str, back: str) -> Response:
    """The beginning of bytes as text: what is no UTF-8 shows as such, and nothing in it is taken for a page."""
    content, whole_of_it = await _beginning(page.control.store.payloads.chunks(payload))
    text = content.decode("utf-8", "replace")
    return await page.show("text.html", title=title, text=text, back=back, whole_of_it=whole_of_it)


async def _beginning(chunks: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > _SHOWN:
            return bytes(found[:_SHOWN]), False
    return bytes(found), True
