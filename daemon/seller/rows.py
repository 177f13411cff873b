"""The rows of a table that somebody made by hand: columns known by name, each fault by line and column (guide S1).

Where the rows come from is another module's: `tables.py` reads CSV, `sheets.py` XLSX.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple, Self

from daemon.errors import Unreadable

#: The column in which bad rows say what is wrong; it is passed over when they come back.
FAULT_COLUMN = "fault"

#: the signs with which a formula begins, the wide ones of East Asian spreadsheets among them
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
#: what most rows hold none of: a control character, a line break, or the ' that `_as_meant` takes away
_UNUSUAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f'\ud800-\udfff]")
_SHOWN = 500  # characters of a header line, where it is told


#: the kinds of faults, for programs; they stay (docs/rest-and-webhooks.md)
FaultCode = Literal[
    "bad_value",
    "broken_row",
    "duplicate",
    "immutable",
    "missing_field",
    "not_allowed",
    "number_taken",
    "overlaps",
    "unknown_field",
    "unknown_sku",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file: where, what stands there, what is wrong with it, and what to do.

    `code` says of which kind it is, for programs; the words may change, it stays.
    """

    line: int
    problem: str
    fix: str
    column: str = ""
    value: str = ""
    sku: str = ""
    code: FaultCode = "bad_value"
    order: str = ""


class Row(NamedTuple):
    """One row: the file line on which it begins, its cells as they stand there, and the known ones by column."""

    line: int
    raw: tuple[str, ...]
    cells: Mapping[str, str]


class UsualRows(NamedTuple):
    """Rows of one line each, the first of them on `line`, of whose cells none needs a second look: by column."""

    line: int
    cells: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be taken apart."""

    raw: tuple[str, ...]
    fault: Fault


class Table:
    """A table at its first row; iterate for the rows inside `with`. Holds a few rows at a time, never the file.

    `ignored` names the columns that nobody knows, each with the known name that is nearest, or "".
    """

    #: what stood between the cells, where the file was CSV
    delimiter = ","
    #: the columns whose cells may hold line breaks
    many_lines: Collection[str] = ()

    def __init__(
        self,
        line: int,
        header: Sequence[str],
        columns: Collection[str],
        required: Collection[str],
        also: Mapping[str, str] | None = None,
    ) -> None:
        """`header` are the titles on `line`; raises Unreadable when they don't name what is required.

        `also` are other names of columns, which count where the column does not stand there under its own.
        """
        self.header = list(header)
        self._names = _called([column_name(title) for title in self.header], also or {})
        self.columns = frozenset(self._names) & frozenset(columns)
        #: the name of each column that is known, "" in the place of every other
        self._known = [name if name in self.columns else "" for name in self._names]
        for name in sorted(self.columns):
            if self._names.count(name) > 1:
                raise Unreadable(f"line {line}: the column {name} is there more than once; keep one")
        missing = [name for name in required if name not in self.columns]
        if missing:
            told = ", ".join(title for title in self.header if title) or "nothing"
            raise Unreadable(
                f"line {line}: no column {' and no column '.join(missing)} in the header line, which has"
                f" {told if len(told) <= _SHOWN else f'{told[:_SHOWN]}…'}; the columns are"
                f" {', '.join(columns)}"
            )
        self.ignored = {
            title: next(iter(get_close_matches(name, columns, n=1)), "")
            for title, name in zip(self.header, self._names, strict=True)
            if name and name not in columns and name != FAULT_COLUMN
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, which is the caller's to close."""

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        while (row := self.next_row()) is not None:
            if isinstance(row, BrokenRow) or any(map(str.strip, row.raw)):
                yield row

    def next_row(self) -> Row | BrokenRow | None:
        """The next row, an empty one too; None at the end."""
        raise NotImplementedError

    def usual_rows(self, most: int) -> UsualRows | None:  # noqa: ARG002 - of those that have some
        """The next rows, `most` at most, as long as they are usual ones; None where the next one is not."""
        return None

    def _row(self, line: int, cells: Sequence[str]) -> Row | BrokenRow:
        named = {name: cell.strip() for name, cell in zip(self._known, cells, strict=False) if name}
        if not _UNUSUAL.search("".join(named.values())):
            return Row(line, tuple(cells), named)
        named = {name: _as_meant(cell) for name, cell in named.items()}
        for name, cell in named.items():
            broken = "\n" in cell or "\r" in cell
            if _CONTROL.search(cell) or (broken and name not in self.many_lines):
                what = "a line break" if broken else "a control character"
                problem = f"the cell holds {what}, which no such text has"
                fault = Fault(line, problem, "type the text once more", name, repr(cell), code="broken_row")
                return BrokenRow(tuple(cells), fault)
        return Row(line, tuple(cells), named)


def _as_meant(cell: str) -> str:
    """A cell without the ' that our exports put before what a spreadsheet would take for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell


def column_name(title: str) -> str:
    """A column's name without regard to case, spaces and hyphens: `Channel item ID` is `channel_item_id`."""
    return re.sub(r"[\s_-]+", "_", title.strip().casefold())


def _called(names: list[str], also: Mapping[str, str]) -> list[str]:
    """The names, those of `also` put right where that gives a column that is not there yet."""
    right: list[str] = []
    for name in names:
        meant = also.get(name, name)
        right.append(name if meant in names or meant in right else meant)
    return right
