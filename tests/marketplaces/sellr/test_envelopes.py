"""Multipart framing, byte for byte and as a mail library reads it; and what replies say."""

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.sellr import envelopes, items, offers, xmlread
from daemon.marketplaces.sellr.envelopes import Fault, Multipart
from daemon.model import FeedKind
from tests.marketplaces.sellr.made_up import feed, golden, settings, spool

ITEMS_NAME = "1001.MKP_Products.002.2026-03-02-11-00-05.xml"


async def framed(message: Multipart) -> bytes:
    body = b"".join([chunk async for chunk in message.chunks()])
    assert len(body) == message.length
    return b"Content-Type: " + message.content_type.encode() + b"\r\n\r\n" + body


async def test_the_items_request_is_the_golden_one() -> None:  # L2
    message = envelopes.with_base64_file(ITEMS_NAME, items.request("items&key"), spool(golden("vendor-items.xml")))
    assert await framed(message) == golden("items-request.txt")
    assert await framed(message) == golden("items-request.txt"), "a body can be read twice"


async def test_the_offers_request_is_the_golden_one() -> None:
    made = feed(FeedKind.OFFER)
    request = offers.request(settings(), made)
    message = envelopes.with_plain_file(made.name, offers.ACTION, request, spool(golden("seller-offers.xml")))
    assert await framed(message) == golden("offers-request.txt")


@pytest.mark.parametrize(("request_name", "file"), [("items", "vendor-items"), ("offers", "seller-offers")])
def test_a_mail_library_finds_envelope_and_file(request_name: str, file: str) -> None:
    message = message_from_bytes(golden(f"{request_name}-request.txt"), policy=policy.HTTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    root, attached = message.iter_parts()
    assert root["Content-ID"] == message.get_param("start") == "<main_envelope>"
    assert attached.get_payload(decode=True) == golden(f"{file}.xml")


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(0, 3))
async def test_base64_is_as_long_as_was_said_however_the_spool_is_cut(length: int, size: int, more: int) -> None:
    content = bytes(range(256)) * (57 * 1024 // 256 * more) + bytes(length)
    message = envelopes.with_base64_file("name", b"<root/>", spool(content, size * (1 + more * 500)))
    body = await framed(message)
    lines = body.partition(b"Content-ID: <attachment>\r\n\r\n")[2].rpartition(b"--=_")[0]
    assert base64.b64decode(lines) == content
    assert all(len(line) <= 76 for line in lines.split(b"\r\n"))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("turned-down.xml", Fault("Invalid number of elements", "0005")),
        ("inject-fault.xml", Fault("accept 200000000101: not possible at Shipped", "ORDER")),
        ("soap-fault.xml", Fault("The bus is full · try later", "s:Receiver")),
        ("injected.xml", None),
        ("updated.xml", None),
        ("no-orders.xml", None),
    ],
)
def test_a_refusal_is_found_in_a_reply(name: str, fault: Fault | None) -> None:
    assert envelopes.fault(xmlread.read(golden(name))) == fault


def test_a_refusal_without_a_word_is_still_one() -> None:
    assert envelopes.fault(xmlread.read(b"<InjectFault/>")) == Fault("InjectFault without a text")
    assert envelopes.fault(xmlread.read(b"<a><processWithSuccess>0</processWithSuccess></a>")) == Fault("0")


def test_a_multipart_reply_is_read_by_its_root() -> None:
    content_type = 'multipart/related; start="<r>"; boundary=b'
    body = b"--b\r\nContent-ID: <x>\r\n\r\n<x/>\r\n--b\r\nContent-ID: <r>\r\n\r\n<root/>\r\n--b--\r\n"
    assert envelopes.root_part(content_type, body) == b"<root/>"
    assert envelopes.root_part("multipart/related; boundary=b", body) == b"<x/>"
    assert envelopes.root_part("text/xml", body) is body


@pytest.mark.parametrize(
    "content_type", ["multipart/related", "multipart/related; boundary=c", "multipart/é; boundary"]
)
def test_a_multipart_reply_without_parts_is_not_understood(content_type: str) -> None:
    with pytest.raises(Unreadable):
        envelopes.root_part(content_type, b"--b\r\n\r\n<x/>\r\n--b--")
