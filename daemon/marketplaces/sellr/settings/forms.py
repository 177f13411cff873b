"""The forms in which single values of a Sell-R account are written; what is wrong is said with its fix (D3)."""

import codecs
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field


def _known_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        codecs.getincrementaldecoder(name)
    except LookupError:
        raise ValueError('no such encoding; use for example "utf-8-sig", "cp1252" or "iso-8859-15"') from None
    return known.name


def _element_name(text: str) -> str:
    if text and not (text.replace("-", "").replace("_", "").isalnum() and (text[0].isalpha() or text[0] == "_")):
        raise ValueError('an XML element name such as "trackingNumber"; empty leaves the element out')
    return text


def _decimal_text(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f'write it as a text, so that no digit changes: "{value}"')  # noqa: TRY004 - pydantic wants it
    return value


def _percentage_text(value: object) -> object:
    """A percentage written as a number is as good as a text: it has two decimals at most."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


Percentage = Annotated[str, BeforeValidator(_percentage_text), Field(pattern=r"^(\d{1,2}(\.\d{1,2})?)?$")]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
ElementName = Annotated[str, AfterValidator(_element_name)]
DecimalText = Annotated[str, BeforeValidator(_decimal_text), Field(pattern=r"^\d{1,7}(\.\d{1,4})?$")]
