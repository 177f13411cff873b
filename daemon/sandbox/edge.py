"""The John Lewis of the sandbox: an Edge that drops orders and works off what appears in its folders (Edge 1 to 8)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from daemon.sandbox.clock import Moment, Stamps
from daemon.sandbox.disk import Dropbox, Numbers, is_being_written
from daemon.sandbox.edge_orders import EdgeLine, EdgeOrder, EdgeRequest, acknowledge, cancel, dispatch
from daemon.sandbox.faults import Faults
from daemon.sandbox.inventory import RowError, Stock, read_inventory, write_errors
from daemon.sandbox.settings import JohnLewisSettings
from daemon.sandbox.sftp import Reading, Uploads
from daemon.sandbox.sheets import Row, write_sheet
from daemon.sandbox.strict import Mistake

ENVIRONMENTS = ("live", "uat")
_OUTGOING = re.compile(r"(order|cancel|dispatch)-([0-9]{20})\.(ack|txt)")
_KINDS = {("order", "ack"), ("cancel", "ack"), ("dispatch", "txt")}
_INVENTORY = re.compile(r"inventory-([0-9]{20})\.csv")
_DONE = ".DONE"
# What the Edge itself leaves in `outgoing` (section 7).
_OURS = (".err", ".err.DONE", ".failed")
_AS_USUAL: Mapping[str, Any] = {"folder": "outgoing", "named": "as_sent", "layout": "text"}


@dataclass(frozen=True, slots=True)
class FileArrival:
    """One file that was taken up: where, its bytes, when its upload ended (UTC, CLOCK_BOOTTIME), what came of it.

    A file that did not come through the sandbox's own SFTP server has the moment at which it was taken up.
    `outcome` is accepted, repeated (the same name and bytes as before), or the fault that was found.
    """

    environment: str
    folder: str
    name: str
    content: bytes
    at: datetime
    boot: float
    outcome: str


class Rejection(Mistake):
    """A file that is turned down because that was asked for, and how the report is to come."""

    def __init__(self, text: str, how: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.how = how


class TheEdge:
    """The Edge's memory. `files` is the root of its SFTP, `archive` keeps what was accepted, out of sight."""

    def __init__(
        self,
        settings: JohnLewisSettings,
        files: Path,
        archive: Path,
        dropbox: Dropbox,
        numbers: Numbers,
        uploads: Uploads,
    ) -> None:
        self.settings = settings
        self.files = files
        self.archive = archive
        self.faults = Faults("johnlewis")
        self.orders: dict[str, EdgeOrder] = {}
        self.stock: dict[str, Stock] = {}
        self.arrivals: list[FileArrival] = []
        self._dropbox = dropbox
        self._numbers = numbers
        self._uploads = uploads
        self._stamps = Stamps()
        self._unfinished: dict[Path, bytes] = {}
        self._returning: dict[Path, bytes] = {}
        self._accepted: dict[tuple[str, str], bytes] = {}
        self._left: set[tuple[Path, int, int]] = set()
        for environment in ENVIRONMENTS:
            for folder in astuple(settings.folders):
                (files / environment / folder).mkdir(parents=True, exist_ok=True)

    def place_order(
        self,
        part_number: str,
        quantity: int = 1,
        *more: tuple[str, int],
        number: str | None = None,
        environment: str = "live",
    ) -> EdgeOrder:
        """Let a made-up customer order; the file lies in `incoming` at once, then its marker.

        Raises Mistake where the number is taken or the environment unknown.
        """
        customer = self._numbers.next("johnlewis order")
        number = number or f"Y{100_000_000 + customer}"
        if number in self.orders or environment not in ENVIRONMENTS:
            raise Mistake(f"order {number} exists, or there is no environment {environment}")
        lines = [
            EdgeLine(str(place), part, units) for place, (part, units) in enumerate([(part_number, quantity), *more], 1)
        ]
        order = EdgeOrder(number, environment, customer, {line.ref: line for line in lines})
        self.orders[number] = order
        self._send(order, _written(order, self._checksum_off_by()))
        if again := self.faults.take("repeat_order_file"):
            self._repeat(order, same_name=again["same_name"], changed=again["changed"])
        return order

    def resend_order(self, number: str) -> EdgeOrder:
        """Send an order once more in a new, right file, as the retailer does after a bad one. Raises Mistake."""
        order = self._order(number)
        self._send(order, _written(order, 0))
        return order

    def contradict_order(self, number: str, *, same_name: bool) -> None:
        """Send an order once more with other units and one line more, which no retailer should. Raises Mistake.

        Under its own name it comes as soon as the client has taken the file that it came in.
        """
        order = self._order(number)
        lines = {ref: replace(line, quantity=line.quantity + 1) for ref, line in order.lines.items()}
        lines["99"] = EdgeLine("99", next(iter(lines.values())).part_number, 1)
        path = self.files / order.environment / "incoming" / order.file_name
        self._send_again(path, _written(replace(order, lines=lines), 0), same_name=same_name)

    @property
    def readings(self) -> Sequence[Reading]:
        """What a client opened to read through the sandbox's own SFTP server, the newest last."""
        return self._uploads.readings

    def finish_files(self) -> None:
        """Put down what `half_file` held back."""
        for path, content in self._unfinished.items():
            self._dropbox.put(path, content)
        self._unfinished = {}

    def request_cancellation(
        self, number: str, units: Mapping[str, int], *, null: str = "", reason: str = "", checksum_off_by: int = 0
    ) -> str:
        """Ask the seller to cancel so many units by line_ref; other lines carry `null` (Edge 6c). Gives its name.

        With a reason the order section has a column for it, whose name is ours (Edge section 6c).
        """
        order = self._order(number)
        for ref in units:
            if ref not in order.lines:
                raise Mistake(f"order {number} has no line_ref {ref}")
        items = [
            {"line_ref": ref, "part_number": line.part_number, "quantity": str(units.get(ref, null))}
            for ref, line in order.lines.items()
        ]
        section = {"order_number": number, "supplier_ref": "", "test_flag": "N"} | (
            {"reason": reason} if reason else {}
        )
        path = self._incoming(order) / f"cancel-{self._stamps.next()}.txt"
        content = write_sheet(section, items, checksum_off_by=checksum_off_by or self._checksum_off_by())
        order.requests.append(EdgeRequest(path.name, dict(units)))
        self._with_marker(path, content)
        if again := self.faults.take("repeat_request"):
            changed = content.replace(b',"",', b',"OTHER",', 1) if again["changed"] else content
            self._send_again(path, changed, same_name=again["same_name"])
        return path.name

    async def work_now(self) -> None:
        """Look into every folder once and work off what is ready."""
        self._work()

    async def watch(self) -> None:
        """Look into the folders again and again, for ever."""
        while self.settings.poll_every is not None:
            self._work()
            await anyio.sleep(self.settings.poll_every)

    def state(self) -> dict[str, Any]:
        """Give everything as plain values; the bytes of files stay out."""
        orders = {
            number: {
                "environment": order.environment,
                "state": order.state,
                "acknowledged": order.acknowledged,
                "file_name": order.file_name,
                "lines": [asdict(line) for line in order.lines.values()],
                "requests": [asdict(request) for request in order.requests],
            }
            for number, order in self.orders.items()
        }
        return {
            "orders": orders,
            "stock": {part: asdict(stock) for part, stock in self.stock.items()},
            "arrivals": [
                {name: value for name, value in asdict(it).items() if name != "content"} | {"size": len(it.content)}
                for it in self.arrivals
            ],
            "unfinished": [path.name for path in self._unfinished],
            "faults": [asdict(fault) for fault in self.faults.waiting],
        }

    def _incoming(self, order: EdgeOrder) -> Path:
        return self.files / order.environment / self.settings.folders.incoming

    def _order(self, number: str, environment: str | None = None) -> EdgeOrder:
        order = self.orders.get(number)
        if order is None or environment not in (None, order.environment):
            raise Mistake(f"order {number!r} is unknown")
        return order

    def _checksum_off_by(self) -> int:
        wrong = self.faults.take("wrong_checksum")
        return int(wrong["off_by"]) if wrong else 0

    def _send(self, order: EdgeOrder, content: bytes) -> None:
        order.file_name, order.content = f"order-{self._stamps.next()}.txt", content
        self._with_marker(self._incoming(order) / order.file_name, content)

    def _with_marker(self, path: Path, content: bytes) -> None:
        """Put a file down and then its marker, or half of that where `half_file` asks."""
        marker = path.with_name(path.name + _DONE)
        half = self.faults.take("half_file")
        for part, kept, missing in ((path, content, "data"), (marker, b"", "marker")):
            if missing == "marker" and not self.settings.order_marker:
                continue
            if half and half["missing"] == missing:
                self._unfinished[part] = kept
            else:
                self._dropbox.put(part, kept)

    def _repeat(self, order: EdgeOrder, *, same_name: bool, changed: bool) -> None:
        """Send a file again: at once under another name, or under its own as soon as the client has taken it."""
        content = order.content.replace(b'"Essai ', b'"Other ') if changed else order.content
        path = self._incoming(order) / order.file_name
        self._send_again(path, content, same_name=same_name)

    def _send_again(self, path: Path, content: bytes, *, same_name: bool) -> None:
        if same_name:
            self._returning[path] = content
        else:
            kind = path.name.partition("-")[0]
            self._with_marker(path.with_name(f"{kind}-{self._stamps.next()}.txt"), content)

    def _work(self) -> None:
        for path, content in list(self._returning.items()):
            if not path.exists():
                del self._returning[path]
                self._with_marker(path, content)
        for environment in ENVIRONMENTS:
            for path in self._ready(self.files / environment / self.settings.folders.outgoing):
                self._take_outgoing(environment, path)
            for path in self._stock_files(self.files / environment / self.settings.folders.inventory):
                self._take_inventory(environment, path)

    def _ready(self, folder: Path) -> list[Path]:
        """Give the files whose marker stands beside them, in the order of their markers; markers are not read.

        A retailer without markers takes what was uploaded whole.
        """
        if not self.settings.update_marker:
            there = [path for path in folder.iterdir() if path.is_file() and not path.name.endswith(_OURS)]
            there.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
            return [path for path in there if _seen(path) not in self._left and not self._uploads.is_open(path)]
        markers = [path for path in folder.glob(f"*{_DONE}") if not path.name.endswith(_OURS)]
        markers.sort(key=lambda marker: (marker.stat().st_mtime_ns, marker.name))
        files = (marker.with_name(marker.name.removesuffix(_DONE)) for marker in markers)
        return [path for path in files if path.is_file() and _seen(path) not in self._left]

    def _stock_files(self, folder: Path) -> Iterator[Path]:
        """Give the stock files to be taken, in the order in which they came."""
        files = [path for path in folder.iterdir() if path.is_file()]
        if self.settings.stock_marker:
            files = [path for path in files if path.with_name(path.name + _DONE) in files]
        for path in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name)):
            if _seen(path) in self._left:
                continue
            # Our own SFTP server knows its uploads; files may also come through another one on the same folder.
            if self.settings.pickup == "at_once" or not (self._uploads.is_open(path) or is_being_written(path)):
                yield path

    def _take_outgoing(self, environment: str, path: Path) -> None:
        content = path.read_bytes()
        marker = path.with_name(path.name + _DONE)
        outcome, how = "accepted", _AS_USUAL
        try:
            if self._accepted.get((environment, path.name)) == content:
                outcome = "repeated"
            else:
                self._apply(environment, path.name, content)
                self._accepted[environment, path.name] = content
        except Rejection as rejection:
            outcome, how = str(rejection), rejection.how
        except Mistake as mistake:
            outcome = str(mistake)
        self._arrived(environment, "outgoing", path, content, outcome)
        if outcome in ("accepted", "repeated"):
            self._settle(*((path, marker) if self.settings.update_marker else (path,)))
            return
        for rejected in (path, marker) if self.settings.update_marker else (path,):
            rejected.replace(rejected.with_name(rejected.name + ".failed"))
        # The fault speaks of the folders by the names that John Lewis has for them.
        folder = how["folder"].replace("outgoing", self.settings.folders.outgoing)
        report = self.files / environment / folder / _report_name(path.name, how["named"])
        report.parent.mkdir(parents=True, exist_ok=True)
        self._dropbox.put(report, _report(path.name, outcome, how["layout"]))
        self._dropbox.put(report.with_name(report.name + _DONE), b"")

    def _apply(self, environment: str, name: str, content: bytes) -> None:
        """Do what a file from the seller says. Raises Mistake; then nothing has changed."""
        match = _OUTGOING.fullmatch(name)
        if match is None or (match[1], match[3]) not in _KINDS or not _is_stamp(match[2]):
            raise Mistake(f"{name} is not the name of an acknowledgement, a cancellation or a dispatch")
        if (environment, name) in self._accepted:
            raise Mistake(f"{name} was received before with other content")
        if rejected := self.faults.take("reject_file", kind=match[1]):
            raise Rejection(rejected["error"], rejected)
        find = partial(self._order, environment=environment)
        if match[1] == "order":
            acknowledge(content, find, self.settings.constants)
        elif match[1] == "cancel":
            cancel(content, find)
        else:
            dispatch(content, find, self.settings)

    def _take_inventory(self, environment: str, path: Path) -> None:
        """Take a stock file; the good rows count, the bad ones come back in an error file (Edge section 8)."""
        content = path.read_bytes()
        try:
            _check_inventory_name(path.name)
            stocks, errors = read_inventory(
                *(content, self.settings.stock_columns, self._objection),
                *(environment, path.name, self.settings.part_form),
            )
        except Mistake as mistake:
            stocks, errors = [], [RowError("", str(mistake))]
        self.stock |= {stock.part_number: stock for stock in stocks}
        outcome = "; ".join(f"{error.part_number}: {error.error}" for error in errors) or "accepted"
        self._arrived(environment, "inventory", path, content, outcome)
        self._settle(path, *([path.with_name(path.name + _DONE)] if self.settings.stock_marker else []))
        if errors:
            folder = self.files / environment / self.settings.folders.stock_errors
            self._dropbox.put(folder / f"{path.name}.err", write_errors(errors))

    def _objection(self, part_number: str) -> str:
        if rejected := self.faults.take("reject_part", part_number=part_number):
            return str(rejected["error"])
        known = self.settings.known_parts
        return "unknown part_number" if known is not None and part_number not in known else ""

    def _arrived(self, environment: str, folder: str, path: Path, content: bytes, outcome: str) -> None:
        moment = self._uploads.closed_at(path) or Moment.now()
        self.arrivals.append(FileArrival(environment, folder, path.name, content, moment.at, moment.boot, outcome))

    def _settle(self, *paths: Path) -> None:
        """Leave files where they are and remember them, or move them to the archive."""
        for path in paths:
            if self.settings.accepted == "leave":
                self._left.add(_seen(path))
                continue
            place = self.archive / path.relative_to(self.files)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)


