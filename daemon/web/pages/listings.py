"""Listings: how each part stands, what is wrong with it and what helps; another try, one by one or many at once."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from daemon.errors import NotAllowed
from daemon.model import AccountName, ChannelStatus, Part, Sku, SyncState
from daemon.seller.advice import advise_listing, explained_by
from daemon.seller.differences import decimal
from daemon.settings import AccountSettings
from daemon.store.views import MOST, View
from daemon.web.api import listings as rest
from daemon.web.api.asking import Account
from daemon.web.pages.page import Page, ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table(
    "listings",
    [
        *plain("account", "sku", "ean", "channel_item_id", "channel_status", "stock"),
        ("price", lambda row: decimal(row["price_minor"])),
        *((f"{part}_state", lambda row, part=part: row["parts"][part]["state"]) for part in Part),
        *((f"{part}_error", lambda row, part=part: row["parts"][part]["error"]) for part in Part),
        ("warnings", lambda row: "; ".join(each["text"] for each in row["warnings"])),
        ("changed_at", lambda row: row["changed_at"]),
    ],
)


_FILTERS = ("part", "state", "status", "error", "q", "only")


@router.get("/listings")
async def listings(
    page: ThePage,
    account: str = "",
    part: Part | Literal[""] = "",
    state: SyncState | Literal[""] = "",
    status: ChannelStatus | Literal[""] = "",
    error: str = "",
    q: str = "",
    only: Literal["", "warned", "blocked"] = "",
    after: str = "",
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """Listings of one account, by SKU."""
    accounts = page.control.config.accounts
    name = AccountName(account or next(iter(accounts), ""))
    if account and name not in accounts:
        raise HTTPException(404, f"there is no account {account}")
    chosen = {"part": part, "state": state, "status": status, "error": error, "q": q, "only": only}

    async def fetch(last: str | None, limit: int) -> list[View]:
        return await _find(page, name, chosen, last, limit)

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["sku"]))
    rows = await fetch(after, ROWS)
    return await page.show(
        "listings.html",
        title="Listings",
        rows=rows,
        chosen={"account": name, **chosen},
        most=MOST,
        parts=list(Part),
        states=list(SyncState),
        statuses=list(ChannelStatus),
        following=rows[-1]["sku"] if len(rows) == ROWS else None,
    )


async def _find(page: Page, name: AccountName, chosen: Mapping[str, str], last: str | None, limit: int) -> list[View]:
    """The listings that a filter finds, behind the last SKU of the page before."""
    found = await page.control.store.views.listings(
        name,
        part=Part(chosen["part"]) if chosen["part"] else None,
        state=chosen["state"] or None,
        after=Sku(last) if last else None,
        limit=limit,
        warned=chosen["only"] == "warned",
        blocked=chosen["only"] == "blocked",
        status=chosen["status"],
        error=chosen["error"],
        find=chosen["q"],
    )
    explain = explained_by(page.control.config.accounts)
    return [advise_listing(each, explain) for each in found]


@router.post("/listings/{account}")
async def many(page: ThePage, account: Account) -> Response:
    """Try several listings again, or unblock them: those that were ticked, or all that the filter finds."""
    form = await page.form()
    if form.get("which") == "all":
        chosen = {name: str(form.get(f"filter-{name}", "")) for name in _FILTERS}
        try:
            skus = [row["sku"] for row in await _find(page, AccountName(account.name), chosen, None, MOST)]
        except ValueError:
            raise HTTPException(422, "the filter is not in the form of this page; load the page again") from None
    else:
        skus = [str(sku) for sku in form.getlist("sku")]
    unblocks = form.get("verb") == "unblock"
    work = rest.unblock if unblocks else rest.retry
    back = _back(str(form.get("back", "")), account)
    return await page.act(lambda: _each(page, account, skus, work), _told, back)


async def _each(
    page: Page, account: AccountSettings, skus: list[str], work: Callable[..., Awaitable[View]]
) -> tuple[int, list[str]]:
    if not skus:
        raise NotAllowed("no listing was chosen; tick some first")
    done, refused = 0, []
    for sku in skus:
        try:
            await work(sku, account, page.control, page.now)
            done += 1
        except (NotAllowed, HTTPException) as error:
            refused.append(str(error.detail if isinstance(error, HTTPException) else error))
    if not done:
        raise NotAllowed("; ".join(refused[:3]) + (f"; and {len(refused) - 3} more" if len(refused) > 3 else ""))
    return done, refused


def _told(done: tuple[int, list[str]]) -> str:
    count, refused = done
    text = f"{count} listing{'' if count == 1 else 's'} will be sent again"
    return text + (f"; {len(refused)} not: {'; '.join(refused[:3])}" if refused else "")


def _back(place: str, account: AccountSettings) -> str:
    return place if place.startswith("/listings") else f"/listings?account={account.name}"


@router.get("/listings/{account}/{sku:path}")
async def listing(page: ThePage, account: Account, sku: str) -> Response:
    """One listing: each part, why it is sent as it is, what happened to it."""
    control = page.control
    found = (await rest.listing(sku, account, control))["listing"]
    explained = (await rest.explain_listing(sku, account, control, page.now))["explanation"]
    return await page.show(
        "listing.html",
        title=sku,
        listing=found,
        explained=explained,
        account=account.name,
        currency=account.currency,
        place=place_of(account.name, sku),
        can=_possible(found),
    )


def _possible(listing: View) -> dict[str, str]:
    """Why a verb is not possible, empty where it is."""
    parts: dict[str, Any] = listing["parts"]
    blocked = [part for part, how in parts.items() if how["blocked"]]
    wrong = [part for part, how in parts.items() if how["state"] == "error" and not how["blocked"]]
    return {
        "retry": "" if wrong else "no part is in error" if not blocked else f"{' and '.join(blocked)} is blocked",
        "unblock": "" if blocked else "no part is blocked",
    }


@router.post("/listings/{account}/{sku:path}/retry")
async def retry(page: ThePage, account: Account, sku: str) -> Response:
    """Send what was rejected once more."""
    return await page.act(
        lambda: rest.retry(sku, account, page.control, page.now),
        lambda done: f"{' and '.join(done['again'])} of {sku} will be sent again",
        place_of(account.name, sku),
    )


@router.post("/listings/{account}/{sku:path}/unblock")
async def unblock(page: ThePage, account: Account, sku: str) -> Response:
    """Send what was rejected too often once more."""
    return await page.act(
        lambda: rest.unblock(sku, account, page.control, page.now),
        lambda done: f"{' and '.join(done['again'])} of {sku} will be sent again",
        place_of(account.name, sku),
    )


def place_of(account: str, sku: str) -> str:
    """The address of a listing's page."""
    return f"/listings/{quote(account, safe='')}/{quote(sku, safe='')}"
