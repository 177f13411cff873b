"""Whatever stands in a file that comes in, its reader reads it or says why not: no crash, no hang, nothing made up."""

import csv
import io
import os
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.marketplaces.edge import sections
from daemon.model import LineState, Order
from daemon.sandbox.inventory import RowError, write_errors
from daemon.sandbox.sheets import write_sheet
from tests.fuzz.others import EVERY
from tests.fuzz.targets import CANCELLATION, FEED, PLAIN_ORDER, TARGETS, cancellation, order, stock_error, update_error
from tests.marketplaces.edge.golden import golden

GOLDEN_ORDER = golden("order-20240115101500000001.txt")
STOCK_ERROR = golden(f"{FEED}.err")

few = settings(max_examples=int(os.environ.get("SELLERD_EXAMPLES", "200")))

#: what a file of this kind is made of, so that a change is likely to mean something
MEANINGFUL = [
    *(b'"', b'""', b",", b'","', b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff", b"\x81", b"\xe2\x80\xa8"),
    *(b"null", b"order_number", b"line_ref", b"part_number", b"quantity", b"error", b'"4"\n', b'"5"\n', b"4", b"-1"),
    *(b"9" * 30, b"1e9", b"0", b"12345678", b"\x1b[2J", b"=cmd()", "²".encode(), b" " * 50),
]
PIECE = st.sampled_from(MEANINGFUL) | st.binary(max_size=8)


@st.composite
def mutated(draw: st.DrawFn, wholes: tuple[bytes, ...]) -> bytes:
    """A whole file with some pieces of it replaced, repeated, moved or cut away."""
    content = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.integers(0, 60))
        instead = draw(PIECE | st.just(content[start:end] * 2) | st.just(b""))
        content = content[:start] + instead + content[end:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data())
@few
def test_any_bytes(name: str, data: st.DataObject) -> None:  # J5 J4 J12 J13
    pieces = st.lists(PIECE, max_size=30).map(b"".join)
    EVERY[name].read(data.draw(pieces | st.binary(max_size=300) | st.text(max_size=200).map(str.encode)))


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data())
@few
def test_whole_files_that_were_damaged(name: str, data: st.DataObject) -> None:  # J5 J4 J12 J13
    EVERY[name].read(data.draw(mutated(tuple(EVERY[name].wholes))))


@pytest.mark.parametrize("name", EVERY)
def test_whole_files_are_read(name: str) -> None:
    assert all(EVERY[name].read(whole) for whole in EVERY[name].wholes)


@pytest.mark.parametrize(
    "content",
    [b'"order_number"\n"Y1"\n"line_ref"\n"3\x1d"\n', b"order_number\nY1\n2\n"],
    ids=["a separator behind the checksum", "the checksum in the place of the item headers"],
)
@pytest.mark.parametrize("name", TARGETS)
def test_what_a_search_has_found_before(name: str, content: bytes) -> None:  # J5
    TARGETS[name].read(content)


def test_a_damaged_workbook_is_told_in_few_words() -> None:  # S1
    (whole,) = EVERY["workbook"].wholes
    # The first name in the archive is as long as most of the file: zipfile would tell all of it.
    assert EVERY["workbook"].read(whole[:26] + b"\xff\x07" + whole[28:]) is None


@pytest.mark.parametrize("packed", [ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA], ids=["deflate", "bzip2", "lzma"])
def test_a_workbook_that_is_packed_in_another_way_than_it_says_is_damaged(packed: int) -> None:  # S1
    file = io.BytesIO()
    with ZipFile(file, "w", packed) as archive:
        archive.writestr("_rels/.rels", "<Relationships/>" * 99)
    content = file.getvalue()
    # Its data begin behind the header, the name, and what each way of packing says of itself.
    start = 30 + len("_rels/.rels") + 9
    assert EVERY["workbook"].read(content[:start] + b"\xff" * 12 + content[start + 12 :]) is None


