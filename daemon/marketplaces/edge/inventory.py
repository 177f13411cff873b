"""The stock file of The Edge and the errors that answer it (Edge section 8, guide J3, J4)."""

import csv
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime

from daemon.errors import Unreadable
from daemon.marketplaces.edge.sections import LONGEST_PART, decode
from daemon.marketplaces.edge.settings import Column, EdgeSettings
from daemon.model import AnswerLine, Count, Extra, Feed, FeedObject, UsualRow, Words

_NAME = re.compile(r"inventory-[0-9]{20}(?![0-9])")
_BATCH = 1000
_LONGEST_LINE = 65_536
_LONGEST_TEXT = 2_000


def inventory_name(feed: Feed) -> str:
    """`inventory-<20 digits>.csv`: the moment that the feed was opened, UTC, to the microsecond."""
    return f"inventory-{feed.opened_at.astimezone(UTC):%Y%m%d%H%M%S%f}.csv"


def answered_feed(file_name: str) -> str:
    """The name of our stock file that an error file's name speaks of; empty when it speaks of none."""
    found = _NAME.search(file_name)
    return f"{found.group()}.csv" if found else ""


class InventoryFile:
    """A stock feed as bytes: one header line, one row for each listing, quotes only where needed, LF, UTF-8."""

    def __init__(self, settings: EdgeSettings, opened_at: datetime) -> None:
        self._today = opened_at.astimezone(settings.zone).date().isoformat()
        self._columns = settings.stock.columns
        self._delivery_days = settings.standard_delivery_days
        self._handling_days = settings.handling_days
        self._product_code, self._product_code_of = _PRODUCT_CODES[settings.seller_product_code]

    @property
    def usual(self) -> UsualRow:
        """A row as `_row` has it, of a listing without extras."""
        *most, last = (self._place(column) for column in self._columns)
        return (*(piece for place in most for piece in (place, ",")), last, "\n")

    def head(self) -> bytes:
        """The column names."""
        return _csv([[column.name for column in self._columns]])

    def rows(self, batch: Sequence[FeedObject]) -> bytes:
        """One row for each listing; an ended one comes with stock 0 (L9)."""
        return _csv(self._row(listing) for listing in batch)

    def tail(self) -> bytes:
        """Nothing: a stock file has no checksum."""
        return b""

    def _place(self, column: Column) -> str | Words | Count | Extra:
        match column.field:
            case "part_number":
                return Words("channel_item_id")
            case "seller_product_code":
                return self._product_code_of
            case "sku" | "ean" as name:
                return Words(name)
            case "lead_time_days":
                return Count("handling_days", self._handling_days, self._delivery_days)
            case "free_stock":
                return Count("stock")
            case "standard_lead_time_days":
                return Extra(str(self._handling_days + self._delivery_days))
            case "":
                return _quoted(column.text)
            case _:
                return Extra()

    def _row(self, listing: FeedObject) -> list[str]:
        values = self._values(listing)
        return [values[column.field] if column.field else column.text for column in self._columns]

    def _values(self, listing: FeedObject) -> Mapping[str, str]:
        handling = self._handling_days if listing.handling_days is None else listing.handling_days
        extras = asdict(listing.extras)
        usual = str(self._handling_days + self._delivery_days)
        return {
            **extras,
            "part_number": listing.channel_item_id,
            "seller_product_code": self._product_code(listing),
            "sku": listing.sku,
            "ean": listing.ean,
            "lead_time_days": str(handling + self._delivery_days),
            "free_stock": str(listing.stock),
            # What was to come on a day that is over has come, or nobody knows when it will.
            "back_in_stock_date": extras["back_in_stock_date"] if extras["back_in_stock_date"] >= self._today else "",
            "standard_lead_time_days": extras["standard_lead_time_days"] or usual,
        }


_PRODUCT_CODES: Mapping[str, tuple[Callable[[FeedObject], str], str | Words]] = {
    "none": (lambda _: "", ""),
    "sku": (lambda listing: listing.sku, Words("sku")),
    "ean": (lambda listing: listing.ean, Words("ean")),
}


def _quoted(text: str) -> str:
    """As one field of several, in quotes where it needs them."""
    return _csv([["", text]]).decode()[1:-1]


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


