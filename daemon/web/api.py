"""The REST interface of the daemon: what the seller brings, decides and asks, under /api/v1 (guide S1 to S3).

It is served on the control socket, which only the daemon's own user may open, and in process by the command line when
no daemon runs. A request that cannot be met is answered with a problem as RFC 9457 has it: title, status, detail.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO, Literal, Protocol

from anyio import Lock, to_thread
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.clock import read_clocks
from daemon.config import Config
from daemon.errors import ConfigError, DaemonError, NotAllowed, StoreError, TransportError, Unreadable
from daemon.model import (
    SITE,
    AccountName,
    FeedId,
    Moment,
    OrderNumber,
    OrderUpdate,
    Parcel,
    Part,
    Sku,
    SyncState,
    UpdateKind,
)
from daemon.seller.advice import advise_code, advise_feed, advise_listing, explained_by
from daemon.seller.explain import explain
from daemon.seller.exports import ExportFormat, orders_as
from daemon.seller.imports import ImportKind, import_file
from daemon.seller.judging import validation
from daemon.seller.reference import import_reference
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.listings import Retried
from daemon.store.reference import ReferenceKind
from daemon.store.views import MOST, PAGE, View

#: bytes of one import file
LARGEST_IMPORT = 1 << 30

#: bytes of any other request
LARGEST_REQUEST = 1 << 20

_PROBLEM = "application/problem+json"
#: what the database can hold as a number
_MOST_ROWS = (1 << 63) - 1

Limit = Annotated[int, Query(ge=1, le=MOST)]
Before = Annotated[int | None, Query(ge=1, le=_MOST_ROWS)]
FeedNumber = Annotated[int, Path(alias="feed", ge=1, le=_MOST_ROWS)]
DeliveryNumber = Annotated[int, Path(alias="delivery", ge=1, le=_MOST_ROWS)]


class Control(Protocol):
    """What these requests need of the running daemon; without one, the command line puts something in its place."""

    @property
    def store(self) -> Store:
        """The open database."""
        ...

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        ...

    async def reload(self) -> list[str]:
        """Read the configuration again (D4); returns its problems, none when it was applied. Raises NotAllowed."""
        ...

    async def run_now(self, account: AccountName, job: str) -> None:
        """Give a job of an account, or of `SITE`, a turn now (D13); raises NotAllowed."""
        ...


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such instant in UTC") from None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LineChoice(_Body):
    """One line of an order; without a quantity, all its units for which it is possible."""

    ref: str
    quantity: int | None = Field(default=None, ge=1, le=_MOST_ROWS)


class Decision(_Body):
    """Which lines are accepted or refused; null means every line for which that is legal."""

    lines: list[LineChoice] | None = None
    reason: str = Field(default="", max_length=500)


class Refusal(Decision):
    """Which lines are refused; out of stock is a reason of its own, for which a marketplace may have a word."""

    out_of_stock: bool = False


class Shipment(_Body):
    """How goods left. Without a URL the account's default template gives it (L13); without an instant it is now."""

    carrier: str = Field(min_length=1, max_length=100)
    tracking_number: str = Field(default="", max_length=100)
    tracking_url: str = Field(default="", max_length=1000)
    shipped_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None
    lines: list[LineChoice] | None = None


class Resolution(_Body):
    """What became of an update in doubt: it is there, or it is to be sent again."""

    arrived: bool


def control_app(control: Control, clocks: Callable[[], Moment] = read_clocks) -> FastAPI:
    """The application over one running daemon, or over what stands in for it when none runs."""
    app = FastAPI(
        title="sellerd",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            DaemonError: _tell_fault,
            HTTPException: _tell_http,
            RequestValidationError: _tell_invalid,
            ClientDisconnect: _tell_nobody,
            Exception: _tell_unforeseen,
        },
    )
    app.add_middleware(_Limit)
    app.state.control = control
    app.state.clocks = clocks
    # Two imports of one account at a time would each fill the columns that they lack from before the other.
    app.state.importing = {}
    app.include_router(_router)
    return app


