"""One turn of one job, over the real database: never twice at a time, always recorded, told once."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from daemon.config import LOCAL_JOBS, Config
from daemon.errors import AccessDenied, Unreachable
from daemon.jobs import Outcome, Run, SiteJob, SiteRun
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.reports import read_reports
from daemon.logs import configure
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import SITE, AccountName, Moment
from daemon.runner import Runner, SiteTask, Task
from daemon.settings import Secret
from daemon.store import Store, open_store
from tests.jobs.scene import moment, scene
from tests.marketplaces.edge.account import account

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEWIS, OTHER = AccountName("johnlewis-gb"), AccountName("other")


def noon() -> Moment:
    return Moment(NOON, "boot-1", 1_000_000_000_000, synchronised=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as store:
        for name in (LEWIS, OTHER):
            await store.accounts.configure(name, "johnlewis", "one", NOON)
        yield store


@pytest.fixture
def runner(store: Store) -> Runner:
    return Runner(store, noon)


@pytest.fixture
def told() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged since the last call, DEBUG left out."""
    root, out = logging.getLogger(), StringIO()
    before = root.handlers, root.level
    configure("info", "json", out)

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        out.seek(0)
        out.truncate()
        return lines

    yield read
    root.handlers, _ = before
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def task(
    job: Callable[[Run], Awaitable[Outcome]], *, name: str = "orders", owner: AccountName = LEWIS, **changes: Any
) -> Task:
    settings = account(name=owner, **changes)
    return Task(settings, DIALECTS["edge"].open(settings, {}), name, job)


def site_task(job: SiteJob, **daemon: Any) -> SiteTask:
    return SiteTask(Config.model_validate({"daemon": daemon}), "housekeeping", job)


def ending(outcome: Outcome | Exception) -> Callable[[Run], Awaitable[Outcome]]:
    async def job(_: Run) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return job


async def recorded(store: Store) -> list[tuple[object, ...]]:
    sql = "SELECT account, job, outcome, done, note FROM job_runs ORDER BY id"
    return [tuple(row) for row in await store.database.read(lambda db: db.execute(sql).fetchall())]


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        (Outcome(done=3, note="3 new"), "done"),
        (Outcome(note="nothing"), "idle"),
        (Outcome(held_until=NOON + HOUR), "held"),
    ],
)
async def test_a_turn_is_recorded_as_it_ended(runner: Runner, store: Store, outcome: Outcome, ended: str) -> None:  # D2
    assert await runner.turn(task(ending(outcome))) == outcome

    assert await recorded(store) == [(LEWIS, "orders", ended, outcome.done, outcome.note)]
    assert runner.totals == {(LEWIS, "orders", ended): 1}
    (state,) = await store.runs.snapshot()
    assert (state.last_succeeded_at, state.held_until) == (NOON, outcome.held_until)


async def test_a_job_knows_its_account_and_what_time_it_is(runner: Runner, store: Store) -> None:
    seen: list[Run] = []

    async def job(run: Run) -> Outcome:
        seen.append(run)
        return Outcome()

    await runner.turn(task(job))

    assert (seen[0].name, seen[0].now, seen[0].store) == (LEWIS, noon(), store)


async def test_the_same_job_never_overlaps_itself_and_asked_for_meanwhile_comes_once_more(runner: Runner) -> None:  # D1
    entered, go, at_once, most = anyio.Event(), anyio.Event(), 0, 0
    turns = 0

    async def job(_: Run) -> Outcome:
        nonlocal at_once, most, turns
        at_once, turns = at_once + 1, turns + 1
        most = max(most, at_once)
        entered.set()
        await go.wait()
        at_once -= 1
        return Outcome()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(runner.turn, task(job))
            await entered.wait()
            for _ in range(5):
                assert await runner.turn(task(job)) is None
            go.set()

    assert (most, turns, runner.in_flight) == (1, 2, 0)


