"""The sectioned text: what is read from it, what is made of a damaged one, and that what is written is read back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections

PLAIN = b'"order_number","note"\n"Y1","n"\n"line_ref","quantity"\n"1","2"\n"2","3"\n"5"\n'


def values(read: sections.Sections) -> tuple[dict[str, str], list[dict[str, str]]]:
    return dict(read.order.values), [dict(item.values) for item in read.items]


EXPECTED = (
    {"order_number": "Y1", "note": "n"},
    [{"line_ref": "1", "quantity": "2"}, {"line_ref": "2", "quantity": "3"}],
)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        PLAIN.replace(b'"', b""),
        PLAIN.replace(b'"5"', b"5"),
        PLAIN.replace(b'"5"', b'" 5 "'),
        PLAIN.rstrip(b"\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN + b"\n\r\n",
        PLAIN.replace(b'"line_ref","quantity"', b'" Line_Ref ","QUANTITY"'),
        PLAIN.replace(b'","', b'", "'),
    ],
)
def test_the_same_file_in_its_spellings(content: bytes) -> None:  # J5
    read = sections.read(content)
    assert values(read) == EXPECTED
    assert read.incomplete == ""
    assert [item.line for item in read.items] == [4, 5]


def test_a_text_that_is_no_utf_8_is_windows_1252() -> None:  # J5
    read = sections.read(PLAIN.replace(b'"n"', b'"Zo\xeb \x80 5"'))
    assert read.order.values["note"] == "Zoë € 5"


def test_a_byte_that_is_neither_is_named() -> None:
    with pytest.raises(Unreadable, match="byte 29 is neither"):
        sections.read(PLAIN.replace(b'"n"', b'"\x81\xff"'))


def test_zero_bytes_are_no_text() -> None:
    with pytest.raises(Unreadable, match="zero bytes"):
        sections.read(PLAIN.replace(b"n", b"\0"))


def test_quotes_inside_a_field_doubled_or_raw() -> None:  # J5
    doubled = PLAIN.replace(b'"n"', b'"27"" lamp, red"')
    raw = PLAIN.replace(b'"n"', b'"27" lamp, red"')
    for content in (doubled, raw, raw.replace(b"\n", b"\r\n"), raw + b"\n"):
        read = sections.read(content)
        assert read.order.values["note"] == '27" lamp, red'
        assert read.incomplete == ""


@pytest.mark.parametrize("count", [b"5", b"7"])
def test_a_newline_inside_a_field_may_be_counted_or_not(count: bytes) -> None:  # J5
    content = PLAIN.replace(b'"n"', b'"by\nthe\ndoor"').replace(b'"5"', b'"' + count + b'"')
    read = sections.read(content)
    assert read.order.values["note"] == "by\nthe\ndoor"
    assert read.incomplete == ""


@pytest.mark.parametrize(("count", "expected"), [(b'"4"', 4), (b"6", 6), (b'"999999999"', 999_999_999)])
def test_another_count_is_incomplete(count: bytes, expected: int) -> None:  # J6
    read = sections.read(PLAIN.replace(b'"5"', count))
    assert values(read) == EXPECTED
    assert read.incomplete == f"{expected} lines were expected by the checksum, 5 were read"


@pytest.mark.parametrize("end", [b"", b'"1"x"\n', b'"1234567890"\n', b'"5","5"\n', b'"-5"\n', b'"five"\n'])
def test_no_count_is_incomplete(end: bytes) -> None:  # J6
    read = sections.read(PLAIN.removesuffix(b'"5"\n') + end)
    assert values(read)[1][:2] == EXPECTED[1]
    assert "the number of lines expected is not known" in read.incomplete


def test_where_a_file_breaks_off_is_told() -> None:  # J6
    read = sections.read(PLAIN.replace(b'"2","3"\n"5"\n', b'"2","3'))
    assert values(read)[1] == EXPECTED[1][:1]
    assert "4 were read" in read.incomplete
    assert "it breaks off at line 5: unexpected end of data" in read.incomplete


def test_an_order_without_items_is_incomplete() -> None:  # J6
    read = sections.read(b'"order_number","note"\n"Y1","n"\n"line_ref","quantity"\n"3"\n')
    assert read.items == ()
    assert "none of them is an item" in read.incomplete


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "breaks off in its first 3 lines"),
        (b'"order_number","note"\n"Y1', "first 3 lines: line 2: unexpected end of data"),
        (b"order_number,note\nY1,n\nline_ref,qua", "breaks off in its first 3 lines"),
        (PLAIN.replace(b'"Y1","n"', b'"Y1"'), "line 2: 2 fields were expected by its header, 1 read"),
        (PLAIN.replace(b'"2","3"', b'"2","3","4"'), "line 5: 2 fields were expected by its header, 3 read"),
        (b'"order_number","note"\n' + PLAIN, "line 2: the header is there twice"),
        (PLAIN.replace(b'"note"', b'"Order_Number "'), 'line 1: the column "order_number" is there twice'),
        (PLAIN.replace(b'"note"', b'"' + b"x" * 200_000 + b'"') + b"'", "field larger than field limit"),
    ],
)
def test_what_cannot_be_trusted_is_unreadable(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        sections.read(content)


def test_a_cut_file_is_never_whole() -> None:  # J6
    for content in (
        PLAIN,
        PLAIN.replace(b'"', b""),
        PLAIN.replace(b'"n"', b'"27" lamp"'),
        PLAIN.replace(b"\n", b"\r\n"),
    ):
        assert sections.read(content).incomplete == ""
        end = content.rindex(b"5")
        for length in range(end + 1):
            try:
                read = sections.read(content[:length])
            except Unreadable:
                continue
            assert read.incomplete, content[:length]
            assert values(read)[0]["order_number"] == "Y1"


NAMES = st.lists(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), min_size=2, max_size=6, unique=True)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.data())
def test_what_is_written_is_read(data: st.DataObject) -> None:
    order = {name: data.draw(TEXTS) for name in data.draw(NAMES)}
    columns = data.draw(NAMES)
    rows = data.draw(st.lists(st.lists(TEXTS, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=5))
    read = sections.read(sections.write(order, columns, rows))
    assert read.incomplete == ""
    assert values(read) == (order, [dict(zip(columns, row, strict=True)) for row in rows])


@given(st.binary(max_size=300) | TEXTS.map(str.encode))
def test_any_bytes_are_read_or_unreadable(content: bytes) -> None:
    for damaged in (content, PLAIN[:40] + content + PLAIN[40:]):
        with suppress(Unreadable):
            sections.read(damaged)
