"""The Edge's orders and what a seller's files do to them: acknowledge, dispatch, cancel (Edge sections 3 to 6)."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from daemon.sandbox.settings import JohnLewisSettings
from daemon.sandbox.sheets import Row, Sheet, read_sheet
from daemon.sandbox.strict import Mistake

ACK_ORDER = ("order_number", "supplier_ref", "test_flag")
ACK_ITEMS = (
    "line_ref", "part_number", "quantity", "comments", "sub_status", "supplier_dispatch_date",
    "supplier_delivery_date", "fulfillment_route",
)  # fmt: skip
DISPATCH_ORDER = ("order_number", "supplier_ref")
DISPATCH_ITEMS = (
    "line_ref", "part_number", "quantity", "dispatch_date", "supplier_delivery_date", "carrier", "service",
    "tracking_number", "tracking_url",
)  # fmt: skip
CANCEL_ITEMS = ("line_ref", "part_number", "quantity", "comments")
# Which column carries the text of a refund is not known; a column of its own is one of the guesses (Edge section 6a).
REFUND_COLUMNS = ("carrier", "service", "tracking_number", "status", "comments")
_DISPATCH_FORMS = (DISPATCH_ITEMS, (*DISPATCH_ITEMS, "status"), (*DISPATCH_ITEMS, "comments"))

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_URL = re.compile(r"https?://\S+")
_LONGEST = {
    "supplier_ref": 100, "comments": 255, "sub_status": 100, "fulfillment_route": 100, "carrier": 255, "service": 255,
    "tracking_number": 100, "tracking_url": 255,
}  # fmt: skip


@dataclass(slots=True)
class EdgeLine:
    """One order line and how many of its units have gone which way; `parcels` are the dispatch rows as they came."""

    ref: str
    part_number: str
    quantity: int
    dispatched: int = 0
    cancelled: int = 0
    refunded: int = 0
    parcels: list[Row] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Give the units that are neither dispatched nor cancelled."""
        return self.quantity - self.dispatched - self.cancelled


@dataclass(slots=True)
class EdgeRequest:
    """One request to cancel, by file name: the units by line_ref, and what came of it so far.

    `state` is requested, acknowledged (no unit of it is left to cancel, and some were cancelled since), or dispatched:
    the refusal.
    """

    file_name: str
    units: dict[str, int]
    state: str = "requested"


