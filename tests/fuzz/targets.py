"""The readers of The Edge's files, each as a function of any bytes that says what must hold, and whole files to begin with.

A reader may raise Unreadable; anything else that it raises, and a result that is larger than what was read or holds
what nothing may be named by, is a fault.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from daemon.errors import Unreadable
from daemon.marketplaces.edge.cancellations import read_cancellation
from daemon.marketplaces.edge.inventory import read_errors
from daemon.marketplaces.edge.orders import UnitPrice, read_order
from daemon.marketplaces.edge.updates import read_error
from daemon.model import AnswerLine, CancellationRequest, Order, UpdateAnswer
from tests.marketplaces.edge.account import account
from tests.marketplaces.edge.golden import golden

T = TypeVar("T")

FEED = "inventory-20240115111500000001.csv"
UPDATE = "dispatch-20240117235959999999.txt"
ACCOUNT = account()
LONDON = ZoneInfo("Europe/London")
PRICE = UnitPrice("unit_price", "GBP")

PLAIN_ORDER = b"""\
"order_number","order_date","test_flag","shipping_full_name","comments"
"Y100000001","2024-01-15T10:01:13","N","Test Recipient",""
"line_ref","part_number","quantity","description","unit_price"
"1","12345678","2","Test lamp","12.50"
"2","87654321","1","27"" shade
of wool","null"
"5"
"""
CANCELLATION = b"""\
"order_number","supplier_ref","test_flag","reason"
"Y100000001","","N","126"
"line_ref","part_number","quantity"
"1","12345678","1"
"2","87654321","null"
"5"
"""
UPDATE_ERROR = "line 4: carrier 'dpd' is unknown\nnothing of the file was taken – Café\n".encode()


def order(content: bytes) -> Order | None:
    """Read an order."""
    try:
        read = read_order(content, zone=LONDON, city_column="shipping_address_3", unit_price=PRICE)
    except Unreadable as error:
        _check_message(error)
        return None
    assert read.lines or read.incomplete
    _check_names(read.number, *(line.ref for line in read.lines))
    assert len({line.ref for line in read.lines}) == len(read.lines)
    for line in read.lines:
        assert 0 < line.quantity < 10**9
        assert line.channel_item_id.isprintable()
        assert line.unit_price is None or 0 <= line.unit_price.minor < 10**15
    shipping = read.shipping
    said = [read.number, shipping.name, *shipping.lines, shipping.postcode, shipping.city, shipping.country]
    said += [shipping.phone, shipping.email, shipping.instructions, *read.extra.values()]
    for line in read.lines:
        said += [line.ref, line.channel_item_id, line.title, *line.extra.values()]
    assert sum(map(len, said)) <= len(content), "more was read than there is"
    # Each line repeats the names of its columns, so those are few and short.
    assert sum(len(name) for line in read.lines for name in line.extra) <= 20_000 * len(read.lines)
    assert len(read.lines) <= 2_000
    return read


def cancellation(content: bytes) -> CancellationRequest | None:
    """Read a request to cancel."""
    try:
        read = read_cancellation(content, reason_columns=ACCOUNT.cancellations.reason_columns)
    except Unreadable as error:
        _check_message(error)
        return None
    assert read.lines or read.incomplete
    _check_names(read.order, *(line.ref for line in read.lines))
    assert len({line.ref for line in read.lines}) == len(read.lines)
    assert all(0 < line.quantity < 10**9 for line in read.lines)
    return read


def update_error(content: bytes) -> UpdateAnswer | None:
    """Read the error of an update."""
    try:
        read = read_error(f"{UPDATE}.err", content)
    except Unreadable as error:
        _check_message(error)
        return None
    assert (read.update_name, read.accepted) == (UPDATE, False)
    assert 0 < len(read.text) <= 2_000
    assert "\n" not in read.text
    return read


def stock_error(content: bytes) -> list[AnswerLine] | None:
    """Read the error of a stock file, however its bytes come in pieces."""
    pieces = (len(content) % 7 + 1, 4_096)
    first, second = (finished(_answers(content, piece)) for piece in pieces)
    assert first == second
    if first is None:
        return None
    for line in first:
        assert (line.feed_name, line.accepted) == (FEED, False)
        assert 0 < len(line.text) <= 2_000
        assert len(line.channel_item_id) <= 255
    return first


async def _answers(content: bytes, piece: int) -> list[AnswerLine] | None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]

    found: list[AnswerLine] = []
    fault: Unreadable | None = None
    try:
        async for batch in read_errors(f"{FEED}.err", chunks(), ACCOUNT):
            assert 0 < len(batch) <= 1_000
            found += batch
    except Unreadable as error:
        _check_message(error)
        fault = error
    # Otherwise the silence of its feed would be taken for a yes.
    assert fault is None or fault.feed_name == FEED
    return found if fault is None else None


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")


def _check_message(error: Unreadable) -> None:
    """What is told of a bad file is short, whatever is in the file."""
    assert 0 < len(str(error)) <= 500, f"{len(str(error))} characters"


def _check_names(*names: str) -> None:
    for name in names:
        assert name.strip()
        assert name.isprintable()
        assert len(name) <= 100


@dataclass(frozen=True, slots=True)
class Target:
    """One reader and whole files that it reads."""

    read: Callable[[bytes], object]
    wholes: Sequence[bytes]


TARGETS: Mapping[str, Target] = {
    "order": Target(order, (golden("order-20240115101500000001.txt"), PLAIN_ORDER, PLAIN_ORDER.replace(b'"', b""))),
    "cancellation": Target(cancellation, (CANCELLATION, CANCELLATION.replace(b"\n", b"\r\n"))),
    "update_error": Target(update_error, (UPDATE_ERROR, UPDATE_ERROR.decode().encode("cp1252"))),
    "stock_error": Target(
        stock_error, (golden(f"{FEED}.err"), golden(FEED), b"The header must be part_number,tradedCode,free_stock\n")
    ),
}
