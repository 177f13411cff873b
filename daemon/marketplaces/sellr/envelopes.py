"""SOAP envelopes and multipart bodies as Sell-R frames them, and what its replies say of success (Sell-R A2, A3)."""

import binascii
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from hashlib import sha256

from daemon.errors import Unreadable
from daemon.marketplaces import Spool
from daemon.marketplaces.sellr import xmlread

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

# Base64 lines are 76 characters of 57 bytes; many lines are made at once, because one by one costs ten times as much.
_LINE_BYTES, _LINE = 57, 76
_BLOCK = _LINE_BYTES * 1024


def envelope(namespace: str, body: str) -> bytes:
    """A whole SOAP document round `body`, which is XML already."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap:Envelope xmlns:soap="{namespace}"><soap:Header/><soap:Body>{body}</soap:Body></soap:Envelope>'
    ).encode()


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/related body of an envelope and one streamed file; `length` is exact before a byte is read."""

    content_type: str
    length: int
    chunks: Callable[[], AsyncIterator[bytes]]


def with_base64_file(name: str, root: bytes, spool: Spool) -> Multipart:
    """SOAP 1.1 with its file in base64 as the part `<attachment>`, the way of the items service (A3)."""
    boundary = _boundary(name)
    before = _part(boundary, "text/xml; charset=UTF-8", "binary", "<main_envelope>") + root + b"\r\n"
    before += _part(boundary, "application/octet-stream", "base64", "<attachment>")
    after = f"--{boundary}--\r\n".encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield before
        rest = b""
        async for chunk in spool.chunks():
            rest += chunk
            whole = len(rest) - len(rest) % _LINE_BYTES
            for start in range(0, whole, _BLOCK):
                yield _base64_lines(rest[start : min(start + _BLOCK, whole)])
            rest = rest[whole:]
        if rest:
            yield _base64_lines(rest)
        yield after

    return Multipart(
        content_type=f'multipart/related; type="text/xml"; start="<main_envelope>"; boundary="{boundary}"',
        length=len(before) + _base64_length(spool.length) + len(after),
        chunks=chunks,
    )


def with_plain_file(name: str, action: str, root: bytes, spool: Spool) -> Multipart:
    """SOAP 1.2 with its file as it is, named by Content-Disposition, the way of file injection (A3)."""
    boundary = _boundary(name)
    root_type = f'application/soap+xml; charset=UTF-8; action="{action}"'
    before = _part(boundary, root_type, "binary", "<main_envelope>") + root + b"\r\n"
    disposition = f'Content-Disposition: attachment; name="{name}"; filename="{name}"\r\n'
    before += _part(boundary, "text/xml; charset=UTF-8", "binary", f"<{name}>", disposition)
    after = f"\r\n--{boundary}--\r\n".encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield before
        async for chunk in spool.chunks():
            yield chunk
        yield after

    return Multipart(
        content_type=(
            'multipart/related; type="application/soap+xml"; start="<main_envelope>"; '
            f'action="{action}"; boundary="{boundary}"'
        ),
        length=len(before) + spool.length + len(after),
        chunks=chunks,
    )


def _boundary(name: str) -> str:
    # Made from a name that is never used twice: the same feed is framed the same way each time.
    return f"=_sellerd_{sha256(name.encode()).hexdigest()[:32]}"


def _part(boundary: str, content_type: str, encoding: str, content_id: str, more: str = "") -> bytes:
    return (
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"
        f"Content-ID: {content_id}\r\n{more}\r\n"
    ).encode()


def _base64_lines(data: bytes) -> bytes:
    text = binascii.b2a_base64(data, newline=False)
    return b"".join(text[start : start + _LINE] + b"\r\n" for start in range(0, len(text), _LINE))


def _base64_length(length: int) -> int:
    characters = 4 * -(-length // 3)
    return characters + 2 * -(-characters // _LINE)


def root_part(content_type: str, body: bytes) -> bytes:
    """The document of a reply: the body itself, or the root of a multipart one. Raises Unreadable."""
    if not content_type.lower().startswith("multipart/"):
        return body
    header = b"Content-Type: " + content_type.encode("ascii", "replace") + b"\r\n\r\n"
    message = message_from_bytes(header + body, policy=policy.HTTP)
    parts = [part for part in message.walk() if not part.is_multipart()]
    start = message.get_param("start")
    root = next((part for part in parts if part.get("Content-ID") == start), parts[0] if parts else None)
    content = root.get_payload(decode=True) if root is not None else None
    if not isinstance(content, bytes) or not message.is_multipart():
        raise Unreadable("line 1: a multipart reply without parts")
    return content


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the marketplace says no, in its own words."""

    text: str
    code: str = ""


def fault(document: xmlread.Node) -> Fault | None:
    """The refusal that a reply holds: an InjectFault, a SOAP fault, or `processWithSuccess` false (A3, A6)."""
    for name in ("InjectFault", "Fault"):
        found = document.find(name)
        if found is not None:
            return _fault(found)
    success = document.find("processWithSuccess")
    if success is not None and success.text.lower() not in {"true", "1"}:
        error = document.find("Error")
        return _fault(success if error is None else error)
    return None


# The structure of InjectFault is not public (A9, 4): the first of these that is there is the code, the others are text.
_CODES = frozenset({"code", "errorcode", "faultcode", "faultid", "value"})
# They tell one message from another, and say nothing to a person.
_NOISE = frozenset({"trcts", "msgid"})


def _fault(node: xmlread.Node) -> Fault:
    code, texts = "", []
    for element in node.every():
        if not element.text or element.name.lower() in _NOISE:
            continue
        if not code and element.name.lower() in _CODES:
            code = element.text
        elif element.text not in texts:
            texts.append(element.text)
    told = " · ".join(texts) or f"{node.name} without a text"
    return Fault(told, code)


def element_text(document: xmlread.Node, name: str) -> str:
    """The text of the first element of that name, empty where there is none."""
    found = document.find(name)
    return found.text if found is not None else ""
