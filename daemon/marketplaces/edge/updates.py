"""What is said of an order to The Edge: acknowledged, dispatched, cancelled, refunded (Edge 4 to 6; J7 to J10)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from daemon.errors import NotAllowed
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.sections import decode
from daemon.marketplaces.edge.settings import DISPATCH_FIELDS, Column, EdgeSettings, UpdatesTable
from daemon.model import OrderUpdate, UpdateAnswer, UpdateKind, UpdateLine

_NAMES = {
    UpdateKind.ACKNOWLEDGEMENT: "order-{}.ack",
    UpdateKind.DISPATCH: "dispatch-{}.txt",
    UpdateKind.CANCELLATION: "cancel-{}.ack",
    # A refund is a tracking update, so it has the name of one (Edge section 6a).
    UpdateKind.REFUND: "dispatch-{}.txt",
}
# A client in production expects the error of an acknowledgement under another prefix than the one it sends
# (Edge section 7, "odd point"), and what becomes of the ending then is not known: the kind and the digits name it.
_REPORTED = re.compile(r"(order|cancel|dispatch)(?:_ack)?-([0-9]{20})(?![0-9])")
_ENDINGS = {"order": "ack", "cancel": "ack", "dispatch": "txt"}
_LONGEST_TEXT = 2_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def update_name(update: OrderUpdate) -> str:
    """The file name of an update: its kind and the moment of its creation, UTC, to the microsecond."""
    return _form(update.kind).format(f"{update.created_at.astimezone(UTC):%Y%m%d%H%M%S%f}")


def reported_update(error_name: str) -> str:
    """The name of the update that an error file is about."""
    found = _REPORTED.match(error_name)
    return f"{found[1]}-{found[2]}.{_ENDINGS[found[1]]}" if found else error_name.removesuffix(".err")


def read_error(error_name: str, content: bytes) -> UpdateAnswer:
    """What an error file says of the update that it is about (J13); raises Unreadable for what is no text."""
    text = " ".join(decode(content).split())[:_LONGEST_TEXT]
    return UpdateAnswer(reported_update(error_name), accepted=False, text=text or "refused by The Edge without a text")


def write_update(update: OrderUpdate, settings: EdgeSettings) -> bytes:
    """An update as bytes; raises NotAllowed for a carrier that the account's map does not know."""
    _form(update.kind)
    order = {
        "order_number": update.order,
        "supplier_ref": settings.updates.supplier_ref.replace("{order}", update.order),
    }
    columns = settings.updates
    if update.kind is UpdateKind.REFUND:
        return _write(order, _refund_columns(columns), _refunded(update, settings))
    if update.kind is not UpdateKind.DISPATCH:
        order["test_flag"] = columns.test_flag
        if update.kind is UpdateKind.CANCELLATION:
            return _write(order, columns.cancellation_columns, [(update, {})])
        return _write(order, columns.acknowledgement_columns, [(update, _acknowledged(update, settings))])
    # Some retailers want each file to repeat everything shipped so far (Edge section 5).
    told = [*update.earlier, update] if columns.shipments == "cumulative" else [update]
    return _write(order, columns.dispatch_columns, [(one, _dispatched(one, settings)) for one in told])


def _form(kind: UpdateKind) -> str:
    try:
        return _NAMES[kind]
    except KeyError:
        raise NotAllowed(f"The Edge takes {', '.join(sorted(_NAMES))}; it has no {kind}") from None


def _write(
    order: Mapping[str, str], columns: tuple[Column, ...], told: Sequence[tuple[OrderUpdate, Mapping[str, str]]]
) -> bytes:
    """A file of the lines of `told`, each update with the values that all of its lines share."""

    def row(line: UpdateLine, same: Mapping[str, str]) -> list[str]:
        values = {
            **same,
            "line_ref": line.ref,
            "part_number": line.channel_item_id,
            "quantity": str(line.quantity),
            "comments": line.reason,
        }
        return [_one_line(values[column.field] if column.field else column.text) for column in columns]

    names = [column.name for column in columns]
    rows = [row(line, same) for update, same in told for line in update.lines]
    return sections.write({name: _one_line(text) for name, text in order.items()}, names, rows)


def _acknowledged(update: OrderUpdate, settings: EdgeSettings) -> Mapping[str, str]:
    usual = settings.handling_days
    # It leaves together, when the last of it is ready.
    handling = max(
        (usual if line.handling_days is None else line.handling_days for line in update.lines), default=usual
    )
    dispatch = _dispatch_day(update, settings, handling)
    return {
        "sub_status": settings.updates.sub_status,
        "supplier_dispatch_date": dispatch.isoformat(),
        "supplier_delivery_date": _delivered(dispatch, settings),
        "fulfillment_route": settings.updates.fulfillment_route,
    }


def _dispatch_day(update: OrderUpdate, settings: EdgeSettings, handling: int) -> date:
    """So many working days after the order came; an acknowledgement that is late itself promises no day before it."""
    days = settings.calendar.dispatching
    came = days.counts_from((update.received_at or update.created_at).astimezone(settings.zone))
    return max(days.on(came, handling), days.on(_day(update.created_at, settings), 0))


def _dispatched(update: OrderUpdate, settings: EdgeSettings) -> Mapping[str, str]:
    parcel = update.parcel
    if parcel is None:
        raise NotAllowed(f"a dispatch of order {update.order} needs its carrier, its tracking and its time")
    dispatch = _day(parcel.shipped_at, settings)
    return {
        "dispatch_date": dispatch.isoformat(),
        "supplier_delivery_date": _delivered(dispatch, settings),
        "carrier": settings.carrier(parcel.carrier),
        "service": settings.updates.service,
        "tracking_number": parcel.tracking_number,
        "tracking_url": parcel.tracking_url,
    }


def _refund_columns(updates: UpdatesTable) -> tuple[Column, ...]:
    """The columns of a dispatch, of which one says that its units are refunded (J10)."""
    says = Column(name=updates.refund_column, text=updates.refund_text)
    if says.name not in {column.name for column in updates.dispatch_columns}:
        return (*updates.dispatch_columns, says)
    return tuple(says if column.name == says.name else column for column in updates.dispatch_columns)


def _refunded(update: OrderUpdate, settings: EdgeSettings) -> list[tuple[OrderUpdate, Mapping[str, str]]]:
    """The refunded lines alone, each with the values of the newest dispatch that carried it.

    What The Edge wants beside the text is not known (Edge section 13, 3); the parcel that is taken back is what a
    tracking update is about.
    """
    told: list[tuple[OrderUpdate, Mapping[str, str]]] = []
    for line in update.lines:
        carried = [one for one in update.earlier if line.ref in {each.ref for each in one.lines}]
        dispatch = carried[-1] if carried else None
        values = _dispatched(dispatch, settings) if dispatch else _nothing_known(update, settings)
        told.append((replace(update, lines=(line,)), values))
    return told


def _nothing_known(update: OrderUpdate, settings: EdgeSettings) -> Mapping[str, str]:
    """What is said of a parcel that was never told from here."""
    return dict.fromkeys(DISPATCH_FIELDS, "") | {"dispatch_date": _day(update.created_at, settings).isoformat()}


def _day(at: datetime, settings: EdgeSettings) -> date:
    return at.astimezone(settings.zone).date()


def _delivered(dispatch: date, settings: EdgeSettings) -> str:
    return settings.calendar.delivering.on(dispatch, settings.standard_delivery_days).isoformat()


def _one_line(text: str) -> str:
    """The text without newlines: known readers of this format take one line for one record (Edge section 2)."""
    return _CONTROL.sub(" ", text).strip()
