"""Bad files among good ones, in every folder that is read, and every sample cut at every byte.

`folder` lays good files into a place, each second one followed by the same kind of file damaged in one of the ways of
`DAMAGES`, and gives the job a turn: every good one must be worked off, and of each damaged one either everything was
understood as it was meant, or it stands aside with a reason that says where it is wrong. `cuts` puts every prefix of
every sample to its reader: what is cut is never whole.
"""

import gzip
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from daemon.errors import DaemonError, Refused, Unreadable
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.folders import exchange_files
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.marketplaces.sellr import orders as sellr_orders
from daemon.marketplaces.sellr import xmlread
from daemon.marketplaces.sellr.reports import read_report
from daemon.model import AnswerLine, RemoteFile, Sku
from daemon.sandbox import LaRedouteSettings
from daemon.seller.spreadsheets import write_spreadsheet
from tests.fuzz.targets import TARGETS
from tests.jobs.scene import EAN, MINUTE, NOON, Scene, scene
from tests.marketplaces.sellr import made_up
from tests.prove.delays import ean_of
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.seller.test_spreadsheets import HOSTILE

#: what says where a file is wrong: a line, a byte, a column or field, or what the whole of it lacks
_PLACE = re.compile(
    r"line \d+|byte \d+|column|header|empty|line_ref|order_number|quantity|checksum|lines? (were|was) expected|expected"
    r"|longer than|other content|well-formed|first 3 lines|zero bytes|a feed that is not known|no listing|breaks off"
)
_LATIN = "Caf\xe9".encode("cp1252")


def _without(place: int) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(_lines(content)[:place] + _lines(content)[place + 1 :])


def _doubled(place: int) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(_lines(content)[: place + 1] + _lines(content)[place:])


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _first_digits(content: bytes, instead: bytes) -> bytes:
    """The last run of digits replaced: a checksum, a stock, a part number."""
    return re.sub(rb"\d+(?=\D*\Z)", lambda _: instead, content)


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "cut in the middle": lambda content: content[: len(content) // 2],
    "cut before its last line": lambda content: b"".join(_lines(content)[:-1]) or content[:1],
    "cut within its last line": lambda content: content.rstrip()[:-1],
    "first line gone": _without(0),
    "second line gone": _without(1),
    "last line gone": _without(-1),
    "first line doubled": _doubled(0),
    "last but one doubled": lambda content: b"".join([*_lines(content)[:-1], *_lines(content)[-2:]]),
    "another count": lambda content: _first_digits(content, b"77"),
    "no count": lambda content: _first_digits(content, b"many"),
    "an impossible number": lambda content: _first_digits(content, b"9" * 40),
    "empty": lambda _: b"",
    "blank": lambda _: b" \r\n\n\t\n",
    "a byte of no encoding": lambda content: content.replace(b"t", b"t\x81\x8d", 1),
    "UTF-16": lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    "NUL": lambda content: content[: len(content) // 2] + b"\0" + content[len(content) // 2 :],
    "controls": lambda content: content.replace(b"1", b"\x1b[2J1", 1),
    "an open quote": lambda content: content.replace(b'"', b"", 1) if b'"' in content else b'"' + content,
    "another delimiter": lambda content: content.replace(b";", b"|").replace(b",", b"|"),
    "a huge field": lambda content: content.replace(b"1", b"1" * 200_000, 1),
    "many columns": lambda content: _lines(content)[0].rstrip() + b",x" * 5_000 + b"\n" + b"".join(_lines(content)[1:]),
    "HTML": lambda _: b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
    "JSON": lambda _: b'{"orders": []}\n',
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "random bytes": lambda content: bytes((each * 197 + place * 31) % 256 for place, each in enumerate(content)),
    "external entity": lambda content: (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>' + content
    ),
    "billion laughs": lambda _: (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
        + b"]><x>&j;</x>"
    ),
    "100,000 deep": lambda _: b"<a>" * 100_000,
    "50,000 attributes": lambda _: b"<a " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>",
    # What other hands write in good faith: these are to be read as they were meant, or to be refused in words.
    "BOM": lambda content: b"\xef\xbb\xbf" + content,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "CR": lambda content: content.replace(b"\n", b"\r"),
    "cp1252": lambda content: content.decode("utf-8", "replace").encode("cp1252", "replace") + _LATIN[:0],
    "blank lines at its end": lambda content: content + b"\n\n",
}


@dataclass
class Folder:
    """A place where files are read: how its good files come there, how one is damaged, and what is to be seen after.

    `put` makes the n-th good file and says where it is; `read` gives the job its turns; `stands` says of the n-th
    whether all of it was worked off ("whole"), a person is told ("aside"), or neither, which is a fault.
    """

    scene: Scene
    put: Callable[[int], Awaitable[Path]]
    read: Callable[[], Awaitable[None]]
    stands: Callable[[int, Path], Awaitable[tuple[str, str]]]
    damages: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=lambda: DAMAGES)
    figures: Figures = field(default_factory=Figures)


