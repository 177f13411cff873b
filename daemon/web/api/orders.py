"""Orders, and what the seller decides about them (guide L12 to L14, J8 to J10)."""

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime, Field

from daemon.model import AccountName, Moment, OrderNumber, OrderUpdate, Parcel, UpdateKind
from daemon.seller.exports import MEDIA_TYPES, ExportFormat, orders_as
from daemon.settings import AccountSettings
from daemon.store.updates import CancelRequest
from daemon.store.views import PAGE, Place, View
from daemon.web.api.asking import (
    MOST_ROWS,
    Account,
    Before,
    Body,
    Control,
    Limit,
    Now,
    Once,
    TheControl,
    TheOnce,
    found_or_404,
    in_utc,
    name_of,
)
from daemon.web.api.problems import BadCursor
from daemon.web.caller import SeesCustomers, TheCaller, want_personal

router = APIRouter(prefix="/api/v1")

#: the place of the last change that was given
_CURSOR = re.compile(r"c1-([0-9]{1,19})-([0-9]{1,19})")


class LineChoice(Body):
    """One line of an order; without a quantity, all its units for which it is possible."""

    ref: str
    quantity: int | None = Field(default=None, ge=1, le=MOST_ROWS)


class Decision(Body):
    """Which lines are accepted or refused; null means every line for which that is legal."""

    lines: list[LineChoice] | None = None
    reason: str = Field(default="", max_length=500)


class Refusal(Decision):
    """Which lines are refused; out of stock is a reason of its own, for which a marketplace may have a word."""

    out_of_stock: bool = False


class Shipment(Body):
    """How goods left. Without a URL the account's default template gives it (L13); without an instant it is now."""

    carrier: str = Field(min_length=1, max_length=100)
    tracking_number: str = Field(default="", max_length=100)
    tracking_url: str = Field(default="", max_length=1000)
    shipped_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None
    lines: list[LineChoice] | None = None


class Resolution(Body):
    """What became of an update in doubt: it is there, or it is to be sent again."""

    arrived: bool


@router.get("/accounts/{account}/orders/{number:path}")
async def order(
    number: str, account: Account, control: TheControl, now: Now, caller: TheCaller, *, personal: bool = False
) -> View:
    """One order with its updates and timeline; `personal` adds who gets it, for who may see that (D12)."""
    if personal:
        want_personal(caller)
    found = await control.store.views.order(name_of(account), OrderNumber(number), personal=personal, now=now.at)
    return {"version": 1, "order": found_or_404(found, f"account {account.name} has no order {number}")}


@router.post("/accounts/{account}/orders/{number:path}/accept")
async def accept(
    number: str, decision: Decision, account: Account, control: TheControl, now: Now, once: TheOnce
) -> View:
    """Accept lines of an order (L13)."""
    return await _decide(
        control, account, number, UpdateKind.ACCEPTANCE, decision.lines, (now, once), reason=decision.reason
    )


@router.post("/accounts/{account}/orders/{number:path}/refuse")
async def refuse(number: str, refusal: Refusal, account: Account, control: TheControl, now: Now, once: TheOnce) -> View:
    """Refuse lines of an order, because they are out of stock or otherwise (L13)."""
    return await _decide(
        *(control, account, number, UpdateKind.REFUSAL, refusal.lines, (now, once)),
        reason=refusal.reason,
        out_of_stock=refusal.out_of_stock,
    )


@router.post("/accounts/{account}/orders/{number:path}/cancel")
async def cancel(
    number: str, decision: Decision, account: Account, control: TheControl, now: Now, once: TheOnce
) -> View:
    """Cancel or refund lines of an order, each by what is possible for it now (L14, J9, J10)."""
    await _known(control, account, number)

    def answer(done: CancelRequest) -> View:
        updates = [{"kind": update.kind, "lines": _said(update)} for update in done.updates]
        return {"version": 1, "order": number, "updates": updates, "left_out": list(done.left_out)}

    return await once.do(
        lambda store: store.updates.cancel(
            *(name_of(account), OrderNumber(number), _units(decision.lines)),
            legal_moves=account.legal_moves,
            at=now.at,
            reason=decision.reason,
        ),
        answer,
    )