async def test_other_jobs_and_other_accounts_do_not_wait(runner: Runner) -> None:  # D1
    all_in, inside = anyio.Event(), 0

    async def job(_: Run) -> Outcome:
        nonlocal inside
        inside += 1
        if inside == 3:
            all_in.set()
        await all_in.wait()
        return Outcome()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for one in (task(job), task(job, name="offers"), task(job, owner=OTHER)):
                group.start_soon(runner.turn, one)

    assert inside == 3


async def test_failing_is_told_once_and_so_is_its_end(
    runner: Runner, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D11
    lines = []
    for outcome in (Unreachable("no route"), Unreachable("still none"), Outcome(), Outcome()):
        await runner.turn(task(ending(outcome)))
        lines.append([(line["level"], line["account"], line["job"], line.get("error")) for line in told()])

    assert lines == [
        [("error", LEWIS, "orders", "no route")],
        [],
        [("info", LEWIS, "orders", None)],
        [],
    ]


async def test_a_surprise_is_told_with_its_place_and_without_what_it_held(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D12
    async def job(_: Run) -> Outcome:
        # The name of the second tells nobody that it is secret.
        password = kept = "hunter" + "2"
        raise KeyError(len(password + kept) // 2)

    await runner.turn(task(job))

    (line,) = told()
    assert "test_runner.py" in json.dumps(line["exception"])
    assert "hunter2" not in json.dumps(line)
    assert await recorded(store) == [(LEWIS, "orders", "failed", 0, "KeyError: 7")]


async def test_a_failing_job_stops_nobody(runner: Runner, store: Store) -> None:  # D2
    async with anyio.create_task_group() as group:
        group.start_soon(runner.turn, task(ending(RuntimeError("boom"))))
        group.start_soon(runner.turn, task(ending(Outcome(done=1)), owner=OTHER))

    assert {(row[0], row[2]) for row in await recorded(store)} == {(LEWIS, "failed"), (OTHER, "done")}


@pytest.mark.parametrize(
    "error",
    [AccessDenied("password refused"), ExceptionGroup("", [Unreachable("lost"), AccessDenied("password refused")])],
)
async def test_refused_credentials_hold_the_account_until_its_configuration_changes(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]], error: Exception
) -> None:  # D10
    await runner.turn(task(ending(error)))
    await runner.turn(task(ending(error)))
    await runner.turn(task(ending(Outcome(done=1)), name="offers"))

    assert await store.accounts.held() == {LEWIS: (NOON, "password refused")}
    assert [(line["level"], line["error"]) for line in told()] == [("error", "password refused")]
    assert len(await recorded(store)) == 1

    # What never speaks to the marketplace goes on.
    for name in sorted(LOCAL_JOBS):
        await runner.turn(task(ending(Outcome(done=1)), name=name))
    assert [row[1] for row in await recorded(store)] == ["orders", "exchange", "housekeeping"]

    await store.accounts.configure(LEWIS, "johnlewis", "two", NOON)
    await runner.turn(task(ending(Outcome(done=1))))

    assert [row[2] for row in await recorded(store)] == ["failed", "done", "done", "done"]


async def test_turns_that_are_refused_beside_each_other_are_told_once(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D10 D11
    begun = anyio.Event()

    async def first(_: Run) -> Outcome:
        await begun.wait()
        raise AccessDenied("password refused")

    async def second(_: Run) -> Outcome:
        begun.set()
        raise AccessDenied("password refused")

    async with anyio.create_task_group() as group:
        group.start_soon(runner.turn, task(first))
        group.start_soon(runner.turn, task(second, name="reports"))

    assert [line["event"].split(":")[0] for line in told()] == ["account held"]
    assert len(await recorded(store)) == 2


async def test_a_turn_past_its_deadline_is_ended(runner: Runner, store: Store) -> None:  # D2
    async def job(_: Run) -> Outcome:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(30):
        await runner.turn(task(job, turn_deadline=timedelta(milliseconds=20)))

    assert await recorded(store) == [(LEWIS, "orders", "failed", 0, "it took longer than its deadline of 0.02 s")]


async def test_a_time_out_inside_the_job_is_its_own(runner: Runner, store: Store) -> None:
    await runner.turn(task(ending(TimeoutError())))

    assert await recorded(store) == [(LEWIS, "orders", "failed", 0, "TimeoutError")]


async def test_a_cancelled_turn_is_recorded_as_cut(runner: Runner, store: Store) -> None:  # D4
    entered = anyio.Event()

    async def job(_: Run) -> Outcome:
        entered.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with anyio.create_task_group() as group:
        group.start_soon(runner.turn, task(job))
        await entered.wait()
        group.cancel_scope.cancel()

    assert [row[2] for row in await recorded(store)] == ["cut"]
    assert runner.in_flight == 0


async def test_a_drain_waits_for_what_is_in_flight(runner: Runner) -> None:  # D4
    entered, go, ended = anyio.Event(), anyio.Event(), []

    async def job(_: Run) -> Outcome:
        entered.set()
        await go.wait()
        ended.append(True)
        return Outcome()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            await runner.idle()
            group.start_soon(runner.turn, task(job))
            await entered.wait()
            go.set()
            await runner.idle()
            assert ended


async def test_a_turn_that_cannot_be_ended_is_named(runner: Runner) -> None:  # D6
    entered, go = anyio.Event(), anyio.Event()

    async def job(_: Run) -> Outcome:
        with anyio.CancelScope(shield=True):
            entered.set()
            await go.wait()
        return Outcome()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(runner.turn, task(job, turn_deadline=timedelta(microseconds=1)))
            await entered.wait()
            assert list(runner.overdue(timedelta(hours=1))) == []
            assert list(runner.overdue(timedelta(hours=-1))) == [f"{LEWIS} orders"]
            go.set()


async def test_a_failed_database_is_passed_on(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D5
    store.database.fault = "disk I/O error"

    with anyio.fail_after(30):
        assert await runner.turn(task(ending(Outcome()))) is None
        await runner.storage_failed()

    assert [(line["level"], line["error"]) for line in told()] == [("critical", "disk I/O error")]


def test_what_sounds_secret_is_masked_wherever_it_stands(told: Callable[[], list[dict[str, Any]]]) -> None:  # D12
    log = structlog.get_logger("test")
    log.info(
        "one", password="hunter2", headers={"Authorization": "hunter2"}, tried=[{"api-key": "hunter2"}], user="ann"
    )
    logging.getLogger("library").warning("two %s", "parts", extra={"token": "hunter2"})
    logging.getLogger("httpx").info("GET https://example.test/?token=hunter2")

    lines = told()

    assert "hunter2" not in json.dumps(lines)
    assert [(line["event"], line["level"]) for line in lines] == [("one", "info"), ("two parts", "warning")]
    assert lines[0]["user"] == "ann"


def test_a_changed_level_counts_for_loggers_in_use(told: Callable[[], list[dict[str, Any]]]) -> None:  # D4
    log, out = structlog.get_logger("test"), StringIO()
    log.debug("before")
    configure("debug", "console", out)
    log.debug("after\nforged", secret=Secret("x"))

    assert told() == []
    assert len(out.getvalue().splitlines()) == 1
    assert "after\\nforged" in out.getvalue()


def test_a_text_cannot_steer_the_terminal(told: Callable[[], list[dict[str, Any]]]) -> None:  # D12
    out = StringIO()
    configure("info", "console", out)
    structlog.get_logger("test").info("lamp\x1b[2J", error="lamp\x1b[2J\x9b\u2028\x85forged")

    for sign in ("\x1b[2J", "\x9b", "\u2028", "\x85"):
        assert sign not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 1


async def test_a_paused_job_does_not_run_and_its_pause_is_told_once(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D13 D11
    await store.pauses.pause(LEWIS, ["orders"], "stock take", NOON + HOUR, NOON)
    told()

    outcomes = [await runner.turn(task(ending(Outcome(done=1)))) for _ in range(3)]
    await runner.turn(task(ending(Outcome(done=1)), name="offers"))

    # It comes again by itself when the time is over.
    assert [outcome and outcome.again_at for outcome in outcomes] == [NOON + HOUR] * 3
    assert await recorded(store) == [(LEWIS, "offers", "done", 1, "")]
    assert [(line["level"], line["event"]) for line in told() if line["job"] == "orders"] == [
        ("warning", "not run: the job is paused")
    ]


async def test_a_pause_ends_by_itself_and_that_is_told(
    store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D13
    clocks = [noon(), Moment(NOON + HOUR, "boot-1", 4_600_000_000_000, synchronised=True)]
    runner = Runner(store, lambda: clocks[0])
    await store.pauses.pause(LEWIS, [""], "stock take", NOON + HOUR, NOON)
    await runner.turn(task(ending(Outcome(done=1))))
    told()

    del clocks[0]
    assert await runner.turn(task(ending(Outcome(done=1)))) == Outcome(done=1)

    assert [line["event"] for line in told()] == ["the job runs again after a pause", "turn done"]
    assert await store.pauses.in_force(NOON) == []
    sql = 'SELECT what, "from", "to", why FROM events WHERE subject = \'account\' ORDER BY id'
    assert [tuple(row) for row in await store.database.read(lambda db: db.execute(sql).fetchall())] == [
        ("all jobs", "running", "paused", "stock take"),
        ("all jobs", "paused", "running", "its time was over"),
    ]


async def test_running_now_as_often_as_anybody_likes_never_breaks_the_gate(tmp_path: Path) -> None:  # D13 L8
    async with scene(tmp_path, "sellr") as redoute:
        minutes = iter(range(1, 200))
        runner = Runner(redoute.store, lambda: moment(next(minutes) * timedelta(minutes=1)))
        jobs = {
            name: Task(redoute.account, redoute.marketplace, name, job)
            for name, job in (("items", send_items), ("offers", send_offers), ("reports", read_reports))
        }
        await redoute.want()
        for turn in range(30):
            await redoute.restock(turn + 1, turn * timedelta(minutes=5))
            await runner.turn(jobs["items"])
            await runner.turn(jobs["offers"])
            await redoute.answer()
            await runner.turn(jobs["reports"])

        feeds = await redoute.all("feeds WHERE kind = 'offer' ORDER BY id", "sent_at")
        gaps = [after - before for (before,), (after,) in pairwise(feeds)]
        assert len(feeds) > 1
        assert min(gaps) >= HOUR // timedelta(microseconds=1)


async def test_a_job_of_no_account_is_run_and_recorded_by_the_same_rules(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D1, D2, D11
    entered, go, seen = anyio.Event(), anyio.Event(), []

    async def job(run: SiteRun) -> Outcome:
        seen.append(run)
        entered.set()
        await go.wait()
        return Outcome(done=len(seen))

    task = site_task(job)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(runner.turn, task)
            await entered.wait()
            # It never overlaps itself: asked for meanwhile, it comes once more.
            assert await runner.turn(task) is None
            go.set()

    assert [(run.config, run.now, run.store) for run in seen] == 2 * [(task.config, noon(), store)]
    assert await recorded(store) == [("", "housekeeping", "done", 1, ""), ("", "housekeeping", "done", 2, "")]
    assert runner.totals == {(SITE, "housekeeping", "done"): 2}
    assert [(line["job"], "account" in line) for line in told()] == 2 * [("housekeeping", False)]


async def test_a_job_of_no_account_is_ended_at_its_deadline_and_holds_nobody(
    runner: Runner, store: Store, told: Callable[[], list[dict[str, Any]]]
) -> None:  # D2, D10, D11
    async def hanging(_: SiteRun) -> Outcome:
        await anyio.sleep_forever()
        raise AssertionError

    async def denied(_: SiteRun) -> Outcome:
        raise AccessDenied("the mail server refused the password")

    await runner.turn(site_task(hanging, turn_deadline="10ms"))
    for _ in range(2):
        await runner.turn(site_task(denied))

    (state,) = await store.runs.snapshot()
    assert (state.account, state.failures, state.last_error) == (SITE, 3, "the mail server refused the password")
    assert await store.accounts.held() == {}
    assert [line["error"] for line in told()] == ["it took longer than its deadline of 0.01 s"]
