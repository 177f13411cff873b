"""`sellerd alerts`, against a daemon's socket and without one."""

import os
from datetime import UTC, datetime, timedelta

from anyio.from_thread import BlockingPortal

from daemon.model import AccountName
from daemon.rules.causes import Cause, CauseKind
from daemon.web.serve import user_name
from tests.cli.conftest import RunningDaemon, Say, answer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HELD = Cause(CauseKind.HELD, "redoute needs a person", AccountName("redoute"))


def test_alerts_are_listed_and_seen(say: Say, running: RunningDaemon, portal: BlockingPortal) -> None:  # D5
    assert answer(say("alerts", "--json"))["alerts"] == []
    portal.call(running.store.alerts.observe, [HELD], NOON, timedelta(minutes=5))

    (alert,) = answer(say("alerts", "--json"))["alerts"]
    assert (alert["kind"], alert["first_seen_at"]) == ("held", "2026-03-02T12:00:00Z")
    seen = say("alerts", "acknowledge", alert["id"], "--reason", "calling them")
    assert seen.output == f"Alert {alert['id']} is acknowledged: redoute needs a person\n"
    assert f"(seen by {user_name(os.getuid())}) redoute needs a person" in say("alerts", "list").output

    for minutes in (1, 6):
        portal.call(running.store.alerts.observe, [], NOON + timedelta(minutes=minutes), timedelta(minutes=5))
    assert answer(say("alerts", "--json"))["alerts"] == []
    assert "(resolved 2026-03-02T12:06:00Z) redoute needs a person" in say("alerts", "list", "--all").output
    behind = [answer(say("alerts", "--all", "--json", "--before", alert["id"] + more))["alerts"] for more in (0, 1)]
    assert [len(each) for each in behind] == [0, 1]


def test_a_test_without_a_way_out_says_what_to_configure(say: Say, running: RunningDaemon) -> None:
    told = say("alerts", "test")
    assert (told.exit_code, "add [alerts.mail] or [alerts.webhook]" in told.output) == (1, True)
