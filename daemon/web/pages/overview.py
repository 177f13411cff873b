"""The overview: how every flow of every account stands, what needs a person, and the last two weeks in small charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from daemon.health import JobVerdict, Verdict
from daemon.model import SITE, AccountName, Moment, Part
from daemon.store import Store
from daemon.store.guard_cases import Suspicion
from daemon.store.views import View
from daemon.web.api import alerts as rest_alerts
from daemon.web.pages import words
from daemon.web.pages.charts import Series
from daemon.web.pages.page import ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole
from daemon.web.remembered import Remembered

router = APIRouter(include_in_schema=False)

_DAYS = 14
_TURNS = 60
_SOONEST = 8

#: the flows in the order in which goods and orders go
_FLOWS = ("items", "offers", "reports", "orders", "updates", "refunds", "claims", "housekeeping")

_TURN_FILE = Table("turns", plain("id", "account", "job", "started_at", "ended_at", "outcome", "done", "note"))


@dataclass(frozen=True, slots=True)
class Figures:
    """What the database must go through everything for."""

    accounts: Sequence[View]
    feed_days: Sequence[View]
    order_days: Sequence[View]
    stock: Sequence[View]
    deadlines: Sequence[View]


async def figures(store: Store, now: Moment) -> Figures:
    """The figures of this moment."""
    return Figures(
        accounts=(await store.views.status(now))["accounts"],
        feed_days=await store.overview.feed_days(now.at, _DAYS),
        order_days=await store.overview.order_days(now.at, _DAYS),
        stock=await store.overview.stock_freshness(now.at),
        deadlines=await store.overview.deadlines(now.at, _SOONEST),
    )


@router.get("/")
async def overview(page: ThePage) -> Response:
    """How everything stands."""
    store = page.control.store
    verdict = await page.control.health()
    remembered: Remembered[Figures] = page.request.app.state.overview
    found = await remembered.get()
    return await page.show(
        "overview.html",
        title="Overview",
        verdict=verdict,
        flows=flows_of(verdict),
        site=[job for job in verdict.jobs if job.account == SITE],
        grid=_grid(verdict, found.accounts),
        needs=_needs(verdict, found.accounts) + _guarded(await store.guard.cases()),
        alerts=(await rest_alerts.alerts(page.control))["alerts"],
        turns=list(reversed(await store.overview.turns(outcome="!idle", limit=_TURNS))),
        deadlines=found.deadlines,
        stock=found.stock,
        **_feeds_by_day(found.feed_days),
        **_orders_by_day(found.order_days, [row["name"] for row in found.accounts]),
    )


@router.get("/turns")
async def turns(
    page: ThePage,
    account: str = "",
    job: str = "",
    outcome: str = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002
) -> Response:
    """Every turn of every job."""

    async def fetch(last: int | None, limit: int) -> list[View]:
        name = AccountName(account) if account else None
        return await page.control.store.overview.turns(name, job=job, outcome=outcome, before=last, limit=limit)

    if format:
        return as_file(_TURN_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS)
    return await page.show(
        "turns.html",
        title="Turns",
        rows=rows,
        jobs=_FLOWS,
        chosen={"account": account, "job": job, "outcome": outcome},
        following=rows[-1]["id"] if len(rows) == ROWS else None,
    )


def flows_of(verdict: Verdict) -> list[str]:
    """The jobs that any account has, in the order of the trade."""
    known = {job.job for job in verdict.jobs if job.account != SITE}
    return [*(flow for flow in _FLOWS if flow in known), *sorted(known - set(_FLOWS))]


def _grid(verdict: Verdict, accounts: Sequence[View]) -> list[View]:
    """A row an account, its flows by name."""
    jobs: dict[str, dict[str, JobVerdict]] = {}
    for job in verdict.jobs:
        jobs.setdefault(job.account, {})[job.job] = job
    known = {row["name"]: row for row in accounts}
    return [
        {
            "name": name,
            "flows": flows,
            "gates": {gate["kind"]: gate for gate in known.get(name, {}).get("gates", [])},
            "marketplace": known.get(name, {}).get("marketplace", ""),
        }
        for name, flows in sorted(jobs.items())
        if name != SITE
    ]


def _needs(verdict: Verdict, accounts: Sequence[View]) -> list[tuple[str, str, str]]:
    """What waits for a person: how bad it is, in words, and where to see to it."""
    found = [("bad", reason, "/system") for reason in verdict.reasons]
    if not verdict.config.ok:
        found.append(("bad", "the configuration in the files is wrong, so the one before it runs", "/system"))
    for account, (_, reason) in verdict.held.items():
        found.append(("bad", f"{account} needs a person: {reason}", f"/accounts/{account}"))
    for job in verdict.jobs:
        found += _needs_of(job)
    for row in accounts:
        found += _waiting_of(row)
    return sorted(found, key=lambda need: need[0] != "bad")


def _needs_of(job: JobVerdict) -> list[tuple[str, str, str]]:
    place = f"/turns?account={job.account}&job={job.job}" if job.account != SITE else f"/turns?job={job.job}"
    if job.state == "failing":
        return [("bad", f"{job.account} {job.job} fails: {job.error}", place)]
    if job.state == "late":
        return [("warn", f"{job.account} {job.job} is late by {words.span(job.lag)}", place)]
    if job.state == "paused":
        return [("warn", f"{job.account} {job.job} is paused", f"/accounts/{job.account}")]
    return []


def _waiting_of(row: View) -> list[tuple[str, str, str]]:
    """What of an account waits for a person, where there is any of it."""
    name, waiting, claims = row["name"], row["orders_waiting"], row["claims"]
    orders = f"/orders?account={name}"
    counted: list[tuple[str, int, str, str, str]] = [
        ("bad", waiting["late"], "order", "past the deadline", f"{orders}&late=1"),
        ("bad", row["order_errors"]["high"], "serious error", "in orders", f"{orders}&errors=1"),
        ("bad", row["updates_failed"], "order update", "that failed", f"{orders}&stuck=1"),
        ("bad", claims["too_late"], "claim", "that came too late", f"/claims?account={name}&state=too_late"),
        ("warn", claims["open"], "claim", "to be decided", f"/claims?account={name}&state=open"),
        ("warn", waiting["due_soon"], "order", "due soon", f"{orders}&state=new"),
        ("warn", row["updates_in_doubt"], "order update", "in doubt", f"{orders}&stuck=1"),
        ("warn", row["set_aside"], "file", "that could not be read", f"/deliveries?state=set_aside&account={name}"),
    ]
    for part in Part:
        place = f"/listings?account={name}&part={part}&state=error"
        counted.append(("warn", row["listings"][part]["error"], "listing", f"with an error in {part}", place))
    return [
        (tone, f"{name}: {_count(number, noun)} {which}", place)
        for tone, number, noun, which, place in counted
        if number
    ]


def _guarded(cases: Sequence[Suspicion]) -> list[tuple[str, str, str]]:
    """What the change guard holds back."""
    return [
        (
            "warn",
            f"{case.account}: {_count(case.held, 'change')} held back, for {words.spoken(case.rule)}",
            f"/guard/{case.id}",
        )
        for case in cases
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _feeds_by_day(days: Sequence[View]) -> dict[str, Any]:
    names = [row["day"] for row in days]
    results = [
        Series("accepted", "s-ok", [row["accepted"] for row in days]),
        Series("rejected", "s-bad", [row["rejected"] for row in days]),
    ]
    answers = [Series("to the answer", "s-1", [(row["answer_seconds"] or 0) / 60 for row in days])]
    return {
        "days": names,
        "feed_series": results,
        "answer_series": answers,
        "any_feed": any(row["feeds"] for row in days),
    }


def _orders_by_day(days: Sequence[View], accounts: Sequence[str]) -> dict[str, Any]:
    series = [
        Series(name, f"s-{place % 4 + 1}", [row["orders"].get(name, 0) for row in days])
        for place, name in enumerate(accounts)
    ]
    return {"order_series": series, "any_order": any(row["orders"] for row in days)}
