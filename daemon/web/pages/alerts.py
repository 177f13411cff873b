"""What is wrong, with its meaning and its fix; what was; and who has seen it (D5, D11)."""

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from daemon.store.views import View
from daemon.web.api import alerts as rest
from daemon.web.api.alerts import AlertNumber
from daemon.web.pages.page import ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table(
    "alerts",
    plain("id", "kind", "account", "severity", "text", "times", "first_seen_at", "last_seen_at", "resolved_at")
    + plain("acknowledged_at", "acknowledged_by", "acknowledged_why", "meaning", "fix"),
)


@router.get("/alerts")
async def alerts(
    page: ThePage,
    show: Literal["", "all"] = "",
    before: int | None = None,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """What is wrong now, the gravest first; or all that ever was."""

    async def fetch(last: int | None, limit: int) -> list[View]:
        found: list[View] = (await rest.history(page.control, limit, last))["alerts"]
        return found

    if format:
        return as_file(_FILE, format, whole(fetch, lambda row: row["id"]))
    rows = await fetch(before, ROWS) if show else (await rest.alerts(page.control))["alerts"]
    return await page.show(
        "alerts.html",
        title="Alerts",
        rows=rows,
        chosen={"show": show},
        following=rows[-1]["id"] if show and len(rows) == ROWS else None,
        ways=page.control.config.alerts.ways,
    )


@router.post("/alerts/test")
async def test(page: ThePage) -> Response:
    """Send a test by every way that is configured."""

    def told(done: View) -> str:
        return "; ".join(f"{way}: {error or 'arrived'}" for way, error in done["ways"].items())

    return await page.act(lambda: rest.test(page.control, page.now), told, "/alerts")


@router.post("/alerts/{alert}/acknowledge")
async def acknowledge(page: ThePage, alert: AlertNumber) -> Response:
    """Say that one has seen it: it is not told again while it lasts."""
    said = rest.Acknowledgement(why=str((await page.form()).get("why", ""))[:500])
    return await page.act(
        lambda: rest.acknowledge(alert, said, page.control, page.caller, page.now),
        lambda done: f"seen: {done['alert']['text']}",
        "/alerts",
    )