class _Limit:
    """Ends a request whose body is longer than it may be, before it is held in memory; an import is, on disk."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        size, limit = 0, LARGEST_IMPORT if "/imports/" in scope.get("path", "") else LARGEST_REQUEST

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(413, f"the request is longer than {limit} bytes")
            return message

        await self._app(scope, counted, send)


_router = APIRouter(prefix="/api/v1")


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


def _now(request: Request) -> Moment:
    now: Moment = request.app.state.clocks()
    return now


TheControl = Annotated[Control, Depends(_control)]
Now = Annotated[Moment, Depends(_now)]


def _account(name: Annotated[str, Path(alias="account")], control: TheControl) -> AccountSettings:
    account = control.config.accounts.get(AccountName(name))
    if account is None:
        known = ", ".join(sorted(control.config.accounts)) or "none"
        raise HTTPException(404, f"there is no account {name}; configured are: {known}")
    return account


Account = Annotated[AccountSettings, Depends(_account)]


def _name(account: AccountSettings) -> AccountName:
    return AccountName(account.name)


@_router.get("/")
async def root() -> View:
    """Say that somebody is here."""
    return {"version": 1, "name": "sellerd"}


@_router.post("/accounts/{account}/imports/{kind}")
async def import_table(kind: ImportKind, account: Account, control: TheControl, now: Now, request: Request) -> View:
    """Take over a CSV file (the body); the answer says what each row did and what is wrong with the bad ones (S1)."""
    lock: Lock = request.app.state.importing.setdefault(account.name, Lock())
    with TemporaryFile() as file:
        await _spool(request, file)
        async with lock:
            report = await import_file(control.store, account, kind, file, now.at)
    return report.as_dict()


async def _spool(request: Request, file: BinaryIO) -> None:
    async for chunk in request.stream():
        await to_thread.run_sync(file.write, chunk)
    file.seek(0)


@_router.get("/accounts/{account}/orders/{number:path}")
async def order(number: str, account: Account, control: TheControl, now: Now, *, personal: bool = False) -> View:
    """One order with its updates and timeline; `personal` adds who gets it (D12)."""
    found = await control.store.views.order(_name(account), OrderNumber(number), personal=personal, now=now.at)
    return {"version": 1, "order": _found(found, f"account {account.name} has no order {number}")}


@_router.post("/accounts/{account}/orders/{number:path}/accept")
async def accept(number: str, decision: Decision, account: Account, control: TheControl, now: Now) -> View:
    """Accept lines of an order (L13)."""
    return await _decide(control, account, number, UpdateKind.ACCEPTANCE, decision.lines, now, reason=decision.reason)


@_router.post("/accounts/{account}/orders/{number:path}/refuse")
async def refuse(number: str, refusal: Refusal, account: Account, control: TheControl, now: Now) -> View:
    """Refuse lines of an order, because they are out of stock or otherwise (L13)."""
    return await _decide(
        *(control, account, number, UpdateKind.REFUSAL, refusal.lines, now),
        reason=refusal.reason,
        out_of_stock=refusal.out_of_stock,
    )


@_router.post("/accounts/{account}/orders/{number:path}/cancel")
async def cancel(number: str, decision: Decision, account: Account, control: TheControl, now: Now) -> View:
    """Cancel or refund lines of an order, each by what is possible for it now (L14, J9, J10)."""
    await _known(control, account, number)
    done = await control.store.updates.cancel(
        *(_name(account), OrderNumber(number), _units(decision.lines)),
        legal_moves=account.legal_moves,
        at=now.at,
        reason=decision.reason,
    )
    updates = [{"kind": update.kind, "lines": _said(update)} for update in done.updates]
    return {"version": 1, "order": number, "updates": updates, "left_out": list(done.left_out)}


@_router.post("/accounts/{account}/orders/{number:path}/ship")
async def ship(number: str, shipment: Shipment, account: Account, control: TheControl, now: Now) -> View:
    """Say that lines of an order have left, whole or in part (L13, J8)."""
    parcel = Parcel(
        shipment.carrier,
        shipment.tracking_number,
        shipment.tracking_url or account.tracking_url_of(shipment.tracking_number),
        shipment.shipped_at or now.at,
    )
    return await _decide(control, account, number, UpdateKind.DISPATCH, shipment.lines, now, parcel=parcel)


async def _decide(
    control: Control,
    account: AccountSettings,
    number: str,
    kind: UpdateKind,
    lines: Sequence[LineChoice] | None,
    now: Moment,
    *,
    parcel: Parcel | None = None,
    reason: str = "",
    out_of_stock: bool = False,
) -> View:
    await _known(control, account, number)
    update = await control.store.updates.open(
        _name(account),
        OrderNumber(number),
        kind,
        _units(lines),
        legal_moves=account.legal_moves,
        at=now.at,
        parcel=parcel,
        reason=reason,
        out_of_stock=out_of_stock,
    )
    return {"version": 1, "order": number, "kind": update.kind, "lines": _said(update)}


async def _known(control: Control, account: AccountSettings, number: str) -> None:
    order = await control.store.views.order(_name(account), OrderNumber(number), personal=False)
    _found(order, f"account {account.name} has no order {number}")


def _units(lines: Sequence[LineChoice] | None) -> list[tuple[str, int | None]] | None:
    return None if lines is None else [(line.ref, line.quantity) for line in lines]


def _said(update: OrderUpdate) -> list[View]:
    return [{"ref": line.ref, "quantity": line.quantity} for line in update.lines]


@_router.post("/accounts/{account}/orders/{number:path}/resolve")
async def resolve(number: str, resolution: Resolution, account: Account, control: TheControl, now: Now) -> View:
    """Settle an update that is in doubt by what a person has found out."""
    await control.store.updates.resolve(_name(account), OrderNumber(number), arrived=resolution.arrived, at=now.at)
    return {"version": 1, "order": number, "arrived": resolution.arrived}


@_router.get("/accounts/{account}/orders-export")
async def export_orders(
    account: Account,
    control: TheControl,
    since: AwareDatetime | None = None,
    form: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSON,
) -> StreamingResponse:
    """Orders that changed since, with personal data, as JSON or as CSV for spreadsheets (S2)."""
    pieces = orders_as(form, control.store.views.export_orders(_name(account), since))
    kind = "text/csv; charset=utf-8" if form is ExportFormat.CSV else "application/json"
    return StreamingResponse(pieces, media_type=kind)


@_router.get("/orders")
async def orders(
    control: TheControl,
    now: Now,
    *,
    account: str | None = None,
    state: str | None = None,
    late: bool = False,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """Orders without personal data, the newest first; `late` gives only those past a deadline."""
    name = AccountName(account) if account else None
    page = await control.store.views.orders(name, state=state, limit=limit, before=before, now=now.at, late=late)
    return {"version": 1, "orders": page, "next": page[-1]["id"] if len(page) == limit else None}


@_router.get("/accounts/{account}/listings")
async def listings(
    account: Account,
    control: TheControl,
    part: Part | None = None,
    state: SyncState | None = None,
    sku: str | None = None,
    limit: Limit = PAGE,
    after: str | None = None,
    *,
    warned: bool = False,
    blocked: bool = False,
) -> View:
    """Listings by SKU; `warned` those with warnings alone, `blocked` those that were rejected too often."""
    page = await control.store.views.listings(
        _name(account),
        part=part,
        state=state,
        sku=sku,
        limit=limit,
        after=Sku(after) if after else None,
        warned=warned,
        blocked=blocked,
    )
    page = [advise_listing(each, explained_by(control.config.accounts)) for each in page]
    return {"version": 1, "listings": page, "next": page[-1]["sku"] if len(page) == limit else None}


@_router.get("/accounts/{account}/listings/{sku:path}/explain")
async def explain_listing(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """What of a listing would be sent now: per field the inputs, the rule and the value; and what is due (S3)."""
    found = await explain(control.store, account, Sku(sku), now)
    return {"version": 1, "explanation": _found(found, f"account {account.name} has no listing {sku}")}


@_router.get("/accounts/{account}/listings/{sku:path}")
async def listing(sku: str, account: Account, control: TheControl) -> View:
    """One listing with its item, its timeline and the feeds that carried it (D8)."""
    found = await control.store.views.listing(_name(account), Sku(sku))
    found = _found(found, f"account {account.name} has no listing {sku}")
    return {"version": 1, "listing": advise_listing(found, explained_by(control.config.accounts))}


@_router.post("/accounts/{account}/listings/{sku:path}/retry")
async def retry(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """Send the parts of a listing that were rejected once more, as they are, but for those that are blocked."""
    found = await control.store.views.listing(_name(account), Sku(sku))
    listing = _found(found, f"account {account.name} has no listing {sku}")
    done = await control.store.listings.retry(_name(account), Sku(sku), now.at)
    if not done.again:
        raise NotAllowed(_why_no_retry(account.name, sku, done, listing["parts"]["item"]["error"]))
    return {"version": 1, "sku": sku, "again": done.again, "blocked": done.blocked, "held_back": done.held_back}


def _why_no_retry(account: str, sku: str, done: Retried, error: str) -> str:
    if done.blocked:
        return (
            f"{' and '.join(done.blocked)} of {sku} is blocked: the marketplace has rejected it too often in a row with"
            f" the same words. Mend it and import it, or: sellerd listings unblock --account {account} {sku}"
        )
    if done.held_back:
        return f"{sku} would be sent in vain: {error}. Mend it and import it"
    return f"no part of {sku} is in Error; there is nothing to try again"


@_router.post("/accounts/{account}/listings/{sku:path}/unblock")
async def unblock(sku: str, account: Account, control: TheControl, now: Now) -> View:
    """Send the blocked parts of a listing once more; their rejections are counted from the start again."""
    found = await control.store.views.listing(_name(account), Sku(sku))
    _found(found, f"account {account.name} has no listing {sku}")
    parts = await control.store.listings.unblock(_name(account), Sku(sku), now.at)
    if not parts:
        raise NotAllowed(f"no part of {sku} is blocked; there is nothing to unblock")
    return {"version": 1, "sku": sku, "again": parts}


@_router.get("/accounts/{account}/validation")
async def validate(
    account: Account,
    control: TheControl,
    sku: str | None = None,
    limit: Limit = PAGE,
    after: str = "",
) -> View:
    """Everything that is wrong or doubtful about listings, by SKU, by the rules of now; changes nothing (L4, L5)."""
    skus = None if sku is None else [Sku(sku)]
    page = await validation(control.store, account, skus, after=after, limit=limit)
    if sku is not None and not page:
        raise HTTPException(404, f"account {account.name} has no listing {sku}")
    return {"version": 1, "listings": page, "next": page[-1]["sku"] if len(page) == limit else None}


@_router.post("/accounts/{account}/reference/{kind}")
async def import_codes(kind: ReferenceKind, account: Account, control: TheControl, now: Now, request: Request) -> View:
    """Take over a list of the marketplace's codes (the body is CSV), whole or not at all, and judge listings by it."""
    lock: Lock = request.app.state.importing.setdefault(account.name, Lock())
    with TemporaryFile() as file:
        await _spool(request, file)
        async with lock:
            report = await import_reference(control.store, account, kind, file, now.at)
    return report.as_dict()


