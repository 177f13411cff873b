"""Orders, and what the seller decides about them (guide L12 to L14, J8 to J10)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from daemon.errors import NotAllowed
from daemon.model import AccountName, Moment, Money, OrderNumber, OrderUpdate, Parcel, UpdateKind
from daemon.seller.exports import MEDIA_TYPES, ExportFormat, orders_as
from daemon.settings import AccountSettings
from daemon.store.choices import Choice
from daemon.store.update_rows import UpdateId
from daemon.store.updates import CancelRequest
from daemon.store.views import PAGE, View
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
from daemon.web.caller import SeesCustomers, TheCaller, want_personal

router = APIRouter(prefix="/api/v1")


class LineChoice(Body):
    """One line of an order; without a quantity, all its units for which it is possible."""

    ref: str
    quantity: int | None = Field(default=None, ge=1, le=MOST_ROWS)


class LineOrAmount(LineChoice):
    """One line of an order, or so many of its units as an amount in the account's currency is (J10)."""

    amount: str | None = Field(default=None, pattern=r"^[0-9]{1,12}(\.[0-9]{1,2})?$")

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if self.quantity is not None and self.amount is not None:
            raise ValueError("give the units or the amount of a line, not both")
        return self


class Cancelling(Body):
    """Which lines are cancelled or refunded; null means every line for which that is possible."""

    lines: list[LineOrAmount] | None = None
    reason: str = Field(default="", max_length=500)


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


class Resending(Body):
    """Which failed update is said again, and what of it is mended; what is null stays as it was recorded (J13)."""

    update: int | None = Field(default=None, ge=1, le=MOST_ROWS)
    carrier: str | None = Field(default=None, min_length=1, max_length=100)
    tracking_number: str | None = Field(default=None, max_length=100)
    tracking_url: str | None = Field(default=None, max_length=1000)
    shipped_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None
    reason: str | None = Field(default=None, max_length=500)


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
        control, account, number, UpdateKind.ACCEPTANCE, _units(decision.lines), (now, once), reason=decision.reason
    )


@router.post("/accounts/{account}/orders/{number:path}/refuse")
async def refuse(number: str, refusal: Refusal, account: Account, control: TheControl, now: Now, once: TheOnce) -> View:
    """Refuse lines of an order, because they are out of stock or otherwise (L13)."""
    return await _decide(
        *(control, account, number, UpdateKind.REFUSAL, _units(refusal.lines), (now, once)),
        reason=refusal.reason,
        out_of_stock=refusal.out_of_stock,
    )


@router.post("/accounts/{account}/orders/{number:path}/cancel")
async def cancel(
    number: str, decision: Cancelling, account: Account, control: TheControl, now: Now, once: TheOnce
) -> View:
    """Cancel or refund lines of an order, each by what is possible for it now (L14, J9, J10)."""
    await _known(control, account, number)
    _allow(account.objection(reason=decision.reason))

    def answer(done: CancelRequest) -> View:
        updates = [{"kind": update.kind, "lines": _said(update)} for update in done.updates]
        return {"version": 1, "order": number, "updates": updates, "left_out": list(done.left_out)}

    return await once.do(
        lambda store: store.updates.cancel(
            *(name_of(account), OrderNumber(number), _asked(decision.lines, account)),
            legal_moves=account.legal_moves,
            at=now.at,
            reason=decision.reason,
        ),
        answer,
    )


@router.post("/accounts/{account}/orders/{number:path}/refund")
async def refund(
    number: str, decision: Cancelling, account: Account, control: TheControl, now: Now, once: TheOnce
) -> View:
    """Refund units that have left, by number or by amount, even while others could still be cancelled (J10)."""
    lines = _asked(decision.lines, account)
    return await _decide(control, account, number, UpdateKind.REFUND, lines, (now, once), reason=decision.reason)


@router.post("/accounts/{account}/orders/{number:path}/resend")
async def resend(
    number: str, resending: Resending, account: Account, control: TheControl, now: Now, once: TheOnce
) -> View:
    """Say a failed update again from the record, mended, under a new name (J13, L18)."""
    await _known(control, account, number)
    return await once.do(
        lambda store: store.updates.resend(
            *(name_of(account), OrderNumber(number)),
            legal_moves=account.legal_moves,
            at=now.at,
            update=None if resending.update is None else UpdateId(resending.update),
            mend=partial(_mended, resending=resending, account=account),
        ),
        partial(_recorded, number),
    )


