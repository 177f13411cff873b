"""What makes a listing worth a feed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.model import Item, Photo
from daemon.rules.listing import check_digit, ean_fault, faults, is_absolute_url, stock_number_fault

WHOLE = Item(
    ean="3701234567891",
    category="S001",
    product_id="LAMP",
    title="Lampe à poser",
    description="<p>Une lampe.</p>",
    brand="B1234",
    photos=(Photo("https://pictures.example.test/lamp-1.jpg", 1), Photo("https://pictures.example.test/lamp-2.jpg", 2)),
)


@pytest.mark.parametrize("ean", ["3701234567891", "4006381333931", "0712345678911"])
def test_a_right_check_digit_is_no_fault(ean: str) -> None:  # L4
    assert ean_fault(ean) == ""


@pytest.mark.parametrize(
    ("ean", "told"),
    [
        ("", "missing"),
        ("3701234567890", "ends in 0 where 1 was expected"),
        ("370123456789", "not 13 digits"),
        ("37012345678911", "not 13 digits"),
        ("370123456789X", "not 13 digits"),
        ("٣٧٠١٢٣٤٥٦٧٨٩١", "not 13 digits"),
    ],
)
def test_a_wrong_ean_is_told(ean: str, told: str) -> None:  # L4
    assert told in ean_fault(ean)


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 11), st.integers(1, 9))
def test_one_changed_digit_never_passes(twelve: str, place: int, by: int) -> None:
    ean = twelve + check_digit(twelve)
    changed = ean[:place] + str((int(ean[place]) + by) % 10) + ean[place + 1 :]
    assert ean_fault(ean) == ""
    assert ean_fault(changed)


def test_a_whole_item_has_no_fault() -> None:  # L4
    assert faults(WHOLE) == []


def test_everything_missing_is_told_at_once() -> None:  # L4
    told = faults(Item())
    assert told == [
        "the EAN is missing",
        "the leaf category is missing",
        "the product id is missing",
        "the title is missing",
        "the description is missing",
        "the brand code is missing",
        "the main photo is missing",
    ]


def test_white_space_is_no_title() -> None:
    assert faults(replace(WHOLE, title="  ")) == ["the title is missing"]


@pytest.mark.parametrize(
    ("photos", "told"),
    [
        ([f"https://pictures.example.test/{number}.jpg" for number in range(9)], "at most 8"),
        (["https://pictures.example.test/a.jpg"] * 2, "more than once"),
        (["pictures/a.jpg"], "not an absolute http(s) URL"),
        (["ftp://pictures.example.test/a.jpg"], "not an absolute http(s) URL"),
    ],
)
def test_photos_are_few_different_and_absolute(photos: list[str], told: str) -> None:  # L4
    item = replace(WHOLE, photos=tuple(Photo(url, rank) for rank, url in enumerate(photos, 1)))
    assert [fault for fault in faults(item) if told in fault] == faults(item) != []


def test_ranks_begin_at_one_without_gaps() -> None:  # L4
    item = replace(WHOLE, photos=(Photo("https://pictures.example.test/a.jpg", 2),))
    assert faults(item) == ["the ranks of the photos are not 1, 2, 3 and so on"]


@pytest.mark.parametrize("url", ["http://", "https://a b/c", "http://[::1", "//x/y", "https://x/\n"])
def test_hopeless_urls(url: str) -> None:
    assert not is_absolute_url(url)


def test_a_stock_number_has_eight_digits() -> None:  # J2
    assert stock_number_fault("12345678") == ""
    assert "missing" in stock_number_fault("")
    assert "8 digits" in stock_number_fault("1234567")
    assert "8 digits" in stock_number_fault("1234567A")
