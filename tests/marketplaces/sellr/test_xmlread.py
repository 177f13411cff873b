"""XML from outside: what it may hold, and that nothing but Unreadable ever comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.sellr import xmlread
from tests.marketplaces.sellr.made_up import golden


def test_names_are_local_and_texts_are_whole() -> None:
    root = xmlread.read('<a:b xmlns:a="u" a:id="1"> x<c/>&amp;é </a:b>'.encode())
    assert (root.name, root.attributes, root.text, [child.name for child in root.children]) == (
        "b",
        {"id": "1"},
        "x&é",
        ["c"],
    )


def test_a_document_type_is_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY e "ha"><!ENTITY f "&e;&e;&e;">]><a>&f;</a>'
    with pytest.raises(Unreadable, match="document type"):
        xmlread.read(bomb)
    with pytest.raises(Unreadable, match="document type"):
        xmlread.read(b'<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>')


def test_depth_is_bounded() -> None:
    assert xmlread.read(b"<a>" * 64 + b"</a>" * 64).name == "a"
    with pytest.raises(Unreadable, match="64 deep"):
        xmlread.read(b"<a>" * 65 + b"</a>" * 65)
    with pytest.raises(Unreadable, match="64 deep"):
        xmlread.read(b"<a>" * 100_000)


@pytest.mark.parametrize("name", ["orders.xml", "injected.xml", "report.xml"])
def test_cut_at_any_byte_it_is_not_read(name: str) -> None:
    whole = golden(name).rstrip()
    for length in range(len(whole)):
        with pytest.raises(Unreadable):
            xmlread.read(whole[:length])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"\xff\xfe",
        b"<a/><b/>",
        b"<a>\x00</a>",
        b"<a>&eacute;</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
        b'<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>',
    ],
)
def test_what_is_no_xml_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^line [0-9]+: "):
        xmlread.read(content)


def test_one_byte_encodings_are_read() -> None:
    for encoding in ("iso-8859-1", "windows-1252"):
        document = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'.encode(encoding)
        assert xmlread.read(document).text == "é"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    try:
        xmlread.read(b"<a>" + content + b"</a>")
    except Unreadable:
        return


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=3))
def test_no_damage_raises_anything_else(place: int, damage: bytes) -> None:
    whole = golden("orders.xml")
    place %= len(whole)
    try:
        xmlread.read(whole[:place] + damage + whole[place + len(damage) :])
    except Unreadable:
        return