def _mended(
    parcel: Parcel | None, reason: str, *, resending: Resending, account: AccountSettings
) -> tuple[Parcel | None, str]:
    """What a failed update says now; raises NotAllowed for what its marketplace would not take."""
    given = resending.model_dump(
        include={"carrier", "tracking_number", "tracking_url", "shipped_at"}, exclude_none=True
    )
    if given and parcel is None:
        raise NotAllowed(f"this update has no parcel, so nothing of it can be mended: {', '.join(sorted(given))}")
    if parcel is not None:
        if resending.tracking_number is not None and resending.tracking_url is None:
            # The recorded one leads to the recorded number.
            given["tracking_url"] = account.tracking_url_of(resending.tracking_number)
        parcel = replace(parcel, **given)
    reason = reason if resending.reason is None else resending.reason
    _allow(account.objection(parcel, reason))
    return parcel, reason


@router.post("/accounts/{account}/orders/{number:path}/ship")
async def ship(number: str, shipment: Shipment, account: Account, control: TheControl, now: Now, once: TheOnce) -> View:
    """Say that lines of an order have left, whole or in part (L13, J8)."""
    parcel = Parcel(
        shipment.carrier,
        shipment.tracking_number,
        shipment.tracking_url or account.tracking_url_of(shipment.tracking_number),
        shipment.shipped_at or now.at,
    )
    return await _decide(
        control, account, number, UpdateKind.DISPATCH, _units(shipment.lines), (now, once), parcel=parcel
    )


async def _decide(
    control: Control,
    account: AccountSettings,
    number: str,
    kind: UpdateKind,
    lines: Choice,
    turn: tuple[Moment, Once],
    *,
    parcel: Parcel | None = None,
    reason: str = "",
    out_of_stock: bool = False,
) -> View:
    now, once = turn
    await _known(control, account, number)
    _allow(account.objection(parcel, reason))
    return await once.do(
        lambda store: store.updates.open(
            *(name_of(account), OrderNumber(number), kind, lines),
            legal_moves=account.legal_moves,
            at=now.at,
            parcel=parcel,
            reason=reason,
            out_of_stock=out_of_stock,
        ),
        partial(_recorded, number),
    )


def _recorded(number: str, update: OrderUpdate) -> View:
    return {"version": 1, "order": number, "kind": update.kind, "lines": _said(update)}


async def _known(control: Control, account: AccountSettings, number: str) -> None:
    order = await control.store.views.order(name_of(account), OrderNumber(number), personal=False)
    found_or_404(order, f"account {account.name} has no order {number}")


def _allow(objection: str) -> None:
    if objection:
        raise NotAllowed(objection)


def _units(lines: Sequence[LineChoice] | None) -> Choice:
    return None if lines is None else [(line.ref, line.quantity) for line in lines]


def _asked(lines: Sequence[LineOrAmount] | None, account: AccountSettings) -> Choice:
    if lines is None:
        return None
    return [(line.ref, line.quantity if line.amount is None else _money(line.amount, account)) for line in lines]


def _money(amount: str, account: AccountSettings) -> Money:
    whole, _, rest = amount.partition(".")
    return Money(int(whole) * 100 + int(rest.ljust(2, "0")), account.currency)


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


@router.get("/orders")
async def orders(
    control: TheControl,
    now: Now,
    *,
    account: str | None = None,
    state: str | None = None,
    late: bool = False,
    errors: bool = False,
    stuck: bool = False,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """Orders without personal data, the newest first; `late`: past a deadline, `errors`: with something wrong.

    `stuck`: with an update that failed or is in doubt, and waits for a person.
    """
    name = AccountName(account) if account else None
    page = await control.store.views.orders(
        name, state=state, limit=limit, before=before, now=now.at, late=late, errors=errors, stuck=stuck
    )
    return {"version": 1, "orders": page, "next": page[-1]["id"] if len(page) == limit else None}