@_router.get("/accounts/{account}/reference")
async def reference_lists(account: Account, control: TheControl) -> View:
    """Which lists of codes were imported, and when."""
    lists = await control.store.reference.lists(_name(account))
    return {"version": 1, "lists": lists}


@_router.get("/accounts/{account}/reference/{kind}")
async def reference_codes(
    kind: ReferenceKind, account: Account, control: TheControl, find: str = "", limit: Limit = PAGE, after: str = ""
) -> View:
    """A page of one list of codes; `find` looks in codes and labels."""
    page = await control.store.reference.codes(_name(account), kind, find=find, limit=limit, after=after)
    full = len({row["code"] for row in page}) == limit
    return {"version": 1, "codes": page, "next": page[-1]["code"] if full else None}


@_router.post("/accounts/{account}/release")
async def release(account: Account, control: TheControl, now: Now) -> View:
    """Try a held account again (D10)."""
    if not await control.store.accounts.release(_name(account), now.at):
        raise NotAllowed(f"account {account.name} is not held; there is nothing to release")
    return {"version": 1, "account": account.name}


@_router.post("/accounts/{account}/jobs/{job}/run", status_code=202)
async def run_job(job: str, account: Account, control: TheControl) -> View:
    """Give a job a turn now; its gate stays what it is (D13)."""
    await control.run_now(_name(account), job)
    return {"version": 1, "account": account.name, "job": job}


