"""XLSX files read row by row as text: no number loses a digit unnoticed, and no file can fill memory or disk (S1).

The parts of the package are read by expat straight from the archive, with a limit on everything that a hostile file
could make large. Formulas are never computed, macros, links and pictures never opened.
"""

import errno
import lzma
import posixpath
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from tempfile import TemporaryFile
from typing import BinaryIO, NoReturn
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from daemon.errors import Unreadable

MIB = 1 << 20
#: bytes of one part of the package, unpacked: a full sheet of a million rows has about 300 MiB
LARGEST_PART = 2_048 * MIB
#: bytes of each part that lists sheets, relations or formats
_LARGEST_LIST = 16 * MIB
_LARGEST_STRINGS = 1_024 * MIB
_MOST_STRINGS = 5_000_000
_MOST_PARTS = 10_000
_MOST_ROWS = 1_048_576
#: cells of a row that may hold something; beyond them a sheet may have formats, but nothing written
MOST_COLUMNS = 1_000
_LAST_COLUMN = 16_384
_LONGEST_CELL = 32_767
_MOST_STYLES = 65_536
_DEEPEST = 32
_LARGEST_TOKEN = MIB
_BLOCK = 1 << 16
#: characters of what a library says of a damaged file
_LONGEST_REASON = 200