async def read_errors(
    file_name: str, chunks: AsyncIterator[bytes], settings: EdgeSettings
) -> AsyncGenerator[list[AnswerLine], None]:
    """What an error file says, in batches; raises Unreadable for one that speaks of no stock file of ours or is empty.

    The layout is not documented (Edge section 13, 6), so three are taken. A table with the part number column and a
    reason column rejects the listings that have a reason; a reason without a part number is about the whole feed. A
    table with the part number column alone rejects every listing in it. Anything else rejects the whole feed with the
    text as it stands. No marker says that an error file is whole: one that breaks off before it says anything is
    Unreadable, and rejects nothing.
    """
    feed_name = answered_feed(file_name)
    if not feed_name:
        raise Unreadable(f"{file_name} names no stock file of ours (inventory-<20 digits>)")
    batch: list[AnswerLine] = []
    fault = ""
    async with aclosing(_lines(chunks)) as lines, aclosing(_answers(file_name, feed_name, lines, settings)) as answers:
        while True:
            try:
                answer = await anext(answers)
            except StopAsyncIteration:
                break
            except Unreadable as error:
                fault = str(error)
                break
            batch.append(answer)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch
    if fault:
        raise Unreadable(fault, feed_name)


async def _answers(
    file_name: str, feed_name: str, lines: AsyncIterator[str], settings: EdgeSettings
) -> AsyncGenerator[AnswerLine, None]:
    first = ""
    async for first in lines:
        if first.strip():
            break
    if not first.strip():
        raise Unreadable(f"{file_name} is empty")
    table = _ErrorTable.of(first, settings)
    if table is None:
        if _begins_a_header(first, settings):
            raise Unreadable(f"{file_name} breaks off in its header")
        yield AnswerLine(accepted=False, feed_name=feed_name, text=await _whole_text(first, lines))
        return
    said, last = False, ""
    async for last in lines:
        if answer := table.answer(last, feed_name):
            said = True
            yield answer
    if not said:
        if not last.endswith("\n"):
            raise Unreadable(f"{file_name} breaks off before it names a listing or a reason")
        yield AnswerLine(accepted=False, feed_name=feed_name, text=f"{file_name} came back without a reason")


class _ErrorTable:
    """An error file that is a table: where its part number and its reason stand."""

    def __init__(self, part_number: int, reason: int | None) -> None:
        self._part_number = part_number
        self._reason = reason

    @classmethod
    def of(cls, header: str, settings: EdgeSettings) -> "_ErrorTable | None":
        """The table that a first line opens; None when it is no header with the part number column."""
        names = [name.strip().lower() for name in _fields(header)]
        part_number = _part_number_column(settings)
        if part_number not in names:
            return None
        reasons = (names.index(name.lower()) for name in settings.stock.error_columns if name.lower() in names)
        return cls(names.index(part_number), next(reasons, None))

    def answer(self, line: str, feed_name: str) -> AnswerLine | None:
        """What a line says of one listing; None when it says nothing against one."""
        fields = _fields(line)
        part_number = _field(fields, self._part_number)
        text = _field(fields, self._reason)
        if self._reason is None and part_number:
            text = "The Edge names it in its error file and gives no reason"
        if not text:
            return None
        return AnswerLine(
            accepted=False,
            feed_name=feed_name,
            channel_item_id=part_number[:LONGEST_PART],
            text=text[:_LONGEST_TEXT],
        )


def _part_number_column(settings: EdgeSettings) -> str:
    return next(column.name for column in settings.stock.columns if column.field == "part_number").lower()


def _begins_a_header(line: str, settings: EdgeSettings) -> bool:
    """Whether a file ends within the name of the column that the header of an error table begins with."""
    # Half of a byte order mark reads as these two.
    begun = line.lstrip("ï»").strip(' "').lower()
    return not line.endswith("\n") and _part_number_column(settings).startswith(begun)


def _field(fields: Sequence[str], place: int | None) -> str:
    return fields[place].strip() if place is not None and place < len(fields) else ""


def _fields(line: str) -> list[str]:
    """The fields of one line, not strictly: a stray quote costs no more than the line that it is in."""
    return next(csv.reader(io.StringIO(line, newline=""), skipinitialspace=True), [])


async def _whole_text(first: str, lines: AsyncIterator[str]) -> str:
    text = first
    async for line in lines:
        if len(text) < _LONGEST_TEXT:
            text += line
    return " ".join(text[:_LONGEST_TEXT].split())


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The lines of a stream, each decoded by itself; raises Unreadable at one that is too long, however it comes."""
    rest, number = b"", 0
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            _check_length(number, line)
            yield decode(line) + "\n"
        _check_length(number + 1, rest)
    if rest:
        yield decode(rest)


def _check_length(number: int, line: bytes) -> None:
    if len(line) > _LONGEST_LINE:
        raise Unreadable(f"line {number}: longer than {_LONGEST_LINE:,} bytes")
