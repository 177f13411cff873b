"""CSV as people make it."""

import csv
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.seller.cells import USUAL_NUMBER, USUAL_SKU
from daemon.seller.rows import BrokenRow, Row
from daemon.seller.tables import CsvTable as Table

COLUMNS = ("sku", "stock", "title")


def table(content: bytes | str) -> Table:
    return Table(
        BytesIO(content.encode() if isinstance(content, str) else content), COLUMNS, ("sku", "stock"), ["title"]
    )


def rows(content: bytes | str) -> list[Row | BrokenRow]:
    with table(content) as opened:
        return list(opened)


def cells(content: bytes | str) -> list[tuple[str, str]]:
    return [(row.cells["sku"], row.cells["stock"]) for row in rows(content) if isinstance(row, Row)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_delimiter_and_line_end(delimiter: str, newline: str) -> None:  # S1
    text = newline.join(["sku,stock", "A,1", "B,2", ""]).replace(",", delimiter)
    assert cells(text) == [("A", "1"), ("B", "2")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_letters_of_the_usual_encodings(encoding: str) -> None:  # S1
    found = rows("sku;stock;title\nA;1;Évier à poser".encode(encoding))
    assert [row.cells["title"] for row in found if isinstance(row, Row)] == ["Évier à poser"]


def test_titles_in_any_order_and_spelling() -> None:
    assert cells("sep=;\r\n\r\nStock ; SKU\r\n1;A\r\n") == [("A", "1")]
    with table("sku,stock,tilte,fault,\nA,1,x,bad,\n") as wanted:
        assert wanted.ignored == {"tilte": "title"}
        assert len(list(wanted)) == 1


def test_lines_are_those_of_the_file() -> None:  # S1
    found = rows('sku,stock,title\n\nA,1,"two\nlines"\n,,\nB,2,x\n')
    assert [(row.line, row.raw[0]) for row in found if isinstance(row, Row)] == [(3, "A"), (6, "B")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1: the file is empty"),
        (b"\n\n", "line 1: the file is empty"),
        (b"sku;price\nA;1\n", "line 1: no column stock in the header line, which has sku, price"),
        (b"\n1,2,3\n", "line 2: no column sku"),
        (b"sku,sku,stock\nA,A,1\n", "sku is there more than once"),
        ("sku,stock".encode("utf-16"), "UTF-16"),
        (b"sku,stock\nA,\x81\n", "line 2: the letters are neither"),
        (b"\0" * 200_000, "line 1: no column sku"),
        (b"sku,stock," + b"x" * 200_000 + b"\nA,1\n", "line 1: no column sku"),
        (b"sku,stock" + b",x" * 100_000 + b"\nA,1\n", "line 1: 100002 columns are more than the 1000 that are read"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_with_the_reason(content: bytes, told: str) -> None:  # S1
    with pytest.raises(Unreadable) as refused:
        table(content)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 1_000


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ('B,"2', "never closed"),
        ('B,"2"x', "closing quotation mark"),
        ("B,2,3,4,5", "5 cells where the header has 3"),
        ("B", "1 cells where the header has 3"),
        ("B,2,x\x00y", "control character"),
        ("B,2," + "x" * 140_000, "longer than 131,072"),
        ("B,2," + "x" * 1_100_000, "longer than 1,048,576"),
    ],
)
def test_a_broken_row_never_blocks_the_rest(bad: str, told: str) -> None:  # S1
    found = rows(f"sku,stock,title\nA,1,x\n{bad}\nC,3,x\nD,4,y\n")
    assert [row.raw[0] for row in found if isinstance(row, Row)] == ["A", "C", "D"]
    (broken,) = (row for row in found if isinstance(row, BrokenRow))
    assert broken.fault.line == 3
    assert told in broken.fault.problem
    assert broken.fault.fix


def test_an_open_quotation_mark_gives_the_next_rows_back() -> None:  # S1
    good = "".join(f"S{number},{number},x\n" for number in range(1_200))
    found = rows(f'sku,stock,title\nA,"1,x\n{good}B,"2",x\n')
    assert sum(isinstance(row, Row) for row in found) == 1_201
    assert [row.fault.line for row in found if isinstance(row, BrokenRow)] == [2]


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('",;\t\n"'), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=30), st.sampled_from(",;\t"), st.booleans())
def test_what_a_spreadsheet_writes_is_read_back(written: list[tuple[str, str, str]], delimiter: str, bom: bool) -> None:
    written = [(" ".join(sku.split()), " ".join(stock.split()), title) for sku, stock, title in written]
    text = StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *written])
    found = rows(("\ufeff" if bom else "") + text.getvalue())
    expected = [tuple(cell.strip() for cell in row) for row in written if any(cell.strip() for cell in row)]
    assert [tuple(row.cells.values()) for row in found if isinstance(row, Row)] == expected
    assert len(found) == len(expected)


