"""The Edge's request to cancel (Edge section 6c, guide J12): its bytes to a CancellationRequest."""

import re
from collections.abc import Mapping, Sequence

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.sections import Row, needed, shown, value
from daemon.model import CancellationRequest, ClaimLine, OrderNumber

_WHOLE = re.compile(r"[0-9]{1,9}")

#: columns that the model has a word for; every other one is kept raw in `extra`
_ORDER_WORDS = frozenset({"order_number"})
#: why a customer wants it, by the numbers of Virtualstock's own list (Edge section 6c)
_REASONS: Mapping[str, str] = {
    "101": "pick failed",
    "102": "other",
    "126": "change of mind",
    "127": "changed quantity",
    "128": "cheaper elsewhere",
    "129": "wrong address",
    "130": "wrong delivery date",
    "131": "late",
    "132": "wants a delivery time",
}


def read_cancellation(content: bytes, *, reason_columns: Sequence[str]) -> CancellationRequest:
    """Read one request to cancel; raises Unreadable with line and column.

    A line whose quantity is empty, null or 0 is not meant. A file whose checksum does not fit gives a request that says
    so in `incomplete`, with the lines that could be read. A reason is looked for in `reason_columns`, of the order and
    of each line; which name it has is not known (Edge section 6c).
    """
    read = sections.read(content)
    number = needed(read.order, "order_number")
    lines = _lines(read.items, reason_columns, tolerant=bool(read.incomplete))
    if not lines and not read.incomplete:
        raise Unreadable(f"it asks to cancel no unit of any line of order {number}")
    return CancellationRequest(
        order=OrderNumber(number),
        lines=lines,
        reason=_reason(read.order, reason_columns) or "; ".join(dict.fromkeys(filter(None, (_.reason for _ in lines)))),
        incomplete=read.incomplete,
        extra={name: text for name, text in read.order.values.items() if name not in _ORDER_WORDS},
    )


def _lines(items: Sequence[Row], reason_columns: Sequence[str], *, tolerant: bool) -> tuple[ClaimLine, ...]:
    lines: dict[str, ClaimLine] = {}
    seen: set[str] = set()
    for item in items:
        try:
            line = _line(item, seen, reason_columns)
        except Unreadable:
            if not tolerant:
                raise
        else:
            if line.quantity:
                lines[line.ref] = line
    return tuple(lines.values())


def _line(item: Row, seen: set[str], reason_columns: Sequence[str]) -> ClaimLine:
    ref = needed(item, "line_ref")
    if ref in seen:
        raise Unreadable(f"line {item.line}, line_ref: {ref} is there twice")
    if "quantity" not in item.values:
        raise Unreadable(f"line {item.line}: its header has no column quantity")
    quantity = value(item, "quantity") or "0"
    if not _WHOLE.fullmatch(quantity):
        raise Unreadable(
            f'line {item.line}, quantity: a whole number, null or nothing was expected, "{shown(quantity)}" read'
        )
    seen.add(ref)
    return ClaimLine(ref, int(quantity), value(item, "part_number"), _reason(item, reason_columns))


def _reason(row: Row, columns: Sequence[str]) -> str:
    """What the first of the columns that says anything says, a number of the known list with its words."""
    text = next((found for column in columns if (found := value(row, column.lower()))), "")
    return f"{text} ({_REASONS[text]})" if text in _REASONS else text
