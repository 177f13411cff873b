"""Orders with their clocks, and what the seller decides about their lines (L12 to L14, J8 to J10)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from daemon.errors import NotAllowed
from daemon.model import AccountName, LineState, UpdateKind
from daemon.rules.moves import Standing, cancel_hindrance, hindrance, still_free
from daemon.settings import AccountSettings
from daemon.store.users import Right
from daemon.store.views import View
from daemon.web.api import erasures as rest_erasures
from daemon.web.api import orders as rest
from daemon.web.api.asking import Account, each_time
from daemon.web.caller import want_personal
from daemon.web.pages.page import ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table(
    "orders",
    [
        *plain("account", "number", "ordered_at", "received_at", "changed_at", "due_at", "timeliness"),
        ("lines", lambda row: len(row["lines"])),
        ("states", lambda row: " ".join(sorted({line["state"] for line in row["lines"]}))),
        ("skus", lambda row: " ".join(line["sku"] or line["ean"] for line in row["lines"])),
        *plain("shipping_method", "payment_method", "incomplete"),
    ],
)
_CUSTOMERS_FILE = Table(
    "orders-with-customers",
    [
        *_FILE.columns,
        *(
            (part, lambda row, part=part: _customer(row["shipping"], part))
            for part in ("name", "lines", "postcode", "city", "country", "phone", "email")
        ),
    ],
)


def _customer(customer: View | None, part: str) -> str:
    found = (customer or {}).get(part, "")
    return ", ".join(found) if isinstance(found, list) else str(found or "")


@router.get("/orders")
async def orders(
    page: ThePage,
    account: str = "",
    state: LineState | Literal[""] = "",
    late: bool = False,
    errors: bool = False,
    stuck: bool = False,
    q: str = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """Orders, the newest first."""
    name = AccountName(account) if account else None
    views = page.control.store.views

    async def fetch(last: int | None, limit: int) -> list[View]:
        return await views.orders(
            name,
            state=state or None,
            late=late,
            errors=errors,
            stuck=stuck,
            find=q,
            before=last,
            limit=limit,
            now=page.now.at,
        )

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "orders.html",
        title="Orders",
        rows=[{**row, "states": _states(row)} for row in rows],
        chosen={"account": account, "state": state, "late": late, "errors": errors, "stuck": stuck, "q": q},
        states=list(LineState),
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )


def _states(order: View) -> list[tuple[str, int]]:
    """The states of an order's lines with how many lines are in each, in the order of the trade."""
    counts: dict[str, int] = {}
    for line in order["lines"]:
        counts[line["state"]] = counts.get(line["state"], 0) + 1
    return [(state.value, counts[state.value]) for state in LineState if state.value in counts]


@router.get("/orders/{account}/{number:path}")
async def order(page: ThePage, account: Account, number: str) -> Response:
    """One order: its lines and what can be done with each, updates, timeline; the customer for who may see that."""
    sees = page.caller.may(Right.PERSONAL)
    found = (await rest.order(number, account, page.control, page.now, page.caller, personal=sees))["order"]
    booked = _booked(found)
    can = [_line_can(line, account, booked[line["ref"]]) for line in found["lines"]]
    return await page.show(
        "order.html",
        title=f"Order {number}",
        order=found,
        account=account.name,
        place=place_of(account.name, number),
        lines=[{**line, "can": each} for line, each in zip(found["lines"], can, strict=True)],
        can=_can(can),
        tracking=account.tracking_url,
        doubt=[update for update in found["updates"] if update["state"] == "in_doubt"],
    )


def _standing(line: View) -> Standing:
    units = (line["quantity"], line["shipped"], line["cancelled"], line["refunded"])
    return Standing(LineState(line["state"]), *units)


_NOT_MOVED_YET = ("pending", "sending", "in_doubt")
_VERBS = {"accept": UpdateKind.ACCEPTANCE, "refuse": UpdateKind.REFUSAL, "ship": UpdateKind.DISPATCH}


