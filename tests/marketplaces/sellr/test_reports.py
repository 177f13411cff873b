"""Reports as La Redoute may write them: CSV and XML, in odd encodings, broken, and long."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.sellr.reports import Decoder, read_report
from daemon.model import AnswerLine, RemoteFile
from tests.marketplaces.sellr.made_up import golden, settings, stream

HEADER = "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
GOOD = AnswerLine(
    accepted=True, remote_ref="B00000001", sku="RED-42", ean="3701234567891", channel_item_id="LR000000001"
)
BAD = AnswerLine(
    accepted=False,
    remote_ref="B00000001",
    sku="BLUE;42",
    ean="0012345678905",
    code="E001",
    text='PRODUCT "NOT" FOUND\r\nsur deux lignes, é',
)


def file(name: str) -> RemoteFile:
    return RemoteFile("reports", name, 1)


async def lines(content: bytes, name: str = "r.csv", *, size: int = 1 << 18, **changes: Any) -> list[AnswerLine]:
    batches = [batch async for batch in read_report(settings(**changes), file(name), stream(content, size))]
    assert all(batches)
    return [line for batch in batches for line in batch]


async def until_it_breaks(content: bytes, name: str = "r.csv", **changes: Any) -> tuple[list[AnswerLine], str]:
    """What is given before the report turns out to be broken, and the text of the error."""
    given_before: list[AnswerLine] = []
    with pytest.raises(Unreadable) as caught:  # noqa: PT012 - what comes before the error counts as well
        async for batch in read_report(settings(**changes), file(name), stream(content)):
            given_before += batch
    return given_before, str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 18])
async def test_the_golden_csv(size: int) -> None:  # L17
    assert await lines(golden("report.csv"), size=size) == [GOOD, BAD]


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
async def test_the_golden_xml_by_elements_and_by_attributes(size: int) -> None:  # L17
    bad = BAD._replace(text=BAD.text.replace("\r", ""))
    assert await lines(golden("report.xml"), "r.xml", size=size) == [GOOD, bad]


async def test_the_form_is_seen_where_the_name_does_not_tell() -> None:
    assert await lines(golden("report.csv"), "answer") == [GOOD, BAD]
    assert (await lines(b"  \n" + golden("report.xml").partition(b"?>\n")[2], "answer"))[0] == GOOD
    assert await lines(golden("report.csv"), "r.xml", report={"format": "csv"}) == [GOOD, BAD]


async def test_an_answer_names_its_feed_by_file_name_or_in_its_own_name() -> None:  # L17
    assert (await lines(f"{HEADER};offers.xml;3701234567891;;OK;;;\n".encode()))[0].feed_name == "offers.xml"
    content = b"EAN;Status\n3701234567891;OK\n"
    name = "R-1001.MKP_SellerOffer.001.2026-03-02-11-00-05.xml.csv"
    assert (await lines(content, name))[0].feed_name == "1001.MKP_SellerOffer.001.2026-03-02-11-00-05.xml"


async def test_columns_words_and_delimiter_are_settings() -> None:
    report = {
        "delimiter": ",",
        "columns": {"batch_id": "lot", "ean": "gtin", "status": "etat"},
        "accepted": ["validé"],
    }
    content = "GTIN, Etat ,LOT\n3701234567891,VALIDÉ,B1\n".encode()
    assert await lines(content, report=report) == [AnswerLine(accepted=True, remote_ref="B1", ean="3701234567891")]


@pytest.mark.parametrize("size", [1, 3, 1 << 18])
async def test_cp1252_is_read_where_utf_8_does_not_fit(size: int) -> None:
    content = f"{HEADER}B1;;3701234567891;;KO;;réf. inconnue – 5 €;\n".encode("cp1252")
    assert (await lines(content, size=size))[0].text == "réf. inconnue – 5 €"


def decoded(content: bytes, size: int) -> tuple[str, str]:
    """The text of bytes that come in pieces, and why it ends before they do."""
    decoder, text = Decoder(["utf-8-sig", "cp1252"]), ""
    for piece in [*(content[start : start + size] for start in range(0, len(content), size)), b""]:
        more, fault = decoder.decode(piece, final=not piece)
        text += more
        if fault is not None:
            return text, str(fault)
    return text, ""


SIZES = pytest.mark.parametrize("size", [1, 3, 1 << 18])


@SIZES
def test_bytes_of_two_encodings_are_unreadable_with_their_place(size: int) -> None:
    told = "byte 6: 0xe9 is not of utf-8-sig, cp1252"
    assert decoded("été ".encode() + b"\xe9t\xe9", size) == ("été ", told)


@SIZES
def test_bytes_of_no_encoding_are_unreadable_with_their_place(size: int) -> None:
    assert decoded(b"abc\x81def", size) == ("abc", "byte 3: 0x81 is not of utf-8-sig, cp1252")
    # A byte order mark has said what it is, wherever the first piece ends.
    assert decoded(b"\xef\xbb\xbfabc\xe9 ", size) == ("abc", "byte 6: 0xe9 is not of utf-8-sig, cp1252")


@SIZES
def test_a_letter_cut_off_at_the_end_is_of_the_other_encoding(size: int) -> None:
    assert decoded(b"caf\xe9", size) == ("café", "")


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.integers(1, 5))
def test_what_is_utf_8_is_read_as_it(text: str, size: int) -> None:
    assert decoded(b"\xef\xbb\xbf" + text.encode(), size) == (text, "")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("BatchId;EAN;Result\n", "no column Status; found: BatchId, EAN, Result"),
        ("BatchId;Status\n", "no column EAN or SellerOfferID"),
        ("EAN;Status\n", "no column BatchId or FileName"),
        ("BatchId;EAN;Status;status\n", "two columns for status"),
        ("BatchId,EAN,Status\n", "found: BatchId,EAN,Status"),
    ],
)
async def test_a_header_without_what_is_needed_is_unreadable(header: str, text: str) -> None:
    assert text in (await until_it_breaks(header.encode()))[1]


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
async def test_an_empty_report_is_unreadable(content: bytes) -> None:
    assert await until_it_breaks(content) == ([], "line 1: the report is empty")


async def test_a_line_that_is_not_understood_does_not_hold_up_the_others() -> None:
    rows = "B1;;3701234567891;;MAYBE;;;\nB1;;;;OK;;;\nB1;;1;OK\n;;3701234567891;;OK;;;\nB1;;0012345678905;;OK;;;\n"
    found, told = await until_it_breaks((HEADER + rows).encode())
    assert [line.ean for line in found] == ["0012345678905"]
    assert "line 2: Status is 'MAYBE', which is none of OK, ACCEPTED, SUCCESS, KO, REJECTED, ERROR" in told
    assert "line 3: neither EAN nor SellerOfferID" in told
    assert "line 4: 4 fields where the header has 8" in told
    assert "line 5: neither BatchId nor FileName" in told


async def test_many_lines_that_are_not_understood_are_counted() -> None:
    _, told = await until_it_breaks((HEADER + "B1;;3701234567891;;?;;;\n" * 1200).encode())
    assert told.endswith("and 1195 more")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('B1;;3701234567891;;KO;;"no end;\n', "line 3: not a CSV record (unexpected end of data)"),
        ('B1;;3701234567891;;KO;;"a"b;\n', "line 3: not a CSV record"),
        ("B1;;3701234567891;;KO;;a\rb;\n", "line 3: not a CSV record"),
        (f"B1;;3701234567891;;KO;;{'x' * 200_000};\n", "line 3: not a CSV record"),
        ("B1;;3701234567891;;KO;;\0;\n", "line 3: a NUL character"),
        ("B1;;3701234567891;;KO;;\x81;\n", "0x81 is not of utf-8-sig, cp1252"),
    ],
)
async def test_a_broken_record_gives_what_stood_before_it(row: str, text: str) -> None:
    found, told = await until_it_breaks(f"{HEADER}B1;;3701234567891;;OK;;;\n{row}".encode("latin-1"))
    assert text in told
    assert len(found) == 1


@pytest.mark.parametrize("row", ['B1;;1;;KO;;"' + "x\n" * 600_000, "x" * 1_000_001])
async def test_a_record_has_a_bound(row: str) -> None:
    with pytest.raises(Unreadable, match=r"line 2: (a quote|longer|not a CSV)"):
        await lines((HEADER + row).encode(), size=1 << 16)


async def test_a_quote_inside_an_unquoted_text_is_a_letter() -> None:
    content = f'{HEADER}B1;;3701234567891;;KO;;taille 15";\nB1;;0012345678905;;OK;;;\n'.encode()
    assert [line.text for line in await lines(content, size=5)] == ['taille 15"', ""]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<R><L><EAN>1</EAN></L></R>", "ean given outside of a line with a status"),
        ("<R><Status>OK</Status></R>", "status given outside"),
        ("<R><BatchId>B</BatchId><L EAN='' Status='OK'/></R>", "neither EAN nor SellerOfferID"),
        ("<R><L EAN='1' Status='OK'/></R>", "neither BatchId nor FileName"),
        (f"<R><Status>{'x' * 70_000}</Status></R>", "a text of more than"),
        ("<Rapport><Ligne><Code>OK</Code></Ligne></Rapport>", "line 1: no element or attribute of it is a field"),
        ("<!DOCTYPE R><R/>", "document type"),
        ("<R><BatchId>B</BatchId><L EAN='1' Status='OK'/>", "not well-formed XML"),
    ],
)
async def test_xml_that_is_not_understood(body: str, text: str) -> None:
    assert text in (await until_it_breaks(body.encode(), "r.xml"))[1]


async def test_an_ean_is_never_read_into_a_neighbour() -> None:
    body = "<R><BatchId>B</BatchId><L><EAN>1</EAN></L><L><SellerOfferID>X</SellerOfferID><Status>OK</Status></L></R>"
    found, _ = await until_it_breaks(body.encode(), "r.xml")
    assert found == [AnswerLine(accepted=True, remote_ref="B", sku="X")]


@pytest.mark.parametrize("name", ["report.csv", "report.xml"])
async def test_cut_at_any_byte_it_is_told_and_nothing_is_read_wrong(name: str) -> None:
    whole = golden(name)
    right = await lines(whole, name)
    for length in range(len(whole.rstrip())):
        if whole[:length].endswith(b"\r\n") and whole[:length].count(b"PartNumber") == 1 and name == "report.csv":
            continue  # whole lines, and no more: nothing shows that there were others
        found, _ = await until_it_breaks(whole[:length], name)
        assert found == right[: len(found)]


async def test_a_last_line_without_an_end_is_read_where_the_account_says_so() -> None:
    content = golden("report.csv").rstrip()
    assert await lines(content, report={"unended_last_line": "read"}) == [GOOD, BAD]
    found, told = await until_it_breaks(content)
    assert (found, told) == ([GOOD], "line 4: ends without a line end; is it cut? (report.unended_last_line)")


@given(st.binary(max_size=300), st.sampled_from(["r.csv", "r.xml", "r"]), st.integers(1, 50))
async def test_no_bytes_raise_anything_else(content: bytes, name: str, size: int) -> None:
    try:
        await lines(HEADER.encode() * name.endswith("csv") + content, name, size=size)
    except Unreadable:
        return


async def test_a_long_report_is_read_as_a_stream() -> None:
    read_ahead = 0

    async def rows() -> AsyncIterator[bytes]:
        nonlocal read_ahead
        yield HEADER.encode()
        for chunk in range(25):
            read_ahead += 100
            yield b"".join(f"B1;;3701234567891;SKU-{chunk}-{number};OK;;;\n".encode() for number in range(100))

    sizes = []
    async for batch in read_report(settings(), file("r.csv"), rows()):
        sizes.append(len(batch))
        assert read_ahead == sum(sizes)
    assert sizes == [100] * 25


async def test_what_stands_before_a_chunk_that_is_no_text_is_given() -> None:
    good = HEADER.encode() + b"B1;;3701234567891;SKU-1;OK;;;\n" * 50_000
    given_before, error = await until_it_breaks(good + b"\x80", report={"encodings": ["utf-8-sig"]})
    assert error.startswith(f"byte {len(good)}: 0x80")
    assert given_before
