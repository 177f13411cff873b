"""The order file of The Edge (Edge section 3): its bytes to an Order."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.sections import Row
from daemon.model import Customer, LineState, Order, OrderLine, OrderNumber

_WHOLE = re.compile(r"0*[1-9][0-9]{0,8}")
# What names something is repeated in our answers, in addresses and in tables: a text of one line, as long as the
# platform lets it be (Edge section 3).
_LONGEST_REF = 100
_LONGEST_PART = 255
_SHOWN = 40
_EMPTY = frozenset({"", "null", "NULL"})
_YES = frozenset({"y", "yes", "true", "1"})

#: columns that the model has a word for; every other one is kept raw in `extra`
_ORDER_WORDS = frozenset(
    {
        "order_number",
        "comments",
        "test_flag",
        "shipping_full_name",
        "shipping_address_1",
        "shipping_address_2",
        "shipping_address_3",
        "shipping_postcode",
        "shipping_country",
        "shipping_phone",
        "shipping_email",
    }
)
_LINE_WORDS = frozenset({"line_ref", "part_number", "quantity", "description"})


def read_order(content: bytes, *, zone: ZoneInfo, city_column: str) -> Order:
    """Read one order file; raises Unreadable with line and column.

    A file whose checksum does not fit gives an order that says so in `incomplete` (J6), with the lines that could be
    read. Times without a zone are the account's; a date in a form that we don't know stays raw in `extra`.
    """
    read = sections.read(content)
    number = _needed(read.order, "order_number")
    city_column = city_column.lower()
    ordered_at = _instant(_value(read.order, "order_date"), zone)
    worded = _ORDER_WORDS | {city_column} | ({"order_date"} if ordered_at else set())
    return Order(
        number=OrderNumber(number),
        lines=_lines(read.items, tolerant=bool(read.incomplete)),
        ordered_at=ordered_at,
        shipping=_recipient(read.order, city_column),
        test=_value(read.order, "test_flag").lower() in _YES,
        incomplete=read.incomplete,
        sent_once=True,
        extra={name: value for name, value in read.order.values.items() if name not in worded},
    )


def _recipient(order: Row, city_column: str) -> Customer:
    street = (f"shipping_address_{number}" for number in (1, 2, 3))
    return Customer(
        name=_value(order, "shipping_full_name"),
        lines=tuple(line for column in street if column != city_column and (line := _value(order, column))),
        postcode=_value(order, "shipping_postcode"),
        city=_value(order, city_column),
        country=_value(order, "shipping_country"),
        phone=_value(order, "shipping_phone"),
        email=_value(order, "shipping_email"),
        instructions=_value(order, "comments"),
    )


def _lines(items: tuple[Row, ...], *, tolerant: bool) -> tuple[OrderLine, ...]:
    lines: dict[str, OrderLine] = {}
    for item in items:
        try:
            line = _line(item, lines)
        except Unreadable:
            if not tolerant:
                raise
        else:
            lines[line.ref] = line
    return tuple(lines.values())


def _line(item: Row, others: Mapping[str, OrderLine]) -> OrderLine:
    ref = _needed(item, "line_ref")
    if ref in others:
        raise Unreadable(f"line {item.line}, line_ref: {ref} is there twice")
    quantity = _needed(item, "quantity")
    if not _WHOLE.fullmatch(quantity):
        raise Unreadable(f'line {item.line}, quantity: a whole number above 0 was expected, "{_shown(quantity)}" read')
    return OrderLine(
        ref=ref,
        quantity=int(quantity),
        state=LineState.NEW,
        channel_item_id=_needed(item, "part_number", _LONGEST_PART),
        title=_value(item, "description"),
        extra={name: value for name, value in item.values.items() if name not in _LINE_WORDS},
    )


def _value(row: Row, column: str) -> str:
    """The text of a column, trimmed; a column that is not there and a null are empty."""
    text = row.values.get(column, "").strip()
    return "" if text in _EMPTY else text


def _needed(row: Row, column: str, longest: int = _LONGEST_REF) -> str:
    if column not in row.values:
        raise Unreadable(f"line {row.line}: its header has no column {column}")
    text = _value(row, column)
    if not text:
        raise Unreadable(f"line {row.line}, {column}: it is empty")
    if len(text) > longest or not text.isprintable():
        raise Unreadable(
            f'line {row.line}, {column}: one line of at most {longest} characters was expected, "{_shown(text)}" read'
        )
    return text


def _shown(text: str) -> str:
    """The beginning of a text that is not what it should be, fit for a message."""
    plain = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN])
    return plain if len(text) <= _SHOWN else f"{plain}…"


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    """The UTC instant of an ISO date or time, or of the form of The Edge's pages (`Apr 16, 2021 9:01:33`)."""
    for read in (datetime.fromisoformat, _page_time):
        with suppress(ValueError, OverflowError):
            at = read(text)
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    return None


def _page_time(text: str) -> datetime:
    return datetime.strptime(text, "%b %d, %Y %H:%M:%S")  # noqa: DTZ007 (the caller gives it the account's zone)