def _line_can(line: View, account: AccountSettings, booked: Mapping[UpdateKind, int]) -> dict[str, str]:
    """Why each verb is not possible for a line, empty where it is; `booked` are its units in updates on their way."""
    standing, legal = _standing(line), account.legal_moves
    found = {}
    for verb, kind in _VERBS.items():
        found[verb] = hindrance(standing, kind, legal)
        if not found[verb] and still_free(standing, kind, booked, legal) <= 0:
            found[verb] = _on_their_way(booked)
    found["cancel"] = cancel_hindrance(standing, legal)
    if not found["cancel"] and all(still_free(standing, kind, booked, legal) <= 0 for kind in legal.cancels):
        found["cancel"] = _on_their_way(booked)
    return found


def _on_their_way(booked: Mapping[UpdateKind, int]) -> str:
    said = ", ".join(f"{kind} of {units}" for kind, units in booked.items() if units)
    return f"an update is on its way: {said}" if said else "nothing of it is left"


def _booked(order: View) -> dict[str, Counter[UpdateKind]]:
    """Units per line and kind in updates that have not moved their lines yet."""
    found: dict[str, Counter[UpdateKind]] = {line["ref"]: Counter() for line in order["lines"]}
    for update in order["updates"]:
        if update["state"] in _NOT_MOVED_YET:
            for line in update["lines"]:
                found[line["ref"]][UpdateKind(update["kind"])] += line["quantity"]
    return found


