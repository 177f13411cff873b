"""The one door to HTTP: requests to a marketplace's API, and the command line's requests to the running daemon."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

import anyio
import httpx

from daemon.errors import AccessDenied, Refused, TransportError, Unconfirmed, Unreachable, Unreadable
from daemon.transports.body import Body
from daemon.transports.calls import counted
from daemon.transports.tls import trusting

__all__ = ["Body", "ControlClient", "HttpClient", "HttpTimeouts", "Reply"]

MIB = 1 << 20

# What each of the library's errors says about a request that has begun to leave; before that nothing was delivered.
# Kept complete by a test that walks the library's exceptions.
MEANINGS: Mapping[type[Exception], type[TransportError]] = {
    httpx.ConnectError: Unreachable,
    httpx.ConnectTimeout: Unreachable,
    httpx.PoolTimeout: Unreachable,
    httpx.ProxyError: Unreachable,
    httpx.UnsupportedProtocol: Unreachable,
    httpx.InvalidURL: Unreachable,
    httpx.ReadError: Unconfirmed,
    httpx.ReadTimeout: Unconfirmed,
    httpx.WriteError: Unconfirmed,
    httpx.WriteTimeout: Unconfirmed,
    httpx.CloseError: Unconfirmed,
    httpx.LocalProtocolError: Unconfirmed,
    httpx.RemoteProtocolError: Unconfirmed,
    httpx.DecodingError: Unconfirmed,
    httpx.TooManyRedirects: Unconfirmed,
    httpx.HTTPStatusError: Unconfirmed,
    httpx.CookieConflict: Unconfirmed,
    httpx.StreamConsumed: Unconfirmed,
    httpx.StreamClosed: Unconfirmed,
    httpx.ResponseNotRead: Unconfirmed,
    httpx.RequestNotRead: Unconfirmed,
}
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)

# Reused within a burst of requests only: a server that closes an idle connection just as we write to it would make
# a request that never arrived Unconfirmed.
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=2.0)


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Seconds of silence allowed at each step; the deadline of a request bounds them all together."""

    connect: float = 15
    read: float = 60
    write: float = 60
    pool: float = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: its status, its headers by lower-case name, and the bytes of its body as they came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """One account's way to an HTTP service: no redirects, no proxies, no retries, no cookies, TLS always checked.

    After a request that failed or was cancelled the library may have lost a place in its connection pool for good, and
    after a reply without a length it keeps a connection that has ended, so its client is retired: new requests get a
    new one, and the old one is closed when its last request ends.
    """

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        timeouts: HttpTimeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` is for a server whose certificate no root of the system vouches for; see `transports/tls.py`."""
        self._tls = tls
        self._auth = httpx.BasicAuth(user, password) if user else None
        self._timeouts = timeouts or HttpTimeouts()
        self._pool: _Pool | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Body,
        deadline: float = 300,
        limit: int = 64 * MIB,
        at: str = "",
    ) -> Reply:
        """Send `body` and return the reply, whatever its status but for the ones below.

        `at` is the IP address to connect to where the host of `url` was resolved already; the certificate is checked
        for the host of `url` all the same.
        `deadline` is in seconds for the whole exchange, `limit` in bytes of the reply's body. Raises Unreachable
        where nothing can have been delivered; Unconfirmed where the request may have left and no whole reply came;
        AccessDenied for a certificate that is not trusted and the statuses 401, 403 and 407; Refused for a redirect;
        Unreadable for a reply over the limit. What `body.chunks()` raises comes out as it is, and a wrong length of it
        is a ValueError.
        """
        return await self._request("POST", url, headers=headers, body=body, deadline=deadline, limit=limit, at=at)

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: float = 300,
        limit: int = 64 * MIB,
        at: str = "",
        cut: bool = False,
    ) -> Reply:
        """Ask for `url`; units and errors are those of `post`, but where `cut` the body ends at the limit instead."""
        return await self._request(
            "GET", url, headers=headers or {}, body=b"", deadline=deadline, limit=limit, at=at, cut=cut
        )

    async def aclose(self) -> None:
        """Close what is idle now, and what is in use when its requests end. The client may be used again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.retire()

    async def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Body,
        deadline: float,
        limit: int,
        at: str,
        cut: bool = False,
    ) -> Reply:
        where = _host_of(url)
        if self._pool is None:
            self._pool = _Pool(self._new_client())
        pool = self._pool
        pool.requests += 1
        sound = False
        content = body.read() if isinstance(body, Body) else body
        lengths = {"content-length": str(body.length)} if isinstance(body, Body) else {}
        try:
            try:
                request = pool.client.build_request(method, url, headers={**headers, **lengths}, content=content)
                if at:
                    request.extensions = {"sni_hostname": request.url.host}
                    request.url = request.url.copy_with(host=at)
            except httpx.InvalidURL:
                raise Unreachable(f"{where}: the address is not a valid URL") from None
            journey = _Journey()
            with counted("http"):
                reply = await _exchange(
                    pool.client, request, journey, where, deadline=deadline, limit=limit, judge=_judge, cut=cut
                )
            # A reply without a length ends with its connection, which the library takes for one that can be used again:
            # by TLS a farewell comes before the end of the line, and the next request would be said to nobody.
            sound = bool({"content-length", "transfer-encoding"} & reply.headers.keys())
        finally:
            pool.requests -= 1
            if not sound and self._pool is pool:
                self._pool = None
            if not sound or pool.retired:
                await pool.retire()
            if not isinstance(content, bytes):
                await content.aclose()
        return reply

    def _new_client(self) -> httpx.AsyncClient:
        timeouts = self._timeouts
        return httpx.AsyncClient(
            auth=self._auth,
            headers={"accept-encoding": "identity", "user-agent": "sellerd"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            verify=self._tls or trusting(),
            trust_env=False,
            follow_redirects=False,
            limits=_LIMITS,
            timeout=httpx.Timeout(
                connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
            ),
        )


class ControlClient:
    """The command line's way to the REST interface of the daemon, over its Unix socket or to the app in process."""

    def __init__(self, transport: httpx.AsyncBaseTransport, where: str, *, in_process: bool) -> None:
        self._where = where
        self._in_process = in_process
        self._client = httpx.AsyncClient(
            transport=transport,
            base_url="http://sellerd",
            trust_env=False,
            timeout=httpx.Timeout(connect=5, read=None, write=60, pool=5),
        )

    @classmethod
    def over_socket(cls, path: str | Path) -> Self:
        """Talk to the daemon that listens on the Unix socket `path`."""
        return cls(httpx.AsyncHTTPTransport(uds=str(path)), f"the daemon's control socket {path}", in_process=False)

    @classmethod
    def over_app(cls, app: Any) -> Self:
        """Talk to the ASGI application `app` in this process; an error inside it is a reply with status 500."""
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return cls(transport, "the daemon in this process", in_process=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = 600,
        limit: int = 256 * MIB,
    ) -> Reply:
        """Send one request and return the reply, whatever its status.

        `json` and `content` exclude each other; `content_type` belongs to `content`. `deadline` is in seconds,
        `limit` in bytes of the reply's body. Raises Unreachable when no daemon listens, Unconfirmed when it fell
        silent after the request had left, Unreadable for a reply over the limit.
        """
        typed = {} if content is None else {"content-type": content_type}
        request = self._client.build_request(
            *(method, path),
            json=json,
            content=content,
            headers={**typed, **(headers or {})},
            params=dict(params) if params else None,
        )
        journey = _Journey(left=self._in_process)
        return await _exchange(self._client, request, journey, self._where, deadline=deadline, limit=limit)

    async def aclose(self) -> None:
        """Close the connection."""
        await _close(self._client)


class _Pool:
    """The library's client with a count of the requests that it is carrying."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.requests = 0
        self.retired = False

    async def retire(self) -> None:
        """Take no more requests; close once the last one has ended."""
        self.retired = True
        if self.requests == 0:
            await _close(self.client)


class _Journey:
    """How far a request has come, told by the library's own trace of its steps."""

    def __init__(self, *, left: bool = False) -> None:
        self.left = left
        self._line: Any = None

    async def __call__(self, step: str, details: Mapping[str, Any]) -> None:
        if step == "connection.connect_tcp.complete":
            self._line = details["return_value"]
        elif step.endswith("send_request_headers.started"):
            self.left = True

    async def abandon(self) -> None:
        """Close the line of a request that never left: cancelled in a TLS handshake, the library leaves it open."""
        if self._line is not None and not self.left:
            with anyio.move_on_after(2, shield=True):
                await self._line.aclose()


async def _exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    journey: _Journey,
    where: str,
    *,
    deadline: float,
    limit: int,
    judge: Callable[[httpx.Response, str], None] | None = None,
    cut: bool = False,
) -> Reply:
    """Send `request` and receive the whole reply; `judge` may turn it down by its head, before its body is read.

    Where `cut`, a reply that is longer than `limit` ends there.
    """
    request.extensions = {**request.extensions, "trace": journey}
    with anyio.move_on_after(deadline):
        try:
            response = await client.send(request, stream=True)
            try:
                if judge is not None:
                    judge(response, where)
                body = await _receive(response, where, limit, cut=cut)
                return Reply(response.status_code, dict(response.headers), body)
            finally:
                await response.aclose()
        except _FAILURES as error:
            _raise_named(error, where, left=journey.left)
        finally:
            await journey.abandon()
    if journey.left:
        raise Unconfirmed(f"{where}: no whole reply within {deadline:g} s; the request may have arrived")
    raise Unreachable(f"{where}: no connection within {deadline:g} s")


def _judge(response: httpx.Response, where: str) -> None:
    status = response.status_code
    if status in (401, 403, 407):
        raise AccessDenied(f"{where}: access was refused with status {status}")
    if 300 <= status < 400:
        raise Refused(f"{where}: answered with a redirect to another address, which is not followed", code=str(status))


async def _receive(response: httpx.Response, where: str, limit: int, *, cut: bool) -> bytes:
    received = bytearray()
    # Raw, so that a reply that was compressed unasked cannot swell in our memory.
    async for chunk in response.aiter_raw():
        received += chunk
        if cut and len(received) >= limit:
            return bytes(received[:limit])
        if len(received) > limit:
            raise Unreadable(f"{where}: the reply is longer than the {limit} bytes that are read")
    return bytes(received)


def _raise_named(error: Exception, where: str, *, left: bool) -> NoReturn:
    """Raise what `error` means. The library's texts may quote headers, so only those of connecting are passed on."""
    distrust = _certificate_failure(error)
    if distrust is not None:
        raise AccessDenied(f"{where}: the server's certificate is not trusted: {distrust.verify_message}") from error
    meaning = MEANINGS.get(type(error), Unconfirmed) if left else Unreachable
    if meaning is Unconfirmed:
        text = f"{where}: {type(error).__name__} after the request had begun to leave; it may have arrived"
        raise Unconfirmed(text) from None
    detail = f": {error}" if isinstance(error, httpx.ConnectError) and str(error) else ""
    raise meaning(f"{where}: not reached, {type(error).__name__}{detail}") from None


def _certificate_failure(error: BaseException) -> ssl.SSLCertVerificationError | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _host_of(url: str) -> str:
    """Name the host and port of `url`, never its user, path or query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "the server"
    if not host:
        return "the server"
    return f"{host}:{port}" if port else host


async def _close(client: httpx.AsyncClient) -> None:
    # Also on the way out of a cancelled request; closing asks nothing of the far side, the bound is for the unforeseen.
    with anyio.move_on_after(2, shield=True):
        await client.aclose()
