"""Alerts over the control interface and on the command line."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.config import Config
from daemon.model import SITE, AccountName, Moment
from daemon.rules.causes import Cause, CauseKind
from daemon.store import open_store
from daemon.transports.http import ControlClient
from daemon.web.api import control_app
from daemon.web.serve import user_name
from tests.seller.conftest import NOON
from tests.smtp import Inbox, mail_server
from tests.web.standins import UnaskedDaemon, ask

MINUTE = timedelta(minutes=1)
HELD = Cause(CauseKind.HELD, "lr needs a person", AccountName("lr"))
DISK = Cause(CauseKind.DISK, "900 MiB are free", SITE)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[UnaskedDaemon]:
    async with open_store(tmp_path / "sellerd.db") as store:
        yield UnaskedDaemon(store)


@pytest.fixture
async def client(daemon: UnaskedDaemon) -> AsyncIterator[ControlClient]:
    def clocks() -> Moment:
        return Moment(NOON, "boot-1", 1_000_000_000, synchronised=True)

    async with ControlClient.over_app(control_app(daemon, clocks, "here")) as client:
        yield client


async def test_what_is_wrong_is_listed_with_its_fix_and_seen_by_a_person(
    client: ControlClient, daemon: UnaskedDaemon
) -> None:  # D5
    await daemon.store.alerts.observe([HELD, DISK], NOON - 9 * MINUTE, 5 * MINUTE)
    await daemon.store.alerts.observe([HELD], NOON - 8 * MINUTE, 5 * MINUTE)
    await daemon.store.alerts.observe([HELD], NOON - 2 * MINUTE, 5 * MINUTE)

    (held,) = (await ask(client, "GET", "alerts"))["alerts"]
    assert (held["kind"], held["account"], held["first_seen_at"]) == ("held", "lr", "2026-03-02T11:51:00Z")
    assert held["fix"].startswith("Put the right secret in place")
    page = await ask(client, "GET", "alerts/history", limit="1")
    assert page["next"] == page["alerts"][0]["id"]
    older = await ask(client, "GET", "alerts/history", limit="1", before=str(page["next"]))
    assert {page["alerts"][0]["kind"], older["alerts"][0]["kind"]} == {"held", "disk"}

    seen = await ask(client, "POST", f"alerts/{held['id']}/acknowledge", {"why": "calling them"})
    me = user_name(os.getuid())
    assert (seen["alert"]["acknowledged_by"], seen["alert"]["acknowledged_at"]) == (me, "2026-03-02T12:00:00Z")
    twice = await ask(client, "POST", f"alerts/{held['id']}/acknowledge", {}, status=409)
    assert f"was acknowledged by {me} already" in twice["detail"]
    await ask(client, "POST", "alerts/4711/acknowledge", {}, status=404)
    await ask(client, "POST", f"alerts/{held['id']}/acknowledge", {"by": "Sam"}, status=422)


async def test_a_test_goes_out_by_the_configured_ways(client: ControlClient, daemon: UnaskedDaemon) -> None:
    nothing = await ask(client, "POST", "alerts/test", status=409)
    assert "add [alerts.mail] or [alerts.webhook]" in nothing["detail"]
    async with mail_server() as inbox:
        daemon.config = Config.model_validate({"alerts": {"mail": _mail(inbox)}})
        assert (await ask(client, "POST", "alerts/test"))["ways"] == {"mail": ""}
        inbox.answers["RCPT"] = "550 nobody here"
        assert "550 nobody here" in (await ask(client, "POST", "alerts/test"))["ways"]["mail"]

    assert len(inbox.mails) == 1


def _mail(inbox: Inbox) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": inbox.port,
        "security": "none",
        "sender": "sellerd@seller.example",
        "recipients": ["ops@seller.example"],
    }
