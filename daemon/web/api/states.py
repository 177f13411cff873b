"""How accounts stand: what they are, whether they are held, their jobs, gates, listings and orders (guide S3)."""

from collections.abc import Mapping

from fastapi import APIRouter

from daemon.settings import AccountSettings
from daemon.store.views import View
from daemon.web.api.asking import Account, Now, TheControl

router = APIRouter(prefix="/api/v1")


@router.get("/accounts")
async def accounts(control: TheControl, now: Now) -> View:
    """Every configured account, and how it stands."""
    known = await _states(control, now)
    return {"version": 1, "accounts": [_account(each, known) for each in control.config.accounts.values()]}


@router.get("/accounts/{account}")
async def account(account: Account, control: TheControl, now: Now) -> View:
    """One account, and how it stands."""
    return {"version": 1, "account": _account(account, await _states(control, now))}


async def _states(control: TheControl, now: Now) -> Mapping[str, View]:
    status = await control.store.views.status(now)
    return {each["name"]: each for each in status["accounts"]}


def _account(settings: AccountSettings, states: Mapping[str, View]) -> View:
    return {
        "name": settings.name,
        "marketplace": settings.marketplace,
        "active": settings.active,
        "environment": settings.environment,
        "time_zone": settings.time_zone,
        "currency": settings.currency,
        # An account that is configured for the first time is known to the database from the next start or reload on.
        "state": states.get(settings.name),
    }
