"""Rows a batch at a time: read from a table on their way into the store, and told what each did there (guide S1)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from daemon.model import ListingFault
from daemon.seller.cells import Cells, fault_at
from daemon.seller.columns import SKU
from daemon.seller.differences import Difference
from daemon.seller.intakes import Intake
from daemon.seller.rows import BrokenRow, Fault, Row, Table, UsualRows
from daemon.store.changes import Change
from daemon.store.seen import Seen


class RowResult(NamedTuple):
    """What one row did: `change` is None where it was refused, and `faults` say why.

    `key` is its SKU, or the order's number; `reason` is why its listing cannot be sent as it is.
    """

    line: int
    key: str
    change: Change | None
    faults: Sequence[Fault] = ()
    reason: str = ""
    not_ready: Sequence[ListingFault] = ()
    warnings: Sequence[ListingFault] = ()
    differences: Sequence[Difference] = ()


@dataclass(slots=True)
class Batch:
    """What the rows of one batch did, in their order: by column, because of most there is no more to tell than that.

    `told` has whole those of which there is more, by their places. Iterate for all of them.
    """

    lines: Sequence[int]
    keys: Sequence[str]
    changes: Sequence[Change | None]
    told: Mapping[int, RowResult]

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[RowResult]:
        for place, row in enumerate(zip(self.lines, self.keys, self.changes, strict=True)):
            yield self.told.get(place) or RowResult(*row)


@dataclass(slots=True)
class ReadBatch:
    """A batch as it was read: its rows in their order, those that are refused already, and what the others bring.

    `refused` is by place. `unique` is what each of the others may share with no other row of the file, where there is
    such a thing; `ready` is what the intake made of what they bring.
    """

    lines: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    refused: dict[int, RowResult] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)
    unique: list[str] = field(default_factory=list)
    ready: Any = None

    def refuse(self, line: int, key: str, faults: Sequence[Fault]) -> None:
        """Take a row that goes no further."""
        self.refused[len(self.lines)] = RowResult(line, key, None, faults)
        self.lines.append(line)
        self.keys.append(key)

    def good(self) -> Sequence[int]:
        """The places of the rows that the file shows no fault of."""
        every = range(len(self.lines))
        return [place for place in every if place not in self.refused] if self.refused else every


class Rows:
    """The rows of a table on their way to an intake, a batch at a time."""

    def __init__(self, intake: Intake[Any], table: Table, seen: Seen) -> None:
        self._intake = intake
        self._table = table
        self._rows = iter(table)
        self._seen = seen

    def next_batch(self, size: int) -> ReadBatch:
        """At most so many rows; none at the end. Raises Unreadable where the table breaks off, and StoreError."""
        read = ReadBatch()
        while (left := size - len(read.lines)) > 0:
            usual = self._table.usual_rows(left)
            if usual is not None:
                self._take_usual(read, usual)
            elif (row := next(self._rows, None)) is not None:
                self._take(read, row)
            else:
                break
        if read.unique:
            self._refuse_repeated(read)
        read.ready = self._intake.ready([read.keys[place] for place in read.good()], read.values)
        return read

    def _take_usual(self, read: ReadBatch, usual: UsualRows) -> None:
        keys = usual.cells[self._intake.key]
        read.lines += range(usual.line, usual.line + len(keys))
        read.keys += keys
        read.unique += keys
        read.values += self._intake.usual(usual.cells)

    def _take(self, read: ReadBatch, row: Row | BrokenRow) -> None:
        if isinstance(row, BrokenRow):
            read.refuse(row.fault.line, row.fault.sku or row.fault.order, [row.fault])
            return
        intake = self._intake
        cells = Cells(row, intake.key)
        intake.check_key(cells)
        value = intake.value(cells)
        if cells.faults:
            read.refuse(row.line, cells.key, cells.faults)
            return
        read.lines.append(row.line)
        read.keys.append(cells.key)
        read.values.append(value)
        if intake.unique:
            # No cell holds a control character.
            read.unique.append("\x1f".join(map(cells.given, intake.unique)))

    def _refuse_repeated(self, read: ReadBatch) -> None:
        good = read.good()
        repeated = self._seen.repeated(read.unique, [read.lines[place] for place in good])
        if not repeated:
            return
        column = self._intake.key
        same = " and ".join("SKU" if name == SKU.name else name for name in self._intake.unique)
        for number, before in repeated.items():
            place = good[number]
            line, key = read.lines[place], read.keys[place]
            problem = f"the same {same} is on line {before} already, which was taken"
            fault = fault_at(line, column, key, problem, "keep one of the two rows", column, key, "duplicate")
            read.refused[place] = RowResult(line, key, None, [fault])
        read.values = [value for number, value in enumerate(read.values) if number not in repeated]
