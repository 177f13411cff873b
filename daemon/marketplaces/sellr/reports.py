"""Reads the reports that La Redoute leaves on the SFTP, CSV or XML, as streams (guide L17; the forms are ours)."""

import codecs
import csv
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Protocol

from anyio import to_thread

from daemon.errors import Unreadable
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.marketplaces.sellr.settings.reports import ReportTable
from daemon.marketplaces.sellr.xmlread import ElementReader
from daemon.model import AnswerLine, RemoteFile

#: what a line of a report says, by our names
_FIELDS = ("status", "batch_id", "feed_name", "sku", "ean", "part_number", "code", "text")
# A record longer than this is an unclosed quote or an attack, not an answer.
_LONGEST_RECORD = 1_000_000
_LONGEST_TEXT = 65_536
_TOLD = 5


class _Form(Protocol):
    """Turns the bytes of one form into answer lines, as they come."""

    def feed(self, chunk: bytes) -> Iterator[AnswerLine]:
        """The lines that are whole with this chunk; raises Unreadable."""
        ...

    def close(self) -> Iterator[AnswerLine]:
        """The lines that are whole because nothing more comes; raises Unreadable."""
        ...


async def read_report(
    settings: SellrSettings, file: RemoteFile, chunks: AsyncIterator[bytes]
) -> AsyncGenerator[list[AnswerLine], None]:
    """The answer lines of a report, those of a chunk together; memory does not grow with the report.

    A line that cannot be understood (an unknown status word, no EAN and no SKU) does not hold up those behind it: all
    good lines are given first, then Unreadable says which lines were left out. A broken form (not well-formed XML, an
    open quote, a missing column, a byte of no known encoding) gives what stood before it and then raises Unreadable.
    """
    lines = _Lines(settings, file)
    form: _Form | None = None
    start = b""
    async for chunk in chunks:
        if form is None:
            start += chunk
            if not start.strip(b"\xef\xbb\xbf \t\r\n"):
                continue
            form, chunk = _form(settings.report, file.name, start)(settings.report, lines), start
        # Not in the event loop's thread: a chunk takes some hundredths of a second.
        found, fault = await to_thread.run_sync(_found, form.feed(chunk))
        if found:
            yield found
        if fault:
            raise fault
    if form is None:
        raise Unreadable("line 1: the report is empty")
    found, fault = _found(form.close())
    if found:
        yield found
    if fault:
        raise fault
    lines.tell_problems()


def _found(lines: Iterator[AnswerLine]) -> tuple[list[AnswerLine], Unreadable | None]:
    """The lines that are found, and what breaks off the report behind them."""
    found: list[AnswerLine] = []
    try:
        for line in lines:
            found.append(line)  # noqa: PERF402 - what stood before a break is kept
    except Unreadable as error:
        return found, error
    return found, None


def _form(report: ReportTable, name: str, start: bytes) -> Callable[[ReportTable, "_Lines"], _Form]:
    if report.format != "auto":
        return _Xml if report.format == "xml" else _Csv
    if name.lower().endswith((".xml", ".csv")):
        return _Xml if name.lower().endswith(".xml") else _Csv
    return _Xml if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _Csv


