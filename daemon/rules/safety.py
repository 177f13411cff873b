"""Who answers for a product, as every online offer in the EU must show (GPSR, Regulation (EU) 2023/988; C9).

The maker's name, postal address and e-mail address; the same of a person in the EU who is responsible, where the maker
is not in it; warnings in the buyer's language where there are any. What is missing is a warning: the marketplace may
know it from elsewhere.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from daemon.model import Item, ListingFault, Safety, SafetyTerms
from daemon.rules import french

_EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - as they are said
)
_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_MAKER = {
    "manufacturer": "name",
    "manufacturer_address": "postal address",
    "manufacturer_email": "e-mail address",
}
_RESPONSIBLE = {
    "responsible_name": "name",
    "responsible_address": "postal address",
    "responsible_email": "e-mail address",
}
#: every field, by its name in an item
FIELDS = tuple(field.name for field in fields(Safety))


def of_item(item: Item, defaults: Safety) -> Safety:
    """What is told of a listing: its own, and the account's where the listing speaks of nobody else.

    An address of the account's maker is never put beside the name of another.
    """
    own = Safety(**{name: getattr(item, name) for name in FIELDS})
    found = {"safety_warnings": own.safety_warnings or defaults.safety_warnings}
    for who in (("manufacturer_country", *_MAKER), tuple(_RESPONSIBLE)):
        name = "manufacturer" if "manufacturer" in who else "responsible_name"
        if getattr(own, name) in ("", getattr(defaults, name)):
            found |= {each: getattr(own, each) or getattr(defaults, each) for each in who}
    return replace(own, **found)


def doubts(item: Item, terms: SafetyTerms | None) -> Iterator[ListingFault]:
    """What an offer must show and the listing does not say, in one warning for the maker and one for the responsible.

    What stands in the attribute that is configured for it counts as said. None as terms: nothing is checked.
    """
    if terms is None:
        return
    here = {attribute.code for attribute in item.attributes}
    said = of_item(item, terms.defaults)
    known = {name for name in FIELDS if getattr(said, name).strip() or terms.codes.get(name) in here}
    if missing := _missing(_MAKER, known):
        text = f"of the maker, the {missing} missing, which every offer must show (product safety)"
        yield _fault(
            "manufacturer", text, f"write it in {_columns(_MAKER, known)}, or for all listings in items.safety"
        )
    if said.manufacturer_country not in _EU and (missing := _missing(_RESPONSIBLE, known)):
        where = "is not in the EU" if said.manufacturer_country else "is not known to be in the EU"
        text = f"the maker {where}, and of who is responsible there, the {missing} missing (product safety)"
        fix = f"write it in {_columns(_RESPONSIBLE, known)}, or the maker's country in manufacturer_country"
        yield _fault("responsible_name", text, fix)
    yield from _malformed(said)
    if doubt := french.doubt(said.safety_warnings):
        yield _fault("safety_warnings", f"the safety warnings may not be French: {doubt}", "have them translated")


def _malformed(said: Safety) -> Iterator[ListingFault]:
    for name in ("manufacturer_email", "responsible_email"):
        if (email := getattr(said, name).strip()) and not _EMAIL.fullmatch(email):
            yield _fault(name, f"{email!r} is no e-mail address", "write it like contact@maker.example")
    if said.manufacturer_country and not _COUNTRY.fullmatch(said.manufacturer_country):
        text = f"{said.manufacturer_country!r} is no country in two capital letters"
        yield _fault("manufacturer_country", text, "write it like FR or CN")


def _missing(words: Mapping[str, str], known: set[str]) -> str:
    """What nobody says, with the verb; empty when all is said."""
    unsaid = [word for name, word in words.items() if name not in known]
    before = ", ".join(unsaid[:-1])
    return f"{before} and {unsaid[-1]} are" if before else f"{unsaid[0]} is" if unsaid else ""


def _columns(words: Mapping[str, str], known: set[str]) -> str:
    return ", ".join(name for name in words if name not in known)


def _fault(field: str, text: str, fix: str) -> ListingFault:
    return ListingFault(field, "C9", text, fix)
