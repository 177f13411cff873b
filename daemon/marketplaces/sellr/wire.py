"""How Sell-R writes things: XML text, amounts and instants, the same in every message."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from xml.sax.saxutils import escape

from daemon.model import Money

# Not allowed in XML 1.0, escaped or not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """The text without the characters that no XML can carry: control characters and lone surrogates say nothing."""
    return _FORBIDDEN.sub("", text)


def content(text: str) -> str:
    """As the content of an element; a carriage return survives reading."""
    return escape(clean(text), {"\r": "&#13;"})


def attribute(text: str) -> str:
    """As the value of an attribute, between double quotes; tabs and line ends survive reading."""
    return escape(clean(text), {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def cdata(text: str) -> str:
    """As a CDATA section; `]]>` in the text is split over two of them."""
    return f"<![CDATA[{clean(text).replace(']]>', ']]]]><![CDATA[>')}]]>"


def amount(money: Money) -> str:
    """With a dot and two decimals: 1990 cents are `19.90`."""
    return f"{money.minor // 100}.{money.minor % 100:02d}"


def fraction(rate: Decimal) -> str:
    """With a dot and two decimals at least: 5.5 % is `0.055`, 20 % `0.20`."""
    shortest, two = f"{rate.normalize():f}", f"{rate:.2f}"
    return max(shortest, two, key=len)


def utc(at: datetime) -> datetime:
    """The same instant told in UTC."""
    return at.astimezone(UTC)
