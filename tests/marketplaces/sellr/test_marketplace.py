"""Names, and what replies of an HTTP service mean for what was sent, with a real server that says what it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.abc import ByteStream

from daemon.errors import AccessDenied, Refused, Unconfirmed, Unreachable, Unreadable
from daemon.marketplaces.sellr.marketplace import Sellr
from daemon.model import Delivery, FeedKind, Order, RemoteFile, UpdateKind, UpdateLine, Whereabouts
from tests.marketplaces.sellr.made_up import NOON, feed, golden, settings, spool, update

LINES = (UpdateLine("200000000101", 2), UpdateLine("200000000102", 1))
OFFERS = feed(FeedKind.OFFER)


class Far:
    """A server that answers each request with the next of `replies` (None: cuts the line), and keeps the requests."""

    def __init__(self, *replies: tuple[int, bytes] | None) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.url = ""

    async def answer(self, stream: ByteStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            head, _, body = request.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(body) < length:
                body += await stream.receive()
            self.requests.append(head + b"\r\n\r\n" + body)
            reply = self.replies.pop(0)
            if reply is not None:
                status, content = reply
                head = f"HTTP/1.1 {status} Told\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode()
                await stream.send(head + content)


@asynccontextmanager
async def account(*replies: tuple[int, bytes] | None, source: str = "reply") -> AsyncIterator[tuple[Sellr, Far]]:
    far = Far(*replies)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
    made = settings(
        environment="sandbox",
        urls={name: f"{url}/{name}" for name in ("items", "offers", "orders")},
        orders={"source": source},
    )
    marketplace = Sellr(made)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, far.answer)
        with anyio.fail_after(20):
            yield marketplace, far
        await marketplace.aclose()
        group.cancel_scope.cancel()


class Everything:
    """An inbox that has kept nothing."""

    async def unread(self, files: list[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        return files


async def orders_of(marketplace: Sellr) -> list[Delivery[Order]]:
    return [got async for got in marketplace.orders(Everything(), NOON - timedelta(days=14), NOON)]  # type: ignore[arg-type]


def test_names_tell_flow_and_utc_time() -> None:  # L16
    marketplace = Sellr(settings())
    late = replace(OFFERS, opened_at=datetime(2026, 7, 1, 0, 30, 59, 999_999, tzinfo=settings().zone))
    assert marketplace.feed_name(late) == "1001.MKP_SellerOffer.001.2026-06-30-22-30-59.xml"
    assert marketplace.feed_name(replace(late, kind=FeedKind.ITEM)) == "1001.MKP_Products.002.2026-06-30-22-30-59.xml"
    made = replace(update(UpdateKind.ACCEPTANCE), created_at=datetime(2026, 3, 2, 11, 0, 5, 42, tzinfo=UTC))
    assert marketplace.update_name(made) == "order-update-20260302110005000042"


async def test_an_offer_feed_goes_out_as_it_is_and_brings_back_its_batch_id() -> None:  # L1
    async with account((200, golden("injected.xml"))) as (marketplace, far):
        assert await marketplace.send_feed(OFFERS, spool(golden("seller-offers.xml"))) == "B00000042"
    (request,) = far.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /offers HTTP/1.1\r\n")
    assert b'soapaction: "InjectFile_1.0"' in head.lower().replace(b"injectfile", b"InjectFile")
    assert b"authorization: Basic " in head.replace(b"Authorization", b"authorization")
    assert body == golden("offers-request.txt").partition(b"\r\n\r\n")[2]


async def test_an_item_feed_goes_out_in_base64_with_its_key() -> None:  # L2
    async with account((200, b"<Envelope><Body/></Envelope>")) as (marketplace, far):
        name = "1001.MKP_Products.002.2026-03-02-11-00-05.xml"
        assert await marketplace.send_feed(feed(FeedKind.ITEM, name=name), spool(golden("vendor-items.xml"))) == ""
    (request,) = far.requests
    assert request.partition(b"\r\n\r\n")[2] == golden("items-request.txt").partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        ((200, golden("turned-down.xml")), Refused, "Invalid number of elements"),
        ((500, golden("soap-fault.xml")), Refused, "The bus is full"),
        ((500, golden("inject-fault.xml")), Refused, "not possible at Shipped"),
        ((400, b"<html>no"), Refused, "status 400"),
        ((413, b""), Refused, "status 413"),
        ((401, b""), AccessDenied, "401"),
        ((403, golden("soap-fault.xml")), AccessDenied, "403"),
        ((500, b"Internal Server Error"), Unconfirmed, "status 500"),
        ((502, b""), Unconfirmed, "status 502"),
        ((503, b"<html/>"), Unconfirmed, "status 503"),
        ((200, b""), Unconfirmed, "sent, but the reply cannot be understood"),
        ((200, b"<html><body>Welcome</body></html>"), Unconfirmed, "no processWithSuccess"),
        ((200, golden("injected.xml")[:-20]), Unconfirmed, "not well-formed"),
        ((200, b"x" * (5 << 20)), Unconfirmed, "longer than"),
        (None, Unconfirmed, "may have arrived"),
    ],
)
async def test_what_a_reply_means_for_a_feed(
    reply: tuple[int, bytes] | None, error: type[Exception], text: str
) -> None:
    async with account(reply) as (marketplace, far):
        with pytest.raises(error, match=text):
            await marketplace.send_feed(OFFERS, spool(golden("seller-offers.xml")))
        assert len(far.requests) == 1


async def test_a_feed_that_nobody_listens_to_was_not_delivered() -> None:
    async with account() as (marketplace, _):
        pass
    with pytest.raises(Unreachable):
        await marketplace.send_feed(OFFERS, spool(b"<a/>"))


async def test_an_update_is_answered_in_the_reply() -> None:  # L13
    made = update(UpdateKind.ACCEPTANCE, *LINES)
    async with account((200, golden("updated.xml")), (200, golden("inject-fault.xml"))) as (marketplace, far):
        content = marketplace.write_update(made)
        await marketplace.send_update(made, content)
        with pytest.raises(Refused, match="not possible at Shipped") as caught:
            await marketplace.send_update(made, content)
    assert caught.value.code == "ORDER"
    assert b"update-key" not in content
    assert far.requests[0].endswith(content.replace(b"***", b"update-key"))
    assert b"NewOrdersService.UpdateRequest" in far.requests[0]
    assert [answer async for answer in marketplace.update_answers(Everything())] == []  # type: ignore[arg-type]


async def test_an_update_in_doubt_is_looked_for() -> None:
    shipped = golden("orders.xml").replace(b'"TO SHIP"', b'"Shipped"').replace(b'"Created"', b'"Shipped"')
    replies = [(200, shipped), (200, golden("orders.xml")), (200, golden("no-orders.xml")), (200, b"<cut")]
    made = update(UpdateKind.DISPATCH, *LINES)
    async with account(*replies) as (marketplace, far):
        found = [await marketplace.find_update(made) for _ in replies]
    assert found == [Whereabouts.ARRIVED, Whereabouts.UNKNOWN, Whereabouts.UNKNOWN, Whereabouts.UNKNOWN]
    assert b"<minDate>2025-12-02T12:00:05</minDate><maxDate>2026-03-16T12:00:05</maxDate>" in far.requests[0]


async def test_orders_come_in_the_reply_with_its_exact_bytes() -> None:  # L1
    async with account((200, golden("orders.xml")), (200, golden("no-orders.xml"))) as (marketplace, far):
        (delivery,) = await orders_of(marketplace)
        assert await orders_of(marketplace) == []
        await marketplace.confirm(delivery.file)
    assert delivery.file == RemoteFile("reply", "RetrieveByStatus", len(golden("orders.xml")))
    assert delivery.content == golden("orders.xml")
    assert not isinstance(delivery.body, Unreadable)
    assert [type(order) for order in delivery.body] == [Order, Unreadable, Order]
    sent = golden("retrieve.xml").replace(b"***", b"read&lt;key")
    assert far.requests[0].endswith(sent)


async def test_a_reply_that_cannot_be_read_is_a_delivery_with_the_reason() -> None:
    async with account((200, b"<html>&nbsp;")) as (marketplace, _):
        (delivery,) = await orders_of(marketplace)
    assert isinstance(delivery.body, Unreadable)
    assert delivery.content == b"<html>&nbsp;"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ((200, golden("inject-fault.xml")), Refused),
        ((404, b""), Refused),
        ((500, golden("soap-fault.xml")), Refused),
        ((503, b"busy"), Unreachable),
        ((401, b""), AccessDenied),
    ],
)
async def test_orders_that_are_not_given(reply: tuple[int, bytes], error: type[Exception]) -> None:
    async with account(reply) as (marketplace, _):
        with pytest.raises(error):
            await orders_of(marketplace)
