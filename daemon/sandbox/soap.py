"""SOAP 1.1 and 1.2 envelopes, with or without one attachment, read strictly and written (Sell-R A2, A3)."""

import email
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from xml.etree.ElementTree import Element, SubElement, tostring

from daemon.sandbox.strict import Mistake, Node, parse

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
MEDIA_TYPES: Mapping[str, str] = {SOAP_11: "text/xml", SOAP_12: "application/soap+xml"}
_MAIN = "<main_envelope>"


@dataclass(frozen=True, slots=True)
class Attachment:
    """The second part of a message: its headers as they matter here, and its bytes with the encoding undone."""

    content_id: str
    media_type: str
    charset: str
    encoding: str
    file_name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One request: the children of the Body, the action that it names, and the attachment that came with it."""

    body: tuple[Element, ...]
    action: str
    attachment: Attachment | None


def read_message(headers: Mapping[str, str], content: bytes, version: str) -> Message:
    """Read one request whose root part speaks SOAP `version` (a namespace of this module). Raises Mistake."""
    head = f"Content-Type: {headers.get('content-type', '')}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1")
    message = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    root: EmailMessage = message
    attachment = None
    if message.is_multipart():
        root, attachment = _parts(message, version)
    if root.get_content_type() != MEDIA_TYPES[version]:
        raise Mistake(f"the envelope is {root.get_content_type()}; {MEDIA_TYPES[version]} is expected")
    if (_parameter(root, "charset") or "utf-8").lower() != "utf-8":
        raise Mistake("the envelope's charset must be UTF-8")
    envelope = _content(root) if root is not message else content
    return Message(_body(envelope, version), _action(headers, root), attachment)


def _parts(message: EmailMessage, version: str) -> tuple[EmailMessage, Attachment]:
    """Give the root part and the attachment of multipart/related (RFC 2387)."""
    if message.get_content_type() != "multipart/related":
        raise Mistake(f"{message.get_content_type()} is not multipart/related")
    if message.defects:
        raise Mistake(f"multipart: {message.defects[0]}")
    if _parameter(message, "type") != MEDIA_TYPES[version]:
        raise Mistake(f'multipart/related needs type="{MEDIA_TYPES[version]}"')
    if _parameter(message, "start") != _MAIN:
        raise Mistake(f'multipart/related needs start="{_MAIN}"')
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    if len(parts) != 2:
        raise Mistake(f"{len(parts)} parts; an envelope and one attachment are expected")
    root, attached = parts
    if root["Content-ID"] != _MAIN:
        raise Mistake(f"the first part must have Content-ID {_MAIN}")
    names = {name for name in (attached.get_filename(), _disposition(attached, "name")) if name}
    if len(names) > 1:
        raise Mistake("the attachment has two names")
    return root, Attachment(
        content_id=str(attached["Content-ID"] or ""),
        media_type=attached.get_content_type(),
        charset=_parameter(attached, "charset").lower(),
        encoding=str(attached["Content-Transfer-Encoding"] or "binary").lower(),
        file_name=names.pop() if names else "",
        content=_content(attached),
    )


def _content(part: EmailMessage) -> bytes:
    """Undo the transfer encoding; the parser notes bad base64 as a defect."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes) or part.defects:
        raise Mistake(f"a part cannot be decoded: {part.defects[0] if part.defects else 'it has parts itself'}")
    return content


def _parameter(part: EmailMessage, name: str) -> str:
    return str(part.get_param(name) or "")


def _disposition(part: EmailMessage, name: str) -> str:
    return str(part.get_param(name, header="content-disposition") or "")


def _action(headers: Mapping[str, str], root: EmailMessage) -> str:
    """Give the action that SOAPAction (1.1) or the media type's parameter (1.2) names; both must agree."""
    actions = {name for name in (headers.get("soapaction", "").strip('"'), _parameter(root, "action")) if name}
    if len(actions) != 1:
        raise Mistake("two actions are named" if actions else "no action is named")
    return actions.pop()


def _body(content: bytes, version: str) -> tuple[Element, ...]:
    element = parse(content)
    if element.tag != f"{{{version}}}Envelope":
        raise Mistake(f"the root is {element.tag}; Envelope in {version} is expected")
    with Node(element, version) as envelope:
        if envelope.has_next("Header"):
            envelope.next("Header")
        envelope.next("Body")
    return tuple(element.find(f"{{{version}}}Body") or ())


def write_envelope(version: str, *payload: Element) -> bytes:
    """Write an envelope around the payload."""
    envelope = Element(f"{{{version}}}Envelope")
    SubElement(envelope, f"{{{version}}}Body").extend(payload)
    content: bytes = tostring(envelope, encoding="utf-8", xml_declaration=True)
    return content


def write_fault(version: str, text: str, *, sender: bool = True, detail: Element | None = None) -> bytes:
    """Write a SOAP fault of this version; `sender` says that the mistake is the client's."""
    fault = Element(f"{{{version}}}Fault")
    if version == SOAP_11:
        code = SubElement(fault, "faultcode", {"xmlns:soap": version})
        code.text = "soap:Client" if sender else "soap:Server"
        SubElement(fault, "faultstring").text = text
        return write_envelope(version, fault)
    code = SubElement(fault, f"{{{version}}}Code")
    value = SubElement(code, f"{{{version}}}Value", {"xmlns:soap": version})
    value.text = "soap:Sender" if sender else "soap:Receiver"
    reason = SubElement(fault, f"{{{version}}}Reason")
    SubElement(reason, f"{{{version}}}Text", {"{http://www.w3.org/XML/1998/namespace}lang": "en"}).text = text
    if detail is not None:
        SubElement(fault, f"{{{version}}}Detail").append(detail)
    return write_envelope(version, fault)