class _Lines:
    """Makes answer lines of fields, and remembers the lines that cannot be understood."""

    def __init__(self, settings: SellrSettings, file: RemoteFile) -> None:
        report = settings.report
        self._verdicts = {word.strip().casefold(): False for word in report.rejected}
        self._verdicts |= {word.strip().casefold(): True for word in report.accepted}
        self._pending = {word.strip().casefold() for word in report.pending}
        self._words = ", ".join((*report.accepted, *report.rejected, *report.pending))
        self._columns = report.columns
        # A report that names no feed in its lines may name it in its own name.
        stamp = rf"{re.escape(settings.vendor_id)}\.\w+\.\d+\.\d{{4}}(?:-\d\d){{5}}\.xml"
        in_name = re.search(stamp, file.name)
        self.named_feed = in_name[0] if in_name else ""
        self._problems: list[str] = []
        self._left_out = 0

    def line(self, number: int, fields: Sequence[str]) -> AnswerLine | None:
        """The answer that the fields (`_FIELDS`) give; None when there is none yet, or it is not understood."""
        status, batch_id, feed_name, sku, ean, part_number, code, text = fields
        verdict = self._verdicts.get(status.casefold())
        if verdict is None:
            if status.casefold() not in self._pending:
                problem = f"{self._columns.status} is {status!r}, which is none of {self._words}"
                self.leave_out(number, f"{problem} (report.accepted, .rejected, .pending)")
            return None
        if not (sku or ean):
            self.leave_out(number, f"neither {self._columns.ean} nor {self._columns.sku} is given")
            return None
        if not (feed_name or batch_id):
            feed_name = self.named_feed
        if not (feed_name or batch_id):
            columns = f"{self._columns.batch_id} nor {self._columns.feed_name}"
            self.leave_out(number, f"neither {columns} is given, nor does the report's name hold a feed's")
            return None
        return AnswerLine(verdict, batch_id, feed_name, sku, ean, part_number, code, text)

    def leave_out(self, number: int, problem: str) -> None:
        """Remember a line that is not understood."""
        self._left_out += 1
        if len(self._problems) < _TOLD:
            self._problems.append(f"line {number}: {problem}")

    def tell_problems(self) -> None:
        """Raise Unreadable if any line was left out."""
        if self._left_out:
            more = self._left_out - len(self._problems)
            tail = f"; and {more} more" if more else ""
            raise Unreadable("; ".join(self._problems) + tail)


def _fields_by_name(report: ReportTable) -> dict[str, str]:
    """Our field by the name it has in the report, without case; a field with an empty name is not looked for."""
    named: Mapping[str, str] = report.columns.model_dump()
    return {name.strip().casefold(): field for field, name in named.items() if name}


