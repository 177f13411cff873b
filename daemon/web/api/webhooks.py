"""The receivers of webhooks: whether they can be reached, what they were told, and telling it once more (S3)."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime
from starlette.exceptions import HTTPException

from daemon.alerting import WebhookTable
from daemon.store.views import PAGE, View
from daemon.web.api.asking import Before, Body, Limit, Now, TheControl, in_utc

router = APIRouter(prefix="/api/v1")


class Replay(Body):
    """From when on a receiver is told everything once more."""

    since: Annotated[AwareDatetime, AfterValidator(in_utc)]


@router.get("/webhooks")
async def webhooks(control: TheControl) -> View:
    """Every configured receiver: what it hears of, how many messages stand how, and since when it cannot be reached."""
    told = {each["name"]: each for each in await control.store.webhooks.receivers()}
    return {"version": 1, "webhooks": [_shown(hook, told.get(hook.name)) for hook in control.config.webhooks]}


@router.get("/webhooks/{name}/messages")
async def messages(
    name: str,
    control: TheControl,
    state: Literal["pending", "delivered", "given_up"] | None = None,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """What a receiver was told, the newest first, and what is still to be told."""
    _known(control, name)
    page = await control.store.webhooks.messages(name, state=state, limit=limit, before=before)
    return {"version": 1, "messages": page, "next": page[-1]["id"] if len(page) == limit else None}


@router.post("/webhooks/{name}/replay", status_code=202)
async def replay(name: str, wanted: Replay, control: TheControl, now: Now) -> View:
    """Tell a receiver everything since an instant once more; each message keeps its id, so that he can pass it over."""
    _known(control, name)
    events = await control.store.webhooks.replay(name, wanted.since, now.at)
    return {"version": 1, "webhook": name, "events": events}


def _known(control: TheControl, name: str) -> None:
    if all(hook.name != name for hook in control.config.webhooks):
        known = ", ".join(hook.name for hook in control.config.webhooks) or "none"
        raise HTTPException(404, f"there is no webhook {name}; configured are: {known}")


def _shown(hook: WebhookTable, told: View | None) -> View:
    # An address may hold a token: only where it leads is shown.
    counts = told or dict.fromkeys(("pending", "delivered", "given_up", "failures", "events_behind"), 0) | {
        "last_error": "",
        "failing_since": None,
        "rests_until": None,
    }
    host = urlsplit(hook.url.reveal()).hostname
    return {
        **counts,
        "name": hook.name,
        "host": host,
        "active": hook.active,
        "events": list(hook.events),
        "accounts": list(hook.accounts),
    }
