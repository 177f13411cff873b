"""A server is greeted without logging in: found, or not, and trusted, or not."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.errors import AccessDenied, Unreachable
from daemon.transports.handshake import addresses_of, greet
from tests.cable import raw_server
from tests.tls import certificate_in, self_signed


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    assert await reader.read(1) == b""


async def test_a_trusted_server_says_until_when(tmp_path: Path) -> None:
    async with raw_server(silent, tls=self_signed(tmp_path)) as port:
        greeting = await greet(f"https://127.0.0.1:{port}/seller/orders", certificate_in(tmp_path))
    assert (greeting.addresses, greeting.version) == (("127.0.0.1",), "TLSv1.3")
    assert greeting.valid_until == datetime(2126, 1, 1, tzinfo=UTC)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    async with raw_server(silent, tls=self_signed(tmp_path)) as port:
        with pytest.raises(AccessDenied, match="certificate is not trusted: self-signed certificate"):
            await greet(f"https://127.0.0.1:{port}/")


async def test_what_is_no_tls_or_not_there_is_unreachable() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-other\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(other) as port:
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
            await greet(f"https://127.0.0.1:{port}/")
        assert (await greet(f"http://127.0.0.1:{port}/")).valid_until is None
    with pytest.raises(Unreachable, match="no connection"):
        await greet("http://127.0.0.1:1/")


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="its address"):
        await addresses_of("nobody.invalid", 443)
