"""The verdict: what the process can do, and how each job is; a marketplace that is down is never the process's."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from daemon.health import JobHealth, Loaded, Snapshot, Tally, Verdict, Vitals, judge, next_due, tally
from daemon.model import SITE, AccountName
from daemon.store.pauses import ALL_JOBS, Pause
from daemon.store.runs import JobState

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LR, JL = AccountName("lr"), AccountName("jl")
EVERY = {LR: {"orders": 10 * MINUTE, "offers": 15 * MINUTE}}
WELL = Vitals(started_at=NOON - timedelta(days=1), canary_age=3 * SECOND, beat_age=4 * SECOND)

YOUNG = Vitals(started_at=NOON - SECOND, canary_age=SECOND, beat_age=SECOND)


def verdict(
    *states: JobState, vitals: Vitals = WELL, held: dict[AccountName, tuple[datetime, str]] | None = None
) -> Verdict:
    return judge(Snapshot(states, held or {}), vitals, Loaded(NOON), EVERY, NOON)


def orders(**changes: datetime | int | str | None) -> JobState:
    values = {"last_started_at": NOON - MINUTE, "last_ended_at": NOON - MINUTE, "last_succeeded_at": NOON - MINUTE}
    return JobState(LR, "orders", **(values | changes))  # type: ignore[arg-type]


def state_of(found: Verdict, job: str = "orders") -> JobHealth:
    return next(row.state for row in found.jobs if row.job == job)


def test_everything_is_well() -> None:  # D5
    found = verdict(orders(), vitals=YOUNG)

    assert (found.ok, found.reasons, state_of(found), state_of(found, "offers")) == (
        True,
        (),
        JobHealth.OK,
        JobHealth.NEVER,
    )


@pytest.mark.parametrize(
    ("vitals", "reason"),
    [
        (Vitals(NOON, 16 * SECOND, SECOND), "the scheduler ticked last 16 s ago"),
        (Vitals(NOON, SECOND, 31 * SECOND), "the database was last written 31 s ago"),
        (Vitals(NOON, SECOND, SECOND, lag=6 * SECOND), "the event loop stood still for 6 s"),
        (Vitals(NOON, SECOND, SECOND, overdue=("lr orders",)), "lr orders hangs past its deadline"),
        (Vitals(NOON, SECOND, SECOND, database_fault="disk I/O error"), "the database failed: disk I/O error"),
        (Vitals(NOON, SECOND, SECOND, stopping=True), "the daemon is stopping"),
    ],
)
def test_the_process_cannot_do_its_work(vitals: Vitals, reason: str) -> None:  # D5
    found = verdict(orders(), vitals=vitals)

    assert (found.ok, found.reasons) == (False, (reason,))


def test_a_database_that_does_not_answer_is_told_with_what_was_known_before() -> None:  # D5
    found = judge(Snapshot([orders()], fresh=False), WELL, Loaded(NOON), EVERY, NOON)

    assert (found.ok, found.reasons, state_of(found)) == (False, ("the database does not answer",), JobHealth.OK)


def test_a_marketplace_that_is_down_is_a_state_of_its_account() -> None:  # D5
    found = verdict(orders(failing_since=NOON - MINUTE, failures=3, last_error="no route"))

    assert (found.ok, state_of(found), found.jobs[0].error) == (True, JobHealth.FAILING, "no route")


def test_a_held_account_holds_all_its_jobs_and_others_are_not_shown() -> None:  # D10
    found = verdict(orders(), held={LR: (NOON, "the password was refused"), JL: (NOON, "not configured any more")})

    assert found.ok
    assert {job.state for job in found.jobs} == {JobHealth.HELD}
    assert list(found.held) == [LR]


def test_a_job_is_late_when_more_than_one_more_interval_has_passed() -> None:  # D5
    started = NOON - 21 * MINUTE
    late = orders(last_started_at=started, last_ended_at=started, last_succeeded_at=started)
    in_time = orders(last_started_at=started + 2 * MINUTE, last_ended_at=NOON, last_succeeded_at=started)

    assert (state_of(verdict(late)), verdict(late).jobs[0].lag) == (JobHealth.LATE, 11 * MINUTE)
    assert state_of(verdict(in_time)) is JobHealth.OK


def test_a_job_in_its_turn_and_one_missed_while_no_daemon_ran_are_not_late() -> None:
    running = orders(last_started_at=NOON - 25 * MINUTE, last_ended_at=NOON - timedelta(hours=1))
    missed = orders(last_started_at=NOON - timedelta(days=2), last_ended_at=NOON - timedelta(days=2))

    assert state_of(verdict(running)) is JobHealth.OK
    assert state_of(verdict(missed, vitals=YOUNG)) is JobHealth.OK


def test_the_next_turn_is_at_its_gate_when_that_opens_before_the_tick() -> None:  # L8
    found = verdict(orders(held_until=NOON + 2 * MINUTE))

    assert (found.jobs[0].next_due, found.jobs[0].gate_until) == (NOON + 2 * MINUTE, NOON + 2 * MINUTE)
    assert verdict(orders(held_until=NOON - MINUTE)).jobs[0].gate_until is None


@pytest.mark.parametrize(
    ("last_started_at", "due"),
    [
        (None, NOON),
        (NOON - 4 * MINUTE, NOON + 6 * MINUTE),
        (NOON - timedelta(days=3), NOON),
        (NOON + timedelta(days=3), NOON),
    ],
    ids=["never ran", "ran lately", "long ago", "the clock was wrong and was set back"],
)
def test_due_times_survive_restarts_and_wrong_clocks(last_started_at: datetime | None, due: datetime) -> None:  # D2
    assert next_due(last_started_at, 10 * MINUTE, NOON) == due


def test_a_refused_configuration_is_in_the_body_and_the_process_is_well() -> None:  # D4
    found = judge(Snapshot([orders()]), WELL, Loaded(NOON, ("config.toml: daemon.grase is not known",)), EVERY, NOON)
    body = found.as_json()

    assert (found.ok, body["config_ok"], body["config_problems"]) == (
        True,
        False,
        ["config.toml: daemon.grase is not known"],
    )


def test_the_body_names_each_account_and_job() -> None:  # D5
    found = verdict(orders(held_until=NOON + 2 * MINUTE), vitals=YOUNG)

    assert found.as_json()["accounts"]["lr"] == {
        "held_since": None,
        "held_reason": "",
        "orders_waiting": {},
        "attention": {},
        "order_errors": {},
        "jobs": {
            "orders": {
                "state": "ok",
                "last_success": "2026-03-02T11:59:00.000Z",
                "lag_seconds": 0.0,
                "next_due": "2026-03-02T12:02:00.000Z",
                "gate_until": "2026-03-02T12:02:00.000Z",
                "failing_since": None,
                "error": "",
                "paused_since": None,
                "paused_until": None,
                "paused_reason": "",
            },
            "offers": {
                "state": "never",
                "last_success": None,
                "lag_seconds": 0.0,
                "next_due": "2026-03-02T12:00:00.000Z",
                "gate_until": None,
                "failing_since": None,
                "error": "",
                "paused_since": None,
                "paused_until": None,
                "paused_reason": "",
            },
        },
    }


def test_a_paused_job_is_loud_and_never_late() -> None:  # D13
    pause = Pause(LR, "orders", "stock take", NOON - MINUTE, NOON + MINUTE)
    snapshot = Snapshot([orders(last_started_at=NOON - 90 * MINUTE)], pauses=[pause])
    found = judge(snapshot, WELL, Loaded(NOON), EVERY, NOON)

    assert (found.ok, state_of(found), state_of(found, "offers")) == (True, JobHealth.PAUSED, JobHealth.LATE)
    job = found.as_json()["accounts"]["lr"]["jobs"]["orders"]
    assert (job["paused_reason"], job["paused_until"]) == ("stock take", "2026-03-02T12:01:00.000Z")
    assert job["lag_seconds"] == 0.0


def test_a_pause_of_all_jobs_holds_each_and_a_held_account_outweighs_it() -> None:  # D13
    pauses = [Pause(LR, "", "moving house", NOON, None)]
    found = judge(Snapshot([orders()], pauses=pauses), WELL, Loaded(NOON), EVERY, NOON)
    held = judge(Snapshot([orders()], {LR: (NOON, "refused")}, pauses=pauses), WELL, Loaded(NOON), EVERY, NOON)

    assert [job.state for job in found.jobs] == [JobHealth.PAUSED, JobHealth.PAUSED]
    assert {job.state for job in held.jobs} == {JobHealth.HELD}


def test_the_jobs_of_no_account_stand_beside_the_accounts() -> None:  # D5
    site = JobState(SITE, "housekeeping", last_started_at=NOON, last_ended_at=NOON, last_succeeded_at=NOON)
    found = judge(Snapshot([site, orders()]), WELL, Loaded(NOON), {SITE: {"housekeeping": MINUTE}, **EVERY}, NOON)

    body = found.as_json()

    assert body["site"]["jobs"]["housekeeping"]["state"] == "ok"
    assert list(body["accounts"]) == ["lr"]


def test_the_tally_is_what_the_verdict_comes_to() -> None:  # D5 D13
    """systemd is told in figures how things stand, without a verdict on each job every few seconds."""
    names = [AccountName(name) for name in ("a", "b", "c")]
    timetable = {
        **{name: {"orders": 10 * MINUTE, "offers": 15 * MINUTE, "housekeeping": 144 * MINUTE} for name in names},
        SITE: {"backup": 144 * MINUTE},
    }
    failing = [
        ("a", "orders"),
        ("a", "gone"),
        ("b", "offers"),
        ("c", "offers"),
        ("c", "housekeeping"),
        (SITE, "backup"),
    ]
    states = [JobState(AccountName(name), job, NOON, NOON, failing_since=NOON) for name, job in failing]
    held = {names[2]: (NOON, "refused"), AccountName("gone"): (NOON, "refused")}
    pauses = [
        Pause(names[1], ALL_JOBS, "stocktaking", NOON, None),
        Pause(names[1], "orders", "the same", NOON, None),
        Pause(names[2], "offers", "held all the same", NOON, None),
    ]
    verdict = judge(Snapshot(states, held, pauses=pauses), WELL, Loaded(NOON), timetable, NOON)
    counted = tally([(AccountName(name), job) for name, job in failing], held, pauses, timetable)
    states_of = Counter(job.state for job in verdict.jobs)
    assert counted == Tally(jobs=9, failing=3, paused=3, held=1)
    assert (counted.failing, counted.paused) == (states_of[JobHealth.FAILING], states_of[JobHealth.PAUSED])
