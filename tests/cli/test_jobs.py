"""`sellerd jobs`: listed, run now, paused and resumed."""

from tests.cli.conftest import RunningDaemon, Say, answer


def test_every_job_is_listed_before_anything_ran(say: Say) -> None:  # D13 S3
    found = answer(say("jobs", "--json"))["jobs"]

    assert [(row["account"], row["job"], row["state"], row["every"]) for row in found[:4]] == [
        ("", "housekeeping", "never", "1d"),
        ("", "backup", "never", "1d"),
        ("lewis", "offers", "never", "15m"),
        ("lewis", "reports", "never", "5m"),
    ]
    assert "redoute\trefunds\tnever\t20m" in say("jobs", "list").output
    assert say("jobs", "list", "--account", "nobody").exit_code == 1


def test_a_flow_rests_and_everybody_sees_it(say: Say) -> None:  # D13
    flow = ("offers", "items", "--account", "redoute")
    paused = say("jobs", "pause", *flow, "--reason", "prices are being checked", "--for", "2h")

    assert (paused.exit_code, paused.output.startswith("offers, items of redoute are paused until ")) == (0, True)
    assert "PAUSED" in say("status").output
    assert "prices are being checked" in say("status").output
    rows = {row["job"]: row for row in answer(say("jobs", "list", "--account", "redoute", "--json"))["jobs"]}
    assert {job for job, row in rows.items() if row["state"] == "paused"} == {"offers", "items"}
    assert rows["offers"]["detail"] == "prices are being checked"
    assert say("jobs", "resume", "items", "--account", "redoute").output == "items of redoute run again.\n"
    assert say("jobs", "resume", "--account", "redoute").output == "offers of redoute run again.\n"
    assert "PAUSED" not in say("status").output


def test_a_running_daemon_gives_resumed_jobs_a_turn(say: Say, running: RunningDaemon) -> None:  # D13
    assert say("jobs", "pause", "--account", "redoute", "--reason", "stock take").exit_code == 0
    assert say("jobs", "resume", "--account", "redoute").exit_code == 0

    assert running.asked == ["redoute offers", "redoute orders"]


def test_what_cannot_be_paused_is_told(say: Say) -> None:  # D13
    assert say("jobs", "pause", "--account", "redoute").exit_code == 2
    both = say("jobs", "pause", "--account", "redoute", "--reason", "x", "--for", "1h", "--until", "2026-03-02")
    assert (both.exit_code, "give one of them" in both.output) == (2, True)
    wrong = say("jobs", "pause", "--account", "redoute", "--reason", "x", "--for", "soon")
    assert (wrong.exit_code, "number and unit" in wrong.output) == (2, True)
    unknown = say("jobs", "pause", "offer", "--account", "redoute", "--reason", "x")
    assert (unknown.exit_code, "no job offer" in unknown.output) == (1, True)
    assert "nothing to resume" in say("jobs", "resume", "--account", "redoute").output