def files_of(good: int) -> int:
    """How many files a folder is given."""
    return max(good, len(DAMAGES)) + len(DAMAGES)


async def check(name: str, folder: Folder, good: int) -> Figures:
    """Damaged files among at least so many good ones."""
    figures, damaged, whole = folder.figures, {}, {}
    damages = list(folder.damages.items())
    for number in range(max(good, len(damages)) + len(damages)):
        path = await folder.put(number)
        if number % 2 and number // 2 < len(damages):
            what, damage = damages[number // 2]
            content = damage(path.read_bytes())
            if content == path.read_bytes():
                whole[number] = path
                continue
            path.write_bytes(content)
            damaged[number] = (what, path)
        else:
            whole[number] = path
    await folder.read()
    for number, path in whole.items():
        stands, reason = await folder.stands(number, path)
        figures.counts[f"good files worked off, {name}"] += stands == "whole"
        if stands != "whole":
            figures.broken.append(f"{name}: a good file was not worked off: {path.name} {stands} {reason}")
    for number, (what, path) in damaged.items():
        stands, reason = await folder.stands(number, path)
        figures.counts[f"bad files told, {name}"] += stands == "aside"
        figures.counts[f"odd files read as they were meant, {name}"] += stands == "whole"
        if stands not in ("whole", "aside"):
            figures.broken.append(f"{name}, {what}: {path.name} {stands} {reason}")
        if stands == "aside" and not _PLACE.search(reason):
            figures.broken.append(f"{name}, {what}: the reason does not say where: {reason}")
        if len(reason) > 4_000:
            figures.broken.append(f"{name}, {what}: a reason of {len(reason)} characters")
    return figures


async def _turns(each: Scene, job: Any, *minutes: int) -> None:
    """Turns of a job; what one bad file raises, it raises after all others were worked off."""
    for minute in minutes:
        try:
            await each.turn(job, minute * MINUTE)
        except DaemonError:
            continue


async def _set_aside(each: Scene, path: Path) -> tuple[str, str]:
    """How the delivery of a file stands, and why."""
    rows = await each.rows("SELECT state, reason FROM deliveries WHERE name = ?", path.name)
    if len(rows) != 1:
        return f"is kept {len(rows)} times", ""
    ((state, reason),) = rows
    return ("aside" if state in ("set_aside", "waiting") else state), reason


# The Edge.


async def edge_orders(each: Scene, _: int) -> Folder:
    """Orders of John Lewis."""
    edge, numbers = each.sandbox.johnlewis, {}

    async def put(number: int) -> Path:
        order = edge.place_order("12345678", 2, ("87654321", 1))
        numbers[number] = order
        return edge.files / "live" / "incoming" / order.file_name

    async def stands(number: int, path: Path) -> tuple[str, str]:
        order = numbers[number]
        rows = await each.rows(
            "SELECT o.incomplete, l.ref, l.channel_item_id, l.quantity FROM orders o"
            ' JOIN order_lines l ON l."order" = o.id WHERE o.number = ? ORDER BY l.ref',
            order.number,
        )
        meant = [("", line.ref, line.part_number, line.quantity) for line in order.lines.values()]
        if rows and rows == meant:
            return "whole", ""
        if rows and not rows[0][0]:
            return "was taken for whole, and is not", str(rows)
        return ("aside", rows[0][0]) if rows else await _set_aside(each, path)

    return Folder(each, put, partial(_turns, each, download_orders, 10, 20), stands)


async def edge_requests(each: Scene, _: int) -> Folder:
    """Requests of John Lewis to cancel."""
    edge, numbers = each.sandbox.johnlewis, {}

    async def put(number: int) -> Path:
        order = edge.place_order("12345678", 2, ("87654321", 1))
        numbers[number] = order.number
        return edge.files / "live" / "incoming" / edge.request_cancellation(order.number, {"1": 1})

    async def stands(number: int, path: Path) -> tuple[str, str]:
        rows = await each.rows(
            "SELECT c.state, c.why, l.ref, l.quantity FROM claims c JOIN claim_lines l ON l.claim = c.id"
            " WHERE c.number = ?",
            numbers[number],
        )
        if [row[2:] for row in rows] == [("1", 1)] and rows[0][0] == "open":
            return "whole", ""
        if any(row[0] != "incomplete" for row in rows):
            return "was taken for whole, and is not", str(rows)
        return ("aside", rows[0][1]) if rows else await _set_aside(each, path)

    async def read() -> None:
        await _turns(each, download_orders, 10)
        await _turns(each, read_claims, 20, 30)

    return Folder(each, put, read, stands)


async def edge_update_errors(each: Scene, _: int) -> Folder:
    """Errors of acknowledgements: whatever stands in one, it is a no."""
    edge, numbers = each.sandbox.johnlewis, dict[int, str]()
    outgoing = edge.files / "live" / "outgoing"

    async def put(number: int) -> Path:
        edge.place_order("12345678", 1)
        await each.turn(download_orders, 10 * MINUTE)
        await each.turn(send_updates, 11 * MINUTE + number * timedelta(seconds=1))
        (name,) = [path.name for path in outgoing.glob("*.ack") if path.name not in numbers.values()]
        numbers[number] = name
        path = outgoing / f"{name}.err"
        path.write_text("line 4: line_ref '1' is unknown\n", "utf-8")
        path.with_name(f"{path.name}.DONE").touch()
        (outgoing / f"{name}.DONE").unlink()
        return path

    async def stands(number: int, path: Path) -> tuple[str, str]:
        ((state, error),) = await each.rows("SELECT state, error FROM order_updates WHERE name = ?", numbers[number])
        return ("whole" if state == "failed" and error else state), error

    return Folder(each, put, partial(_turns, each, send_updates, 70, 80), stands)


async def edge_stock_errors(each: Scene, _: int) -> Folder:
    """Errors of stock files: one feed each."""
    edge, feeds = each.sandbox.johnlewis, {}

    async def put(number: int) -> Path:
        sku, part = Sku(f"GOOD-{number}"), f"{10_000_000 + number}"
        await each.want(sku=sku, ean=ean_of(number), stock_number=part)
        await each.turn(send_offers, MINUTE + number * timedelta(seconds=2))
        await edge.work_now()
        feeds[number] = (part, edge.arrivals[-1].name)
        path = edge.files / "live" / "inventory" / "errors" / f"{feeds[number][1]}.err"
        path.write_text(f"part_number,error\n{part},not ranged 1\n", "utf-8")
        return path

    async def stands(number: int, path: Path) -> tuple[str, str]:
        part, name = feeds[number]
        ((state,),) = await each.rows("SELECT stock_state FROM listings WHERE channel_item_id = ?", part)
        if state == "error":
            return "whole", ""
        told, reason = await _set_aside(each, path)
        if told == "applied" and state != "not_needed":
            return "is applied, and nothing came of it", name
        # Its silence must not be taken for a yes.
        return ("was taken for a yes", reason) if state == "not_needed" else (told, reason)

    return Folder(each, put, partial(_turns, each, read_reports, 5, 50, 60), stands)


# La Redoute.


async def sellr_reports(each: Scene, files: int, form: str) -> Folder:
    """Reports of one item feed, each of one listing."""
    reports = each.sandbox.laredoute.files / "reports"
    for number in range(files):
        await each.want(sku=Sku(f"GOOD-{number}"), ean=ean_of(number))
    await each.turn(send_items, MINUTE)
    batch = each.sandbox.laredoute.feeds[-1].batch_id

    async def put(number: int) -> Path:
        path = reports / f"report-{number:05d}.{form}"
        if form == "csv":
            text = (
                "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
                f"{batch};;{ean_of(number)};;OK;;texte;LR{number:09d}\n"
            )
        else:
            text = (
                f"<Report>\n<BatchId>{batch}</BatchId>\n<Line><EAN>{ean_of(number)}</EAN><Status>OK</Status>"
                f"<PartNumber>LR{number:09d}</PartNumber></Line>\n</Report>\n"
            )
        path.write_text(text, "utf-8")
        return path

    async def stands(number: int, path: Path) -> tuple[str, str]:
        ((state, error, part),) = await each.rows(
            "SELECT item_state, item_error, channel_item_id FROM listings WHERE ean = ?", ean_of(number)
        )
        if state == "not_needed":
            # One that was cut in two would be kept for ever; one that is another by all that is said, nobody can know.
            said = re.search(
                rf"{part}(</PartNumber>|\s)", path.read_bytes().replace(b"\0", b"").decode("cp1252", "replace")
            )
            return ("whole", "") if not part or said else ("has a part number that is not in the file", part)
        told, reason = await _set_aside(each, path)
        if told == "applied" and state == "sent":
            # Nothing stands in it but what every report has: it answers nothing, and its feed goes on waiting.
            return "aside", "it says nothing; expected is a line"
        return (told, reason) if state == "sent" else (f"is {state}", error)

    return Folder(each, put, partial(_turns, each, read_reports, 5, 10), stands)


async def sellr_order_files(each: Scene, _: int) -> Folder:
    """Orders of La Redoute that come as files."""
    far, numbers = each.sandbox.laredoute, {}
    far.place_order([(EAN, 2)], placed_at=NOON)
    await each.turn(download_orders, MINUTE)
    (sample,) = (far.files / "orders").iterdir()
    ((known,),) = await each.all("orders", "number")
    content = sample.read_bytes()
    sample.unlink()

    async def put(number: int) -> Path:
        numbers[number] = f"Y1{number:08d}"
        path = far.files / "orders" / f"orders-{number:05d}.xml"
        path.write_bytes(content.replace(known.encode(), numbers[number].encode()).replace(b"><", b">\n<"))
        return path

    async def stands(number: int, path: Path) -> tuple[str, str]:
        rows = await each.rows(
            'SELECT l.ref, l.ean, l.quantity FROM orders o JOIN order_lines l ON l."order" = o.id WHERE o.number = ?',
            numbers[number],
        )
        if rows == [(f"{numbers[number]}01", EAN, 2)]:
            return "whole", ""
        told, reason = await _set_aside(each, path)
        if told == "applied" and not rows:
            return "aside", "it says nothing; expected is an order"
        return (told, reason) if not rows else ("was taken for whole, and is not", f"{rows} {told}")

    return Folder(each, put, partial(_turns, each, download_orders, 10, 20), stands)


# The seller.


def _made(make: Callable[[], BytesIO], _: bytes) -> bytes:
    return make().getvalue()


#: workbooks that would fill the memory or never end, but for the one that takes long to make
WORKBOOKS: Mapping[str, Callable[[bytes], bytes]] = {
    **DAMAGES,
    **{f"a workbook: {name}": partial(_made, make) for name, (make, _) in HOSTILE.items() if name != "a zip bomb"},
}


async def seller_stock(each: Scene, inbox: Path, form: str) -> Folder:
    """Files of stock that the seller drops, each of one listing."""

    async def put(number: int) -> Path:
        await each.want(sku=Sku(f"GOOD-{number}"), ean=ean_of(number))
        path = inbox / f"stock-{number:05d}.{form}"
        if form == "csv":
            path.write_text(f"sku,stock\nGOOD-{number},{20_000 + number}\n", "utf-8")
        else:
            with path.open("wb") as target:
                write_spreadsheet(target, "stock", ["sku", "stock"], [[f"GOOD-{number}", 20_000 + number]])
        os.utime(path, (number, number))
        return path

    async def stands(number: int, path: Path) -> tuple[str, str]:
        ((stock,),) = await each.rows("SELECT stock FROM listings WHERE sku = ?", f"GOOD-{number}")
        if path.exists():
            return "lies there still", ""
        failed = list((inbox / "failed").glob(f"{path.stem}.*.result.json"))
        if failed:
            return "aside", failed[0].read_text("utf-8").replace('"line": ', "line ")
        # "another count" makes another stock of it, which nobody can know.
        return ("whole", "") if stock in (20_000 + number, 77) else ("aside", f"column stock: {stock}")

    async def read() -> None:
        await _turns(each, exchange_files, 1, 2, 3)

    return Folder(each, put, read, stands, DAMAGES if form == "csv" else WORKBOOKS)


@dataclass(frozen=True)
class Place:
    """A folder by its name, the side whose account reads it, and what that account says besides.

    `form` is that of the files of a seller's inbox.
    """

    side: str
    open: Callable[..., Awaitable[Folder]]
    redoute: LaRedouteSettings | None = None
    form: str = ""


PLACES: Mapping[str, Place] = {
    "orders of John Lewis": Place("edge", edge_orders),
    "requests to cancel": Place("edge", edge_requests),
    "errors of order files": Place("edge", edge_update_errors),
    "errors of stock files": Place("edge", edge_stock_errors),
    "reports as CSV": Place("sellr", partial(sellr_reports, form="csv")),
    "reports as XML": Place("sellr", partial(sellr_reports, form="xml")),
    "orders of La Redoute": Place("sellr", sellr_order_files, LaRedouteSettings(answers="sftp")),
    "stock files of the seller": Place("sellr", seller_stock, form="csv"),
    "workbooks of the seller": Place("sellr", seller_stock, form="xlsx"),
}


async def folder(name: str, good: int) -> Figures:
    """One place, with damaged files among at least so many good ones."""
    place = PLACES[name]
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:
        inbox = Path(root) / "inbox"
        inbox.mkdir()
        changes: dict[str, Any] = {"exchange": {"inbox": inbox}} if place.form else {}
        if place.open is sellr_order_files:
            changes = {"orders": {"source": "sftp"}}
        async with scene(Path(root), place.side, place.redoute, **changes) as each:
            made = await (place.open(each, inbox, place.form) if place.form else place.open(each, files_of(good)))
            return await check(name, made, good)


# Every sample cut at every byte.


async def _report_lines(name: str, content: bytes) -> list[AnswerLine]:
    """The lines of a report as they would be applied, whether or not it is whole."""

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    found: list[AnswerLine] = []
    with suppress(Unreadable):
        async for batch in read_report(made_up.settings(), RemoteFile("/reports", name, len(content)), chunks()):
            found += batch
    return found


def _sellr_orders(content: bytes) -> object:
    try:
        return sellr_orders.read_orders(made_up.settings(), xmlread.read(content))
    except (Unreadable, Refused):
        return None


def _is_whole(read: Callable[[bytes], Any], content: bytes) -> bool:
    found = read(content)
    return bool(found) and not getattr(found, "incomplete", "")


SPELLINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "as it is": lambda content: content,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "BOM": lambda content: b"\xef\xbb\xbf" + content.removeprefix(b"\xef\xbb\xbf"),
}


