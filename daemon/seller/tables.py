"""CSV as people make it, read row by row: any of three delimiters, UTF-8 or cp1252 (guide S1)."""

import codecs
import csv
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from daemon.errors import Unreadable
from daemon.seller.rows import BrokenRow, Fault, Row, Table, UsualRows, column_name

_DELIMITERS = (",", ";", "\t")
_MOST_LINES = 500  # of one row: longer than any description, short enough to notice a quotation mark left open
_MOST_CHARACTERS = 1 << 20  # of one line
_MOST_COLUMNS = 1_000
_LONGEST_CELL = 131_072  # as csv has it
_LONGEST_IGNORED = 100  # of the cells of a usual row that nobody asks for: the more, the longer is each look
_BLOCK = 1 << 16
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)?")
_SEP_LINE = re.compile(r"sep=.[\r\n]*", re.IGNORECASE)
_CSV_ERRORS = (
    ("unexpected end", "a quotation mark is opened and never closed", 'close it, or write "" for one inside a text'),
    ("expected after", "text stands behind a closing quotation mark", 'write "" for a quotation mark inside a text'),
    ("field limit", "a cell is longer than 131,072 characters", "shorten it"),
    ("line limit", "the line is longer than 1,048,576 characters", "shorten it, or save the file as CSV once more"),
)


class CsvTable(Table):
    """A CSV file at its first row."""

    def __init__(
        self,
        file: BinaryIO,
        columns: Collection[str],
        required: Collection[str],
        many_lines: Collection[str] = (),
        also: Mapping[str, str] | None = None,
        usual: Mapping[str, str] | None = None,
    ) -> None:
        """Read up to the header; raises Unreadable when the file is no such table. `file` must be able to seek.

        Of the known columns, only the cells of `many_lines` may hold line breaks. `also` are other names of columns.
        `usual` are patterns of the cells of each column that need no second look: without quotation marks, delimiters
        and line breaks in them, and nothing round them that is not part of the value.
        """
        self._text = TextIOWrapper(file, _encoding(file), newline="")
        try:
            self._lines = _Lines(self._text)
            self.delimiter, header = _header(self._lines, columns, {*columns, *(also or ())})
            super().__init__(self._lines.number, header, columns, required, also)
            self.many_lines = frozenset(many_lines)
            self._usual = self._usual_lines(usual or {})
        except BaseException:
            self._text.detach()
            raise

    def close(self) -> None:
        """Let go of the file, which is the caller's to close."""
        self._text.detach()

    def next_row(self) -> Row | BrokenRow | None:
        """The next row, an empty one too; None at the end."""
        taken = self._lines.take()
        if taken is None:
            return None
        line, first = taken
        if first is not None and '"' not in first and len(first) <= _LONGEST_CELL:
            # Without a quotation mark a line is a row, and csv would do no more than this.
            bare = first.rstrip("\r\n")
            cells = bare.split(self.delimiter) if bare else []
            if len(cells) == len(self.header):
                return self._row(line, cells)
            more: list[tuple[int, str | None]] = []
        else:
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

    def usual_rows(self, most: int) -> UsualRows | None:
        """The next rows, `most` at most, as long as they are usual ones; None where the next one is not."""
        if self._usual is None:
            return None
        line, text = self._lines.take_all(self._usual, most)
        if not text:
            return None
        cells = text.replace("\r\n", "\n").replace("\n", self.delimiter).split(self.delimiter)[:-1]
        width = len(self.header)
        return UsualRows(line, {name: cells[place::width] for place, name in enumerate(self._known) if name})

    def _usual_lines(self, usual: Mapping[str, str]) -> re.Pattern[str] | None:
        if not self.columns <= usual.keys():
            return None
        # What is never taken back is never tried in another way: a long run of lines costs no memory.
        ignored = f'[^"\\r\\n{self.delimiter}]{{0,{_LONGEST_IGNORED}}}+'
        cells = self.delimiter.join(usual[name] if name else ignored for name in self._known)
        return re.compile(rf"(?:{cells}\r?+\n)++")

    def _misshapen(self, line: int, cells: list[str], *, many_lines: bool) -> Fault | None:
        if len(cells) != len(self.header) and (many_lines or any(cell.strip() for cell in cells)):
            return Fault(
                line,
                f"the row has {len(cells)} cells where the header has {len(self.header)}",
                f'put a text that holds {_spoken(self.delimiter)} between quotation marks ("), and keep empty cells',
                code="broken_row",
            )
        for name, cell in zip(self._names, cells, strict=False):
            if many_lines and name in self.columns and name not in self.many_lines and ("\n" in cell or "\r" in cell):
                return Fault(
                    line,
                    "a line break stands in this column, or a quotation mark is opened and never closed",
                    'take the break out, close the quotation mark, or write "" for one inside a text',
                    name,
                    cell.splitlines()[0],
                    code="broken_row",
                )
        return None