@dataclass(slots=True)
class EdgeOrder:
    """One order as the retailer sees it, of the made-up customer number `customer`.

    `file_name` and `content` are those of its newest file.
    """

    number: str
    environment: str
    customer: int
    lines: dict[str, EdgeLine]
    file_name: str = ""
    content: bytes = b""
    acknowledged: bool = False
    requests: list[EdgeRequest] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Give new, acknowledged, dispatched (no unit is left) or cancelled (every unit was)."""
        if any(line.left for line in self.lines.values()):
            return "acknowledged" if self.acknowledged else "new"
        return "dispatched" if any(line.dispatched for line in self.lines.values()) else "cancelled"


FindOrder = Callable[[str], EdgeOrder]


def acknowledge(content: bytes, find: FindOrder, constants: Row) -> EdgeOrder:
    """Take an order acknowledgement: every line, once, with its full quantity and the retailer's constants.

    Raises Mistake; then nothing changes.
    """
    sheet, order = _opened(read_sheet(content, ACK_ORDER, [ACK_ITEMS]), find)
    if order.acknowledged:
        raise Mistake(f"order {order.number} is acknowledged already")
    rows = dict(_lines(sheet, order))
    if len(rows) < len(sheet.items):
        raise Mistake("a line_ref stands twice")
    if missing := order.lines.keys() - rows.keys():
        raise Mistake(f"line_ref {', '.join(sorted(missing))} is missing")
    for ref, (place, row) in rows.items():
        if int(row["quantity"]) != order.lines[ref].quantity:
            raise Mistake(f"{place}: quantity {row['quantity']} is not the full quantity {order.lines[ref].quantity}")
        _check_days(place, row, "supplier_dispatch_date", "supplier_delivery_date")
        for name, text in constants.items():
            if row[name] != text:
                raise Mistake(f"{place}: {name} must be {text!r}")
    order.acknowledged = True
    return order


def cancel(content: bytes, find: FindOrder) -> EdgeOrder:
    """Take a cancellation acknowledgement, asked for or not. Raises Mistake; then nothing changes."""
    sheet, order = _opened(read_sheet(content, ACK_ORDER, [CANCEL_ITEMS]), find)
    _must_be_acknowledged(order)
    units = _units(_lines(sheet, order))
    for ref, count in units.items():
        if count > order.lines[ref].left:
            raise Mistake(f"line_ref {ref}: {count} to cancel, {order.lines[ref].left} left")
    for ref, count in units.items():
        order.lines[ref].cancelled += count
    _answer_requests(order, units, "acknowledged")
    return order


def _answer_requests(order: EdgeOrder, units: Mapping[str, int], state: str) -> None:
    """The oldest open request about one of these lines is answered: by its acknowledgement, or by a dispatch."""
    for request in order.requests:
        if request.state == "requested" and any(units.get(ref) for ref in request.units):
            if state == "dispatched" and any(order.lines[ref].left for ref in request.units):
                continue
            request.state = state
            return


def dispatch(content: bytes, find: FindOrder, settings: JohnLewisSettings) -> EdgeOrder:
    """Take a dispatch, or a refund where rows carry the refund text. Raises Mistake; then nothing changes."""
    sheet, order = _opened(read_sheet(content, DISPATCH_ORDER, _DISPATCH_FORMS), find)
    _must_be_acknowledged(order)
    rows = _lines(sheet, order)
    marked = [any(row.get(column) == settings.refund_text for column in REFUND_COLUMNS) for _, (_, row) in rows]
    if all(marked):
        _refund(order, rows, settings)
    elif any(marked):
        raise Mistake("dispatched and refunded lines in one file")
    else:
        _ship(order, rows, settings)
    return order


Numbered = tuple[str, tuple[str, Row]]


def _opened(sheet: Sheet, find: FindOrder) -> tuple[Sheet, EdgeOrder]:
    if sheet.order.get("test_flag", "n").lower() not in ("y", "n"):
        raise Mistake("line 2: test_flag is neither Y nor N")
    _check_lengths("line 2", sheet.order)
    return sheet, find(sheet.order["order_number"])


def _must_be_acknowledged(order: EdgeOrder) -> None:
    if not order.acknowledged:
        raise Mistake(f"order {order.number} has not been acknowledged")


def _lines(sheet: Sheet, order: EdgeOrder) -> list[Numbered]:
    """Check what all files share of a row, and give each with its line_ref and its place in the file."""
    rows: list[Numbered] = []
    for number, row in enumerate(sheet.items, 4):
        place = f"line {number}"
        line = order.lines.get(row["line_ref"])
        if line is None:
            raise Mistake(f"{place}: order {order.number} has no line_ref {row['line_ref']!r}")
        if row["part_number"] != line.part_number:
            raise Mistake(f"{place}: part_number {row['part_number']!r} is not {line.part_number}")
        if not _COUNT.fullmatch(row["quantity"]):
            raise Mistake(f"{place}: quantity {row['quantity']!r} is not a whole number from 1")
        _check_lengths(place, row)
        rows.append((line.ref, (place, row)))
    return rows


def _check_lengths(place: str, row: Row) -> None:
    for name, longest in _LONGEST.items():
        if len(row.get(name, "")) > longest:
            raise Mistake(f"{place}: {name} is longer than {longest}")


def _check_days(place: str, row: Row, first: str, last: str) -> None:
    """Check two dates, either of which may be empty; the second is not before the first."""
    days = []
    for name in (first, last):
        if not row[name]:
            continue
        try:
            days.append(date.fromisoformat(row[name] if _DAY.fullmatch(row[name]) else ""))
        except ValueError:
            raise Mistake(f"{place}: {name} {row[name]!r} is not YYYY-MM-DD") from None
    if days != sorted(days):
        raise Mistake(f"{place}: {last} lies before {first}")


def _units(rows: Iterable[Numbered]) -> Counter[str]:
    units: Counter[str] = Counter()
    for ref, (_, row) in rows:
        units[ref] += int(row["quantity"])
    return units


def _ship(order: EdgeOrder, rows: Sequence[Numbered], settings: JohnLewisSettings) -> None:
    for _, (place, row) in rows:
        _check_parcel(place, row, settings.carriers)
    units = _units(rows)
    cumulative = settings.shipments == "cumulative"
    for ref, line in order.lines.items():
        total = units[ref] + (0 if cumulative else line.dispatched)
        if total < line.dispatched:
            raise Mistake(f"line_ref {ref}: {total} dispatched in all, {line.dispatched} before: repeat all of them")
        if total > line.quantity - line.cancelled:
            raise Mistake(f"line_ref {ref}: {total} dispatched in all, {line.quantity - line.cancelled} ordered")
    if cumulative and all(units[ref] == line.dispatched for ref, line in order.lines.items()):
        raise Mistake("nothing new is dispatched")
    for ref, line in order.lines.items():
        line.dispatched = units[ref] + (0 if cumulative else line.dispatched)
        parcels = [row for it, (_, row) in rows if it == ref]
        line.parcels = parcels if cumulative else line.parcels + parcels
    _answer_requests(order, units, "dispatched")


def _check_parcel(place: str, row: Row, carriers: Collection[str] | None) -> None:
    if not row["dispatch_date"]:
        raise Mistake(f"{place}: dispatch_date is missing")
    _check_days(place, row, "dispatch_date", "supplier_delivery_date")
    if not row["carrier"] or (carriers is not None and row["carrier"] not in carriers):
        raise Mistake(f"{place}: carrier {row['carrier']!r} is unknown")
    if not row["tracking_number"]:
        raise Mistake(f"{place}: tracking_number is missing")
    if row["tracking_url"] and not _URL.fullmatch(row["tracking_url"]):
        raise Mistake(f"{place}: tracking_url is no URL")


def _refund(order: EdgeOrder, rows: Sequence[Numbered], settings: JohnLewisSettings) -> None:
    """Take a refund: whole units of what was dispatched, each row with a parcel that had the line."""
    for ref, (place, row) in rows:
        _check_days(place, row, "dispatch_date", "supplier_delivery_date")
        text = {column for column in REFUND_COLUMNS if row.get(column) == settings.refund_text}
        carriers = {parcel["carrier"] for parcel in order.lines[ref].parcels}
        if "carrier" not in text and carriers and row["carrier"] not in carriers:
            raise Mistake(f"{place}: carrier {row['carrier']!r} brought none of its units")
    units = _units(rows)
    for ref, count in units.items():
        line = order.lines[ref]
        if count > line.dispatched - line.refunded:
            raise Mistake(f"line_ref {ref}: {count} to refund, {line.dispatched - line.refunded} dispatched")
    for ref, count in units.items():
        order.lines[ref].refunded += count
