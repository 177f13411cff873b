"""`sellerd plan`, beside a daemon and without one."""

import hashlib
from pathlib import Path

from daemon.config import load
from tests.cli.conftest import CATALOGUE, RunningDaemon, Say, answer
from tests.cli.test_commands import imported


def test_the_plan_of_an_account_for_people_and_programs(say: Say, config_path: Path, tmp_path: Path) -> None:  # S3
    imported(say)
    database = load(config_path).database
    before = hashlib.sha256(database.read_bytes()).hexdigest()

    result = say("plan", "--account", "redoute")

    assert result.exit_code == 0, result.output
    assert "item feed" in result.output
    assert "8 listings (8 item)" in result.output
    assert "LAMPE-CHENE\titem\tall of it\tnever" in result.output
    assert "it leaves at its next turn" in result.output
    made = answer(say("plan", "--account", "redoute", "--bytes", tmp_path / "next", "--limit", 3, "--json"))
    (feed,) = made["plan"]["feeds"]
    assert (feed["listings"], len(feed["objects"]), feed["more"]) == (8, 3, 5)
    assert Path(made["written"][0]).stat().st_size == feed["bytes"]
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before


def test_a_plan_beside_a_running_daemon(say: Say, running: RunningDaemon) -> None:  # S3
    assert say("import", "listings", CATALOGUE / "johnlewis-listings.csv", "--account", "lewis").exit_code == 0
    assert say("import", "stock", CATALOGUE / "johnlewis-stock.csv", "--account", "lewis").exit_code == 0
    (feed,) = answer(say("plan", "--account", "lewis", "--json"))["plan"]["feeds"]
    assert (feed["kind"], feed["listings"], feed["parts"]) == ("offer", 8, {"stock": 8})
    assert running.asked == []


def test_nothing_to_plan_is_told(say: Say) -> None:  # S3
    assert say("plan", "--account", "redoute").exit_code == 75
    imported(say)
    assert say("plan", "--account", "lewis").output == "Nothing is due: nothing would be sent.\n"
    assert "no account nobody" in say("plan", "--account", "nobody").output
