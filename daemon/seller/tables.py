"""CSV as people make it, read row by row: any of three delimiters, UTF-8 or cp1252, each fault by line and column."""

import codecs
import csv
import re
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b
from io import TextIOWrapper
from typing import BinaryIO, Self, TextIO

from daemon.errors import Unreadable

#: The column in which bad rows say what is wrong; it is passed over when they come back.
FAULT_COLUMN = "fault"

_DELIMITERS = (",", ";", "\t")
_MOST_LINES = 500  # of one row: longer than any description, short enough to notice a quotation mark left open
_MOST_CHARACTERS = 1 << 20  # of one line
_MOST_COLUMNS = 1_000
_SHOWN = 500  # characters of a header line, where it is told
_BLOCK = 1 << 16
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SEP_LINE = re.compile(r"sep=.[\r\n]*", re.IGNORECASE)
_CSV_ERRORS = (
    ("unexpected end", "a quotation mark is opened and never closed", 'close it, or write "" for one inside a text'),
    ("expected after", "text stands behind a closing quotation mark", 'write "" for a quotation mark inside a text'),
    ("field limit", "a cell is longer than 131,072 characters", "shorten it"),
    ("line limit", "the line is longer than 1,048,576 characters", "shorten it, or save the file as CSV once more"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file: where, what stands there, what is wrong with it, and what to do."""

    line: int
    problem: str
    fix: str
    column: str = ""
    value: str = ""
    sku: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the file line on which it begins, its cells as they stand there, and the known ones by column."""

    line: int
    raw: tuple[str, ...]
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be taken apart."""

    raw: tuple[str, ...]
    fault: Fault


class Table:
    """A CSV file at its first row; iterate for the rows inside `with`. Holds a few lines at a time, never the file.

    `ignored` names the columns that nobody knows, each with the known name that is nearest, or "".
    """

    def __init__(
        self,
        file: BinaryIO,
        columns: Collection[str],
        required: Collection[str],
        many_lines: Collection[str] = (),
        also: Mapping[str, str] | None = None,
    ) -> None:
        """Read up to the header; raises Unreadable when the file is no such table. `file` must be able to seek.

        Of the known columns, only the cells of `many_lines` may hold line breaks. `also` are other names of columns,
        taken where the column does not stand there under its own.
        """
        also = also or {}
        self._text = TextIOWrapper(file, _encoding(file), newline="")
        try:
            self._lines = _Lines(self._text)
            self.delimiter, self.header = _header(self._lines, columns, also)
            self._names = _called([_name(title) for title in self.header], also)
            self.columns = frozenset(self._names) & frozenset(columns)
            self._check(columns, required)
        except BaseException:
            self._text.detach()
            raise
        self._of_one_line = self.columns - frozenset(many_lines)
        self.ignored = {
            title: next(iter(get_close_matches(name, columns, n=1)), "")
            for title, name in zip(self.header, self._names, strict=True)
            if name and name not in columns and name != FAULT_COLUMN
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The file is the caller's to close.
        self._text.detach()

    def _check(self, columns: Collection[str], required: Collection[str]) -> None:
        for name in sorted(self.columns):
            if self._names.count(name) > 1:
                raise Unreadable(f"line {self._lines.number}: the column {name} is there more than once; keep one")
        missing = [name for name in required if name not in self.columns]
        if missing:
            told = ", ".join(title for title in self.header if title) or "nothing"
            raise Unreadable(
                f"line {self._lines.number}: no column {' and no column '.join(missing)} in the header line, which has"
                f" {told if len(told) <= _SHOWN else f'{told[:_SHOWN]}…'}; the columns are"
                f" {', '.join(columns)}"
            )

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        while (row := self._next()) is not None:
            if isinstance(row, BrokenRow) or any(cell.strip() for cell in row.raw):
                yield row

    def _next(self) -> Row | BrokenRow | None:
        taken = self._lines.take()
        if taken is None:
            return None
        line, first = taken
        try:
            cells, more = _record(self._lines, first, self.delimiter)
        except csv.Error as error:
            return BrokenRow(((first or "").rstrip("\r\n"),), _csv_fault(line, str(error)))
        while len(cells) > len(self.header) and not cells[-1].strip():
            cells.pop()
        fault = self._misshapen(line, cells, many_lines=bool(more))
        if fault is None:
            return self._row(line, cells)
        # More likely a quotation mark left open, which swallowed the rows behind it, than a row of many lines.
        self._lines.give_back(more)
        return BrokenRow(((first or "").rstrip("\r\n"),) if more else tuple(cells), fault)

    def _misshapen(self, line: int, cells: list[str], *, many_lines: bool) -> Fault | None:
        if len(cells) != len(self.header) and (many_lines or any(cell.strip() for cell in cells)):
            return Fault(
                line,
                f"the row has {len(cells)} cells where the header has {len(self.header)}",
                f'put a text that holds {_spoken(self.delimiter)} between quotation marks ("), and keep empty cells',
            )
        for name, cell in zip(self._names, cells, strict=False):
            if many_lines and name in self._of_one_line and ("\n" in cell or "\r" in cell):
                return Fault(
                    line,
                    "a line break stands in this column, or a quotation mark is opened and never closed",
                    'take the break out, close the quotation mark, or write "" for one inside a text',
                    name,
                    cell.splitlines()[0],
                )
        return None

    def _row(self, line: int, cells: list[str]) -> Row | BrokenRow:
        named = {name: cell.strip() for name, cell in zip(self._names, cells, strict=False) if name in self.columns}
        for name, cell in named.items():
            if _CONTROL.search(cell):
                problem = "the cell holds a control character, which no text has"
                return BrokenRow(tuple(cells), Fault(line, problem, "type the text once more", name, repr(cell)))
        return Row(line, tuple(cells), named)


class Seen:
    """The keys of the rows already taken and their lines: 24 bytes a row, so that a million rows stay small."""

    def __init__(self) -> None:
        self._resize(1 << 10)

    def _resize(self, capacity: int) -> None:
        self._digests = array("Q", bytes(8 * capacity))
        self._at = array("Q", bytes(8 * capacity))
        self._count = 0

    def before(self, key: str, line: int) -> int:
        """The line on which `key` came before, or 0, and then it is noted to have come on `line`."""
        if 2 * self._count >= len(self._digests):
            old = list(zip(self._digests, self._at, strict=True))
            self._resize(2 * len(old))
            for digest, was in old:
                if was:
                    self._put(digest, was)
        return self._put(int.from_bytes(blake2b(key.encode("utf-8"), digest_size=8).digest()), line)

    def _put(self, digest: int, line: int) -> int:
        place, mask = digest & (len(self._at) - 1), len(self._at) - 1
        while self._at[place]:
            if self._digests[place] == digest:
                return self._at[place]
            place = (place + 1) & mask
        self._digests[place], self._at[place] = digest, line
        self._count += 1
        return 0


class _Lines:
    """The physical lines of a file with their numbers; lines that were read too far can be given back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._waiting: deque[tuple[int, str | None]] = deque()
        self._read = 0
        self.number = 0

    def take(self) -> tuple[int, str | None] | None:
        """The next line and its number, None for one that is too long to hold; None at the end."""
        if self._waiting:
            taken = self._waiting.popleft()
        else:
            line = self._text.readline(_MOST_CHARACTERS)
            if not line:
                return None
            self._read += 1
            taken = (self._read, self._whole(line))
        self.number = taken[0]
        return taken

    def _whole(self, line: str) -> str | None:
        whole = True
        while line and line[-1] not in "\r\n" and len(line) >= _MOST_CHARACTERS:
            whole = False
            line = self._text.readline(_MOST_CHARACTERS)
        return line if whole else None

    def give_back(self, lines: list[tuple[int, str | None]]) -> None:
        """Put lines before those still to come."""
        self._waiting.extendleft(reversed(lines))


def _record(lines: _Lines, first: str | None, delimiter: str) -> tuple[list[str], list[tuple[int, str | None]]]:
    """The cells of the row that begins with `first`, and the further lines that it took; csv.Error gives those back."""
    more: list[tuple[int, str | None]] = []

    def supply() -> Iterator[str]:
        line = first
        while True:
            if line is None:
                raise csv.Error("line limit")
            yield line
            taken = lines.take() if len(more) < _MOST_LINES else None
            if taken is None:
                return
            more.append(taken)
            line = taken[1]

    try:
        # Not strict, an open quotation mark would silently swallow the rows behind it.
        return next(csv.reader(supply(), delimiter=delimiter, strict=True), []), more
    except csv.Error:
        lines.give_back(more)
        raise


def _csv_fault(line: int, error: str) -> Fault:
    for sign, problem, fix in _CSV_ERRORS:
        if sign in error:
            return Fault(line, problem, fix)
    return Fault(line, f"the row cannot be taken apart: {error}", "save the file as CSV once more")


def _header(lines: _Lines, columns: Collection[str], also: Collection[str]) -> tuple[str, list[str]]:
    """The delimiter and the titles: the delimiter that finds the most known columns in the first line with text."""
    while (taken := lines.take()) is not None:
        _, line = taken
        if line is None:
            raise Unreadable(f"line {taken[0]}: this is no CSV file, its first line is too long")
        if line.strip(" \t\r\n,;") and not _SEP_LINE.fullmatch(line):
            found = max(
                (_titles(line, delimiter) for delimiter in _DELIMITERS),
                key=lambda found: _score(found, {*columns, *also}),
            )
            if len(found[1]) > _MOST_COLUMNS:
                raise Unreadable(
                    f"line {taken[0]}: {len(found[1])} columns are more than the {_MOST_COLUMNS} that are read"
                )
            return found
    raise Unreadable(f"line 1: the file is empty; its first line names the columns: {', '.join(columns)}")


def _titles(line: str, delimiter: str) -> tuple[str, list[str]]:
    try:
        return delimiter, [title.strip() for title in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a title is longer than any cell may be, as with a delimiter that is not the one
        return delimiter, []


def _score(reading: tuple[str, list[str]], known: set[str]) -> tuple[int, int]:
    return len({_name(title) for title in reading[1]} & known), len(reading[1])


def _name(title: str) -> str:
    """A column's name without regard to case, spaces and hyphens: `Channel item ID` is `channel_item_id`."""
    return re.sub(r"[\s_-]+", "_", title.strip().casefold())


def _called(names: list[str], also: Mapping[str, str]) -> list[str]:
    """The names, with those of `also` put right where that gives a column that is not there yet."""
    right: list[str] = []
    for name in names:
        meant = also.get(name, name)
        right.append(name if meant in names or meant in right else meant)
    return right


def _spoken(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}[delimiter]


def _encoding(file: BinaryIO) -> str:
    """UTF-8 when the whole file is, otherwise cp1252 when the whole file is; raises Unreadable."""
    file.seek(0)
    start = file.read(4)
    if start.startswith(b"PK\x03\x04"):
        raise Unreadable("line 1: this is a workbook (XLSX), not CSV; save it as “CSV UTF-8”")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("line 1: the file is UTF-16 (“Unicode text”); save it as “CSV UTF-8”")
    encodings = ("utf-8-sig", "cp1252")
    lines = [_undecodable(file, encoding) for encoding in encodings]
    file.seek(0)
    for encoding, line in zip(encodings, lines, strict=True):
        if not line:
            return encoding
    raise Unreadable(f"line {lines[0]}: the letters are neither UTF-8 nor cp1252; save the file as “CSV UTF-8”")


def _undecodable(file: BinaryIO, encoding: str) -> int:
    """The first line that is not in this encoding, 0 where all are."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    file.seek(0)
    line = 1
    while True:
        block = file.read(_BLOCK)
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return line + block.count(b"\n", 0, error.start)
        if not block:
            return 0
        line += block.count(b"\n")