def _report_name(name: str, named: str) -> str:
    """The name of an error report: as the file was sent, by its type, or by its type without its ending (section 7)."""
    if named == "as_sent":
        return f"{name}.err"
    stem, _, ending = name.rpartition(".")
    kind, _, stamp = stem.partition("-")
    renamed = f"{kind}_ack-{stamp}" if ending == "ack" else stem
    return f"{renamed}.err" if named == "without_ending" else f"{renamed}.{ending}.err"


def _report(name: str, text: str, layout: str) -> bytes:
    """The text of an error report, whose layout nobody has told (section 7)."""
    if layout == "lines":
        return f"File: {name}\r\n\r\nError: {text}\r\n".encode()
    if layout == "table":
        return f'"file","error"\n"{name}","{text}"\n'.encode()
    return f"{text}\n".encode("cp1252" if layout == "latin" else "utf-8")


def _seen(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


def _is_stamp(digits: str) -> bool:
    try:
        datetime.strptime(digits, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _check_inventory_name(name: str) -> None:
    match = _INVENTORY.fullmatch(name)
    if match is None or not _is_stamp(match[1]):
        raise Mistake("the name must be inventory-<20 digits>.csv, without marker or renaming")


def _written(order: EdgeOrder, checksum_off_by: int) -> bytes:
    """Write an order file for a made-up customer (Edge section 3)."""
    customer = order.customer
    section: Row = {
        "order_number": order.number,
        "order_date": "2024-01-15T10:01:13",
        "po_enduser": f"{100_000_000 + customer}",
        "retailer_ref": f"R{customer}",
        "shipping_title": "Ms",
        "shipping_full_name": f'Essai "Quoted" Customer {customer}',
        "shipping_address_1": f"{customer} Test Street, Flat 1",
        "shipping_address_2": "",
        "shipping_address_3": "Testtown",
        "shipping_postcode": "TE1 1ST",
        "shipping_country": "GB",
        "shipping_phone": "01632960000",
        "shipping_email": f"relay-{customer}@example.test",
        "expected_delivery_date": "2024-01-20",
    }
    items = [
        {
            "line_ref": line.ref,
            "part_number": line.part_number,
            "quantity": str(line.quantity),
            "description": f"Test article {line.part_number}",
            "promised_date": "2024-01-20T00:00:00",
        }
        for line in order.lines.values()
    ]
    return write_sheet(section, items, checksum_off_by=checksum_off_by)
