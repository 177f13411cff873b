"""What is booked in the scheduler, and that a new configuration shifts none of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon.config import Config
from daemon.jobs import Outcome
from daemon.model import SITE
from daemon.runner import Runner
from daemon.store import open_store
from daemon.timetable import Timetable


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