# What is cut short.

SPELLINGS: list[Callable[[bytes], bytes]] = [
    lambda content: content,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: b"\xef\xbb\xbf" + content,
    lambda content: content.decode().encode("cp1252"),
    lambda content: content.replace(b'"5"', b"5"),
]


def last_digit(content: bytes) -> int:
    """Where the digit of the checksum stands, which is the last thing that says something."""
    return content.rindex(b"5")


@pytest.mark.parametrize("whole", [GOLDEN_ORDER, PLAIN_ORDER], ids=["golden", "plain"])
@pytest.mark.parametrize("spelt", SPELLINGS, ids=["as it is", "CRLF", "BOM", "cp1252", "unquoted checksum"])
def test_an_order_cut_at_any_byte_is_never_whole(whole: bytes, spelt: Callable[[bytes], bytes]) -> None:  # J6
    content = spelt(whole)
    assert is_whole(order(content))
    for length in range(last_digit(content) + 1):
        read = order(content[:length])
        assert read is None or (read.incomplete and read.number == "Y100000001"), content[:length]


def is_whole(read: Order | None) -> bool:
    return read is not None and not read.incomplete


@pytest.mark.parametrize("spelt", SPELLINGS[:3], ids=["as it is", "CRLF", "BOM"])
def test_a_request_to_cancel_cut_at_any_byte_is_never_whole(spelt: Callable[[bytes], bytes]) -> None:  # J12
    content = spelt(CANCELLATION)
    for length in range(last_digit(content) + 1):
        read = cancellation(content[:length])
        assert read is None or (read.incomplete and read.order == "Y100000001"), content[:length]


@pytest.mark.parametrize("spelt", SPELLINGS[:3], ids=["as it is", "CRLF", "BOM"])
@pytest.mark.parametrize(
    "whole", [STOCK_ERROR, STOCK_ERROR.replace(b"part_number,error", b'"part_number","error"')], ids=["bare", "quoted"]
)
def test_a_stock_error_cut_at_any_byte_rejects_nothing_else(
    whole: bytes, spelt: Callable[[bytes], bytes]
) -> None:  # J4
    content = spelt(whole)
    every = stock_error(content)
    assert every is not None
    for length in range(len(content)):
        for line in stock_error(content[:length]) or []:
            assert line.channel_item_id in {known.channel_item_id for known in every}, content[:length]
            assert any(known.text.startswith(line.text[:5]) for known in every)


def test_an_error_cut_at_any_byte_is_still_an_error() -> None:  # J13
    for whole in TARGETS["update_error"].wholes:
        for length in range(len(whole)):
            read = update_error(whole[:length])
            assert read is None or not read.accepted


# What is written is read.

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
REF = st.from_regex(r"[A-Za-z0-9/_-]{1,20}", fullmatch=True).filter(lambda text: text.lower() != "null")


@given(number=REF, refs=st.lists(REF, min_size=1, max_size=6, unique=True), data=st.data())
@few
def test_an_order_that_is_written_is_read_as_it_was(number: str, refs: list[str], data: st.DataObject) -> None:  # J5
    lines = [(ref, data.draw(REF), data.draw(st.integers(1, 999_999_999)), data.draw(TEXT)) for ref in refs]
    note = data.draw(TEXT)
    columns = ["line_ref", "part_number", "quantity", "gift_text"]
    rows = [[ref, part, str(quantity), text] for ref, part, quantity, text in lines]
    read = order(sections.write({"order_number": number, "gift_note": note}, columns, rows))
    assert read is not None
    assert (read.number, read.incomplete, read.extra) == (number, "", {"gift_note": note})
    assert [(line.ref, line.channel_item_id, line.quantity, line.extra) for line in read.lines] == [
        (ref, part, quantity, {"gift_text": text}) for ref, part, quantity, text in lines
    ]
    assert {line.state for line in read.lines} == {LineState.NEW}