#: from here on a spreadsheet keeps no last digit
_FIRST_ROUNDED = 1e15
_SIGN = b"PK\x03\x04"
_OTHER_SIGN = b"\xd0\xcf\x11\xe0"  # the old format, and any workbook behind a password
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|[+-]?\.[0-9]+([eE][+-]?[0-9]+)?")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_ONLY_ZEROS = re.compile("0{2,20}")
_FAILURES = (
    *(BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, OverflowError, KeyError),
    *(ValueError, lzma.LZMAError),
)
_SAVE_AGAIN = "open it in a spreadsheet program and save it once more as XLSX"
_DAY_0, _DAY_0_OF_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - cells know no zone


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row that holds something: its number, its cells as text, and what is wrong with some, by place from 0.

    A fault is the problem and what to do.
    """

    line: int
    cells: tuple[str, ...]
    faults: Mapping[int, tuple[str, str]]


def is_workbook(start: bytes) -> bool:
    """Whether a file that begins so is a workbook; the old format counts, and is refused with words when it is read."""
    return start.startswith((_SIGN, _OTHER_SIGN))


def sheet_rows(file: BinaryIO) -> Iterator[SheetRow]:
    """The rows of the first sheet that is not hidden; raises Unreadable when it is no workbook, at any point.

    `file` must be able to seek, and stay open while the rows are read.
    """
    file.seek(0)
    if file.read(4) == _OTHER_SIGN:
        raise Unreadable(
            "line 1: this is a workbook of the old format (XLS), or one behind a password; save it as XLSX without one"
        )
    try:
        with ZipFile(file) as archive, TemporaryFile() as spool:
            yield from _Package(archive, spool).rows()
    except _FAILURES as error:
        # A library may quote any length of the file.
        told = f"{type(error).__name__}: {str(error)[:_LONGEST_REASON]}"
        raise Unreadable(f"line 1: the workbook is damaged ({told}); {_SAVE_AGAIN}") from None
    except OSError as error:
        # A place before the beginning of the file, which an archive that was cut at its front names, or what is not
        # packed as it says (bz2 gives no number); ours is well.
        if error.errno not in (errno.EINVAL, None):
            raise
        raise Unreadable(f"line 1: the workbook is damaged (its parts are not what it says); {_SAVE_AGAIN}") from None


class _Package:
    """The parts of one workbook."""

    def __init__(self, archive: ZipFile, spool: BinaryIO) -> None:
        self._archive = archive
        self._spool = spool
        if len(archive.infolist()) > _MOST_PARTS:
            raise Unreadable(f"line 1: the workbook has more than {_MOST_PARTS} parts; {_SAVE_AGAIN}")
        self._names = {name.casefold(): name for name in archive.namelist()}

    def rows(self) -> Iterator[SheetRow]:
        """The rows of the first sheet that shows."""
        main = next(iter(self._relations("", "officeDocument").values()), "xl/workbook.xml")
        book = _Book()
        self._read(main, book, _LARGEST_LIST)
        sheets = self._relations(main, "worksheet")
        target = next((sheets[each] for each in book.shown if each in sheets), None)
        if target is None:
            raise Unreadable("line 1: the workbook has no sheet that shows; put the table on the first one")
        formats, strings = _Formats(), _Strings(self._spool)
        for part in self._relations(main, "styles").values():
            self._read(part, formats, _LARGEST_LIST)
        for part in self._relations(main, "sharedStrings").values():
            self._read(part, strings, _LARGEST_STRINGS)
        sheet = _Sheet(strings, formats, _DAY_0_OF_1904 if book.from_1904 else _DAY_0)
        for _ in self._blocks(target, sheet, LARGEST_PART):
            yield from sheet.take()

    def _relations(self, part: str, kind: str) -> dict[str, str]:
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        found = _Relations(kind)
        if listed.casefold() in self._names:
            self._read(listed, found, _LARGEST_LIST)
        return {
            key: posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            for key, target in found.targets.items()
        }

    def _read(self, part: str, reader: "_Elements", largest: int) -> None:
        for _ in self._blocks(part, reader, largest):
            pass

    def _blocks(self, part: str, reader: "_Elements", largest: int) -> Iterator[None]:
        name = self._names.get(part.casefold())
        if name is None:
            raise Unreadable(f"line 1: the workbook lacks its part {part[:100]}; {_SAVE_AGAIN}")
        # An archive unpacks no more of a part than it says here, and more than it says is an error of its own.
        if self._archive.getinfo(name).file_size > largest:
            raise Unreadable(
                f"line 1: the part {name[:100]} of the workbook is larger than {largest // MIB} MiB when unpacked;"
                f" bring the rows in several files, or as CSV"
            )
        with self._archive.open(name) as stream:
            while block := stream.read(_BLOCK):
                reader.feed(block)
                yield
        reader.end()
        yield


class _Elements:
    """Feeds a part of a workbook to expat; names are those behind the colon. Raises Unreadable alone."""

    def __init__(self) -> None:
        self._depth = self._fed = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self.characters

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def closed(self, name: str) -> None:
        """An element ends."""

    def characters(self, text: str) -> None:
        """Text stands here."""

    def feed(self, block: bytes) -> None:
        """Read on."""
        self._fed += len(block)
        self._parse(block, final=False)
        if self._fed - self._parser.CurrentByteIndex > _LARGEST_TOKEN:
            raise Unreadable(f"line 1: a name or mark of the workbook does not end; {_SAVE_AGAIN}")

    def end(self) -> None:
        """Nothing more comes."""
        self._parse(b"", final=True)

    def _parse(self, block: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(block, final)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise Unreadable(f"line 1: the workbook is damaged ({error}); {_SAVE_AGAIN}") from None

    def _refuse(self, *_: object) -> NoReturn:
        raise Unreadable(f"line 1: the workbook holds a document type declaration, which none has; {_SAVE_AGAIN}")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unreadable(f"line 1: the workbook is nested too deeply; {_SAVE_AGAIN}")
        self.opened(name.rpartition(":")[2], attributes)

    def _close(self, name: str) -> None:
        self.closed(name.rpartition(":")[2])
        self._depth -= 1


class _Relations(_Elements):
    """Where the parts of one kind stand, by their ids."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.targets: dict[str, str] = {}

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("Type", "").rpartition("/")[2] == self._kind:
            self.targets[attributes.get("Id", "")] = attributes.get("Target", "")