class _Csv:
    """A CSV with a header; its rows are given as soon as they are whole, quoted line ends and all."""

    def __init__(self, report: ReportTable, lines: _Lines) -> None:
        self._report = report
        self._lines = lines
        self._decoder = Decoder(report.encodings)
        self._cut = ""
        self._open: list[str] = []
        self._passed = 0
        self._width = 0
        self._fields: Callable[[list[str]], tuple[str, ...]] | None = None

    def feed(self, chunk: bytes) -> Iterator[AnswerLine]:
        yield from self._fed(chunk, final=False)

    def close(self) -> Iterator[AnswerLine]:
        yield from self._fed(b"", final=True)
        if self._fields is None:
            raise Unreadable("line 1: the report is empty")

    def _fed(self, chunk: bytes, *, final: bool) -> Iterator[AnswerLine]:
        text, fault = self._decoder.decode(chunk, final=final)
        yield from self._decoded(text, final=final and fault is None)
        if fault is not None:
            raise fault

    def _decoded(self, text: str, *, final: bool) -> Iterator[AnswerLine]:
        # What stands before it counts, however much of it has come with it.
        text, nul, _ = text.partition("\0")
        final = final and not nul
        # Not splitlines(): a text may hold any of the line ends that only Unicode knows.
        *whole, self._cut = (self._cut + text).split("\n")
        if final and self._cut.strip():
            if self._report.unended_last_line == "read":
                whole.append(self._cut)
            else:
                number = self._passed + len(self._open) + len(whole) + 1
                self._lines.leave_out(number, "ends without a line end; is it cut? (report.unended_last_line)")
                # A record that is open across lines is left out with its end.
                final = False
        for number, row in self._rows([*self._open, *(f"{line}\n" for line in whole)], final=final):
            made = self._row(number, row)
            if made is not None:
                yield made
        here = self._passed + len(self._open) + 1
        if nul:
            raise Unreadable(f"line {here}: a NUL character; is the report UTF-16? (report.encodings)")
        if len(self._cut) > _LONGEST_RECORD:
            raise Unreadable(f"line {here}: longer than {_LONGEST_RECORD} characters")

    def _rows(self, physical: list[str], *, final: bool) -> Iterator[tuple[int, list[str]]]:
        """The whole records with the number of their first line; an open one waits for the next chunk."""
        wanted_more: list[bool] = []
        reader = csv.reader(_told(physical, wanted_more), delimiter=self._report.delimiter, strict=True)
        taken = 0
        while True:
            number = self._passed + taken + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                if wanted_more and not final:
                    break
                raise Unreadable(f"line {number}: not a CSV record ({error})") from None
            if row is None:
                break
            taken = reader.line_num
            yield number, row
        self._open = physical[taken:]
        self._passed += taken
        if sum(map(len, self._open)) > _LONGEST_RECORD:
            raise Unreadable(f"line {self._passed + 1}: a quote is opened and not closed")

    def _row(self, number: int, row: list[str]) -> AnswerLine | None:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            return None
        if self._fields is None:
            self._width, self._fields = len(cells), self._columns(number, cells)
            return None
        if len(cells) != self._width:
            self._lines.leave_out(number, f"{len(cells)} fields where the header has {self._width}")
            return None
        # The place of a field that the report has no column for.
        cells.append("")
        return self._lines.line(number, self._fields(cells))

    def _columns(self, number: int, header: Sequence[str]) -> Callable[[list[str]], tuple[str, ...]]:
        """What takes the fields out of the cells of a row; raises Unreadable for a header that lacks one."""
        known = _fields_by_name(self._report)
        found = [known.get(cell.casefold()) for cell in header]
        names = self._report.columns
        missing = [] if "status" in found else [names.status]
        if not {"ean", "sku"} & set(found):
            missing.append(f"{names.ean} or {names.sku}")
        if not ({"batch_id", "feed_name"} & set(found) or self._lines.named_feed):
            missing.append(f"{names.batch_id} or {names.feed_name}")
        if missing:
            raise Unreadable(
                f"line {number}: no column {', no column '.join(missing)}; found: {', '.join(header)[:500]}"
            )
        doubled = {field for field in found if field is not None and found.count(field) > 1}
        if doubled:
            raise Unreadable(f"line {number}: two columns for {', '.join(sorted(doubled))}")
        return itemgetter(*(found.index(field) if field in found else -1 for field in _FIELDS))


def _told(lines: list[str], wanted_more: list[bool]) -> Iterator[str]:
    """The lines, and a word in `wanted_more` once whoever reads them wants more than there are."""

    def end() -> Iterator[str]:
        wanted_more.append(True)
        yield from ()

    return chain(lines, end())


class Decoder:
    """Bytes to text, strictly, by the first encoding that fits all of them so far.

    Another encoding is tried only while everything given out was ASCII, which they read alike, and no byte order mark
    said which it is; after that, a byte that does not fit is Unreadable, with its offset. However the bytes come in
    pieces, the text is the same.
    """

    def __init__(self, encodings: Sequence[str]) -> None:
        self._encodings = encodings
        self._decoder = codecs.getincrementaldecoder(encodings[0])("strict")
        self._others = list(encodings[1:])
        self._ascii = True
        self._passed = 0
        self._held = 0

    def decode(self, chunk: bytes, *, final: bool = False) -> tuple[str, Unreadable | None]:
        """The text of the next bytes, up to one that does not fit, if there is one: then why it does not."""
        data, fresh = self._decoder.getstate()[0] + chunk, chunk
        while not isinstance(text := self._attempt(fresh, data, final=final), str):
            if text is not None:
                return text
            # The next decoder has not seen what the last one still held.
            fresh = data
        self._passed += len(chunk)
        self._held = len(self._decoder.getstate()[0])
        self._ascii = self._ascii and data[: len(data) - self._held].isascii()
        return text, None

    def _attempt(self, fresh: bytes, data: bytes, *, final: bool) -> str | tuple[str, Unreadable] | None:
        """The text, or what of it fits and why no more does; None after going on to the next encoding."""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(fresh, final)
        except UnicodeDecodeError as error:
            # The error counts in what it was given, which may have lost a byte order mark at its front.
            offset = len(data) - len(error.object) + error.start
            if not (self._ascii and self._others and data[:offset].isascii()):
                tried, at = ", ".join(self._encodings), self._passed - self._held + offset
                fault = Unreadable(f"byte {at}: {error.object[error.start]:#04x} is not of {tried}")
                # It may stand in what was held back of the piece before.
                fits = max(0, offset - (len(data) - len(fresh)))
                self._decoder.setstate(before)
                return self._decoder.decode(fresh[:fits]), fault
            self._decoder = codecs.getincrementaldecoder(self._others.pop(0))("strict")
            return None


