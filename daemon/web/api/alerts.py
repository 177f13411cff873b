"""What is wrong: alerts, seen by a person, and whether a test of them arrives (D5, D11)."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from daemon.errors import NotAllowed
from daemon.jobs.notices import try_ways
from daemon.rules.causes import ABOUT
from daemon.store.alerts import Alert
from daemon.store.views import PAGE, View
from daemon.web.api.asking import MOST_ROWS, Before, Body, Limit, Now, TheControl, found_or_404
from daemon.web.caller import TheCaller

router = APIRouter(prefix="/api/v1")

AlertNumber = Annotated[int, Path(alias="alert", ge=1, le=MOST_ROWS)]


class Acknowledgement(Body):
    """What somebody says of an alert that they have seen."""

    why: str = Field(default="", max_length=500)


@router.get("/alerts")
async def alerts(control: TheControl) -> View:
    """What is wrong now, the gravest first, with its meaning and its fix."""
    return {"version": 1, "alerts": [_shown(alert) for alert in await control.store.alerts.open()]}


@router.get("/alerts/history")
async def history(control: TheControl, limit: Limit = PAGE, before: Before = None) -> View:
    """Every alert that there was, the newest first."""
    page = await control.store.alerts.page(limit, before)
    return {
        "version": 1,
        "alerts": [_shown(alert) for alert in page],
        "next": page[-1].id if len(page) == limit else None,
    }


@router.post("/alerts/{alert}/acknowledge")
async def acknowledge(
    alert: AlertNumber, said: Acknowledgement, control: TheControl, caller: TheCaller, now: Now
) -> View:
    """A person has seen it: it is not told again while it lasts, only its end."""
    found = await control.store.alerts.acknowledge(alert, caller.name, said.why, now.at)
    return {"version": 1, "alert": found_or_404(_shown(found) if found else None, f"there is no alert {alert}")}


@router.post("/alerts/test")
async def test(control: TheControl, now: Now) -> View:
    """Send a test by every way that is configured; says what went wrong by way, empty where nothing did."""
    site = control.config.alerts
    if not site.ways:
        raise NotAllowed("no way is configured: add [alerts.mail] or [alerts.webhook] and reload")
    return {"version": 1, "ways": await try_ways(site, now)}


def _shown(alert: Alert) -> View:
    about = ABOUT[alert.kind]
    return {**alert.as_dict(), "meaning": about.meaning, "fix": about.fix}
