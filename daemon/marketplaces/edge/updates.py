"""What is said of an order to The Edge: its acknowledgement and its dispatches (Edge sections 4, 5; guide J7, J8)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches

from daemon.errors import NotAllowed
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.settings import Column, EdgeSettings
from daemon.model import OrderUpdate, UpdateKind, UpdateLine

_NAMES = {
    UpdateKind.ACKNOWLEDGEMENT: "order-{}.ack",
    UpdateKind.DISPATCH: "dispatch-{}.txt",
}
# A client in production expects the error of an acknowledgement under another prefix than the one it sends
# (Edge section 7, "odd point"), so both are taken.
_RENAMED = re.compile(r"(order|cancel)_ack-([0-9]{20})(?![0-9])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def update_name(update: OrderUpdate) -> str:
    """The file name of an update: its kind and the moment of its creation, UTC, to the microsecond."""
    return _form(update.kind).format(f"{update.created_at.astimezone(UTC):%Y%m%d%H%M%S%f}")


def reported_update(error_name: str) -> str:
    """The name of the update that an error file is about."""
    name = error_name.removesuffix(".err")
    renamed = _RENAMED.match(name)
    return f"{renamed[1]}-{renamed[2]}.ack" if renamed else name


def write_update(update: OrderUpdate, settings: EdgeSettings) -> bytes:
    """An update as bytes; raises NotAllowed for a carrier that the account's map does not know."""
    _form(update.kind)
    order = {
        "order_number": update.order,
        "supplier_ref": settings.updates.supplier_ref.replace("{order}", update.order),
    }
    if update.kind is UpdateKind.ACKNOWLEDGEMENT:
        order["test_flag"] = settings.updates.test_flag
        return _write(order, settings.updates.acknowledgement_columns, [(update, _acknowledged(update, settings))])
    # Some retailers want each file to repeat everything shipped so far (Edge section 5).
    told = [*update.earlier, update] if settings.updates.shipments == "cumulative" else [update]
    return _write(order, settings.updates.dispatch_columns, [(one, _dispatched(one, settings)) for one in told])


def _form(kind: UpdateKind) -> str:
    try:
        return _NAMES[kind]
    except KeyError:
        raise NotAllowed(f"The Edge takes acknowledgements and dispatches; it has no {kind}") from None


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
    handling = settings.handling_days if update.handling_days is None else update.handling_days
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
        "carrier": _carrier(parcel.carrier, settings.carriers),
        "service": settings.updates.service,
        "tracking_number": parcel.tracking_number,
        "tracking_url": parcel.tracking_url,
    }


def _carrier(word: str, carriers: Mapping[str, str]) -> str:
    """The Edge's word for a carrier; without a map the seller's word is taken as it is."""
    if not carriers:
        return word
    known = {name.strip().casefold(): theirs for name, theirs in carriers.items()}
    theirs = known.get(word.strip().casefold())
    if theirs is not None:
        return theirs
    near = get_close_matches(word, carriers, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise NotAllowed(
        f'no carrier "{word}" in the carrier map of the account{hint}; it knows {", ".join(sorted(carriers))}'
    )


def _day(at: datetime, settings: EdgeSettings) -> date:
    return at.astimezone(settings.zone).date()


def _delivered(dispatch: date, settings: EdgeSettings) -> str:
    return settings.calendar.delivering.on(dispatch, settings.standard_delivery_days).isoformat()


def _one_line(text: str) -> str:
    """The text without newlines: known readers of this format take one line for one record (Edge section 2)."""
    return _CONTROL.sub(" ", text).strip()
