"""JSON objects, one a line, as rows of a table: what programs send where people send files (guide S1, S3)."""

import json
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, BinaryIO

from daemon.seller.rows import BrokenRow, Fault, FaultCode, Row, Table

_LONGEST_LINE = 1 << 20
_OBJECT = 'write one JSON object a line, such as {"sku": "LAMP-01", "stock": 12}'


class NdjsonTable(Table):
    """Lines of JSON at the first of them. Each object names its own columns; what it does not name stays as it is.

    Values are texts, numbers, true and false; null is an empty cell. A name that is not known spoils its row: a program
    that misspells one would otherwise never hear of it.
    """

    def __init__(
        self, file: BinaryIO, columns: Collection[str], required: Collection[str], many_lines: Collection[str] = ()
    ) -> None:
        """`file` must be able to seek."""
        super().__init__(1, list(columns), columns, required)
        self.many_lines = frozenset(many_lines)
        file.seek(0)
        self._file = file
        self._required = tuple(required)
        self._line = 0

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        # No row is passed over here: an object without a value is one that is answered.
        while (row := self.next_row()) is not None:
            yield row

    def next_row(self) -> Row | BrokenRow | None:
        """The next object; None at the end."""
        while line := self._file.readline(_LONGEST_LINE):
            self._line += 1
            whole = self._whole(line)
            if line.strip():
                return (
                    self._read(line) if whole else self._broken("the line is longer than 1,048,576 bytes", "shorten it")
                )
        return None

    def _whole(self, line: bytes) -> bool:
        whole = True
        while not line.endswith(b"\n") and len(line) >= _LONGEST_LINE:
            whole = False
            line = self._file.readline(_LONGEST_LINE)
        return whole

    def _read(self, line: bytes) -> Row | BrokenRow:
        try:
            # Numbers stay the digits that they were written with.
            found = json.loads(line.decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            return self._broken("the line is not JSON", _OBJECT)
        if not isinstance(found, dict):
            return self._broken("the line is no JSON object", _OBJECT)
        return self._fault(found) or self._cells(found)

    def _cells(self, found: dict[str, Any]) -> Row | BrokenRow:
        cells = {name: _cell(value) for name, value in found.items()}
        row = self._row(self._line, [cells.get(name, "") for name in self.header])
        if isinstance(row, BrokenRow):
            return row
        return Row(row.line, row.raw, {name: cell.strip() for name, cell in cells.items()})

    def _fault(self, found: dict[str, Any]) -> BrokenRow | None:
        for name, value in found.items():
            if name not in self.columns:
                near = next(iter(get_close_matches(name, self.columns, n=1)), "")
                fix = f"write {near}" if near else f"leave it out; there are {', '.join(self.header)}"
                return self._wrong(found, name, f"{name[:100]!r} is no field that is known", fix, "unknown_field")
            if isinstance(value, dict | list):
                problem = f"the value of {name} is no text or number"
                return self._wrong(found, name, problem, "write it as it would stand in a cell", "broken_row")
        missing = [name for name in self._required if name not in found]
        if missing:
            return self._wrong(found, missing[0], f"there is no {' and no '.join(missing)}", "add it", "missing_field")
        return None

    def _wrong(self, found: dict[str, Any], column: str, problem: str, fix: str, code: FaultCode) -> BrokenRow:
        """A fault of an object that says which row it is, so that whoever sent it finds it again."""
        said = {key: found[key][:100] for key in ("sku", "order") if isinstance(found.get(key), str)}
        return BrokenRow((), Fault(self._line, problem, fix, column[:100], code=code, **said))

    def _broken(self, problem: str, fix: str) -> BrokenRow:
        return BrokenRow((), Fault(self._line, problem, fix, code="broken_row"))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
