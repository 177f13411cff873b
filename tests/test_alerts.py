"""What is wrong, from how things stand: each cause at its threshold, none a moment sooner, and none beside a greater."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.alerting import AlertsTable
from daemon.alerts import Facts, Watched, judge
from daemon.health import JobHealth, JobVerdict, Loaded, Machine, Verdict
from daemon.model import SITE, AccountName, FeedKind, GuardTerms
from daemon.rules.causes import ABOUT, Cause, CauseKind, Severity
from daemon.settings import ThresholdsTable
from daemon.store.alerts import Backlog
from daemon.store.facts import AccountFacts
from daemon.store.holds import GuardRule
from daemon.store.pauses import Pause

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
LR, JL = AccountName("lr"), AccountName("jl")
GIB = 1 << 30
EVERY = {LR: {"orders": 10 * MINUTE, "housekeeping": DAY}, SITE: {"alerts": MINUTE}}
WELL = Verdict(True, (), Loaded(NOON), NOON, NOON - 10 * DAY, (), {})


def facts(
    verdict: Verdict = WELL,
    *,
    account: AccountFacts | None = None,
    machine: Machine | None = None,
    backlog: dict[str, Backlog] | None = None,
    expires: dict[str, date] | None = None,
    thresholds: ThresholdsTable | None = None,
    **site: Any,
) -> Facts:
    watched = Watched(
        thresholds or ThresholdsTable(), account or AccountFacts(), GuardTerms(zero_expiry=4 * HOUR), expires or {}
    )
    return Facts(verdict, AlertsTable.model_validate(site), {LR: watched}, EVERY, machine or Machine(), backlog or {})


def kinds(found: Iterable[Cause]) -> set[CauseKind]:
    return {cause.kind for cause in found}


def only(found: set[Cause]) -> Cause:
    (cause,) = found
    return cause


def job(name: str = "orders", last: datetime | None = NOON - HOUR, **changes: Any) -> JobVerdict:
    values: dict[str, Any] = {
        "account": LR,
        "job": name,
        "state": JobHealth.OK,
        "last_success": last,
        "lag": timedelta(),
        "next_due": NOON,
        "gate_until": None,
        "failing_since": None,
        "error": "",
    }
    return JobVerdict(**(values | changes))


def test_where_all_is_well_nothing_is_wrong() -> None:  # D5
    assert judge(facts(replace(WELL, jobs=(job(),))), NOON) == set()


def test_every_kind_of_cause_has_its_meaning_and_its_fix() -> None:
    assert set(ABOUT) == set(CauseKind)
    assert all(about.meaning.endswith(".") and about.fix for about in ABOUT.values())


def test_the_document_has_every_cause_as_the_program_has_it() -> None:
    text = (Path(__file__).parent.parent / "docs" / "alerts.md").read_text("utf-8")
    for kind, about in ABOUT.items():
        assert f"| `{kind}` | {about.severity} | {about.meaning} | {about.fix} |\n" in text, kind


@pytest.mark.parametrize("name", ["orders", "housekeeping"])
def test_a_job_is_silent_after_its_threshold_and_after_four_of_its_intervals(name: str) -> None:  # D5
    limit = max(2 * HOUR, 4 * EVERY[LR][name])

    def silent(ago: timedelta) -> set[Cause]:
        return judge(facts(replace(WELL, jobs=(job(name, NOON - ago),))), NOON)

    assert silent(limit - SECOND) == set()
    assert kinds(silent(limit)) == {CauseKind.SILENCE}


def test_the_silent_jobs_of_an_account_are_one_cause_with_their_errors() -> None:
    jobs = (
        job("orders", NOON - 3 * HOUR, error="no route", state=JobHealth.FAILING),
        job("updates", NOON - 2 * HOUR, error="no route", state=JobHealth.FAILING),
        job("offers", NOON - HOUR),
    )

    cause = only(judge(facts(replace(WELL, jobs=jobs)), NOON))

    assert cause.text == "no success of orders, updates of lr since 2026-03-02 09:00 UTC: no route"
    assert (cause.key, cause.severity) == ("silence:lr", Severity.CRITICAL)


def test_what_was_missed_while_no_daemon_ran_is_not_silence() -> None:
    jobs = (job(last=NOON - 5 * DAY), job("updates", None))
    young, old = replace(WELL, jobs=jobs, started_at=NOON - HOUR), replace(WELL, jobs=jobs, started_at=NOON - 2 * HOUR)

    assert judge(facts(young), NOON) == set()
    assert only(judge(facts(old), NOON)).text == "no success of orders, updates of lr since 2026-02-25 12:00 UTC"


def test_a_held_account_is_told_and_not_called_silent_beside_it() -> None:  # D10
    waiting = AccountFacts(pending_since={FeedKind.OFFER: NOON - DAY})
    held = replace(
        WELL, jobs=(job(last=NOON - DAY, state=JobHealth.HELD),), held={LR: (NOON - HOUR, "the password\nwas refused")}
    )

    cause = only(judge(facts(held, account=waiting), NOON))

    assert cause == Cause(CauseKind.HELD, "lr needs a person since 2026-03-02 11:00 UTC: the password was refused", LR)


def test_a_paused_job_is_told_and_not_called_silent_beside_it() -> None:  # D13
    pause = Pause(LR, "orders", "a fair weekend", NOON - DAY, NOON + DAY)
    everything = Pause(LR, "", "moving house", NOON - DAY, None)
    jobs = (job(last=NOON - DAY, pause=pause), *(job(name, pause=everything) for name in ("items", "offers")))

    found = judge(facts(replace(WELL, jobs=jobs)), NOON)

    assert {(cause.key, cause.text) for cause in found} == {
        ("paused:lr:orders", "orders of lr paused until 2026-03-03 12:00 UTC: a fair weekend"),
        ("paused:lr", "items, offers of lr paused until somebody resumes it: moving house"),
    }


def test_while_the_process_cannot_work_that_is_the_cause_of_what_stands_still() -> None:
    jobs = (job(last=NOON - DAY),)
    stuck = replace(WELL, ok=False, jobs=jobs, reasons=("the scheduler ticked last 16 s ago", "lr orders hangs"))
    blind = replace(WELL, ok=False, jobs=jobs, reasons=("the database does not answer",))

    assert only(judge(facts(stuck), NOON)) == Cause(
        CauseKind.PROCESS, "the scheduler ticked last 16 s ago; lr orders hangs"
    )
    assert kinds(judge(facts(blind), NOON)) == {CauseKind.DATABASE}
    assert judge(facts(replace(WELL, ok=False, reasons=("the daemon is stopping",))), NOON) == set()


@pytest.mark.parametrize(
    ("wrong", "right", "kind"),
    [
        ({"lapsed": 1}, {"lapsed": 0}, CauseKind.LAPSING),
        ({"set_aside": 1}, {"set_aside": 0}, CauseKind.SET_ASIDE),
        ({"accepted": 40, "rejected": 10}, {"accepted": 41, "rejected": 10}, CauseKind.REJECTIONS),
        ({"accepted": 0, "rejected": 10}, {"accepted": 0, "rejected": 9}, CauseKind.REJECTIONS),
        (
            {"in_doubt": 1, "in_doubt_since": NOON - 15 * MINUTE},
            {"in_doubt": 1, "in_doubt_since": NOON - 14 * MINUTE},
            CauseKind.IN_DOUBT,
        ),
        (
            {"unanswered_since": {FeedKind.OFFER: NOON - HOUR}},
            {"unanswered_since": {FeedKind.OFFER: NOON - HOUR + SECOND}},
            CauseKind.ANSWERS_OVERDUE,
        ),
        (
            {"pending_since": {FeedKind.ITEM: NOON - 6 * HOUR}},
            {"pending_since": {FeedKind.ITEM: NOON - 6 * HOUR + SECOND}},
            CauseKind.PENDING_TOO_LONG,
        ),
    ],
)
def test_an_account_crosses_its_thresholds(wrong: Any, right: Any, kind: CauseKind) -> None:
    off = ThresholdsTable.model_validate(
        {
            **dict.fromkeys(("lapsed_feeds", "rejections_percent"), 0),
            **dict.fromkeys(("answers_overdue", "pending", "in_doubt"), "0s"),
            "set_aside": False,
        }
    )

    assert kinds(judge(facts(account=AccountFacts(**wrong)), NOON)) == {kind}
    assert judge(facts(account=AccountFacts(**right)), NOON) == set()
    assert judge(facts(account=AccountFacts(**wrong), thresholds=off), NOON) == set()


def test_two_feeds_that_wait_are_two_causes() -> None:
    waiting = AccountFacts(unanswered_since=dict.fromkeys(FeedKind, NOON - 2 * HOUR))

    assert {cause.key for cause in judge(facts(account=waiting), NOON)} == {
        "answers_overdue:lr:item",
        "answers_overdue:lr:offer",
    }


def test_orders_past_and_close_to_their_deadlines_are_two_causes() -> None:
    waiting = {("lr", "late"): 2, ("lr", "due_soon"): 1, ("lr", "in_time"): 9, ("gone", "late"): 3}

    found = judge(facts(replace(WELL, waiting=waiting)), NOON)

    assert {(cause.kind, cause.text, cause.severity) for cause in found} == {
        (CauseKind.ORDERS_LATE, "2 orders of lr past a deadline", Severity.CRITICAL),
        (CauseKind.ORDERS_DUE_SOON, "1 order of lr close to a deadline", Severity.WARNING),
    }
    quiet = ThresholdsTable(orders=False)
    assert judge(facts(replace(WELL, waiting=waiting), thresholds=quiet), NOON) == set()


ZEROS = (
    "the guard holds 40 stocks going to zero of lr back since 2026-03-02 11:00 UTC: where they are true, what is not"
    " there is being sold; they leave by themselves at 2026-03-02 15:00 UTC"
)


def test_what_the_guard_holds_is_a_cause_by_rule_and_zeros_say_what_that_risks() -> None:
    held = {GuardRule.PRICE_FALL: (3, NOON - HOUR), GuardRule.MASS_ZERO: (40, NOON - HOUR)}

    found = judge(facts(account=AccountFacts(held=held)), NOON)

    assert {(cause.key, cause.text, cause.severity) for cause in found} == {
        (
            "guard:lr:price_fall",
            "the guard holds 3 price falls of lr back since 2026-03-02 11:00 UTC",
            Severity.CRITICAL,
        ),
        (
            "guard:lr:mass_zero",
            ZEROS,
            Severity.CRITICAL,
        ),
    }


def test_claims_failed_updates_and_wrong_orders_wait_for_a_person() -> None:  # J12 J13
    attention = {("lr", "claims_open"): 2, ("lr", "claims_waiting"): 1, ("lr", "updates_failed"): 1}
    attention |= {("lr", "updates_in_doubt"): 4, ("jl", "claims_open"): 9}
    verdict = replace(WELL, attention=attention, order_errors={("lr", "high"): 1, ("lr", "low"): 1, ("jl", "high"): 9})

    assert {(cause.key, cause.text) for cause in judge(facts(verdict), NOON)} == {
        ("attention:lr", "3 claims and 1 failed order update of lr wait for a person"),
        ("order_errors:lr", "2 things wrong with orders of lr"),
    }
    assert judge(facts(verdict, thresholds=ThresholdsTable(orders=False)), NOON) == set()


@pytest.mark.parametrize(
    ("size", "free", "found"),
    [
        (100 * GIB, 2 * GIB, None),  # 2 % of a large disk is still room
        (100 * GIB, GIB - 1, Severity.WARNING),
        (4 * GIB, GIB // 2, None),  # half a GiB is more than a tenth of a small one
        (4 * GIB, GIB // 4, Severity.WARNING),
        (100 * GIB, GIB // 4 - 1, Severity.CRITICAL),
    ],
)
def test_a_disk_is_nearly_full_by_share_or_by_room(size: int, free: int, found: Severity | None) -> None:
    causes = judge(facts(machine=Machine(disk_bytes=size, disk_free_bytes=free)), NOON)

    assert {(cause.kind, cause.severity) for cause in causes} == ({(CauseKind.DISK, found)} if found else set())


def test_a_disk_that_could_not_be_asked_is_no_cause_and_one_limit_may_be_off() -> None:
    full = Machine(disk_bytes=100 * GIB, disk_free_bytes=2 * GIB)

    assert judge(facts(machine=Machine()), NOON) == set()
    assert kinds(judge(facts(machine=full, disk_free_mib=0), NOON)) == {CauseKind.DISK}
    assert judge(facts(machine=full, disk_free_mib=0, disk_free_percent=0), NOON) == set()


def test_the_site_crosses_its_thresholds() -> None:
    refused = Loaded(NOON - HOUR, ("config.toml: one is wrong", "config.toml: another too"))
    backlog = {"mail": Backlog(2, NOON - HOUR, "not reached")}

    def found(at: datetime = NOON, **machine: Any) -> dict[str, str]:
        mail = {"host": "mail.seller.example", "sender": "s@seller.example", "recipients": ["ops@seller.example"]}
        verdict = replace(WELL, config=refused)
        causes = judge(facts(verdict, machine=Machine(**machine), backlog=backlog, mail=mail), at)
        return {cause.key: cause.text for cause in causes}

    always = {
        "configuration": "the reload of 2026-03-02 11:00 UTC was refused: config.toml: one is wrong (and 1 more)",
        "untold::mail": "2 notices not delivered by mail since 2026-03-02 11:00 UTC: not reached",
    }
    assert found(log_bytes=512 << 20, unsynchronised_since=NOON - 29 * MINUTE, ended_at=NOON - HOUR) == always
    assert found(
        log_bytes=(512 << 20) + 1, unsynchronised_since=NOON - 30 * MINUTE, ended_at=NOON - 59 * MINUTE
    ) == always | {
        "database::log": "the log of the database has 512 MiB",
        "clock": "the clock has not been synchronised since 2026-03-02 11:30 UTC at least",
        "ended": "the daemon ended at 2026-03-02 11:01 UTC because its storage failed",
    }


def test_a_way_that_is_not_configured_any_more_has_nothing_to_deliver() -> None:
    backlog = {"mail": Backlog(2, NOON - HOUR, "not configured any more")}

    assert judge(facts(backlog=backlog), NOON) == set()


def test_the_jobs_of_no_account_are_silent_by_the_threshold_of_the_site() -> None:
    late = replace(WELL, jobs=(job("alerts", NOON - 3 * HOUR, account=SITE),))

    assert only(judge(facts(late), NOON)).text == "no success of alerts since 2026-03-02 09:00 UTC"
    assert judge(facts(late, site_silence="4h"), NOON) == set()


@pytest.mark.parametrize(
    ("ends", "text", "urgent"),
    [
        (date(2026, 3, 16), "login password of lr ends on 2026-03-16", False),
        (date(2026, 3, 2), "login password of lr ends on 2026-03-02", False),
        (date(2026, 3, 1), "login password of lr ended on 2026-03-01", True),
    ],
)
def test_a_secret_that_ends_is_told_two_weeks_before(ends: date, text: str, urgent: bool) -> None:
    cause = only(judge(facts(expires={"login password": ends, "token": date(2026, 3, 17)}), NOON))

    assert (cause.text, cause.urgent, cause.key) == (text, urgent, "secret_expires:lr:login password")


def test_the_jobs_of_many_accounts_are_looked_through_once() -> None:
    """What is judged of an account costs the same however many others there are: with 5,000 the loop stood still."""
    names = [AccountName(f"a{number}") for number in range(300)]
    looked = 0

    class Counted(tuple[JobVerdict, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            nonlocal looked
            looked += 1
            return super().__iter__()

    jobs = Counted(replace(job("orders", NOON - DAY), account=name) for name in names for _ in range(8))
    watched = {name: Watched(ThresholdsTable()) for name in names}
    every = {name: {"orders": 10 * MINUTE} for name in names}
    found = judge(Facts(replace(WELL, jobs=jobs), AlertsTable(), watched, every), NOON)
    assert kinds(found) == {CauseKind.SILENCE}
    assert len(found) == 300
    assert looked == 1
