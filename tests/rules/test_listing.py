"""What makes a listing worth a feed, what is doubtful in it, and what can never change."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Attribute, Item, ItemLimits, ListingFault, Photo, Sku
from daemon.rules.listing import (
    Category,
    Reference,
    check_digit,
    ean_fault,
    faults,
    immutable_changes,
    is_absolute_url,
    judge,
    part_number_fault,
    warnings,
)

LAMP = Sku("LAMP-1")
RED = Attribute("A0485", "V0001", "Rouge", declinable=True)
WHOLE = Item(
    ean="3701234567891",
    category="S001",
    product_id="LAMP",
    master_sku="LAMP-1",
    title="Lampe à poser",
    description="<p>Une lampe.</p>",
    brand="B1234",
    catalogue_id="C1",
    photos=(Photo("https://pictures.example.test/lamp-1.jpg", 1), Photo("https://pictures.example.test/lamp-2.jpg", 2)),
    attributes=(RED, Attribute("A0100", "V0002", "Coton")),
)
LEAF = Category("S001", "Luminaires", leaf=True, required=("A0100",), declines=("A0485",))
KNOWN = Reference(
    categories={"S001": LEAF, "S000": Category("S000", "Maison", leaf=False)},
    attributes={"A0485": {"V0001": "Rouge", "V0003": "Bleu"}, "A0100": {}},
    brands={"B1234": "Exemple"},
)


def changed(item: Item, **fields: Any) -> Item:
    return replace(item, **fields)


def told(item: Item, reference: Reference = Reference(), limits: ItemLimits = ItemLimits()) -> list[str]:  # noqa: B008
    return [fault.text for fault in faults(LAMP, item, reference, limits)]


def doubts(item: Item, reference: Reference = Reference(), limits: ItemLimits = ItemLimits()) -> list[str]:  # noqa: B008
    return [warning.text for warning in warnings(item, reference, limits)]


@pytest.mark.parametrize("ean", ["3701234567891", "4006381333931", "0712345678911"])
def test_a_right_check_digit_is_no_fault(ean: str) -> None:  # L4 C5
    assert ean_fault(ean) == ""


@pytest.mark.parametrize(
    ("ean", "text"),
    [
        ("", "missing"),
        ("3701234567890", "ends in 0 where 1 was expected"),
        ("370123456789", "not 13 digits"),
        ("37012345678911", "not 13 digits"),
        ("370123456789X", "not 13 digits"),
        ("٣٧٠١٢٣٤٥٦٧٨٩١", "not 13 digits"),
    ],
)
def test_a_wrong_ean_is_told(ean: str, text: str) -> None:  # L4 C5
    assert text in ean_fault(ean)


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 11), st.integers(1, 9))
def test_one_changed_digit_never_passes(twelve: str, place: int, by: int) -> None:  # C5
    ean = twelve + check_digit(twelve)
    changed = ean[:place] + str((int(ean[place]) + by) % 10) + ean[place + 1 :]
    assert ean_fault(ean) == ""
    assert ean_fault(changed)


def test_a_whole_item_has_no_fault_and_no_warning() -> None:  # L4 L5
    assert told(WHOLE) == []
    assert told(WHOLE, KNOWN) == []
    assert doubts(WHOLE, KNOWN) == []
    assert judge(LAMP, WHOLE, KNOWN, ItemLimits()).error == ""


def test_everything_missing_is_told_at_once() -> None:  # L4
    assert told(Item()) == [
        "the EAN is missing",
        "the leaf category is missing",
        "the product id is missing",
        "the master SKU is missing",
        "the title is missing",
        "the description is missing",
        "the brand code is missing",
        "the catalogue id is missing",
        "the main photo is missing",
    ]


def test_everything_wrong_is_told_at_once_with_field_rule_and_fix() -> None:  # L4 L5
    item = replace(
        WHOLE,
        ean="3701234567890",
        category="Lampes",
        brand="Exemple",
        description="<p>Une belle lampe",
        photos=(Photo("lamp.jpg", 1),),
        attributes=(Attribute("colour", "red", "Rouge"),),
    )
    found = judge(Sku("L" * 33), item, KNOWN, ItemLimits()).faults
    assert [(fault.field, fault.rule, fault.text) for fault in found] == [
        ("sku", "L4", "the SKU has 33 characters, and at most 32 are taken"),
        ("ean", "L4", "the EAN 3701234567890 has a wrong check digit: it ends in 0 where 1 was expected"),
        ("category", "L4", "the leaf category 'Lampes' is no code of the form S and digits"),
        ("description", "L5", "in the description, <p> is never closed"),
        ("brand", "L4", "the brand code 'Exemple' is no code of the form B and digits"),
        ("attributes", "L4", "the attribute 'colour' is no code of the form A and digits"),
        ("photos", "L4", "the photo 'lamp.jpg' is not an absolute http(s) URL"),
    ]
    assert all(fault.fix for fault in found)


@pytest.mark.parametrize(
    "field", ["product_id", "master_sku", "title", "description", "catalogue_id", "brand", "category"]
)
def test_white_space_is_no_value(field: str) -> None:  # L4
    (fault,) = faults(LAMP, changed(WHOLE, **{field: "  "}), Reference(), ItemLimits())
    assert (fault.field, fault.text.endswith("is missing")) == (field, True)


@pytest.mark.parametrize(("length", "count"), [(32, 0), (33, 1)])
def test_the_sku_has_32_characters_at_most(length: int, count: int) -> None:  # L4
    assert len(faults(Sku("L" * length), WHOLE, Reference(), ItemLimits())) == count
    assert faults(Sku("L" * length), WHOLE, Reference(), ItemLimits(sku_max=40)) == []


@pytest.mark.parametrize(
    ("description", "count"), [("<p>123456789</p>", 1), ("<p>1234567890</p>", 0), ("&eacute;" * 9, 1)]
)
def test_the_description_has_ten_characters_of_text_at_least(description: str, count: int) -> None:  # L4 C7
    assert len(told(replace(WHOLE, description=description))) == count
    assert told(replace(WHOLE, description=description), limits=ItemLimits(description_min=9)) == []


@pytest.mark.parametrize(("length", "count"), [(50, 0), (51, 1)])
def test_a_title_above_50_characters_is_a_warning(length: int, count: int) -> None:  # L4 C7
    item = replace(WHOLE, title="L" * length)
    assert told(item) == []
    assert len(doubts(item)) == count
    assert doubts(item, limits=ItemLimits(title_max=60)) == []


@pytest.mark.parametrize(
    ("photos", "text"),
    [
        ([f"https://pictures.example.test/{number}.jpg" for number in range(9)], "there are 9 photos, and at most 8"),
        (["https://pictures.example.test/a.jpg"] * 2, "more than once"),
        (["pictures/a.jpg"], "not an absolute http(s) URL"),
        (["ftp://pictures.example.test/a.jpg"], "not an absolute http(s) URL"),
    ],
)
def test_photos_are_few_different_and_absolute(photos: list[str], text: str) -> None:  # L4 C6
    (found,) = told(replace(WHOLE, photos=tuple(Photo(url, rank) for rank, url in enumerate(photos, 1))))
    assert text in found


def test_eight_photos_are_taken() -> None:  # L4 C6
    photos = tuple(Photo(f"https://pictures.example.test/{rank}.jpg", rank) for rank in range(1, 9))
    assert told(replace(WHOLE, photos=photos)) == []


@pytest.mark.parametrize("ranks", [(2,), (1, 3), (1, 1), (0, 1)])
def test_ranks_begin_at_one_without_gaps(ranks: tuple[int, ...]) -> None:  # L4
    photos = tuple(Photo(f"https://pictures.example.test/{place}.jpg", rank) for place, rank in enumerate(ranks))
    assert told(replace(WHOLE, photos=photos)) == ["the ranks of the photos are not 1, 2, 3 and so on"]


@pytest.mark.parametrize("url", ["http://", "https://a b/c", "http://[::1", "//x/y", "https://x/\n"])
def test_hopeless_urls(url: str) -> None:
    assert not is_absolute_url(url)


def test_a_stock_number_has_eight_digits() -> None:  # J2
    assert part_number_fault("12345678", 8) == ""
    assert "missing" in part_number_fault("", 8)
    assert "8 digits" in part_number_fault("1234567", 8)
    assert "8 digits" in part_number_fault("1234567A", 8)


def test_other_retailers_have_article_numbers_of_other_forms() -> None:  # J15
    assert part_number_fault("123/4567", None) == part_number_fault("1234567", 7) == ""
    assert "missing" in part_number_fault("", None)
    assert "is not" in part_number_fault("9" * 256, None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"category": "S002"}, "the category S002 is not in the imported taxonomy"),
        ({"category": "S000"}, "the category S000 (Maison) is no leaf"),
        ({"brand": "B9"}, "the brand B9 is not in the imported brands"),
        (
            {"attributes": (*WHOLE.attributes, Attribute("A7", "V1", "x"))},
            "the attribute A7 is not in the imported attributes",
        ),
        (
            {"attributes": (replace(RED, value_code="V0009"), WHOLE.attributes[1])},
            "the attribute A0485 has no value V0009 in the imported attributes",
        ),
        (
            {"attributes": (RED,)},
            "the category S001 (Luminaires) asks for the attribute A0100",
        ),
        (
            {"attributes": (WHOLE.attributes[1],)},
            "the category S001 (Luminaires) declines by the attribute A0485, which is missing",
        ),
        (
            {"attributes": (replace(RED, declinable=False), WHOLE.attributes[1])},
            "the category S001 (Luminaires) declines by the attribute A0485, which has no star",
        ),
    ],
)
def test_imported_codes_are_checked_and_others_are_not(change: dict[str, Any], text: str) -> None:  # L4
    item = changed(WHOLE, **change)
    assert told(item, KNOWN) == [text]
    assert told(item) == []


def test_each_list_is_checked_where_it_was_imported() -> None:  # L4
    item = replace(WHOLE, category="S002", brand="B9")
    assert told(item, Reference(brands={})) == ["the brand B9 is not in the imported brands"]
    assert told(item, Reference(categories={})) == ["the category S002 is not in the imported taxonomy"]


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ((Attribute("A1", "rouge", "x"),), "the value 'rouge' of the attribute A1 is no code of the form V and digits"),
        ((Attribute("A1", "V1", " "),), "the value V1 of the attribute A1 has no French label"),
        ((RED, replace(RED, value_code="V0003")), "the attribute A0485 declines, and is there 2 times"),
        ((Attribute("A1", "V1", "x"), Attribute("A1", "V1", "x")), "the attribute A1 has the value V1 more than once"),
    ],
)
def test_attributes_have_codes_labels_and_no_repeats(attributes: tuple[Attribute, ...], text: str) -> None:  # L4
    assert told(replace(WHOLE, attributes=attributes)) == [text]


def test_an_attribute_may_have_several_values_where_it_does_not_decline() -> None:  # L4
    assert told(replace(WHOLE, attributes=(Attribute("A1", "V1", "Lin"), Attribute("A1", "V2", "Coton")))) == []


def test_a_text_that_is_not_french_is_a_warning_and_no_error() -> None:  # L5
    text = "<p>This lamp is made of solid oak by hand, and its warm light is perfect for your living room.</p>"
    verdict = judge(LAMP, replace(WHOLE, description=text), KNOWN, ItemLimits())
    assert verdict.faults == []
    assert verdict.warnings == [
        ListingFault(
            "description",
            "L5",
            "the description may not be French: it looks English",
            "have it translated; if it is French, pass this over",
        )
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ean": "2012345678903"}, "the EAN 2012345678903 begins with 20, which is kept for numbers inside one shop"),
        (
            {"photos": (Photo("https://pictures.example.test/lamp.pdf?v=1", 1),)},
            "the photo https://pictures.example.test/lamp.pdf?v=1 ends in .pdf, which is no picture",
        ),
        (
            {"attributes": (replace(RED, label="Vert"), WHOLE.attributes[1])},
            "the value V0001 of the attribute A0485 is 'Rouge' in the imported attributes, and 'Vert' here",
        ),
    ],
)
def test_what_is_doubtful_is_told_and_sent(change: dict[str, Any], text: str) -> None:  # L4 C5 C6 C7
    item = changed(WHOLE, **change)
    assert told(item, KNOWN) == []
    assert doubts(item, KNOWN) == [text]


def test_what_product_safety_asks_for_is_a_setting() -> None:  # L4 C9
    limits = ItemLimits(wanted_attributes=("A0100", "A9001"))
    assert doubts(WHOLE, limits=limits) == [
        "the attribute A9001 is missing, which every item should have (product safety)"
    ]


@pytest.mark.parametrize("field", ["ean", "manufacturer", "manufacturer_part_number"])
def test_some_fields_never_change_once_they_were_given(field: str) -> None:  # L4
    kept = replace(WHOLE, manufacturer="Exemple", manufacturer_part_number="EX-1")
    (change,) = immutable_changes(kept, changed(kept, **{field: "4006381333931"}))
    assert (change.field, change.rule) == (field, "L4")
    assert "cannot change" in change.text
    assert "an SKU of its own" in change.fix
    assert len(immutable_changes(kept, changed(kept, **{field: ""}))) == 1
    assert immutable_changes(changed(kept, **{field: ""}), kept) == []
    assert immutable_changes(kept, replace(kept, title="Autre", brand="B9", category="S9")) == []