@_router.post("/site/jobs/{job}/run", status_code=202)
async def run_site_job(job: str, control: TheControl) -> View:
    """Give a job that belongs to no account a turn now (D13)."""
    await control.run_now(SITE, job)
    return {"version": 1, "job": job}


@_router.post("/reload")
async def reload(control: TheControl) -> View:
    """Take over the configuration as it stands in the files now; a bad one changes nothing (D4)."""
    if problems := await control.reload():
        raise ConfigError(problems)
    return {"version": 1}


@_router.get("/feeds")
async def feeds(control: TheControl, account: str | None = None, limit: Limit = PAGE, before: Before = None) -> View:
    """Feeds, the newest first (L16)."""
    page = await control.store.views.feeds(
        AccountName(account) if account else None, limit=limit, before=FeedId(before) if before else None
    )
    return {"version": 1, "feeds": page, "next": page[-1]["id"] if len(page) == limit else None}


@_router.get("/feeds/{feed}")
async def feed(feed: FeedNumber, control: TheControl, limit: Limit = PAGE, after: str | None = None) -> View:
    """One feed with its timeline, what was received for it, and a page of what it carried and what came of it (L16)."""
    found = await control.store.views.feed(FeedId(feed), limit=limit, after=Sku(after) if after else None)
    found = advise_feed(_found(found, f"there is no feed {feed}"), explained_by(control.config.accounts))
    carried = found["objects"]
    return {"version": 1, "feed": found, "next": carried[-1]["sku"] if len(carried) == limit else None}


