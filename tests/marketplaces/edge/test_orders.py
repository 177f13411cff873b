"""The order file to an Order: every field where it belongs, and damage that is told with its line and column."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.orders import UnitPrice, read_order
from daemon.model import Customer, LineState, Money, Order, OrderLine, OrderNumber
from tests.marketplaces.edge.golden import golden

FILE = golden("order-20240115101500000001.txt")
LONDON = ZoneInfo("Europe/London")

EXPECTED = Order(
    number=OrderNumber("Y100000001"),
    sent_once=True,
    ordered_at=datetime(2024, 7, 15, 9, 1, 13, tzinfo=UTC),
    shipping=Customer(
        name="Zoë Sample",
        lines=("1 Sample Street", "Flat 2"),
        postcode="TE1 1ST",
        city="Sampleton",
        country="GB",
        phone="01632960001",
        email="zoe@example.test",
        instructions='Leave with the "blue" door, please',
    ),
    extra={
        "po_enduser": "100000001",
        "retailer_ref": "R1",
        "shipping_title": "Ms",
        "expected_delivery_date": "2024-07-20",
    },
    lines=(
        OrderLine(
            ref="1",
            quantity=2,
            state=LineState.NEW,
            channel_item_id="12345678",
            title='Lamp, 27" shade',
            extra={"promised_date": "2024-07-20T00:00:00", "additional_ref": "ADD1"},
        ),
        OrderLine(
            ref="00002",
            quantity=1,
            state=LineState.NEW,
            channel_item_id="87654321",
            title="Rug\nmade of wool",
            extra={"promised_date": "null", "additional_ref": ""},
        ),
    ),
)


def read(content: bytes, city_column: str = "shipping_address_3") -> Order:
    return read_order(content, zone=LONDON, city_column=city_column)


def one_line(order: dict[str, str], line: dict[str, str]) -> bytes:
    items = {"line_ref": "1", "part_number": "12345678", "quantity": "2", **line}
    return sections.write({"order_number": "Y1", **order}, list(items), [list(items.values())])


def test_an_order_file_is_read_whole() -> None:  # J5
    assert read(FILE) == EXPECTED


def test_columns_are_found_by_their_names() -> None:  # J5
    whole = sections.read(FILE)
    order = dict(reversed(list(whole.order.values.items())))
    columns = list(whole.items[0].values)[::-1]
    rows = [[item.values[column] for column in columns] for item in whole.items]
    permuted = sections.write({name.upper(): value for name, value in order.items()}, columns, rows)
    assert read(permuted) == EXPECTED


def test_the_spelling_of_the_file_does_not_matter() -> None:  # J5
    in_1252 = FILE.decode().replace("\n", "\r\n").encode("cp1252")
    order = read(in_1252)
    assert order.shipping == EXPECTED.shipping
    assert order.lines[0] == EXPECTED.lines[0]
    assert read(b"\xef\xbb\xbf" + FILE) == EXPECTED


def test_unknown_columns_are_kept_raw() -> None:  # J5
    order = read(one_line({"gift_note": " with love\n"}, {"cost": " 12.50 "}))
    assert order.extra == {"gift_note": " with love\n"}
    assert order.lines[0].extra == {"cost": " 12.50 "}


@pytest.mark.parametrize("nothing", ["", " ", "null", "NULL", " null "])
def test_empty_and_null_are_nothing(nothing: str) -> None:
    order = read(
        one_line(
            {"shipping_full_name": nothing, "shipping_address_1": nothing, "comments": nothing, "order_date": nothing},
            {"description": nothing},
        )
    )
    assert order.shipping == Customer()
    assert order.lines[0].title == ""
    assert order.ordered_at is None


def test_a_person_may_be_called_null() -> None:
    assert read(one_line({"shipping_full_name": "Null"}, {})).shipping.name == "Null"


@pytest.mark.parametrize(
    ("column", "lines", "city"),
    [("shipping_address_2", ("a", "c"), "b"), ("SHIPPING_CITY", ("a", "b", "c"), "d"), ("", ("a", "b", "c"), "")],
)
def test_which_column_is_the_city_is_a_setting(column: str, lines: tuple[str, ...], city: str) -> None:
    address = {f"shipping_address_{place}": text for place, text in enumerate("abc", 1)}
    shipping = read(one_line({**address, "shipping_city": "d"}, {}), city_column=column).shipping
    assert (shipping.lines, shipping.city) == (lines, city)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-01-15", datetime(2024, 1, 15, tzinfo=UTC)),
        ("2024-07-15", datetime(2024, 7, 14, 23, tzinfo=UTC)),
        ("2024-07-15T10:01:13", datetime(2024, 7, 15, 9, 1, 13, tzinfo=UTC)),
        ("2024-07-15 10:01:13", datetime(2024, 7, 15, 9, 1, 13, tzinfo=UTC)),
        ("2024-07-15T10:01:13Z", datetime(2024, 7, 15, 10, 1, 13, tzinfo=UTC)),
        ("2024-07-15T10:01:13+02:00", datetime(2024, 7, 15, 8, 1, 13, tzinfo=UTC)),
        ("Apr 16, 2021 9:01:33", datetime(2021, 4, 16, 8, 1, 33, tzinfo=UTC)),
        ("16/04/2021", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_the_forms_of_a_time(text: str, at: datetime | None) -> None:
    order = read(one_line({"order_date": text}, {}))
    assert order.ordered_at == at
    assert order.extra == ({} if at else {"order_date": text})


@pytest.mark.parametrize(("flag", "test"), [("N", False), ("", False), ("n", False), ("Y", True), ("y", True)])
def test_a_test_order_is_one(flag: str, test: bool) -> None:
    assert read(one_line({"test_flag": flag}, {})).test is test


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"quantity": "0"}, 'line 4, quantity: a whole number above 0 was expected, "0" read'),
        ({"quantity": "-1"}, '"-1" read'),
        ({"quantity": "1.5"}, '"1.5" read'),
        ({"quantity": "²"}, '"²" read'),
        ({"quantity": "9" * 5000}, "line 4, quantity"),
        ({"quantity": "null"}, "line 4, quantity: it is empty"),
        ({"part_number": ""}, "line 4, part_number: it is empty"),
        ({"line_ref": " "}, "line 4, line_ref: it is empty"),
    ],
)
def test_a_bad_value_is_told_with_its_line_and_column(line: dict[str, str], told: str) -> None:  # J5
    with pytest.raises(Unreadable) as caught:
        read(one_line({}, line))
    assert told in str(caught.value)


def test_a_line_that_is_there_twice_is_unreadable() -> None:
    columns = ["line_ref", "part_number", "quantity"]
    rows = [["1", "12345678", "1"], ["1", "87654321", "1"]]
    with pytest.raises(Unreadable, match="line 5, line_ref: 1 is there twice"):
        read(sections.write({"order_number": "Y1"}, columns, rows))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (sections.write({"order": "Y1", "x": ""}, ["line_ref"], [["1"]]), "its header has no column order_number"),
        (sections.write({"order_number": "null"}, ["line_ref"], [["1"]]), "line 2, order_number: it is empty"),
        (
            sections.write({"order_number": "Y1"}, ["line_ref", "quantity"], [["1", "1"]]),
            "line 4: its header has no column part_number",
        ),
    ],
)
def test_a_missing_column_is_told(content: bytes, told: str) -> None:  # J5
    with pytest.raises(Unreadable, match=told):
        read(content)


def test_a_wrong_count_is_an_incomplete_order() -> None:  # J6
    order = read(FILE.replace(b'"5"\n', b'"6"\n').replace(b"Rug\nmade", b"Rug made"))
    assert order.number == "Y100000001"
    assert order.incomplete == "6 lines were expected by the checksum, 5 were read"
    assert [line.ref for line in order.lines] == ["1", "00002"]


def test_lines_of_an_incomplete_order_are_those_that_can_be_read() -> None:  # J6
    content = b"order_number\nY1\nline_ref,part_number,quantity\n1,11111111,1\n2,22222222,x\n1,33333333,1\n3,33\n9\n"
    order = read(content)
    assert [line.channel_item_id for line in order.lines] == ["11111111"]
    assert "9 lines were expected" in order.incomplete


def test_a_file_cut_anywhere_is_never_a_whole_order() -> None:  # J6
    for content in (FILE, FILE.replace(b"\n", b"\r\n"), FILE.decode().encode("cp1252")):
        assert not read(content).incomplete
        for length in range(content.rindex(b'"5"') + 3):
            try:
                order = read(content[:length])
            except Unreadable:
                continue
            assert order.number == "Y100000001"
            assert order.incomplete, content[:length]


@given(st.integers(0, len(FILE)), st.integers(0, 40), st.binary(max_size=12))
def test_a_damaged_file_is_read_or_unreadable(start: int, length: int, instead: bytes) -> None:  # J6
    try:
        order = read(FILE[:start] + instead + FILE[start + length :])
    except Unreadable:
        return
    assert order.lines or order.incomplete


@pytest.mark.parametrize(
    ("text", "minor"), [("19.99", 1999), ("20", 2000), ("19.9", 1990), ("19.9900", 1999), ("19.999", None), ("", None)]
)
def test_the_price_of_a_unit_is_read_where_a_column_says_it(text: str, minor: int | None) -> None:  # J10
    file = one_line({}, {"cost": text})
    order = read_order(file, zone=LONDON, city_column="", unit_price=UnitPrice("Cost", "GBP"))
    assert order.lines[0].unit_price == (None if minor is None else Money(minor, "GBP"))
    assert ("cost" in order.lines[0].extra) == (minor is None)
    assert read(file).lines[0].unit_price is None