@given(
    number=REF, units=st.dictionaries(REF, st.none() | st.integers(0, 99), min_size=1, max_size=6), off=st.booleans()
)
@few
def test_a_request_that_another_hand_wrote_is_read(number: str, units: dict[str, int | None], off: bool) -> None:  # J12
    items: list[dict[str, str]] = [
        {"line_ref": ref, "part_number": "12345678", "quantity": "null" if count is None else str(count)}
        for ref, count in units.items()
    ]
    content = write_sheet({"order_number": number}, items, checksum_off_by=int(off))
    read, meant = cancellation(content), {ref: count for ref, count in units.items() if count}
    assert (read is None) == (not meant and not off)
    if read is not None:
        assert (read.order, bool(read.incomplete)) == (number, off)
        assert {line.ref: line.quantity for line in read.lines} == meant


WORDS = TEXT.map(lambda text: " ".join(text.split())).filter(bool)


@given(st.lists(st.tuples(st.from_regex(r"[0-9]{8}", fullmatch=True), WORDS), min_size=1, max_size=8))
@few
@example([("12345678", 'an "odd" text, with all')])
def test_stock_errors_that_another_hand_wrote_are_read(errors: list[tuple[str, str]]) -> None:  # J4
    content = write_errors([RowError(part, text) for part, text in errors])
    # A field of more than one line is none of the documented forms: each line is read by itself.
    assert all("\n" not in text for _, text in errors)
    read = stock_error(content)
    assert [(line.channel_item_id, line.text) for line in read or []] == [
        (part, text.strip()) for part, text in errors if len(text.splitlines()) == 1
    ] or any(len(text.splitlines()) != 1 for _, text in errors)


# What would take for ever, or grow without end.


def row(*fields: object) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue()


BIG = 300_000


@pytest.mark.parametrize(
    "content",
    [
        row(*range(BIG)) + row(*range(BIG)) + "line_ref\n1\n4\n",
        "order_number\nY1\n" + row(*range(BIG)) + row(*range(BIG)) + "4\n",
        row("order_number", "x" * 100_000) + row("Y1", "") + row("line_ref") + row(1) + row(4),
        "order_number\nY1\nline_ref,part_number,quantity\n"
        + "".join(f"{n},1,1\n" for n in range(BIG))
        + f"{BIG + 3}\n",
        "order_number\n" + "Y" * BIG + "\nline_ref,part_number,quantity\n1,1,1\n4\n",
        "order_number\nY1\nline_ref,part_number,quantity\n1,1," + "9" * BIG + "\n4\n",
        '"' * BIG,
        '"' + "\n" * BIG,
        '"\n' * BIG,
        "," * BIG,
        "\n" * BIG,
        "\r" * BIG,
    ],
    ids=[
        *("columns of the order", "columns of the items", "a long name", "items", "a long number", "a long quantity"),
        *("quotes", "an open quote", "quotes on lines", "commas", "newlines", "carriage returns"),
    ],
)
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_takes_for_ever_or_grows_without_end(name: str, content: str) -> None:  # J5
    TARGETS[name].read(content.encode())


def test_columns_and_items_are_few() -> None:  # J5
    names: list[Any] = [f"column_{number}" for number in range(199)]
    wide = row("order_number", *names) + row("Y1", *names) + "line_ref,part_number,quantity\n1,12345678,1\n4\n"
    assert is_whole(order(wide.encode()))
    assert order(wide.replace("order_number,", "order_number,other,").replace("Y1,", "Y1,,").encode()) is None
    long = [f"{number},12345678,1\n" for number in range(2_000)]
    head = "order_number\nY1\nline_ref,part_number,quantity\n"
    assert is_whole(order((head + "".join(long) + "2003\n").encode()))
    assert order((head + "".join([*long, "x,12345678,1\n"]) + "2004\n").encode()) is None
