"""Who answers for a product: what is told, what is missing, and whose address stands beside whose name."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.model import Attribute, Item, Safety, SafetyTerms
from daemon.rules.safety import doubts, of_item

MAKER = Item(
    manufacturer="Exemple SA",
    manufacturer_address="1 rue Basse, 59000 Lille",
    manufacturer_email="contact@maker.example",
    manufacturer_country="FR",
)
ABROAD = replace(
    MAKER,
    manufacturer_country="CN",
    responsible_name="Import SARL",
    responsible_address="2 rue Haute, 59000 Lille",
    responsible_email="safety@import.example",
)
OURS = Safety(
    manufacturer="Exemple SA",
    manufacturer_address="1 rue Basse, 59000 Lille",
    manufacturer_email="contact@maker.example",
    manufacturer_country="FR",
)


def told(item: Item, terms: SafetyTerms | None = SafetyTerms()) -> list[tuple[str, str]]:  # noqa: B008 - frozen
    found = list(doubts(item, terms))
    assert {fault.rule for fault in found} <= {"C9"}
    assert all(fault.fix for fault in found)
    return [(fault.field, fault.text) for fault in found]


@pytest.mark.parametrize("item", [MAKER, ABROAD])
def test_who_says_everything_has_no_warning(item: Item) -> None:  # C9
    assert told(item) == []


def test_what_is_missing_is_told_once_for_the_maker_and_once_for_the_responsible() -> None:  # C9
    nobody = (
        "the maker is not known to be in the EU, and of who is responsible there, the name, postal address and e-mail"
        " address are missing (product safety)"
    )
    assert told(Item(manufacturer="Exemple SA")) == [
        (
            "manufacturer",
            "of the maker, the postal address and e-mail address are missing, which every offer must show (product safety)",
        ),
        ("responsible_name", nobody),
    ]
    assert told(replace(ABROAD, responsible_email=" ")) == [
        (
            "responsible_name",
            "the maker is not in the EU, and of who is responsible there, the e-mail address is missing (product safety)",
        )
    ]


def test_the_accounts_own_stands_in_where_a_listing_names_nobody_else() -> None:  # C9
    terms = SafetyTerms(OURS)
    assert told(Item(), terms) == []
    assert told(Item(manufacturer="Exemple SA"), terms) == []
    assert of_item(Item(), OURS) == OURS
    other = of_item(Item(manufacturer="Autre SA"), OURS)
    assert (other.manufacturer, other.manufacturer_address, other.manufacturer_country) == ("Autre SA", "", "")
    assert [field for field, _ in told(Item(manufacturer="Autre SA"), terms)] == ["manufacturer", "responsible_name"]
    person = Safety(responsible_name="Import SARL", responsible_email="safety@import.example")
    assert of_item(Item(responsible_name="Autre"), person).responsible_email == ""


def test_what_stands_in_its_attribute_counts_as_said() -> None:  # C9
    item = replace(MAKER, manufacturer_email="", attributes=(Attribute("A9001", "V1", "contact@maker.example"),))
    assert told(item, SafetyTerms(codes={"manufacturer_email": "A9001"})) == []
    assert len(told(item, SafetyTerms(codes={"manufacturer_email": "A9002"}))) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"manufacturer_email": "maker.example"}, "manufacturer_email"),
        ({"responsible_email": "a@b"}, "responsible_email"),
        ({"manufacturer_country": "China"}, "manufacturer_country"),
        (
            {
                "safety_warnings": "Warning: this toy is not suitable for children under the age of three years because of"
                " small parts which may be swallowed"
            },
            "safety_warnings",
        ),
    ],
)
def test_what_is_malformed_or_not_french_is_told(change: dict[str, Any], field: str) -> None:  # C9
    assert [name for name, _ in told(replace(ABROAD, **change))] == [field]


def test_nobody_asks_where_the_check_is_off() -> None:  # C9
    assert told(Item(), None) == []
