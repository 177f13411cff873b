"""Requests to addresses that people give, webhooks, pings and pictures: no redirects, no way into our network.

The name is resolved once, every address that it has is judged, and exactly one of those is connected to, so that a
name server cannot answer the judgement with one address and the connection with another.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import anyio

from daemon.errors import AccessDenied, Unreachable
from daemon.transports.addresses import address_fault, is_public
from daemon.transports.http import HttpClient, HttpTimeouts, Reply
from daemon.transports.tls import trusting

_TIMEOUTS = HttpTimeouts(connect=10, read=20, write=20, pool=5)
_LIMIT = 64 << 10
_PORTS = {"https": 443, "http": 80}


class Outward:
    """A client for addresses that people configure; `private` lets it into our own network, by http too.

    `anybody` is for what anybody may read, pictures say: by http on the public internet too.
    `authority` is a PEM file of the certificates to trust instead of the system's; raises what `trusting` does.
    """

    def __init__(self, *, private: bool = False, anybody: bool = False, authority: Path | None = None) -> None:
        self._private = private
        self._anybody = anybody
        self._tls = trusting(authority)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float = 30) -> Reply:
        """Send `body`; the reply whatever its status but for 401, 403, 407 and redirects. Errors as `HttpClient.post`.

        AccessDenied also where the address is not one that may be asked. `deadline` is in seconds for each address.
        """
        return await self._each(
            url, lambda client, at: client.post(url, headers=headers, body=body, deadline=deadline, limit=_LIMIT, at=at)
        )

    async def get(self, url: str, *, deadline: float = 30) -> Reply:
        """Ask for `url`; units and errors are those of `post`."""
        return await self._each(url, lambda client, at: client.get(url, deadline=deadline, limit=_LIMIT, at=at))

    async def head_of(self, url: str, limit: int, *, deadline: float = 30) -> Reply:
        """Ask for the first `limit` bytes of what lies at `url`; more are not read, whatever comes. Errors as `get`."""
        wanted = {"range": f"bytes=0-{limit - 1}"}
        return await self._each(
            url,
            lambda client, at: client.get(url, headers=wanted, deadline=deadline, limit=limit, at=at, cut=True),
        )

    async def _each(self, url: str, ask: Callable[[HttpClient, str], Awaitable[Reply]]) -> Reply:
        """Ask at one address after the other until one is reached."""
        *others, last = await self._addresses(url)
        for address in others:
            with suppress(Unreachable):
                return await self._once(ask, address)
        return await self._once(ask, last)

    async def _once(self, ask: Callable[[HttpClient, str], Awaitable[Reply]], address: str) -> Reply:
        # A client of its own: an open connection is found again by its address, and would skip the check of the name.
        async with HttpClient(timeouts=_TIMEOUTS, tls=self._tls) as client:
            return await ask(client, address)

    async def _addresses(self, url: str) -> Sequence[str]:
        """The addresses of the host, all of them allowed; raises Unreachable and AccessDenied."""
        if fault := address_fault(url, private=self._private or self._anybody):
            raise AccessDenied(f"the address {fault}")
        parts = urlsplit(url)
        host = str(parts.hostname)
        found = await _resolve(host, parts)
        inside = [address for address in found if not is_public(address)]
        if inside and not self._private:
            hint = "" if self._anybody else "; allow_private = true lets it be asked"
            raise AccessDenied(f"{host} is {inside[0]}, which is not on the public internet{hint}")
        if parts.scheme == "http" and len(inside) != len(found) and not self._anybody:
            raise AccessDenied(f"{host} is on the public internet, where only https:// is used")
        return found


async def _resolve(host: str, parts: SplitResult) -> list[str]:
    port = parts.port or _PORTS[parts.scheme]
    try:
        with anyio.fail_after(10):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"{host}: the name cannot be resolved") from None
    except TimeoutError:
        raise Unreachable(f"{host}: the name server did not answer within 10 s") from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))
