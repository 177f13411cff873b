"""Is a server there, and who does it say that it is? Looked up, connected to, greeted; nobody logs in."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute

from daemon.errors import AccessDenied, Unreachable
from daemon.transports.tls import trusting

_PORTS = {"https": 443, "http": 80}
_DEADLINE = 15.0


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server said: at which addresses it is, by which version of TLS (none for plain HTTP), until when valid."""

    addresses: tuple[str, ...]
    version: str = ""
    valid_until: datetime | None = None


async def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a server by name; raises Unreachable when nobody knows it."""
    try:
        with anyio.fail_after(_DEADLINE):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise Unreachable(f"{host}: its address was not told within {_DEADLINE:g} s") from None
    except OSError as error:
        raise Unreachable(f"{host}: its address is not known: {error.strerror or error}") from error
    return tuple(dict.fromkeys(str(address[4][0]) for address in found))


async def greet(url: str, authority: Path | None = None) -> Greeting:
    """Connect to the server of a URL and shake hands; raises Unreachable, and AccessDenied for a wrong certificate.

    `authority` is as in `daemon.transports.tls.trusting`.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    addresses = await addresses_of(host, port)
    try:
        with anyio.fail_after(_DEADLINE):
            if parts.scheme != "https":
                await (await anyio.connect_tcp(host, port)).aclose()
                return Greeting(addresses)
            return await _shake_hands(host, port, addresses, trusting(authority))
    except TimeoutError:
        raise Unreachable(f"{host}:{port}: did not answer within {_DEADLINE:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise AccessDenied(f"{host}:{port}: its certificate is not trusted: {error.verify_message}") from error
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        raise Unreachable(f"{host}:{port}: no connection: {error}") from error


async def _shake_hands(host: str, port: int, addresses: tuple[str, ...], context: ssl.SSLContext) -> Greeting:
    async with await anyio.connect_tcp(
        host, port, tls=True, ssl_context=context, tls_standard_compatible=False
    ) as stream:
        certificate = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - not a query
        version = stream.extra(TLSAttribute.tls_version)  # noqa: S610 - not a query
    ends = str(certificate.get("notAfter", "")) if certificate else ""
    valid_until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None
    return Greeting(addresses, str(version), valid_until)