class _Book(_Elements):
    """The sheets that show, in their order, by the ids of their relations."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.from_1904 = False

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            self.shown += [value for key, value in attributes.items() if key.rpartition(":")[2] == "id"]
        if name == "workbookPr":
            self.from_1904 = attributes.get("date1904", "0") in ("1", "true")


class _Formats(_Elements):
    """How numbers are shown, by style."""

    def __init__(self) -> None:
        super().__init__()
        # A tenth of all that is imported, and of use to nobody who never reads a workbook.
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

        #: whether a format code shows a date or a time
        self.is_date: Callable[[str], bool] = is_date_format
        self._written = dict(BUILTIN_FORMATS)
        self._styles = array("L")
        self._among_styles = False

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt" and len(self._written) < _MOST_STYLES:
            self._written[_whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._among_styles = True
        elif name == "xf" and self._among_styles and len(self._styles) < _MOST_STYLES:
            self._styles.append(_whole(attributes.get("numFmtId")))

    def closed(self, name: str) -> None:
        if name == "cellXfs":
            self._among_styles = False

    def of(self, style: int) -> str:
        """The format code of a style, as `0.00` or `dd/mm/yyyy`; General where nobody knows."""
        number = self._styles[style] if 0 <= style < len(self._styles) else 0
        return self._written.get(number, "General")


class _Texts(_Elements):
    """Gathers the text of a cell or string: all its runs, but not how it is pronounced."""

    def __init__(self) -> None:
        super().__init__()
        self.within = ""  # the element whose text is taken
        self.too_long = False
        self._spoken = 0
        self._pieces: list[str] = []
        self._length = 0

    def begin(self) -> None:
        """A new text begins."""
        self._pieces, self._length, self.too_long, self.within, self._spoken = [], 0, False, "", 0

    def characters(self, text: str) -> None:
        if not self.within or self._spoken:
            return
        self._length += len(text)
        if self._length > _LONGEST_CELL + _BLOCK:
            self.too_long = True
        else:
            self._pieces.append(text)

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:  # noqa: ARG002
        if name == "rPh":
            self._spoken += 1

    def closed(self, name: str) -> None:
        if name == "rPh":
            self._spoken -= 1

    @property
    def text(self) -> str:
        """What was gathered; characters that XML cannot hold are written as _x0009_ there."""
        joined = "".join(self._pieces)
        return _ESCAPED.sub(lambda sign: chr(int(sign[1], 16)), joined) if "_x" in joined else joined


class _Strings(_Texts):
    """The texts that cells refer to by number, kept on disk."""

    def __init__(self, spool: BinaryIO) -> None:
        super().__init__()
        self._spool = spool
        self._ends = array("Q", [0])
        self.at = lru_cache(maxsize=1_024)(self._at)

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        super().opened(name, attributes)
        if name == "si":
            self.begin()
        elif name == "t":
            self.within = name

    def closed(self, name: str) -> None:
        super().closed(name)
        if name == "t":
            self.within = ""
        elif name == "si":
            if len(self._ends) > _MOST_STRINGS:
                raise Unreadable(
                    f"line 1: the workbook has more than {_MOST_STRINGS} texts; bring them in several files"
                )
            # One that is too long is kept longer than a cell may be, so that the cell tells it.
            written = self._spool.write(self.text.encode("utf-8", "surrogatepass"))
            self._ends.append(self._ends[-1] + written)

    def _at(self, number: int) -> str | None:
        if not 0 <= number < len(self._ends) - 1:
            return None
        self._spool.seek(self._ends[number])
        return self._spool.read(self._ends[number + 1] - self._ends[number]).decode("utf-8", "surrogatepass")


@dataclass(slots=True)
class _OpenCell:
    place: int
    kind: str
    style: int
    formula: bool = False


@dataclass(slots=True)
class _OpenRow:
    line: int
    cells: list[str] = field(default_factory=list)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    place: int = -1


class _Sheet(_Texts):
    """The rows of a sheet as they end; `take` hands over those that have."""

    def __init__(self, strings: _Strings, formats: _Formats, day_0: datetime) -> None:
        super().__init__()
        self._strings = strings
        self._formats = formats
        self._day_0 = day_0
        self._row = _OpenRow(0)
        self._cell: _OpenCell | None = None
        self._ready: list[SheetRow] = []

    def take(self) -> list[SheetRow]:
        """The rows that have ended since it was asked last."""
        ready, self._ready = self._ready, []
        return ready

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        super().opened(name, attributes)
        if name == "row":
            self._begin_row(attributes)
        elif name == "c":
            self._cell = _OpenCell(self._place(attributes), attributes.get("t", "n"), _whole(attributes.get("s")))
            self.begin()
        elif self._cell is not None:
            if name in ("v", "t"):
                self.within = name
            self._cell.formula = self._cell.formula or name == "f"

    def closed(self, name: str) -> None:
        super().closed(name)
        if name == self.within:
            self.within = ""
        elif name == "c" and self._cell is not None:
            self._end_cell(self._cell)
            self._cell = None
        elif name == "row":
            if any(self._row.cells) or self._row.faults:
                self._ready.append(SheetRow(self._row.line, tuple(self._row.cells), self._row.faults))
            self._row = _OpenRow(self._row.line)

    def _begin_row(self, attributes: Mapping[str, str]) -> None:
        line = _whole(attributes.get("r")) or self._row.line + 1
        if line <= self._row.line:
            raise Unreadable(f"line {line}: the rows of the workbook are out of order; {_SAVE_AGAIN}")
        if line > _MOST_ROWS:
            raise Unreadable(f"line {line}: a sheet has at most {_MOST_ROWS} rows; {_SAVE_AGAIN}")
        self._row = _OpenRow(line)

    def _place(self, attributes: Mapping[str, str]) -> int:
        found = _REFERENCE.fullmatch(attributes.get("r", ""))
        place = _column(found[1]) if found else self._row.place + 1
        if place >= _LAST_COLUMN:
            raise Unreadable(f"line {self._row.line}: a sheet has at most {_LAST_COLUMN} columns; {_SAVE_AGAIN}")
        self._row.place = place
        return place

    def _end_cell(self, cell: _OpenCell) -> None:
        text, fault = self._value(cell)
        if not text and fault is None:
            return
        if cell.place >= MOST_COLUMNS:
            raise Unreadable(
                f"line {self._row.line}: something stands in column {cell.place + 1}, and {MOST_COLUMNS} are read;"
                f" delete what does not belong to the table"
            )
        if fault:
            self._row.faults[cell.place] = fault
        self._row.cells.extend([""] * (cell.place + 1 - len(self._row.cells)))
        self._row.cells[cell.place] = text

    def _value(self, cell: _OpenCell) -> tuple[str, tuple[str, str] | None]:
        written = self.text
        if cell.kind == "s":
            known = self._strings.at(_whole(written)) if written else ""
            if known is None:
                raise Unreadable(f"line {self._row.line}: a text of the workbook is missing; {_SAVE_AGAIN}")
            written = known
        if self.too_long or len(written) > _LONGEST_CELL:
            return written[:_LONGEST_CELL], (f"the cell is longer than {_LONGEST_CELL} characters", "shorten it")
        if cell.formula and not written:
            problem = "the cell is a formula that nobody has computed"
            return "", (problem, "open the file in a spreadsheet program and save it, or write the value itself")
        if cell.kind == "e":
            return written, (f"the cell shows the error {written}", "mend its formula, or write the value itself")
        if cell.kind == "b":
            return ("yes" if written.strip() in ("1", "true") else "no") if written else "", None
        if cell.kind == "n" and written:
            return self._number(written.strip(), self._formats.of(cell.style))
        return written, None

    def _number(self, written: str, form: str) -> tuple[str, tuple[str, str] | None]:
        if not _NUMBER.fullmatch(written):
            return written[:100], ("the cell claims to be a number and is none", "type it once more")
        number = float(written)
        if form != "General" and self._formats.is_date(form):
            return _instant(number, self._day_0)
        if abs(number) < _FIRST_ROUNDED and number.is_integer():
            digits = str(int(number))
            return digits.zfill(len(form)) if _ONLY_ZEROS.fullmatch(form) and number >= 0 else digits, None
        return _decimal(number), None


def _decimal(number: float) -> str:
    """A number with the 15 digits that a spreadsheet knows; one with more keeps its exponent, as its rest is lost."""
    shown = f"{number:.15g}"
    if "e-" not in shown:
        return shown.replace("e", "E")
    return f"{number:.20f}".rstrip("0").rstrip(".")


def _instant(number: float, day_0: datetime) -> tuple[str, tuple[str, str] | None]:
    """A date of a spreadsheet (days since its first) as ISO 8601, without a zone; to the second."""
    try:
        # Half a millisecond more: a time such as 10:00 is a fraction of a day that no float hits.
        instant = day_0 + timedelta(days=int(number), seconds=round((number - int(number)) * 86_400))
    except (OverflowError, ValueError):
        return str(number), ("this is no date of a calendar", "write it as text, such as 2026-06-23T00:00")
    if 0 <= number < 1:
        return instant.strftime("%H:%M:%S"), None
    return instant.isoformat("T", "minutes" if not instant.second else "seconds"), None


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _whole(written: str | None) -> int:
    return int(written) if written and len(written) < 10 and written.isdecimal() else 0
