"""Requests to addresses that people configure: only where they may go, and to exactly what was judged."""

import asyncio
from pathlib import Path

import pytest

from daemon.errors import AccessDenied, Unreachable
from daemon.transports.addresses import address_fault, is_public
from daemon.transports.outward import Outward
from tests.cable import raw_server
from tests.tls import certificate_in, self_signed
from tests.transports.test_http import read_request, serving


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
def test_an_address_inside_is_not_public_however_it_is_wrapped(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "private", "fault"),
    [
        ("https://hooks.seller.example/alerts?x=1", False, ""),
        ("http://hooks.seller.example/", False, "must begin with https:// and a host"),
        ("http://alerts.lan:9093/", True, ""),
        ("ftp://alerts.lan/", True, "must begin with https:// or http:// and a host"),
        ("https:///path", False, "must begin with https:// and a host"),
        ("https://user:word@hooks.seller.example/", False, "must not hold a user or password: it would stand in logs"),
        ("https://[::1", False, "is not a URL"),
        ("https://hooks.seller.example:port/", False, "is not a URL"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(url: str, private: bool, fault: str) -> None:
    assert address_fault(url, private=private) == fault


async def test_the_way_into_our_own_network_is_closed_unless_it_is_allowed() -> None:
    outward, inward = Outward(), Outward(private=True)
    async with serving() as server:
        for url in (server.url.replace("http:", "https:"), "https://localhost:1/", "https://[::ffff:127.0.0.1]:1/"):
            with pytest.raises(AccessDenied, match="not on the public internet; allow_private = true"):
                await outward.post(url, headers={}, body=b"")
        assert server.requests == []
        assert (await inward.post(server.url, headers={}, body=b"{}")).status == 200
        assert (await inward.get(server.url.replace("127.0.0.1", "localhost"))).status == 200

    assert [request[0].split()[0] for request in server.requests] == ["POST", "GET"]


async def test_plain_http_never_leaves_our_own_network() -> None:
    with pytest.raises(AccessDenied, match="only https:// is used"):
        await Outward(private=True).get("http://93.184.216.34:1/")


async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await read_request(reader))[1]["host"])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with raw_server(serve, tls=self_signed(tmp_path, "localhost")) as port:
        inward = Outward(private=True, authority=certificate_in(tmp_path))
        assert (await inward.get(f"https://localhost:{port}/")).status == 204
        with pytest.raises(AccessDenied, match="certificate is not trusted"):
            await inward.get(f"https://127.0.0.1:{port}/")
        with pytest.raises(AccessDenied, match="certificate is not trusted"):
            await Outward(private=True).get(f"https://localhost:{port}/")

    assert asked == [f"localhost:{port}"]


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="the name cannot be resolved"):
        await Outward().get("https://nobody.invalid/")