class _Lines:
    """The physical lines of a file with their numbers; lines that were read too far can be given back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._block, self._at = "", 0
        self._waiting: deque[tuple[int, str | None]] = deque()
        self._read = 0
        self.number = 0

    def take(self) -> tuple[int, str | None] | None:
        """The next line and its number, None for one that is too long to hold; None at the end."""
        if self._waiting:
            taken = self._waiting.popleft()
        else:
            line = self._match(_LINE)
            if not line:
                return None
            self._read += 1
            taken = (self._read, line if len(line) <= _MOST_CHARACTERS else None)
        self.number = taken[0]
        return taken

    def take_all(self, lines: re.Pattern[str], most: int) -> tuple[int, str]:
        """The number of the next line, and as many of such lines as come now, `most` at most; none while others wait.

        `lines` is a pattern of whole lines, each of which ends in a line feed.
        """
        first = self._read + 1
        if self._waiting:
            return first, ""
        taken = self._match(lines)
        count = taken.count("\n")
        if count > most:
            further = taken.split("\n", most)[-1]
            taken, count = taken[: -len(further)], most
            self._at -= len(further)
        self._read += count
        return first, taken

    def _match(self, lines: re.Pattern[str]) -> str:
        if self._at == len(self._block):
            self._block, self._at = self._next_block(), 0
        found = lines.match(self._block, self._at)
        taken = found[0] if found else ""
        self._at += len(taken)
        return taken

    def _next_block(self) -> str:
        """Whole lines; the last one may be too long, and then what is more of it is passed over."""
        block = self._text.read(_BLOCK)
        while block.endswith("\r") and (more := self._text.read(1)):
            block += more
        if block and block[-1] not in "\r\n":
            more = self._text.readline(_MOST_CHARACTERS)
            block += more
            while len(more) == _MOST_CHARACTERS and more[-1] not in "\r\n":
                more = self._text.readline(_MOST_CHARACTERS)
        return block

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
            return Fault(line, problem, fix, code="broken_row")
    return Fault(line, f"the row cannot be taken apart: {error}", "save the file as CSV once more", code="broken_row")


def _header(lines: _Lines, columns: Collection[str], known: set[str]) -> tuple[str, list[str]]:
    """The delimiter and the titles: the delimiter that finds the most known columns in the first line with text."""
    while (taken := lines.take()) is not None:
        _, line = taken
        if line is None:
            raise Unreadable(f"line {taken[0]}: this is no CSV file, its first line is too long")
        if line.strip(" \t\r\n,;") and not _SEP_LINE.fullmatch(line):
            found = max((_titles(line, delimiter) for delimiter in _DELIMITERS), key=lambda found: _score(found, known))
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
    return len({column_name(title) for title in reading[1]} & known), len(reading[1])


def _spoken(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}[delimiter]


def _encoding(file: BinaryIO) -> str:
    """UTF-8 when the whole file is, otherwise cp1252 when the whole file is; raises Unreadable."""
    file.seek(0)
    start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("line 1: the file is UTF-16 (“Unicode text”); save it as “CSV UTF-8”")
    wrong = _undecodable(file, "utf-8-sig")
    encoding = "cp1252" if wrong else "utf-8-sig"
    if wrong and _undecodable(file, encoding):
        raise Unreadable(f"line {wrong}: the letters are neither UTF-8 nor cp1252; save the file as “CSV UTF-8”")
    file.seek(0)
    return encoding


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
