"""Looks at La Redoute that change nothing there: is the login right, does each side answer? (guide L, account; A3)."""

from daemon.errors import Refused, Unreadable
from daemon.marketplaces.sellr import xmlread
from daemon.marketplaces.sellr.envelopes import SOAP_12, element_text, envelope, fault

VERSION_NAMESPACE = "http://Redcats/File/ESB-TIBCO/File/1.0/GetVersion/1.0"
VERSION = "GetVersion_1.0"


def version_request() -> bytes:
    """Ask the injection service for its version; the element may hold anything, so it holds nothing."""
    return envelope(SOAP_12, f'<ns:GetVersionRequest_1.0 xmlns:ns="{VERSION_NAMESPACE}"/>')


def read_version(document: xmlread.Node) -> str:
    """The version that the service tells; raises Refused for a fault, Unreadable where there is none."""
    told = fault(document)
    if told is not None:
        raise Refused(told.text, told.code)
    version = element_text(document, "version")
    if not version:
        raise Unreadable(f"line {document.line}: no version in the reply")
    return version