@_router.get("/feeds/{feed}/payload")
async def feed_payload(feed: FeedNumber, control: TheControl) -> StreamingResponse:
    """The exact bytes of a feed, as long as they are kept (D7)."""
    payload = await control.store.views.feed_payload(FeedId(feed))
    if payload is None:
        raise HTTPException(404, f"no bytes of feed {feed} are kept")
    return StreamingResponse(control.store.payloads.chunks(payload), media_type="application/octet-stream")


@_router.get("/feeds/{feed}/received/{delivery}")
async def feed_received(feed: FeedNumber, delivery: DeliveryNumber, control: TheControl) -> StreamingResponse:
    """The exact bytes of something received that answered a feed, as long as they are kept (L16, D7)."""
    payload = await control.store.views.received_payload(FeedId(feed), delivery)
    if payload is None:
        raise HTTPException(404, f"delivery {delivery} did not answer feed {feed}")
    return StreamingResponse(control.store.payloads.chunks(payload), media_type="application/octet-stream")


@_router.get("/accounts/{account}/codes")
async def codes(account: Account, control: TheControl) -> View:
    """Every error that the marketplace told, verbatim and counted, with what is known of it (L17)."""
    found = await control.store.codes.all(_name(account))
    known = explained_by(control.config.accounts)
    return {"version": 1, "codes": [advise_code(code, known) for code in found]}


@_router.get("/gates")
async def gates(control: TheControl, now: Now) -> View:
    """Every gate: open, or until when not (L8)."""
    return {"version": 1, "gates": await control.store.views.gates(now)}


@_router.get("/deliveries")
async def deliveries(
    control: TheControl,
    account: str | None = None,
    state: Literal["kept", "applied", "waiting", "set_aside"] | None = None,
    limit: Limit = PAGE,
) -> View:
    """What came in, the newest first (D9)."""
    name = AccountName(account) if account else None
    return {"version": 1, "deliveries": await control.store.views.deliveries(name, state=state, limit=limit)}


@_router.get("/status")
async def status(control: TheControl, now: Now) -> View:
    """How every account stands."""
    return {"version": 1, **await control.store.views.status(now)}


def _found(view: View | None, otherwise: str) -> View:
    if view is None:
        raise HTTPException(404, otherwise)
    return view


def _problem(status: int, title: str, detail: str, **more: object) -> JSONResponse:
    return JSONResponse({"title": title, "status": status, "detail": detail, **more}, status, media_type=_PROBLEM)


async def _tell_fault(_: Request, error: Exception) -> JSONResponse:
    match error:
        case NotAllowed():
            return _problem(409, "not allowed now", str(error))
        case ConfigError():
            return _problem(422, "the configuration is wrong", str(error), problems=error.problems)
        case Unreadable():
            return _problem(422, "the file cannot be read", str(error))
        case StoreError():
            return _problem(503, "the database cannot be used", str(error))
        case TransportError():
            return _problem(502, "the marketplace cannot be reached", str(error))
        case _:
            return _problem(502, "the marketplace said no", str(error))


async def _tell_http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    titles = {404: "there is no such thing", 405: "not for this address", 413: "too large"}
    return _problem(error.status_code, titles.get(error.status_code, "not possible"), str(error.detail))


async def _tell_nobody(_: Request, _error: Exception) -> Response:
    # Whoever asked has hung up in the middle: nothing was changed, and nobody hears this.
    return Response(status_code=400)


async def _tell_unforeseen(_: Request, _error: Exception) -> JSONResponse:
    return _problem(500, "sellerd failed", "sellerd failed at this; its log says why")


async def _tell_invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}" for each in error.errors()]
    return _problem(422, "the request is not in the documented form", "; ".join(problems), problems=problems)