def _can(found: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Why each verb is possible for none of these lines, empty where it is for one."""
    verbs = ("accept", "refuse", "ship", "cancel")
    if not found:
        return dict.fromkeys(verbs, "the order has no lines")
    return {verb: "" if any(not each[verb] for each in found) else found[0][verb] for verb in verbs}


@router.post("/orders/{account}/{number:path}/accept")
async def accept(page: ThePage, account: Account, number: str) -> Response:
    """Accept lines."""
    form = await page.form()

    async def work() -> View:
        return await rest.accept(
            number, rest.Decision(lines=_lines(form)), account, page.control, page.now, each_time(page.control)
        )

    return await page.act(work, lambda done: f"accepted: {_named(done)}", place_of(account.name, number))


@router.post("/orders/{account}/{number:path}/refuse")
async def refuse(page: ThePage, account: Account, number: str) -> Response:
    """Refuse lines, because they are out of stock or otherwise."""
    form = await page.form()

    async def work() -> View:
        reason, out = str(form.get("reason", "")), form.get("why") == "out_of_stock"
        said = rest.Refusal(lines=_lines(form), reason=reason, out_of_stock=out)
        return await rest.refuse(number, said, account, page.control, page.now, each_time(page.control))

    return await page.act(work, lambda done: f"refused: {_named(done)}", place_of(account.name, number))


@router.post("/orders/{account}/{number:path}/ship")
async def ship(page: ThePage, account: Account, number: str) -> Response:
    """Say that lines have left."""
    form = await page.form()

    async def work() -> View:
        said = rest.Shipment(
            carrier=str(form.get("carrier", "")).strip(),
            tracking_number=str(form.get("tracking_number", "")).strip(),
            tracking_url=str(form.get("tracking_url", "")).strip(),
            shipped_at=_instant(str(form.get("shipped_at", "")), account.zone),
            lines=_lines(form),
        )
        return await rest.ship(number, said, account, page.control, page.now, each_time(page.control))

    return await page.act(work, lambda done: f"shipped: {_named(done)}", place_of(account.name, number))


@router.post("/orders/{account}/{number:path}/cancel")
async def cancel(page: ThePage, account: Account, number: str) -> Response:
    """Cancel or refund lines, each by what is possible for it now."""
    form = await page.form()

    async def work() -> View:
        said = rest.Cancelling(lines=_amounts(form), reason=str(form.get("reason", "")))
        return await rest.cancel(number, said, account, page.control, page.now, each_time(page.control))

    def told(done: View) -> str:
        updates = "; ".join(f"{each['kind']}: {_named(each)}" for each in done["updates"])
        out = f"; left out: {'; '.join(map(str, done['left_out']))}" if done["left_out"] else ""
        return f"{updates or 'nothing was to be done'}{out}"

    return await page.act(work, told, place_of(account.name, number))


@router.post("/orders/{account}/{number:path}/resolve")
async def resolve(page: ThePage, account: Account, number: str) -> Response:
    """Settle an update in doubt by what a person has found out."""
    form = await page.form()

    async def work() -> View:
        if form.get("arrived") not in ("yes", "no"):
            raise NotAllowed("say whether it is there, or is to be sent again")
        said = rest.Resolution(arrived=form.get("arrived") == "yes")
        return await rest.resolve(number, said, account, page.now, each_time(page.control))

    def told(done: View) -> str:
        return "taken as arrived" if done["arrived"] else "will be sent again"

    return await page.act(work, told, place_of(account.name, number))


@router.post("/orders/{account}/{number:path}/resend")
async def resend(page: ThePage, account: Account, number: str) -> Response:
    """Say a failed update again, mended where something was filled in."""
    form = await page.form()

    async def work() -> View:
        given = {name: str(form.get(name, "")).strip() for name in ("update", "carrier", "tracking_number", "reason")}
        said = rest.Resending.model_validate({name: value for name, value in given.items() if value})
        return await rest.resend(number, said, account, page.control, page.now, each_time(page.control))

    return await page.act(
        work, lambda done: f"{done['kind']} is said again: {_named(done)}", place_of(account.name, number)
    )


@router.post("/orders/{account}/{number:path}/erase")
async def erase(page: ThePage, account: Account, number: str) -> Response:
    """Forget the customer of an order, for who may see him."""
    want_personal(page.caller)
    form = await page.form()

    async def work() -> View:
        said = rest_erasures.ErasureRequest(
            reason=str(form.get("reason", "")).strip(), although_open=form.get("although_open") == "yes"
        )
        return await rest_erasures.erase(said, number, account, page.control, page.now)

    return await page.act(work, lambda _: "the customer is forgotten", place_of(account.name, number))


@router.get("/order-export/{account}")
async def export(page: ThePage, account: Account, format: Literal["csv", "xlsx"] = "csv") -> Response:  # noqa: A002
    """Every order of an account with its customer, for who may see that."""
    want_personal(page.caller)

    async def pages() -> Any:
        async for found in page.control.store.views.export_orders(AccountName(account.name)):
            yield [{**row, "timeliness": ""} for row in found]

    return as_file(_CUSTOMERS_FILE, format, pages())


def _lines(form: FormData) -> list[rest.LineChoice]:
    """The lines that were ticked with how many units of each; raises NotAllowed where none was."""
    return [rest.LineChoice(ref=ref, quantity=units) for ref, units, _ in _ticked(form)]


def _amounts(form: FormData) -> list[rest.LineOrAmount]:
    """The same, where an amount of money may stand in place of units (J10)."""
    return [rest.LineOrAmount(ref=ref, quantity=units, amount=amount or None) for ref, units, amount in _ticked(form)]


def _ticked(form: FormData) -> list[tuple[str, int | None, str]]:
    refs = [str(ref) for ref in form.getlist("line")]
    if not refs:
        raise NotAllowed("no line was chosen; tick some first")
    found = []
    for ref in refs:
        units, amount = (str(form.get(f"{what}-{ref}", "")).strip() for what in ("units", "amount"))
        if units and not units.isdecimal():
            raise NotAllowed(f"line {ref}: write a whole number of units, or leave it empty for all")
        found.append((ref, int(units) if units else None, amount))
    return found


def _named(done: View) -> str:
    """The lines of an update with their units."""
    return ", ".join(f"{line['quantity']} of line {line['ref']}" for line in done["lines"])


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    """A local time of a form in the account's zone, None where none was given; raises NotAllowed."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        raise NotAllowed("when it left is no time; write it as 2026-03-02T12:00") from None


def place_of(account: str, number: str) -> str:
    """The address of an order's page."""
    return f"/orders/{quote(account, safe='')}/{quote(number, safe='')}"
