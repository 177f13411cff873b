"""Alerts and notices as they are remembered: first seen stays, a storm is one notice, an end is told once."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import NotAllowed
from daemon.model import SITE, AccountName
from daemon.rules.causes import Cause, CauseKind
from daemon.store import open_store
from daemon.store.alerts import Alerts, Backlog, News, Notice
from daemon.store.database import Database
from tests.store.conftest import LEWIS, NOON, REDOUTE

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SILENT = Cause(CauseKind.SILENCE, "no success of orders", REDOUTE)
HELD = Cause(CauseKind.HELD, "needs a person", LEWIS)
DISK = Cause(CauseKind.DISK, "900 MiB are free", SITE)


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return Alerts(database)


async def see(alerts: Alerts, minute: float, *causes: Cause) -> News:
    return await alerts.observe(causes, NOON + minute * MINUTE, 5 * MINUTE)


async def compose(alerts: Alerts, minute: float, repeat: timedelta = DAY) -> Notice | None:
    return await alerts.compose(
        ("mail", "webhook"), NOON + minute * MINUTE, gather=MINUTE, apart=5 * MINUTE, repeat=repeat
    )


def told(notice: Notice | None) -> list[tuple[str, str]]:
    return [] if notice is None else [(entry["kind"], entry["change"]) for entry in notice.entries]


def kinds(found: Iterable[object]) -> list[str]:
    return [str(getattr(each, "kind")) for each in found]  # noqa: B009 - of either kind of row


async def test_a_cause_keeps_its_first_sight_and_says_what_it_says_now(alerts: Alerts) -> None:
    assert kinds((await see(alerts, 0, SILENT)).opened) == ["silence"]
    again = await see(alerts, 3, Cause(CauseKind.SILENCE, "no success of orders, updates", REDOUTE))

    (alert,) = await alerts.open()
    assert again == News()
    assert (alert.first_seen_at, alert.last_seen_at, alert.times) == (NOON, NOON + 3 * MINUTE, 1)
    assert alert.text == "no success of orders, updates"


async def test_what_is_away_for_long_enough_is_resolved_once(alerts: Alerts) -> None:
    await see(alerts, 0, SILENT)
    assert (await see(alerts, 1)).resolved == ()
    assert (await see(alerts, 5.9)).resolved == ()
    resolved = (await see(alerts, 6)).resolved
    assert [(alert.kind, alert.resolved_at) for alert in resolved] == [(CauseKind.SILENCE, NOON + 6 * MINUTE)]
    assert await see(alerts, 7) == News()
    assert await alerts.open() == []
    # Coming once more after that, it is another alert.
    assert kinds((await see(alerts, 8, SILENT)).opened) == ["silence"]
    assert len(await alerts.page(10)) == 2


async def test_what_comes_and_goes_is_one_alert_that_counts(alerts: Alerts) -> None:
    for minute in range(0, 40, 4):
        await see(alerts, minute, SILENT)
        await see(alerts, minute + 2)

    (alert,) = await alerts.open()
    assert (alert.times, alert.first_seen_at, alert.away_since) == (10, NOON, NOON + 38 * MINUTE)
    assert len(await alerts.page(10)) == 1


async def test_a_clock_that_was_set_back_keeps_nothing_open(alerts: Alerts) -> None:
    await see(alerts, 0, SILENT)
    await see(alerts, 1)
    assert kinds((await see(alerts, -600)).resolved) == ["silence"]


async def test_first_sight_outlives_a_restart(tmp_path: Path) -> None:
    notices = []
    for minute in (0, 60):
        async with open_store(tmp_path / "sellerd.db") as store:
            await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
            await see(store.alerts, minute, SILENT)
            notices.append(await compose(store.alerts, minute + 1))

    async with open_store(tmp_path / "sellerd.db") as store:
        (alert,) = await store.alerts.open()
    assert (alert.first_seen_at, alert.times) == (NOON, 1)
    # It was told before the restart.
    assert (told(notices[0]), notices[1]) == ([("silence", "opened")], None)


async def test_several_causes_are_one_notice_and_a_storm_is_few(alerts: Alerts) -> None:
    notices = []
    for minute in range(61):
        causes = [Cause(CauseKind.SILENCE, "no success", AccountName(f"a{n}")) for n in range(5 * minute)]
        await see(alerts, minute, *causes)
        notices.append(await compose(alerts, minute))

    made = [notice for notice in notices if notice is not None]
    assert len(made) == 12
    assert [entry["id"] for notice in made for entry in notice.entries] == list(range(1, 286))
    assert await alerts.waiting("mail", NOON + HOUR) == made


async def test_a_change_waits_for_others_and_its_end_is_told_once(alerts: Alerts) -> None:
    await see(alerts, 0, HELD)
    assert await compose(alerts, 0.9) is None
    await see(alerts, 0.9, HELD, DISK)
    assert told(await compose(alerts, 1)) == [("held", "opened"), ("disk", "opened")]
    await see(alerts, 2, DISK)
    await see(alerts, 7, DISK)
    assert await compose(alerts, 7) is None
    assert told(await compose(alerts, 8)) == [("held", "resolved")]
    assert await compose(alerts, 30) is None


async def test_what_came_and_went_before_it_was_told_is_told_to_nobody(alerts: Alerts) -> None:
    await see(alerts, 0, DISK)
    await compose(alerts, 1)
    await see(alerts, 1.5, DISK, HELD)
    await see(alerts, 2, DISK)
    assert await compose(alerts, 5) is None
    await see(alerts, 7, DISK)
    assert await compose(alerts, 20) is None
    assert kinds(await alerts.page(10)) == ["held", "disk"]


async def test_what_stays_is_told_again_unless_somebody_has_seen_it(alerts: Alerts) -> None:
    await see(alerts, 0, HELD, DISK)
    await compose(alerts, 1)
    (disk,) = [alert for alert in await alerts.open() if alert.kind is CauseKind.DISK]
    await alerts.acknowledge(disk.id, "Robin", "on order", NOON + 2 * MINUTE)
    await see(alerts, 121, HELD, DISK)
    assert await compose(alerts, 60, repeat=2 * HOUR) is None
    assert told(await compose(alerts, 121, repeat=2 * HOUR)) == [("held", "still")]
    assert await compose(alerts, 2000, repeat=timedelta()) is None


async def test_what_has_become_graver_is_told_anew_though_somebody_had_seen_it(alerts: Alerts) -> None:
    await see(alerts, 0, DISK)
    await compose(alerts, 1)
    (alert,) = await alerts.open()
    await alerts.acknowledge(alert.id, "Robin", "", NOON + 2 * MINUTE)
    await see(alerts, 10, Cause(CauseKind.DISK, "100 MiB are free", SITE, urgent=True))

    notice = await compose(alerts, 11)
    assert notice is not None
    assert [(entry["change"], entry["severity"]) for entry in notice.entries] == [("opened", "critical")]
    (alert,) = await alerts.open()
    assert alert.acknowledged_at is None


async def test_with_no_way_out_all_counts_as_told(alerts: Alerts) -> None:
    await see(alerts, 0, HELD)
    assert await alerts.compose((), NOON + MINUTE, gather=MINUTE, apart=5 * MINUTE, repeat=DAY) is None
    # Mail that is configured later is not flooded by what was there before.
    assert await compose(alerts, 20) is None


async def test_an_alert_is_acknowledged_once_and_only_while_it_lasts(alerts: Alerts) -> None:
    await see(alerts, 0, HELD)
    (alert,) = await alerts.open()
    seen = await alerts.acknowledge(alert.id, "Robin", "calling them", NOON + MINUTE)
    assert seen is not None
    assert (seen.acknowledged_by, seen.acknowledged_why, seen.acknowledged_at) == (
        *("Robin", "calling them"),
        NOON + MINUTE,
    )
    with pytest.raises(NotAllowed, match="was acknowledged by Robin already"):
        await alerts.acknowledge(alert.id, "Sam", "", NOON + MINUTE)
    await see(alerts, 2)
    await see(alerts, 7)
    with pytest.raises(NotAllowed, match="is resolved"):
        await alerts.acknowledge(alert.id, "Sam", "", NOON + 8 * MINUTE)
    assert await alerts.acknowledge(4711, "Sam", "", NOON) is None


async def test_a_way_that_fails_is_tried_later_and_later_and_given_up(alerts: Alerts) -> None:
    await see(alerts, 0, HELD)
    await compose(alerts, 1)
    at, waits = NOON + MINUTE, []
    while notices := await alerts.waiting("mail", at):
        again = await alerts.failed("mail", notices, "not reached", at, give_up=12 * HOUR)
        if again is None:
            break
        waits.append((again - at) // MINUTE)
        at = again

    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert at >= NOON + 12 * HOUR
    assert await alerts.waiting("mail", at + DAY) == []
    assert await alerts.backlog(at) == {"mail": Backlog(1, NOON + MINUTE, "not reached")}
    assert await alerts.backlog(at + DAY + MINUTE) == {}
    # The other way knows nothing of it.
    (notice,) = await alerts.waiting("webhook", at)
    await alerts.delivered("webhook", [notice], at)
    assert await alerts.waiting("webhook", at + DAY) == []


async def test_one_failure_is_no_backlog_and_a_delivery_ends_it(alerts: Alerts) -> None:
    await see(alerts, 0, HELD)
    await compose(alerts, 1)
    notices = await alerts.waiting("mail", NOON + MINUTE)
    await alerts.failed("mail", notices, "not reached", NOON + MINUTE, DAY)
    assert await alerts.backlog(NOON + MINUTE) == {}
    await alerts.failed("mail", notices, "not reached", NOON + 2 * MINUTE, DAY)
    assert await alerts.backlog(NOON + 2 * MINUTE) == {"mail": Backlog(1, NOON + MINUTE, "not reached")}
    await alerts.delivered("mail", notices, NOON + 3 * MINUTE)
    assert await alerts.backlog(NOON + 3 * MINUTE) == {}


async def test_nothing_waits_for_a_way_that_is_gone_and_old_alerts_are_forgotten(alerts: Alerts) -> None:
    await see(alerts, 0, HELD, DISK)
    await compose(alerts, 1)
    await alerts.abandon("mail", NOON + 2 * MINUTE)
    assert await alerts.waiting("mail", NOON + DAY) == []
    assert await alerts.backlog(NOON + 3 * MINUTE) == {}
    await see(alerts, 2, DISK)
    await see(alerts, 7, DISK)
    assert await alerts.prune(NOON + 7 * MINUTE) == 0
    assert await alerts.prune(NOON + 8 * MINUTE) == 1
    assert kinds(await alerts.page(10)) == ["disk"]
    # What still waits to be told is kept.
    assert len(await alerts.waiting("webhook", NOON + DAY)) == 1


async def test_it_is_remembered_when_the_daemon_was_well(alerts: Alerts) -> None:
    assert await alerts.well_at() is None
    await alerts.well(NOON)
    assert await alerts.well_at() == NOON
