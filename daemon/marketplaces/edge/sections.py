"""The Edge's sectioned text (Edge section 2): two headers, one order, its items, and how many lines there were."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from daemon.errors import Unreadable

_COUNT = re.compile(r"[0-9]{1,9}")
# What an order can be; more is something else, and would grow when each item is kept by its columns' names.
_MOST_COLUMNS = 200
_LONGEST_NAME = 100
_MOST_ITEMS = 2_000
# What names something is repeated in our answers, in addresses and in tables: a text of one line, as long as the
# platform lets it be (Edge section 3).
_LONGEST_REF = 100
LONGEST_PART = 255
_SHOWN = 40
_EMPTY = frozenset({"", "null", "NULL"})
_HEADERS_KNOWN = 64  # two of each retailer, and those of whoever sends others
_HEADERS = 3  # order headers, order values, item headers: what must be whole before anything can be said of an order


class Row(NamedTuple):
    """One record by its header's names, stripped and in lower case; values as they came. `line` counts from 1.

    A tuple, as is a record: of items there are many, and a frozen dataclass takes twice as long to make.
    """

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sections:
    """A sectioned file as read; `incomplete` says why it is not whole (guide J6), and is empty when it is."""

    order: Row
    items: tuple[Row, ...]
    incomplete: str


class _Record(NamedTuple):
    line: int
    fields: list[str]


def decode(content: bytes) -> str:
    """Text from bytes: UTF-8 with or without a byte order mark, otherwise Windows-1252; raises Unreadable."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError as error:
            raise Unreadable(f"byte {error.start + 1} is neither UTF-8 nor Windows-1252") from None
    if "\0" in text:
        # A run of zero bytes is what a file is left with that was never written to the disk.
        raise Unreadable("it holds zero bytes, which no text has")
    return text


def read(content: bytes) -> Sections:
    """Read a sectioned file; raises Unreadable when its headers or its order cannot be trusted, or it is no order.

    The checksum counts the lines before it. A newline inside a quoted field makes two lines of one record, and nothing
    says which of them the sender counts, so either count is taken as a match. A file whose count is missing or another
    one comes back with what could be read of it, and says so in `incomplete`.
    """
    text = decode(content)
    records, broken = _records(text)
    if len(records) < _HEADERS or (len(records) == _HEADERS and not broken and not text.endswith(("\n", "\r"))):
        raise Unreadable(f"the file breaks off in its first {_HEADERS} lines{broken and ': ' + broken}")
    if len(records) > _HEADERS + _MOST_ITEMS + 1:
        raise Unreadable(f"the file has more than {_MOST_ITEMS:,} items, which no order has")
    order_names = _names(records[0])
    if records[1].fields == records[0].fields:
        raise Unreadable(f"line {records[1].line}: the header is there twice, and the order was expected")
    (order,) = _rows(order_names, records[1:2])
    item_names = _names(records[2])
    body, incomplete = _checked(records, broken)
    if incomplete:
        body = [record for record in body if len(record.fields) == len(item_names)]
    return Sections(order, _rows(item_names, body), incomplete)


def value(row: Row, column: str) -> str:
    """The text of a column, trimmed; a column that is not there and a null are empty."""
    text = row.values.get(column, "").strip()
    return "" if text in _EMPTY else text


def needed(row: Row, column: str, longest: int = _LONGEST_REF) -> str:
    """The text of a column that must say something, one line of at most `longest` characters; raises Unreadable."""
    raw = row.values.get(column)
    if raw is None:
        raise Unreadable(f"line {row.line}: its header has no column {column}")
    text = raw.strip()
    if text in _EMPTY:
        raise Unreadable(f"line {row.line}, {column}: it is empty")
    if len(text) > longest or not text.isprintable():
        raise Unreadable(
            f'line {row.line}, {column}: one line of at most {longest} characters was expected, "{shown(text)}" read'
        )
    return text


def shown(text: str) -> str:
    """The beginning of a text that is not what it should be, fit for a message."""
    plain = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN])
    return plain if len(text) <= _SHOWN else f"{plain}…"


def write(order: Mapping[str, str], columns: Sequence[str], items: Iterable[Sequence[str]]) -> bytes:
    """Write a sectioned file: every field quoted, LF, UTF-8, the count quoted on a line of its own."""
    out = io.StringIO(newline="")
    records = [list(order), list(order.values()), columns, *items]
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([*records, [len(records)]])
    return out.getvalue().encode()


def _records(text: str) -> tuple[list[_Record], str]:
    """Every record that is not blank, and where and why reading ended early ("" when it did not)."""
    records: list[_Record] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or any(fields):
                records.append(_Record(line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        return _raw_records(text) or (records, f"line {line}: {error}")
    return records, ""


def _raw_records(text: str) -> tuple[list[_Record], str] | None:
    """The same where a sender wraps fields in quotes but does not double those inside (`27" lamp`), otherwise None.

    The platform's own readers are known to split on `","`, so such a file is one that they would take.
    """
    records: list[_Record] = []
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        bare = line.rstrip("\r\n")
        if not bare:
            continue
        if len(bare) < 2 or bare[0] != '"' or bare[-1] != '"':
            return None
        records.append(_Record(number, bare[1:-1].split('","')))
    return records, ""


def _checked(records: list[_Record], broken: str) -> tuple[list[_Record], str]:
    """The item records, and why the file is not whole ("" when it is)."""
    last = records[-1]
    count = last.fields[0].strip() if len(last.fields) == 1 else ""
    if broken or not _COUNT.fullmatch(count):
        where = f" (it breaks off at {broken})" if broken else ""
        return records[_HEADERS:], (
            f"the number of lines expected is not known, {len(records)} were read: the checksum line is missing{where}"
        )
    expected, read_lines = int(count), len(records) - 1
    if expected not in {read_lines, last.line - 1}:
        return records[_HEADERS:-1], f"{expected} lines were expected by the checksum, {read_lines} were read"
    if read_lines <= _HEADERS:
        return [], f"{expected} lines were expected by the checksum and read, but none of them is an item"
    return records[_HEADERS:-1], ""


def _names(record: _Record) -> tuple[str, ...]:
    """The names of a header; raises Unreadable."""
    names = tuple([name.strip().lower() for name in record.fields])
    _check_names(record.line, names)
    return names


@lru_cache(maxsize=_HEADERS_KNOWN)
def _check_names(line: int, names: tuple[str, ...]) -> None:
    """Raise Unreadable where no file has such a header; one file has that of the other, so it is looked at once."""
    if len(names) > _MOST_COLUMNS:
        raise Unreadable(f"line {line}: {len(names)} columns; at most {_MOST_COLUMNS} are read")
    for name, times in Counter(names).items():
        if len(name) > _LONGEST_NAME:
            raise Unreadable(f'line {line}: "{name[:20]}…" is no name of a column, it has {len(name)} characters')
        if times > 1:
            raise Unreadable(f'line {line}: the column "{name}" is there twice')


def _rows(names: Sequence[str], records: Sequence[_Record]) -> tuple[Row, ...]:
    columns = len(names)
    for line, fields in records:
        if len(fields) != columns:
            raise Unreadable(f"line {line}: {columns} fields were expected by its header, {len(fields)} read")
    return tuple([Row(line, dict(zip(names, fields, strict=True))) for line, fields in records])
