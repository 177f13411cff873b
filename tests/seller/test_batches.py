"""A file is what it says, however it is cut into batches and whichever of its rows are taken as usual ones."""

from collections.abc import Mapping
from contextlib import closing
from io import BytesIO

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.seller.batches import RowResult, Rows
from daemon.seller.columns import COLUMNS, ImportKind
from daemon.seller.intakes import Stock
from daemon.seller.tables import CsvTable
from daemon.store import Store
from daemon.store.seen import Seen
from tests.seller.conftest import NOON, redoute

USUAL = {column.name: column.usual for column in COLUMNS[ImportKind.STOCK]}
#: what is usual, what comes to the same, and what is wrong
SKUS = ["S-1", "S-2", "S-3", " S-1", "S-2 ", "s-1", "É", "E\u0301", "'=S-1", "'S-1", '"S-3"', "", "x" * 100, "x" * 101]
STOCKS = ["1", "12", "012", " 12", "12.0", "999999999", "0999999999", "1000000000", "-1", "x", "", '"1"', "٣"]
CELLS = st.tuples(st.sampled_from(SKUS), st.sampled_from(STOCKS))
ODD = st.sampled_from([("",), ("S-9",), ("S-9", "1", ""), ("S-9", "1", "2"), ('"S-9', "1"), ("", "")])


def taken(store: Store, content: bytes, usual: Mapping[str, str], size: int) -> list[tuple[int, str, int | RowResult]]:
    """The line and key of each row, with its units or why it is refused."""
    found: list[tuple[int, str, int | RowResult]] = []
    with CsvTable(BytesIO(content), USUAL, USUAL, usual=usual) as table, closing(Seen()) as seen:
        rows = Rows(Stock(store, redoute(), NOON), table, seen)
        while (read := rows.next_batch(size)).lines:
            units = dict(zip(read.good(), read.values, strict=True))
            assert read.ready.skus == [read.keys[place] for place in units]
            for place, (line, key) in enumerate(zip(read.lines, read.keys, strict=True)):
                found.append((line, key, units[place] if place in units else read.refused[place]))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(CELLS | ODD, max_size=30),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.integers(1, 7),
)
async def test_a_file_is_what_it_says_however_it_is_cut(
    store: Store, lines: list[tuple[str, ...]], delimiter: str, newline: str, ended: bool, size: int
) -> None:  # S1
    text = newline.join(delimiter.join(cells) for cells in [("sku", "stock"), *lines]) + newline * ended
    content = text.encode()
    whole = taken(store, content, {}, 100)
    assert taken(store, content, USUAL, 100) == taken(store, content, USUAL, size) == whole
    marked = taken(store, b"\xef\xbb\xbf" + content, USUAL, size)
    assert marked == whole