@given(st.binary(max_size=400))
def test_no_bytes_crash_it(content: bytes) -> None:
    try:
        found = rows(b"sku,stock\n" + content)
    except Unreadable:
        return
    lines = [row.line if isinstance(row, Row) else row.fault.line for row in found]
    assert lines == sorted(set(lines))


BAD = st.sampled_from(['"', 'X,"1"2', "X,1,2,3", "X", 'X,"'])


@given(st.lists(st.just("good") | BAD, max_size=60))
def test_every_bad_row_is_told_once_and_every_good_row_is_taken(kinds: list[str]) -> None:  # S1
    lines = [f"S{number},{number}" if kind == "good" else kind for number, kind in enumerate(kinds)]
    found = rows("\n".join(["sku,stock", *lines, ""]))
    good = [number + 2 for number, kind in enumerate(kinds) if kind == "good"]
    assert [row.line for row in found if isinstance(row, Row) and row.raw[0].startswith("S")] == good
    told = [row.fault.line for row in found if isinstance(row, BrokenRow)]
    assert told == [number + 2 for number, kind in enumerate(kinds) if kind != "good"]


@given(
    st.lists(st.lists(st.text(st.characters(blacklist_characters='"\r\n', blacklist_categories=["Cs"])), max_size=4))
)
def test_a_line_without_quotation_marks_is_what_it_would_be_with_them(lines: list[list[str]]) -> None:
    plain, quoted = StringIO("sku,stock,title\n"), StringIO("sku,stock,title\n")
    for text in (plain, quoted):
        text.seek(0, 2)
    for line in lines:
        plain.write(",".join(line) + "\n")
        cut = ",".join(line).split(",") if line else []
        quoted.write(",".join(f'"{cell}"' for cell in cut) + "\n")
    assert rows(plain.getvalue()) == rows(quoted.getvalue())


USUAL = {"sku": USUAL_SKU, "stock": USUAL_NUMBER}
HEADERS = st.sampled_from(["sku,stock", "stock,sku", "sku,note,stock,fault", "Stock;note;SKU", "sku\tstock"])
#: cells that are usual, cells that only look so, and such as no row may have
CELLS = st.sampled_from(
    [
        *("A", "LAMP 01", "a-b_c.d:e/f", "=1", "0", "007", "999999999", "1000000000", "S" * 100, "S" * 101),
        *(
            "",
            " ",
            " A",
            "A ",
            "'=1",
            "'A",
            "É",
            "A\u00a0",
            "\u2003A",
            "1.0",
            "-1",
            '"A"',
            '"A',
            '"',
            "x\x00y",
            "x\x0by",
        ),
        *("x" * 140, "A\u2028B", ",", ";", "\t"),
    ]
)
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r", ",\n", "\n\n", ""])


def in_sets(content: str, most: int) -> tuple[list[tuple[int, str, str] | BrokenRow], int]:
    """Every row of a file of which the usual ones are taken in sets, `most` at a time; and how many those were."""
    found: list[tuple[int, str, str] | BrokenRow] = []
    count = 0
    with Table(BytesIO(content.encode()), list(USUAL), list(USUAL), usual=USUAL) as opened:
        others = iter(opened)
        while True:
            if usual := opened.usual_rows(most):
                together = list(zip(usual.cells["sku"], usual.cells["stock"], strict=True))
                assert 0 < len(together) <= most
                found += [(line, *row) for line, row in enumerate(together, usual.line)]
                count += len(together)
            elif (row := next(others, None)) is not None:
                found.append(row if isinstance(row, BrokenRow) else (row.line, row.cells["sku"], row.cells["stock"]))
            else:
                return found, count


@given(HEADERS, st.lists(st.tuples(st.lists(CELLS, min_size=2, max_size=4), ENDS), max_size=20), st.integers(1, 5))
def test_usual_rows_are_what_they_would_be_one_by_one(
    header: str, lines: list[tuple[list[str], str]], most: int
) -> None:  # S1
    delimiter = next(sign for sign in ",;\t" if sign in header)
    content = f"{header}\n" + "".join(delimiter.join(cells) + end for cells, end in lines)
    with Table(BytesIO(content.encode()), list(USUAL), list(USUAL)) as opened:
        one_by_one = [
            row if isinstance(row, BrokenRow) else (row.line, row.cells["sku"], row.cells["stock"]) for row in opened
        ]
    assert in_sets(content, most)[0] == one_by_one


def test_most_rows_of_a_usual_file_are_taken_in_sets() -> None:  # S1
    lines = [f"note {number},SKU {number},{number}" for number in range(20_000)]
    lines[7_000:7_002] = ["bad,SKU 7000", 'quoted,"SKU 7001",7001']
    found, count = in_sets("\r\n".join(["note,sku,stock", *lines, ""]), 10_000)
    assert (len(found), count) == (20_000, 19_998)
    assert found[19_999] == (20_001, "SKU 19999", "19999")