class _Xml:
    """An XML report: an element is a line when it, or what stands in it, gives a status and names a listing."""

    def __init__(self, report: ReportTable, lines: _Lines) -> None:
        self._reader = _LineReader(report, lines)

    def feed(self, chunk: bytes) -> Iterator[AnswerLine]:
        # In pieces, so that a chunk of any size leaves little waiting, and a break gives what stood before it.
        for start in range(0, len(chunk), _LONGEST_TEXT):
            try:
                self._reader.feed(chunk[start : start + _LONGEST_TEXT])
            finally:
                found, self._reader.found = self._reader.found, []
                yield from found

    def close(self) -> Iterator[AnswerLine]:
        self._reader.close()
        yield from self._reader.found


class _LineReader(ElementReader):
    """Gathers the known fields of each element; those of a group inside a line are the line's (Error/ErrorCode).

    Only what names the feed is taken from further out (a header with the BatchId): an EAN that belongs to a line
    without a status must never be read into its neighbour.
    """

    def __init__(self, report: ReportTable, lines: _Lines) -> None:
        super().__init__()
        self._known = _fields_by_name(report)
        self._lines = lines
        self._fields: list[dict[str, str]] = []
        self._leaf = False
        self._text = ""
        self._speaks = False
        self.found: list[AnswerLine] = []

    def close(self) -> None:
        """Nothing more comes; raises Unreadable where nothing in the whole document is a field that we know."""
        super().close()
        if not self._speaks:
            names = ", ".join(sorted(self._known))
            raise Unreadable(f"line {self.line}: no element or attribute of it is a field of a report ({names})")

    def opened(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002
        self._leaf, self._text = True, ""
        self._fields.append({})
        for key, value in attributes.items():
            if (field := self._known.get(key.casefold())) is not None:
                self._fields[-1][field] = value.strip()

    def characters(self, text: str) -> None:
        self._text += text
        if len(self._text) > _LONGEST_TEXT:
            raise Unreadable(f"line {self.line}: a text of more than {_LONGEST_TEXT} characters")

    def closed(self, name: str) -> None:
        fields = self._fields.pop()
        field = self._known.get(name.casefold())
        leaf, text = self._leaf, self._text.strip()
        self._leaf, self._text = False, ""
        if leaf and self._fields and not fields:
            # Most elements are no more than one field of what they stand in.
            if field is not None:
                self._speaks = True
                self._fields[-1].setdefault(field, text)
            return
        if leaf and field is not None:
            fields.setdefault(field, text)
        self._speaks = self._speaks or bool(fields)
        if "status" in fields and ("ean" in fields or "sku" in fields):
            feed = {key: value for outer in self._fields for key, value in outer.items() if key in _OF_THE_FEED}
            known = feed | fields
            made = self._lines.line(self.line, [known.get(field, "") for field in _FIELDS])
            if made is not None:
                self.found.append(made)
        elif self._fields:
            outer = self._fields[-1]
            outer |= fields | outer
        elif fields.keys() - _OF_THE_FEED:
            given = ", ".join(sorted(fields.keys() - _OF_THE_FEED))
            self._lines.leave_out(self.line, f"{given} given outside of a line with a status and an EAN or SKU")


_OF_THE_FEED = frozenset({"batch_id", "feed_name"})