@router.post("/accounts/{account}/orders/{number:path}/ship")
async def ship(number: str, shipment: Shipment, account: Account, control: TheControl, now: Now, once: TheOnce) -> View:
    """Say that lines of an order have left, whole or in part (L13, J8)."""
    parcel = Parcel(
        shipment.carrier,
        shipment.tracking_number,
        shipment.tracking_url or account.tracking_url_of(shipment.tracking_number),
        shipment.shipped_at or now.at,
    )
    return await _decide(control, account, number, UpdateKind.DISPATCH, shipment.lines, (now, once), parcel=parcel)


async def _decide(
    control: Control,
    account: AccountSettings,
    number: str,
    kind: UpdateKind,
    lines: Sequence[LineChoice] | None,
    turn: tuple[Moment, Once],
    *,
    parcel: Parcel | None = None,
    reason: str = "",
    out_of_stock: bool = False,
) -> View:
    now, once = turn
    await _known(control, account, number)
    return await once.do(
        lambda store: store.updates.open(
            *(name_of(account), OrderNumber(number), kind, _units(lines)),
            legal_moves=account.legal_moves,
            at=now.at,
            parcel=parcel,
            reason=reason,
            out_of_stock=out_of_stock,
        ),
        lambda update: {"version": 1, "order": number, "kind": update.kind, "lines": _said(update)},
    )


async def _known(control: Control, account: AccountSettings, number: str) -> None:
    order = await control.store.views.order(name_of(account), OrderNumber(number), personal=False)
    found_or_404(order, f"account {account.name} has no order {number}")


def _units(lines: Sequence[LineChoice] | None) -> list[tuple[str, int | None]] | None:
    return None if lines is None else [(line.ref, line.quantity) for line in lines]


def _said(update: OrderUpdate) -> list[View]:
    return [{"ref": line.ref, "quantity": line.quantity} for line in update.lines]


@router.post("/accounts/{account}/orders/{number:path}/resolve")
async def resolve(number: str, resolution: Resolution, account: Account, now: Now, once: TheOnce) -> View:
    """Settle an update that is in doubt by what a person has found out."""
    arrived = resolution.arrived
    return await once.do(
        lambda store: store.updates.resolve(name_of(account), OrderNumber(number), arrived=arrived, at=now.at),
        lambda _: {"version": 1, "order": number, "arrived": arrived},
    )


@router.get("/accounts/{account}/orders-export", dependencies=[SeesCustomers])
async def export_orders(
    account: Account,
    control: TheControl,
    since: AwareDatetime | None = None,
    form: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSON,
) -> StreamingResponse:
    """Orders that changed since, with personal data, as JSON, or as CSV or XLSX for spreadsheets (S2)."""
    pieces = orders_as(form, control.store.views.export_orders(name_of(account), since))
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[form])


@router.get("/accounts/{account}/order-changes")
async def changes(
    account: Account,
    control: TheControl,
    caller: TheCaller,
    cursor: Annotated[
        str, Query(max_length=100, description="from the answer before; without it, from the start")
    ] = "",
    limit: Limit = PAGE,
    *,
    personal: bool = False,
) -> View:
    """Orders that changed behind a cursor, the oldest change first, for programs that go on where they were (S2).

    Keep the cursor of an answer together with what you made of its orders: whoever then goes on from it misses no
    change and sees none twice. An order that changed more than once meanwhile comes once, as it is now. `more` says
    that the next answer has orders already. `personal` adds who gets the goods, for who may see that (D12).
    """
    if personal:
        want_personal(caller)
    page, (at, row) = await control.store.views.order_changes(
        name_of(account), _place(cursor), personal=personal, limit=limit
    )
    return {"version": 1, "orders": page, "cursor": f"c1-{at}-{row}", "more": len(page) == limit}


def _place(cursor: str) -> Place:
    if not cursor:
        return 0, 0
    found = _CURSOR.fullmatch(cursor)
    if found is None or max(int(found[1]), int(found[2])) > MOST_ROWS:
        raise BadCursor(cursor)
    return int(found[1]), int(found[2])


@router.get("/orders")
async def orders(
    control: TheControl,
    now: Now,
    *,
    account: str | None = None,
    state: str | None = None,
    late: bool = False,
    errors: bool = False,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """Orders without personal data, the newest first; `late`: past a deadline, `errors`: with something wrong."""
    name = AccountName(account) if account else None
    page = await control.store.views.orders(
        name, state=state, limit=limit, before=before, now=now.at, late=late, errors=errors
    )
    return {"version": 1, "orders": page, "next": page[-1]["id"] if len(page) == limit else None}
