"""What is booked in the scheduler, and that a new configuration shifts none of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel

from daemon.config import Config
from daemon.jobs import Outcome
from daemon.main import open_way
from daemon.marketplaces import Marketplace
from daemon.model import SITE, AccountName
from daemon.runner import Runner
from daemon.store import open_store
from daemon.store.accounts import Configured
from daemon.timetable import Timetable
from tests.seller.conftest import NOON, lewis


async def test_a_reload_shifts_no_due_time(tmp_path: Path) -> None:  # D4
    """However often it is reloaded, a job comes an interval after it started last (promise P19, trap C6)."""

    async def canary() -> None:
        """The scheduler ticks."""

    async with open_store(tmp_path / "sellerd.db") as store:
        started_at = datetime.now(UTC) - timedelta(hours=1)
        for job in ("housekeeping", "backup"):
            run = await store.runs.started(SITE, job, started_at)
            await store.runs.ended(run, "done", 1, "", None, started_at)
        timetable = Timetable(store, Runner(store))
        timetable.start(canary)
        due = []
        for _ in range(3):
            async with timetable.ticking(Config.model_validate({"daemon": {}}), {}):
                jobs = {job.id: job.next_run_time for job in timetable._scheduler.get_jobs()}
                due.append({name: at for name, at in jobs.items() if name != "canary"})
        timetable.stop()
        assert due == [dict.fromkeys((":housekeeping", ":backup"), started_at + timedelta(days=1))] * 3


async def test_what_a_turn_asked_for_is_booked_again_after_a_restart(tmp_path: Path) -> None:  # L8 L11
    async def canary() -> None:
        """The scheduler ticks."""

    async with open_store(tmp_path / "sellerd.db") as store:
        now = datetime.now(UTC)
        run = await store.runs.started(SITE, "housekeeping", now)
        outcome = Outcome(held_until=now + timedelta(minutes=40))
        await store.runs.ended(run, "held", 0, "", outcome.held_until, now)
        timetable = Timetable(store, Runner(store))
        timetable.start(canary)
        async with timetable.ticking(Config.model_validate({"daemon": {}}), {}):
            booked = {job.id: job.next_run_time for job in timetable._scheduler.get_jobs()}
        timetable.stop()
        assert booked[":housekeeping:booked"] == now + timedelta(minutes=40)


def _site(*names: str) -> tuple[Config, dict[AccountName, Marketplace]]:
    """Accounts at John Lewis, and ways that lead nowhere."""
    accounts = {AccountName(name): lewis().model_copy(update={"name": name}) for name in names}
    return Config(accounts=accounts), {name: open_way(account, {}) for name, account in accounts.items()}


async def test_overdue_jobs_come_one_after_the_other_within_their_interval(tmp_path: Path) -> None:  # D1
    """Some thousand accounts that are all new would otherwise want ten thousand turns in one instant, ever again."""

    async def canary() -> None:
        """The scheduler ticks."""

    names = [f"jl-{number:04d}" for number in range(40)]
    config, ways = _site(*names)
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure_all([Configured(AccountName(name), "johnlewis", "") for name in names], NOON)
        timetable = Timetable(store, Runner(store))
        timetable.start(canary)
        before = datetime.now(UTC)
        async with timetable.ticking(config, ways):
            # The first of them are there at once; nothing waits for the rest.
            assert 0 < len(timetable._scheduler.get_jobs()) - 1 < timetable.jobs
            while len(timetable._scheduler.get_jobs()) - 1 < timetable.jobs:
                await anyio.lowlevel.checkpoint()
            due = {job.id: job.next_run_time - before for job in timetable._scheduler.get_jobs() if job.id != "canary"}
        timetable.stop()
    # The first of them have had their turn already, and come again an interval later.
    reports = sorted(at % timedelta(minutes=5) for name, at in due.items() if name.endswith(":reports"))
    tens = {
        at % timedelta(minutes=10)
        for name, at in due.items()
        if name.endswith((":orders", ":updates", ":claims", ":refunds"))
    }
    assert len(reports) == 40
    assert reports[-1] - reports[0] == 39 * timedelta(milliseconds=200)
    assert len(tens) == 160
