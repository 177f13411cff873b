"""HTTP over real sockets: what a reply, a failure or a silence is taken to mean."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from daemon.errors import AccessDenied, DaemonError, Refused, Unconfirmed, Unreachable, Unreadable
from daemon.transports.http import MEANINGS, Body, ControlClient, HttpClient, HttpTimeouts
from daemon.transports.tls import trusting
from tests.cable import cable_to, raw_server
from tests.tls import certificate_in, self_signed

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nX-Batch: 7\r\nContent-Length: 16\r\n\r\n<BatchId>7</>..."
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n<BatchId\r\n8\r\n>7</>...\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return first, headers, await reader.readexactly(int(headers.get("content-length", 0)))


@dataclass
class Server:
    """Answers every request with the same bytes, and remembers the requests."""

    answer: bytes = WHOLE
    keep_open: bool = False
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.requests.append(await read_request(reader))
            writer.write(self.answer)
            await writer.drain()
            if not self.keep_open:
                return


@asynccontextmanager
async def serving(answer: bytes = WHOLE, *, keep_open: bool = False) -> AsyncIterator[Server]:
    server = Server(answer, keep_open)
    async with raw_server(server.serve) as port:
        server.url = f"http://127.0.0.1:{port}/feed"
        yield server


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


def body_of(*pieces: bytes) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Body(sum(map(len, pieces)), chunks)


class TestExchanges:
    @pytest.mark.parametrize("body", [b"<feed/>", body_of(b"<fe", b"", b"ed/>")])
    async def test_a_post_sends_the_bytes_and_returns_the_whole_reply(
        self, client: HttpClient, body: bytes | Body
    ) -> None:
        async with serving() as server:
            reply = await client.post(server.url, headers={"X-Token": "t0ken"}, body=body)
        assert (reply.status, reply.body) == (200, WHOLE[-16:])
        assert reply.headers["x-batch"] == "7"
        ((first, headers, sent),) = server.requests
        assert first == "POST /feed HTTP/1.1"
        assert sent == b"<feed/>"
        assert headers["x-token"] == "t0ken"
        assert headers["accept-encoding"] == "identity"
        assert "transfer-encoding" not in headers
        assert "authorization" not in headers

    async def test_a_get_returns_the_reply_of_any_other_status(self, client: HttpClient) -> None:
        async with serving(b"HTTP/1.1 503 Later\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\nbusy") as server:
            reply = await client.get(server.url)
        assert (reply.status, reply.headers["retry-after"], reply.body) == (503, "9", b"busy")

    async def test_a_connection_is_used_again_within_a_burst(self, client: HttpClient) -> None:
        connections = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            while True:
                await read_request(reader)
                writer.write(EMPTY)

        async with raw_server(serve) as port:
            for _ in range(3):
                await client.post(f"http://127.0.0.1:{port}/", headers={}, body=b"1")
        assert len(connections) == 1

    async def test_a_connection_that_ended_with_its_reply_is_not_used_again(self, tmp_path: Path) -> None:  # L8
        """By TLS the farewell comes before the line ends: a request between the two would be in doubt for nothing."""
        ended = anyio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nwhole")
            writer.close()
            await ended.wait()

        async with raw_server(serve, tls=self_signed(tmp_path)) as port, cable_to("127.0.0.1", port) as cable:
            async with HttpClient(tls=trusting(certificate_in(tmp_path))) as client:
                for _ in range(3):
                    reply = await client.post(f"https://127.0.0.1:{cable.port}/", headers={}, body=b"1")
                    assert reply.body == b"whole"
            ended.set()
        assert cable.used == 3

    async def test_the_login_goes_in_the_header(self) -> None:
        async with serving() as server, HttpClient(user="shop", password="p4ss") as client:
            await client.get(server.url)
        assert server.requests[0][1]["authorization"] == "Basic c2hvcDpwNHNz"

    async def test_a_cookie_is_not_kept(self, client: HttpClient) -> None:
        async with serving(EMPTY[:-2] + b"Set-Cookie: session=1\r\n\r\n") as server:
            for _ in range(2):
                await client.get(server.url)
        assert "cookie" not in server.requests[1][1]

    async def test_proxies_of_the_environment_are_ignored(
        self, client: HttpClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving() as proxy, serving() as server:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("NO_PROXY", "")
            async with HttpClient() as fresh:
                await fresh.get(server.url, headers={"X-Token": "t0ken"})
        assert len(server.requests) == 1
        assert proxy.requests == []

    async def test_a_compressed_bomb_is_not_unpacked(self, client: HttpClient) -> None:
        bomb = gzip.compress(bytes(20_000_000))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        async with serving(head + bomb) as server:
            reply = await client.get(server.url, limit=100_000)
        assert reply.body == bomb
        assert reply.headers["content-encoding"] == "gzip"


class TestAnswersThatAreNo:
    @pytest.mark.parametrize("status", [401, 403, 407])
    async def test_a_refused_login_needs_a_person(self, status: int) -> None:  # D10
        answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(answer) as server, HttpClient(user="shop", password="p4ss") as client:
            with pytest.raises(AccessDenied, match=rf"127\.0\.0\.1:\d+: access was refused with status {status}") as no:
                await client.post(server.url + "?token=t0ken", headers={}, body=b"1")
        assert not re.search("shop|p4ss|t0ken|feed", str(no.value))

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    async def test_a_redirect_is_not_followed_with_our_token(self, client: HttpClient, status: int) -> None:
        async with serving() as elsewhere:
            answer = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
            async with serving(answer) as server:
                with pytest.raises(Refused, match="redirect to another address, which is not followed"):
                    await client.post(server.url, headers={"X-Token": "t0ken"}, body=b"1")
        assert elsewhere.requests == []

    async def test_a_reply_over_the_limit_is_unreadable(self, client: HttpClient) -> None:
        async with serving() as server:
            assert len((await client.get(server.url, limit=16)).body) == 16
            with pytest.raises(Unreadable, match="longer than the 15 bytes"):
                await client.get(server.url, limit=15)

    async def test_a_reply_without_end_is_unreadable(self, client: HttpClient) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(bytes(65_536))
                await writer.drain()

        async with raw_server(serve) as port:
            with anyio.fail_after(30), pytest.raises(Unreadable):
                await client.get(f"http://127.0.0.1:{port}/", limit=1_000_000)


class TestLosses:
    @pytest.mark.parametrize("whole", [WHOLE, CHUNKED], ids=["length", "chunked"])
    async def test_a_reply_cut_at_any_byte_is_unconfirmed(self, client: HttpClient, whole: bytes) -> None:  # L8
        async with serving(whole) as server:
            assert (await client.post(server.url, headers={}, body=b"1")).body
            for end in range(len(whole)):
                server.answer = whole[:end]
                with pytest.raises(Unconfirmed, match=r"127\.0\.0\.1"):
                    await client.post(server.url, headers={}, body=b"1")

    async def test_a_request_whose_reply_was_lost_is_not_sent_again(self, client: HttpClient) -> None:  # L8
        """Promise P4: it may have been taken, and a second one would be a second feed."""
        async with serving(WHOLE[:-1]) as server:
            with pytest.raises(Unconfirmed):
                await client.post(server.url, headers={}, body=b"1")
        assert len(server.requests) == 1

    async def test_a_reset_after_the_request_is_unconfirmed(self, client: HttpClient) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        async with raw_server(serve) as port:
            with pytest.raises(Unconfirmed):
                await client.post(f"http://127.0.0.1:{port}/", headers={}, body=bytes(5_000_000))

    async def test_what_is_not_http_is_unconfirmed(self, client: HttpClient) -> None:
        async with serving(b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as server:
            with pytest.raises(Unconfirmed):
                await client.get(server.url)

    async def test_nobody_listening_is_unreachable(self, client: HttpClient) -> None:
        async with serving() as server:
            pass
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+: not reached") as loss:
            await client.post(server.url + "?token=t0ken", headers={}, body=b"1")
        assert not re.search("t0ken|feed", str(loss.value))

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[half", "http://127.0.0.1:port/", "no address"])
    async def test_what_is_no_address_is_unreachable(self, client: HttpClient, url: str) -> None:
        with pytest.raises(Unreachable):
            await client.get(url)

    async def test_a_header_that_cannot_be_sent_is_not_quoted(self, client: HttpClient) -> None:
        async with serving() as server:
            with pytest.raises((Unconfirmed, Unreachable)) as loss:
                await client.get(server.url, headers={"X-Token": "t0ken\n"})
        assert "t0ken" not in str(loss.value)
        assert server.requests == []

    async def test_silence_after_the_request_is_unconfirmed(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await anyio.sleep_forever()

        async with raw_server(serve) as port:
            url = f"http://127.0.0.1:{port}/"
            async with HttpClient() as client:
                with pytest.raises(Unconfirmed, match=r"no whole reply within 0\.1 s"):
                    await client.post(url, headers={}, body=b"1", deadline=0.1)
            async with HttpClient(timeouts=HttpTimeouts(read=0.1)) as client:
                with pytest.raises(Unconfirmed, match="ReadTimeout"):
                    await client.post(url, headers={}, body=b"1")
            async with HttpClient(timeouts=HttpTimeouts(write=0.1)) as client:
                with pytest.raises(Unconfirmed):
                    await client.post(url, headers={}, body=bytes(20_000_000), deadline=2)

    async def test_a_reply_that_drips_ends_by_the_deadline(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            while True:
                writer.write(b"HTTP/1.1 200 OK\r\nX: "[:1])
                await anyio.sleep(0.02)

        async with raw_server(serve) as port, HttpClient(timeouts=HttpTimeouts(read=1)) as client:
            with anyio.fail_after(30), pytest.raises(Unconfirmed):
                await client.get(f"http://127.0.0.1:{port}/", deadline=0.2)

    async def test_a_handshake_that_does_not_end_is_unreachable(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await anyio.sleep_forever()

        async with raw_server(serve) as port:
            url = f"https://127.0.0.1:{port}/"
            async with HttpClient() as client:
                with pytest.raises(Unreachable, match=r"no connection within 0\.1 s"):
                    await client.post(url, headers={}, body=b"1", deadline=0.1)
            async with HttpClient(timeouts=HttpTimeouts(connect=0.1)) as client:
                with pytest.raises(Unreachable, match="ConnectTimeout"):
                    await client.post(url, headers={}, body=b"1")

    async def test_what_the_body_raises_comes_out_as_it_is(self, client: HttpClient) -> None:
        class SpoolError(Exception):
            pass

        closed = []

        def failing(error: Exception) -> Body:
            async def chunks() -> AsyncIterator[bytes]:
                try:
                    yield b"first"
                    raise error
                finally:
                    closed.append(error)

            return Body(10, chunks)

        async with serving() as server:
            for error in (SpoolError(), TimeoutError(), OSError(5, "I/O error"), Refused("mine")):
                with pytest.raises(type(error)) as raised:
                    await client.post(server.url, headers={}, body=failing(error))
                assert raised.value is error
                assert closed[-1] is error
            for length in (8, 10):
                with pytest.raises(ValueError, match=f"not the {length} bytes"):
                    await client.post(server.url, headers={}, body=Body(length, body_of(b"nine ", b"long").chunks))
            assert (await client.get(server.url)).status == 200

    async def test_cancelled_requests_cost_no_place_in_the_pool(self, client: HttpClient) -> None:
        async with serving(keep_open=True) as server:

            async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await anyio.sleep_forever()

            async with raw_server(silent) as port:
                for delay in [0, 0.001, 0.002, 0.005] * 5:
                    with anyio.move_on_after(delay):
                        await client.get(f"http://127.0.0.1:{port}/")
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(client.get, server.url)
        assert len(server.requests) == 8

    async def test_one_request_that_fails_does_not_end_another(self, client: HttpClient) -> None:
        asked, go_on = anyio.Event(), anyio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await go_on.wait()
            writer.write(WHOLE)
            await writer.drain()

        bodies = []

        async def slow(url: str) -> None:
            bodies.append((await client.get(url)).body)

        async with raw_server(serve) as port, serving(b"") as broken, anyio.create_task_group() as group:
            group.start_soon(slow, f"http://127.0.0.1:{port}/")
            await asked.wait()
            with pytest.raises(Unconfirmed):
                await client.get(broken.url)
            go_on.set()
        assert bodies == [WHOLE[-16:]]

    async def test_a_certificate_that_nobody_vouches_for_is_refused(self, client: HttpClient, tmp_path: Path) -> None:
        requests = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            requests.append(await reader.read(1))

        async with raw_server(serve, tls=self_signed(tmp_path)) as port:
            with pytest.raises(AccessDenied, match="certificate is not trusted: self-signed certificate"):
                await client.post(f"https://127.0.0.1:{port}/", headers={"X-Token": "t0ken"}, body=b"1")
        assert requests == []


def test_every_error_of_the_library_has_a_meaning() -> None:
    def walk(kind: type[BaseException]) -> set[type[BaseException]]:
        return {kind}.union(*(walk(child) for child in kind.__subclasses__()))

    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
    known = set().union(*(walk(root) for root in roots))
    public = {kind for kind in vars(httpx).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert public <= known, "an exception outside the roots that are caught"
    assert {kind for kind in known if not kind.__subclasses__()} == set(MEANINGS)


class TestControl:
    async def test_a_request_goes_over_the_unix_socket(self, tmp_path: Path) -> None:
        seen = Server(b"HTTP/1.1 202 OK\r\nContent-Length: 2\r\n\r\n{}", keep_open=True)
        path = tmp_path / "control"
        async with raw_server(seen.serve, path=path), ControlClient.over_socket(path) as control:
            reply = await control.request("POST", "/v1/jobs", json={"job": "offers"}, params={"account": "été & co"})
            assert (reply.status, reply.body) == (202, b"{}")
            await control.request("PUT", "/v1/imports", content=b"sku,stock\n", content_type="text/csv")
        (first, headers, body), (_, csv_headers, csv) = seen.requests
        assert first.startswith("POST /v1/jobs?")
        assert parse_qs(urlsplit(first.split()[1]).query) == {"account": ["été & co"]}
        assert (headers["content-type"], body) == ("application/json", b'{"job":"offers"}')
        assert (csv_headers["content-type"], csv) == ("text/csv", b"sku,stock\n")

    async def test_no_daemon_is_unreachable(self, tmp_path: Path) -> None:
        async with ControlClient.over_socket(tmp_path / "control") as control:
            with pytest.raises(Unreachable, match="control socket"):
                await control.request("GET", "/v1/accounts")

    async def test_a_daemon_that_falls_silent_is_unconfirmed(self, tmp_path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await anyio.sleep_forever()

        path = tmp_path / "control"
        async with raw_server(serve, path=path), ControlClient.over_socket(path) as control:
            with pytest.raises(Unconfirmed):
                await control.request("POST", "/v1/jobs", deadline=0.1)

    async def test_the_app_in_process_is_spoken_to_alike(self) -> None:
        async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
            if scope["path"] == "/broken":
                raise DaemonError("inside the app")
            if scope["path"] == "/silent":
                await anyio.sleep_forever()
            received = b""
            more = True
            while more:
                event = await receive()
                received += event.get("body", b"")
                more = event.get("more_body", False)
            await send(
                {"type": "http.response.start", "status": 404, "headers": [(b"X-Seen", scope["method"].encode())]}
            )
            await send({"type": "http.response.body", "body": received})

        async with ControlClient.over_app(app) as control:
            reply = await control.request("PUT", "/v1/imports", content=body_of(b"a,", b"b").chunks())
            assert (reply.status, reply.headers["x-seen"], reply.body) == (404, "PUT", b"a,b")
            assert (await control.request("GET", "/broken")).status == 500
            with pytest.raises(Unconfirmed):
                await control.request("POST", "/silent", deadline=0.05)
