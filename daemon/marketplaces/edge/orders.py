"""The order file of The Edge (Edge section 3): its bytes to an Order."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.sections import LONGEST_PART, Row, needed, shown, value
from daemon.model import Customer, LineState, Money, Order, OrderLine, OrderNumber

_WHOLE = re.compile(r"0*[1-9][0-9]{0,8}")
# As decimal 14.2 of the REST interface; a third decimal other than 0 is no amount of pence.
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")
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


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """Where an item says what one unit costs, and in which currency."""

    column: str
    currency: str

    def of(self, item: Row) -> Money | None:
        """The price of one unit of an item; None where it does not say, or says no amount."""
        found = _AMOUNT.fullmatch(value(item, self.column.lower())) if self.column else None
        if found is None:
            return None
        return Money(int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")[:2]), self.currency)


def read_order(content: bytes, *, zone: ZoneInfo, city_column: str, unit_price: UnitPrice | None = None) -> Order:
    """Read one order file; raises Unreadable with line and column.

    A file whose checksum does not fit gives an order that says so in `incomplete` (J6), with the lines that could be
    read. Times without a zone are the account's; a date in a form that we don't know stays raw in `extra`, and so does
    a price that is no amount.
    """
    read = sections.read(content)
    number = needed(read.order, "order_number")
    city_column = city_column.lower()
    ordered_at = _instant(value(read.order, "order_date"), zone)
    worded = _ORDER_WORDS | {city_column} | ({"order_date"} if ordered_at else set())
    return Order(
        number=OrderNumber(number),
        lines=_lines(read.items, unit_price or UnitPrice("", ""), tolerant=bool(read.incomplete)),
        ordered_at=ordered_at,
        shipping=_recipient(read.order, city_column),
        test=value(read.order, "test_flag").lower() in _YES,
        incomplete=read.incomplete,
        sent_once=True,
        extra={name: text for name, text in read.order.values.items() if name not in worded},
    )


def _recipient(order: Row, city_column: str) -> Customer:
    street = (f"shipping_address_{number}" for number in (1, 2, 3))
    return Customer(
        name=value(order, "shipping_full_name"),
        lines=tuple(line for column in street if column != city_column and (line := value(order, column))),
        postcode=value(order, "shipping_postcode"),
        city=value(order, city_column),
        country=value(order, "shipping_country"),
        phone=value(order, "shipping_phone"),
        email=value(order, "shipping_email"),
        instructions=value(order, "comments"),
    )


def _lines(items: tuple[Row, ...], unit_price: UnitPrice, *, tolerant: bool) -> tuple[OrderLine, ...]:
    lines: dict[str, OrderLine] = {}
    # One header names the columns of all of them.
    unworded = [name for name in items[0].values if name not in _LINE_WORDS] if items else []
    for item in items:
        try:
            line = _line(item, lines, unit_price, unworded)
        except Unreadable:
            if not tolerant:
                raise
        else:
            lines[line.ref] = line
    return tuple(lines.values())


def _line(item: Row, others: Mapping[str, OrderLine], unit_price: UnitPrice, unworded: Sequence[str]) -> OrderLine:
    ref = needed(item, "line_ref")
    if ref in others:
        raise Unreadable(f"line {item.line}, line_ref: {ref} is there twice")
    quantity = needed(item, "quantity")
    if not _WHOLE.fullmatch(quantity):
        raise Unreadable(f'line {item.line}, quantity: a whole number above 0 was expected, "{shown(quantity)}" read')
    price = unit_price.of(item)
    worded = unit_price.column.lower() if price else None
    return OrderLine(
        ref=ref,
        quantity=int(quantity),
        state=LineState.NEW,
        channel_item_id=needed(item, "part_number", LONGEST_PART),
        title=value(item, "description"),
        unit_price=price,
        extra={name: item.values[name] for name in unworded if name != worded},
    )


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    """The UTC instant of an ISO date or time, or of the form of The Edge's pages (`Apr 16, 2021 9:01:33`)."""
    for read in (datetime.fromisoformat, _page_time):
        with suppress(ValueError, OverflowError):
            at = read(text)
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    return None


def _page_time(text: str) -> datetime:
    return datetime.strptime(text, "%b %d, %Y %H:%M:%S")  # noqa: DTZ007 (the caller gives it the account's zone)