def samples() -> Iterator[tuple[str, bytes, Callable[[bytes], Any]]]:
    """Every sample of a form that says where it ends, as far as it is whole, with its reader."""
    for name in ("order", "cancellation"):
        for place, whole in enumerate(TARGETS[name].wholes):
            if _is_whole(TARGETS[name].read, whole):
                yield f"{name} {place}", whole, TARGETS[name].read
    yield "orders.xml", made_up.golden("orders.xml"), _sellr_orders


def cuts(every: int = 1) -> Figures:
    """Every prefix of every sample, or each n-th, in every spelling.

    None that lacks more than the end of its last line is whole; of a report, whose lines stand each for itself, none
    says anything that the whole does not say.
    """
    figures = Figures()
    for name, sample, read in samples():
        for spelling, spelt in SPELLINGS.items():
            content = spelt(sample)
            if not _is_whole(read, content):
                figures.broken.append(f"the whole {name}, {spelling}, is not read")
            for length in range(0, len(content.rstrip()), every):
                figures.counts["files cut at a byte"] += 1
                if _is_whole(read, content[:length]):
                    figures.broken.append(f"{name}, {spelling}, cut at byte {length} is read as whole")
    figures.add(anyio.run(_cut_reports, every))
    return figures


async def _cut_reports(every: int) -> Figures:
    figures = Figures()
    for name in ("report.csv", "report.xml"):
        for spelling, spelt in SPELLINGS.items():
            content = spelt(made_up.golden(name).decode("utf-8", "replace").encode())
            meant = await _report_lines(name, content)
            figures.broken += [] if meant else [f"{name}, {spelling}, is not read"]
            for length in range(0, len(content), every):
                figures.counts["files cut at a byte"] += 1
                if [line for line in await _report_lines(name, content[:length]) if line not in meant]:
                    figures.broken.append(f"{name}, {spelling}, cut at byte {length} says what the whole does not")
    return figures


def _run(name: str, *, good: int) -> Figures:
    return cuts() if not name else anyio.run(folder, name, good)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--good", type=int, default=1_000, help="how many good files in each folder, at least")
    parser.add_argument("--place", choices=list(PLACES), help="this folder alone")


def _measure(asked: Namespace) -> Iterator[Result]:
    places = [asked.place] if asked.place else ["", *PLACES]
    figures = together(partial(_run, good=asked.good), places, asked.workers)
    yield Result("corpus", f"python -m tests.prove corpus --good {asked.good}", figures, kept=not asked.place)


METHOD = Method(
    "corpus",
    "files damaged in every way that is known, among a thousand good ones in each folder that is read; and every sample of"
    " a form that says where it ends, cut at every byte",
    _options,
    _measure,
)
